/**
 * What a dry run gives and the erasure asks for: sealed, bound to who asked, to the target and to exactly the memories
 * that were counted, and good for a quarter of an hour. What has changed meanwhile has to be looked at again.
 */
import type { ErasureTarget } from '@strongroom/client';
import type { RequestContext } from '../access/context.ts';
import type { Cursors, ListBinding } from '../access/cursors.ts';
import type { Json } from '../bytes/canonical-json.ts';
import { encodeHex, encodeUtf8 } from '../bytes/encoding.ts';
import { sha256 } from '../crypto/hash.ts';
import { MINUTE_MS } from '../durations.ts';
import type { Clock } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { LIMITS } from '../limits.ts';

export interface Counted {
  readonly count: number;
  /** Of what was counted, version by version. */
  readonly digest: string;
}

interface Confirmed extends Counted {
  readonly until: number;
}

export class Confirmations {
  readonly #cursors: Cursors;
  readonly #clock: Clock;

  constructor(cursors: Cursors, clock: Clock) {
    this.#cursors = cursors;
    this.#clock = clock;
  }

  give(
    context: RequestContext,
    target: ErasureTarget,
    { count, digest }: Counted,
  ): { confirm: string; expiresAt: string } {
    const until = this.#clock.now() + LIMITS.confirmationMinutes * MINUTE_MS;
    const confirm = this.#cursors.seal(bindingOf(context, target), JSON.stringify({ count, digest, until }));
    return { confirm, expiresAt: new Date(until).toISOString() };
  }

  /** What was confirmed; `request.invalid` for what is no confirmation of this target by this key, or too old. */
  take(context: RequestContext, target: ErasureTarget, confirm: string): Counted {
    const { until, ...counted } = this.#open(context, target, confirm);
    if (until < this.#clock.now()) throw notConfirmed('has expired: do the dry run again');
    return counted;
  }

  #open(context: RequestContext, target: ErasureTarget, confirm: string): Confirmed {
    try {
      const text = this.#cursors.open(bindingOf(context, target), confirm);
      return JSON.parse(text ?? 'null') as Confirmed;
    } catch (error) {
      if (error instanceof StrongroomError && error.code === 'cursor.invalid')
        throw notConfirmed('is not of a dry run of this target by this API key');
      throw error;
    }
  }
}

/** The digest of memories at their versions, in any order. */
export const digestOfMemories = (memories: Iterable<{ id: string; version: number }>): string =>
  encodeHex(
    sha256(
      encodeUtf8(
        Array.from(memories, ({ id, version }) => `${id}:${version}`)
          .sort()
          .join('\n'),
      ),
    ),
  );

export const notConfirmed = (message: string): StrongroomError =>
  new StrongroomError('request.invalid', {
    detail: `/confirm: ${message}`,
    faults: [{ path: '/confirm', message }],
  });

const bindingOf = (context: RequestContext, target: ErasureTarget): ListBinding => ({
  organization: context.organization,
  list: 'erasures/confirm',
  query: { principal: context.principal.id, target: JSON.parse(JSON.stringify(target)) as Json },
});
