/**
 * Text search over one vault: BM25 (Robertson and Zaragoza, 2009) over stemmed terms.
 *
 * For each term of the question a document counts what it holds itself or, weaker with each step, what a neighbouring
 * message of its conversation holds, whichever is more:
 *
 *     score(d) = Σ_t idf(t) · max over |j| ≤ 3 of c(j) · tf(t, d+j)·(k1 + 1) / (tf + k1·(1 − b + b·length/average))
 *              + 3 if the question names the speaker + 3 · the weights of its dates that d's time meets
 *              + 2 for each trait of d that an answer should have (traits.ts), if there is anything else
 *              + 100 for each quoted phrase that d holds, which is more than words come to
 *     idf(t)   = ln(1 + (N − n + 0.5) / (n + 0.5))
 *     c(j)     = 0.6^|j|; 0.9 for j = −1 where that message ends with a question, which d then answers
 *
 * A term of the question may be several of the index, which then count as one: the stems of a word in each language of the
 * vault and of its irregular forms, or all words with one beginning. The language of a text that is not English is a term of its
 * own, and so is each of its traits: an index knows them without learning anything beside its postings.
 *
 * Invariant: after any sequence of additions and removals, counts and scores equal those of an index built from what is
 * left. The constants were chosen on LoCoMo, leaving out one conversation at a time (bench/locomo.ts).
 */
import { DAY_MS } from '../durations.ts';
import { capitalWords, type Analyzer } from './analyzer.ts';
import { ContextWalk } from './context-walk.ts';
import { parseDates, type DateHint } from './dates.ts';
import { LANGUAGE_CODES, type Language, type LanguageCode } from './languages.ts';
import { grown } from './pair-lists.ts';
import { Postings, type TermCounts } from './postings.ts';
import { RANKING } from './ranking.ts';
import { countBeginnings, type TextQuery } from './text-query.ts';
import type { TermPart } from './term-part.ts';
import type { Threads } from './threads.ts';
import type { Trait } from './traits.ts';
import { Voices } from './voices.ts';

/** Stands before the code of a language and before a trait: no word begins so. */
const MARK = '\u0001';
const ASKING = `${MARK}${'question' satisfies Trait}`;

/** How long a document with these terms is. */
export function wordsIn(counts: TermCounts): number {
  let words = 0;
  for (const [name, count] of counts) if (!name.startsWith(MARK)) words += count;
  return words;
}

export interface TextDocument {
  readonly counts: TermCounts;
  readonly speaker: string | null;
  readonly at: number | null;
}

/** No document is this many days from 1970. */
const NO_DAY = -(2 ** 31);
const NO_SPEAKER = -1;

/** Letters at the end of a stem that its words may not have. */
const STEM_CHANGES = 2;

/** What a question is asked of, and when. */
export interface Asking {
  readonly now: number;
  /** Every document's number is below. */
  readonly documents: number;
  /** Whether a document has expired; null where none can have. */
  readonly isOver: ((document: number) => boolean) | null;
}

/** Room for sums that all vaults of a worker share; zero between searches. */
export class ScoreRoom {
  scores = new Float64Array(0);
  best = new Float64Array(0);
  touched = new Int32Array(0);
  /** How often a document holds any of several terms, and the documents that hold one. */
  frequencies = new Int32Array(0);
  holding = new Int32Array(0);

  reach(documents: number): void {
    if (documents <= this.scores.length) return;
    this.scores = grown(this.scores, documents);
    this.best = grown(this.best, documents);
    this.touched = grown(this.touched, documents);
    this.frequencies = grown(this.frequencies, documents);
    this.holding = grown(this.holding, documents);
  }
}

export interface TextIndexParts {
  readonly analyzer: Analyzer;
  readonly threads: Threads;
  readonly room: ScoreRoom;
  readonly language: Language;
  readonly textOf: (document: number) => string;
}

export class TextIndex {
  readonly #analyzer: Analyzer;
  readonly #threads: Threads;
  readonly #room: ScoreRoom;
  readonly #language: Language;
  readonly #textOf: (document: number) => string;
  readonly #postings = new Postings();
  #lengths = new Int32Array(0);
  #days = new Int32Array(0);
  #speakers = new Int32Array(0);
  /** A 1 for each document that ends with a question. */
  #asking: Uint8Array = new Uint8Array(0);
  readonly #voices: Voices;
  /** Documents that hold a term, and the sum of their lengths. */
  #size = 0;
  #length = 0;

  constructor({ analyzer, threads, room, language, textOf }: TextIndexParts) {
    this.#analyzer = analyzer;
    this.#threads = threads;
    this.#room = room;
    this.#language = language;
    this.#textOf = textOf;
    this.#voices = new Voices();
  }

  get bytes(): number {
    const arrays = this.#lengths.byteLength + this.#days.byteLength + this.#speakers.byteLength;
    const asking = this.#asking.byteLength;
    return arrays + asking + this.#postings.bytes + this.#threads.bytes;
  }

