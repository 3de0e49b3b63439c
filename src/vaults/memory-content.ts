/**
 * What a version of a memory holds, as bytes to be sealed.
 *
 *     body    = JSON of `MemoryBody` in UTF-8; who it is about and its conversation are ids in the row, not in here
 *     vector  = float32 numbers, little-endian
 */
import { decodeUtf8, encodeUtf8, type Bytes } from '../bytes/encoding.ts';
import type { JsonObject } from '@strongroom/client';
import { StrongroomError } from '../errors.ts';

export interface MemoryBody {
  readonly text?: string;
  readonly metadata?: JsonObject;
  readonly speaker?: string;
  /** Milliseconds. */
  readonly at?: number;
  readonly kind?: string;
  readonly derivedFrom?: readonly string[];
  readonly visibility?: string;
}

export const encodeBody = (body: MemoryBody): Bytes => encodeUtf8(JSON.stringify(body));

export function decodeBody(bytes: Uint8Array): MemoryBody {
  try {
    return JSON.parse(decodeUtf8(bytes)) as MemoryBody;
  } catch (cause) {
    // The box was authentic, so this is a fault of the writer, not of an attacker.
    throw new StrongroomError('box.damaged', { detail: 'the body of a memory is not JSON', cause });
  }
}

/** The numbers as float32. A plain loop: `Float32Array.from` takes up to twenty times as long on parsed JSON. */
export function toFloat32(numbers: readonly number[]): Float32Array<ArrayBuffer> {
  const vector = new Float32Array(numbers.length);
  for (let index = 0; index < numbers.length; index++) vector[index] = numbers[index] as number;
  return vector;
}

const FLOAT_BYTES = Float32Array.BYTES_PER_ELEMENT;
const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** The vector's own memory where that has the right order of bytes already: for what is sealed at once. */
export function encodeVector(vector: Float32Array): Uint8Array {
  if (isLittleEndian) return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
  const bytes = new Uint8Array(vector.length * FLOAT_BYTES);
  const target = new DataView(bytes.buffer);
  vector.forEach((value, index) => target.setFloat32(index * FLOAT_BYTES, value, true));
  return bytes;
}

export function decodeVector(bytes: Uint8Array): Float32Array<ArrayBuffer> {
  if (bytes.length % FLOAT_BYTES !== 0)
    throw new StrongroomError('box.damaged', 'the vector of a memory has a broken length');
  const vector = new Float32Array(bytes.length / FLOAT_BYTES);
  if (isLittleEndian) {
    new Uint8Array(vector.buffer).set(bytes);
  } else {
    const source = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let index = 0; index < vector.length; index++)
      vector[index] = source.getFloat32(index * FLOAT_BYTES, true);
  }
  return vector;
}
