/**
 * Short codes: a residual's products with a few directions, in four bits each.
 *
 * Where vectors vary in few directions those say nearly all of a score (vectors/directions.ts finds them). Seen in them, for a row at y in a list
 * around c: r = y − c, and s are the r rounded to −7.5, −6.5, … 7.5 steps. With
 *
 *     B = |r|² / ⟨r, s⟩        A = ⟨r, c⟩ − B ⟨s, c⟩ + base        E² = (B² |s|² − |r|²) / (count − 1) + rest
 *
 * a score is estimated as by one-bit codes (codes.ts), p being the query seen in the same directions. `rest` is for what lies across all of them.
 *
 * One word holds B and E. Its low half is the upper half of E as a float32, rounded up. Its high half is such that the whole word, read
 * as a float32, is as near to B as can be (within a part in 256). That number is B in A as well, so that what rounding adds to an estimate is
 * in proportion to ⟨r, p − c⟩, as the code's own error is, however far c lies from the middle.
 *
 * Lanes lie in a block as those of one-bit codes do. Of sixteen lanes, which are scanned together, each eight numbers take 64 bytes: four bytes for
 * each lane, with numbers 0 to 3 in the low halves and 4 to 7 in the high ones.
 */
import { keep } from './keep';
import {
  APART_SQUARES,
  ROW_BASE,
  ROW_HEAD,
  SHORT_A,
  SHORT_B,
  SHORT_CODES,
  everywhere,
  total,
  totalInt,
} from './layout';

/** Of the root of the mean square: the step that loses least of normal numbers in sixteen (Max 1960). */
const STEP: f32 = 0.335;
/** Below this a residual is nothing. */
const SQUARE_MIN: f32 = 1e-30;

/**
 * Products of a row with directions, which are rows without low bits; `seven` is the row as `toSevenBits` wrote it, `scale` what
 * one unit of that is worth.
 */
export function project(
  seven: usize,
  scale: f32,
  padded: u32,
  directions: usize,
  count: u32,
  out: usize,
): void {
  const stride: usize = ROW_HEAD + padded;
  const end = out + ((<usize>count) << 2);
  for (; out + 16 <= end; out += 16) {
    const second = directions + stride;
    const third = second + stride;
    const fourth = third + stride;
    let a = i32x4.splat(0);
    let b = i32x4.splat(0);
    let c = i32x4.splat(0);
    let d = i32x4.splat(0);
    for (let at: usize = 0; at < padded; at += 32) {
      const x = v128.load(seven + at);
      const y = v128.load(seven + at, 16);
      a = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(directions + at, ROW_HEAD), x, a);
      b = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(second + at, ROW_HEAD), x, b);
      c = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(third + at, ROW_HEAD), x, c);
      d = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(fourth + at, ROW_HEAD), x, d);
      a = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(directions + at, ROW_HEAD + 16), y, a);
      b = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(second + at, ROW_HEAD + 16), y, b);
      c = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(third + at, ROW_HEAD + 16), y, c);
      d = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(fourth + at, ROW_HEAD + 16), y, d);
    }
    f32.store(out, productOf(directions, totalInt(a), scale));
    f32.store(out, productOf(second, totalInt(b), scale), 4);
    f32.store(out, productOf(third, totalInt(c), scale), 8);
    f32.store(out, productOf(fourth, totalInt(d), scale), 12);
    directions = fourth + stride;
  }
  for (; out < end; out += 4) {
    let a = i32x4.splat(0);
    for (let at: usize = 0; at < padded; at += 16)
      a = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(directions + at, ROW_HEAD), v128.load(seven + at), a);
    f32.store(out, productOf(directions, totalInt(a), scale));
    directions += stride;
  }
}

function productOf(direction: usize, dots: i32, scale: f32): f32 {
  const sum = load<i32>(direction, 4);
  // Halving took off a half of a unit on the average, and the low bits another quarter.
  return (<f32>(dots - (sum << 6)) + <f32>sum * 0.5) * scale * f32.load(direction);
}

