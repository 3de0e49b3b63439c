/**
 * Short codes: four bits for each of a few directions, in which vectors of this vault vary most (directions.ts).
 *
 * What lies across the directions is not in a code. It is not independent of what is (neighbours agree there, too), so how far estimates are off is
 * learned from searches: each compares scores with estimates that were chosen by the estimates alone.
 */
import { BLOCK_BYTES_MIN } from '../arena.ts';
import { BLOCK_LANES, LAYOUT } from '../kernel/kernel.ts';
import type { Coding, Look, Sight } from './coding.ts';
import type { Directions } from './directions.ts';
import { Drift } from './drift.ts';
import type { Lists } from './lists.ts';
import { nearestLists, type Asked } from './nearest-lists.ts';
import { BATCH_CODES, BATCH_LISTS, type VectorRoom } from './room.ts';
import type { Rows } from './rows.ts';
import { SHORT_LOSS } from './trial.ts';

/** Codes that a list should have: shorter lists leave a little more out, and take more time each than they save. */
const LIST_CODES = 48;
const LIST_GROWTH = 0.4;
/** Rows are padded to a multiple of so many numbers. */
const ROW_NUMBERS = 64;
/** Rows coded of late, about; and what they may lie more across. */
const SHARE_ROWS = 512;
const STALE = 1.5;
const STALE_SHARE = 0.02;
/** A query that lies across more than so many times as much as others is not told apart from one that does so many times. */
const WIDEN_MAX = 1000;
/** A row that lies across more than so has no short code. */
const FITTING = 2;
const FITTING_SHARE = 0.05;
/** Fewer slabs are in the processor's own cache, wherever in them a block lies. */
const GATHER_FROM = 3;
/** Of so many lists one is measured in haste. */
const MEASURED_EVERY = 8;

export class ShortCoding implements Coding {
  readonly blockBytes: number;
  readonly apartBytes = LAYOUT.apartBytes;
  readonly gatherFrom = GATHER_FROM;
  readonly centroidBytes: number;
  readonly shadowBytes: number;
  readonly noise: number;
  readonly directions: Directions;
  readonly #room: VectorRoom;
  readonly #rows: Rows;
  /** Numbers in a centroid's shadow: it is a row of 8 bits, padded. */
  readonly #width: number;
  /** Where the directions lie, and the middle seen in them. */
  readonly #chunk: number;
  readonly #middle: Float32Array;
  readonly #drift = new Drift();
  /** How much more this query lies across than others, so that codes claim too little. */
  #widen = 1;
  /** Which part of the rows coded of late lies across. */
  #share: number;
  /** The deviation that codes before the last settling claimed, and how many of it their bounds were above the estimates. */
  #claimed = 0;
  #deviations = 0;
  /** By how much the bounds of the candidates that wait are above their estimates, in all. */
  #claims = 0;

