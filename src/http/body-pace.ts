/**
 * How fast large bodies are read. Whoever is alone has all of the server; while others ask too, each reads no faster than
 * so many bytes a second, over all of its connections. Nothing is refused for it: reading pauses, and the sender waits.
 *
 * Reading costs the main thread some milliseconds a mebibyte (TLS, copies, their collection), which is time that those who
 * ask for little would wait.
 */
import type { Readable } from 'node:stream';
import { makeRoom } from '../bytes/make-room.ts';

/** Bodies up to this are read as they come: watching them would cost more than they do. */
const SMALL_BYTES = 256 * 1024;
/** Somebody who asked this long ago is here. */
const PRESENT_MS = 1_000;
/** Shorter pauses than the timer can keep are saved up. */
const PAUSE_MIN_MS = 5;
const READERS_MAX = 10_000;

interface Seen {
  readonly who: string;
  atMs: number;
}

export class BodyPace {
  readonly #bytesPerSecond: number;
  readonly #now: () => number;
  /** Who asked last, and who asked last of all others. */
  #last: Seen | null = null;
  #other: Seen | null = null;
  /** When each would have read what it has read. */
  readonly #dueMs = new Map<string, number>();

  constructor(bytesPerSecond: number, now: () => number) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#now = now;
  }

  /** `who` asks for something. */
  seen(who: string): void {
    const atMs = this.#now();
    if (this.#last?.who === who) {
      this.#last.atMs = atMs;
      return;
    }
    if (this.#last !== null) this.#other = this.#last;
    this.#last = { who, atMs };
  }

  /** Paces a body that `who` sends, from its first byte; `length` null: not announced. */
  pace(body: Readable, who: string, length: number | null): void {
    if (length !== null && length <= SMALL_BYTES) return;
    body.on('data', (chunk: Uint8Array) => {
      const waitMs = this.waitMs(who, chunk.length);
      if (waitMs < PAUSE_MIN_MS) return;
      body.pause();
      setTimeout(() => body.resume(), waitMs).unref();
    });
  }

  /** After so many bytes were read: how long to wait before the next. */
  waitMs(who: string, bytes: number): number {
    const now = this.#now();
    if (this.#isAlone(who, now)) {
      this.#dueMs.delete(who);
      return 0;
    }
    const due = Math.max(now, this.#dueMs.get(who) ?? now) + (bytes / this.#bytesPerSecond) * 1000;
    makeRoom(this.#dueMs, READERS_MAX);
    this.#dueMs.set(who, due);
    return due - now;
  }

  #isAlone(who: string, now: number): boolean {
    const other = this.#last?.who === who ? this.#other : this.#last;
    return other === null || now - other.atMs > PRESENT_MS;
  }
}
