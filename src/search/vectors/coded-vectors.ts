/**
 * Nearest neighbours among many vectors: codes in lists, whole numbers of 8 bits for what they let through, and all bits
 * for the finalists (finalists.ts).
 *
 * A code lets its row through unless its estimate lies so far below the floor that its error makes it unlikely; lists are scanned
 * until those left are expected to hold less than the recall target allows (probe.ts). The filter is asked before a row counts, so a narrow
 * filter lowers the floor and widens the search by itself. Which codes are best for a vault is learned between calls; rows then move
 * from the wing of the ones to that of the others.
 */
import { LAYOUT } from '../kernel/kernel.ts';
import { bestOf, type Scored } from '../top.ts';
import { isFull } from '../arena.ts';
import type { Metric } from '../types.ts';
import type { Look } from './coding.ts';
import { Finalists } from './finalists.ts';
import { LooseRows } from './loose-rows.ts';
import { scanLoose } from './loose-scan.ts';
import { deviationsFor } from './numbers.ts';
import type { Neighbours } from './neighbours.ts';
import { NEIGHBOURS_MAX, type VectorRoom } from './room.ts';
import { Rows, rowBytesFor, type LowBits } from './rows.ts';
import { Wings } from './wings.ts';

/** Rows that may wait without a list before additions begin to place some themselves; what is loaded waits for the work in between. */
const WAITING_MAX = 2048;
/** Rows without a code that get one in one step. */
const STEP_ROWS = 64;
/** How much of what may be missed is for lists not scanned. A code just below its bound is rarely a neighbour: that takes far less. */
const PROBING_SHARE = 0.8;
/** Queries outside are scaled first. */
const QUERY_LENGTH_MIN = 1e-15;
const QUERY_LENGTH_MAX = 1e18;

export class CodedVectors {
  readonly rows: Rows;
  readonly #room: VectorRoom;
  readonly #metric: Metric;
  readonly #wings: Wings;
  readonly #loose = new LooseRows();
  readonly #finalists: Finalists;
  /** Figures of the last search, for benchmarks and tests: codes looked at and their lists, and rows compared with the query in all their numbers. */
  readonly last = { codes: 0, lists: 0, rows: 0 };

  constructor(room: VectorRoom, metric: Metric, padded: number, lowBits: LowBits) {
    this.#room = room;
    this.#metric = metric;
    this.rows = new Rows(room, padded, lowBits, metric === 'euclidean');
    this.#wings = new Wings(room, this.rows, metric);
    this.#finalists = new Finalists(room, this.rows);
  }

  get size(): number {
    return this.rows.count;
  }

  get bytes(): number {
    return this.rows.bytes + this.#wings.bytes;
  }

  get listCount(): number {
    return this.#wings.listCount;
  }

  /** What codes are made of; two while rows move from one kind to another. */
  get codings(): readonly string[] {
    return this.#wings.all.map(({ coding }) => coding.name);
  }

  /** Takes memory for so many more, so that adding them cannot fail. */
  reserve(count: number): void {
    this.rows.reserve(count);
    this.#wings.reserve(count);
  }

  has(document: number): boolean {
    return this.rows.has(document);
  }

