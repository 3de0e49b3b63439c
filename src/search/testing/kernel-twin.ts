/**
 * The kernel in plain TypeScript, equal to it bit for bit: float32 after every step, and sums in the same order.
 * It says what the kernel computes, and tests hold the two together.
 */
import type { Kernel } from '../kernel/kernel.ts';

const LANES = 4;
const UNROLLED = 16;
const f32 = Math.fround;

export function openTwin(memory: WebAssembly.Memory): Kernel {
  const scan = (term: (q: number, x: number) => number): Kernel['dots'] => {
    return (query, rows, count, lanes, out) => {
      const numbers = new Float32Array(memory.buffer);
      const q = numbers.subarray(query / 4, query / 4 + lanes);
      for (let r = 0; r < count; r++) {
        const start = rows / 4 + r * lanes;
        numbers[out / 4 + r] = sumOfTerms(q, numbers.subarray(start, start + lanes), term);
      }
    };
  };
  return {
    dots: scan((q, x) => f32(q * x)),
    squaredDistances: scan((q, x) => f32(f32(q - x) * f32(q - x))),
  };
}

function sumOfTerms(q: Float32Array, x: Float32Array, term: (q: number, x: number) => number): number {
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