  countTerms(text: string): TermCounts {
    const counts = new Map<string, number>();
    const { language, terms, traits } = this.#analyzer.analyze(text, this.#language);
    for (const term of terms) counts.set(term, (counts.get(term) ?? 0) + 1);
    if (this.#language === 'auto' && language !== 'en') counts.set(MARK + language, 1);
    for (const trait of traits) counts.set(MARK + trait, 1);
    return counts;
  }

  /** @param document a number that is not in use. */
  add(document: number, { counts, speaker, at }: TextDocument): void {
    this.addTerms(document, counts);
    this.describe(document, { speaker, at });
  }

  /** The first half of an addition. */
  addTerms(document: number, counts: TermCounts): void {
    this.#reach(document);
    const length = wordsIn(counts);
    this.#postings.add(document, counts);
    this.#lengths[document] = length;
    this.#length += length;
    if (length > 0) this.#size++;
    if (counts.has(ASKING)) this.#asking[document] = 1;
  }

  /** The same for documents with numbers one after the other. Their terms are taken in when one is asked for, or by `work`. */
  load(first: number, part: TermPart): void {
    this.#reach(first + part.records - 1);
    for (let row = 0; row < part.records; row++) {
      const length = part.words[row] as number;
      this.#lengths[first + row] = length;
      this.#length += length;
      if (length > 0) this.#size++;
    }
    const asking = part.find(ASKING);
    if (asking >= 0)
      for (let at = part.fromOf(asking); at < part.endOf(asking); at++)
        this.#asking[first + (part.rows[at] as number)] = 1;
    this.#postings.load(first, part);
  }

  /** Takes in the terms of one part of those that were loaded; false when there is none. */
  work(): boolean {
    return this.#postings.work();
  }

  /** The second half of an addition. */
  describe(document: number, { speaker, at }: Omit<TextDocument, 'counts'>): void {
    this.#days[document] = at === null ? NO_DAY : Math.floor(at / DAY_MS);
    this.#speakers[document] = speaker === null ? NO_SPEAKER : this.#voices.join(speaker);
  }

  remove(document: number): void {
    this.#postings.remove(document);
    const length = this.#lengths[document] as number;
    this.#length -= length;
    if (length > 0) this.#size--;
    this.#lengths[document] = 0;
    this.#asking[document] = 0;
    this.#days[document] = NO_DAY;
    const speaker = this.#speakers[document] as number;
    if (speaker !== NO_SPEAKER) this.#voices.leave(speaker);
    this.#speakers[document] = NO_SPEAKER;
  }

  /** What `add` was given, for the segment. */
  countsOf(document: number): TermCounts {
    return this.#postings.countsOf(document);
  }

  /**
   * The score of each document below `documents`, zero for those the question says nothing of. What is `over` lends no neighbour its words.
   * What is returned belongs to the room: `release` makes it zero again, before anyone else searches.
   */
  score(query: TextQuery, { now, documents, isOver }: Asking): Float64Array {
    this.#room.reach(documents);
    const walk = new ContextWalk(this.#room, { threads: this.#threads, asking: this.#asking, isOver });
    const {
      language,
      terms: all,
      asksFor,
    } = this.#analyzer.analyzeQuery(query.words, this.#language, this.#languages());
    const isTelling = all.some(({ isCommon }) => !isCommon) || query.prefixes.length > 0;
    const terms = isTelling ? all.filter(({ isCommon }) => !isCommon) : all;
    for (const { stems } of terms) this.#addWord(stems, walk);
    for (const prefix of query.prefixes) this.#addBeginning(prefix, walk);
    this.#addSpeakers([...terms.flatMap(({ words }) => words), ...capitalWords(query.words)], documents);
    for (const hint of parseDates(query.words, now, language)) this.#addDate(hint, documents);
    for (const trait of asksFor) this.#addTrait(trait);
    return this.#room.scores;
  }

  release(documents: number): void {
    this.#room.scores.fill(0, 0, documents);
  }

  /** The languages that texts of this index were taken for. */
  #languages(): readonly LanguageCode[] {
    return LANGUAGE_CODES.filter((code) => code === 'en' || this.#postings.find(MARK + code) !== undefined);
  }

  #addWord(stems: readonly string[], walk: ContextWalk): void {
    const terms = stems.flatMap((stem) => this.#postings.find(stem) ?? []);
    const [only] = terms;
    if (only === undefined) return;
    if (terms.length === 1) {
      this.#addTerm(only, walk);
      return;
    }
    let holding = 0;
    for (const term of terms) holding = this.#gather(term, holding);
    this.#addGathered(holding, walk);
  }

  #addTerm(term: number, walk: ContextWalk): void {
    const { pool, start, count } = this.#postings.of(term);
    const bm25 = this.#bm25();
    for (let at = start; at < start + 2 * count; at += 2) {
      const document = pool[at] as number;
      walk.mark(document, bm25(document, pool[at + 1] as number));
    }
    this.#addBest(walk, count);
  }

  /**
   * All words with one beginning. A stem that begins so stands for such words; of one that is shorter, or has other letters
   * at its end ("dying" is "die"), the texts are asked, because `runn*` means "running" and not "run".
   */
  #addBeginning(prefix: string, walk: ContextWalk): void {
    let holding = 0;
    const doubtful: number[] = [];
    for (const [name, term] of this.#postings.all()) {
      let same = 0;
      while (same < prefix.length && name.charCodeAt(same) === prefix.charCodeAt(same)) same++;
      if (same === prefix.length) holding = this.#gather(term, holding);
      else if (same > 0 && same >= name.length - STEM_CHANGES) doubtful.push(term);
    }
    for (const term of doubtful) holding = this.#gatherAsked(term, holding, prefix);
    this.#addGathered(holding, walk);
  }