  /** The document's row without place and as seen from the origin: what is its own and nobody else's. Null if it has none. */
  rowOf(document: number): Uint8Array<ArrayBuffer> | null {
    const address = this.rows.addressOfDocument(document);
    if (address === null) return null;
    const { bytes, floats, kernel, scratch } = this.#room;
    const { padded, lowBits, rowBytes } = this.rows;
    const { row, sums } = scratch;
    bytes.copyWithin(row, address, address + rowBytes);
    bytes.fill(0, row + LAYOUT.rowPlace, row + LAYOUT.rowHead);
    floats.fill(0, sums / 4, sums / 4 + padded);
    if (this.#metric === 'euclidean') kernel.encodeBase(row, sums, padded, lowBits, 1);
    const own = bytes.slice(row, row + rowBytes);
    bytes.fill(0, row, row + rowBytes);
    return own;
  }

  /** Adds what `rowOf` gave of each document, one behind the other. Codes come later; until then a search looks at all of these rows. */
  addRows(documents: Uint32Array, bytes: Uint8Array, lowBits: LowBits): void {
    if (lowBits === this.rows.lowBits) {
      const first = this.rows.addMany(documents, bytes);
      this.#loose.add(first, first + documents.length);
      return;
    }
    const rowBytes = rowBytesFor(this.rows.padded, lowBits);
    documents.forEach((document, at) =>
      this.#addRow(document, bytes.subarray(at * rowBytes, (at + 1) * rowBytes), lowBits),
    );
  }

  add(document: number, vector: Float32Array): void {
    const { kernel, scratch } = this.#room;
    const { padded, lowBits } = this.rows;
    this.#place(vector, scratch.vector);
    const row = this.rows.add(document);
    kernel.encodeRow(scratch.vector, padded, lowBits, row);
    this.#enlist(row);
    if (this.#wings.waiting > Math.max(WAITING_MAX, this.size / 8)) this.#wings.step();
  }

  remove(document: number): void {
    const address = this.rows.addressOfDocument(document);
    if (address === null) return;
    this.#wings.take(address);
    const row = this.rows.remove(document);
    this.#loose.trim(this.size);
    // The last row has moved there.
    if (row < this.size && this.rows.isLoose(row) && !this.#loose.has(row))
      this.#enlist(this.rows.addressOf(row));
    this.#wings.removed();
    if (this.size === 0) this.close();
  }

  /** Does a bounded part of what keeps the lists in order; false when there is nothing to do. */
  work(): boolean {
    // Codes before the learning of better ones: some are made twice, but with any of them a search need not look at whole rows.
    return this.#codeLoose() || this.#wings.step();
  }

  search(vector: Float32Array, wanted: Neighbours): readonly Scored[] {
    this.last.rows = 0;
    if (this.size === 0) return [];
    const { kernel, scratch, floats } = this.#room;
    const tame = this.#metric === 'cosine' ? { vector, length: 1, factor: 1 } : tamed(vector, this.#metric);
    this.#place(tame.vector, scratch.query + LAYOUT.queryNumbers);
    const loose = this.#searchLoose(wanted).map(({ row, score }) => ({
      row,
      score: this.#shown(score, tame, this.#squareOfQuery()),
    }));
    const { own, square } = this.#seeFromMiddle();
    kernel.prepareQuery(scratch.query, this.rows.padded);
    const length = floats[(scratch.query + LAYOUT.queryLength) / 4] as number;
    const listed = this.#searchWings(wanted, own, square).map(({ row, score }) => ({
      row,
      score: this.#shown(score, tame, length ** 2 + 2 * own),
    }));
    return loose.length === 0 ? listed : bestOf([loose, listed], wanted);
  }

  /** Gives all memory back. */
  close(): void {
    this.rows.close();
    this.#wings.close();
    this.#loose.clear();
  }

  /** A row of finer or coarser steps than these. */
  #addRow(document: number, bytes: Uint8Array, lowBits: LowBits): void {
    const { kernel, scratch } = this.#room;
    const { padded } = this.rows;
    const row = this.rows.add(document);
    this.#room.bytes.set(bytes, scratch.row);
    kernel.decodeRow(scratch.row, padded, lowBits, scratch.vector);
    kernel.encodeRow(scratch.vector, padded, this.rows.lowBits, row);
    this.#enlist(row);
  }

  /** Gives some rows a code; false when all have one, or there is no memory for more. */
  #codeLoose(): boolean {
    if (this.#loose.isEmpty) return false;
    try {
      this.#wings.reserve(STEP_ROWS);
    } catch (error) {
      if (!isFull(error)) throw error;
      return false;
    }
    for (let left = STEP_ROWS; left > 0 && !this.#loose.isEmpty; left--) {
      const row = this.#loose.pop();
      if (this.rows.isLoose(row)) this.#enlist(this.rows.addressOf(row));
    }
    return true;
  }

  #enlist(row: number): void {
    this.rows.encodeBase(row);
    this.#wings.put(row);
  }

  /** Padded and rotated. */
  #place(vector: Float32Array, at: number): void {
    const { kernel, floats } = this.#room;
    const { padded } = this.rows;
    floats.set(vector, at / 4);
    floats.fill(0, at / 4 + vector.length, at / 4 + padded);
    kernel.rotate(at, padded, this.#room.signs(padded));
  }

  /** Makes the query relative to the middle; answers its product with it, and the middle's square. */
  #seeFromMiddle(): { readonly own: number; readonly square: number } {
    const { floats, scratch } = this.#room;
    const { padded } = this.rows;
    const from = (scratch.query + LAYOUT.queryNumbers) / 4;
    const middle = this.rows.middle / 4;
    let own = 0;
    let square = 0;
    for (let i = 0; i < padded; i++) {
      const m = floats[middle + i] as number;
      const value = (floats[from + i] as number) - m;
      floats[from + i] = value;
      own += value * m;
      square += m * m;
    }
    return { own, square };
  }

  #squareOfQuery(): number {
    const { floats, scratch } = this.#room;
    const from = (scratch.query + LAYOUT.queryNumbers) / 4;
    let square = 0;
    for (let i = from; i < from + this.rows.padded; i++) square += (floats[i] as number) ** 2;
    return square;
  }

  /** The best among rows without a code, which are compared with the query as it was placed. */
  #searchLoose(wanted: Neighbours): readonly Scored[] {
    if (this.#loose.isEmpty) return [];
    this.#room.kernel.prepareQuery(this.#room.scratch.query, this.rows.padded);
    this.#finalists.begin(wanted);
    this.last.rows += scanLoose(this.#room, this.rows, this.#loose, this.#finalists, wanted);
    return this.#finalists.best(wanted);
  }

  /** The best among rows with a code, which are compared with the query as it is seen from the middle. */
  #searchWings(wanted: Neighbours, own: number, square: number): readonly Scored[] {
    const finalists = this.#finalists;
    finalists.begin(wanted);
    const limit = Math.min(wanted.limit, NEIGHBOURS_MAX);
    const last = this.last;
    last.codes = last.lists = 0;
    const aim = {
      tolerance: ((1 - wanted.recall) * limit * PROBING_SHARE) / this.#wings.all.length,
      deviations: deviationsFor(1 - wanted.recall),
      floor: () => finalists.floor,
      settle: (look: Look, waiting: number) => this.#settle(look, waiting, wanted),
    };
    for (const wing of this.#wings.all) {
      wing.scan(wing.coding.see(own, square), aim);
      last.codes += wing.last.codes;
      last.lists += wing.last.lists;
    }
    return finalists.best(wanted);
  }

  #settle(look: Look, waiting: number, wanted: Neighbours): void {
    if (waiting === 0) return;
    look.coding.beforeScoring(look, waiting);
    this.#finalists.putBestFirst(waiting, wanted);
    const { scored, apart, squares } = this.#finalists.take(waiting, wanted);
    this.last.rows += scored;
    look.coding.learn(scored, apart, squares);
  }

  /** From scores where higher is nearer. Under Euclid they are half the negative squared distance, plus half of `square`. */
  #shown(score: number, { length, factor }: Tame, square: number): number {
    if (this.#metric === 'cosine') return Math.max(-1, Math.min(1, score));
    if (this.#metric === 'dot') return score * factor;
    // Beside a query scaled down, whatever is held is next to nothing.
    return 1 / (1 + (factor === 1 ? Math.sqrt(Math.max(0, square - 2 * score)) : length));
  }
}

/** Rows of the two kinds have different lengths. */
export const lowBitsOf = (row: Uint8Array, padded: number): LowBits =>
  row.length === rowBytesFor(padded, 2) ? 2 : 8;

/** A query of a length that float32 can multiply, with what its products are to be multiplied by, and its true length. */
interface Tame {
  readonly vector: Float32Array;
  readonly length: number;
  readonly factor: number;
}

function tamed(vector: Float32Array, metric: Metric): Tame {
  let sum = 0;
  for (let i = 0; i < vector.length; i++) sum += (vector[i] as number) ** 2;
  const length = Math.sqrt(sum);
  const isTame = length === 0 || (length > QUERY_LENGTH_MIN && length < QUERY_LENGTH_MAX);
  if (isTame) return { vector, length, factor: 1 };
  // Rows are so much shorter than a long query, and longer than a short one, that the order stays the same.
  const to = metric === 'dot' ? 1 : length < 1 ? 0 : QUERY_LENGTH_MAX;
  const scaled = Float32Array.from(vector, (value) => (value / length) * to);
  return { vector: scaled, length, factor: to === 0 ? 1 : length / to };
}
