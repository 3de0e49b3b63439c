/**
 * The order of messages in their conversations, for the context of a message: what was said right before and after it.
 *
 * Messages are ordered by time and, within one moment, by id. A pause ends the context, so that it does not matter
 * whether a caller makes one conversation of many meetings.
 */
import { grown } from './pair-lists.ts';
import type { FilterableRecord } from './types.ts';

/** A longer silence starts a new topic. */
export const CONTEXT_PAUSE_MS = 6 * 3_600_000;
const NONE = -1;

/** When a message was said, as far as it is known. */
export const momentOf = (record: FilterableRecord): number => record.at ?? record.createdAt;

export class Threads {
  /** The neighbour before and after each document, or -1. Replaced when they grow. */
  before = new Int32Array(0);
  after = new Int32Array(0);
  readonly #conversations = new Map<string, number[]>();
  readonly #recordOf: (document: number) => FilterableRecord;

  constructor(recordOf: (document: number) => FilterableRecord) {
    this.#recordOf = recordOf;
  }

  get bytes(): number {
    return this.before.byteLength + this.after.byteLength;
  }

  /** Puts the document in its place; `recordOf` knows it already. */
  add(document: number): void {
    this.#reach(document);
    const name = this.#recordOf(document).conversation;
    if (name === null) return;
    let thread = this.#conversations.get(name);
    if (thread === undefined) this.#conversations.set(name, (thread = []));
    const at = this.#placeOf(thread, document);
    thread.splice(at, 0, document);
    this.#link(thread[at - 1], document);
    this.#link(document, thread[at + 1]);
  }

  /** Takes the document out; `recordOf` still knows it. */
  remove(document: number): void {
    const name = this.#recordOf(document).conversation;
    const thread = name === null ? undefined : this.#conversations.get(name);
    if (name === null || thread === undefined) return;
    const at = this.#placeOf(thread, document);
    thread.splice(at, 1);
    this.before[document] = NONE;
    this.after[document] = NONE;
    this.#link(thread[at - 1], thread[at]);
    if (thread.length === 0) this.#conversations.delete(name);
  }

  #link(earlier: number | undefined, later: number | undefined): void {
    const near =
      earlier !== undefined &&
      later !== undefined &&
      momentOf(this.#recordOf(later)) - momentOf(this.#recordOf(earlier)) <= CONTEXT_PAUSE_MS;
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
    const [left, right] = [this.#recordOf(a), this.#recordOf(b)];
    const difference = momentOf(left) - momentOf(right);
    return difference === 0 ? left.id < right.id : difference < 0;
  }

  #reach(document: number): void {
    const had = this.before.length;
    if (document < had) return;
    this.before = grown(this.before, document + 1).fill(NONE, had);
    this.after = grown(this.after, document + 1).fill(NONE, had);
  }
}
