/** The twin of what prepares a query, and of its products with centroids. */
import { LAYOUT, type Kernel } from '../kernel/kernel.ts';
import { f32, fourSums, roundEven, totalOf, type Memory, type Numbers } from './kernel-twin-memory.ts';

type ProductsKernel = Pick<Kernel, 'prepareQuery' | 'scoreCentroids' | 'nearestFour'>;

export function twinOfProducts(room: Memory): ProductsKernel {
  return {
    prepareQuery(query, padded) {
      const q = room.floats(query + LAYOUT.queryNumbers, padded);
      const most = q.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
      let widest = 0;
      for (let i = 0; i < padded; i += 4)
        widest = Math.max(widest, totalOf(Array.from(q.subarray(i, i + 4), Math.abs)));
      const head = room.floats(query, 8);
      head[0] = most / 8191;
      head[1] = fourSums(padded, 4, (i) => q[i] as number);
      head[2] = f32(widest * 2) / 63;
      head[3] = -fourSums(padded, 4, (i) => Math.abs(q[i] as number));
      head[4] = Math.sqrt(fourSums(padded, 4, (i) => f32((q[i] as number) * (q[i] as number))));
      const squareOf = (count: number): number =>
        fourSums(count, 4, (i) => f32((q[i] as number) * (q[i] as number)));
      const early = squareOf(padded / 4);
      head[5] = -fourSums(padded / 4, 4, (i) => Math.abs(q[i] as number));
      head[6] = early > 0 ? Math.min(Math.max(f32(squareOf(padded) / early), 2.5), 8) : 4;
      head[7] = head[6] - 1;
      writeHalves(room, query, q, most > 0 ? f32(8191 / most) : 0);
      writeTable(room, query, q, widest > 0 ? f32(63 / widest) : 0);
    },
    scoreCentroids(query, padded, centroids, count, out) {
      const unit = room.floats(query, 1)[0] as number;
      const high = room.bytes(query + LAYOUT.queryNumbers + 4 * padded, padded);
      const low = room.bytes(query + LAYOUT.queryNumbers + 5 * padded, padded);
      for (let i = 0; i < count; i++) {
        const centroid = centroids + i * (LAYOUT.rowHead + padded);
        const coarse = productOf(room, centroid, high) - 64 * (room.ints(centroid + 4, 1)[0] as number);
        const product = f32(f32(f32(coarse) * 128) + f32(productOf(room, centroid, low)));
        room.floats(out, count)[i] = f32(product * unit) * (room.floats(centroid, 1)[0] as number);
      }
    },
    nearestFour(rows, scales, padded, centroids, count, number, best) {
      for (let i = 0; i < count; i++) {
        const centroid = centroids + i * (LAYOUT.rowHead + padded);
        const sum = room.ints(centroid + 4, 1)[0] as number;
        const [scale, bias] = [room.floats(centroid, 1)[0], room.floats(centroid + LAYOUT.rowPlace, 1)[0]];
        for (let lane = 0; lane < 4; lane++) {
          const whole = productOf(room, centroid, room.bytes(rows + lane * padded, padded)) - 64 * sum;
          const factor = room.floats(scales, 4)[lane] as number;
          const product = f32(f32(f32(f32(whole) + f32(f32(sum) * 0.5)) * factor) * (scale as number));
          const value = f32(product - (bias as number));
          if (!(value > (room.floats(best + 16, 4)[lane] as number))) continue;
          room.words(best, 4)[lane] = number + i;
          room.floats(best + 16, 4)[lane] = value;
        }
      }
    },
  };
}

const productOf = (room: Memory, centroid: number, sevenBits: Uint8Array): number =>
  room
    .signed(centroid + LAYOUT.rowHead, sevenBits.length)
    .reduce((sum, code, i) => sum + code * (sevenBits[i] as number), 0);

function writeHalves(room: Memory, query: number, q: Numbers, inverse: number): void {
  const halves = room.bytes(query + LAYOUT.queryNumbers + 4 * q.length, 2 * q.length);
  q.forEach((value, i) => {
    const whole = Math.max(0, Math.min(16383, roundEven(f32(value * inverse)) + 8192));
    halves[i] = whole >> 7;
    halves[q.length + i] = whole & 127;
  });
}

function writeTable(room: Memory, query: number, q: Numbers, inverse: number): void {
  const table = room.bytes(query + LAYOUT.queryNumbers + 6 * q.length, 4 * q.length);
  for (let i = 0; i < q.length; i += 4)
    for (let pattern = 0; pattern < 16; pattern++) {
      // What a sign adds above the lowest sum: twice the number's size where it agrees with the number.
      const [a = 0, b = 0, c = 0, d = 0] = [0, 1, 2, 3].map((j) => {
        const value = f32((q[i + j] as number) * inverse);
        return Math.max(0, ((pattern >> j) & 1) === 1 ? value : -value);
      });
      table[i * 4 + pattern] = roundEven(f32(f32(a + b) + f32(c + d)));
    }
}