  constructor(room: VectorRoom, rows: Rows, directions: Directions) {
    this.#room = room;
    this.#rows = rows;
    this.directions = directions;
    const { count } = directions;
    this.blockBytes = LAYOUT.blockShortHead + 16 * count;
    this.centroidBytes = 4 * count;
    this.#width = Math.ceil(count / ROW_NUMBERS) * ROW_NUMBERS;
    this.shadowBytes = LAYOUT.rowHead + this.#width;
    this.#share = directions.share;
    this.noise = SHORT_LOSS / count;
    this.#chunk = room.arena.take(this.bytes);
    directions.write(this.#chunk);
    this.#middle = new Float32Array(count);
    this.#seeMiddle();
  }

  get name(): string {
    return `${this.#count} directions`;
  }

  get bytes(): number {
    return Math.max(BLOCK_BYTES_MIN, 2 ** Math.ceil(Math.log2(this.#count * this.#stride)));
  }

  /** Whether rows of late lie across the directions more than those from which they were learned. */
  get isStale(): boolean {
    return this.#share > STALE * this.directions.share + STALE_SHARE;
  }

  get lift(): number {
    return this.#drift.mean * this.#claimed;
  }

  aim(rows: number): number {
    return Math.max(LIST_CODES, Math.round(Math.sqrt(rows) * LIST_GROWTH));
  }

  setCentroid(at: number, vector: number, shadow: number): number {
    const { floats } = this.#room;
    floats.copyWithin(at / 4, vector / 4, vector / 4 + this.#count);
    let square = 0;
    for (let i = 0; i < this.#count; i++) square += (floats[at / 4 + i] as number) ** 2;
    this.#shorten(at, shadow);
    floats[(shadow + LAYOUT.rowPlace) / 4] = square / 2;
    return square;
  }

  shut(_: number, shadow: number): void {
    this.#room.floats[(shadow + LAYOUT.rowPlace) / 4] = Number.POSITIVE_INFINITY;
  }

  fits(row: number): boolean {
    const { along, across } = this.#measure(row);
    if (along + across === 0) return true;
    const share = across / (along + across);
    this.#share += (share - this.#share) / SHARE_ROWS;
    return share <= FITTING * this.directions.share + FITTING_SHARE;
  }

  encode(row: number, centroid: number, block: number, lane: number): number {
    const { along, across } = this.#measure(row);
    // Queries near the row are taken to lie across as much as it does.
    const rest = along > 0 ? (across * across) / (along * this.directions.freedom) : 0;
    const { kernel, scratch } = this.#room;
    return kernel.encodeShort(row, scratch.point, centroid, this.#count, rest, block, lane);
  }

  move(from: number, fromLane: number, to: number, toLane: number): void {
    this.#room.kernel.moveShort(from, fromLane, to, toLane, this.#count);
  }

  clear(block: number, lane: number): void {
    this.#room.kernel.clearShort(block, lane, this.#count);
  }

  /** Centroids are kept as they were worked out. */
  asideOf(): number {
    return 0;
  }

  squareAt(block: number, lane: number): number {
    const { words, floats } = this.#room;
    const apart = words[(block + LAYOUT.blockRowsAt) / 4] as number;
    return floats[(apart + LAYOUT.apartSquares) / 4 + lane] as number;
  }

  meanOf(rows: readonly number[]): void {
    const { floats, scratch } = this.#room;
    const [sums, point] = [scratch.sums / 4, scratch.point / 4];
    floats.fill(0, sums, sums + this.#count);
    for (const row of rows) {
      this.#see(row);
      for (let i = 0; i < this.#count; i++)
        floats[sums + i] = (floats[sums + i] as number) + (floats[point + i] as number);
    }
    for (let i = 0; i < this.#count; i++) floats[sums + i] = (floats[sums + i] as number) / rows.length;
  }

  nearest(
    rows: readonly number[],
    lists: Lists,
    first: number,
    count: number,
    found: (row: number, list: number) => void,
  ): void {
    const { kernel, scratch } = this.#room;
    const asked: Asked = {
      rows,
      width: this.#width,
      write: (row, at) => {
        this.#see(row);
        this.#shorten(scratch.point, scratch.row);
        kernel.toSevenBits(scratch.row, this.#width, at);
        return (this.#room.floats[scratch.row / 4] as number) * 2;
      },
      shadowOf: (list) => lists.shadowOf(list),
    };
    nearestLists(this.#room, asked, { lists, first, count }, found);
  }

  see(own: number): Sight {
    this.#drift.begin();
    const { kernel, scratch, floats } = this.#room;
    const { padded } = this.#rows;
    // The query as prepared is 128 times its high halves and its low ones.
    const unit = floats[scratch.query / 4] as number;
    const high = scratch.query + LAYOUT.queryNumbers + 4 * padded;
    kernel.project(high, 128 * unit, padded, this.#chunk, this.#count, scratch.seen);
    kernel.project(high + padded, unit, padded, this.#chunk, this.#count, scratch.point);
    const seen = floats.subarray(scratch.seen / 4, scratch.seen / 4 + this.#count);
    for (let i = 0; i < seen.length; i++)
      seen[i] = (seen[i] as number) + (floats[scratch.point / 4 + i] as number);
    let square = 0;
    let whole = 0;
    let most = 0;
    for (let i = 0; i < seen.length; i++) {
      const value = seen[i] as number;
      square += value * value;
      whole += (value + (this.#middle[i] as number)) ** 2;
      most = Math.max(most, Math.abs(value));
    }
    this.#writeNumbers(seen, most);
    this.#widen = this.#widenFor(square);
    return { own, length: Math.sqrt(square), trueLength: Math.sqrt(whole) };
  }

  scoreCentroids(centroids: number, count: number, out: number): void {
    this.#room.kernel.dots(this.#room.scratch.seen, centroids, count, this.#count, out);
  }

  scan(look: Look): number {
    const { chosen, count } = look;
    const { counts } = look.lists;
    let waiting = 0;
    for (let from = 0; from < count;) {
      const codesMax = blocksFor(waiting) * BLOCK_LANES;
      const last = Math.min(count, from + BATCH_LISTS);
      let to = from + 1;
      let codes = counts[chosen[from] as number] as number;
      for (; to < last; to++) {
        codes += counts[chosen[to] as number] as number;
        if (codes > codesMax) break;
      }
      waiting = this.#scanSome(look, from, to, waiting);
      from = to;
    }
    return waiting;
  }

  /** The row's place in these directions, relative to the middle. */
  placeOf(row: number): Float32Array {
    this.#see(row);
    const { floats, scratch } = this.#room;
    return floats.slice(scratch.point / 4, scratch.point / 4 + this.#count);
  }

  /** Estimates are off by what the searches before have seen, whatever their codes claim. */
  deviationsFor(deviations: number): number {
    return (this.#drift.mean + this.#drift.deviation * deviations) * this.#widen;
  }

  beforeScoring({ deviations }: Look, waiting: number): void {
    this.#deviations = deviations / this.#widen;
    if (deviations !== 0) this.#claimed = ((this.#claims / waiting) * this.#widen) / deviations;
    this.#claims = 0;
  }

  learn(scored: number, sum: number, squares: number): void {
    if (scored === 0 || !(this.#claimed > 0) || !Number.isFinite(squares)) return;
    // How far scores are above their estimates, in deviations.
    const mean = sum / this.#claimed + this.#deviations * scored;
    const square =
      squares / this.#claimed ** 2 + 2 * this.#deviations * mean - this.#deviations ** 2 * scored;
    this.#drift.add(scored, mean, square);
  }

  close(): void {
    this.#room.arena.give(this.#chunk, this.bytes);
  }

  get #count(): number {
    return this.directions.count;
  }

  get #stride(): number {
    return LAYOUT.rowHead + this.#rows.padded;
  }

  #scanSome(
    { lists, probe, chosen, isHasty, deviations, floor, settle }: Look,
    from: number,
    to: number,
    waiting: number,
  ): number {
    const { scratch, words, floats, kernel } = this.#room;
    const { heads, counts } = lists;
    const stride = LAYOUT.listBytes / 4;
    const start = scratch.lists / 4;
    for (let i = from, at = start; i < to; i++, at += stride) {
      const list = chosen[i] as number;
      words[at] = heads[list] as number;
      floats[at + LAYOUT.listOwn / 4] = probe.ownOf(list);
      floats[at + LAYOUT.listReach / 4] = probe.distanceOf(list) * deviations;
      floats[at + LAYOUT.listMiddle / 4] = probe.meanOf(list);
      words[at + LAYOUT.listMeasured / 4] = Number(!isHasty || list % MEASURED_EVERY === 0);
    }
    // A list so long that one call does not reach its end stands alone.
    for (let isLeft = true; isLeft; isLeft = words[start] !== 0 && to === from + 1) {
      const blocks = blocksFor(waiting);
      kernel.scanShort(
        scratch.short,
        this.#count,
        scratch.lists,
        to - from,
        blocks,
        floor(),
        scratch.rows + waiting * 4,
        scratch.bounds + waiting * 4,
      );
      waiting += words[(scratch.short + LAYOUT.shortCandidates) / 4] as number;
      this.#claims += floats[(scratch.short + LAYOUT.shortClaims) / 4] as number;
      if (waiting > BATCH_CODES / 2) {
        settle(waiting);
        waiting = 0;
      }
      for (let i = from, at = start; i < to; i++, at += stride) {
        if (words[at + LAYOUT.listMeasured / 4] === 0) continue;
        const list = chosen[i] as number;
        const [squares, fourths] = [floats[at + LAYOUT.listSquares / 4], floats[at + LAYOUT.listFourths / 4]];
        const held = counts[list] as number;
        const measured = to === from + 1 ? Math.min(blocks * BLOCK_LANES, held) : held;
        probe.measure(list, measured, squares as number, fourths as number);
      }
    }
    return waiting;
  }

  /** Leaves the row's place in these directions, relative to the middle's, in the scratch room's `point`. */
  #see(row: number): void {
    const { kernel, scratch, floats } = this.#room;
    const { padded, lowBits } = this.#rows;
    kernel.toSevenBits(row, padded, scratch.vector);
    const scale = (floats[row / 4] as number) * 2 ** (lowBits + 1);
    kernel.project(scratch.vector, scale, padded, this.#chunk, this.#count, scratch.point);
    const [point, middle, count] = [scratch.point / 4, this.#middle, this.#count];
    for (let i = 0; i < count; i++) floats[point + i] = (floats[point + i] as number) - (middle[i] as number);
  }

  /** Writes a point as a row of 8 bits. */
  #shorten(point: number, row: number): void {
    const { kernel, floats, scratch } = this.#room;
    const padded = scratch.vector / 4;
    floats.copyWithin(padded, point / 4, point / 4 + this.#count);
    floats.fill(0, padded + this.#count, padded + this.#width);
    kernel.encodeRow(scratch.vector, this.#width, 0, row);
  }

  /** Sees the row; answers what of its square lies along the directions, and what across. */
  #measure(row: number): { readonly along: number; readonly across: number } {
    this.#see(row);
    const { floats, scratch } = this.#room;
    let along = 0;
    for (let i = 0; i < this.#count; i++) along += (floats[scratch.point / 4 + i] as number) ** 2;
    return { along, across: Math.max(0, this.#rows.squareOf(row) - along) };
  }

  #seeMiddle(): void {
    const { kernel, floats, scratch, words } = this.#room;
    const { padded, middle } = this.#rows;
    floats.copyWithin((scratch.query + LAYOUT.queryNumbers) / 4, middle / 4, middle / 4 + padded);
    for (let i = 0; i < this.#count; i++) words[scratch.rows / 4 + i] = this.#chunk + i * this.#stride;
    kernel.fineScores(scratch.query, padded, 0, scratch.rows, this.#count, scratch.seen);
    this.#middle.set(floats.subarray(scratch.seen / 4, scratch.seen / 4 + this.#count));
  }

  #widenFor(along: number): number {
    const { floats, scratch } = this.#room;
    const { share, doubt } = this.directions;
    const square = (floats[(scratch.query + LAYOUT.queryLength) / 4] as number) ** 2;
    const across = Math.max(0, square - along);
    const usual = (share / (1 - share)) * along;
    return Math.sqrt(1 + doubt * Math.min(WIDEN_MAX, Math.max(0, across / Math.max(usual, 1e-30) - 1)));
  }

  #writeNumbers(seen: Float32Array, most: number): void {
    const { bytes, floats, scratch } = this.#room;
    const inverse = most > 0 ? 127 / most : 0;
    let sum = 0;
    for (let i = 0; i < seen.length; i++) {
      const whole = Math.round((seen[i] as number) * inverse);
      bytes[scratch.short + LAYOUT.shortNumbers + i] = whole;
      sum += whole;
    }
    floats[scratch.short / 4] = most / 127;
    floats[(scratch.short + LAYOUT.shortBase) / 4] = (-7.5 * sum * most) / 127;
  }
}

/** So many blocks can be scanned before there may be no place for what they let through, beside what waits. */
const blocksFor = (waiting: number): number => Math.floor((BATCH_CODES - waiting) / BLOCK_LANES);
