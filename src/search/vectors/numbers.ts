/** Numbers by the many: typed arrays that grow, vectors scaled, how far numbers scatter, and some that only look random. */

type Growable = Int32Array | Uint32Array | Float32Array | Float64Array;

/** The same array if it has room for so many numbers, or else one twice as long with the same content. */
export function withRoom<T extends Growable>(array: T, length: number): T {
  if (length <= array.length) return array;
  const make = array.constructor as new (length: number) => T;
  const grown = new make(Math.max(length, array.length * 2, 64));
  grown.set(array);
  return grown;
}

/** The vector at length 1. Summed in float64, where no float32 vector overflows or vanishes. */
export function unit(vector: Float32Array): Float32Array {
  let sum = 0;
  for (let i = 0; i < vector.length; i++) sum += (vector[i] as number) ** 2;
  const length = Math.sqrt(sum);
  const scaled = new Float32Array(vector.length);
  for (let i = 0; i < vector.length; i++) scaled[i] = (vector[i] as number) / length;
  return scaled;
}

/** How many standard deviations a normal number may be off before so small a part of all lies beyond. */
export function deviationsFor(part: number): number {
  // An inverse of the normal tail, good to 0.003 (Abramowitz and Stegun, 26.2.22).
  const t = Math.sqrt(-2 * Math.log(Math.min(0.5, Math.max(1e-9, part))));
  return t - (2.30753 + 0.27061 * t) / (1 + 0.99229 * t + 0.04481 * t * t);
}

/** Numbers from 0 to below 1, the same for the same seed: a 32-bit xorshift (Marsaglia 2003). */
export function xorshift(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
