/**
 * Text into terms: what counts as the same word.
 *
 * - Words are runs of letters, marks and digits (Unicode), in lower case and compatibility form. English
 *   endings behind an apostrophe are dropped, and so are the accents of Latin and Greek letters.
 * - Words are stemmed (Snowball) in the language of their text, which the vault says or the text itself (languages.ts); English
 *   ones further (english-forms.ts).
 * - Scripts written without spaces (Han, Kana, Thai, Lao, Khmer, Burmese) give each pair of neighbouring characters.
 *   Pairs, unlike a dictionary of words, stay the same when Node's ICU changes. A text gives the single characters
 *   as well, so that a question of one character finds it.
 * - A pictograph (emoji) is a term of its own, and so is a flag.
 *
 * Segments keep terms: whoever changes what comes out of here raises ANALYZER_VERSION, and they are read anew.
 */
import { newStemmer, type Stemmer } from 'snowball-stemmers';
import { ENGLISH_FORMS, rootOf } from './english-forms.ts';
import {
  isSmallWord,
  languageOf,
  LANGUAGES,
  stemmerOf,
  STEMMERS,
  votesOf,
  type Language,
  type LanguageCode,
} from './languages.ts';
import { traitOfWord, traitsAskedFor, traitsOf, type Trait } from './traits.ts';

const ANALYZER_VERSION = 4;

/** What a segment's terms were made by: the version above and the vault's language. */
export const analyzerVersionOf = (language: Language): number =>
  ANALYZER_VERSION * 256 + LANGUAGES.indexOf(language);

