/**
 * Times as transcripts write them. What names no zone is taken as UTC, so that the same file gives the same memories
 * everywhere. What can be read in two ways (05/07/2023) is not read at all.
 */

const ISO =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ]+(\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*(Z|UTC|[+-]\d{2}:?\d{2})?)?$/i;
const CLOCK = /\b(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([ap]\.?m\.?)?/i;
const DAY_MONTH = /\b(\d{1,2})(?:st|nd|rd|th)?(?:\s+of)?\s+([a-z]{3,9})\.?,?\s+(\d{4})\b/i;
const MONTH_DAY = /\b([a-z]{3,9})\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})\b/i;
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const MONTH_NAME =
  /^(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)$/i;

/** Seconds since 1970 stay below this until the year 5138; milliseconds have been above it since 1973. */
const SECONDS_MAX = 1e11;

/** Milliseconds since 1970, or null: no time that can be read in one way only. */
export function matchTime(value: unknown): number | null {
  if (typeof value === 'number') return fromEpoch(value);
  if (typeof value !== 'string') return null;
  const text = value.trim();
  if (/^\d{9,13}(\.\d+)?$/.test(text)) return fromEpoch(Number(text));
  return matchIso(text) ?? matchWords(text);
}

const fromEpoch = (value: number): number | null => {
  if (!Number.isFinite(value) || value < 0 || value > 253_402_300_799_999) return null;
  return Math.round(value < SECONDS_MAX ? value * 1000 : value);
};

function matchIso(text: string): number | null {
  const match = ISO.exec(text);
  if (match === null) return null;
  const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = '', zone = 'Z'] = match;
  const ms = fraction.slice(0, 3).padEnd(3, '0');
  if (!isDay(Number(year), Number(month), Number(day))) return null;
  const offset = /^(Z|UTC)$/i.test(zone) ? 'Z' : zone.replace(/^([+-]\d{2}):?(\d{2})$/, '$1:$2');
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}${offset}`);
  return Number.isNaN(time) ? null : time;
}

/** "1:56 pm on 8 May, 2023", "May 8, 2023 at 13:56", "8 May 2023". */
function matchWords(text: string): number | null {
  const date = matchDate(text);
  if (date === null) return null;
  const clock = CLOCK.exec(text);
  if (clock === null) return Date.UTC(date.year, date.month, date.day);
  const [, hourText, minuteText, secondText = '0', half] = clock;
  const hour = hourOfDay(Number(hourText), half);
  const [minute, second] = [Number(minuteText), Number(secondText)];
  if (hour === null || minute > 59 || second > 59) return null;
  return Date.UTC(date.year, date.month, date.day, hour, minute, second);
}

function matchDate(text: string): { year: number; month: number; day: number } | null {
  const [, day, month, year] = DAY_MONTH.exec(text) ?? reordered(MONTH_DAY.exec(text));
  if (day === undefined || month === undefined || year === undefined || !MONTH_NAME.test(month)) return null;
  const index = MONTHS.indexOf(month.slice(0, 3).toLowerCase());
  return isDay(Number(year), index + 1, Number(day))
    ? { year: Number(year), month: index, day: Number(day) }
    : null;
}

const reordered = (match: RegExpExecArray | null): readonly (string | undefined)[] =>
  match === null ? [] : [match[0], match[2], match[1], match[3]];

function hourOfDay(hour: number, half: string | undefined): number | null {
  if (half === undefined) return hour <= 23 ? hour : null;
  if (hour < 1 || hour > 12) return null;
  return (hour % 12) + (/^p/i.test(half) ? 12 : 0);
}

/** JavaScript turns 31 February into March; here it is no day. */
function isDay(year: number, month: number, day: number): boolean {
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}
