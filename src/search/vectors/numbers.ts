/** Numbers by the many: typed arrays that grow, and vectors scaled. */

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
