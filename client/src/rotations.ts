import type { CallOptions, Transport, WriteOptions } from './transport.ts';
import type { RotationInput, RotationKeys, RotationResult } from './types.ts';

/** The keys of the service: how old they are, and replacing them. */
export class Rotations {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Every key with its age and the day by which it is replaced by itself. */
  list(options?: CallOptions): Promise<RotationKeys> {
    return this.#transport.json({ method: 'GET', path: '/v1/rotations', options });
  }

  /** Replaces keys now. For API keys of the organization that the deployment was made with. */
  run(input: RotationInput = {}, options?: WriteOptions): Promise<RotationResult> {
    return this.#transport.json({ method: 'POST', path: '/v1/rotations', body: input, options });
  }
}
