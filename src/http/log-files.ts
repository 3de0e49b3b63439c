/**
 * The application log in files of its own: one a day, by the day's date (UTC), readable by its owner only, and gone after the
 * number of days that was set. Lines are written as they come, so that the last ones before a crash are there.
 */
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../environment.ts';
import { logFileEndsAt, logFileOf, matchLogFile } from '../lifecycle/log-days.ts';

export interface LogFilesParts {
  readonly folder: string;
  readonly days: number;
  readonly clock: Clock;
}

export class LogFiles {
  readonly #parts: LogFilesParts;
  #name = '';
  #file: number | null = null;

  constructor(parts: LogFilesParts) {
    this.#parts = parts;
    mkdirSync(parts.folder, { recursive: true, mode: 0o700 });
    this.prune();
  }

  /** One line, its break included. */
  write(line: string): void {
    const name = logFileOf(this.#parts.clock.now());
    if (this.#file === null || name !== this.#name) this.#open(name);
    if (this.#file !== null) writeSync(this.#file, line);
  }

  /** Removes the files of days that are over for longer than was set. */
  prune(): void {
    const { folder, days, clock } = this.#parts;
    const now = clock.now();
    for (const name of readdirSync(folder)) {
      const day = matchLogFile(name);
      if (day !== null && logFileEndsAt(day, days) <= now) rmSync(join(folder, name), { force: true });
    }
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  #open(name: string): void {
    this.close();
    this.#file = openSync(join(this.#parts.folder, name), 'a', 0o600);
    this.#name = name;
    this.prune();
  }
}
