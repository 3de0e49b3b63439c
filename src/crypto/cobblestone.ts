/**
 * Files of any size, encrypted in chunks: Cobblestone-256 of c2sp.org/chunked-encryption v1 (AES-256-GCM, SHA-512).
 *
 *     file  = salt 24 ‖ commitment 32 ‖ chunk 0 ‖ chunk 1 …
 *     chunk = AES-256-GCM(key, base nonce xor number, no associated data, 16,384 bytes of plaintext) ‖ tag 16
 *     key 32 ‖ base nonce 12 ‖ commitment 32 =
 *       HKDF-Expand-SHA-512(input key, "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM" ‖ 00 ‖ salt ‖ context)
 *
 * Every chunk is full but the last, which is shorter and perhaps empty: that is how the end is known, so a file cut
 * at any byte, lengthened, or with chunks moved does not open. The commitment ties a file to one key and context. Only
 * authenticated plaintext leaves, in order; a reader that stops early has a prefix and no promise that there is no more.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { concat, encodeUtf8, type Bytes } from '../bytes/encoding.ts';
import { giveBack } from '../bytes/give-back.ts';
import { isEqual } from '../bytes/equal.ts';
import type { Random } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { hkdfExpandSha512 } from './hkdf.ts';

export const CHUNK_BYTES = 16 * 1024;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
export const SALT_BYTES = 24;
const COMMITMENT_BYTES = 32;
const TAG_BYTES = 16;
const HEAD_BYTES = SALT_BYTES + COMMITMENT_BYTES;
const BOXED_BYTES = CHUNK_BYTES + TAG_BYTES;
const CHUNKS_MAX = 2 ** 38;
const LABEL = encodeUtf8('c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0');

/** The input key (32 uniformly random bytes) and what the file is bound to beside it; never customer text. */
export interface CobblestoneKey {
  readonly key: Uint8Array;
  readonly context: Uint8Array;
}

