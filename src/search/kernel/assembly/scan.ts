/**
 * The scan: one-bit codes of a list against the query's table, 32 at a time, and the high bytes of what it lets through.
 *
 * Table look-ups go through swizzles (after André, Kermarrec and Le Scouarnec, "Cache locality is not enough", VLDB 2015). Indexes are below 16, where relaxed
 * swizzles agree on every machine; so do relaxed dot products with a side of seven bits.
 */
import { fetchAhead } from './ahead';
import { keep } from './keep';
import {
  BLOCK_A,
  BLOCK_B,
  BLOCK_CODES,
  BLOCK_E,
  BLOCK_F,
  BLOCK_ROWS,
  ROW_BASE,
  ROW_HEAD,
  everywhere,
  queryHigh,
  queryTable,
  total,
  totalInt,
} from './layout';
import { productWithHigh } from './query';

/** A neighbour is rarely as far below the floor as the reach allows, and by a quarter more rarely still. */
const EARLY: f32 = 0.75;
/** So many rows before it is scored a row is on its way. */
const AHEAD: u32 = 8;

/**
 * Scans at most `blocksMax` blocks of a chain. A code whose estimate plus `reach` times its E is at least `floor` is a
 * candidate: its row's address goes to `out`, that bound to `bounds` (one
 * place after the last means nothing). Writes into the query where to go on, how many candidates there are, and the
 * sums of the squares and of the fourth powers of (estimate − `middle`).
 *
 * With `isHasty` a block is left after the first quarter of its numbers when by that none of its codes is likely to be a candidate; squares are
 * then those of one block in eight only, which is always scanned to its end.
 */
