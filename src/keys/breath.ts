/**
 * Long work in slices: whoever computes for long lets everything else have its turn every few milliseconds, so that
 * thousands of erasures at once hold up nobody's request.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Of a turn of the event loop; a request waits for at most a few of them. */
const SLICE_MS = 4;

export class Breath {
  #since = performance.now();

  get isDue(): boolean {
    return performance.now() - this.#since >= SLICE_MS;
  }

  async take(): Promise<void> {
    await nextTurn();
    this.#since = performance.now();
  }
}
