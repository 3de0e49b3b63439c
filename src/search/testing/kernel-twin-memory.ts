/** What the parts of the kernel's twin share: views of the memory, rounding, and sums in the kernel's order. */
import { LAYOUT } from '../kernel/kernel.ts';

export type Numbers = Float32Array;
export const f32 = Math.fround;

const LANES = 4;
const UNROLLED = 16;

interface Codes {
  readonly padded: number;
  readonly lowBits: number;
  readonly high: readonly number[];
  readonly low: readonly number[];
}

export class Memory {
  readonly #memory: WebAssembly.Memory;

  constructor(memory: WebAssembly.Memory) {
    this.#memory = memory;
  }

  floats(at: number, count: number): Float32Array {
    return new Float32Array(this.#memory.buffer, at, count);
  }

  words(at: number, count: number): Uint32Array {
    return new Uint32Array(this.#memory.buffer, at, count);
  }

  ints(at: number, count: number): Int32Array {
    return new Int32Array(this.#memory.buffer, at, count);
  }

  bytes(at: number, count: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer, at, count);
  }

  signed(at: number, count: number): Int8Array {
    return new Int8Array(this.#memory.buffer, at, count);
  }

  /** Where the addresses of a block's rows lie. */
  rowsAt(block: number): number {
    return this.words(block + LAYOUT.blockRowsAt, 1)[0] as number;
  }

  /** The whole numbers of a row, high and low bits together. */
  codes(row: number, padded: number, lowBits: number): readonly number[] {
    const high = this.signed(row + LAYOUT.rowHead, padded);
    const low = this.bytes(row + LAYOUT.rowHead + padded, (padded * lowBits) / 8);
    return Array.from(high, (value, i) => value * 2 ** lowBits + lowOf(low, i, lowBits));
  }

  writeCodes(row: number, { padded, lowBits, high, low }: Codes): void {
    this.signed(row + LAYOUT.rowHead, padded).set(high);
    const to = this.bytes(row + LAYOUT.rowHead + padded, (padded * lowBits) / 8);
    if (lowBits === 8) to.set(low);
    if (lowBits !== 2) return;
    to.fill(0);
    low.forEach((bits, i) => {
      const [at, shift] = placeOfLow(i);
      to[at] = (to[at] as number) | (bits << shift);
    });
  }
}

function lowOf(low: Uint8Array, i: number, lowBits: number): number {
  if (lowBits === 0) return 0;
  if (lowBits === 8) return low[i] as number;
  const [at, shift] = placeOfLow(i);
  return ((low[at] as number) >> shift) & 3;
}

/** Sixteen bytes hold the low bits of 64 numbers: those of number i are in byte i mod 16. */
const placeOfLow = (i: number): [number, number] => [
  Math.floor(i / 64) * 16 + (i % 16),
  (Math.floor(i / 16) % 4) * 2,
];

/** To the nearest whole number, of two as near to the even one. */
export function roundEven(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 ? 2 * Math.round(value / 2) : rounded;
}

/**
 * Four running sums, of numbers 4 apart; of each group of numbers the fours are added up first, one after the other.
 */
export function fourSums(count: number, group: number, term: (i: number) => number): number {
  const sums = [0, 0, 0, 0];
  for (let at = 0; at < count; at += group)
    for (let lane = 0; lane < LANES; lane++) {
      let part = term(at + lane);
      for (let i = at + lane + LANES; i < at + group; i += LANES) part = f32(part + term(i));
      sums[lane] = f32((sums[lane] as number) + part);
    }
  return totalOf(sums);
}

export function totalOf([a = 0, b = 0, c = 0, d = 0]: readonly number[]): number {
  return f32(f32(a + b) + f32(c + d));
}

export function sumOfTerms(q: Numbers, x: Numbers, term: (q: number, x: number) => number): number {
  // Running sums: lane i of sum s takes the numbers s * 4 + i of each block of sixteen; a shorter rest goes to sum 0.
  const sums = new Float32Array(UNROLLED);
  const wide = q.length - (q.length % UNROLLED);
  for (let at = 0; at < q.length; at++) {
    const lane = at < wide ? at % UNROLLED : at % LANES;
    sums[lane] = f32((sums[lane] ?? 0) + term(q[at] ?? 0, x[at] ?? 0));
  }
  const lane = (i: number): number => {
    const [a = 0, b = 0, c = 0, d = 0] = [sums[i], sums[i + 4], sums[i + 8], sums[i + 12]];
    return f32(f32(a + b) + f32(c + d));
  };
  return f32(f32(lane(0) + lane(1)) + f32(lane(2) + lane(3)));
}
