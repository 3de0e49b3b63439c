/**
 * One-bit codes of residuals, after RaBitQ (Gao and Long, SIGMOD 2024).
 *
 * Everything is seen from a middle m of the vault, so that vectors far from the origin lose nothing. For a row x in a list with
 * centroid m + c, let r = x − m − c, s its signs (±1), l the sum of its sizes. With
 *
 *     B = |r|² / l        A = ⟨r, c⟩ − B ⟨s, c⟩ + base        E = |r| √((1 − a²) / a²) / √(padded − 1),  a = l / (|r| √padded)
 *
 * and the query p = q − m, ⟨x, p⟩ + base is estimated without bias by ⟨m, p⟩ + ⟨c, p⟩ + A + B ⟨s, p⟩, and E |p − c| is the
 * standard deviation of the error over the choice of the rotation.
 *
 * The first quarter of the numbers gives an estimate as well: with ⟨s, ·⟩ over that quarter alone, and times what is missing,
 *
 *     F = ⟨r, c⟩ − 4 B ⟨s, c⟩₁ + base        ⟨x, p⟩ + base  ≈  ⟨m, p⟩ + ⟨c, p⟩ + F + f B ⟨s, p⟩₁,   f = |p|² / |p₁|²
 *
 * whose error has the variance (E² + (f − 1) B²) |p − c|².
 */
import {
  BLOCK_A,
  BLOCK_B,
  BLOCK_CODES,
  BLOCK_E,
  BLOCK_F,
  BLOCK_ROWS,
  ROW_BASE,
  ROW_HEAD,
  total,
} from './layout';
import { codesAt } from './rows';

/** Writes what of a row's score does not depend on the query's distance from the middle. */
export function encodeBase(row: usize, middle: usize, padded: u32, lowBits: u32, isEuclidean: u32): void {
  const high = row + ROW_HEAD;
  const scale = f64x2.splat(<f64>f32.load(row));
  let sum = f64x2.splat(0);
  let square = f64x2.splat(0);
  let apart = f64x2.splat(0);
  for (let i: usize = 0; i < padded; i += 4) {
    const x = codesAt(high, high + padded, lowBits, i);
    const m = v128.load(middle + (i << 2));
    const a = f64x2.promote_low_f32x4(m);
    const b = f64x2.promote_low_f32x4(v128.shuffle<i32>(m, m, 2, 3, 2, 3));
    const y = f64x2.mul(f64x2.promote_low_f32x4(x), scale);
    const z = f64x2.mul(f64x2.promote_low_f32x4(v128.shuffle<i32>(x, x, 2, 3, 2, 3)), scale);
    const c = f64x2.sub(y, a);
    const d = f64x2.sub(z, b);
    sum = f64x2.add(sum, f64x2.add(f64x2.mul(y, a), f64x2.mul(z, b)));
    square = f64x2.add(square, f64x2.add(f64x2.mul(a, a), f64x2.mul(b, b)));
    apart = f64x2.add(apart, f64x2.add(f64x2.mul(c, c), f64x2.mul(d, d)));
  }
  let base = f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
  const length = <f64>f32.load(row, 8);
  // Coarse rows take the true length, so that a vector is at no distance from itself. Fine ones need not, and
  // may lie so far from the origin that a difference of lengths says little.
  if (isEuclidean && lowBits === 8) base = (f64x2.extract_lane(apart, 0) + f64x2.extract_lane(apart, 1)) / -2;
  else if (isEuclidean)
    base -= (length * length + (f64x2.extract_lane(square, 0) + f64x2.extract_lane(square, 1))) / 2;
  f32.store(row, <f32>base, ROW_BASE);
}

