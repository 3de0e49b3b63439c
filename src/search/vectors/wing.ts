/**
 * Rows under one kind of code, in lists. There is one wing, or two while rows move from one kind to another: then a search goes through both.
 */
import type { Metric } from '../types.ts';
import type { Coding, Look, Sight } from './coding.ts';
import { ListKeeper } from './list-keeper.ts';
import { Lists } from './lists.ts';
import { Probe } from './probe.ts';
import { BATCH_CODES, type VectorRoom } from './room.ts';
import type { Rows } from './rows.ts';
import { withRoom } from './numbers.ts';

/** Codes between one look at what may be missing and the next: at least so many, and more the more have been looked at, by this part of them. */
const BATCH_MIN = 256;
const BATCH_GROWTH = 0.5;
/** After so many codes the others are looked at in haste: then the floor is high enough that most end there. */
const HASTE_FROM = 8192;

/** What a search asks of each wing. */
export interface Aim {
  /** How many neighbours may be expected in lists not scanned. */
  readonly tolerance: number;
  /** How many standard deviations an estimate may be off. */
  readonly deviations: number;
  /** What counts has at least this score; it rises. */
  floor(): number;
  /** Takes candidates out of the scratch room. */
  settle(look: Look, waiting: number): void;
}

export class Wing {
  readonly coding: Coding;
  readonly lists: Lists;
  readonly keeper: ListKeeper;
  readonly #room: VectorRoom;
  readonly #probe: Probe;
  #chosen = new Uint32Array(64);
  /** Of the last search. */
  readonly last = { codes: 0, lists: 0 };

  constructor(room: VectorRoom, rows: Rows, coding: Coding, metric: Metric) {
    this.#room = room;
    this.coding = coding;
    this.lists = new Lists(room, coding);
    this.keeper = new ListKeeper(room, rows, coding, this.lists);
    this.#probe = new Probe(this.lists, metric, coding.noise);
  }

  get bytes(): number {
    return this.lists.bytes + this.coding.bytes;
  }

  scan(sight: Sight, { tolerance, deviations, floor, settle }: Aim): void {
    const { lists, coding } = this;
    const probe = this.#probe;
    this.last.codes = this.last.lists = 0;
    if (lists.count === 0) return;
    this.keeper.asked();
    this.#chosen = withRoom(this.#chosen, lists.count);
    probe.begin(this.#products(), sight);
    for (let isDone = false; !isDone;) {
      const batch = Math.max(BATCH_MIN, BATCH_GROWTH * this.last.codes);
      const count = this.#choose(Math.min(batch, BATCH_CODES / 2));
      if (count === 0) break;
      const isHasty = this.last.codes > HASTE_FROM;
      const look: Look = {
        coding,
        lists,
        probe,
        chosen: this.#chosen,
        count,
        deviations: coding.deviationsFor(deviations),
        isHasty,
        floor,
        settle: (waiting) => settle(look, waiting),
      };
      settle(look, coding.scan(look));
      isDone = probe.isDone(floor() - coding.lift, tolerance);
    }
    probe.end();
  }

  close(): void {
    this.lists.close();
    this.keeper.reset();
    this.coding.close();
  }

  /** The next lists that hold so many codes together, or all that are left; answers how many lists. */
  #choose(codes: number): number {
    const { counts } = this.lists;
    const chosen = this.#chosen;
    let count = 0;
    let held = 0;
    while (held < codes) {
      const list = this.#probe.next();
      if (list < 0) break;
      chosen[count++] = list;
      held += counts[list] as number;
    }
    this.last.codes += held;
    this.last.lists += count;
    return count;
  }

  #products(): Float32Array {
    const { scratch, floats } = this.#room;
    const { lists, coding } = this;
    lists.eachChunk(0, lists.count, (address, here, list) =>
      coding.scoreCentroids(address, here, scratch.out + list * 4),
    );
    return floats.subarray(scratch.out / 4, scratch.out / 4 + lists.count);
  }
}
