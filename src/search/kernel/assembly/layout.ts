/**
 * Where things lie. All vectors here are rotated and padded to a multiple of 64 numbers ("padded").
 *
 *     row       0  scale f32: what one unit of a code is worth        codes are whole numbers of 8 + lowBits bits
 *               4  sum i32 of the high bytes
 *               8  length f32 of the vector
 *              12  place u32: the block that holds its one-bit code, plus its lane
 *              16  base f32: ⟨x, m⟩, or -|x − m|² / 2 under Euclid; m is the vault's middle
 *              20  high bytes, i8 × padded; then low bits: two to a number (lowBits 2), a byte each (8), none (0)
 *     centroid     a row without low bits, relative to m; at 12 stands the bias f32 taken off when the nearest is looked for
 *     block     0  next block u32, 4 codes in it u32, 8 list u32, 12 u32: where its 32 row addresses u32 lie
 *              32  those, 160 F f32, 288 A f32, 416 B f32, 544 E f32 (codes.ts says what they are)
 *             672  codes: 16 bytes for each four numbers; a byte has the four bits of lane i low and of lane i + 16 high
 *     of short  0  as any other; its row addresses lie apart, and behind them, at 128, |r|² f32, because a scan reads none of it
 *     codes    32  A f32, 160 B and E u32 (short.ts says what they are)
 *             288  codes: half a byte for each number (short.ts)
 *     query        of q − m
 *               0  unit f32, 4 sum f32, 8 table unit f32, 12 table base f32, 16 length f32
 *              20  of its first quarter: table base f32, 24 the factor f32 from there to the whole, 28 that less 1
 *              32  out of scanChain: next block u32, candidates u32, 40 and 44 sums f32 of squares and fourth powers, 48 of
 *                  how many codes u32
 *              52  out of rescore: rows scored u32, 56 and 60 sums f32 of how far they are from their bounds, and of squares
 *              64  numbers f32 × padded, high and low seven bits u8 × padded each, table u8 × 4 padded
 */
export const ROW_BASE: usize = 16;
export const ROW_HEAD: usize = 20;
export const BLOCK_ROWS: usize = 32;
export const BLOCK_A: usize = 288;
export const BLOCK_B: usize = 416;
export const BLOCK_E: usize = 544;
export const BLOCK_F: usize = 160;
export const BLOCK_CODES: usize = 672;
export const SHORT_A: usize = 32;
export const SHORT_B: usize = 160;
export const SHORT_CODES: usize = 288;
export const APART_SQUARES: usize = 128;
export const QUERY_NUMBERS: usize = 64;

export function queryHigh(query: usize, padded: u32): usize {
  return query + QUERY_NUMBERS + ((<usize>padded) << 2);
}

export function queryTable(query: usize, padded: u32): usize {
  return query + QUERY_NUMBERS + <usize>padded * 6;
}

/**
 * The same bits in all lanes. V8 builds a constant vector anew wherever it is used, with three instructions each; what it cannot know to be
 * constant stays in a register. @param size any below 2^31.
 */
export function everywhere(bits: u32, size: u32): v128 {
  return i32x4.splat(<i32>(bits ^ (size >> 31)));
}

/** The four sums of a vector in a fixed order. */
export function total(v: v128): f32 {
  return (
    f32x4.extract_lane(v, 0) +
    f32x4.extract_lane(v, 1) +
    (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3))
  );
}

export function totalInt(v: v128): i32 {
  return (
    i32x4.extract_lane(v, 0) + i32x4.extract_lane(v, 1) + i32x4.extract_lane(v, 2) + i32x4.extract_lane(v, 3)
  );
}
