/**
 * How long a file of the application log is kept. There is one a day, by the day's date (UTC), and it goes as a whole: its last
 * line has then been kept for the days that were set, its first for one more. Who removes the files and who explains a
 * line of them ask this one rule.
 */
import { DAY_MS } from '../durations.ts';

/** Of the file that a line of this moment stands in. */
export const logFileOf = (ms: number): string => `strongroom-${dayOf(ms)}.jsonl`;

/** From when on the file of that moment's day is removed. */
export const logFileEndsAt = (ms: number, days: number): number =>
  (Math.floor(ms / DAY_MS) + 1 + days) * DAY_MS;

/** The day of a file, as its first moment; null for what is none of ours. */
export function matchLogFile(name: string): number | null {
  const day = /^strongroom-(\d{4}-\d{2}-\d{2})\.jsonl$/.exec(name)?.[1];
  const ms = day === undefined ? NaN : Date.parse(day);
  return Number.isNaN(ms) ? null : ms;
}

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 'yyyy-mm-dd'.length);
