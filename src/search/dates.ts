/**
 * Dates in a question, as weights on the time of a memory: "in May 2023", "on 7 May", "last week", "two months ago".
 *
 * People speak of a day on the days after it, so a day reaches a little further. Times are UTC. English in many forms;
 * in other languages the names of months with day and year, and what Unicode's data has for "yesterday" and "last week"
 * (date-words.ts).
 */
import { DAY_MS } from '../durations.ts';
import { dateWordsOf, foldedText, type RelativeDate } from './date-words.ts';
import type { LanguageCode } from './languages.ts';

/** Days since 1970, or a part of every year. `month` counts from 0. */
export type DateHint =
  | { readonly kind: 'days'; readonly from: number; readonly to: number; readonly weight: number }
  | {
      readonly kind: 'yearly';
      readonly month: number;
      readonly days: readonly [number, number];
      readonly weight: number;
    };

const MONTH_WEIGHT = 1;
const YEAR_WEIGHT = 0.3;
const DAY_WEIGHT = 1;
/** From the day before (time zones) to two days after. */
const DAY_REACH = [-1, 3] as const;
const WHOLE_MONTH = [1, 32] as const;

export const MONTHS =
  'january february march april may june july august september october november december'.split(' ');
export const WEEKDAYS = 'sunday monday tuesday wednesday thursday friday saturday'.split(' ');
const SEASONS = ['spring', 'summer', 'autumn', 'fall', 'winter'];
export const NUMBERS = 'zero one two three four five six seven eight nine ten eleven twelve'.split(' ');

const MONTH = `(${MONTHS.join('|')}|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\\.?`;
const DAY = '(\\d{1,2})(?:st|nd|rd|th)?';
const YEAR = '((?:19|20)\\d{2})';

type Read = (groups: readonly (string | undefined)[], today: number) => readonly DateHint[];

// Tried in this order; what one has read the later ones do not see.
const PATTERNS: readonly (readonly [RegExp, Read])[] = [
  [
    /\b((?:19|20)\d{2})-(\d{2})-(\d{2})(?=\b|T\d)/g,
    ([y, m, d]) => onDay(Number(y), Number(m) - 1, Number(d)),
  ],
  [/\b((?:19|20)\d{2})-(\d{2})\b/g, ([y, m]) => inMonth(Number(y), Number(m) - 1)],
  [
    /\b(\d{1,2})\.\s?(\d{1,2})\.\s?((?:19|20)\d{2})\b/g,
    ([d, m, y]) => onDay(Number(y), Number(m) - 1, Number(d)),
  ],
  [pattern(`\\b${DAY}(?: of)? ${MONTH}\\b,?(?: ${YEAR}\\b)?`), ([d, m, y]) => onDayOf(d, m, y)],
  [pattern(`\\b${MONTH} ${DAY}\\b,?(?: ${YEAR}\\b)?`), ([m, d, y]) => onDayOf(d, m, y)],
  [pattern(`\\b${MONTH},?(?: of)? ${YEAR}\\b`), ([m, y]) => inMonth(Number(y), monthOf(m))],
  [
    pattern(`\\b(last|past|this|next) ${MONTH}\\b`),
    ([which, m], today) => nearMonth(which, monthOf(m), today),
  ],
  // "may" and "march" are words too: with a capital or behind a preposition they are months.
  [/\b(?:in|since|during|until|by|of|early|late|mid) (may|march)\b/gi, ([m]) => everyMonth(monthOf(m))],
  [/\b(May|March)\b/g, ([m]) => everyMonth(monthOf(m))],
  [
    pattern(`\\b(${MONTHS.filter((name) => name !== 'may' && name !== 'march').join('|')})\\b`),
    ([m]) => everyMonth(monthOf(m)),
  ],
  [pattern(`\\b(${SEASONS.join('|')})(?: of)? ${YEAR}\\b`), ([name, y]) => inSeason(name, Number(y))],
  [
    pattern(`\\b(last|past|this|next) (${SEASONS.join('|')})\\b`),
    ([which, name], today) => nearSeason(which, name, today),
  ],
  [pattern(`\\b${YEAR}\\b`), ([y]) => [inYear(Number(y))]],
  [/\bday before yesterday\b/gi, (_, today) => [dayHint(today - 2)]],
  [/\b(?:yesterday|last night)\b/gi, (_, today) => [dayHint(today - 1)]],
  [/\b(?:today|tonight|this (?:morning|afternoon|evening))\b/gi, (_, today) => [dayHint(today)]],
  [/\btomorrow\b/gi, (_, today) => [dayHint(today + 1)]],
  [/\b(last|past|this|next) weekend\b/gi, ([which], today) => [nearWeekend(which, today)]],
  [/\b(last|past|this|next) (week|month|year)\b/gi, ([which, unit], today) => nearUnit(which, unit, today)],
  [
    pattern(`\\b(?:last|on|this|past) (${WEEKDAYS.join('|')})\\b`),
    ([name], today) => [lastWeekday(name, today)],
  ],
  [
    pattern(`\\b(\\d{1,3}|an?|${NUMBERS.join('|')}|a couple(?: of)?) (day|week|month|year)s? ago\\b`),
    ([n, unit], today) => ago(n, unit, today),
  ],
];

