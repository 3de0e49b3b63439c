/** Writes DER (ITU-T X.690): what an X.509 certificate needs of it, and no reader. */
import { concat, type Bytes } from '../bytes/encoding.ts';

const encoder = new TextEncoder();

/** Tag, length in the fewest bytes, content. */
export function element(tag: number, ...content: readonly Uint8Array[]): Bytes {
  const body = concat(...content);
  return concat(Uint8Array.of(tag), lengthOf(body.length), body);
}

export const sequence = (...items: readonly Uint8Array[]): Bytes => element(0x30, ...items);
/** A set of one: of more, DER would ask for an order. */
export const setOf = (item: Uint8Array): Bytes => element(0x31, item);
export const octets = (bytes: Uint8Array): Bytes => element(0x04, bytes);
export const utf8 = (text: string): Bytes => element(0x0c, encoder.encode(text));
export const truth = (): Bytes => element(0x01, Uint8Array.of(0xff));

/** `tag` is context-specific: `explicit` wraps an element, `implicit` takes the place of its tag. */
export const explicit = (tag: number, content: Uint8Array): Bytes => element(0xa0 | tag, content);
export const implicit = (tag: number, content: Uint8Array): Bytes => element(0x80 | tag, content);

/** A non-negative integer, big-endian, without needless zeros and never read as negative. */
export function integer(bytes: Uint8Array): Bytes {
  let from = 0;
  while (from < bytes.length - 1 && bytes[from] === 0) from++;
  const digits = bytes.subarray(from);
  return element(0x02, Uint8Array.of(...((digits[0] ?? 0) >= 0x80 ? [0] : [])), digits);
}

export const bits = (bytes: Uint8Array, unusedBits = 0): Bytes =>
  element(0x03, Uint8Array.of(unusedBits), bytes);

/** `2.5.29.17`: the first two arcs share a byte, the others are base 128. */
export function objectId(dotted: string): Bytes {
  const [first = 0, second = 0, ...arcs] = dotted.split('.').map(Number);
  return element(0x06, Uint8Array.from([first * 40 + second, ...arcs.flatMap(base128)]));
}

/** UTCTime until 2049, GeneralizedTime after, as RFC 5280 (4.1.2.5) wants it. */
export function moment(ms: number): Bytes {
  const digits = new Date(ms)
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replaceAll(/[-:T]/g, '');
  const isShort = Number(digits.slice(0, 4)) < 2050;
  return element(isShort ? 0x17 : 0x18, encoder.encode(isShort ? digits.slice(2) : digits));
}

function lengthOf(length: number): Bytes {
  if (length < 0x80) return Uint8Array.of(length);
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return Uint8Array.of(0x80 | bytes.length, ...bytes);
}

function base128(arc: number): number[] {
  const bytes = [arc & 0x7f];
  for (let rest = arc >> 7; rest > 0; rest >>= 7) bytes.unshift((rest & 0x7f) | 0x80);
  return bytes;
}
