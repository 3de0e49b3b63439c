/** Float32 numbers as bytes, little-endian: as vectors are sealed, and as callers may send them. */
import { decodeBase64 } from './encoding.ts';

const FLOAT_BYTES = Float32Array.BYTES_PER_ELEMENT;
const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** The numbers' own memory where that has the right order of bytes already: for what is used at once. */
export function encodeFloats(numbers: Float32Array): Uint8Array {
  if (isLittleEndian) return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  const bytes = new Uint8Array(numbers.length * FLOAT_BYTES);
  const target = new DataView(bytes.buffer);
  numbers.forEach((value, index) => target.setFloat32(index * FLOAT_BYTES, value, true));
  return bytes;
}

/** A RangeError on bytes that are no whole numbers. */
export function decodeFloats(bytes: Uint8Array): Float32Array<ArrayBuffer> {
  if (bytes.length % FLOAT_BYTES !== 0) throw new RangeError(`${bytes.length} bytes are no float32 numbers`);
  const numbers = new Float32Array(bytes.length / FLOAT_BYTES);
  if (isLittleEndian) {
    new Uint8Array(numbers.buffer).set(bytes);
  } else {
    const source = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let index = 0; index < numbers.length; index++)
      numbers[index] = source.getFloat32(index * FLOAT_BYTES, true);
  }
  return numbers;
}

/** From base64 in its one form; a RangeError on anything else. */
export function parseFloats(text: string): Float32Array<ArrayBuffer> {
  const bytes = decodeBase64(text);
  // The bytes are nobody else's, so that the numbers can have their memory.
  const isReady = isLittleEndian && bytes.length % FLOAT_BYTES === 0;
  return isReady ? new Float32Array(bytes.buffer) : decodeFloats(bytes);
}

/** Where the first number stands that is NaN or infinite, or -1. */
export function firstNotFinite(numbers: Float32Array): number {
  // A loop with an index and no callback: each number of every vector that comes in goes through here.
  for (let i = 0; i < numbers.length; i++) if (!Number.isFinite(numbers[i])) return i;
  return -1;
}