function pattern(source: string): RegExp {
  return new RegExp(source, 'gi');
}

/**
 * @param now milliseconds; what "last week" counts from.
 * @param language of the question; English forms are read in any.
 */
export function parseDates(
  question: string,
  now: number,
  language: LanguageCode = 'en',
): readonly DateHint[] {
  const { hints, rest } =
    language === 'en' ? { hints: [], rest: question } : foreign(question, now, language);
  return [...hints, ...english(rest, now)];
}

/** What the words of another language say, and what is left of the question. */
function foreign(
  question: string,
  now: number,
  language: LanguageCode,
): { hints: readonly DateHint[]; rest: string } {
  const { day, month, relative } = dateWordsOf(language);
  const hints: DateHint[] = [];
  const rest = foldedText(question)
    .replace(day.pattern, (_, d: string, name: string, y: string | undefined) => {
      hints.push(...onDayIn(d, day.monthOf(name), y));
      return ' ';
    })
    .replace(month.pattern, (_, name: string, y: string | undefined) => {
      const number = month.monthOf(name);
      hints.push(...(y === undefined ? everyMonth(number) : inMonth(Number(y), number)));
      return ' ';
    })
    .replace(relative.pattern, (_, words: string) => {
      hints.push(...nearby(relative.of(words), Math.floor(now / DAY_MS)));
      return ' ';
    });
  return { hints, rest };
}

const nearby = ({ unit, step }: RelativeDate, today: number): readonly DateHint[] =>
  unit === 'day' ? [dayHint(today + step)] : stepUnit(step, unit, today);

function english(question: string, now: number): readonly DateHint[] {
  const hints: DateHint[] = [];
  let rest = question;
  for (const [regexp, read] of PATTERNS)
    rest = rest.replace(regexp, (_, ...groups: unknown[]) => {
      const texts = groups.map((group) => (typeof group === 'string' ? group.toLowerCase() : undefined));
      hints.push(...read(texts, Math.floor(now / DAY_MS)));
      return ' ';
    });
  return hints;
}

const daysOf = (year: number, month: number, day = 1): number =>
  Math.floor(Date.UTC(year, month, day) / DAY_MS);

const monthOf = (name: string | undefined): number =>
  MONTHS.findIndex((month) => month.startsWith((name ?? '-').slice(0, 3)));

const dayHint = (day: number): DateHint => ({
  kind: 'days',
  from: day + DAY_REACH[0],
  to: day + DAY_REACH[1],
  weight: DAY_WEIGHT,
});

const inYear = (year: number): DateHint => ({
  kind: 'days',
  from: daysOf(year, 0),
  to: daysOf(year + 1, 0),
  weight: YEAR_WEIGHT,
});

const monthHint = (year: number, month: number): DateHint => ({
  kind: 'days',
  from: daysOf(year, month),
  to: daysOf(year, month + 1),
  weight: MONTH_WEIGHT,
});

const everyMonth = (month: number): readonly DateHint[] => [
  { kind: 'yearly', month, days: WHOLE_MONTH, weight: MONTH_WEIGHT },
];

const inMonth = (year: number, month: number): readonly DateHint[] =>
  month < 0 || month > 11 ? [inYear(year)] : [monthHint(year, month), inYear(year)];

/** A day that its month does not have says no more than the month. */
function onDay(year: number, month: number, day: number): readonly DateHint[] {
  const isThere = month >= 0 && month <= 11 && day >= 1 && daysOf(year, month, day) < daysOf(year, month + 1);
  if (!isThere) return inMonth(year, month);
  return [dayHint(daysOf(year, month, day)), ...inMonth(year, month)];
}

