/**
 * How long a worker goes on with the work between calls before it looks for the next call.
 *
 * Right after a vault was opened a search costs many times what it costs once that work is done. One step of it after each
 * search, and whoever asks without pause waits half a minute for faster answers. So the work gets as much time as the searches took since its
 * last turn: nobody waits for more than twice as long, and it is over in a few seconds. Additions earn it nothing, because
 * whoever adds much wants that done first.
 */

/** The longest turn, which is what a call may have to wait for. */
const TURN_MS_MAX = 4;

export class Turns {
  readonly #elapsed: () => number;
  #earnedMs = 0;

  /** @param elapsed milliseconds since some moment. */
  constructor(elapsed: () => number) {
    this.#elapsed = elapsed;
  }

  /** Answers what the search does. */
  search<T>(search: () => T): T {
    const started = this.#elapsed();
    try {
      return search();
    } finally {
      this.#earnedMs += this.#elapsed() - started;
    }
  }

  /** Does one step and goes on as long as there is time and work; false when there is none left. */
  work(step: () => boolean): boolean {
    const end = this.#elapsed() + Math.min(this.#earnedMs, TURN_MS_MAX);
    this.#earnedMs = 0;
    do {
      if (!step()) return false;
    } while (this.#elapsed() < end);
    return true;
  }
}
