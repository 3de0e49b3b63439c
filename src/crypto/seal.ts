/**
 * The sealed box: AES-256-GCM (NIST SP 800-38D), bound to the place it belongs to.
 *
 *     box        = version 1 ‖ nonce 12 ‖ ciphertext ‖ tag 16
 *     plaintext  = content ‖ 80 ‖ 00 …, padded so that its length tells little (Padmé)
 *     associated = [version, purpose, table, column, organization, vault, id, row version] as a JSON array
 *
 * An attacker who can write the store can move, swap, cut or replay boxes; each of these changes the associated data
 * or the tag, and the box does not open. Padmé: Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and
 * Communication with PURBs" (2019), section 4.
 */
import { createCipheriv, createDecipheriv, type DecipherGCM } from 'node:crypto';
import { encodeUtf8, type Bytes } from '../bytes/encoding.ts';
import { giveBack } from '../bytes/give-back.ts';
import type { Random } from '../environment.ts';
import { StrongroomError } from '../errors.ts';

const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEAD_BYTES = 1 + NONCE_BYTES;
const PAD_MARK = 0x80;
export const KEY_BYTES = 32;
const ZEROS = new Uint8Array(65_536);
/** Zeros between two calls of `sealBox`. */
const PADDING_ROOM = new Uint8Array(65_536);
/** What is decrypted at a time in the place of a box: it stays in the processor's cache until it is put there. */
const PIECE_BYTES = 256 * 1024;

export type SealedBox = Bytes & { readonly brand?: 'SealedBox' };

/** Where a box belongs. Empty strings where a field does not apply; never customer text. */
export interface Place {
  readonly purpose: string;
  readonly table: string;
  readonly column: string;
  readonly organization: string;
  readonly vault: string;
  readonly id: string;
  readonly version: number;
}

/** Seals `content` under a 32-byte key for `place`. */
export function sealBox(key: Uint8Array, place: Place, content: Uint8Array, random: Random): SealedBox {
  const padded = pad(content);
  try {
    return sealWith(key, associatedData(place), padded, random);
  } finally {
    padded.fill(0);
  }
}

/** Opens a box at its place; `box.damaged` for anything but the very box that was sealed for it. */
export function openBox(key: Uint8Array, place: Place, box: Uint8Array): Bytes {
  try {
    return unpad(openWith(key, associatedData(place), box));
  } catch (cause) {
    throw damagedAt(place, cause);
  }
}

/**
 * The same in the memory of the box, which is no box any more, whatever comes of it: for boxes of megabytes, because memory
 * that is new costs more than decrypting.
 */
export function openBoxInPlace(key: Uint8Array, place: Place, box: Uint8Array): Uint8Array {
  try {
    return unpad(openWithInPlace(key, associatedData(place), box));
  } catch (cause) {
    throw damagedAt(place, cause);
  }
}

/** The box without padding and with associated data given as bytes: for the keyring's pages. */
export function sealWith(
  key: Uint8Array,
  associated: Uint8Array,
  plaintext: Uint8Array,
  random: Random,
): SealedBox {
  const nonce = random(NONCE_BYTES);
  // GCM takes nonces of any length, and another one would shift the fields of the box.
  if (nonce.length !== NONCE_BYTES) throw new RangeError('the random source gave another length');
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(associated);
  // Every byte of it is written below, so it need not be zeroed before.
  const box = new Uint8Array(Buffer.allocUnsafeSlow(HEAD_BYTES + plaintext.length + TAG_BYTES).buffer);
  box[0] = VERSION;
  box.set(nonce, 1);
  box.set(cipher.update(plaintext), HEAD_BYTES);
  cipher.final();
  box.set(cipher.getAuthTag(), HEAD_BYTES + plaintext.length);
  return box;
}

export function openWith(key: Uint8Array, associated: Uint8Array, box: Uint8Array): Bytes {
  const decipher = decipherFor(key, associated, box);
  const plaintext = decipher.update(box.subarray(HEAD_BYTES, box.length - TAG_BYTES));
  authenticate(decipher, plaintext);
  return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.length);
}

function openWithInPlace(key: Uint8Array, associated: Uint8Array, box: Uint8Array): Uint8Array {
  const decipher = decipherFor(key, associated, box);
  const plaintext = box.subarray(HEAD_BYTES, box.length - TAG_BYTES);
  for (let at = 0; at < plaintext.length; at += PIECE_BYTES) {
    const piece = decipher.update(plaintext.subarray(at, at + PIECE_BYTES));
    // Not `set`, which goes word by word where memory is shared.
    piece.copy(plaintext, at);
    giveBack(piece);
  }
  authenticate(decipher, plaintext);
  return plaintext;
}

function decipherFor(key: Uint8Array, associated: Uint8Array, box: Uint8Array): DecipherGCM {
  if (box.length < HEAD_BYTES + TAG_BYTES) throw new StrongroomError('box.damaged', 'the box is too short');
  if (box[0] !== VERSION) throw new StrongroomError('box.damaged', `unknown box version ${box[0]}`);
  const decipher = createDecipheriv('aes-256-gcm', key, box.subarray(1, HEAD_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(associated);
  decipher.setAuthTag(box.subarray(box.length - TAG_BYTES));
  return decipher;
}

/** Until the tag was found right the plaintext is nobody's; if it is wrong, nothing of it stays. */
function authenticate(decipher: DecipherGCM, plaintext: Uint8Array): void {
  try {
    decipher.final();
  } catch (cause) {
    plaintext.fill(0);
    throw new StrongroomError('box.damaged', { detail: 'the box does not open at this place', cause });
  }
}

/** The padded length (Padmé) for `length` bytes: at most 12 % more, and only O(log log n) bits leak. */
export function padmeLength(length: number): number {
  if (length < 2) return length;
  const exponent = 31 - Math.clz32(length);
  const lastBits = exponent - (32 - Math.clz32(exponent));
  if (lastBits <= 0) return length;
  const mask = 2 ** lastBits - 1;
  return Math.floor((length + mask) / 2 ** lastBits) * 2 ** lastBits;
}

function damagedAt({ table, column, id, version }: Place, cause: unknown): unknown {
  if (!(cause instanceof StrongroomError)) return cause;
  // A place is made of names and ids of ours, so it may be told.
  return new StrongroomError('box.damaged', {
    detail: `${table}.${column} of ${id} version ${version}: ${cause.message}`,
    cause,
  });
}

function associatedData(place: Place): Bytes {
  const { purpose, table, column, organization, vault, id, version } = place;
  return encodeUtf8(JSON.stringify([VERSION, purpose, table, column, organization, vault, id, version]));
}

/** Belongs to the caller until it pads again: most content is small, and memory of its own for each costs more than sealing it. */
function pad(content: Uint8Array): Bytes {
  const length = padmeLength(content.length + 1);
  const padded = length <= PADDING_ROOM.length ? PADDING_ROOM.subarray(0, length) : new Uint8Array(length);
  padded.set(content);
  padded[content.length] = PAD_MARK;
  return padded;
}

function unpad<B extends Uint8Array>(padded: B): B {
  const end = padded.lastIndexOf(PAD_MARK);
  if (end < 0 || !isZero(padded.subarray(end + 1)))
    throw new StrongroomError('box.damaged', 'the padding is broken');
  return padded.subarray(0, end) as B;
}

/** Compared by the engine and not byte by byte: behind a large content there are many. */
function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const part = bytes.subarray(at, at + ZEROS.length);
    if (Buffer.compare(part, ZEROS.subarray(0, part.length)) !== 0) return false;
  }
  return true;
}
