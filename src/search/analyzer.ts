/**
 * Text into terms: what counts as the same word.
 *
 * - Words are runs of letters, marks and digits (Unicode), in lower case and compatibility form. English
 *   endings behind an apostrophe are dropped, and so are the accents of Latin letters.
 * - Latin words are stemmed as English, Cyrillic ones as Russian (Snowball).
 * - Scripts written without spaces (Han, Kana, Thai, Lao, Khmer, Burmese) give each pair of neighbouring characters.
 *   Pairs, unlike a dictionary of words, stay the same when Node's ICU changes. A text gives the single characters
 *   as well, so that a question of one character finds it.
 * - A pictograph (emoji) is a term of its own.
 *
 * Segments keep terms: whoever changes what comes out of here raises ANALYZER_VERSION, and they are read anew.
 */
import { newStemmer, type Stemmer } from 'snowball-stemmers';

export const ANALYZER_VERSION = 1;

const ASCII_WORD = /[a-z0-9]+(?:'[a-z]+)?/g;
const WORD = /\p{Extended_Pictographic}|[\p{L}\p{N}](?:[\p{L}\p{N}\p{M}]|['’](?=\p{L}))*/gu;
// eslint-disable-next-line no-control-regex -- all of ASCII is meant, control characters too
const ASCII = /^[\u0000-\u007f]*$/;
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
const UNSPACED_RUNS = new RegExp(`(?:${UNSPACED.source}[\\p{M}ー]*)+|(?:(?!${UNSPACED.source}).)+`, 'gu');
const UNSPACED_UNIT = new RegExp(`${UNSPACED.source}[\\p{M}ー]*`, 'gu');
const LATIN = /\p{Script=Latin}/u;
const CYRILLIC = /\p{Script=Cyrillic}/u;
const APOSTROPHE = /['’]/;
const CONTRACTED = /['’](?:s|m|d|re|ve|ll)$/;

/** Stems that are remembered; what is held beyond that is forgotten at once. */
const MEMO_MAX = 50_000;
/** Longer runs are no words: they are kept as their beginning. */
const WORD_CHARACTERS_MAX = 64;

// English words that say nothing of what a text is about. Left out of questions, not of texts, and only while
// the question holds other words.
const COMMON = new Set(
  (
    "a about all also am an and any are as at be been but by can can't could did didn't do does doesn't don't for from " +
    'had has have he her ' +
    'hers him his how i if in into is it its just like may me might more most my no not of on or our out she should ' +
    'so some such than that the their them then there these they this those to too up us was we were what when ' +
    'where which while who whom whose why will with would you your'
  ).split(' '),
);

export interface QueryTerm {
  readonly term: string;
  /** Whether the word is among the most frequent of English. */
  readonly common: boolean;
}

/** One for each worker: it remembers stems, because most words come again. */
export class Analyzer {
  readonly #english: Stemmer = newStemmer('english');
  readonly #russian: Stemmer = newStemmer('russian');
  readonly #memo = new Map<string, string>();

  /** The terms of a text, in order, repeated as they are. */
  terms(text: string): readonly string[] {
    return words(text, 'text').map((word) => this.#term(word));
  }

  /** The terms of a question, each once. */
  queryTerms(text: string): readonly QueryTerm[] {
    const terms = new Map<string, boolean>();
    for (const word of words(text, 'question')) {
      const term = this.#term(word);
      terms.set(term, (terms.get(term) ?? true) && COMMON.has(word));
    }
    return Array.from(terms, ([term, common]) => ({ term, common }));
  }

  #term(word: string): string {
    const known = this.#memo.get(word);
    if (known !== undefined) return known;
    if (this.#memo.size >= MEMO_MAX) this.#memo.clear();
    const term = this.#stem(word.slice(0, WORD_CHARACTERS_MAX).toWellFormed());
    this.#memo.set(word, term);
    return term;
  }

  #stem(word: string): string {
    if (LATIN.test(word)) return this.#english.stem(word.normalize('NFD').replace(/\p{M}/gu, ''));
    return CYRILLIC.test(word) ? this.#russian.stem(word) : word;
  }
}

type Purpose = 'text' | 'question';

function words(text: string, purpose: Purpose): readonly string[] {
  if (ASCII.test(text)) return (text.toLowerCase().match(ASCII_WORD) ?? []).map(withoutEnding);
  const found = text.normalize('NFKC').toLowerCase().match(WORD) ?? [];
  return found.flatMap((word) => (UNSPACED.test(word) ? unspaced(word, purpose) : [withoutEnding(word)]));
}

const withoutEnding = (word: string): string => {
  const at = word.search(APOSTROPHE);
  return at < 0 ? word : word.replace(CONTRACTED, '').replace('’', "'");
};

/** A run of a script without spaces as its pairs of neighbours; what stands between such runs stays whole. */
function unspaced(word: string, purpose: Purpose): readonly string[] {
  return (word.match(UNSPACED_RUNS) ?? []).flatMap((run) => {
    const units = UNSPACED.test(run) ? (run.match(UNSPACED_UNIT) ?? []) : [];
    if (units.length < 2) return [run];
    const pairs = units.slice(1).map((unit, at) => `${units[at] ?? ''}${unit}`);
    return purpose === 'text' ? [...units, ...pairs] : pairs;
  });
}
