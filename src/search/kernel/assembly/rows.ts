/**
 * Rows: a vector as whole numbers of 8 + lowBits bits, of which the high byte alone is a good first answer.
 *
 * The scale is not the rounding step but the one that makes the inner product of the decoded with the true vector right
 * (Gao et al., the multi-bit form of RaBitQ, 2024), so what is left of the error stands at right angles to the vector: it
 * vanishes for what is close to it, and a vector compared with itself scores as it must.
 */
import { QUERY_NUMBERS, ROW_HEAD, total, totalInt } from './layout';

/** Writes all of the row but its place. The numbers must be finite. */
export function encodeRow(x: usize, padded: u32, lowBits: u32, row: usize): void {
  const end = x + ((<usize>padded) << 2);
  let largest = f32x4.splat(0);
  for (let at = x; at < end; at += 16) largest = f32x4.max(largest, f32x4.abs(v128.load(at)));
  const most = max(
    max(f32x4.extract_lane(largest, 0), f32x4.extract_lane(largest, 1)),
    max(f32x4.extract_lane(largest, 2), f32x4.extract_lane(largest, 3)),
  );
  const top: f32 = <f32>((128 << lowBits) - 1);
  const inverse = most > 0 ? top / most : <f32>0;
  let sum = i32x4.splat(0);
  let square = f32x4.splat(0);
  let product = f32x4.splat(0);
  const by = f32x4.splat(inverse);
  const high = row + ROW_HEAD;
  const low = high + padded;
  const lowMask = i32x4.splat((1 << lowBits) - 1);
  for (let i: usize = 0; i < padded; i += 64) {
    let packed = i8x16.splat(0);
    for (let j: usize = 0; j < 4; j++) {
      const at = i + (j << 4);
      let highs0: v128 = i32x4.splat(0);
      let lows0: v128 = i32x4.splat(0);
      let highs1: v128 = i32x4.splat(0);
      let lows1: v128 = i32x4.splat(0);
      for (let h: usize = 0; h < 2; h++) {
        const from = x + ((at + (h << 3)) << 2);
        const a = v128.load(from);
        const b = v128.load(from, 16);
        // A product may come out a little above the largest code.
        const va = clamp(i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(a, by))), top);
        const vb = clamp(i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(b, by))), top);
        square = f32x4.add(square, f32x4.add(f32x4.mul(a, a), f32x4.mul(b, b)));
        product = f32x4.add(
          product,
          f32x4.add(f32x4.mul(a, f32x4.convert_i32x4_s(va)), f32x4.mul(b, f32x4.convert_i32x4_s(vb))),
        );
        const ha = i32x4.shr_s(va, lowBits);
        const hb = i32x4.shr_s(vb, lowBits);
        sum = i32x4.add(sum, i32x4.add(ha, hb));
        const hs = i16x8.narrow_i32x4_s(ha, hb);
        const ls = i16x8.narrow_i32x4_s(v128.and(va, lowMask), v128.and(vb, lowMask));
        if (h === 0) {
          highs0 = hs;
          lows0 = ls;
        } else {
          highs1 = hs;
          lows1 = ls;
        }
      }
      v128.store(high + at, i8x16.narrow_i16x8_s(highs0, highs1));
      const bytes = i8x16.narrow_i16x8_u(lows0, lows1);
      if (lowBits === 8) v128.store(low + at, bytes);
      else packed = v128.or(packed, i8x16.shl(bytes, <i32>(j << 1)));
    }
    if (lowBits === 2) v128.store(low + (i >> 2), packed);
  }
  const length2 = total(square);
  const own = total(product);
  f32.store(row, own > 0 ? length2 / own : 0);
  i32.store(row, totalInt(sum), 4);
  f32.store(row, sqrt<f32>(length2), 8);
}

function clamp(v: v128, top: f32): v128 {
  const most = i32x4.splat(<i32>top);
  return i32x4.max_s(i32x4.min_s(v, most), i32x4.neg(most));
}

/** The codes of four numbers as float32, from number `i` on. */
export function codesAt(high: usize, low: usize, lowBits: u32, i: usize): v128 {
  const h = i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(high + i)));
  if (lowBits === 0) return f32x4.convert_i32x4_s(h);
  let l: v128;
  if (lowBits === 8) l = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(low + i)));
  else {
    const bytes = v128.load32_zero(low + ((i >> 6) << 4) + (i & 15));
    l = v128.and(
      i32x4.shr_u(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(bytes)), <i32>(((i >> 4) & 3) << 1)),
      i32x4.splat(3),
    );
  }
  return f32x4.convert_i32x4_s(i32x4.add(i32x4.shl(h, lowBits), l));
}

/** The vector the row stands for, as float32. */
export function decodeRow(row: usize, padded: u32, lowBits: u32, out: usize): void {
  const scale = f32x4.splat(f32.load(row));
  const high = row + ROW_HEAD;
  for (let i: usize = 0; i < padded; i += 4)
    v128.store(out + (i << 2), f32x4.mul(codesAt(high, high + padded, lowBits, i), scale));
}

/** Adds the vector the row stands for to running sums. */
export function addRow(row: usize, padded: u32, lowBits: u32, sums: usize): void {
  const scale = f32x4.splat(f32.load(row));
  const high = row + ROW_HEAD;
  for (let i: usize = 0; i < padded; i += 4) {
    const at = sums + (i << 2);
    v128.store(at, f32x4.add(v128.load(at), f32x4.mul(codesAt(high, high + padded, lowBits, i), scale)));
  }
}

/** Inner products of the query with whole rows: `rows` holds addresses u32, `out` receives float32. */
export function fineScores(
  query: usize,
  padded: u32,
  lowBits: u32,
  rows: usize,
  count: u32,
  out: usize,
): void {
  const numbers = query + QUERY_NUMBERS;
  for (let r: u32 = 0; r < count; r++) {
    const row = <usize>load<u32>(rows + ((<usize>r) << 2));
    const high = row + ROW_HEAD;
    const low = high + padded;
    let a = f32x4.splat(0);
    let b = f32x4.splat(0);
    for (let i: usize = 0; i < padded; i += 8) {
      a = f32x4.add(a, f32x4.mul(v128.load(numbers + (i << 2)), codesAt(high, low, lowBits, i)));
      b = f32x4.add(b, f32x4.mul(v128.load(numbers + (i << 2), 16), codesAt(high, low, lowBits, i + 4)));
    }
    f32.store(out + ((<usize>r) << 2), total(f32x4.add(a, b)) * f32.load(row));
  }
}

/** The high bytes halved and moved up, so that they are the seven-bit side of a product. */
export function toSevenBits(row: usize, padded: u32, out: usize): void {
  const middle = i8x16.splat(64);
  for (let i: usize = 0; i < padded; i += 16)
    v128.store(out + i, i8x16.add(i8x16.shr_s(v128.load(row + ROW_HEAD + i), 1), middle));
}

/** Of rows one behind the other those that have no place: writes their addresses, and answers how many they are. */
export function rowsWithoutCode(row: usize, rowBytes: u32, count: u32, out: usize): u32 {
  const first = out;
  for (let r: u32 = 0; r < count; r++) {
    // Written in any case; only what counts moves on.
    store<u32>(out, <u32>row);
    out += load<u32>(row, 12) === 0 ? 4 : 0;
    row += rowBytes;
  }
  return <u32>((out - first) >> 2);
}
