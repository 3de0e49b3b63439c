/**
 * Which documents hold which terms, and how often; and of each document its terms, so that it can be taken out again.
 *
 * Documents of a segment are loaded as they lie: their terms wait and are taken in one by one as they are asked for, or a
 * part at a time between calls. Invariant: whoever asks sees no difference.
 */
import { PairLists } from './pair-lists.ts';
import type { TermPart } from './term-part.ts';

/** Terms of a document and how often each occurs. */
export type TermCounts = ReadonlyMap<string, number>;

/** A term's documents and counts, one behind the other in the pool from `start` on, until something changes. */
export interface PostingList {
  readonly pool: Int32Array;
  readonly start: number;
  readonly count: number;
}

/** Terms of documents from `first` on that are not all among the postings yet. */
interface Waiting {
  readonly first: number;
  readonly part: TermPart;
  /** For each term its first position among the postings, from 1; 0 while they are not there. */
  readonly taken: Int32Array;
}

/** A term is kept as a string with its entry in a map, about. */
const TERM_BYTES = 80;

export class Postings {
  readonly #terms = new Map<string, number>();
  readonly #names: string[] = [];
  readonly #free: number[] = [];
  /** For each term: document and count. */
  readonly #lists = new PairLists();
  /** For each document: term and its place in the term's list. */
  readonly #forward = new PairLists();
  readonly #waiting: Waiting[] = [];

  get bytes(): number {
    const waiting = this.#waiting.reduce((sum, { part }) => sum + part.bytes, 0);
    return waiting + this.#lists.bytes + this.#forward.bytes + this.#terms.size * TERM_BYTES;
  }

  /** @param document a number that is not in use. */
  add(document: number, counts: TermCounts): void {
    for (const [name, count] of counts) {
      const term = this.#termOf(name);
      this.#forward.push(document, term, this.#lists.push(term, document, count));
    }
  }

  /** The same for documents with numbers one after the other. */
  load(first: number, part: TermPart): void {
    this.#waiting.push({ first, part, taken: new Int32Array(part.count) });
  }

  /** Takes in the terms of one part of those that were loaded; false when there is none. */
  work(): boolean {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) return false;
    this.#takeIn(waiting);
    return true;
  }

  remove(document: number): void {
    this.#settle(document);
    const count = this.#forward.count(document);
    for (let i = 0; i < count; i++)
      this.#removeAt(this.#forward.first(document, i), this.#forward.second(document, i));
    this.#forward.clear(document);
  }

  /** What `add` was given. */
  countsOf(document: number): TermCounts {
    this.#settle(document);
    const counts = new Map<string, number>();
    for (let i = 0; i < this.#forward.count(document); i++) {
      const term = this.#forward.first(document, i);
      counts.set(this.#names[term] as string, this.#lists.second(term, this.#forward.second(document, i)));
    }
    return counts;
  }

  /** The number of the term of that name, with all its documents; undefined where no document holds it. */
  find(name: string): number | undefined {
    for (const waiting of this.#waiting) {
      const term = waiting.part.find(name);
      if (term >= 0 && waiting.taken[term] === 0) this.#takeList(waiting, term, this.#termOf(name));
    }
    return this.#terms.get(name);
  }

  /** Every term's name and number. */
  all(): ReadonlyMap<string, number> {
    while (this.work());
    return this.#terms;
  }

  of(term: number): PostingList {
    return { pool: this.#lists.pool, start: 2 * this.#lists.start(term), count: this.#lists.count(term) };
  }

  #removeAt(term: number, position: number): void {
    const last = this.#lists.count(term) - 1;
    if (position !== last) {
      // The last one takes the place of what is removed: its document has to know.
      const moved = this.#lists.first(term, last);
      this.#settle(moved);
      let i = 0;
      while (this.#forward.first(moved, i) !== term) i++;
      this.#forward.setSecond(moved, i, position);
    }
    this.#lists.removeAt(term, position);
    if (last === 0) this.#drop(term);
  }

  #drop(term: number): void {
    this.#terms.delete(this.#names[term] as string);
    this.#names[term] = '';
    this.#free.push(term);
  }

  /** Puts the documents of a part's term behind those that are there, and notes where. */
  #takeList({ first, part, taken }: Waiting, term: number, number: number): void {
    const [from, end] = [part.fromOf(term), part.endOf(term)];
    const position = this.#lists.extend(number, end - from);
    taken[term] = position + 1;
    const { pool } = this.#lists;
    let to = 2 * (this.#lists.start(number) + position);
    for (let at = from; at < end; at++) {
      pool[to++] = first + (part.rows[at] as number);
      pool[to++] = part.counts[at] as number;
    }
  }

  /** Takes in the terms of the part that the document is of, if they wait. */
  #settle(document: number): void {
    const at = this.#waiting.findIndex(
      ({ first, part }) => document >= first && document < first + part.records,
    );
    const [waiting] = at < 0 ? [] : this.#waiting.splice(at, 1);
    if (waiting !== undefined) this.#takeIn(waiting);
  }

  #takeIn(waiting: Waiting): void {
    const { first, part, taken } = waiting;
    const numbers = new Int32Array(part.count);
    const sizes = new Int32Array(part.records);
    const given = new Set<number>();
    for (let term = 0; term < part.count; term++) {
      const number = this.#termOf(part.nameOf(term));
      numbers[term] = number;
      // A name that were there twice would count twice.
      if (given.size === given.add(number).size) continue;
      if (taken[term] === 0) this.#takeList(waiting, term, number);
      for (let at = part.fromOf(term); at < part.endOf(term); at++) {
        const row = part.rows[at] as number;
        sizes[row] = (sizes[row] as number) + 1;
      }
    }
    const next = this.#makeRoom(first, sizes);
    const { pool } = this.#forward;
    for (let term = 0; term < part.count; term++) {
      if (taken[term] === 0) continue;
      let position = (taken[term] as number) - 1;
      for (let at = part.fromOf(term); at < part.endOf(term); at++) {
        const row = part.rows[at] as number;
        const own = next[row] as number;
        pool[own] = numbers[term] as number;
        pool[own + 1] = position++;
        next[row] = own + 2;
      }
    }
  }

  /** Takes room for the terms of new documents; answers where in the pool each begins. */
  #makeRoom(first: number, sizes: Int32Array): Int32Array {
    for (let row = 0; row < sizes.length; row++)
      if ((sizes[row] as number) > 0) this.#forward.extend(first + row, sizes[row] as number);
    return Int32Array.from(sizes, (_, row) => 2 * this.#forward.start(first + row));
  }

  #termOf(name: string): number {
    const known = this.#terms.get(name);
    if (known !== undefined) return known;
    const term = this.#free.pop() ?? this.#names.length;
    this.#names[term] = name;
    this.#terms.set(name, term);
    return term;
  }
}
