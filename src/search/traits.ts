/**
 * What a text is beside its words, and what a question asks for.
 *
 * A text that ends with a question is answered by what comes next. A text may hold a time, a number or a name, and some questions
 * ask for just that: "when", "how many", "who". (Prager et al., "Question-answering by predictive annotation", SIGIR 2000,
 * mark texts so when they are indexed.) Questions end alike in all languages; the rest is read in English alone: other
 * languages ask with other words, and German writes each noun as if it were a name.
 *
 * A trait depends on its text and on nothing else.
 */
import { MONTHS, NUMBERS, WEEKDAYS } from './dates.ts';
import type { LanguageCode } from './languages.ts';

export type Trait = 'question' | AnswerTrait;
type AnswerTrait = 'time' | 'number' | 'name';

const QUESTION_MARKS = '?？؟';
const OTHER_ENDS = '.!…。！';

const TIME_WORDS = new Set([
  ...'yesterday today tonight tomorrow ago last next recently week weekend month year'.split(' '),
  ...WEEKDAYS,
  // "may" and "march" are words too.
  ...MONTHS.filter((name) => name !== 'may' && name !== 'march'),
]);
const YEAR = /^(?:19|20)\d\d$/;
const NUMBER_WORDS = new Set([...NUMBERS, 'once', 'twice']);
const NUMBER = /^\p{N}/u;
/**
 * A capital behind a word without one. At the beginning of a sentence every word has it, and behind a greeting or a comma stands
 * who is spoken to, which is no news.
 */
const NAME = /(?<=(?<!\p{L})\p{Ll}+ ["'“‘(]?)\p{Lu}\p{L}/u;

const ASKED: readonly (readonly [AnswerTrait, RegExp])[] = [
  ['time', /\bwhen\b|\b(?:what|which) (?:date|day|week|month|year)\b|\bhow (?:long ago|recently)\b/i],
  ['number', /\bhow (?:many|much|long|old|often|far|tall|big|large|high|heavy)\b/i],
  [
    'name',
    /\b(?:where|who|whom|whose|which|names?|named|called|city|cities|country|countries|states?|towns?)\b/i,
  ],
];

/** What a text holds that holds this word, in lower case. No word is both: a year is a time. */
export function traitOfWord(word: string): Trait | null {
  if (TIME_WORDS.has(word) || YEAR.test(word)) return 'time';
  return NUMBER_WORDS.has(word) || NUMBER.test(word) ? 'number' : null;
}

/** @param ofWords what each of its words makes it hold. */
export function traitsOf(
  text: string,
  ofWords: readonly (Trait | null)[],
  language: LanguageCode,
): readonly Trait[] {
  const traits: Trait[] = endsWithQuestion(text) ? ['question'] : [];
  if (language !== 'en') return traits;
  if (ofWords.includes('time')) traits.push('time');
  if (ofWords.includes('number')) traits.push('number');
  if (NAME.test(text)) traits.push('name');
  return traits;
}

/**
 * No sentence ends behind the last question mark; a smile, a bracket or a name may follow. Read from the end: an expression
 * would try each of sixty thousand question marks anew.
 */
function endsWithQuestion(text: string): boolean {
  for (let at = text.length - 1; at >= 0; at--) {
    const character = text[at] as string;
    if (QUESTION_MARKS.includes(character)) return true;
    if (OTHER_ENDS.includes(character)) return false;
  }
  return false;
}

/** What the answer to the question should hold. */
export const traitsAskedFor = (question: string, language: LanguageCode): readonly Trait[] =>
  language === 'en' ? ASKED.flatMap(([trait, cue]) => (cue.test(question) ? [trait] : [])) : [];
