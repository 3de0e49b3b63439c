/**
 * Ed25519 signatures (RFC 8032) with keys as raw 32 bytes.
 *
 * Signing is deterministic: one seed and one message give one signature. Verification is stricter than RFC 8032 asks:
 * besides a non-canonical S (which OpenSSL refuses) it refuses points A and R that are of small order or not in their
 * one encoding. Under such a key one signature fits many messages, so a signature would not say who signed what.
 */
import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { concat, decodeHex, encodeHex, type Bytes } from '../bytes/encoding.ts';

export const SEED_BYTES = 32;
export const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;

// The fixed heads of a PKCS #8 private key and of a SubjectPublicKeyInfo that hold Ed25519 keys (RFC 8410).
const PRIVATE_HEAD = decodeHex('302e020100300506032b657004220420');
const PUBLIC_HEAD = decodeHex('302a300506032b6570032100');

/** The fourteen encodings of the eight points of small order, those that are not canonical included. */
const SMALL_ORDER: ReadonlySet<string> = new Set(
  (
    [
      ['00'.repeat(31), '00', '80'],
      [`01${'00'.repeat(30)}`, '00', '80'],
      [`ec${'ff'.repeat(30)}`, '7f', 'ff'],
      [`ed${'ff'.repeat(30)}`, '7f', 'ff'],
      [`ee${'ff'.repeat(30)}`, '7f', 'ff'],
      ['26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc', '05', '85'],
      ['c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03', '7a', 'fa'],
    ] as const
  ).flatMap(([head, ...lasts]) => lasts.map((last) => head + last)),
);

/** A private key; it neither prints nor serialises. */
export class SigningKey {
  readonly #key: KeyObject;
  readonly publicKey: Bytes;

  constructor(seed: Uint8Array) {
    if (seed.length !== SEED_BYTES)
      throw new RangeError(`an Ed25519 seed has ${SEED_BYTES} bytes, not ${seed.length}`);
    const der = concat(PRIVATE_HEAD, seed);
    this.#key = createPrivateKey({ key: Buffer.from(der.buffer), format: 'der', type: 'pkcs8' });
    der.fill(0);
    const spki = createPublicKey(this.#key).export({ format: 'der', type: 'spki' });
    this.publicKey = new Uint8Array(spki.subarray(PUBLIC_HEAD.length));
  }

  sign(message: Uint8Array): Bytes {
    return new Uint8Array(sign(null, message, this.#key));
  }
}

/** Whether `signature` is the key's signature of `message`; false for whatever is not well-formed. */
export function verifySignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== PUBLIC_KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false;
  if (!isSoundPoint(publicKey) || !isSoundPoint(signature.subarray(0, 32))) return false;
  const spki = Buffer.from(concat(PUBLIC_HEAD, publicKey).buffer);
  return verify(null, message, createPublicKey({ key: spki, format: 'der', type: 'spki' }), signature);
}

/** In its one encoding (y below the field's prime 2^255 - 19) and not of small order. */
function isSoundPoint(point: Uint8Array): boolean {
  const isReduced =
    point[0]! < 0xed || (point[31]! & 0x7f) !== 0x7f || point.subarray(1, 31).some((byte) => byte !== 0xff);
  return isReduced && !SMALL_ORDER.has(encodeHex(point));
}