  /** Adds up how often each document holds the term; returns how many documents hold any so far. */
  #gather(term: number, holding: number): number {
    const { frequencies, holding: list } = this.#room;
    const { pool, start, count } = this.#postings.of(term);
    let held = holding;
    for (let at = start; at < start + 2 * count; at += 2) {
      const document = pool[at] as number;
      if (frequencies[document] === 0) list[held++] = document;
      frequencies[document] = (frequencies[document] as number) + (pool[at + 1] as number);
    }
    return held;
  }

  /** The same with the words that begin so in the text of each document: all of them, so never less than terms say. */
  #gatherAsked(term: number, holding: number, prefix: string): number {
    const { frequencies, holding: list } = this.#room;
    const { pool, start, count } = this.#postings.of(term);
    let held = holding;
    for (let at = start; at < start + 2 * count; at += 2) {
      const document = pool[at] as number;
      const begun = countBeginnings(this.#textOf(document), prefix);
      const known = frequencies[document] as number;
      if (known === 0 && begun > 0) list[held++] = document;
      if (begun > known) frequencies[document] = begun;
    }
    return held;
  }

  #addGathered(holding: number, walk: ContextWalk): void {
    if (holding === 0) return;
    const { frequencies, holding: list } = this.#room;
    const bm25 = this.#bm25();
    for (let at = 0; at < holding; at++) {
      const document = list[at] as number;
      walk.mark(document, bm25(document, frequencies[document] as number));
      frequencies[document] = 0;
    }
    this.#addBest(walk, holding);
  }

  /** What a document counts for a term by its frequency there, before the term's own weight. */
  #bm25(): (document: number, frequency: number) => number {
    const { k1, b } = RANKING;
    const lengths = this.#lengths;
    const average = this.#length / this.#size;
    return (document, frequency) => {
      const length = lengths[document] as number;
      return (frequency * (k1 + 1)) / (frequency + k1 * (1 - b + (b * length) / average));
    };
  }

  #addBest(walk: ContextWalk, holding: number): void {
    const idf = Math.log(1 + (this.#size - holding + 0.5) / (holding + 0.5));
    const { scores, best, touched } = this.#room;
    for (let i = 0; i < walk.count; i++) {
      const document = touched[i] as number;
      scores[document] = (scores[document] as number) + idf * (best[document] as number);
      best[document] = 0;
    }
    walk.count = 0;
  }

  #addSpeakers(words: readonly string[], documents: number): void {
    const isNamed = this.#voices.named(words);
    if (isNamed === null) return;
    const { scores } = this.#room;
    for (let document = 0; document < documents; document++) {
      const speaker = this.#speakers[document] as number;
      if (speaker !== NO_SPEAKER && isNamed[speaker] === 1)
        scores[document] = (scores[document] as number) + RANKING.speaker;
    }
  }

  #addDate(hint: DateHint, documents: number): void {
    const { scores } = this.#room;
    const weight = RANKING.date * hint.weight;
    const meets = hint.kind === 'days' ? (day: number) => day >= hint.from && day < hint.to : yearly(hint);
    for (let document = 0; document < documents; document++) {
      const day = this.#days[document] as number;
      if (day !== NO_DAY && meets(day)) scores[document] = (scores[document] as number) + weight;
    }
  }

  /** Of two that the question says something of, the one that has what it asks for. */
  #addTrait(trait: Trait): void {
    const term = this.#postings.find(MARK + trait);
    if (term === undefined) return;
    const { scores } = this.#room;
    const { pool, start, count } = this.#postings.of(term);
    for (let at = start; at < start + 2 * count; at += 2) {
      const document = pool[at] as number;
      const own = scores[document] as number;
      if (own > 0) scores[document] = own + RANKING.trait;
    }
  }

  #reach(document: number): void {
    if (document < this.#lengths.length) return;
    this.#lengths = grown(this.#lengths, document + 1);
    this.#days = grown(this.#days, this.#lengths.length);
    this.#speakers = grown(this.#speakers, this.#lengths.length);
    this.#asking = grown(this.#asking, this.#lengths.length);
  }
}

function yearly(hint: Extract<DateHint, { kind: 'yearly' }>): (day: number) => boolean {
  const [from, to] = hint.days;
  // Many documents share a day; asking the calendar once for each is enough.
  const known = new Map<number, boolean>();
  return (day) => {
    let meets = known.get(day);
    if (meets === undefined) {
      const date = new Date(day * DAY_MS);
      meets = date.getUTCMonth() === hint.month && date.getUTCDate() >= from && date.getUTCDate() < to;
      known.set(day, meets);
    }
    return meets;
  };
}
