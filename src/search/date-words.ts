/**
 * How a language names months and speaks of the last and the next days, weeks, months and years: read from the Unicode data
 * that Node carries. It is read anew in each process, and nothing that is kept depends on it.
 */
import type { LanguageCode } from './languages.ts';

export interface RelativeDate {
  readonly unit: 'day' | 'week' | 'month' | 'year';
  readonly step: number;
}

interface Named {
  readonly pattern: RegExp;
  readonly monthOf: (name: string) => number;
}

/** Patterns for text in the form that `foldedText` gives. */
export interface DateWords {
  /** A day, its month, perhaps a year. */
  readonly day: Named;
  /** A month, perhaps a year. */
  readonly month: Named;
  readonly relative: { readonly pattern: RegExp; readonly of: (words: string) => RelativeDate };
}

const UNITS: readonly (readonly [RelativeDate['unit'], readonly number[]])[] = [
  ['day', [-2, -1, 0, 1]],
  ['week', [-1, 0, 1]],
  ['month', [-1, 0, 1]],
  ['year', [-1, 0, 1]],
];
/** Languages that write "in May" at the end of the month's name. */
const WITH_ENDINGS: ReadonlySet<LanguageCode> = new Set(['fi', 'hu', 'tr', 'eu', 'hy']);
/** What may stand between a day, its month and the year. */
const LINK = "(?:(?:de|del|di|da|of)\\s+|d['’])?";
const YEAR = '((?:19|20)\\d{2})';
const ARTICLE = /^(?:(?:la|le|el|a|o|an|na|de)\s+|l')/;

const known = new Map<LanguageCode, DateWords>();

/** Lower case and without accents; a letter stays a letter. */
export const foldedText = (text: string): string =>
  text.normalize('NFKD').toLowerCase().replace(/\p{M}/gu, '').replace(/’/g, "'");

export function dateWordsOf(language: LanguageCode): DateWords {
  const held = known.get(language) ?? readWords(language);
  known.set(language, held);
  return held;
}

function readWords(language: LanguageCode): DateWords {
  const months = monthsOf(language);
  const ending = WITH_ENDINGS.has(language) ? "'?\\p{L}*" : '';
  const name = `(${alternatives(months.keys())})${ending}(?!\\p{L})`;
  const monthOf = (text: string): number => months.get(text) ?? 0;
  const relative = relativesOf(language);
  return {
    day: {
      pattern: new RegExp(
        `(?<!\\p{L}|\\d)(\\d{1,2})(?:\\.|er|[ºª°])?\\s+${LINK}${name}(?:,?\\s+${LINK}${YEAR}(?!\\d))?`,
        'gu',
      ),
      monthOf,
    },
    month: {
      pattern: new RegExp(`(?<!\\p{L})${name}(?:,?\\s+${LINK}${YEAR}(?!\\d))?`, 'gu'),
      monthOf,
    },
    relative: {
      pattern: new RegExp(`(?<!\\p{L})(${alternatives(relative.keys())})(?!\\p{L})`, 'gu'),
      of: (words) => relative.get(words) ?? { unit: 'day', step: 0 },
    },
  };
}

/** Each name alone and beside a day, which some languages decline. */
function monthsOf(language: LanguageCode): ReadonlyMap<string, number> {
  const months = new Map<string, number>();
  const forms = [{ month: 'long' }, { month: 'long', day: 'numeric' }] as const;
  for (let month = 0; month < 12; month++)
    for (const form of forms) {
      const format = new Intl.DateTimeFormat(language, { ...form, timeZone: 'UTC' });
      const parts = format.formatToParts(Date.UTC(2023, month, 15));
      const name = parts.find(({ type }) => type === 'month')?.value ?? '';
      months.set(foldedText(name).replace(/^(?:de\s|d')/, ''), month);
    }
  return months;
}

function relativesOf(language: LanguageCode): ReadonlyMap<string, RelativeDate> {
  const format = new Intl.RelativeTimeFormat(language, { numeric: 'auto' });
  const words = new Map<string, RelativeDate>();
  for (const [unit, steps] of UNITS)
    for (const step of steps) {
      const text = foldedText(format.format(step, unit));
      // A form with a number has no word of its own.
      if (!/\d/.test(text)) words.set(text.replace(ARTICLE, ''), { unit, step });
    }
  return words;
}

/** The longest first, because the first that fits is taken. */
const alternatives = (words: Iterable<string>): string =>
  [...words]
    .toSorted((a, b) => b.length - a.length)
    .map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('|');
