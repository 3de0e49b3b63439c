/**
 * Lists of codes: each has a centroid, and a chain of blocks of 32 codes of which only the first may be part full.
 *
 * Blocks come to lie wherever one is free; now and then those of a list are gathered side by side, because a processor fetches by itself what
 * comes next in memory. List 0 takes what has no other place yet; it lies around the middle (rows.ts). A list that is closed gives its codes away and takes none.
 * What is taken out is overwritten, in blocks and centroids alike; a centroid remembers who was once in its list until it
 * is computed anew (memory only: nothing of this is ever written).
 */
import { LIMITS } from '../../limits.ts';
import { BLOCK_BYTES_MAX } from '../arena.ts';
import { BLOCK_LANES, LAYOUT } from '../kernel/kernel.ts';
import { Blocks } from './blocks.ts';
import { withRoom } from './numbers.ts';
import type { Coding } from './coding.ts';
import type { VectorRoom } from './room.ts';

/** When so large a part of the blocks lies anywhere, it is worth while to put all of them together. */
const SCATTERED_PART = 0.2;

export class Lists {
  readonly #room: VectorRoom;
  readonly #coding: Coding;
  readonly centroidsPerChunk: number;
  readonly chunks: number[] = [];
  readonly #blocks: Blocks;
  /** Blocks that have come to lie anywhere since lists were last gathered. */
  #scattered = 0;
  #heads = new Uint32Array(0);
  #counts = new Uint32Array(0);
  /** Sum of the squared distances of a list's members from its centroid. */
  #spreads = new Float64Array(0);
  /** Squared lengths of the centroids. */
  #squares = new Float64Array(0);
  /** Sum of what the members' scores begin with (rows.ts), and of what lies aside of the centroid. */
  #bases = new Float64Array(0);
  #isClosed = new Uint32Array(0);
  /** A list is not split again before it holds so many. */
  #splitAt = new Uint32Array(0);
  #count = 0;
  #version = 0;

  constructor(room: VectorRoom, coding: Coding) {
    this.#room = room;
    this.#coding = coding;
    this.#blocks = new Blocks(room.arena, coding.blockBytes, coding.apartBytes);
    this.centroidsPerChunk = Math.floor(BLOCK_BYTES_MAX / (coding.centroidBytes + coding.shadowBytes));
  }

  get count(): number {
    return this.#count;
  }

  /** Another one after each change. */
  get version(): number {
    return this.#version;
  }

