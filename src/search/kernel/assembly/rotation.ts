/**
 * A randomised Hadamard rotation: three rounds, each of random signs, a Walsh-Hadamard transform of the longest power
 * of two at the start (or, in the second round, at the end), and a butterfly between the two halves. Each step keeps
 * lengths and angles; together they spread any vector evenly over all numbers, whatever their count.
 */

const ROUNDS: u32 = 3;
const HALF: f32 = 0.7071067690849304;

/** `signs`: a word for each number of each round, 0 or the sign bit. */
export function rotate(x: usize, padded: u32, signs: usize): void {
  const bytes: usize = (<usize>padded) << 2;
  let length: u32 = 64;
  while (length << 1 <= padded) length <<= 1;
  for (let round: u32 = 0; round < ROUNDS; round++) {
    for (let at: usize = 0; at < bytes; at += 16)
      v128.store(x + at, v128.xor(v128.load(x + at), v128.load(signs + at)));
    signs += bytes;
    transform(round === 1 ? x + ((<usize>padded - length) << 2) : x, length);
    butterfly(x, bytes >> 1);
  }
}

function transform(x: usize, length: u32): void {
  const bytes: usize = (<usize>length) << 2;
  const end = x + bytes;
  const second = i32x4(0, i32.MIN_VALUE, 0, i32.MIN_VALUE);
  const upper = i32x4(0, 0, i32.MIN_VALUE, i32.MIN_VALUE);
  const scale = f32x4.splat(<f32>(1 / sqrt<f64>(<f64>length)));
  for (let at = x; at < end; at += 16) {
    let v = f32x4.mul(v128.load(at), scale);
    v = f32x4.add(v128.shuffle<i32>(v, v, 1, 0, 3, 2), v128.xor(v, second));
    v128.store(at, f32x4.add(v128.shuffle<i32>(v, v, 2, 3, 0, 1), v128.xor(v, upper)));
  }
  for (let step: usize = 16; step < bytes; step <<= 1)
    for (let from = x; from < end; from += step << 1)
      for (let at = from; at < from + step; at += 16) {
        const a = v128.load(at);
        const b = v128.load(at + step);
        v128.store(at, f32x4.add(a, b));
        v128.store(at + step, f32x4.sub(a, b));
      }
}

function butterfly(x: usize, half: usize): void {
  const scale = f32x4.splat(HALF);
  for (let at = x; at < x + half; at += 16) {
    const a = v128.load(at);
    const b = v128.load(at + half);
    v128.store(at, f32x4.mul(f32x4.add(a, b), scale));
    v128.store(at + half, f32x4.mul(f32x4.sub(a, b), scale));
  }
}
