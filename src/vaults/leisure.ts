/**
 * Time for work that nobody waits for: after each piece of it nothing more is done for many times as long, so that few of
 * those who ask meanwhile meet it. Once somebody waits after all, it goes on without resting.
 */
import type { Timer } from '../timer.ts';

/** So many times as long as a piece took: nineteen of twenty who ask meet none of it. */
const REST_TIMES = 19;
/** A disk that takes minutes is not waited for in hours. */
const REST_MS_MAX = 20_000;

export interface LeisureParts {
  readonly timer: Timer;
  /** Milliseconds since some moment. */
  readonly elapsed: () => number;
}

export class Leisure {
  readonly #parts: LeisureParts;
  readonly #resting = new Set<() => void>();
  #isOver = false;

  constructor(parts: LeisureParts) {
    this.#parts = parts;
  }

  /** Does a piece of work, and rests. */
  async spend<T>(piece: () => Promise<T>): Promise<T> {
    const { elapsed } = this.#parts;
    const started = elapsed();
    const outcome = await piece();
    await this.#rest(Math.min(REST_TIMES * (elapsed() - started), REST_MS_MAX));
    return outcome;
  }

  /** From now on nobody rests, and whoever does goes on. */
  end(): void {
    this.#isOver = true;
    for (const wake of this.#resting) wake();
  }

  async #rest(ms: number): Promise<void> {
    if (this.#isOver) return;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        waiting.cancel();
        this.#resting.delete(wake);
        resolve();
      };
      const waiting = this.#parts.timer.after(ms, wake);
      this.#resting.add(wake);
    });
  }
}
