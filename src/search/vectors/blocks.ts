/**
 * Blocks of codes, out of slabs of the arena: single ones wherever one is free, or some side by side.
 *
 * What of a block no scan reads may lie apart, behind all blocks of its slab: a processor that fetches what comes next in memory then fetches
 * what is needed next.
 *
 * What is given back must have been overwritten. A slab of which no block is used goes back to the arena, unless the free blocks would be few then, so that a
 * block that comes and goes takes and gives no memory.
 */
import { BLOCK_BYTES_MAX, type Arena } from '../arena.ts';

export class Blocks {
  readonly #arena: Arena;
  readonly #size: number;
  readonly #apartSize: number;
  readonly #perSlab: number;
  /** How many blocks of each slab are used. */
  readonly #slabs = new Map<number, number>();
  readonly #free: number[] = [];
  /** Free blocks side by side, from one address to another, which are not among the others. */
  #run = { from: 0, to: 0 };

  /** @param size bytes of a block, and `apartSize` of what lies apart from it. */
  constructor(arena: Arena, size: number, apartSize: number) {
    this.#arena = arena;
    this.#size = size;
    this.#apartSize = apartSize;
    this.#perSlab = Math.floor(BLOCK_BYTES_MAX / (size + apartSize));
  }

  get slabs(): number {
    return this.#slabs.size;
  }

  get used(): number {
    let used = 0;
    for (const blocks of this.#slabs.values()) used += blocks;
    return used;
  }

  /** How many may lie side by side. */
  get inRunMax(): number {
    return this.#perSlab;
  }

  apartOf(block: number): number {
    const slab = slabOf(block);
    const place = (block - slab) / this.#size;
    return slab + this.#perSlab * this.#size + place * this.#apartSize;
  }

  has(block: number): boolean {
    return this.#slabs.has(slabOf(block));
  }

  /** Takes memory for so many more; gives it back if there is not enough. */
  reserve(count: number): void {
    try {
      while (this.#free.length < count) this.#takeSlab();
    } catch (error) {
      this.endRun();
      for (const [slab, used] of this.#slabs) if (used === 0) this.#giveSlab(slab);
      throw error;
    }
  }

  take(): number {
    if (this.#free.length === 0) this.#takeSlab();
    const block = this.#free.pop() as number;
    this.#use(block, 1);
    return block;
  }

  /** Takes so many side by side, behind those that were taken so before; answers where they begin. */
  takeRun(count: number): number {
    if (this.#run.to - this.#run.from < count * this.#size) {
      const slab = this.#arena.take(BLOCK_BYTES_MAX);
      this.endRun();
      this.#slabs.set(slab, 0);
      this.#run = { from: slab, to: slab + this.#perSlab * this.#size };
    }
    const { from } = this.#run;
    this.#use(from, count);
    this.#run.from += count * this.#size;
    return from;
  }

  /** What is left of the run may be taken one by one. */
  endRun(): void {
    const { from, to } = this.#run;
    for (let block = to; block > from; block -= this.#size) this.#free.push(block - this.#size);
    this.#run = { from: 0, to: 0 };
  }

  give(block: number): void {
    const slab = slabOf(block);
    this.#use(block, -1);
    this.#free.push(block);
    const { from, to } = this.#run;
    if (this.#slabs.get(slab) === 0 && !(from < to && slabOf(from) === slab)) this.#giveIfMany(slab);
  }

  /** Gives back what is not needed, after much has been moved. */
  trim(): void {
    this.endRun();
    for (const [slab, used] of this.#slabs) if (used === 0) this.#giveIfMany(slab);
  }

  close(): void {
    for (const slab of this.#slabs.keys()) this.#arena.give(slab, BLOCK_BYTES_MAX);
    this.#slabs.clear();
    this.#free.length = 0;
    this.#run = { from: 0, to: 0 };
  }

  #use(block: number, count: number): void {
    const slab = slabOf(block);
    this.#slabs.set(slab, (this.#slabs.get(slab) ?? 0) + count);
  }

  #takeSlab(): void {
    const slab = this.#arena.take(BLOCK_BYTES_MAX);
    this.#slabs.set(slab, 0);
    for (let i = this.#perSlab - 1; i >= 0; i--) this.#free.push(slab + i * this.#size);
  }

  #giveIfMany(slab: number): void {
    if (this.#free.length >= 2 * this.#perSlab) this.#giveSlab(slab);
  }

  #giveSlab(slab: number): void {
    const others = this.#free.filter((other) => slabOf(other) !== slab);
    this.#free.length = 0;
    for (const other of others) this.#free.push(other);
    this.#slabs.delete(slab);
    this.#arena.give(slab, BLOCK_BYTES_MAX);
  }
}

const slabOf = (block: number): number => block - (block % BLOCK_BYTES_MAX);
