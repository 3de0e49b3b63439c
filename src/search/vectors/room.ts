/** What all vaults of a worker share for their vectors: one memory, one kernel, and room in it for a call's own data. */
import { LIMITS } from '../../limits.ts';
import { BLOCK_BYTES_MAX, type Arena } from '../arena.ts';
import { LAYOUT, ROTATION_ROUNDS, type Kernel } from '../kernel/kernel.ts';

/** Codes that one batch of a scan may let through. */
export const BATCH_CODES = 8192;
/** Lists that one call may scan. */
export const BATCH_LISTS = 512;
/** Directions that short codes may be made of. */
export const DIRECTIONS_MAX = 128;
/** Neighbours that can be asked for at once. */
export const NEIGHBOURS_MAX = 1024;

/** Offsets of scratch room. What lies there belongs to one call and is dead after it. */
export interface Scratch {
  /** A prepared query (kernel/assembly/layout.ts). */
  readonly query: number;
  /** A vector of float32 numbers; sums of some. */
  readonly vector: number;
  readonly sums: number;
  /** Four rows in seven bits, their four scales, and the four nearest with their values. */
  readonly four: number;
  readonly scales: number;
  readonly best: number;
  /** Addresses of rows, and a number for each. */
  readonly rows: number;
  readonly bounds: number;
  readonly heap: number;
  /** Two rows of the largest size. */
  readonly row: number;
  /** A query seen in a few directions (kernel/assembly/short.ts), as whole numbers and as float32; a row seen in them. */
  readonly short: number;
  readonly seen: number;
  readonly point: number;
  /** Lists that one call scans. */
  readonly lists: number;
  /** Results of an exact scan, or of one with centroids. */
  readonly out: number;
}

export interface VectorRoom {
  readonly arena: Arena;
  readonly kernel: Kernel;
  readonly scratch: Scratch;
  /** A vault whose float32 rows take no more than this compares them all. */
  readonly exactBytesMax: number;
  /** From so many rows on, directions are learned in which vectors vary (directions.ts). */
  readonly learnFrom: number;
  /** The memory as it is now; growing it makes a new buffer. */
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly floats: Float32Array;
  /** Where the signs of the rotation lie for vectors padded to so many numbers. */
  signs(padded: number): number;
}

const NUMBERS_MAX = LIMITS.dimensionsMax;

/** Up to here the exact scan was measured to be no slower than codes (decision 35). */
const EXACT_BYTES_MAX = 4 * 1024 * 1024;

/** Below this a search takes so little time that there is nothing to win. */
const LEARN_FROM = 4096;

/** The narrowest float rows, of four numbers, give the most results for a block. */
const OUT_BYTES = BLOCK_BYTES_MAX / 4;

export const openRoom = (
  arena: Arena,
  kernel: Kernel,
  exactBytesMax: number = EXACT_BYTES_MAX,
  learnFrom: number = LEARN_FROM,
): VectorRoom => new Room(arena, kernel, exactBytesMax, learnFrom);

class Room implements VectorRoom {
  readonly arena: Arena;
  readonly kernel: Kernel;
  readonly scratch: Scratch;
  readonly exactBytesMax: number;
  readonly learnFrom: number;
  readonly #signs = new Map<number, number>();
  #views: readonly [Uint8Array, Uint32Array, Float32Array];
  #viewedBytes: number;

  constructor(arena: Arena, kernel: Kernel, exactBytesMax: number, learnFrom: number) {
    this.exactBytesMax = exactBytesMax;
    this.learnFrom = learnFrom;
    this.arena = arena;
    this.kernel = kernel;
    this.scratch = layOut(arena.take(BLOCK_BYTES_MAX));
    this.#views = viewsOf(arena);
    this.#viewedBytes = arena.lengthBytes;
  }

  get bytes(): Uint8Array {
    return this.#current()[0];
  }

  get words(): Uint32Array {
    return this.#current()[1];
  }

  get floats(): Float32Array {
    return this.#current()[2];
  }

  signs(padded: number): number {
    const known = this.#signs.get(padded) ?? writeSigns(this.arena, padded);
    this.#signs.set(padded, known);
    return known;
  }

  #current(): readonly [Uint8Array, Uint32Array, Float32Array] {
    // Asked some hundred times in a search: a number is compared in less time than a buffer is asked for.
    if (this.#viewedBytes !== this.arena.lengthBytes) {
      this.#views = viewsOf(this.arena);
      this.#viewedBytes = this.arena.lengthBytes;
    }
    return this.#views;
  }
}

const viewsOf = ({ memory }: Arena): readonly [Uint8Array, Uint32Array, Float32Array] => [
  new Uint8Array(memory.buffer),
  new Uint32Array(memory.buffer),
  new Float32Array(memory.buffer),
];

function layOut(start: number): Scratch {
  let at = start;
  const room = (bytes: number): number => {
    const offset = at;
    at += Math.ceil(bytes / 64) * 64;
    if (at > start + BLOCK_BYTES_MAX) throw new RangeError('the scratch room is too small');
    return offset;
  };
  return {
    query: room(LAYOUT.queryNumbers + 10 * NUMBERS_MAX),
    vector: room(4 * NUMBERS_MAX),
    sums: room(4 * NUMBERS_MAX),
    four: room(4 * NUMBERS_MAX),
    scales: room(16),
    best: room(32),
    rows: room(4 * (BATCH_CODES + 1)),
    bounds: room(4 * (BATCH_CODES + 1)),
    heap: room(8 + 4 * NEIGHBOURS_MAX),
    row: room(2 * (LAYOUT.rowHead + 2 * NUMBERS_MAX)),
    short: room(LAYOUT.shortNumbers + DIRECTIONS_MAX),
    seen: room(4 * DIRECTIONS_MAX),
    point: room(4 * DIRECTIONS_MAX),
    lists: room(LAYOUT.listBytes * BATCH_LISTS),
    out: room(OUT_BYTES),
  };
}

/** The sign of a number in a round: the lowest bit of a public hash of where it stands (docs/format.md). */
function writeSigns(arena: Arena, padded: number): number {
  const count = ROTATION_ROUNDS * padded;
  const offset = arena.take(2 ** Math.max(10, Math.ceil(Math.log2(count * 4))));
  const words = new Uint32Array(arena.memory.buffer, offset, count);
  for (let i = 0; i < count; i++) words[i] = (mix(i) & 1) << 31;
  return offset;
}

/** The finaliser of MurmurHash3, 32 bits (Appleby, public domain). */
function mix(number: number): number {
  let h = (number + 0x5352_5356) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
