/** One-bit codes in all numbers: for vectors that vary in all directions, and for all as long as nothing is known of them. */
import { BLOCK_LANES, LAYOUT } from '../kernel/kernel.ts';
import type { Coding, Look, Sight } from './coding.ts';
import type { Lists } from './lists.ts';
import { nearestLists, type Asked } from './nearest-lists.ts';
import { BATCH_CODES, type VectorRoom } from './room.ts';
import type { Rows } from './rows.ts';

/** Codes that a list should have: a search compares its query with the centroid of every list, which takes as much memory as seven codes. */
const LIST_CODES = 32;
const LIST_GROWTH = 0.5;

export class SignCoding implements Coding {
  readonly name = 'signs';
  readonly blockBytes: number;
  /** Many of the few codes that a search looks at are let through, so that it reads where their rows are. */
  readonly apartBytes = 0;
  /** Their blocks are long, and while they are moved they would take more than short codes spare. */
  readonly gatherFrom: number = Number.POSITIVE_INFINITY;
  readonly centroidBytes: number;
  readonly shadowBytes = 0;
  readonly noise: number;
  readonly bytes = 0;
  readonly lift = 0;
  readonly #room: VectorRoom;
  readonly #rows: Rows;

  constructor(room: VectorRoom, rows: Rows) {
    this.#room = room;
    this.#rows = rows;
    this.blockBytes = LAYOUT.blockHead + 4 * rows.padded;
    this.centroidBytes = LAYOUT.rowHead + rows.padded;
    this.noise = (Math.PI / 2 - 1) / rows.padded;
  }

  aim(rows: number): number {
    return Math.max(LIST_CODES, Math.round(Math.sqrt(rows) * LIST_GROWTH));
  }

  setCentroid(at: number, vector: number): number {
    const { kernel, floats } = this.#room;
    const { padded, middle } = this.#rows;
    kernel.encodeRow(vector, padded, 0, at);
    // Not of the vector it was made of: it is itself what codes and products refer to.
    const square = this.#squareOf(at);
    kernel.encodeBase(at, middle, padded, 0, 0);
    const own = floats[(at + LAYOUT.rowBase) / 4] as number;
    floats[(at + LAYOUT.rowPlace) / 4] = square / 2 + own;
    return square;
  }

  shut(centroid: number): void {
    this.#room.floats[(centroid + LAYOUT.rowPlace) / 4] = Number.POSITIVE_INFINITY;
  }

  fits(): boolean {
    return true;
  }

  encode(row: number, centroid: number, block: number, lane: number): number {
    const { padded, lowBits, middle } = this.#rows;
    return this.#room.kernel.encodeCode(row, centroid, middle, padded, lowBits, block, lane);
  }

  move(from: number, fromLane: number, to: number, toLane: number): void {
    this.#room.kernel.moveCode(from, fromLane, to, toLane, this.#rows.padded);
  }

  clear(block: number, lane: number): void {
    this.#room.kernel.clearCode(block, lane, this.#rows.padded);
  }

  asideOf(row: number, square: number, centroidSquare: number): number {
    return (this.#rows.squareOf(row) - centroidSquare - square) / 2;
  }

  /** From the factors B and E (kernel/assembly/codes.ts). */
  squareAt(block: number, lane: number): number {
    const { floats } = this.#room;
    const { padded } = this.#rows;
    const b = floats[(block + LAYOUT.blockB) / 4 + lane] as number;
    const e = floats[(block + LAYOUT.blockE) / 4 + lane] as number;
    return b * b * padded - e * e * (padded - 1);
  }

  meanOf(rows: readonly number[]): void {
    const { kernel, scratch, floats } = this.#room;
    const { padded, lowBits } = this.#rows;
    const from = scratch.sums / 4;
    floats.fill(0, from, from + padded);
    for (const row of rows) kernel.addRow(row, padded, lowBits, scratch.sums);
    const middle = this.#rows.middle / 4;
    for (let i = 0; i < padded; i++)
      floats[from + i] = (floats[from + i] as number) / rows.length - (floats[middle + i] as number);
  }

  nearest(
    rows: readonly number[],
    lists: Lists,
    first: number,
    count: number,
    found: (row: number, list: number) => void,
  ): void {
    const { kernel } = this.#room;
    const { padded, lowBits } = this.#rows;
    const asked: Asked = {
      rows,
      width: padded,
      write: (row, at) => {
        kernel.toSevenBits(row, padded, at);
        return (this.#room.floats[row / 4] as number) * 2 ** (lowBits + 1);
      },
      shadowOf: (list) => lists.centroidOf(list),
    };
    nearestLists(this.#room, asked, { lists, first, count }, found);
  }

  see(own: number, middleSquare: number): Sight {
    const { floats, scratch } = this.#room;
    const length = floats[(scratch.query + LAYOUT.queryLength) / 4] as number;
    return { own, length, trueLength: Math.sqrt(Math.max(0, length * length + 2 * own + middleSquare)) };
  }

  scoreCentroids(centroids: number, count: number, out: number): void {
    this.#room.kernel.scoreCentroids(this.#room.scratch.query, this.#rows.padded, centroids, count, out);
  }

  scan({ lists, probe, chosen, count, deviations, isHasty, floor, settle }: Look): number {
    const { scratch, words, floats, kernel } = this.#room;
    const { padded } = this.#rows;
    let waiting = 0;
    for (let i = 0; i < count; i++) {
      const list = chosen[i] as number;
      const reach = probe.distanceOf(list) * deviations;
      let squares = 0;
      let fourths = 0;
      let measured = 0;
      for (let head = lists.heads[list] as number; head !== 0;) {
        const blocks = Math.max(1, Math.floor(Math.min(BATCH_CODES - waiting, 4096) / BLOCK_LANES));
        kernel.scanChain(
          scratch.query,
          padded,
          head,
          blocks,
          probe.ownOf(list),
          reach,
          floor(),
          probe.meanOf(list),
          Number(isHasty),
          scratch.rows + waiting * 4,
          scratch.bounds + waiting * 4,
        );
        head = words[(scratch.query + LAYOUT.queryNext) / 4] as number;
        waiting += words[(scratch.query + LAYOUT.queryCandidates) / 4] as number;
        squares += floats[(scratch.query + LAYOUT.querySquares) / 4] as number;
        fourths += floats[(scratch.query + LAYOUT.queryFourths) / 4] as number;
        measured += words[(scratch.query + LAYOUT.queryMeasured) / 4] as number;
        if (waiting <= BATCH_CODES / 2) continue;
        settle(waiting);
        waiting = 0;
      }
      probe.measure(list, measured, squares, fourths);
    }
    return waiting;
  }

  /** Their error is known: over the choice of the rotation they are unbiased, with the deviation that they say. */
  deviationsFor(deviations: number): number {
    return deviations;
  }

  beforeScoring(): void {}

  learn(): void {}

  close(): void {}

  #squareOf(centroid: number): number {
    const { bytes, floats } = this.#room;
    const from = centroid + LAYOUT.rowHead;
    let sum = 0;
    for (let i = from; i < from + this.#rows.padded; i++) sum += (((bytes[i] as number) << 24) >> 24) ** 2;
    return sum * (floats[centroid / 4] as number) ** 2;
  }
}
