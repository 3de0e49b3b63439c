import { StrongroomError } from './errors.ts';
import type { CallOptions, Transport } from './transport.ts';
import type { Verification, VerificationEvent, VerificationInput } from './types.ts';

/** The promises of the server, checked on the server as it runs. */
export class Verifications {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Runs the checks; what is still to come is told while they run, and the last event is the whole result. */
  stream(
    input: VerificationInput = {},
    options?: CallOptions,
  ): AsyncGenerator<VerificationEvent, void, undefined> {
    return this.#transport.events('/v1/verifications', input, options);
  }

  /** Runs the checks and gives the result once all of them have ended. */
  async run(input: VerificationInput = {}, options?: CallOptions): Promise<Verification> {
    for await (const event of this.stream(input, options))
      if (event.type === 'verification') return event.verification;
    throw new StrongroomError('answer.invalid', 'the verification broke off');
  }
}
