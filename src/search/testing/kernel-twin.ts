/**
 * The kernel in plain TypeScript, equal to it bit for bit: float32 after every step, and sums in the same order.
 * It says what the kernel computes, and tests hold the two together. ../kernel/assembly/layout.ts says where things lie.
 */
import { LAYOUT, ROTATION_ROUNDS, type Kernel } from '../kernel/kernel.ts';
import { twinOfCodes } from './kernel-twin-codes.ts';
import { f32, fourSums, Memory, roundEven, sumOfTerms, type Numbers } from './kernel-twin-memory.ts';
import { twinOfProducts } from './kernel-twin-products.ts';
import { twinOfShortCodes } from './kernel-twin-short.ts';

export function openTwin(memory: WebAssembly.Memory): Kernel {
  const room = new Memory(memory);
  return {
    ...exact(room),
    ...rotation(room),
    ...rows(room),
    ...twinOfCodes(room),
    ...twinOfProducts(room),
    ...twinOfShortCodes(room),
  };
}

function exact(room: Memory): Pick<Kernel, 'dots' | 'squaredDistances'> {
  const scan = (term: (q: number, x: number) => number): Kernel['dots'] => {
    return (query, start, count, lanes, out) => {
      const q = room.floats(query, lanes);
      for (let r = 0; r < count; r++)
        room.floats(out, count)[r] = sumOfTerms(q, room.floats(start + r * lanes * 4, lanes), term);
    };
  };
  return {
    dots: scan((q, x) => f32(q * x)),
    squaredDistances: scan((q, x) => f32(f32(q - x) * f32(q - x))),
  };
}

function rotation(room: Memory): Pick<Kernel, 'rotate'> {
  return {
    rotate(at, padded, signs) {
      const x = room.floats(at, padded);
      const length = 2 ** Math.floor(Math.log2(padded));
      for (let round = 0; round < ROTATION_ROUNDS; round++) {
        room.words(signs + round * padded * 4, padded).forEach((word, i) => {
          if (word !== 0) x[i] = -(x[i] as number);
        });
        transform(round === 1 ? x.subarray(padded - length) : x.subarray(0, length));
        butterfly(x);
      }
    },
  };
}

/** The Walsh-Hadamard transform, scaled so that it keeps lengths. */
function transform(x: Numbers): void {
  const scale = f32(1 / Math.sqrt(x.length));
  for (let i = 0; i < x.length; i++) x[i] = f32((x[i] as number) * scale);
  for (let step = 1; step < x.length; step *= 2)
    for (let i = 0; i < x.length; i++) {
      if ((i & step) !== 0) continue;
      const [a, b] = [x[i] as number, x[i + step] as number];
      x[i] = a + b;
      x[i + step] = a - b;
    }
}

function butterfly(x: Numbers): void {
  const half = x.length / 2;
  const scale = f32(Math.SQRT1_2);
  for (let i = 0; i < half; i++) {
    const [a, b] = [x[i] as number, x[i + half] as number];
    x[i] = f32(a + b) * scale;
    x[i + half] = f32(a - b) * scale;
  }
}

function rows(
  room: Memory,
): Pick<Kernel, 'encodeRow' | 'decodeRow' | 'addRow' | 'toSevenBits' | 'fineScores' | 'rowsWithoutCode'> {
  return {
    encodeRow(at, padded, lowBits, row) {
      const x = room.floats(at, padded);
      const most = x.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
      const top = 128 * 2 ** lowBits - 1;
      const inverse = most > 0 ? f32(top / most) : 0;
      const codes = Array.from(x, (value) => {
        const whole = roundEven(f32(value * inverse));
        return Number.isNaN(whole) ? 0 : Math.max(-top, Math.min(top, whole));
      });
      const high = codes.map((code) => code >> lowBits);
      const low = codes.map((code) => code & (2 ** lowBits - 1));
      room.writeCodes(row, { padded, lowBits, high, low });
      const square = fourSums(padded, 8, (i) => f32((x[i] as number) * (x[i] as number)));
      const own = fourSums(padded, 8, (i) => f32((x[i] as number) * (codes[i] as number)));
      const head = room.floats(row, 3);
      head[0] = own > 0 ? square / own : 0;
      room.ints(row + 4, 1)[0] = high.reduce((sum, value) => sum + value, 0);
      head[2] = Math.sqrt(square);
    },
    decodeRow(row, padded, lowBits, out) {
      const scale = room.floats(row, 1)[0] as number;
      const to = room.floats(out, padded);
      room.codes(row, padded, lowBits).forEach((code, i) => (to[i] = code * scale));
    },
    addRow(row, padded, lowBits, sums) {
      const scale = room.floats(row, 1)[0] as number;
      const to = room.floats(sums, padded);
      room.codes(row, padded, lowBits).forEach((code, i) => (to[i] = (to[i] as number) + f32(code * scale)));
    },
    toSevenBits(row, padded, out) {
      const high = room.signed(row + LAYOUT.rowHead, padded);
      const to = room.bytes(out, padded);
      high.forEach((value, i) => (to[i] = (value >> 1) + 64));
    },
    rowsWithoutCode(row, rowBytes, count, out) {
      const all = Array.from({ length: count }, (_, r) => row + r * rowBytes);
      const without = all.filter((address) => room.words(address + LAYOUT.rowPlace, 1)[0] === 0);
      room.words(out, without.length).set(without);
      return without.length;
    },
    fineScores(query, padded, lowBits, list, count, out) {
      const q = room.floats(query + LAYOUT.queryNumbers, padded);
      for (let r = 0; r < count; r++) {
        const row = room.words(list, count)[r] as number;
        const codes = room.codes(row, padded, lowBits);
        const pair = [0, 4].map((from) =>
          Array.from({ length: 4 }, (_, lane) => {
            let sum = 0;
            for (let i = from + lane; i < padded; i += 8)
              sum = f32(sum + f32((q[i] as number) * (codes[i] as number)));
            return sum;
          }),
        );
        const [a = 0, b = 0, c = 0, d = 0] = (pair[0] ?? []).map((sum, lane) =>
          f32(sum + (pair[1]?.[lane] ?? 0)),
        );
        const total = f32(f32(a + b) + f32(c + d));
        room.floats(out, count)[r] = total * (room.floats(row, 1)[0] as number);
      }
    },
  };
}
