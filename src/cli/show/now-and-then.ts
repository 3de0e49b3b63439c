/** A word now and then while something long goes on. */
import type { Session } from '../session.ts';

const BETWEEN_MS = 1000;

export class NowAndThen {
  readonly #session: Session;
  #saidAt: number;

  constructor(session: Session) {
    this.#session = session;
    this.#saidAt = session.io.clock.now();
  }

  say(text: string): void {
    const now = this.#session.io.clock.now();
    if (now - this.#saidAt < BETWEEN_MS) return;
    this.#saidAt = now;
    this.#session.say(text);
  }
}
