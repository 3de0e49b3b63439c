import type { Timer } from '../timer.ts';

interface Waiting {
  readonly ms: number;
  readonly work: () => void;
}

/** Time that passes when a test says so; pauses shorter than `atOnceMs` are over at once, and all are noted. */
export class TestTimer implements Timer {
  readonly waits: number[] = [];
  readonly #atOnceMs: number;
  readonly #waiting = new Set<Waiting>();

  constructor(atOnceMs = 0) {
    this.#atOnceMs = atOnceMs;
  }

  after(ms: number, work: () => void): { cancel(): void } {
    this.waits.push(ms);
    const waiting = { ms, work };
    if (ms < this.#atOnceMs) queueMicrotask(work);
    else this.#waiting.add(waiting);
    return { cancel: () => void this.#waiting.delete(waiting) };
  }

  /** Everything that waits is over. */
  pass(): void {
    const all = [...this.#waiting];
    this.#waiting.clear();
    for (const { work } of all) work();
  }
}
