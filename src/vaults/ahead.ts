/**
 * One step ahead: while the search worker takes in one part of a vault, this thread reads and opens the next. Never
 * more than one part is under way, so that memory stays bounded.
 */
export class Ahead {
  #last: Promise<unknown> = Promise.resolve();

  /** Starts `work` when the one before it has ended, and does not wait for it. Throws what that one threw. */
  async next(work: () => Promise<unknown>): Promise<void> {
    await this.#last;
    this.#last = work();
    // Whoever comes next is told; if nobody does, what kept them away is the error to be seen.
    this.#last.catch(() => undefined);
  }

  async done(): Promise<void> {
    await this.#last;
  }
}