export function scanChain(
  query: usize,
  padded: u32,
  head: usize,
  blocksMax: u32,
  own: f32,
  reach: f32,
  floor: f32,
  middle: f32,
  isHasty: u32,
  out: usize,
  bounds: usize,
): void {
  const table = queryTable(query, padded);
  const tableEnd = table + ((<usize>padded) << 2);
  const unit = f32x4.splat(f32.load(query, 8));
  const base = f32x4.splat(f32.load(query, 12));
  const mask = everywhere(0x0f0f0f0f, padded);
  const owns = f32x4.splat(own);
  const reaches = f32x4.splat(reach);
  const floors = f32x4.splat(floor);
  const middles = f32x4.splat(middle);
  const first = out;
  const used = isHasty ? BLOCK_F : BLOCK_A;
  const usedBytes = BLOCK_CODES - used + (isHasty ? <usize>padded : (<usize>padded) << 2);
  const tableEarly = table + <usize>padded;
  const reachesEarly = f32x4.splat(reach * EARLY);
  const baseEarly = f32x4.splat(f32.load(query, 20));
  const factor = f32x4.splat(f32.load(query, 24));
  const missing = f32x4.splat(f32.load(query, 28));
  let measured: u32 = 0;
  let squares = f32x4.splat(0);
  let fourths = f32x4.splat(0);
  let block = head;
  if (block !== 0) fetchAhead(block + used, usedBytes);
  for (let left = blocksMax; left > 0 && block !== 0; left--) {
    let a0 = i16x8.splat(0);
    let a1 = i16x8.splat(0);
    let a2 = i16x8.splat(0);
    let a3 = i16x8.splat(0);
    const next = <usize>load<u32>(block);
    // The block after this one is on its way while this one is scanned.
    if (next !== 0) {
      fetchAhead(next, 1);
      fetchAhead(next + used, usedBytes);
    }
    let codes = block + BLOCK_CODES;
    let at = table;
    const count = load<u32>(block, 4);
    const isWhole = !isHasty || ((block >> 5) & 7) === 0;
    for (let end = isWhole ? tableEnd : tableEarly; ; end = tableEnd) {
      for (; at < end; at += 64) {
        let c = v128.load(codes);
        let t = v128.load(at);
        let low = i8x16.relaxed_swizzle(t, v128.and(c, mask));
        let high = i8x16.relaxed_swizzle(t, v128.and(i16x8.shr_u(c, 4), mask));
        c = v128.load(codes, 16);
        t = v128.load(at, 16);
        low = i8x16.add(low, i8x16.relaxed_swizzle(t, v128.and(c, mask)));
        high = i8x16.add(high, i8x16.relaxed_swizzle(t, v128.and(i16x8.shr_u(c, 4), mask)));
        c = v128.load(codes, 32);
        t = v128.load(at, 32);
        low = i8x16.add(low, i8x16.relaxed_swizzle(t, v128.and(c, mask)));
        high = i8x16.add(high, i8x16.relaxed_swizzle(t, v128.and(i16x8.shr_u(c, 4), mask)));
        c = v128.load(codes, 48);
        t = v128.load(at, 48);
        low = i8x16.add(low, i8x16.relaxed_swizzle(t, v128.and(c, mask)));
        high = i8x16.add(high, i8x16.relaxed_swizzle(t, v128.and(i16x8.shr_u(c, 4), mask)));
        a0 = i16x8.add(a0, i16x8.extend_low_i8x16_u(low));
        a1 = i16x8.add(a1, i16x8.extend_high_i8x16_u(low));
        a2 = i16x8.add(a2, i16x8.extend_low_i8x16_u(high));
        a3 = i16x8.add(a3, i16x8.extend_high_i8x16_u(high));
        codes += 64;
      }
      if (end === tableEnd) break;
      let passed: i32 = 0;
      for (let lane: u32 = 0; lane < count; lane += 4) {
        const part = lane < 16 ? (lane < 8 ? a0 : a1) : lane < 24 ? a2 : a3;
        const sums = lane & 4 ? i32x4.extend_high_i16x8_u(part) : i32x4.extend_low_i16x8_u(part);
        const from = block + ((<usize>lane) << 2);
        const signs = f32x4.mul(f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(sums), unit), baseEarly), factor);
        const b = v128.load(from, BLOCK_B);
        const e = v128.load(from, BLOCK_E);
        const estimate = f32x4.add(f32x4.add(owns, v128.load(from, BLOCK_F)), f32x4.mul(b, signs));
        const error = f32x4.sqrt(f32x4.add(f32x4.mul(e, e), f32x4.mul(f32x4.mul(b, b), missing)));
        const bound = f32x4.add(estimate, f32x4.mul(error, reachesEarly));
        const isHeld = i32x4.lt_u(i32x4.add(i32x4.splat(lane), i32x4(0, 1, 2, 3)), i32x4.splat(count));
        passed |= i32x4.bitmask(v128.and(isHeld, f32x4.ge(bound, floors)));
      }
      if (passed === 0) break;
    }
    if (at < tableEnd) {
      block = next;
      continue;
    }
    if (isWhole) measured += count;
    for (let lane: u32 = 0; lane < count; lane += 4) {
      const part = lane < 16 ? (lane < 8 ? a0 : a1) : lane < 24 ? a2 : a3;
      const sums = lane & 4 ? i32x4.extend_high_i16x8_u(part) : i32x4.extend_low_i16x8_u(part);
      const from = block + ((<usize>lane) << 2);
      const signs = f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(sums), unit), base);
      const estimate = f32x4.add(
        f32x4.add(owns, v128.load(from, BLOCK_A)),
        f32x4.mul(v128.load(from, BLOCK_B), signs),
      );
      const bound = f32x4.add(estimate, f32x4.mul(v128.load(from, BLOCK_E), reaches));
      // The last group may be part full.
      const isHeld = i32x4.lt_u(i32x4.add(i32x4.splat(lane), i32x4(0, 1, 2, 3)), i32x4.splat(count));
      const away = v128.and(f32x4.sub(estimate, middles), isHeld);
      const square = f32x4.mul(away, away);
      if (isWhole) {
        squares = f32x4.add(squares, square);
        fourths = f32x4.add(fourths, f32x4.mul(square, square));
      }
      const passed = i32x4.bitmask(v128.and(isHeld, f32x4.ge(bound, floors)));
      if (passed === 0) continue;
      const kept = keep(passed, v128.load(from, BLOCK_ROWS), bound, out, bounds);
      out += kept;
      bounds += kept;
    }
    block = next;
  }
  store<u32>(query, <u32>block, 32);
  store<u32>(query, <u32>((out - first) >> 2), 36);
  f32.store(query, total(squares), 40);
  f32.store(query, total(fourths), 44);
  store<u32>(query, measured, 48);
}

/**
 * A first look at rows: how high the score of each may be by the first quarter of its numbers. `rows` holds addresses, `bounds` receives
 *
 *     f ⟨x, q⟩₁ + base + reach |x| |q| √((f − 1) / padded),    f = |q|² / |q₁|²
 *
 * of which the root is the standard deviation of what the quarter leaves unseen, over the choice of the rotation. The low halves of
 * numbers are taken to be what they are on the average, which is off by far less.
 */
