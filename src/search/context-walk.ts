/**
 * Spreads what a document counts for one term over its neighbours; each keeps the most it was given. What follows a question
 * is given nearly all, because it answers. A document whose time is over lends nothing.
 */
import { RANKING } from './ranking.ts';
import type { Threads } from './threads.ts';

/** Room for sums, zero but in use: what each document was given, and those that were given anything. */
export interface WalkRoom {
  readonly best: Float64Array;
  readonly touched: Int32Array;
}

export interface Lenders {
  readonly threads: Threads;
  /** A 1 for each document that ends with a question. */
  readonly asking: Uint8Array;
  /** Null where no document's time is over. */
  readonly isOver: ((document: number) => boolean) | null;
}

export class ContextWalk {
  /** How many were touched. */
  count = 0;
  readonly #before: Int32Array;
  readonly #after: Int32Array;
  readonly #best: Float64Array;
  readonly #touched: Int32Array;
  readonly #asking: Uint8Array;
  readonly #isOver: Lenders['isOver'];

  constructor({ best, touched }: WalkRoom, { threads, asking, isOver }: Lenders) {
    this.#before = threads.before;
    this.#after = threads.after;
    this.#best = best;
    this.#touched = touched;
    this.#asking = asking;
    this.#isOver = isOver;
  }

  mark(document: number, value: number): void {
    this.#keep(document, value);
    const before = this.#before[document] as number;
    const after = this.#after[document] as number;
    if ((before < 0 && after < 0) || this.#isOver?.(document) === true) return;
    this.#spread(this.#before, document, value);
    this.#spread(this.#after, document, value);
    if (after >= 0 && this.#asking[document] === 1) this.#keep(after, value * RANKING.answer);
  }

  #spread(neighbours: Int32Array, from: number, value: number): void {
    let document = neighbours[from] as number;
    let weaker = value;
    for (let step = 0; step < RANKING.contextSteps && document >= 0; step++) {
      weaker *= RANKING.contextDecay;
      this.#keep(document, weaker);
      document = neighbours[document] as number;
    }
  }

  #keep(document: number, value: number): void {
    const held = this.#best[document] as number;
    if (held === 0) this.#touched[this.count++] = document;
    if (value > held) this.#best[document] = value;
  }
}
