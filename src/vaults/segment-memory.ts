/**
 * Memory for the segments of a vault that is being opened, used again and again.
 *
 * Memory that is new to a process has to be found, cleared and, on a virtual machine, given by the host, which takes longer
 * than decrypting into it. So a segment is read, decrypted and taken in where another was before. It is shared with the
 * search worker, which only reads: handed over, it would count there as new memory each time, and call the garbage collector.
 */

/** Below this a copy for the worker is made in less time than memory is shared. */
const SHARED_BYTES_MIN = 256 * 1024;
/** A little more than the first one needs, because the next may be larger. What is not used costs nothing. */
const SPARE_PART = 1 / 8;

export class SegmentMemory {
  readonly #free: SharedArrayBuffer[] = [];

  /** Memory for at least so many bytes; what is in it is left from others. */
  readonly take = (sizeBytes: number): Uint8Array => {
    if (sizeBytes < SHARED_BYTES_MIN) return new Uint8Array(sizeBytes);
    for (let free = this.#free.pop(); free !== undefined; free = this.#free.pop())
      if (free.byteLength >= sizeBytes) return new Uint8Array(free);
    return new Uint8Array(new SharedArrayBuffer(Math.ceil(sizeBytes * (1 + SPARE_PART))));
  };

  /** Leaves nothing in what was given back: when the collector comes for it nobody knows. */
  wipe(): void {
    for (const free of this.#free) new Uint8Array(free).fill(0);
  }

  /** What was taken, or why there is none. Nobody may look at it any more. */
  giveBack(bytes: Uint8Array | Error): void {
    if (!(bytes instanceof Error) && bytes.buffer instanceof SharedArrayBuffer) this.#free.push(bytes.buffer);
  }
}
