/** Vectors on their way to the server: base64 (RFC 4648, 4) of float32 numbers, little-endian. */
import type { SentVector } from './types.ts';

/** As embedding libraries and services give them; a text is base64 already. */
export type Vector = readonly number[] | Float32Array | string;

/**
 * The numbers as float32, which is how they are kept, in base64. A list that holds something else stays a list, so that the
 * server's refusal says where.
 */
export function sentVector(vector: Vector): SentVector {
  if (typeof vector === 'string') return vector;
  const bytes = new DataView(new ArrayBuffer(vector.length * Float32Array.BYTES_PER_ELEMENT));
  for (let at = 0; at < vector.length; at++) {
    const number: unknown = vector[at];
    if (typeof number !== 'number' || !Number.isFinite(Math.fround(number))) return Array.from(vector);
    bytes.setFloat32(at * Float32Array.BYTES_PER_ELEMENT, number, true);
  }
  return base64Of(new Uint8Array(bytes.buffer));
}

/** `toBase64` of ECMAScript 2026 where the engine has it. `btoa` would need the bytes as a text, which takes ten times as long as this. */
function base64Of(bytes: Uint8Array & { toBase64?(): string }): string {
  return bytes.toBase64 === undefined ? encode(bytes) : bytes.toBase64();
}

const DIGITS = new TextEncoder().encode('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/');
const PADDING = 0x3d;

function encode(bytes: Uint8Array): string {
  const text = new Uint8Array(Math.ceil(bytes.length / 3) * 4);
  for (let from = 0, to = 0; from < bytes.length; from += 3, to += 4) {
    const [first, second, third] = [bytes[from]!, bytes[from + 1], bytes[from + 2]];
    const bits = (first << 16) | ((second ?? 0) << 8) | (third ?? 0);
    text[to] = DIGITS[bits >> 18]!;
    text[to + 1] = DIGITS[(bits >> 12) & 63]!;
    text[to + 2] = second === undefined ? PADDING : DIGITS[(bits >> 6) & 63]!;
    text[to + 3] = third === undefined ? PADDING : DIGITS[bits & 63]!;
  }
  return new TextDecoder().decode(text);
}
