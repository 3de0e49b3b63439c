/** HKDF (RFC 5869) with SHA-256, whole and in its two steps; with SHA-512 only what Cobblestone needs. */
import { createHmac, hkdfSync } from 'node:crypto';
import { concat, type Bytes } from '../bytes/encoding.ts';

/** The native function takes no longer info; RFC 5869 sets no limit. */
const NODE_INFO_BYTES_MAX = 1024;
const SHA256_BYTES = 32;
const SHA512_BYTES = 64;

/** Extract then expand. `length` in bytes, at most 8,160. */
export const hkdf = (ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length = SHA256_BYTES): Bytes =>
  info.length > NODE_INFO_BYTES_MAX
    ? hkdfExpand(hkdfExtract(salt, ikm), info, length)
    : new Uint8Array(hkdfSync('sha256', ikm, salt, info, length));

/** Step 1: a pseudorandom key of 32 bytes from input of any shape. */
export const hkdfExtract = (salt: Uint8Array, ikm: Uint8Array): Bytes => hmacSha256(salt, ikm);

/** Step 2: `length` bytes (at most 8,160) from a pseudorandom key. */
export const hkdfExpand = (prk: Uint8Array, info: Uint8Array, length = SHA256_BYTES): Bytes =>
  expand((message) => hmacSha256(prk, message), SHA256_BYTES, info, length);

/** Step 2 with SHA-512: `length` bytes, at most 16,320. */
export const hkdfExpandSha512 = (prk: Uint8Array, info: Uint8Array, length: number): Bytes =>
  expand((message) => hmac('sha512', prk, message), SHA512_BYTES, info, length);

export const hmacSha256 = (key: Uint8Array, message: Uint8Array): Bytes => hmac('sha256', key, message);

function expand(prf: (message: Bytes) => Bytes, blockBytes: number, info: Uint8Array, length: number): Bytes {
  if (length > 255 * blockBytes) throw new RangeError(`HKDF cannot give ${length} bytes`);
  let block: Bytes = new Uint8Array(0);
  const blocks: Bytes[] = [];
  for (let counter = 1; blocks.length * blockBytes < length; counter++) {
    block = prf(concat(block, info, Uint8Array.of(counter)));
    blocks.push(block);
  }
  return concat(...blocks).slice(0, length);
}

const hmac = (hash: 'sha256' | 'sha512', key: Uint8Array, message: Uint8Array): Bytes =>
  new Uint8Array(createHmac(hash, key).update(message).digest());
