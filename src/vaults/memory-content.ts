/**
 * What a version of a memory holds, as bytes to be sealed.
 *
 *     body    = JSON of `MemoryBody` in UTF-8; who it is about and its conversation are ids in the row, not in here
 *     vector  = float32 numbers, little-endian
 */
import { decodeUtf8, encodeUtf8, type Bytes } from '../bytes/encoding.ts';
import { decodeFloats, parseFloats } from '../bytes/floats.ts';
import type { JsonObject, SentVector } from '@strongroom/client';
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

/** What was sent, as float32. A plain loop: `Float32Array.from` takes up to twenty times as long on parsed JSON. */
export function toFloat32(sent: SentVector): Float32Array<ArrayBuffer> {
  if (typeof sent === 'string') return parseFloats(sent);
  const vector = new Float32Array(sent.length);
  for (let index = 0; index < sent.length; index++) vector[index] = sent[index] as number;
  return vector;
}

export function decodeVector(bytes: Uint8Array): Float32Array<ArrayBuffer> {
  try {
    return decodeFloats(bytes);
  } catch (cause) {
    throw new StrongroomError('box.damaged', { detail: 'the vector of a memory has a broken length', cause });
  }
}