/** Writes the row's code and factors into a lane of a block, and the place into the row; answers |r|². */
export function encodeCode(
  row: usize,
  centroid: usize,
  middle: usize,
  padded: u32,
  lowBits: u32,
  block: usize,
  lane: u32,
): f32 {
  const high = row + ROW_HEAD;
  const low = high + padded;
  const scale = f32x4.splat(f32.load(row));
  const centre = centroid + ROW_HEAD;
  const centreScale = f32x4.splat(f32.load(centroid));
  const zero = f32x4.splat(0);
  const signBit = i32x4.splat(i32.MIN_VALUE);
  let square = f32x4.splat(0);
  let sizes = f32x4.splat(0);
  let inner = f32x4.splat(0);
  let signed = f32x4.splat(0);
  let early: f32 = 0;
  const shift: u32 = lane < 16 ? 0 : 4;
  const kept: u32 = lane < 16 ? 0xf0 : 0x0f;
  let byte = block + BLOCK_CODES + (lane & 15);
  for (let i: usize = 0; i < padded; i += 4) {
    if (i === padded >> 2) early = total(signed);
    const c = f32x4.mul(codesAt(centre, 0, 0, i), centreScale);
    const x = f32x4.mul(codesAt(high, low, lowBits, i), scale);
    const r = f32x4.sub(f32x4.sub(x, v128.load(middle + (i << 2))), c);
    const isNegative = f32x4.lt(r, zero);
    square = f32x4.add(square, f32x4.mul(r, r));
    sizes = f32x4.add(sizes, f32x4.abs(r));
    inner = f32x4.add(inner, f32x4.mul(r, c));
    signed = f32x4.add(signed, v128.xor(c, v128.and(isNegative, signBit)));
    const bits: u32 = ~i32x4.bitmask(isNegative) & 15;
    store<u8>(byte, <u8>((load<u8>(byte) & kept) | (bits << shift)));
    byte += 16;
  }
  const length2 = total(square);
  const size = total(sizes);
  const b: f32 = size > 0 ? length2 / size : 0;
  const a = total(inner) - b * total(signed) + f32.load(row, ROW_BASE);
  const f = total(inner) - b * early * 4 + f32.load(row, ROW_BASE);
  // With a² = size² / (|r|² padded), the error's square is |r|² (1 / a² − 1) / (padded − 1).
  const error2 = (b * b * <f32>padded - length2) / <f32>(padded - 1);
  const at = (<usize>lane) << 2;
  store<u32>(block + BLOCK_ROWS + at, <u32>row);
  f32.store(block + BLOCK_A + at, a);
  f32.store(block + BLOCK_B + at, b);
  f32.store(block + BLOCK_F + at, f);
  f32.store(block + BLOCK_E + at, sqrt<f32>(max(error2, <f32>0)));
  store<u32>(row, <u32>block | lane, 12);
  return length2;
}

/** Moves a code over another, in the same block or not, and empties the lane it came from. */
export function moveCode(from: usize, fromLane: u32, to: usize, toLane: u32, padded: u32): void {
  const fromAt = (<usize>fromLane) << 2;
  const toAt = (<usize>toLane) << 2;
  for (let part: usize = BLOCK_ROWS; part < BLOCK_CODES; part += 128)
    store<u32>(to + part + toAt, load<u32>(from + part + fromAt));
  const fromShift: u32 = fromLane < 16 ? 0 : 4;
  const toShift: u32 = toLane < 16 ? 0 : 4;
  const kept: u32 = toLane < 16 ? 0xf0 : 0x0f;
  const source = from + BLOCK_CODES + (fromLane & 15);
  const target = to + BLOCK_CODES + (toLane & 15);
  for (let i: usize = 0; i < (<usize>padded) << 2; i += 16) {
    const bits: u32 = (load<u8>(source + i) >> fromShift) & 15;
    store<u8>(target + i, <u8>((load<u8>(target + i) & kept) | (bits << toShift)));
  }
  store<u32>(<usize>load<u32>(to + BLOCK_ROWS + toAt), <u32>to | toLane, 12);
  clearCode(from, fromLane, padded);
}

/** Leaves zeros where the code was. */
export function clearCode(block: usize, lane: u32, padded: u32): void {
  for (let part: usize = BLOCK_ROWS; part < BLOCK_CODES; part += 128)
    store<u32>(block + part + ((<usize>lane) << 2), 0);
  const kept: u32 = lane < 16 ? 0xf0 : 0x0f;
  const byte = block + BLOCK_CODES + (lane & 15);
  for (let i: usize = 0; i < (<usize>padded) << 2; i += 16)
    store<u8>(byte + i, <u8>(load<u8>(byte + i) & kept));
}
