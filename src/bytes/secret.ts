import { inspect } from 'node:util';
import { isEqual } from './equal.ts';

/** Text that must not reach a log, an error or a JSON document by accident: it prints as `[redacted]`. */
export class Secret {
  readonly #bytes: Uint8Array;

  constructor(text: string) {
    this.#bytes = Buffer.from(text, 'utf8');
  }

  /** The text itself, for the one place that needs it. */
  reveal(): string {
    return Buffer.from(this.#bytes).toString('utf8');
  }

  equals(other: Secret): boolean {
    return isEqual(this.#bytes, other.#bytes);
  }

  toString(): string {
    return '[redacted]';
  }

  toJSON(): string {
    return '[redacted]';
  }

  [inspect.custom](): string {
    return '[redacted]';
  }
}
