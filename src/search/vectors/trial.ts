/**
 * Rows compared with each other, to see whether a few directions say enough of their scores.
 *
 * Some rows ask others. What lies across the directions must be less than what rounding to four bits takes from what lies along them, for rows
 * taken at random; and for the nearest, where it may all lie to one side, clearly less than what tells them apart along the directions: in a few
 * clusters that lie anywhere, directions say which cluster a row is in, and nothing of its neighbours there.
 */
import { LAYOUT } from '../kernel/kernel.ts';
import { Top, type Scored } from '../top.ts';
import type { VectorRoom } from './room.ts';
import type { Rows } from './rows.ts';

/** What four bits lose of the square of normal numbers. */
export const SHORT_LOSS = 0.0115;
/** What of a vector's square a list leaves in its residual, about. */
const RESIDUAL = 0.6;
/** How much of what tells near rows apart along the directions may lie across: that much is learned from searches (drift.ts). */
const HIDDEN = 0.6;
/** Rows that should ask. */
export const ASKING = 24;
const OTHERS = 32;
const NEAR = 4;
/** Rows among which the nearest are looked for, and how many are asked in one step of work, which is bounded. */
const AMONG = 4096;
const ASKED_MAX = 1024;
const NUMBERS_MAX = 192 * 768;

/** Sees a row along some directions, relative to the middle. */
export type Seer = (row: number) => Float32Array;

interface Pair {
  readonly one: Float32Array;
  readonly other: Float32Array;
  /** ⟨x − m, y − m⟩. */
  readonly product: number;
  /** The step of the seven bits of which the other's code is made. */
  readonly step: number;
}

interface Near {
  readonly score: number;
  readonly pair: Pair;
}

export class Trial {
  readonly #anyPairs: Pair[] = [];
  readonly #nearPairs: Pair[] = [];
  /** The mean square of rows, seen from the middle. */
  #square = 0;
  #asked = 0;

  /** Lets one more row ask others, all taken at random. Rows may come and go between steps. */
  *ask(room: VectorRoom, rows: Rows, rowAtRandom: () => number, see: Seer): Generator<void, void> {
    const document = rows.documentAt(rowAtRandom());
    const count = Math.min(ASKED_MAX, Math.floor(NUMBERS_MAX / rows.padded));
    const nearest = new Map<number, Near>();
    for (let asked = 0; asked < Math.min(AMONG, rows.count); asked += count) {
      const row = rows.addressOfDocument(document);
      if (row === null) return;
      const addresses = Array.from({ length: count }, rowAtRandom);
      const { products, near, square } = new Scores(room, rows, addresses).of(row);
      const one = see(row);
      const pairOf = (at: number): Pair => ({
        one,
        other: see(addresses[at] as number),
        product: products[at] as number,
        step: (room.floats[(addresses[at] as number) / 4] as number) * 2 ** (rows.lowBits + 1),
      });
      if (asked === 0) {
        this.#asked++;
        this.#square += (square - this.#square) / this.#asked;
        for (let at = 0; at < OTHERS; at++) this.#anyPairs.push(pairOf(at));
      }
      for (const { row: at, score } of near)
        nearest.set(rows.documentAt(addresses[at] as number), { score, pair: pairOf(at) });
      yield;
    }
    const sorted = [...nearest.values()].sort((one, other) => other.score - one.score);
    this.#nearPairs.push(...sorted.slice(0, NEAR).map(({ pair }) => pair));
  }

