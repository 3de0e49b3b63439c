/**
 * What a question says beyond its words: "an exact phrase" in quotes, and `begin*`, which stands for every word that begins
 * so. A question that is nothing but phrases finds only what holds them all. Beside other words a phrase brings what
 * holds it to the front, and does not hide the rest: people quote the titles of what they ask about.
 *
 * A phrase is held by a text in which its words follow one another as they stand, whatever their case, accents and the
 * punctuation between them; of scripts without spaces, the characters. Its last word may be a beginning (`"window se*"`).
 */
import type { Fault } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import { surfaceWords, UNSPACED, unspacedForm } from './analyzer.ts';

export interface TextQuery {
  /** The question without quotes and without its beginnings of words. */
  readonly words: string;
  readonly phrases: readonly Phrase[];
  /** Whether there is nothing beside the phrases. */
  readonly isExact: boolean;
  /** Lower case, without accents; each once. */
  readonly prefixes: readonly string[];
}

/** A straight quote behind a letter or a number is an inch, and opens nothing. */
const QUOTED =
  /(?<![\p{Script=Latin}\p{N}])"([^"]*)"(?!\p{Script=Latin}|\p{N})|“([^“”„]*)”|„([^“”„]*)[“”]|«([^«»]*)»|「([^「」]*)」/gu;
/** A star that follows a word and is followed by none. Stars on both sides are emphasis. */
const BEGINNING = /(?<![*\p{L}\p{N}\p{M}'’])([\p{L}\p{N}][\p{L}\p{N}\p{M}]*)\*(?![*\p{L}\p{N}])/gu;

export function parseTextQuery(query: string): TextQuery {
  const phrases: Phrase[] = [];
  const rest = query.replace(QUOTED, ' ');
  const unquoted = query.replace(QUOTED, (_, ...groups: unknown[]) => {
    const inside = groups.find((group) => typeof group === 'string') ?? '';
    const phrase = new Phrase(inside);
    if (!phrase.isEmpty) phrases.push(phrase);
    return ` ${phrase.words} `;
  });
  const prefixes = new Set<string>();
  const words = unquoted.replace(BEGINNING, (whole, beginning: string) => {
    // Pairs of characters stand for the beginnings of what follows them already.
    if (UNSPACED.test(beginning)) return whole;
    for (const word of surfaceWords(beginning)) prefixes.add(word);
    return ' ';
  });
  const isExact = phrases.length > 0 && surfaceWords(rest).length === 0;
  return { words, phrases, isExact, prefixes: [...prefixes] };
}

export function queryFaults({ phrases, prefixes }: TextQuery): readonly Fault[] {
  const { queryPhrasesMax, queryPrefixesMax } = LIMITS;
  const faults: Fault[] = [];
  if (phrases.length > queryPhrasesMax)
    faults.push({ path: '/query', message: `has more than ${queryPhrasesMax} phrases in quotes` });
  if (prefixes.length > queryPrefixesMax)
    faults.push({ path: '/query', message: `has more than ${queryPrefixesMax} words that end in *` });
  return faults;
}

export class Phrase {
  /** The phrase as words of the question; a beginning at its end keeps its star. */
  readonly words: string;
  readonly #sequence: readonly string[];
  readonly #isOpen: boolean;
  /** Set where the script has no spaces. */
  readonly #unspaced: string | null;
  readonly #longest: string;

  constructor(inside: string) {
    this.#isOpen = /[\p{L}\p{N}\p{M}]\*\s*$/u.test(inside);
    this.words = inside;
    this.#sequence = surfaceWords(inside);
    this.#unspaced = UNSPACED.test(inside) ? unspacedForm(inside).replace(/\*$/, '') : null;
    this.#longest = this.#sequence.reduce((a, b) => (b.length > a.length ? b : a), '');
  }

  get isEmpty(): boolean {
    return this.#sequence.length === 0;
  }

  isIn(text: string): boolean {
    if (this.#unspaced !== null) return unspacedForm(text).includes(this.#unspaced);
    if (isWithout(text, this.#longest)) return false;
    const words = surfaceWords(text);
    const last = words.length - this.#sequence.length;
    for (let from = 0; from <= last; from++) if (this.#standsAt(words, from)) return true;
    return false;
  }

  #standsAt(words: readonly string[], from: number): boolean {
    const end = this.#sequence.length - 1;
    return this.#sequence.every((wanted, at) => {
      const word = words[from + at] as string;
      return word === wanted || (this.#isOpen && at === end && word.startsWith(wanted));
    });
  }
}

/** How many words of the text begin so. */
export function countBeginnings(text: string, prefix: string): number {
  if (isWithout(text, prefix)) return 0;
  return surfaceWords(text).reduce((sum, word) => sum + (word.startsWith(prefix) ? 1 : 0), 0);
}

// eslint-disable-next-line no-control-regex -- all of ASCII is meant, control characters too
const ASCII = /^[\u0000-\u007f]*$/;

/** Tells most texts apart by one look. Only a text in ASCII has no second way to write a word. */
const isWithout = (text: string, part: string): boolean =>
  ASCII.test(text) && !text.toLowerCase().includes(part);