export type ByteSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** Ciphertext at hand by offset: a file, or an object in a bucket. `read` answers exactly `length` bytes. */
export interface ByteRanges {
  readonly size: number;
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** Encrypts pieces of any size; holds one chunk in memory. */
export async function* encryptStream(
  to: CobblestoneKey,
  source: ByteSource,
  random: Random,
): AsyncGenerator<Bytes> {
  const salt = random(SALT_BYTES);
  if (salt.length !== SALT_BYTES) throw new RangeError('the random source gave another length');
  const keys = deriveKeys(to, salt);
  yield concat(salt, keys.commitment);
  const buffer = new PieceBuffer();
  let number = 0;
  for await (const piece of source) {
    buffer.push(piece);
    while (buffer.length >= CHUNK_BYTES) yield sealChunk(keys, number++, buffer.take(CHUNK_BYTES));
  }
  yield sealChunk(keys, number, buffer.take(buffer.length));
}

/** So many bytes must lie in the memory before a plaintext of that length for it to become a file in its own place. */
export const roomBefore = (length: number): number => HEAD_BYTES + chunksOf(length) * TAG_BYTES;

/**
 * The same for plaintext that is in memory as a whole, with room before it: the file begins where the memory does, and no
 * chunk is written over before it was read. What was plaintext is gone then, but for remains behind the file's end.
 */
export function encryptInPlace(to: CobblestoneKey, plaintext: Bytes, random: Random): Bytes {
  const salt = random(SALT_BYTES);
  if (salt.length !== SALT_BYTES) throw new RangeError('the random source gave another length');
  const { length } = plaintext;
  if (plaintext.byteOffset < roomBefore(length))
    throw new RangeError('there is no room before the plaintext');
  const keys = deriveKeys(to, salt);
  const chunks = chunksOf(length);
  const out = new Uint8Array(plaintext.buffer, 0, HEAD_BYTES + length + chunks * TAG_BYTES);
  out.set(salt);
  out.set(keys.commitment, SALT_BYTES);
  for (let number = 0, at = HEAD_BYTES; number < chunks; number++) {
    const chunk = plaintext.subarray(number * CHUNK_BYTES, (number + 1) * CHUNK_BYTES);
    const cipher = cipherOf(keys, number);
    const sealed = cipher.update(chunk);
    out.set(sealed, at);
    giveBack(sealed);
    cipher.final();
    out.set(cipher.getAuthTag(), at + chunk.length);
    at += chunk.length + TAG_BYTES;
  }
  return out;
}

const chunksOf = (length: number): number => Math.floor(length / CHUNK_BYTES) + 1;

/** The plaintext of a whole file; throws `box.damaged` before any of it leaves. */
export const decryptWhole = (from: CobblestoneKey, file: Uint8Array): Bytes =>
  decryptInPlace(from, new Uint8Array(file));

/** The same, the plaintext in the place of the file, whatever comes of it. */
export function decryptInPlace(from: CobblestoneKey, file: Bytes): Bytes {
  if (file.length < HEAD_BYTES + TAG_BYTES) throw damaged('the file has been cut');
  const keys = openHead(from, file.subarray(0, HEAD_BYTES));
  const chunks = Math.floor((file.length - HEAD_BYTES) / BOXED_BYTES) + 1;
  const length = file.length - HEAD_BYTES - chunks * TAG_BYTES;
  if (length < 0) throw damaged('the file has been cut');
  for (let number = 0; number < chunks; number++) {
    const at = HEAD_BYTES + number * BOXED_BYTES;
    const chunk = openChunk(keys, number, file.subarray(at, at + BOXED_BYTES));
    file.set(chunk, number * CHUNK_BYTES);
    giveBack(chunk);
  }
  return file.subarray(0, length);
}

/**
 * Decrypts pieces of any size, one authenticated chunk after the other. Throws `box.damaged` at the first byte that is
 * not as it was written, at an early or a late end, and for another key or context before any plaintext; having
 * thrown, it throws again whenever it is asked.
 */
export function decryptStream(from: CobblestoneKey, source: ByteSource): AsyncIterableIterator<Bytes> {
  const chunks = decryptChunks(from, source);
  let failed: unknown;
  const next = async (): Promise<IteratorResult<Bytes, undefined>> => {
    if (failed !== undefined) throw failed;
    try {
      return await chunks.next();
    } catch (cause) {
      failed = cause;
      throw cause;
    }
  };
  const stop = async (): Promise<IteratorResult<Bytes, undefined>> => {
    await chunks.return(undefined);
    return { done: true, value: undefined };
  };
  return {
    next,
    return: stop,
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

async function* decryptChunks(from: CobblestoneKey, source: ByteSource): AsyncGenerator<Bytes, undefined> {
  const buffer = new PieceBuffer();
  let keys: ChunkKeys | null = null;
  let number = 0;
  for await (const piece of source) {
    buffer.push(piece);
    if (keys === null && buffer.length < HEAD_BYTES) continue;
    keys ??= openHead(from, buffer.take(HEAD_BYTES));
    while (buffer.length >= BOXED_BYTES) yield openChunk(keys, number++, buffer.take(BOXED_BYTES));
  }
  if (keys === null) throw damaged('the file ends within its head');
  yield openChunk(keys, number, buffer.take(buffer.length));
}

/** Opens ciphertext for reading anywhere. The last chunk is opened at once, so that `size` is authentic. */
export async function openCobblestone(from: CobblestoneKey, source: ByteRanges): Promise<CobblestoneFile> {
  if (source.size < HEAD_BYTES) throw damaged('the file ends within its head');
  const keys = openHead(from, await readExactly(source, 0, HEAD_BYTES));
  const last = Math.floor((source.size - HEAD_BYTES) / BOXED_BYTES);
  const offset = HEAD_BYTES + last * BOXED_BYTES;
  const tail = openChunk(keys, last, await readExactly(source, offset, source.size - offset));
  return new CobblestoneFile(keys, source, last * CHUNK_BYTES + tail.length);
}

export class CobblestoneFile {
  readonly #keys: ChunkKeys;
  readonly #source: ByteRanges;
  /** Bytes of plaintext. */
  readonly size: number;

  /** Use `openCobblestone`, which has authenticated head and size. */
  constructor(keys: ChunkKeys, source: ByteRanges, size: number) {
    this.#keys = keys;
    this.#source = source;
    this.size = size;
  }

  /** The plaintext from `start` up to, not including, `end`; a RangeError outside of the file. */
  async read(start: number, end: number): Promise<Bytes> {
    const isRange = Number.isSafeInteger(start) && Number.isSafeInteger(end) && 0 <= start && start <= end;
    if (!isRange || end > this.size)
      throw new RangeError(`no bytes ${start} to ${end} in a file of ${this.size}`);
    if (start === end) return new Uint8Array(0);
    const first = Math.floor(start / CHUNK_BYTES);
    const last = Math.floor((end - 1) / CHUNK_BYTES);
    const offset = HEAD_BYTES + first * BOXED_BYTES;
    const length = Math.min(this.#source.size, HEAD_BYTES + (last + 1) * BOXED_BYTES) - offset;
    const boxed = await readExactly(this.#source, offset, length);
    const chunks: Bytes[] = [];
    for (let number = first; number <= last; number++) {
      const at = (number - first) * BOXED_BYTES;
      chunks.push(openChunk(this.#keys, number, boxed.subarray(at, at + BOXED_BYTES)));
    }
    return concat(...chunks).slice(start - first * CHUNK_BYTES, end - first * CHUNK_BYTES);
  }
}

interface ChunkKeys {
  readonly key: Bytes;
  readonly baseNonce: Bytes;
  readonly commitment: Bytes;
}

function deriveKeys({ key, context }: CobblestoneKey, salt: Uint8Array): ChunkKeys {
  if (key.length !== KEY_BYTES) throw new RangeError(`the key has ${key.length} bytes, not ${KEY_BYTES}`);
  const bytes = hkdfExpandSha512(
    key,
    concat(LABEL, salt, context),
    KEY_BYTES + NONCE_BYTES + COMMITMENT_BYTES,
  );
  return {
    key: bytes.slice(0, KEY_BYTES),
    baseNonce: bytes.slice(KEY_BYTES, KEY_BYTES + NONCE_BYTES),
    commitment: bytes.slice(KEY_BYTES + NONCE_BYTES),
  };
}

function openHead(from: CobblestoneKey, head: Uint8Array): ChunkKeys {
  const keys = deriveKeys(from, head.subarray(0, SALT_BYTES));
  if (!isEqual(keys.commitment, head.subarray(SALT_BYTES)))
    throw damaged('the file is for another key or context');
  return keys;
}

function sealChunk(keys: ChunkKeys, number: number, plaintext: Uint8Array): Bytes {
  const cipher = cipherOf(keys, number);
  const ciphertext = cipher.update(plaintext);
  cipher.final();
  return concat(ciphertext, cipher.getAuthTag());
}

const cipherOf = ({ key, baseNonce }: ChunkKeys, number: number) =>
  createCipheriv('aes-256-gcm', key, chunkNonce(baseNonce, number), { authTagLength: TAG_BYTES });

/** Opens one chunk; a full one may only be followed by others, so whoever calls with the rest of a file gets a short one. */
function openChunk(keys: ChunkKeys, number: number, boxed: Uint8Array): Bytes {
  if (boxed.length < TAG_BYTES) throw damaged('the file has been cut');
  const end = boxed.length - TAG_BYTES;
  const nonce = chunkNonce(keys.baseNonce, number);
  const decipher = createDecipheriv('aes-256-gcm', keys.key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAuthTag(boxed.subarray(end));
  const plaintext = decipher.update(boxed.subarray(0, end));
  try {
    decipher.final();
  } catch (cause) {
    plaintext.fill(0);
    throw damaged(`chunk ${number} does not open`, cause);
  }
  return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.length);
}

/** The number, big-endian, into the last five bytes: 38 bits do not fit a bitwise operation. */
function chunkNonce(baseNonce: Bytes, number: number): Bytes {
  if (number >= CHUNKS_MAX) throw new RangeError('the file has too many chunks');
  const nonce = baseNonce.slice();
  const low = NONCE_BYTES - 1;
  for (let place = 0, rest = number; place < 5; place++, rest = Math.floor(rest / 256))
    nonce[low - place]! ^= rest % 256;
  return nonce;
}

/** Pieces laid end to end, taken off the front. */
class PieceBuffer {
  #pieces: Uint8Array[] = [];
  length = 0;

  push(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.length += piece.length;
  }

  /** The first `count` bytes, which must be there. */
  take(count: number): Bytes {
    const out = new Uint8Array(count);
    let filled = 0;
    let used = 0;
    while (filled < count) {
      const piece = this.#pieces[used]!;
      const part = piece.subarray(0, count - filled);
      out.set(part, filled);
      filled += part.length;
      if (part.length < piece.length) this.#pieces[used] = piece.subarray(part.length);
      else used++;
    }
    this.#pieces.splice(0, used);
    this.length -= count;
    return out;
  }
}

async function readExactly(source: ByteRanges, offset: number, length: number): Promise<Uint8Array> {
  const bytes = await source.read(offset, length);
  if (bytes.length !== length) throw damaged('the file is shorter than it said');
  return bytes;
}

const damaged = (detail: string, cause?: unknown): StrongroomError =>
  new StrongroomError('box.damaged', cause === undefined ? { detail } : { detail, cause });
