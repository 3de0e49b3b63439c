/**
 * A query made ready: whole numbers of 14 bits as two halves of seven, and a table for one-bit codes.
 *
 * Number i is about unit × (128 high + low − 8,192). Halves of seven bits keep relaxed SIMD's dot product exact on every machine.
 * The table has, for each four numbers and each pattern of four signs, the signed sum of the numbers, as a whole
 * number of units above the lowest possible; 63 at most, so that four of them add up in a byte.
 */
import { QUERY_NUMBERS, ROW_HEAD, queryHigh, queryTable, total, totalInt } from './layout';

export function prepareQuery(query: usize, padded: u32): void {
  const numbers = query + QUERY_NUMBERS;
  const bytes: usize = (<usize>padded) << 2;
  let largest = f32x4.splat(0);
  let sum = f32x4.splat(0);
  let sizes = f32x4.splat(0);
  let square = f32x4.splat(0);
  let widest: f32 = 0;
  let earlySizes: f32 = 0;
  let earlySquare: f32 = 0;
  for (let at: usize = 0; at < bytes; at += 16) {
    if (at === bytes >> 2) {
      earlySizes = total(sizes);
      earlySquare = total(square);
    }
    const v = v128.load(numbers + at);
    const size = f32x4.abs(v);
    largest = f32x4.max(largest, size);
    sum = f32x4.add(sum, v);
    sizes = f32x4.add(sizes, size);
    square = f32x4.add(square, f32x4.mul(v, v));
    widest = max(widest, total(size));
  }
  const most = max(
    max(f32x4.extract_lane(largest, 0), f32x4.extract_lane(largest, 1)),
    max(f32x4.extract_lane(largest, 2), f32x4.extract_lane(largest, 3)),
  );
  f32.store(query, most / 8191);
  f32.store(query, total(sum), 4);
  f32.store(query, (widest * 2) / 63, 8);
  f32.store(query, -total(sizes), 12);
  f32.store(query, sqrt<f32>(total(square)), 16);
  // A quarter of the square is expected there. What is far from it is not a rotated vector, and is not believed.
  const factor: f32 = earlySquare > 0 ? min(max(total(square) / earlySquare, <f32>2.5), <f32>8) : 4;
  f32.store(query, -earlySizes, 20);
  f32.store(query, factor, 24);
  f32.store(query, factor - 1, 28);
  writeHalves(query, padded, most > 0 ? 8191 / most : 0);
  writeTable(query, padded, widest > 0 ? 63 / widest : 0);
}

/** The query's product with a row's high bytes, in units of the query times those of the row. */
export function productWithHigh(query: usize, padded: u32, row: usize): f32 {
  const high = queryHigh(query, padded);
  const low = high + padded;
  const bytes = row + ROW_HEAD;
  let a = i32x4.splat(0);
  let b = i32x4.splat(0);
  let c = i32x4.splat(0);
  let d = i32x4.splat(0);
  for (let at: usize = 0; at < padded; at += 32) {
    const x = v128.load(bytes + at);
    const y = v128.load(bytes + at, 16);
    a = i32x4.relaxed_dot_i8x16_i7x16_add_s(x, v128.load(high + at), a);
    b = i32x4.relaxed_dot_i8x16_i7x16_add_s(x, v128.load(low + at), b);
    c = i32x4.relaxed_dot_i8x16_i7x16_add_s(y, v128.load(high + at, 16), c);
    d = i32x4.relaxed_dot_i8x16_i7x16_add_s(y, v128.load(low + at, 16), d);
  }
  const coarse = totalInt(i32x4.add(a, c)) - (load<i32>(row, 4) << 6);
  return <f32>coarse * 128 + <f32>totalInt(i32x4.add(b, d));
}

function writeHalves(query: usize, padded: u32, inverse: f32): void {
  const numbers = query + QUERY_NUMBERS;
  const high = queryHigh(query, padded);
  const by = f32x4.splat(inverse);
  const middle = i32x4.splat(8192);
  const most = i32x4.splat(16383);
  for (let i: usize = 0; i < padded; i += 4) {
    const whole = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(numbers + (i << 2)), by)));
    const v = i32x4.max_s(i32x4.min_s(i32x4.add(whole, middle), most), i32x4.splat(0));
    const h = i32x4.shr_u(v, 7);
    const l = v128.and(v, i32x4.splat(127));
    const both = i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(h, l), i16x8.splat(0));
    v128.store32_lane(high + i, both, 0);
    v128.store32_lane(high + padded + i, both, 1);
  }
}

function writeTable(query: usize, padded: u32, inverse: f32): void {
  const numbers = query + QUERY_NUMBERS;
  const table = queryTable(query, padded);
  const by = f32x4.splat(inverse);
  const zero = f32x4.splat(0);
  for (let i: usize = 0; i < padded; i += 4) {
    const v = f32x4.mul(v128.load(numbers + (i << 2)), by);
    const p = f32x4.max(v, zero);
    const m = f32x4.max(f32x4.neg(v), zero);
    const p0 = f32x4.extract_lane(p, 0);
    const p1 = f32x4.extract_lane(p, 1);
    const p2 = f32x4.extract_lane(p, 2);
    const p3 = f32x4.extract_lane(p, 3);
    const m0 = f32x4.extract_lane(m, 0);
    const m1 = f32x4.extract_lane(m, 1);
    const m2 = f32x4.extract_lane(m, 2);
    const m3 = f32x4.extract_lane(m, 3);
    const pair = f32x4(m0 + m1, p0 + m1, m0 + p1, p0 + p1);
    v128.store(
      table + (i << 2),
      i8x16.narrow_i16x8_u(
        i16x8.narrow_i32x4_s(entries(pair, m2 + m3), entries(pair, p2 + m3)),
        i16x8.narrow_i32x4_s(entries(pair, m2 + p3), entries(pair, p2 + p3)),
      ),
    );
  }
}

function entries(pair: v128, rest: f32): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.add(pair, f32x4.splat(rest))));
}