function onDayOf(
  day: string | undefined,
  month: string | undefined,
  year: string | undefined,
): readonly DateHint[] {
  return onDayIn(day, monthOf(month), year);
}

function onDayIn(day: string | undefined, m: number, year: string | undefined): readonly DateHint[] {
  const d = Number(day);
  if (year !== undefined) return onDay(Number(year), m, d);
  const days = [d + DAY_REACH[0], d + DAY_REACH[1]] as const;
  return [...everyMonth(m), { kind: 'yearly', month: m, days, weight: DAY_WEIGHT }];
}

/** "last May": the latest May that has begun before this month. */
function nearMonth(which: string | undefined, month: number, today: number): readonly DateHint[] {
  const date = new Date(today * DAY_MS);
  const year = date.getUTCFullYear();
  const passed = month < date.getUTCMonth();
  if (which === 'this') return [monthHint(year, month)];
  if (which === 'next') return [monthHint(passed || month === date.getUTCMonth() ? year + 1 : year, month)];
  return [monthHint(passed ? year : year - 1, month)];
}

const stepOf = (which: string | undefined): number => (which === 'this' ? 0 : which === 'next' ? 1 : -1);

const nearUnit = (which: string | undefined, unit: string | undefined, today: number): readonly DateHint[] =>
  stepUnit(stepOf(which), unit, today);

function stepUnit(step: number, unit: string | undefined, today: number): readonly DateHint[] {
  const date = new Date(today * DAY_MS);
  if (unit === 'month') return [monthHint(date.getUTCFullYear(), date.getUTCMonth() + step)];
  if (unit === 'year') return [{ ...inYear(date.getUTCFullYear() + step), weight: MONTH_WEIGHT }];
  const monday = mondayOf(today) + 7 * step;
  return [{ kind: 'days', from: monday, to: monday + 7, weight: MONTH_WEIGHT }];
}

/** Weeks begin on Monday. */
const mondayOf = (day: number): number => day - ((new Date(day * DAY_MS).getUTCDay() + 6) % 7);

/** A weekend is spoken of on the day after it, too; the last one is over. */
function nearWeekend(which: string | undefined, today: number): DateHint {
  const saturday = mondayOf(today) + 5 + 7 * stepOf(which);
  return { kind: 'days', from: saturday, to: saturday + 3, weight: DAY_WEIGHT };
}

/** The seasons of the north, by months; a winter belongs to the year in which it began. */
function inSeason(name: string | undefined, year: number): readonly DateHint[] {
  const first = { spring: 2, summer: 5, autumn: 8, fall: 8, winter: 11 }[name ?? ''] ?? 0;
  return [{ kind: 'days', from: daysOf(year, first), to: daysOf(year, first + 3), weight: MONTH_WEIGHT }];
}

/** "last summer": the latest that is over; "next summer": the first that has not begun. */
function nearSeason(which: string | undefined, name: string | undefined, today: number): readonly DateHint[] {
  const year = new Date(today * DAY_MS).getUTCFullYear();
  const seasons = [-2, -1, 0, 1, 2].flatMap((step) => inSeason(name, year + step));
  const days = seasons.filter((hint) => hint.kind === 'days');
  const found =
    which === 'next'
      ? days.find(({ from }) => from > today)
      : which === 'this'
        ? days.find(({ to }) => to > today)
        : days.findLast(({ to }) => to <= today);
  return found === undefined ? [] : [found];
}

function lastWeekday(name: string | undefined, today: number): DateHint {
  const back = (new Date(today * DAY_MS).getUTCDay() - WEEKDAYS.indexOf(name ?? '') + 7) % 7;
  return dayHint(today - (back === 0 ? 7 : back));
}

function countOf(words: string): number {
  const named = NUMBERS.indexOf(words);
  if (named >= 0) return named;
  if (words.startsWith('a couple')) return 2;
  return words.startsWith('a') ? 1 : Number(words);
}

function ago(count: string | undefined, unit: string | undefined, today: number): readonly DateHint[] {
  const n = countOf(count ?? '');
  const date = new Date(today * DAY_MS);
  if (unit === 'day') return [dayHint(today - n)];
  if (unit === 'week')
    return [{ kind: 'days', from: today - 7 * n - 3, to: today - 7 * n + 4, weight: MONTH_WEIGHT }];
  if (unit === 'month') return [monthHint(date.getUTCFullYear(), date.getUTCMonth() - n)];
  return [{ ...inYear(date.getUTCFullYear() - n), weight: MONTH_WEIGHT }];
}