export function glance(
  query: usize,
  padded: u32,
  lowBits: u32,
  reach: f32,
  rows: usize,
  count: u32,
  bounds: usize,
): void {
  const quarter: usize = padded >> 2;
  const numbers = queryHigh(query, padded);
  const factor = f32.load(query, 24) * f32.load(query) * <f32>(128 << lowBits);
  const width = reach * f32.load(query, 16) * sqrt<f32>(f32.load(query, 28) / <f32>padded);
  const ones = i8x16.splat(1);
  for (let r: u32 = 0; r < min(count, AHEAD); r++) fetchRow(rows, r, <u32>quarter);
  for (let r: u32 = 0; r < count; r++) {
    if (r + AHEAD < count) fetchRow(rows, r + AHEAD, <u32>quarter);
    const row = <usize>load<u32>(rows + ((<usize>r) << 2));
    let dots = i32x4.splat(0);
    let sums = i32x4.splat(0);
    for (let at: usize = 0; at < quarter; at += 16) {
      const x = v128.load(row + at, ROW_HEAD);
      dots = i32x4.relaxed_dot_i8x16_i7x16_add_s(x, v128.load(numbers + at), dots);
      sums = i32x4.relaxed_dot_i8x16_i7x16_add_s(x, ones, sums);
    }
    const seen = <f32>totalInt(dots) - <f32>totalInt(sums) * 63.5;
    f32.store(
      bounds + ((<usize>r) << 2),
      f32.load(row) * factor * seen + f32.load(row, ROW_BASE) + width * f32.load(row, 8),
    );
  }
}

/**
 * Scores rows by their high bytes: `rows` holds addresses u32, `bounds` what each can reach at most. The lowest score that rounding leaves
 * likely (`margin` standard deviations) passes through `heap`: how many are there u32, how many fit u32, then the best, the
 * worst of them first. What cannot reach that any more is passed over. The others stay in `rows`, with the highest
 * likely score in `bounds`; answers how many they are. Of those scored the query receives how many they are, and the sums of (score − what it can
 * reach at most) and of its square.
 */
export function rescore(
  query: usize,
  padded: u32,
  lowBits: u32,
  margin: f32,
  rows: usize,
  bounds: usize,
  count: u32,
  heap: usize,
): u32 {
  const unit = f32.load(query);
  const sumOfQuery = f32.load(query, 4);
  const length2 = f32.load(query, 16) * f32.load(query, 16);
  const high_ = <f32>(1 << lowBits);
  // The mean of what the low bits add to the high byte.
  const rest: f32 = lowBits > 0 ? <f32>0.5 - <f32>0.5 / high_ : 0;
  const size = load<u32>(heap, 4);
  let kept: usize = 0;
  let scored: u32 = 0;
  let off: f32 = 0;
  let off2: f32 = 0;
  for (let r: u32 = 0; r < min(count, AHEAD); r++) fetchRow(rows, r, padded);
  for (let r: u32 = 0; r < count; r++) {
    const isFull = load<u32>(heap) === size;
    const later = bounds + ((<usize>(r + AHEAD)) << 2);
    if (r + AHEAD < count && !(isFull && f32.load(later) < f32.load(heap, 8)))
      fetchRow(rows, r + AHEAD, padded);
    if (isFull && f32.load(bounds + ((<usize>r) << 2)) < f32.load(heap, 8)) continue;
    const row = <usize>load<u32>(rows + ((<usize>r) << 2));
    const scale = f32.load(row) * high_;
    const length = f32.load(row, 8);
    const product = scale * (unit * productWithHigh(query, padded, row) + rest * sumOfQuery);
    const score = product + f32.load(row, ROW_BASE);
    const apart = score - f32.load(bounds + ((<usize>r) << 2));
    scored++;
    off += apart;
    off2 += apart * apart;
    // Rounding to a step is off by the step / √12: that of the row against the query, and that of the query.
    const error =
      margin * sqrt<f32>((length2 * scale * scale + length * length * unit * unit) * <f32>0.0833333358168602);
    if (isFull && score + error < f32.load(heap, 8)) continue;
    store<u32>(rows + kept, <u32>row);
    f32.store(bounds + kept, score + error);
    kept += 4;
    push(heap, score - error);
  }
  store<u32>(query, scored, 52);
  f32.store(query, off, 56);
  f32.store(query, off2, 60);
  return <u32>(kept >> 2);
}

function fetchRow(rows: usize, r: u32, padded: u32): void {
  fetchAhead(<usize>load<u32>(rows + ((<usize>r) << 2)), ROW_HEAD + <usize>padded);
}

/** Keeps the largest of what passes through. */
function push(heap: usize, value: f32): void {
  const size = load<u32>(heap);
  const values = heap + 8;
  if (size < load<u32>(heap, 4)) {
    let at: usize = size;
    store<u32>(heap, size + 1);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = f32.load(values + (parent << 2));
      if (above <= value) break;
      f32.store(values + (at << 2), above);
      at = parent;
    }
    f32.store(values + (at << 2), value);
    return;
  }
  if (value <= f32.load(values)) return;
  let at: usize = 0;
  for (;;) {
    let child: usize = (at << 1) + 1;
    if (child >= <usize>size) break;
    if (child + 1 < <usize>size && f32.load(values + ((child + 1) << 2)) < f32.load(values + (child << 2)))
      child++;
    const below = f32.load(values + (child << 2));
    if (below >= value) break;
    f32.store(values + (at << 2), below);
    at = child;
  }
  f32.store(values + (at << 2), value);
}
