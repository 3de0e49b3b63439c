/**
 * How far estimates turn out to be off, in the deviations that codes claim: learned from searches, and anew in each.
 *
 * Each score that is worked out for a row which was chosen by its estimate alone tells one. What a search has seen itself counts from the first
 * and more than what searches before have seen, once there is enough of it.
 */
const FIRST_MEAN = 1;
const FIRST_DEVIATION = 1.2;
/** So many scores what was seen before counts for. */
const MEMORY = 16;
const LEARNING = 0.1;
const MEAN_MAX = 6;
const DEVIATION_MIN = 0.5;
const DEVIATION_MAX = 6;

export class Drift {
  #mean = FIRST_MEAN;
  #square = FIRST_MEAN ** 2 + FIRST_DEVIATION ** 2;
  #seen = 0;
  #sum = 0;
  #squares = 0;

  /** Begins a search, and remembers the one before. */
  begin(): void {
    if (this.#seen > 0) {
      const part = LEARNING * Math.min(1, this.#seen / MEMORY);
      this.#mean += part * (this.#sum / this.#seen - this.#mean);
      this.#square += part * (this.#squares / this.#seen - this.#square);
    }
    this.#seen = this.#sum = this.#squares = 0;
  }

  add(count: number, sum: number, squares: number): void {
    if (!Number.isFinite(sum) || !Number.isFinite(squares)) return;
    this.#seen += count;
    this.#sum += sum;
    this.#squares += squares;
  }

  /** How much higher scores are. */
  get mean(): number {
    const mean = (MEMORY * this.#mean + this.#sum) / (MEMORY + this.#seen);
    return Math.max(-MEAN_MAX, Math.min(MEAN_MAX, mean));
  }

  /** How much they differ in that. */
  get deviation(): number {
    const square = (MEMORY * this.#square + this.#squares) / (MEMORY + this.#seen);
    const variance = Math.max(0, square - this.mean ** 2);
    return Math.max(DEVIATION_MIN, Math.min(DEVIATION_MAX, Math.sqrt(variance)));
  }
}
