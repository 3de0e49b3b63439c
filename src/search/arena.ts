/**
 * One WebAssembly memory, handed out in blocks of powers of two (a buddy allocator).
 *
 * A process gets few memories, so all vaults of a worker share this one. A memory cannot shrink: what is given back is
 * zeroed, joined with its free neighbour and handed out again.
 */
import { StrongroomError } from '../errors.ts';
import { PAGE_BYTES, PAGES_MAX } from './kernel/kernel.ts';

const SMALLEST_LOG2 = 10;
const LARGEST_LOG2 = 20;
export const BLOCK_BYTES_MIN = 2 ** SMALLEST_LOG2;
export const BLOCK_BYTES_MAX = 2 ** LARGEST_LOG2;
/**
 * What the memory grows by. What nobody has written to takes none, and each growth is for the garbage collector as if the
 * whole memory were new.
 */
const GROWTH_BYTES = 16 * BLOCK_BYTES_MAX;

export class Arena {
  readonly memory: WebAssembly.Memory;
  readonly #bytesMax: number;
  /** Offsets of free blocks, by the logarithm of their size. */
  readonly #free: ReadonlyMap<number, Set<number>>;
  /** Up to here it was handed out before. */
  #end: number;
  #lengthBytes: number;
  #usedBytes = 0;

  /** @param bytesMax where the memory stops growing; at most 4 GiB. */
  constructor(bytesMax = PAGES_MAX * PAGE_BYTES) {
    this.#bytesMax = bytesMax;
    // The first block stays with nobody, so that offset 0 is never a valid one and the kernel's own data is safe.
    this.memory = new WebAssembly.Memory({ initial: BLOCK_BYTES_MAX / PAGE_BYTES, maximum: PAGES_MAX });
    this.#end = BLOCK_BYTES_MAX;
    this.#lengthBytes = BLOCK_BYTES_MAX;
    this.#free = new Map(
      Array.from({ length: LARGEST_LOG2 - SMALLEST_LOG2 + 1 }, (_, i) => [
        SMALLEST_LOG2 + i,
        new Set<number>(),
      ]),
    );
  }

  /** How long the memory is; another number means another buffer. */
  get lengthBytes(): number {
    return this.#lengthBytes;
  }

  /** Bytes handed out and not given back. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** A zeroed block of that size, aligned to it. @param bytes a power of two from BLOCK_BYTES_MIN to BLOCK_BYTES_MAX. */
  take(bytes: number): number {
    const log2 = logOf(bytes);
    let have = log2;
    while (have <= LARGEST_LOG2 && this.#blocks(have).size === 0) have++;
    if (have > LARGEST_LOG2) {
      this.#grow();
      have = LARGEST_LOG2;
    }
    const [offset = 0] = this.#blocks(have);
    this.#blocks(have).delete(offset);
    while (have > log2) {
      have--;
      this.#blocks(have).add(offset + 2 ** have);
    }
    this.#usedBytes += bytes;
    return offset;
  }

  give(offset: number, bytes: number): void {
    new Uint8Array(this.memory.buffer, offset, bytes).fill(0);
    this.#usedBytes -= bytes;
    let log2 = logOf(bytes);
    let at = offset;
    while (log2 < LARGEST_LOG2) {
      const size = 2 ** log2;
      const buddy = (at / size) % 2 === 0 ? at + size : at - size;
      if (!this.#blocks(log2).delete(buddy)) break;
      at = Math.min(at, buddy);
      log2++;
    }
    this.#blocks(log2).add(at);
  }

  #blocks(log2: number): Set<number> {
    const blocks = this.#free.get(log2);
    if (blocks === undefined) throw new RangeError(`no blocks of 2^${log2} bytes`);
    return blocks;
  }

  #grow(): void {
    if (this.#end + BLOCK_BYTES_MAX > this.#bytesMax) throw full();
    if (this.#end === this.#lengthBytes) this.#lengthen();
    this.#blocks(LARGEST_LOG2).add(this.#end);
    this.#end += BLOCK_BYTES_MAX;
  }

  #lengthen(): void {
    const bytes = Math.min(GROWTH_BYTES, this.#bytesMax - this.#end);
    const pages = Math.floor(bytes / BLOCK_BYTES_MAX) * (BLOCK_BYTES_MAX / PAGE_BYTES);
    try {
      this.memory.grow(pages);
    } catch (cause) {
      throw full(cause);
    }
    this.#lengthBytes += pages * PAGE_BYTES;
  }
}

function logOf(bytes: number): number {
  const log2 = Math.log2(bytes);
  if (!Number.isInteger(log2) || log2 < SMALLEST_LOG2 || log2 > LARGEST_LOG2)
    throw new RangeError(`not a block size: ${bytes}`);
  return log2;
}

const full = (cause?: unknown): StrongroomError =>
  new StrongroomError('search.unavailable', { detail: 'the memory for vectors is full', cause });

/** Whether that is what an arena throws that is full. */
export const isFull = (error: unknown): boolean =>
  error instanceof StrongroomError && error.code === 'search.unavailable';
