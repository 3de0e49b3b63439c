/** How far a long piece of work is: a bar on a terminal, a line now and then in a log. */
import type { Io } from '../io.ts';
import { grouped } from '../show/number.ts';
import { showSpan } from '../show/time.ts';

const BAR_COLUMNS = 24;
const REDRAW_MS = 100;
const LINE_MS = 5000;
const CLEAR = '\r\u001b[K';

export class Progress {
  readonly #io: Io;
  readonly #total: number;
  readonly #startDone: number;
  readonly #startedAt: number;
  #shownAt: number;
  #isDrawn = false;

  constructor(io: Io, total: number, done: number) {
    this.#io = io;
    this.#total = total;
    this.#startDone = done;
    this.#startedAt = io.clock.now();
    this.#shownAt = this.#startedAt;
  }

  get elapsedMs(): number {
    return this.#io.clock.now() - this.#startedAt;
  }

  /** `done` of `total`; `added` since this run began. */
  show(done: number, added: number): void {
    const now = this.#io.clock.now();
    const isTerminal = this.#io.errColumns !== null;
    if (now - this.#shownAt < (isTerminal ? REDRAW_MS : LINE_MS)) return;
    this.#shownAt = now;
    const text = this.#text(done, added);
    if (isTerminal) {
      this.#isDrawn = true;
      this.#io.err(
        `${CLEAR}${this.#bar(done)}${text}`.slice(0, (this.#io.errColumns ?? 80) + CLEAR.length - 1),
      );
    } else {
      this.#io.err(`${text}\n`);
    }
  }

  /** Leaves the terminal as it was, for words that follow. */
  clear(): void {
    if (this.#isDrawn) this.#io.err(CLEAR);
    this.#isDrawn = false;
  }

  #text(done: number, added: number): string {
    const seconds = this.elapsedMs / 1000;
    const rate = seconds > 0 ? added / seconds : 0;
    const moved = done - this.#startDone;
    const left = moved > 0 ? ` · ${showSpan(((this.#total - done) / moved) * seconds)} left` : '';
    return `${Math.floor(this.#share(done) * 100)} % · ${grouped(added)} added · ${grouped(Math.round(rate))}/s${left}`;
  }

  #bar(done: number): string {
    const full = Math.round(this.#share(done) * BAR_COLUMNS);
    return `[${'#'.repeat(full)}${'.'.repeat(BAR_COLUMNS - full)}] `;
  }

  #share(done: number): number {
    return this.#total === 0 ? 1 : Math.min(1, done / this.#total);
  }
}
