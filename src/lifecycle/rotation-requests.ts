/**
 * Rotations as people ask for them. The keys belong to the deployment and not to a tenant, so that replacing them is for
 * the organization that `init` made; how old they are may be known by everybody whose data they keep.
 */
import type { RotationInput, RotationKeys, RotationResult } from '@strongroom/client';
import type { Access } from '../access/access.ts';
import type { RequestContext } from '../access/context.ts';
import type { Organizations } from '../access/organizations.ts';
import type { Recorder } from '../access/recorder.ts';
import { StrongroomError } from '../errors.ts';
import { ROTATION_KEYS, type Rotations } from './rotations.ts';

export interface RotationRequestsParts {
  readonly rotations: Rotations;
  readonly organizations: Organizations;
  readonly access: Access;
  readonly recorder: Recorder;
}

export class RotationRequests {
  readonly #parts: RotationRequestsParts;

  constructor(parts: RotationRequestsParts) {
    this.#parts = parts;
  }

  async listRotations(context: RequestContext): Promise<RotationKeys> {
    const { access, recorder, rotations } = this.#parts;
    access.require(context, 'rotation.list', null);
    const keys = await rotations.ages();
    await recorder.record(context, {
      action: 'rotation.list',
      target: context.organization,
      count: keys.length,
    });
    return { keys: [...keys] };
  }

  /** The entry of the request is durable before the first key is replaced. */
  async runRotation(context: RequestContext, input: RotationInput): Promise<RotationResult> {
    const { access, organizations, recorder, rotations } = this.#parts;
    access.require(context, 'rotation.run', null);
    const { keys = ROTATION_KEYS, retired = 'keep' } = input;
    if (keys.length > 0 && (await organizations.first()) !== context.organization)
      throw new StrongroomError('access.refused', 'the keys of the service are not this organization’s');
    const facts = { keys: [...new Set(keys)].join(), retired };
    await recorder.record(context, { action: 'rotation.run', target: context.organization, facts });
    const atOnce = retired === 'destroy';
    return { rotations: [...(await rotations.run(keys, { cause: 'command', atOnce }))] };
  }
}
