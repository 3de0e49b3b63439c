/** Rows of float32 numbers in the arena, for a while. */
import { BLOCK_BYTES_MAX, BLOCK_BYTES_MIN } from '../arena.ts';
import type { VectorRoom } from './room.ts';

export class Table {
  readonly lanes: number;
  readonly count: number;
  readonly #room: VectorRoom;
  readonly #perChunk: number;
  readonly #chunkBytes: number;
  readonly #chunks: number[] = [];

  constructor(room: VectorRoom, lanes: number, count: number) {
    this.#room = room;
    this.lanes = lanes;
    this.count = count;
    const bytes = 2 ** Math.ceil(Math.log2(4 * lanes * count));
    this.#chunkBytes = Math.max(BLOCK_BYTES_MIN, Math.min(BLOCK_BYTES_MAX, bytes));
    this.#perChunk = Math.floor(this.#chunkBytes / (4 * lanes));
    while (this.#chunks.length * this.#perChunk < count) this.#chunks.push(room.arena.take(this.#chunkBytes));
  }

  at(row: number): number {
    return (
      (this.#chunks[Math.floor(row / this.#perChunk)] as number) + (row % this.#perChunk) * 4 * this.lanes
    );
  }

  eachChunk(see: (at: number, first: number, count: number) => void): void {
    this.#chunks.forEach((chunk, n) => {
      const first = n * this.#perChunk;
      see(chunk, first, Math.min(this.#perChunk, this.count - first));
    });
  }

  /** Products of a vector with the first so many rows. */
  products(vector: number, count: number, out: number): void {
    this.eachChunk((at, first, here) => {
      const some = Math.min(here, count - first);
      if (some > 0) this.#room.kernel.dots(vector, at, some, this.lanes, out + 4 * first);
    });
  }

  /** Takes what lies along a row of unit length out of all rows after it. */
  takeOutBelow(row: number, weights: number): void {
    const { kernel } = this.#room;
    this.eachChunk((_, first, here) => {
      const from = Math.max(first, row + 1);
      const count = first + here - from;
      if (count <= 0) return;
      kernel.dots(this.at(row), this.at(from), count, this.lanes, weights);
      const { floats } = this.#room;
      for (let i = 0; i < count; i++) floats[weights / 4 + i] = -(floats[weights / 4 + i] as number);
      kernel.addProducts(this.at(row), this.lanes, weights, count, this.at(from));
    });
  }

  clear(): void {
    for (const chunk of this.#chunks) this.#room.bytes.fill(0, chunk, chunk + this.#chunkBytes);
  }

  close(): void {
    for (const chunk of this.#chunks) this.#room.arena.give(chunk, this.#chunkBytes);
    this.#chunks.length = 0;
  }
}