  /** Whether the directions of these numbers say enough. */
  isEnough(order: readonly number[]): boolean {
    const lost = this.#lost(order);
    const unseen = offOf(this.#nearPairs, order).squares + this.#rounded(order);
    return lost > 0 && this.variance(order) <= lost && unseen <= this.#mayHide(order);
  }

  /** Of products of rows taken at random, across the directions. */
  variance(order: readonly number[]): number {
    const { mean, squares } = offOf(this.#anyPairs, order);
    return Math.max(0, squares - mean * mean);
  }

  /** The part of the variance of estimates' errors that comes from what lies across. */
  doubt(order: readonly number[]): number {
    const variance = this.variance(order);
    return variance > 0 ? variance / (variance + this.#lost(order)) : 0;
  }

  /** The part of a row's square that lies across. */
  share(order: readonly number[]): number {
    return this.#square > 0 ? Math.max(0, 1 - this.#along(order) / this.#square) : 0;
  }

  /** In how many directions as good as any what lies across is spread. */
  freedom(order: readonly number[]): number {
    const variance = this.variance(order);
    return variance > 0 ? Math.max(1, (this.share(order) * this.#square) ** 2 / variance) : 1;
  }

  /** What rounding takes. */
  #lost(order: readonly number[]): number {
    return (SHORT_LOSS / order.length) * RESIDUAL * this.#along(order) ** 2;
  }

  /**
   * What may lie across without hiding which of the near rows are nearest: a part of how their products differ along the directions, which in clusters
   * is little. Where more lies across, a search would have to look at all rows of a cluster.
   */
  #mayHide(order: readonly number[]): number {
    const apart = this.#nearPairs.reduce(
      (all, { one, other }) =>
        all + order.reduce((sum, i) => sum + ((one[i] as number) - (other[i] as number)) ** 2, 0),
      0,
    );
    const near = apart / Math.max(1, this.#nearPairs.length);
    return ((HIDDEN / order.length) * near ** 2) / 2;
  }

  /** By how much products are off, squared, because codes are made of seven bits of each number. */
  #rounded(order: readonly number[]): number {
    const sum = this.#nearPairs.reduce(
      (all, { one, step }) => all + (squareOf(one, order) * step ** 2) / 12,
      0,
    );
    return sum / Math.max(1, this.#nearPairs.length);
  }

  /** The mean square of rows along the directions. */
  #along(order: readonly number[]): number {
    const sum = this.#anyPairs.reduce((all, { one }) => all + squareOf(one, order), 0);
    return sum / Math.max(1, this.#anyPairs.length);
  }
}

/** Of a row's place in some directions. */
function squareOf(one: Float32Array, order: readonly number[]): number {
  return order.reduce((sum, i) => sum + (one[i] as number) ** 2, 0);
}

/** How far products are off that know only these directions. */
function offOf(
  pairs: readonly Pair[],
  order: readonly number[],
): { readonly mean: number; readonly squares: number } {
  let sum = 0;
  let squares = 0;
  for (const { one, other, product } of pairs) {
    let off = product;
    for (const i of order) off -= (one[i] as number) * (other[i] as number);
    sum += off;
    squares += off * off;
  }
  const count = Math.max(1, pairs.length);
  return { mean: sum / count, squares: squares / count };
}

class Scores {
  readonly #room: VectorRoom;
  readonly #rows: Rows;
  readonly #addresses: readonly number[];
  /** What each score begins with. */
  readonly #bases: Float32Array;

  constructor(room: VectorRoom, rows: Rows, addresses: readonly number[]) {
    this.#room = room;
    this.#rows = rows;
    this.#addresses = addresses;
    const { floats, scratch } = room;
    const [query, middle] = [(scratch.query + LAYOUT.queryNumbers) / 4, rows.middle / 4];
    let square = 0;
    for (let i = 0; i < rows.padded; i++) {
      floats[query + i] = floats[middle + i] as number;
      square += (floats[middle + i] as number) ** 2;
    }
    this.#bases = this.#products();
    if (!rows.isEuclidean) return;
    addresses.forEach((row, at) => {
      const length = floats[(row + LAYOUT.rowLength) / 4] as number;
      this.#bases[at] = (this.#bases[at] as number) - (length * length + square) / 2;
    });
  }

  /** Of one row, seen from the middle: its products with all, the places of its nearest, and the square of its length. */
  of(row: number): {
    readonly products: Float32Array;
    readonly near: readonly Scored[];
    readonly square: number;
  } {
    const { floats, scratch, kernel } = this.#room;
    const { padded, lowBits } = this.#rows;
    const [query, middle] = [(scratch.query + LAYOUT.queryNumbers) / 4, this.#rows.middle / 4];
    kernel.decodeRow(row, padded, lowBits, scratch.query + LAYOUT.queryNumbers);
    let across = 0;
    let square = 0;
    for (let i = 0; i < padded; i++) {
      const m = floats[middle + i] as number;
      const value = (floats[query + i] as number) - m;
      floats[query + i] = value;
      across += value * m;
      square += value * value;
    }
    const products = this.#products().map((value) => value - across);
    const top = new Top(NEAR, (one, other) => one < other);
    products.forEach((value, at) => {
      if (this.#addresses[at] !== row) top.push(at, value + (this.#bases[at] as number));
    });
    return { products, near: top.list(), square };
  }

  #products(): Float32Array {
    const { kernel, scratch, floats, words } = this.#room;
    const { padded, lowBits } = this.#rows;
    words.set(this.#addresses, scratch.rows / 4);
    kernel.fineScores(scratch.query, padded, lowBits, scratch.rows, this.#addresses.length, scratch.bounds);
    return floats.slice(scratch.bounds / 4, scratch.bounds / 4 + this.#addresses.length);
  }
}
