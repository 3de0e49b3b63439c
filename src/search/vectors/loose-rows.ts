/**
 * Which rows came from a segment and have no code yet. Each search looks at all of them until the work between calls has
 * given each a code.
 *
 * Kept as runs of row numbers. A run may have rows in it that have a code (where the last row was moved into a gap); those
 * are told apart by their place. A row without a code is always in a run.
 */
interface Run {
  readonly from: number;
  to: number;
}

export class LooseRows {
  readonly #runs: Run[] = [];

  get isEmpty(): boolean {
    return this.#runs.length === 0;
  }

  get runs(): readonly Readonly<Run>[] {
    return this.#runs;
  }

  /** @param from after all rows there were before. */
  add(from: number, to: number): void {
    const last = this.#runs.at(-1);
    if (last?.to === from) last.to = to;
    else if (to > from) this.#runs.push({ from, to });
  }

  has(row: number): boolean {
    return this.#runs.some(({ from, to }) => row >= from && row < to);
  }

  /** There are only so many rows left. */
  trim(count: number): void {
    for (let last = this.#runs.at(-1); last !== undefined && last.to > count; last = this.#runs.at(-1)) {
      last.to = count;
      if (last.to <= last.from) this.#runs.pop();
      else return;
    }
  }

  /** Takes out the last row of all, or -1 when there is none. */
  pop(): number {
    const last = this.#runs.at(-1);
    if (last === undefined) return -1;
    last.to--;
    if (last.to === last.from) this.#runs.pop();
    return last.to;
  }

  clear(): void {
    this.#runs.length = 0;
  }
}