/** Adds `weights[i] × x` to row i of `sums`. */
export function addProducts(x: usize, lanes: u32, weights: usize, count: u32, sums: usize): void {
  const bytes: usize = (<usize>lanes) << 2;
  for (let i: u32 = 0; i < count; i++) {
    const by = v128.load32_splat(weights + ((<usize>i) << 2));
    for (let at: usize = 0; at < bytes; at += 16)
      v128.store(sums + at, f32x4.add(v128.load(sums + at), f32x4.mul(by, v128.load(x + at))));
    sums += bytes;
  }
}

/** Writes the code of a row that lies at `point`, and the place into the row; answers |r|². */
export function encodeShort(
  row: usize,
  point: usize,
  centroid: usize,
  count: u32,
  rest: f32,
  block: usize,
  lane: u32,
): f32 {
  let square: f32 = 0;
  for (let i: usize = 0; i < (<usize>count) << 2; i += 4) {
    const r = f32.load(point + i) - f32.load(centroid + i);
    square += r * r;
  }
  const inverse: f32 = square > SQUARE_MIN ? <f32>1 / (STEP * sqrt<f32>(square / <f32>count)) : 0;
  let own: f32 = 0;
  let steps: f32 = 0;
  let inner: f32 = 0;
  let signed: f32 = 0;
  let word = wordOf(block, lane, count);
  for (let i: usize = 0; i < count; i += 8) {
    let bits: u32 = 0;
    for (let j: usize = 0; j < 8; j++) {
      const at = (i + j) << 2;
      const c = f32.load(centroid + at);
      const r = f32.load(point + at) - c;
      const step = max(min(floor<f32>(r * inverse), <f32>7), <f32>-8);
      const s = step + 0.5;
      own += r * s;
      steps += s * s;
      inner += r * c;
      signed += s * c;
      bits |= (<u32>(<i32>step + 8)) << (((<u32>j & 3) << 3) | (<u32>j & 4));
    }
    store<u32>(word, bits);
    word += 64;
  }
  const b: f32 = own > 0 ? square / own : 0;
  const error2 = max(b * b * steps - square, <f32>0) / <f32>(count - 1) + rest;
  const both = inOneWord(b, sqrt<f32>(error2));
  const at = block + ((<usize>lane) << 2);
  f32.store(at, inner - reinterpret<f32>(both) * signed + f32.load(row, ROW_BASE), SHORT_A);
  store<u32>(at, both, SHORT_B);
  const apart = apartOf(block, lane);
  store<u32>(apart, <u32>row);
  f32.store(apart, square, APART_SQUARES);
  store<u32>(row, <u32>block | lane, 12);
  return square;
}

/** Where the address of a lane's row stands, and APART_SQUARES behind it |r|². */
function apartOf(block: usize, lane: u32): usize {
  return <usize>load<u32>(block, 12) + ((<usize>lane) << 2);
}

/** B and E, none of them negative. */
function inOneWord(b: f32, e: f32): u32 {
  const low: u32 = (reinterpret<u32>(e) + 0xffff) >> 16;
  return ((reinterpret<u32>(b) - low + 0x8000) & 0xffff0000) | low;
}

function wordOf(block: usize, lane: u32, count: u32): usize {
  return block + SHORT_CODES + <usize>((lane >> 4) * (count << 3)) + ((<usize>lane & 15) << 2);
}

/** Moves a code over another, in the same block or not, and empties the lane it came from. */
export function moveShort(from: usize, fromLane: u32, to: usize, toLane: u32, count: u32): void {
  const fromAt = from + ((<usize>fromLane) << 2);
  const toAt = to + ((<usize>toLane) << 2);
  const fromApart = apartOf(from, fromLane);
  const toApart = apartOf(to, toLane);
  const row = load<u32>(fromApart);
  store<u32>(toAt, load<u32>(fromAt, SHORT_A), SHORT_A);
  store<u32>(toAt, load<u32>(fromAt, SHORT_B), SHORT_B);
  store<u32>(toApart, row);
  store<u32>(toApart, load<u32>(fromApart, APART_SQUARES), APART_SQUARES);
  const source = wordOf(from, fromLane, count);
  const target = wordOf(to, toLane, count);
  for (let i: usize = 0; i < (<usize>count) << 3; i += 64) store<u32>(target + i, load<u32>(source + i));
  store<u32>(<usize>row, <u32>to | toLane, 12);
  clearShort(from, fromLane, count);
}

