/**
 * Keeps lists of a good size around good centroids while a vault grows and shrinks, in steps of bounded work between searches.
 *
 * What is new waits in list 0. In the order of urgency: a list that was begun to be split is emptied into its parts;
 * what waits finds its nearest list; a list that is too long is split (k-means among a sample of its members); one that is too short is
 * dissolved; when much has changed, each list in turn is centred anew and its members look for a nearer one (one
 * step of Lloyd's algorithm): sooner in a vault that is searched, and there once more if many found one, because rows that came while there were
 * few lists lie far from their centroids, and a search looks at many times as many codes for it; and at last the blocks of each list are put side by side. Steps and choices follow from what was added and asked, and from a fixed seed.
 */
import { isFull } from '../arena.ts';
import { LAYOUT } from '../kernel/kernel.ts';
import type { Coding } from './coding.ts';
import type { Lists } from './lists.ts';
import { xorshift } from './numbers.ts';
import type { VectorRoom } from './room.ts';
import type { Rows } from './rows.ts';

/** Distances from centroids computed in one step, about; and how many of them take as long as what else is done for a row. */
const STEP_DISTANCES = 12_000;
const ROW_DISTANCES = 150;
const PARTS_MAX = 32;
/** Members for each part that a split learns from, and parts that are centred in one step. */
const SAMPLE_PER_PART = 16;
const SPLIT_ROUNDS = 2;
const STEP_PARTS = 4;
/** A sweep begins when so large a part of the rows has come or gone since the last; in a vault that was searched since, the smaller one. */
const SWEEP_CHANGES = 0.7;
const SWEEP_CHANGES_ASKED = 0.2;
/** A part with so much of what was split is not split again at once. */
const ALIKE = 0.9;
/** A list longer than this many times the aim is split, one shorter than this part of it is dissolved. */
const LONG = 2;
const SHORT = 0.2;

/** The origin is no good middle for what lies all on one side of it: so many rows give a better one. */
const FIRST_MEAN = 64;

/** A mean so long, squared, for the squares of the rows shows that they lie to one side. */
const ASIDE = 0.1;

/** A list that is split into so many, the first of which has that number. */
interface Parting {
  readonly list: number;
  readonly first: number;
  readonly parts: number;
}

type Job =
  | (Parting & { readonly kind: 'split'; readonly centring: Iterator<void, void> })
  | (Parting & { readonly kind: 'drain' });

/** Lists before `list` have been swept, the last of which waits for its mean to become its centroid, and then `waiting` for the nearest of all lists. */
interface Sweep {
  /** It began because of what the one before it moved. */
  readonly isSecond: boolean;
  list: number;
  mean: Float32Array | null;
  waiting: number[];
  moved: number;
}

export class ListKeeper {
  readonly #room: VectorRoom;
  readonly #rows: Rows;
  readonly #coding: Coding;
  readonly #lists: Lists;
  #job: Job | null = null;
  /** Goes on where it was once a list has been split. */
  #sweep: Sweep | null = null;
  /** Rows added or removed since the last sweep. */
  #changes = 0;
  /** Rows to which the last sweep gave another list; 0 if it came second, so that there is an end to it. */
  #moved = 0;
  /** Whether anything was looked for since the last sweep. */
  #isAsked = false;
  /** Where the look for lists too long or too short goes on. */
  #looked = 0;
  /** The list that is gathered next. */
  #gathering: number | null = null;
  readonly #random = xorshift(1);
  /** The memory is full: there is no point in going on before something changes. */
  #isStuck = false;

  constructor(room: VectorRoom, rows: Rows, coding: Coding, lists: Lists) {
    this.#room = room;
    this.#rows = rows;
    this.#coding = coding;
    this.#lists = lists;
  }

