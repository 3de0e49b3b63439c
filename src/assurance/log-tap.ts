import type { Log, LogFields } from '../http/request-log.ts';

/** A log that also keeps, for as long as somebody listens, what goes through it. */
export class LogTap implements Log {
  readonly #log: Log;
  readonly #heard = new Set<string[]>();

  constructor(log: Log) {
    this.#log = log;
  }

  info(fields: LogFields, message: string): void {
    this.#hear('info', fields, message);
    this.#log.info(fields, message);
  }

  error(fields: LogFields, message: string): void {
    this.#hear('error', fields, message);
    this.#log.error(fields, message);
  }

  /** The lines from now on, until `end` is called. */
  listen(): { readonly lines: readonly string[]; readonly end: () => void } {
    const lines: string[] = [];
    this.#heard.add(lines);
    return { lines, end: () => void this.#heard.delete(lines) };
  }

  #hear(level: string, fields: LogFields, message: string): void {
    if (this.#heard.size === 0) return;
    const line = JSON.stringify({ level, ...fields, message });
    for (const lines of this.#heard) lines.push(line);
  }
}