/** Leaves zeros where the code was. */
export function clearShort(block: usize, lane: u32, count: u32): void {
  const at = block + ((<usize>lane) << 2);
  const apart = apartOf(block, lane);
  store<u32>(at, 0, SHORT_A);
  store<u32>(at, 0, SHORT_B);
  store<u32>(apart, 0);
  store<u32>(apart, 0, APART_SQUARES);
  const word = wordOf(block, lane, count);
  for (let i: usize = 0; i < (<usize>count) << 3; i += 64) store<u32>(word + i, 0);
}

/**
 * Scans lists, at most `blocksMax` blocks of each. `query` holds the unit f32 and base f32 of its numbers, which are i8 and begin at 64 (a score is
 * own + A + B (unit × sum + base)); at 8 it receives how many candidates were found, and at 12 the sum f32 of their E × reach. Of each list 32
 * bytes are given:
 *
 *     0  first block u32; receives where to go on    4  own f32    8  reach f32    12  middle f32    16  whether to measure u32
 *    20  receives the sums f32 of the squares, and at 24 of the fourth powers, of (estimate − middle), if it is to be measured
 *
 * Candidates are as in scanChain (scan.ts).
 */
export function scanShort(
  query: usize,
  count: u32,
  lists: usize,
  listCount: u32,
  blocksMax: u32,
  floor: f32,
  out: usize,
  bounds: usize,
): void {
  const unit = f32x4.splat(f32.load(query));
  const base = f32x4.splat(f32.load(query, 4));
  const floors = f32x4.splat(floor);
  const mask = everywhere(0x0f0f0f0f, count);
  const half: usize = (<usize>count) << 3;
  const numbers = query + 64;
  const first = out;
  const all = lists + ((<usize>listCount) << 5);
  let claims = f32x4.splat(0);
  for (; lists < all; lists += 32) {
    const own = f32x4.splat(f32.load(lists, 4));
    const reach = f32x4.splat(f32.load(lists, 8));
    const middle = f32x4.splat(f32.load(lists, 12));
    const isMeasured = load<u32>(lists, 16) !== 0;
    let squares = f32x4.splat(0);
    let fourths = f32x4.splat(0);
    let block = <usize>load<u32>(lists);
    for (let left = blocksMax; left > 0 && block !== 0; left--) {
      let next = <usize>load<u32>(block);
      if (next === 0 && lists + 32 < all) next = <usize>load<u32>(lists, 32);
      // Each line of the block after this one is asked for (ahead.ts) beside its namesake of this one.
      const ahead: usize = next === 0 ? 0 : next - block;
      load<u8>(block + ahead);
      const held = load<u32>(block, 4);
      let codes = block + SHORT_CODES;
      for (let lane: u32 = 0; lane < held; lane += 16) {
        let a = i32x4.splat(0);
        let b = i32x4.splat(0);
        let c = i32x4.splat(0);
        let d = i32x4.splat(0);
        let at = numbers;
        for (const end = codes + half; codes < end; codes += 64) {
          load<u8>(codes + ahead);
          const low = v128.load32_splat(at);
          const high = v128.load32_splat(at, 4);
          const w = v128.load(codes);
          const x = v128.load(codes, 16);
          const y = v128.load(codes, 32);
          const z = v128.load(codes, 48);
          a = i32x4.relaxed_dot_i8x16_i7x16_add_s(low, v128.and(w, mask), a);
          b = i32x4.relaxed_dot_i8x16_i7x16_add_s(low, v128.and(x, mask), b);
          c = i32x4.relaxed_dot_i8x16_i7x16_add_s(low, v128.and(y, mask), c);
          d = i32x4.relaxed_dot_i8x16_i7x16_add_s(low, v128.and(z, mask), d);
          a = i32x4.relaxed_dot_i8x16_i7x16_add_s(high, v128.and(i16x8.shr_u(w, 4), mask), a);
          b = i32x4.relaxed_dot_i8x16_i7x16_add_s(high, v128.and(i16x8.shr_u(x, 4), mask), b);
          c = i32x4.relaxed_dot_i8x16_i7x16_add_s(high, v128.and(i16x8.shr_u(y, 4), mask), c);
          d = i32x4.relaxed_dot_i8x16_i7x16_add_s(high, v128.and(i16x8.shr_u(z, 4), mask), d);
          at += 8;
        }
        const from = block + ((<usize>lane) << 2);
        load<u8>(from + ahead, SHORT_A);
        load<u8>(from + ahead, SHORT_B);
        const estimateA = estimateOf(from, a, unit, base, own);
        const estimateB = estimateOf(from + 16, b, unit, base, own);
        const estimateC = estimateOf(from + 32, c, unit, base, own);
        const estimateD = estimateOf(from + 48, d, unit, base, own);
        const boundA = f32x4.add(estimateA, f32x4.mul(errorOf(from), reach));
        const boundB = f32x4.add(estimateB, f32x4.mul(errorOf(from + 16), reach));
        const boundC = f32x4.add(estimateC, f32x4.mul(errorOf(from + 32), reach));
        const boundD = f32x4.add(estimateD, f32x4.mul(errorOf(from + 48), reach));
        const areAbove = v128.or(
          v128.or(f32x4.ge(boundA, floors), f32x4.ge(boundB, floors)),
          v128.or(f32x4.ge(boundC, floors), f32x4.ge(boundD, floors)),
        );
        if (!isMeasured && !v128.any_true(areAbove)) continue;
        for (let four: u32 = 0; four < 4; four++) {
          const estimate = oneOf(four, estimateA, estimateB, estimateC, estimateD);
          const bound = oneOf(four, boundA, boundB, boundC, boundD);
          // The last group may be part full.
          const isHeld = i32x4.lt_u(
            i32x4.add(i32x4.splat(lane + (four << 2)), i32x4(0, 1, 2, 3)),
            i32x4.splat(held),
          );
          if (isMeasured) {
            const away = v128.and(f32x4.sub(estimate, middle), isHeld);
            const square = f32x4.mul(away, away);
            squares = f32x4.add(squares, square);
            fourths = f32x4.add(fourths, f32x4.mul(square, square));
          }
          const isAbove = v128.and(isHeld, f32x4.ge(bound, floors));
          const passed = i32x4.bitmask(isAbove);
          if (passed === 0) continue;
          const place = from + ((<usize>four) << 4);
          claims = f32x4.add(claims, v128.and(f32x4.mul(errorOf(place), reach), isAbove));
          const kept = keep(passed, v128.load(apartOf(block, lane + (four << 2))), bound, out, bounds);
          out += kept;
          bounds += kept;
        }
      }
      block = <usize>load<u32>(block);
    }
    store<u32>(lists, <u32>block);
    f32.store(lists, total(squares), 20);
    f32.store(lists, total(fourths), 24);
  }
  store<u32>(query, <u32>((out - first) >> 2), 8);
  f32.store(query, total(claims), 12);
}

function estimateOf(from: usize, sums: v128, unit: v128, base: v128, own: v128): v128 {
  const signs = f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(sums), unit), base);
  return f32x4.add(f32x4.add(own, v128.load(from, SHORT_A)), f32x4.mul(v128.load(from, SHORT_B), signs));
}

function errorOf(from: usize): v128 {
  return i32x4.shl(v128.load(from, SHORT_B), 16);
}

function oneOf(at: u32, a: v128, b: v128, c: v128, d: v128): v128 {
  return at === 0 ? a : at === 1 ? b : at === 2 ? c : d;
}
