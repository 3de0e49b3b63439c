/** A kernel and its twin side by side: the same is done on the memory of each, and every byte compared. */
import assert from 'node:assert/strict';
import { LAYOUT, openKernel, type Kernel } from '../kernel/kernel.ts';
import { openTwin } from './kernel-twin.ts';

const PAGES = 4;

/** Offsets that do not overlap for vectors padded to 256 numbers at most. */
export const AT = {
  query: 1024,
  x: 8 * 1024,
  signs: 16 * 1024,
  sums: 32 * 1024,
  rows: 36 * 1024,
  centroids: 64 * 1024,
  blocks: 128 * 1024,
  apart: 192 * 1024,
  four: 200 * 1024,
  scales: 204 * 1024,
  best: 205 * 1024,
  list: 206 * 1024,
  bounds: 208 * 1024,
  heap: 210 * 1024,
  out: 212 * 1024,
  middle: 216 * 1024,
} as const;

export interface Bench {
  readonly kernel: Kernel;
  readonly floats: Float32Array;
  readonly words: Uint32Array;
  readonly bytes: Uint8Array;
}

function benchOf(open: (memory: WebAssembly.Memory) => Kernel): Bench {
  const memory = new WebAssembly.Memory({ initial: PAGES });
  const { buffer } = memory;
  return {
    kernel: open(memory),
    floats: new Float32Array(buffer),
    words: new Uint32Array(buffer),
    bytes: new Uint8Array(buffer),
  };
}

/** Does the same on the kernel's memory and on its twin's, and compares every byte. */
export function assertSame(steps: (bench: Bench) => unknown): Bench {
  const [one, other] = [benchOf(openKernel), benchOf(openTwin)];
  assert.deepEqual(steps(one), steps(other));
  const differs = one.bytes.findIndex((byte, i) => byte !== other.bytes[i]);
  assert.equal(differs, -1, `memory differs at ${differs}`);
  return one;
}

/** Numbers of very different sizes, zeros, and many small whole ones. */
export function numbersFrom(seed: number, count: number): Float32Array {
  let state = seed | 1;
  const random = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  const kind = Math.floor(random() * 4);
  return Float32Array.from({ length: count }, () => {
    const value = random() - 0.5;
    if (kind === 0) return Math.round(value * 6);
    if (kind === 1) return random() < 0.7 ? 0 : value;
    return kind === 2 ? value * 10 ** Math.floor(random() * 9 - 4) : value;
  });
}

const rowBytes = (padded: number, low: number): number => LAYOUT.rowHead + padded + (padded * low) / 8;
export const rowAt = (n: number, padded: number, low: number): number => AT.rows + n * rowBytes(padded, low);

export function place(bench: Bench, at: number, numbers: Float32Array): void {
  bench.floats.set(numbers, at / 4);
}

export function encode(bench: Bench, numbers: Float32Array, low: number, row: number): void {
  place(bench, AT.x, numbers);
  bench.kernel.encodeRow(AT.x, numbers.length, low, row);
}
