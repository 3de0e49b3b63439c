/**
 * How a keyring ends. An error in writing leaves unknown what is on the disks, so it stops the keyring for good and is told to
 * `onFatal`, which ends the process: only an opening can tell which epoch it is.
 */
import { StrongroomError } from '../errors.ts';

export interface HaltParts {
  /** Forgets every key. */
  readonly forget: () => void;
  /** Must end the process. */
  readonly onFatal: (error: unknown) => void;
}

export class Halt {
  readonly #parts: HaltParts;
  #reason: StrongroomError | null = null;

  constructor(parts: HaltParts) {
    this.#parts = parts;
  }

  /** Throws once the keyring has stopped. */
  check(): void {
    if (this.#reason !== null) throw this.#reason;
  }

  /** Runs what writes to the keystore: an error stops the keyring and ends the process. */
  async orStop<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (this.#reason === null) {
        const detail = 'the keyring has stopped after an error in writing';
        this.stop(new StrongroomError('keyring.damaged', { detail, cause: error }));
        this.#parts.onFatal(error);
      }
      throw error;
    }
  }

  /** Forgets every key; from now on everything is refused. */
  stop(reason: StrongroomError): void {
    this.#reason ??= reason;
    this.#parts.forget();
  }
}