  added(): void {
    this.#changes++;
    this.#looked = 0;
    this.#isStuck = false;
    if (this.#rows.hasMiddle || this.#lists.count !== 1 || this.#lists.counts[0] !== FIRST_MEAN) return;
    this.#rows.hasMiddle = true;
    this.#findMiddle();
  }

  /** A search goes through the lists. */
  asked(): void {
    this.#isAsked = true;
  }

  /** Rows may have moved: what a sweep still had before it is left for the next. */
  removed(): void {
    this.added();
    if (this.#sweep !== null) this.#sweep.waiting = [];
  }

  /** There is nothing left to keep. */
  reset(): void {
    this.#job = this.#sweep = null;
    this.#changes = this.#moved = 0;
    this.#isAsked = false;
    this.#looked = 0;
    this.#gathering = null;
  }

  /** Does a little; false when there is nothing to do. */
  step(): boolean {
    if (this.#isStuck) return false;
    try {
      return this.#step();
    } catch (error) {
      if (!isFull(error)) throw error;
      this.#isStuck = true;
      return false;
    }
  }

  #step(): boolean {
    const job = this.#job;
    if (job?.kind === 'drain') return this.#drain(job);
    if (job?.kind === 'split') return this.#goOnSplitting(job);
    if (this.#lists.counts[0] !== 0 && this.#lists.count > 1) return this.#place();
    if (this.#lists.counts[0] !== 0 && this.#isLong(0)) return this.#split(0);
    for (; this.#looked < this.#lists.count; this.#looked++) {
      const list = this.#looked;
      if (list === 0) continue;
      if (this.#isLong(list)) return this.#split(list);
      if (this.#isShort(list)) return this.#dissolve(list);
    }
    if (this.#sweep !== null) return this.#goOnSweeping(this.#sweep);
    if (this.#lists.count < 2 || !this.#mayImprove) return this.#gather();
    const isSecond = this.#changes < this.#rows.count * SWEEP_CHANGES_ASKED;
    this.#changes = this.#moved = 0;
    this.#isAsked = false;
    this.#sweep = { isSecond, list: 1, mean: null, waiting: [], moved: 0 };
    return true;
  }

  get #mayImprove(): boolean {
    const rows = this.#rows.count;
    if (this.#changes >= rows * SWEEP_CHANGES) return true;
    return this.#isAsked && this.#changes + this.#moved >= rows * SWEEP_CHANGES_ASKED;
  }

  /** The mean of all there is becomes the middle, if they lie to one side of the origin, and list 0 lies around it. */
  #findMiddle(): void {
    const { floats, scratch } = this.#room;
    const rows = this.#lists.rowsOf(0);
    this.#coding.meanOf(rows);
    let mean = 0;
    for (let i = 0; i < this.#rows.padded; i++) mean += (floats[scratch.sums / 4 + i] as number) ** 2;
    const squares = rows.map((row) => (floats[(row + LAYOUT.rowLength) / 4] as number) ** 2);
    if (mean < (ASIDE * squares.reduce((sum, square) => sum + square, 0)) / rows.length) return;
    this.#rows.setMiddle(scratch.sums);
    floats.fill(0, scratch.sums / 4, scratch.sums / 4 + this.#rows.padded);
    this.#lists.recentre(0, scratch.sums);
  }

  #isLong(list: number): boolean {
    const count = this.#lists.counts[list] as number;
    return (
      count > LONG * this.#coding.aim(this.#rows.count) && count >= (this.#lists.splitAt[list] as number)
    );
  }

  #isShort(list: number): boolean {
    const count = this.#lists.counts[list] as number;
    return count === 0 || (count < SHORT * this.#coding.aim(this.#rows.count) && this.#lists.count > 4);
  }

  /** Members of a list go to the nearest of its parts. */
  #drain({ list, first, parts }: Job & { kind: 'drain' }): boolean {
    const rows = this.#lists.rowsOf(list, this.#stepRows(parts));
    if (rows.length > 0) {
      this.#move(rows, first, parts);
      return true;
    }
    this.#job = null;
    const { counts, splitAt } = this.#lists;
    // Where all members are alike a split makes nothing shorter: that part waits until there are twice as many.
    const count = counts.subarray(first, first + parts).reduce((sum, part) => sum + part, 0);
    for (let part = first; part < first + parts; part++)
      if ((counts[part] as number) > ALIKE * count) splitAt[part] = 2 * (counts[part] as number);
    if (list !== 0) this.#drop(list);
    return true;
  }

  /** What waits in list 0 goes to the nearest of all lists. */
  #place(): boolean {
    this.#move(this.#lists.rowsOf(0, this.#stepRows(this.#lists.count)), 1, this.#lists.count - 1);
    return true;
  }

  #dissolve(list: number): boolean {
    this.#lists.shut(list);
    for (const row of this.#lists.rowsOf(list)) this.#lists.move(row, 0);
    this.#drop(list);
    return true;
  }

  /** Another list may have its number then. */
  #drop(list: number): void {
    this.#lists.drop(list);
    if (this.#sweep === null) return;
    this.#sweep.waiting = [];
    this.#sweep.mean = null;
  }

  #split(list: number): boolean {
    const { counts } = this.#lists;
    const count = counts[list] as number;
    const parts = Math.min(PARTS_MAX, Math.max(2, Math.ceil(count / this.#coding.aim(this.#rows.count))));
    const sample = this.#sample(list, parts * SAMPLE_PER_PART);
    const first = this.#lists.count;
    for (let part = 0; part < parts; part++) {
      this.#coding.meanOf([sample[part * Math.floor(sample.length / parts)] as number]);
      this.#lists.open(this.#room.scratch.sums);
    }
    // By their documents, because rows may move between steps.
    const documents = sample.map((row) => this.#rows.documentAt(row));
    this.#job = { kind: 'split', list, first, parts, centring: this.#centre(documents, first, parts) };
    return true;
  }

  #goOnSplitting({ list, first, parts, centring }: Job & { kind: 'split' }): boolean {
    if (centring.next().done !== true) return true;
    if (list !== 0) this.#lists.shut(list);
    this.#job = { kind: 'drain', list, first, parts };
    return true;
  }

  /** Some times over each part's centroid becomes the mean of the sampled members that are nearest to it. Takes no memory. */
  *#centre(sample: readonly number[], first: number, parts: number): Generator<void, void> {
    const few = this.#stepRows(parts);
    for (let round = 0; round < SPLIT_ROUNDS; round++) {
      const members = Array.from({ length: parts }, (): number[] => []);
      for (let done = 0; done < sample.length; done += few) {
        const rows = this.#rowsOf(sample.slice(done, done + few));
        this.#coding.nearest(rows, this.#lists, first, parts, (row, list) =>
          members[list - first]?.push(this.#rows.documentAt(row)),
        );
        yield;
      }
      for (const [part, documents] of members.entries()) {
        const rows = this.#rowsOf(documents);
        if (rows.length > 0) {
          this.#coding.meanOf(rows);
          this.#lists.recentre(first + part, this.#room.scratch.sums);
        }
        if (part % STEP_PARTS === 0) yield;
      }
    }
  }

  /** Of those documents that are still there. */
  #rowsOf(documents: readonly number[]): readonly number[] {
    return documents.map((document) => this.#rows.addressOfDocument(document)).filter((row) => row !== null);
  }

  #goOnSweeping(sweep: Sweep): boolean {
    const { floats, scratch } = this.#room;
    if (sweep.mean !== null) {
      floats.set(sweep.mean, scratch.sums / 4);
      this.#lists.recentre(sweep.list - 1, scratch.sums);
      sweep.mean = null;
      return true;
    }
    if (sweep.waiting.length > 0) {
      const rows = sweep.waiting.splice(0, this.#stepRows(this.#lists.count));
      sweep.moved += this.#move(
        rows.filter((row) => this.#lists.listOf(row) === sweep.list - 1),
        1,
        this.#lists.count - 1,
      );
      return true;
    }
    if (sweep.list >= this.#lists.count) {
      this.#moved = sweep.isSecond ? 0 : sweep.moved;
      this.#sweep = null;
      this.#looked = 0;
      return true;
    }
    const list = sweep.list++;
    sweep.waiting = this.#lists.rowsOf(list);
    if (sweep.waiting.length === 0) return true;
    this.#coding.meanOf(sweep.waiting);
    sweep.mean = floats.slice(scratch.sums / 4, scratch.sums / 4 + this.#rows.padded);
    return true;
  }

  /** Blocks that have come to lie anywhere are put together with those of their lists, list by list. */
  #gather(): boolean {
    if (this.#gathering === null) {
      if (!this.#lists.isScattered) return false;
      this.#gathering = 0;
    }
    if (this.#gathering < this.#lists.count) {
      this.#lists.gather(this.#gathering++);
    } else {
      this.#lists.endGathering();
      this.#gathering = null;
    }
    return true;
  }

  /** Each row goes to the nearest of the lists; answers for how many that is another one. */
  #move(rows: readonly number[], first: number, count: number): number {
    let moved = 0;
    this.#coding.nearest(rows, this.#lists, first, count, (row, list) => {
      if (this.#lists.listOf(row) === list) return;
      this.#lists.move(row, list);
      moved++;
    });
    return moved;
  }

  /** Members taken at random, each at most once. */
  #sample(list: number, limit: number): readonly number[] {
    const rows = this.#lists.rowsOf(list);
    const size = Math.min(limit, rows.length);
    for (let i = 0; i < size; i++) {
      const other = i + Math.floor(this.#random() * (rows.length - i));
      [rows[i], rows[other]] = [rows[other] as number, rows[i] as number];
    }
    return rows.slice(0, size);
  }

  /** Rows that find their nearest among so many lists in one step. */
  #stepRows(lists: number): number {
    return Math.max(8, Math.floor(STEP_DISTANCES / (lists + ROW_DISTANCES) / 4) * 4);
  }
}
