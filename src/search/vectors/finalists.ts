/**
 * Rows that may be among the neighbours asked for. Candidates come by the batch in the scratch room, as addresses in `rows` with what each
 * may reach at most in `bounds`. The filter is asked, and what passes is compared with the query by its high bytes; what may still
 * be among the best is kept, and in the end compared in all bits. The floor is what as many rows as are asked for have reached
 * already: nothing below it is among the best.
 */
import { LAYOUT } from '../kernel/kernel.ts';
import { Top, type Scored } from '../top.ts';
import type { Neighbours } from './neighbours.ts';
import { withRoom } from './numbers.ts';
import { BATCH_CODES, NEIGHBOURS_MAX, type VectorRoom } from './room.ts';
import type { Rows } from './rows.ts';

/** Rounding of a row to 8 bits is taken to be off by at most so many standard deviations. */
const ROUNDING_DEVIATIONS = 3;

/** What one batch turned out to be. */
export interface Taken {
  /** How many were compared with the query, and the sums of (score − what it might have reached at most) and of its square. */
  readonly scored: number;
  readonly apart: number;
  readonly squares: number;
}

export class Finalists {
  readonly #room: VectorRoom;
  readonly #rows: Rows;
  /** Rows kept, with the highest score each may have. */
  #found = new Uint32Array(1024);
  #highs = new Float32Array(1024);
  #count = 0;
  #floor = Number.NEGATIVE_INFINITY;

  constructor(room: VectorRoom, rows: Rows) {
    this.#room = room;
    this.#rows = rows;
  }

  get floor(): number {
    return this.#floor;
  }

  begin({ limit }: Neighbours): void {
    const { scratch, words } = this.#room;
    words[scratch.heap / 4] = 0;
    words[scratch.heap / 4 + 1] = Math.min(limit, NEIGHBOURS_MAX);
    this.#count = 0;
    this.#floor = Number.NEGATIVE_INFINITY;
  }

  /** Before there is a floor, rows of which the most may be expected go first: then it is high before the others are looked at. */
  putBestFirst(waiting: number, { limit }: Neighbours): void {
    if (this.#floor !== Number.NEGATIVE_INFINITY || waiting <= 2 * limit) return;
    const { words, floats, scratch } = this.#room;
    const [rows, bounds] = [scratch.rows / 4, scratch.bounds / 4];
    const top = new Top(limit, (a, b) => a < b);
    for (let i = 0; i < waiting; i++) top.push(i, floats[bounds + i] as number);
    const floor = top.floor;
    let to = 0;
    for (let i = 0; i < waiting; i++) {
      const bound = floats[bounds + i] as number;
      if (bound < floor) continue;
      const row = words[rows + i] as number;
      floats[bounds + i] = floats[bounds + to] as number;
      words[rows + i] = words[rows + to] as number;
      floats[bounds + to] = bound;
      words[rows + to++] = row;
    }
  }

  /** Takes what waits, and raises the floor. */
  take(waiting: number, { keeps }: Neighbours): Taken {
    const { kernel, scratch, words, floats } = this.#room;
    const { rows, bounds, query, heap } = scratch;
    const { padded, lowBits } = this.#rows;
    const asked = keeps === null ? waiting : this.#ask(waiting, keeps);
    const deviations = ROUNDING_DEVIATIONS;
    const kept = kernel.rescore(query, padded, lowBits, deviations, rows, bounds, asked, heap);
    this.#found = withRoom(this.#found, this.#count + kept);
    this.#highs = withRoom(this.#highs, this.#count + kept);
    for (let i = 0; i < kept; i++) {
      this.#found[this.#count] = words[rows / 4 + i] as number;
      this.#highs[this.#count++] = floats[bounds / 4 + i] as number;
    }
    const isFull = words[heap / 4] === words[heap / 4 + 1];
    if (isFull) this.#floor = floats[heap / 4 + 2] as number;
    return {
      scored: words[(query + LAYOUT.queryScored) / 4] as number,
      apart: floats[(query + LAYOUT.queryApart) / 4] as number,
      squares: floats[(query + LAYOUT.queryApart2) / 4] as number,
    };
  }

  /** The documents of the best, compared in all bits. */
  best({ limit, tieOf }: Neighbours): readonly Scored[] {
    const { kernel, scratch, words, floats } = this.#room;
    const { padded, lowBits } = this.#rows;
    const top = new Top(limit, tieOf);
    let count = 0;
    const settle = (): void => {
      kernel.fineScores(scratch.query, padded, lowBits, scratch.rows, count, scratch.bounds);
      for (let i = 0; i < count; i++) {
        const row = words[scratch.rows / 4 + i] as number;
        const product = floats[scratch.bounds / 4 + i] as number;
        const base = floats[(row + LAYOUT.rowBase) / 4] as number;
        top.push(this.#rows.documentAt(row), product + base);
      }
      count = 0;
    };
    for (let i = 0; i < this.#count; i++) {
      if ((this.#highs[i] as number) < this.#floor) continue;
      words[scratch.rows / 4 + count++] = this.#found[i] as number;
      if (count === BATCH_CODES) settle();
    }
    settle();
    return top.list();
  }

  /** Leaves those that the filter keeps; answers how many. */
  #ask(waiting: number, keeps: NonNullable<Neighbours['keeps']>): number {
    const { words, floats, scratch } = this.#room;
    const [rows, bounds] = [scratch.rows / 4, scratch.bounds / 4];
    let kept = 0;
    for (let i = 0; i < waiting; i++) {
      const bound = floats[bounds + i] as number;
      const row = words[rows + i] as number;
      if (bound < this.#floor || !keeps(this.#rows.documentAt(row))) continue;
      words[rows + kept] = row;
      floats[bounds + kept++] = bound;
    }
    return kept;
  }
}
