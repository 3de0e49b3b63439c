/**
 * Exact nearest neighbours of one vault: every row is compared with the query by the kernel.
 *
 * Rows are dense: a removed row is overwritten by the last one, so that nothing of it stays. Under cosine, rows and
 * query are scaled to length 1 first. Scores are the cosine, the dot product, or 1 / (1 + distance) for Euclid.
 * Where float32 overflows, the row is compared again in float64, so that a score is always a number.
 */
import type { Fault } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import { BLOCK_BYTES_MAX, BLOCK_BYTES_MIN, type Arena } from './arena.ts';
import type { Kernel } from './kernel/kernel.ts';
import { Top, type Scored } from './top.ts';
import type { Metric } from './types.ts';

/** What all vaults of a worker share: its memory, and room in it for a query and for one block's results. */
export interface VectorRoom {
  readonly arena: Arena;
  readonly kernel: Kernel;
  readonly query: number;
  readonly out: number;
}

const QUERY_BYTES = LIMITS.dimensionsMax * 4;
// The narrowest rows, of four numbers, give the most results for a block.
const OUT_BYTES = BLOCK_BYTES_MAX / 4;

export const openRoom = (arena: Arena, kernel: Kernel): VectorRoom => ({
  arena,
  kernel,
  query: arena.take(QUERY_BYTES),
  out: arena.take(OUT_BYTES),
});

interface Block {
  readonly offset: number;
  readonly bytes: number;
  readonly firstRow: number;
  readonly rows: number;
}

export class VectorIndex {
  readonly #room: VectorRoom;
  readonly #metric: Metric;
  #dimensions: number | null;
  readonly #blocks: Block[] = [];
  /** Document of each row. */
  readonly #documents: number[] = [];
  readonly #rows = new Map<number, number>();

  constructor(room: VectorRoom, metric: Metric, dimensions: number | null) {
    this.#room = room;
    this.#metric = metric;
    this.#dimensions = dimensions;
  }

  get dimensions(): number | null {
    return this.#dimensions;
  }

  get size(): number {
    return this.#documents.length;
  }

  get bytes(): number {
    return this.#blocks.reduce((sum, block) => sum + block.bytes, 0);
  }

