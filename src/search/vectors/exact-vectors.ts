/**
 * Exact nearest neighbours of one vault: every row is compared with the query by the kernel.
 *
 * Rows are dense: a removed row is overwritten by the last one, so that nothing of it stays. Scores are the cosine, the dot product, or 1 / (1 + distance) for Euclid.
 * Where float32 overflows, the row is compared again in float64, so that a score is always a number.
 */
import { BLOCK_BYTES_MAX, BLOCK_BYTES_MIN } from '../arena.ts';
import { Top, type Scored } from '../top.ts';
import type { Metric } from '../types.ts';
import type { Neighbours } from './neighbours.ts';
import type { VectorRoom } from './room.ts';

/** Rows that tell where a vault's vectors lie. */
const SAMPLE = 256;
const SAMPLE_MIN = 8;
/** Far from the origin is where the mean of squares falls below this part when seen from the middle. */
const FAR = 0.1;
/**
 * Of so many, each of which is compared with all others at once, it is asked how far the nearest other one is, in parts of a length: beyond copies,
 * and too near for coarse steps.
 */
const ASKED = 12;
const COPY = 1e-4;
const TIGHT = 0.08;

interface Block {
  readonly offset: number;
  readonly bytes: number;
  readonly firstRow: number;
  readonly rows: number;
}

export class ExactVectors {
  readonly #room: VectorRoom;
  readonly #metric: Metric;
  readonly #dimensions: number;
  readonly #blocks: Block[] = [];
  /** Document of each row. */
  readonly #documents: number[] = [];
  readonly #rows = new Map<number, number>();

  constructor(room: VectorRoom, metric: Metric, dimensions: number) {
    this.#room = room;
    this.#metric = metric;
    this.#dimensions = dimensions;
  }

  get size(): number {
    return this.#documents.length;
  }

  get bytes(): number {
    return this.#blocks.reduce((sum, block) => sum + block.bytes, 0);
  }

  /** Takes the memory for so many more vectors, so that adding them cannot fail half-way. */
  reserve(count: number): void {
    try {
      while (this.#capacity < this.size + count) this.#grow();
    } catch (error) {
      this.#trim();
      throw error;
    }
  }

  /** Whether the vectors lie so close together, all of them or in clusters, that coarse steps would not tell them apart. */
  areClose(): boolean {
    return this.#isFar() || this.#isTight();
  }

  /** Whether all lie close together, far from the origin. */
  #isFar(): boolean {
    const count = Math.min(this.size, SAMPLE);
    const sums = new Float64Array(this.#dimensions);
    let squares = 0;
    for (let row = 0; row < count; row++) {
      const values = this.#view(row);
      for (let i = 0; i < sums.length; i++) {
        const value = values[i] as number;
        sums[i] = (sums[i] as number) + value;
        squares += value * value;
      }
    }
    const middle = sums.reduce((total, sum) => total + (sum / count) ** 2, 0);
    return count >= SAMPLE_MIN && squares / count - middle < FAR * (squares / count);
  }

  /** Whether most have another one that is much nearer than they are long. Those of which there are copies tell nothing. */
  #isTight(): boolean {
    const count = Math.min(this.size, ASKED);
    let asked = 0;
    let tight = 0;
    for (let i = 0; i < count; i++) {
      const vector = this.#view(Math.floor((i * this.size) / count));
      const square = vector.reduce((sum, value) => sum + value * value, 0);
      const nearest = this.#nearestSquare(vector, COPY ** 2 * square);
      if (!Number.isFinite(nearest)) continue;
      asked++;
      if (nearest < TIGHT ** 2 * square) tight++;
    }
    return asked >= SAMPLE_MIN && tight > asked / 2;
  }

  /** The smallest squared distance from the vector to any that is farther than so; infinite if there is none. */
  #nearestSquare(vector: Float32Array, farther: number): number {
    this.#placeQuery(vector);
    let nearest = Number.POSITIVE_INFINITY;
    for (const block of this.#blocks) {
      if (block.firstRow >= this.size) break;
      const squares = this.#compare(block, 'squaredDistances');
      for (let i = 0; i < squares.length; i++) {
        const square = squares[i] as number;
        if (square > farther && square < nearest) nearest = square;
      }
    }
    return nearest;
  }

  add(document: number, vector: Float32Array): void {
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

  vectorOf(document: number): Float32Array | null {
    const row = this.#rows.get(document);
    return row === undefined ? null : this.#view(row).slice(0, this.#dimensions);
  }

  /** Takes the last row out. */
  pop(): { readonly document: number; readonly vector: Float32Array } | null {
    const document = this.#documents.at(-1);
    const vector = document === undefined ? null : this.vectorOf(document);
    if (document === undefined || vector === null) return null;
    this.remove(document);
    return { document, vector };
  }

  search(query: Float32Array, { limit, keeps, tieOf }: Neighbours): readonly Scored[] {
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
        if (keeps === null || keeps(document)) top.push(document, score);
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
    if (this.#metric !== 'euclidean') return this.#compare(block, 'dots');
    const scores = this.#compare(block, 'squaredDistances');
    for (let i = 0; i < scores.length; i++) scores[i] = -(scores[i] as number);
    return scores;
  }

  /** Of the query as it was placed with each row of the block. What is answered lies in the scratch room. */
  #compare(block: Block, by: 'dots' | 'squaredDistances'): Float32Array {
    const { kernel, scratch, arena } = this.#room;
    const count = Math.min(block.rows, this.size - block.firstRow);
    kernel[by](scratch.vector, block.offset, count, this.#lanes, scratch.out);
    return new Float32Array(arena.memory.buffer, scratch.out, count);
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
    const { floats, scratch } = this.#room;
    floats.fill(0, scratch.vector / 4, scratch.vector / 4 + this.#lanes);
    floats.set(query, scratch.vector / 4);
  }

  /** Length of a row in numbers: the dimensions and zeros up to a multiple of 4. */
  get #lanes(): number {
    return Math.ceil(this.#dimensions / 4) * 4;
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
