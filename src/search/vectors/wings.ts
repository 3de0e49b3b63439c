/**
 * The wings of a vault: which codes its rows have, and when they change.
 *
 * All rows begin with one-bit codes. When there are enough of them it is learned whether they vary in few directions (directions.ts), and if so they
 * move to short codes, a few at a time; a row that these say too little of keeps, or gets, a one-bit code. It is learned again when there are many times as
 * many rows, or when new ones lie across the directions.
 */
import { isFull } from '../arena.ts';
import { LAYOUT } from '../kernel/kernel.ts';
import type { Metric } from '../types.ts';
import type { Coding } from './coding.ts';
import { Learner, type Learned } from './directions.ts';
import type { VectorRoom } from './room.ts';
import type { Rows } from './rows.ts';
import { ShortCoding } from './short-coding.ts';
import { SignCoding } from './sign-coding.ts';
import { Wing } from './wing.ts';

/** Rows that move in one step. */
const STEP_ROWS = 64;
/** When there are so many times as many rows as at the last time, it is time to learn anew. */
const LEARN_GROWTH = 4;
/** So large a part of the rows has to be new before anything is learned out of turn. */
const STALE_CODED = 0.1;
/** Of fewer numbers none can be left out. */
const LEARN_PADDED_MIN = 64;

export class Wings {
  readonly #room: VectorRoom;
  readonly #rows: Rows;
  readonly #metric: Metric;
  /** All that hold rows: `#main`, `#spare`, and those whose rows move over to these. */
  readonly #all: Wing[] = [];
  #main: Wing;
  /** One-bit codes for rows that short codes say too little of. */
  #spare: Wing | null = null;
  #learner: Learner | null = null;
  /** How many rows there have to be before anything is learned. */
  #learnFrom: number;
  /** Rows that got a code since anything was learned. */
  #coded = 0;

  constructor(room: VectorRoom, rows: Rows, metric: Metric) {
    this.#room = room;
    this.#rows = rows;
    this.#metric = metric;
    this.#learnFrom = room.learnFrom;
    this.#main = this.#openWing(new SignCoding(room, rows));
  }

  get all(): readonly Wing[] {
    return this.#all;
  }

  get bytes(): number {
    return this.#all.reduce((sum, wing) => sum + wing.bytes, 0);
  }

  get listCount(): number {
    return this.#all.reduce((sum, { lists }) => sum + lists.count, 0);
  }

  /** Rows that have not found a list. */
  get waiting(): number {
    let waiting = 0;
    for (const { lists } of this.#all) waiting += lists.counts[0] ?? 0;
    return waiting;
  }

  reserve(count: number): void {
    this.#main.lists.reserve(count);
  }

  /** Gives a row a code. There must be room for it. */
  put(row: number): void {
    const { lists, keeper } = this.#wingFor(row);
    lists.put(row, 0);
    keeper.added();
    this.#coded++;
  }

  /** Rows may have moved. */
  removed(): void {
    for (const { keeper } of this.#all) keeper.removed();
  }

  /** Gives all memory back, and begins anew. */
  close(): void {
    for (const wing of this.#all) wing.close();
    this.#all.length = 0;
    this.#learner?.close();
    this.#learner = null;
    this.#learnFrom = this.#room.learnFrom;
    this.#coded = 0;
    this.#spare = null;
    this.#main = this.#openWing(new SignCoding(this.#room, this.#rows));
  }

  /** There is room in `#main` for whatever comes. */
  #wingFor(row: number): Wing {
    if (this.#main.coding.fits(row)) return this.#main;
    try {
      this.#spare ??= this.#openWing(new SignCoding(this.#room, this.#rows));
      this.#spare.lists.reserve(1);
      return this.#spare;
    } catch (error) {
      if (!isFull(error)) throw error;
      return this.#main;
    }
  }

  #openWing(coding: Coding): Wing {
    const wing = new Wing(this.#room, this.#rows, coding, this.#metric);
    this.#all.push(wing);
    return wing;
  }

  /** The wing whose rows move over, if there is one. */
  get #leaving(): Wing | undefined {
    return this.#all.find((wing) => wing !== this.#main && wing !== this.#spare);
  }

  take(row: number): void {
    const place = this.#room.words[(row + LAYOUT.rowPlace) / 4] as number;
    if (place !== 0) this.#all.find(({ lists }) => lists.holds(place))?.lists.take(row);
  }

  /** Does a bounded part of what makes searches fast; false when there is nothing to do, or no memory for it. */
  step(): boolean {
    if (this.#mayLearn) return this.#learn();
    const leaving = this.#leaving;
    if (leaving !== undefined) return this.#moveOver(leaving);
    return this.#main.keeper.step() || this.#spare?.keeper.step() === true;
  }

  get #mayLearn(): boolean {
    if (this.#leaving !== undefined || this.#rows.padded < LEARN_PADDED_MIN) return false;
    if (this.#rows.count < this.#room.learnFrom || !this.#rows.hasMiddle) return false;
    if (this.#learner !== null || this.#rows.count >= this.#learnFrom) return true;
    const { coding } = this.#main;
    return coding instanceof ShortCoding && coding.isStale && this.#coded > this.#rows.count * STALE_CODED;
  }

  #learn(): boolean {
    const { coding } = this.#main;
    const current =
      coding instanceof ShortCoding
        ? { count: coding.directions.count, see: (row: number) => coding.placeOf(row) }
        : null;
    try {
      this.#learner ??= new Learner(this.#room, this.#rows, current);
      const learned = this.#learner.step();
      if (learned === null) return true;
      this.#apply(learned);
    } catch (error) {
      if (!isFull(error)) throw error;
    }
    this.#learner?.close();
    this.#learner = null;
    this.#learnFrom = LEARN_GROWTH * this.#rows.count;
    this.#coded = 0;
    return true;
  }

  #apply(learned: Learned): void {
    if (learned.kind === 'keep') return;
    const coding =
      learned.kind === 'signs'
        ? new SignCoding(this.#room, this.#rows)
        : new ShortCoding(this.#room, this.#rows, learned);
    this.#main = this.#openWing(coding);
    this.#spare = null;
  }

  /** Moves some rows to where they belong now. */
  #moveOver(from: Wing): boolean {
    try {
      this.reserve(STEP_ROWS);
    } catch (error) {
      if (!isFull(error)) throw error;
      return false;
    }
    const { lists } = from;
    while (lists.count > 1 && lists.counts[lists.count - 1] === 0) lists.drop(lists.count - 1);
    const rows = lists.count === 0 ? [] : lists.rowsOf(lists.count - 1, STEP_ROWS);
    for (const row of rows) {
      lists.take(row);
      this.put(row);
    }
    if (rows.length > 0) return true;
    this.#all.splice(this.#all.indexOf(from), 1);
    from.close();
    return true;
  }
}
