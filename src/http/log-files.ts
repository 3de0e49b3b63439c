/**
 * The application log in files of its own: one a day, by the day's date (UTC), readable by its owner only, and gone after the
 * number of days that was set. Lines are written as they come, so that the last ones before a crash are there.
 */
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../environment.ts';

export interface LogFilesParts {
  readonly folder: string;
  readonly days: number;
  readonly clock: Clock;
}

const NAME = /^strongroom-(\d{4}-\d{2}-\d{2})\.jsonl$/;
const DAY_MS = 86_400_000;

export class LogFiles {
  readonly #parts: LogFilesParts;
  #day = '';
  #file: number | null = null;

  constructor(parts: LogFilesParts) {
    this.#parts = parts;
    mkdirSync(parts.folder, { recursive: true, mode: 0o700 });
    this.prune();
  }

  /** One line, its break included. */
  write(line: string): void {
    const day = dayOf(this.#parts.clock.now());
    if (this.#file === null || day !== this.#day) this.#open(day);
    if (this.#file !== null) writeSync(this.#file, line);
  }

  /** Removes the files of days that are over for longer than was set. */
  prune(): void {
    const { folder, days, clock } = this.#parts;
    const oldest = dayOf(clock.now() - days * DAY_MS);
    for (const name of readdirSync(folder)) {
      const day = NAME.exec(name)?.[1];
      if (day !== undefined && day < oldest) rmSync(join(folder, name), { force: true });
    }
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  #open(day: string): void {
    this.close();
    this.#file = openSync(join(this.#parts.folder, `strongroom-${day}.jsonl`), 'a', 0o600);
    this.#day = day;
    this.prune();
  }
}

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 'yyyy-mm-dd'.length);
