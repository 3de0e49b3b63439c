/**
 * Text forms of bytes, and integers as bytes (always big-endian).
 *
 * `decodeX` throws a RangeError on anything but the one canonical form: no white space, no upper case where lower
 * is written, no stray bits, so that two texts never mean the same bytes.
 */

export type Bytes = Uint8Array<ArrayBuffer>;

export const encodeHex = (bytes: Uint8Array): string => view(bytes).toString('hex');

export function decodeHex(text: string): Bytes {
  const bytes = new Uint8Array(Buffer.from(text, 'hex'));
  // The decoder stops at, or passes over, what it does not know; the encoder writes the one form.
  if (encodeHex(bytes) !== text) throw new RangeError('not lower-case hexadecimal');
  return bytes;
}

export const encodeBase64 = (bytes: Uint8Array): string => view(bytes).toString('base64');

export function decodeBase64(text: string): Bytes {
  let bytes: Bytes | undefined;
  try {
    // Refuses stray bits and missing padding, and passes over white space, which makes the text longer than its form.
    bytes = Uint8Array.fromBase64(text, { lastChunkHandling: 'strict' });
  } catch {
    // Said below.
  }
  if (bytes === undefined || text.length !== 4 * Math.ceil(bytes.length / 3))
    throw new RangeError('not canonical base64');
  return bytes;
}

export const encodeBase64Url = (bytes: Uint8Array): string => view(bytes).toString('base64url');

export function decodeBase64Url(text: string): Bytes {
  const bytes = new Uint8Array(Buffer.from(text, 'base64url'));
  if (encodeBase64Url(bytes) !== text) throw new RangeError('not canonical base64url');
  return bytes;
}

export const encodeUtf8 = (text: string): Bytes => new Uint8Array(Buffer.from(text, 'utf8'));

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Throws a RangeError on bytes that are not UTF-8, instead of replacing them. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new RangeError('not UTF-8', { cause });
  }
}

export function u16(value: number): Bytes {
  const bytes = new Uint8Array(2);
  view(bytes).writeUInt16BE(value);
  return bytes;
}

export function u32(value: number): Bytes {
  const bytes = new Uint8Array(4);
  view(bytes).writeUInt32BE(value);
  return bytes;
}

/** A safe integer in eight bytes. */
export function u64(value: number): Bytes {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`not an unsigned safe integer: ${value}`);
  const bytes = new Uint8Array(8);
  view(bytes).writeBigUInt64BE(BigInt(value));
  return bytes;
}

export function concat(...parts: readonly Uint8Array[]): Bytes {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** Each part behind its length (u32), so that no two lists of parts give the same bytes. */
export const lengthPrefixed = (...parts: readonly Uint8Array[]): Bytes =>
  concat(...parts.flatMap((part) => [u32(part.length), part]));

/** The same bytes as a Buffer, without a copy. */
export const view = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
