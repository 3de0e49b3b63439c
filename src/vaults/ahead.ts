/**
 * One step ahead, or a few: while the search worker takes in one part of a vault, this thread reads and opens the next. Never
 * more than so many parts are under way, so that memory stays bounded.
 */
export class Ahead {
  readonly #parts: Promise<unknown>[] = [];
  readonly #partsMax: number;

  /** @param partsMax with the one that is begun. */
  constructor(partsMax = 1) {
    this.#partsMax = partsMax;
  }

  /** Starts `work` when few enough are under way, and does not wait for it. Throws what an earlier one threw. */
  async next(work: () => Promise<unknown>): Promise<void> {
    if (this.#parts.length === this.#partsMax) await this.#parts.shift();
    const part = work();
    // Whoever comes next is told; if nobody does, what kept them away is the error to be seen.
    part.catch(() => undefined);
    this.#parts.push(part);
  }

  async done(): Promise<void> {
    while (this.#parts.length > 0) await this.#parts.shift();
  }
}
