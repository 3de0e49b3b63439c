/**
 * Many growing lists of pairs of integers in one typed array: postings, and the terms of each document.
 *
 * A list lies in a block of a power of two; blocks that are given up are zeroed and used again. Removing puts the last
 * pair in the place of the removed one, so that a list never has holes.
 */

/** Small, because there may be thousands of vaults with a handful of memories. */
const START_LISTS = 16;
const START_PAIRS = 32;
const NO_BLOCK = 255;

export class PairLists {
  /** Pair p of a list stands at 2 × (start + p) and the place after it. Replaced when the lists grow. */
  pool = new Int32Array(START_PAIRS * 2);
  #end = 0;
  readonly #free: number[][] = Array.from({ length: 31 }, () => []);
  #starts = new Int32Array(START_LISTS);
  #counts = new Int32Array(START_LISTS);
  #logs = new Uint8Array(START_LISTS).fill(NO_BLOCK);

  get bytes(): number {
    return this.pool.byteLength + this.#starts.byteLength + this.#counts.byteLength + this.#logs.byteLength;
  }

  count(list: number): number {
    return this.#counts[list] ?? 0;
  }

  start(list: number): number {
    return this.#starts[list] ?? 0;
  }

  first(list: number, position: number): number {
    return this.pool[2 * (this.start(list) + position)] as number;
  }

  second(list: number, position: number): number {
    return this.pool[2 * (this.start(list) + position) + 1] as number;
  }

  setSecond(list: number, position: number, value: number): void {
    this.pool[2 * (this.start(list) + position) + 1] = value;
  }

  /** Returns where in the list the pair stands. */
  push(list: number, first: number, second: number): number {
    this.#reach(list);
    const position = this.#counts[list] as number;
    const log = this.#logs[list] as number;
    if (log === NO_BLOCK) {
      this.#starts[list] = this.#take(0);
      this.#logs[list] = 0;
    } else if (position === 2 ** log) this.#enlarge(list, log, log + 1);
    const at = 2 * ((this.#starts[list] as number) + position);
    this.pool[at] = first;
    this.pool[at + 1] = second;
    this.#counts[list] = position + 1;
    return position;
  }

  /** Makes room for so many more pairs at the list's end, to be written to `pool` at once; answers their first position. */
  extend(list: number, more: number): number {
    this.#reach(list);
    const had = this.#counts[list] as number;
    const log = this.#logs[list] as number;
    const needed = had + more <= 1 ? 0 : 32 - Math.clz32(had + more - 1);
    if (log === NO_BLOCK) {
      this.#starts[list] = this.#take(needed);
      this.#logs[list] = needed;
    } else if (needed > log) this.#enlarge(list, log, needed);
    this.#counts[list] = had + more;
    return had;
  }

  /** Removes a pair; the list's last pair takes its place. */
  removeAt(list: number, position: number): void {
    const last = this.count(list) - 1;
    const at = 2 * (this.start(list) + position);
    const from = 2 * (this.start(list) + last);
    this.pool.copyWithin(at, from, from + 2);
    this.pool.fill(0, from, from + 2);
    this.#counts[list] = last;
    if (last === 0) this.clear(list);
  }

  clear(list: number): void {
    const log = this.#logs[list] ?? NO_BLOCK;
    if (log === NO_BLOCK) return;
    this.#give(this.start(list), log);
    this.#logs[list] = NO_BLOCK;
    this.#counts[list] = 0;
  }

  #enlarge(list: number, log: number, toLog: number): void {
    const from = this.#starts[list] as number;
    const to = this.#take(toLog);
    this.pool.copyWithin(2 * to, 2 * from, 2 * (from + 2 ** log));
    this.#give(from, log);
    this.#starts[list] = to;
    this.#logs[list] = toLog;
  }

  #take(log: number): number {
    const free = this.#free[log]?.pop();
    if (free !== undefined) return free;
    const start = this.#end;
    this.#end += 2 ** log;
    if (2 * this.#end > this.pool.length) this.pool = grown(this.pool, 2 * this.#end);
    return start;
  }

  #give(start: number, log: number): void {
    this.pool.fill(0, 2 * start, 2 * (start + 2 ** log));
    this.#free[log]?.push(start);
  }

  #reach(list: number): void {
    if (list < this.#starts.length) return;
    const had = this.#logs.length;
    this.#starts = grown(this.#starts, list + 1);
    this.#counts = grown(this.#counts, list + 1);
    const logs = new Uint8Array(this.#starts.length).fill(NO_BLOCK, had);
    logs.set(this.#logs);
    this.#logs = logs;
  }
}

/** The same numbers in an array that is at least half as long again, zeros behind. */
export function grown<A extends Uint8Array | Int32Array | Float64Array>(array: A, lengthMin: number): A {
  const length = Math.max(lengthMin, Math.ceil(array.length * 1.5));
  const larger = new (array.constructor as new (length: number) => A)(length);
  larger.set(array);
  return larger;
}