const ASCII_WORD = /[a-z0-9](?:[a-z0-9]|'(?=[a-z]))*/g;
const WORD =
  /\p{Extended_Pictographic}|\p{Regional_Indicator}{2}|[\p{L}\p{N}](?:[\p{L}\p{N}\p{M}]|['’](?=\p{L}))*/gu;
// eslint-disable-next-line no-control-regex -- all of ASCII is meant, control characters too
const ASCII = /^[\u0000-\u007f]*$/;
export const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
const UNSPACED_RUNS = new RegExp(`(?:${UNSPACED.source}[\\p{M}ー]*)+|(?:(?!${UNSPACED.source}).)+`, 'gu');
const UNSPACED_UNIT = new RegExp(`${UNSPACED.source}[\\p{M}ー]*`, 'gu');
const APOSTROPHE = /['’]/;
const CONTRACTED = /['’](?:s|m|d|re|ve|ll)$/;
/** "l'école" is a word about a school. */
const ELISION = /^(?:[ldjnscmt]|qu|jusqu|lorsqu|puisqu|dell|all|nell|sull|dall|un)'(?=\p{L}{2})/u;
/** Letters that stay when accents are taken away, and what they are written as without them. */
const LIGATURES: Readonly<Record<string, string>> = {
  ı: 'i',
  ł: 'l',
  ø: 'o',
  đ: 'd',
  æ: 'ae',
  œ: 'oe',
  ß: 'ss',
};
const LIGATURE = /[ıłøđæœß]/g;
const CAPITAL = /(?<=[\p{L}\p{M}\p{N},;:] )\p{Lu}[\p{L}\p{M}’'-]*/gu;
const ACCENTED = /[\p{Script=Latin}\p{Script=Greek}]/u;

/** Words that are remembered with their stems; what is held beyond that is forgotten at once. */
const MEMO_MAX = 50_000;
/** Longer runs are no words: they are kept as their beginning. */
const WORD_CHARACTERS_MAX = 64;

export interface AnalyzedText {
  readonly language: LanguageCode;
  /** In order, repeated as they are. */
  readonly terms: readonly string[];
  readonly traits: readonly Trait[];
}

export interface AnalyzedQuery {
  /** Whose dates are read in it. */
  readonly language: LanguageCode;
  readonly terms: readonly QueryTerm[];
  /** What the answer should hold. */
  readonly asksFor: readonly Trait[];
}

export interface QueryTerm {
  /** The words without accents, as they stand in the question. */
  readonly words: readonly string[];
  /** Its stem in each of the languages asked for, and in English those of its other forms; different ones only. */
  readonly stems: readonly string[];
  /** Whether the word is among the most frequent of its language. */
  readonly isCommon: boolean;
}

/** What is known of a word. */
interface Word {
  readonly votes: number;
  readonly trait: Trait | null;
  readonly stems: Map<LanguageCode | 'none', string>;
}

/** One for each worker: it remembers stems, because most words come again. */
export class Analyzer {
  readonly #stemmers = new Map<LanguageCode, Stemmer>();
  readonly #memo = new Map<string, Word>();
  #englishForms: ReadonlyMap<string, readonly string[]> | undefined;

  /** The terms of a text, stemmed in the vault's language or, where that is `auto`, in its own. */
  analyze(text: string, setting: Language): AnalyzedText {
    const found = words(text, 'text');
    const known = found.map((word) => this.#know(word));
    const language = setting === 'auto' ? languageOf(known.map(({ votes }) => votes)) : codeOf(setting);
    const by = setting === 'none' ? 'none' : language;
    const terms = known.map((word, at) => word.stems.get(by) ?? this.#stem(word, found[at] as string, by));
    const traits = traitsOf(
      text,
      known.map(({ trait }) => trait),
      language,
    );
    return { language, terms, traits };
  }

  /** The words of a question, forms of one word once, stemmed in each of these languages. */
  analyzeQuery(text: string, setting: Language, present: readonly LanguageCode[]): AnalyzedQuery {
    const found = words(text, 'question');
    const language =
      setting === 'auto' ? languageOf(found.map((word) => this.#know(word).votes)) : codeOf(setting);
    const by = setting === 'none' ? (['none'] as const) : setting === 'auto' ? present : [language];
    const terms = new Map<string, QueryTerm>();
    for (const word of found) {
      const stems = [...new Set(by.flatMap((each) => this.#stemsAsked(word, each)))];
      const name = stems.join(' ');
      const before = terms.get(name);
      const isCommon = isSmallWord(word, language) && (before?.isCommon ?? true);
      terms.set(name, { words: [...(before?.words ?? []), bare(word)], stems, isCommon });
    }
    const isTold = setting !== 'auto' || language !== 'en';
    return {
      language: isTold ? language : scriptOf(found),
      terms: [...terms.values()],
      asksFor: traitsAskedFor(text, language),
    };
  }

  #know(word: string): Word {
    const held = this.#memo.get(word);
    if (held !== undefined) return held;
    if (this.#memo.size >= MEMO_MAX) this.#memo.clear();
    const known = { votes: votesOf(word), trait: traitOfWord(word), stems: new Map() };
    this.#memo.set(word, known);
    return known;
  }

  #stemsAsked(word: string, by: LanguageCode | 'none'): readonly string[] {
    const stem = this.#stem(this.#know(word), word, by);
    const isEnglish = by !== 'none' && stemmerOf(word, by) === 'en';
    return (isEnglish ? this.#forms().get(stem) : undefined) ?? [stem];
  }

  /** The stems of the forms of one English word, by each of them. */
  #forms(): ReadonlyMap<string, readonly string[]> {
    this.#englishForms ??= new Map(
      ENGLISH_FORMS.flatMap((row) => {
        const stems = row.map((form) => this.#stemAnew(form, 'en'));
        return stems.map((stem) => [stem, stems]);
      }),
    );
    return this.#englishForms;
  }

  #stem({ stems }: Word, word: string, by: LanguageCode | 'none'): string {
    const stem = stems.get(by) ?? this.#stemAnew(word.slice(0, WORD_CHARACTERS_MAX).toWellFormed(), by);
    stems.set(by, stem);
    return stem;
  }

  #stemAnew(word: string, by: LanguageCode | 'none'): string {
    const language = by === 'none' ? null : stemmerOf(word, by);
    if (language === null) return bare(word);
    // English words with accents are borrowed ones: its stemmer does not know the letters.
    const whole = language === 'en' ? bare(word) : word.replace(ELISION, '');
    const stem = this.#stemmer(language).stem(whole);
    const term = folded(stem === '' ? whole : stem);
    return language === 'en' ? rootOf(term) : term;
  }

  #stemmer(language: LanguageCode): Stemmer {
    const held = this.#stemmers.get(language);
    if (held !== undefined) return held;
    const made = newStemmer(STEMMERS[language]);
    this.#stemmers.set(language, made);
    return made;
  }
}

/** The words of a text as they stand in it, without accents: what phrases and prefixes are compared with. */
export const surfaceWords = (text: string): readonly string[] => words(text, 'question').map(bare);

/** The words of a name, of which any may be asked for. */
export const nameWords = (name: string): readonly string[] => words(name, 'text').map(bare);

/** The words that have a capital which no beginning of a sentence gives them: "Will" and "May" are names there. */
export const capitalWords = (question: string): readonly string[] =>
  Array.from(question.matchAll(CAPITAL), ([word]) => word).flatMap(nameWords);

/** For scripts without spaces: the text in one form, with nothing between its characters. */
export const unspacedForm = (text: string): string =>
  text.normalize('NFKC').toLowerCase().replace(/\s+/g, '');

const codeOf = (setting: Language): LanguageCode =>
  setting === 'auto' || setting === 'none' ? 'en' : setting;

/** The language whose script one of the words is written in; English where there is none. */
const scriptOf = (found: readonly string[]): LanguageCode =>
  found.map((word) => stemmerOf(word, 'en')).find((code) => code !== null && code !== 'en') ?? 'en';

const bare = (word: string): string => folded(word.replace(ELISION, ''));

/** Without the accents of Latin letters, and of Greek ones, which capitals do not have. */
function folded(word: string): string {
  if (ASCII.test(word) || !ACCENTED.test(word)) return word;
  return word
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .replace(LIGATURE, (letter) => LIGATURES[letter] ?? letter);
}

type Purpose = 'text' | 'question';

function words(text: string, purpose: Purpose): readonly string[] {
  if (ASCII.test(text)) return (text.toLowerCase().match(ASCII_WORD) ?? []).map(withoutEnding);
  const found = text.normalize('NFKC').toLowerCase().match(WORD) ?? [];
  return found.flatMap((word) => (UNSPACED.test(word) ? unspaced(word, purpose) : [withoutEnding(word)]));
}

const withoutEnding = (word: string): string => {
  const at = word.search(APOSTROPHE);
  return at < 0 ? word : word.replace(CONTRACTED, '').replaceAll('’', "'");
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