  get bytes(): number {
    return (this.#blocks.slabs + this.chunks.length) * BLOCK_BYTES_MAX;
  }

  get heads(): Uint32Array {
    return this.#heads;
  }

  get counts(): Uint32Array {
    return this.#counts;
  }

  get spreads(): Float64Array {
    return this.#spreads;
  }

  get squares(): Float64Array {
    return this.#squares;
  }

  get bases(): Float64Array {
    return this.#bases;
  }

  get isClosed(): Uint32Array {
    return this.#isClosed;
  }

  get splitAt(): Uint32Array {
    return this.#splitAt;
  }

  centroidOf(list: number): number {
    const chunk = this.chunks[Math.floor(list / this.centroidsPerChunk)] as number;
    return chunk + (list % this.centroidsPerChunk) * this.#coding.centroidBytes;
  }

  /** Where the coding keeps what else it wants to know of the centroid. */
  shadowOf(list: number): number {
    const per = this.centroidsPerChunk;
    const chunk = this.chunks[Math.floor(list / per)] as number;
    return chunk + per * this.#coding.centroidBytes + (list % per) * this.#coding.shadowBytes;
  }

  /** A new list around a vector, which is relative to the middle as all centroids are. */
  open(vector: number): number {
    this.#version++;
    const list = this.#count;
    if (list === this.chunks.length * this.centroidsPerChunk)
      this.chunks.push(this.#room.arena.take(BLOCK_BYTES_MAX));
    this.#count++;
    this.#heads = withRoom(this.#heads, this.#count);
    this.#counts = withRoom(this.#counts, this.#count);
    this.#spreads = withRoom(this.#spreads, this.#count);
    this.#squares = withRoom(this.#squares, this.#count);
    this.#bases = withRoom(this.#bases, this.#count);
    this.#isClosed = withRoom(this.#isClosed, this.#count);
    this.#splitAt = withRoom(this.#splitAt, this.#count);
    this.#heads[list] = 0;
    this.#counts[list] = 0;
    this.#spreads[list] = 0;
    this.#bases[list] = 0;
    this.#isClosed[list] = 0;
    this.#splitAt[list] = 0;
    this.#setCentroid(list, vector);
    return list;
  }

  /** No row finds its nearest here any more. */
  shut(list: number): void {
    this.#isClosed[list] = 1;
    this.#coding.shut(this.centroidOf(list), this.shadowOf(list));
  }

  /** Takes an empty list away; the last one takes its number. */
  drop(list: number): void {
    this.#version++;
    const last = this.#count - 1;
    const { bytes, words } = this.#room;
    const { centroidBytes, shadowBytes } = this.#coding;
    const pieces = [
      { to: this.centroidOf(list), from: this.centroidOf(last), size: centroidBytes },
      { to: this.shadowOf(list), from: this.shadowOf(last), size: shadowBytes },
    ];
    if (list !== last) {
      for (const { to, from, size } of pieces) bytes.copyWithin(to, from, from + size);
      for (const array of this.#arrays()) array[list] = array[last] as number;
      for (let block = this.#heads[list] as number; block !== 0; block = words[block / 4] as number)
        words[(block + LAYOUT.blockList) / 4] = list;
    }
    for (const { from, size } of pieces) bytes.fill(0, from, from + size);
    this.#count--;
    if ((this.chunks.length - 1) * this.centroidsPerChunk >= this.#count)
      this.#room.arena.give(this.chunks.pop() as number, BLOCK_BYTES_MAX);
  }

  /** Takes memory for so many more codes, wherever they go; gives it back if there is not enough. */
  reserve(count: number): void {
    if (this.#count === 0) this.#openFirst();
    // One more block than would be full, for a list whose first block is.
    this.#blocks.reserve(Math.ceil(count / BLOCK_LANES) + 1);
  }

  /** Adds a row's code. */
  put(row: number, list: number): void {
    this.#version++;
    if (this.#count === 0) this.#openFirst();
    const { words } = this.#room;
    let block = this.#heads[list] as number;
    if (block === 0 || words[(block + LAYOUT.blockCount) / 4] === BLOCK_LANES)
      block = this.#chain(list, block);
    const at = (block + LAYOUT.blockCount) / 4;
    const lane = this.#room.words[at] as number;
    const square = this.#coding.encode(row, this.centroidOf(list), block, lane);
    this.#room.words[at] = lane + 1;
    this.#counts[list] = (this.#counts[list] as number) + 1;
    this.#spreads[list] = (this.#spreads[list] as number) + square;
    this.#bases[list] = (this.#bases[list] as number) + this.#baseOf(row, list, square);
  }

  /** Puts a row's code into another list. Refused, and nothing done, when there is no memory for it. */
  move(row: number, list: number): void {
    this.reserve(1);
    this.take(row);
    this.put(row, list);
  }

  /** Takes a row's code out; the first block's last code fills the gap. Answers the list. */
  take(row: number): number {
    this.#version++;
    const { words } = this.#room;
    const place = words[(row + LAYOUT.rowPlace) / 4] as number;
    const lane = place % BLOCK_LANES;
    const block = place - lane;
    const list = words[(block + LAYOUT.blockList) / 4] as number;
    const square = this.#coding.squareAt(block, lane);
    this.#spreads[list] = (this.#spreads[list] as number) - square;
    this.#bases[list] = (this.#bases[list] as number) - this.#baseOf(row, list, square);
    const head = this.#heads[list] as number;
    const lastLane = (words[(head + LAYOUT.blockCount) / 4] as number) - 1;
    if (head === block && lane === lastLane) this.#coding.clear(block, lane);
    else this.#coding.move(head, lastLane, block, lane);
    words[(row + LAYOUT.rowPlace) / 4] = 0;
    words[(head + LAYOUT.blockCount) / 4] = lastLane;
    this.#counts[list] = (this.#counts[list] as number) - 1;
    if (lastLane === 0) {
      this.#heads[list] = words[head / 4] as number;
      // Its codes have been cleared one by one.
      words[head / 4] = 0;
      this.#blocks.give(head);
    }
    return list;
  }

  listOf(row: number): number {
    const { words } = this.#room;
    const place = words[(row + LAYOUT.rowPlace) / 4] as number;
    return words[(place - (place % BLOCK_LANES) + LAYOUT.blockList) / 4] as number;
  }

  /** Addresses of at most so many of the list's rows, the latest first. */
  rowsOf(list: number, limit = Number.POSITIVE_INFINITY): number[] {
    const { words } = this.#room;
    const rows: number[] = [];
    for (let block = this.#heads[list] as number; block !== 0; block = words[block / 4] as number) {
      const from = (words[(block + LAYOUT.blockRowsAt) / 4] as number) / 4;
      for (let lane = (words[(block + LAYOUT.blockCount) / 4] as number) - 1; lane >= 0; lane--) {
        if (rows.length >= limit) return rows;
        rows.push(words[from + lane] as number);
      }
    }
    return rows;
  }

  #blocksOf(list: number): readonly number[] {
    const { words } = this.#room;
    const blocks: number[] = [];
    for (let block = this.#heads[list] as number; block !== 0; block = words[block / 4] as number)
      blocks.push(block);
    return blocks;
  }

  /** Gives the list another centroid and its members new codes. */
  recentre(list: number, vector: number): void {
    this.#version++;
    this.#setCentroid(list, vector);
    const { words } = this.#room;
    const centroid = this.centroidOf(list);
    let spread = 0;
    let base = 0;
    for (let block = this.#heads[list] as number; block !== 0; block = words[block / 4] as number) {
      const count = words[(block + LAYOUT.blockCount) / 4] as number;
      const rows = (words[(block + LAYOUT.blockRowsAt) / 4] as number) / 4;
      for (let lane = 0; lane < count; lane++) {
        const row = words[rows + lane] as number;
        const square = this.#coding.encode(row, centroid, block, lane);
        spread += square;
        base += this.#baseOf(row, list, square);
      }
    }
    this.#spreads[list] = spread;
    this.#bases[list] = base;
  }

  /** Whether so many blocks lie apart from the others of their lists that these should be gathered. */
  get isScattered(): boolean {
    const { slabs, used } = this.#blocks;
    return slabs >= this.#coding.gatherFrom && this.#scattered > SCATTERED_PART * used;
  }

  /**
   * Moves the blocks of a list side by side, in the order in which they are scanned, and behind those of the list gathered before. Refused, and
   * nothing done, when there is no memory for it.
   */
  gather(list: number): void {
    const blocks = this.#blocksOf(list);
    const { blockBytes, apartBytes } = this.#coding;
    if (blocks.length === 0 || blocks.length > this.#blocks.inRunMax) return;
    const first = this.#blocks.takeRun(blocks.length);
    const { words, bytes } = this.#room;
    blocks.forEach((block, i) => {
      const to = first + i * blockBytes;
      const [rows, toRows] = [this.#rowsAt(block), this.#rowsAt(to)];
      bytes.copyWithin(to, block, block + blockBytes);
      bytes.copyWithin(toRows, rows, rows + apartBytes);
      words[to / 4] = i + 1 < blocks.length ? to + blockBytes : 0;
      words[(to + LAYOUT.blockRowsAt) / 4] = toRows;
      const held = words[(to + LAYOUT.blockCount) / 4] as number;
      for (let lane = 0; lane < held; lane++) {
        const row = words[toRows / 4 + lane] as number;
        words[(row + LAYOUT.rowPlace) / 4] = to + lane;
      }
    });
    this.#heads[list] = first;
    for (const block of blocks) {
      const rows = this.#rowsAt(block);
      bytes.fill(0, block, block + blockBytes);
      bytes.fill(0, rows, rows + apartBytes);
      this.#blocks.give(block);
    }
  }

  /** All lists have been gathered: where they lay before is given back. */
  endGathering(): void {
    this.#scattered = 0;
    this.#blocks.trim();
  }

  /** Whether the code at that place is one of these. */
  holds(place: number): boolean {
    return this.#blocks.has(place);
  }

  /** Centroids do not lie in one piece. */
  eachChunk(first: number, count: number, see: (address: number, count: number, list: number) => void): void {
    const per = this.centroidsPerChunk;
    for (let list = first; list < first + count;) {
      const here = Math.min(first + count - list, per - (list % per));
      see(this.centroidOf(list), here, list);
      list += here;
    }
  }

  close(): void {
    this.#blocks.close();
    for (const chunk of this.chunks) this.#room.arena.give(chunk, BLOCK_BYTES_MAX);
    this.chunks.length = 0;
    this.#scattered = 0;
    this.#count = 0;
  }

  /** List 0 is around the middle. */
  #openFirst(): void {
    const { floats, scratch } = this.#room;
    floats.fill(0, scratch.sums / 4, scratch.sums / 4 + LIMITS.dimensionsMax);
    this.open(scratch.sums);
  }

  #setCentroid(list: number, vector: number): void {
    const address = this.centroidOf(list);
    this.#squares[list] = this.#coding.setCentroid(address, vector, this.shadowOf(list));
    if (this.#isClosed[list] === 1) this.#coding.shut(address, this.shadowOf(list));
  }

  /** Where the addresses of a block's rows begin, in it or apart. */
  #rowsAt(block: number): number {
    return this.#coding.apartBytes > 0 ? this.#blocks.apartOf(block) : block + LAYOUT.blockRows;
  }

  /** @param square of the row's residual. */
  #baseOf(row: number, list: number, square: number): number {
    const base = this.#room.floats[(row + LAYOUT.rowBase) / 4] as number;
    return base + this.#coding.asideOf(row, square, this.#squares[list] as number);
  }

  #chain(list: number, next: number): number {
    const block = this.#blocks.take();
    const { words } = this.#room;
    this.#scattered++;
    words[block / 4] = next;
    words[(block + LAYOUT.blockCount) / 4] = 0;
    words[(block + LAYOUT.blockList) / 4] = list;
    words[(block + LAYOUT.blockRowsAt) / 4] = this.#rowsAt(block);
    this.#heads[list] = block;
    return block;
  }

  #arrays(): readonly (Uint32Array | Float64Array)[] {
    return [
      this.#heads,
      this.#counts,
      this.#spreads,
      this.#squares,
      this.#bases,
      this.#isClosed,
      this.#splitAt,
    ];
  }
}
