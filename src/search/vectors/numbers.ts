/** Numbers by the many: typed arrays that grow, vectors scaled, and numbers that only look random. */

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
