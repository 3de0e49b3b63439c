/** Times as text (RFC 3339, UTC, milliseconds), as `Date.toISOString` writes them, at a quarter of its price. */
import { DAY_MS } from '../durations.ts';

/** Years 0 to 9999, which take four digits. */
const FROM = -62_167_219_200_000;
const TO = 253_402_300_800_000;

const TWO = Array.from({ length: 100 }, (_, n) => String(n).padStart(2, '0'));
const THREE = Array.from({ length: 1000 }, (_, n) => String(n).padStart(3, '0'));

/** Of the day that was asked for last: most times at hand are of one or two. */
let knownDay = Number.NaN;
let knownDate = '';

/** @param ms whole milliseconds since 1970; throws a RangeError for what no date is. */
export function isoTime(ms: number): string {
  if (!Number.isInteger(ms) || ms < FROM || ms >= TO) return new Date(ms).toISOString();
  const day = Math.floor(ms / DAY_MS);
  if (day !== knownDay) {
    knownDate = new Date(day * DAY_MS).toISOString().slice(0, 'yyyy-mm-ddT'.length);
    knownDay = day;
  }
  const rest = ms - day * DAY_MS;
  const seconds = Math.floor(rest / 1000);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  return `${knownDate}${TWO[hours]}:${TWO[minutes % 60]}:${TWO[seconds % 60]}.${THREE[rest % 1000]}Z`;
}
