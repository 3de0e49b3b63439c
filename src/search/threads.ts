/**
 * The order of messages in their conversations, for the context of a message: what was said right before and after it.
 *
 * Messages are ordered by time and, within one moment, by id. A pause ends the context, so that it does not matter
 * whether a caller makes one conversation of many meetings.
 */
import { HOUR_MS } from '../durations.ts';
import { grown } from './pair-lists.ts';
import type { FilterableRecord } from './types.ts';

/** A longer silence starts a new topic. */
export const CONTEXT_PAUSE_MS = 6 * HOUR_MS;
const NONE = -1;

/** When a message was said, as far as it is known. */
export const momentOf = (record: Pick<FilterableRecord, 'at' | 'createdAt'>): number =>
  record.at ?? record.createdAt;

export class Threads {
  /** The neighbour before and after each document, or -1. Replaced when they grow. */
  before = new Int32Array(0);
  after = new Int32Array(0);
  #moments = new Float64Array(0);
  readonly #conversations = new Map<string, number[]>();
  readonly #idOf: (document: number) => string;

  constructor(idOf: (document: number) => string) {
    this.#idOf = idOf;
  }

  get bytes(): number {
    return this.before.byteLength + this.after.byteLength + this.#moments.byteLength;
  }

  /** Puts the document in its place; `idOf` knows it already. */
  add(document: number, conversation: string | null, moment: number): void {
    this.#reach(document);
    if (conversation === null) return;
    this.#moments[document] = moment;
    let thread = this.#conversations.get(conversation);
    if (thread === undefined) this.#conversations.set(conversation, (thread = []));
    const at = this.#placeOf(thread, document);
    if (at === thread.length) thread.push(document);
    else thread.splice(at, 0, document);
    this.#link(thread[at - 1], document);
    this.#link(document, thread[at + 1]);
  }

  /** Takes the document out; `idOf` still knows it. */
  remove(document: number, conversation: string | null): void {
    const thread = conversation === null ? undefined : this.#conversations.get(conversation);
    if (conversation === null || thread === undefined) return;
    const at = this.#placeOf(thread, document);
    thread.splice(at, 1);
    this.before[document] = NONE;
    this.after[document] = NONE;
    this.#moments[document] = 0;
    this.#link(thread[at - 1], thread[at]);
    if (thread.length === 0) this.#conversations.delete(conversation);
  }

  #link(earlier: number | undefined, later: number | undefined): void {
    const near =
      earlier !== undefined &&
      later !== undefined &&
      this.#momentAt(later) - this.#momentAt(earlier) <= CONTEXT_PAUSE_MS;
    if (earlier !== undefined) this.after[earlier] = near ? later : NONE;
    if (later !== undefined) this.before[later] = near ? earlier : NONE;
  }

  /** Where the document stands, or would stand. Most are the newest of their conversation, so the end is tried first. */
  #placeOf(thread: readonly number[], document: number): number {
    const last = thread.at(-1);
    if (last === undefined || this.#isBefore(last, document)) return thread.length;
    let low = 0;
    let high = thread.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#isBefore(thread[middle] as number, document)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #isBefore(a: number, b: number): boolean {
    const difference = this.#momentAt(a) - this.#momentAt(b);
    return difference === 0 ? this.#idOf(a) < this.#idOf(b) : difference < 0;
  }

  #momentAt(document: number): number {
    return this.#moments[document] as number;
  }

  #reach(document: number): void {
    const had = this.before.length;
    if (document < had) return;
    this.before = grown(this.before, document + 1).fill(NONE, had);
    this.after = grown(this.after, document + 1).fill(NONE, had);
    this.#moments = grown(this.#moments, this.before.length);
  }
}
