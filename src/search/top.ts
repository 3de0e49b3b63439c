/** The best few of many, kept in a heap whose root is the worst of them. */

export interface Scored {
  readonly row: number;
  readonly score: number;
}

/** The best of several lists. */
export function bestOf(
  lists: readonly (readonly Scored[])[],
  wanted: { readonly limit: number; tieOf(this: void, a: number, b: number): boolean },
): readonly Scored[] {
  const top = new Top(wanted.limit, wanted.tieOf);
  for (const list of lists) for (const { row, score } of list) top.push(row, score);
  return top.list();
}

export class Top {
  readonly #limit: number;
  readonly #isBetter: (a: Scored, b: Scored) => boolean;
  readonly #heap: Scored[] = [];

  /** @param tieOf which of two rows comes first when their scores are equal; a total order. */
  constructor(limit: number, tieOf: (a: number, b: number) => boolean) {
    this.#limit = limit;
    this.#isBetter = (a, b) => a.score > b.score || (a.score === b.score && tieOf(a.row, b.row));
  }

  /** A score below this one cannot enter any more. */
  get floor(): number {
    const worst = this.#heap[0];
    return this.#heap.length < this.#limit || worst === undefined ? Number.NEGATIVE_INFINITY : worst.score;
  }

  push(row: number, score: number): void {
    // Of many nearly all end here.
    if (score < this.floor) return;
    const heap = this.#heap;
    const entry = { row, score };
    if (heap.length < this.#limit) {
      heap.push(entry);
      this.#rise(heap.length - 1);
    } else if (heap[0] !== undefined && this.#isBetter(entry, heap[0])) {
      heap[0] = entry;
      this.#sink();
    }
  }

  /** Best first. */
  list(): readonly Scored[] {
    return [...this.#heap].sort((a, b) => (this.#isBetter(a, b) ? -1 : 1));
  }

  #rise(from: number): void {
    const heap = this.#heap;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const [child, above] = [heap[at] as Scored, heap[parent] as Scored];
      if (!this.#isBetter(above, child)) return;
      heap[at] = above;
      heap[parent] = child;
      at = parent;
    }
  }

  #sink(): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let worst = at;
      for (const child of [2 * at + 1, 2 * at + 2])
        if (child < heap.length && this.#isBetter(heap[worst] as Scored, heap[child] as Scored))
          worst = child;
      if (worst === at) return;
      const moved = heap[at] as Scored;
      heap[at] = heap[worst] as Scored;
      heap[worst] = moved;
      at = worst;
    }
  }
}