  /** Notes what is wrong with the vector; `dimensions` are those a vector before it in the same batch has set. */
  check(vector: Float32Array, path: string, dimensions = this.#dimensions): Fault | null {
    const length = vector.length;
    if (dimensions !== null && length !== dimensions)
      return { path, message: `has ${length} numbers, the vault's vectors have ${dimensions}` };
    if (length < LIMITS.dimensionsMin || length > LIMITS.dimensionsMax)
      return { path, message: `must have ${LIMITS.dimensionsMin} to ${LIMITS.dimensionsMax} numbers` };
    const bad = firstNotFinite(vector);
    if (bad >= 0) return { path: `${path}/${bad}`, message: 'is not finite as float32' };
    if (this.#metric === 'cosine' && vector.every((value) => value === 0))
      return { path, message: 'is zero, which has no direction for the cosine' };
    return null;
  }

  /**
   * Takes the memory for so many more vectors, so that adding them cannot fail half-way.
   * Throws `search.unavailable` if there is not enough, and then has taken none.
   */
  reserve(count: number, dimensions: number): void {
    const had = this.#dimensions;
    this.#dimensions ??= dimensions;
    try {
      while (this.#capacity < this.size + count) this.#grow();
    } catch (error) {
      this.#dimensions = had;
      this.#trim();
      throw error;
    }
  }

  /** Adds a vector that `check` found nothing wrong with. */
  add(document: number, vector: Float32Array): void {
    this.restore(document, this.#metric === 'cosine' ? unit(vector) : vector);
  }

  /** Adds what `vectorOf` gave, as it is. */
  restore(document: number, vector: Float32Array): void {
    this.#dimensions ??= vector.length;
    const row = this.#documents.length;
    if (row === this.#capacity) this.#grow();
    this.#documents.push(document);
    this.#rows.set(document, row);
    this.#view(row).set(vector);
  }

  remove(document: number): void {
    const row = this.#rows.get(document);
    if (row === undefined) return;
    const lastRow = this.#documents.length - 1;
    const moved = this.#documents[lastRow] as number;
    const lastView = this.#view(lastRow);
    if (row !== lastRow) {
      this.#view(row).set(lastView);
      this.#documents[row] = moved;
      this.#rows.set(moved, row);
    }
    lastView.fill(0);
    this.#documents.pop();
    this.#rows.delete(document);
    this.#trim();
  }

  /** The vector as it is compared: scaled to length 1 under cosine. */
  vectorOf(document: number): Float32Array | null {
    const row = this.#rows.get(document);
    return row === undefined ? null : this.#view(row).slice(0, this.#dimensions ?? 0);
  }

  /**
   * @param vector one that `check` found nothing wrong with.
   * @param tieOf which of two documents comes first at equal scores.
   */
  search(
    vector: Float32Array,
    limit: number,
    keeps: (document: number) => boolean,
    tieOf: (a: number, b: number) => boolean,
  ): readonly Scored[] {
    const query = this.#metric === 'cosine' ? unit(vector) : vector;
    const top = new Top(limit, tieOf);
    this.#placeQuery(query);
    for (const block of this.#blocks) {
      if (block.firstRow >= this.size) break;
      const scores = this.#scan(block);
      for (let i = 0; i < scores.length; i++) {
        const raw = scores[i] as number;
        const score = Number.isFinite(raw) ? raw : this.#wide(query, block.firstRow + i);
        if (score < top.floor) continue;
        const document = this.#documents[block.firstRow + i] as number;
        if (keeps(document)) top.push(document, score);
      }
    }
    return top.list().map(({ row, score }) => ({ row, score: this.#shown(score) }));
  }

  close(): void {
    for (const { offset, bytes } of this.#blocks) this.#room.arena.give(offset, bytes);
    this.#blocks.length = 0;
    this.#documents.length = 0;
    this.#rows.clear();
  }

  /** Higher is nearer: dot products, or squared distances turned negative. */
  #scan(block: Block): Float32Array {
    const { kernel, query, out, arena } = this.#room;
    const count = Math.min(block.rows, this.#documents.length - block.firstRow);
    if (this.#metric === 'euclidean') kernel.squaredDistances(query, block.offset, count, this.#lanes, out);
    else kernel.dots(query, block.offset, count, this.#lanes, out);
    const scores = new Float32Array(arena.memory.buffer, out, count);
    if (this.#metric === 'euclidean') for (let i = 0; i < count; i++) scores[i] = -(scores[i] as number);
    return scores;
  }

  #wide(query: Float32Array, row: number): number {
    const values = this.#view(row);
    let sum = 0;
    for (let i = 0; i < query.length; i++) {
      const [q, x] = [query[i] as number, values[i] as number];
      sum += this.#metric === 'euclidean' ? -((q - x) ** 2) : q * x;
    }
    return sum;
  }

  #shown(score: number): number {
    return this.#metric === 'euclidean' ? 1 / (1 + Math.sqrt(-score)) : score;
  }

  #placeQuery(query: Float32Array): void {
    const room = new Float32Array(this.#room.arena.memory.buffer, this.#room.query, QUERY_BYTES / 4);
    room.fill(0, 0, this.#lanes);
    room.set(query);
  }

  /** Length of a row in numbers: the dimensions and zeros up to a multiple of 4. */
  get #lanes(): number {
    return Math.ceil((this.#dimensions ?? 0) / 4) * 4;
  }

  /** Blocks double, so that ten vectors take kilobytes and a hundred thousand waste at most one block. */
  #grow(): void {
    const rowBytes = this.#lanes * 4;
    const last = this.#blocks.at(-1);
    let bytes = last === undefined ? BLOCK_BYTES_MIN : Math.min(last.bytes * 2, BLOCK_BYTES_MAX);
    while (bytes < rowBytes) bytes *= 2;
    const firstRow = this.#capacity;
    const offset = this.#room.arena.take(bytes);
    this.#blocks.push({ offset, bytes, firstRow, rows: Math.floor(bytes / rowBytes) });
  }

  /** Gives back the blocks that hold no row. */
  #trim(): void {
    for (
      let last = this.#blocks.at(-1);
      last !== undefined && last.firstRow >= this.size;
      last = this.#blocks.at(-1)
    ) {
      this.#room.arena.give(last.offset, last.bytes);
      this.#blocks.pop();
    }
  }

  get #capacity(): number {
    const last = this.#blocks.at(-1);
    return last === undefined ? 0 : last.firstRow + last.rows;
  }

  #view(row: number): Float32Array {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#blocks[middle] as Block).firstRow <= row) low = middle;
      else high = middle - 1;
    }
    const block = this.#blocks[low] as Block;
    const offset = block.offset + (row - block.firstRow) * this.#lanes * 4;
    return new Float32Array(this.#room.arena.memory.buffer, offset, this.#lanes);
  }
}

/** The vector at length 1. Summed in float64, where no float32 vector overflows or vanishes. */
function unit(vector: Float32Array): Float32Array {
  let sum = 0;
  for (let i = 0; i < vector.length; i++) sum += (vector[i] as number) ** 2;
  const length = Math.sqrt(sum);
  const scaled = new Float32Array(vector.length);
  for (let i = 0; i < vector.length; i++) scaled[i] = (vector[i] as number) / length;
  return scaled;
}

/** Where the first number stands that is NaN or infinite, or -1. */
export function firstNotFinite(vector: Float32Array): number {
  // Loops with an index and no callback: each number of every vector that comes in goes through here.
  for (let i = 0; i < vector.length; i++) if (!Number.isFinite(vector[i])) return i;
  return -1;
}
