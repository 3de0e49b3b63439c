import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { hkdf as nobleHkdf, expand } from '@noble/hashes/hkdf.js';
import { sha256 as nobleSha256, sha512 as nobleSha512 } from '@noble/hashes/sha2.js';
import { decodeHex, encodeHex, type Bytes } from '../bytes/encoding.ts';
import { hkdf, hkdfExpand, hkdfExpandSha512, hkdfExtract } from './hkdf.ts';

const range = (from: number, to: number): Bytes =>
  Uint8Array.from({ length: to - from + 1 }, (_, at) => from + at);

// RFC 5869, appendix A.1 to A.3.
const CASES = [
  {
    ikm: decodeHex('0b'.repeat(22)),
    salt: range(0x00, 0x0c),
    info: range(0xf0, 0xf9),
    prk: '077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5',
    okm: '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
  },
  {
    ikm: range(0x00, 0x4f),
    salt: range(0x60, 0xaf),
    info: range(0xb0, 0xff),
    prk: '06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244',
    okm:
      'b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09' +
      'da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87',
  },
  {
    ikm: decodeHex('0b'.repeat(22)),
    salt: new Uint8Array(0),
    info: new Uint8Array(0),
    prk: '19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04',
    okm: '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
  },
];

test('HKDF gives the bytes of RFC 5869, whole and in its two steps', () => {
  for (const { ikm, salt, info, prk, okm } of CASES) {
    assert.equal(encodeHex(hkdfExtract(salt, ikm)), prk);
    assert.equal(encodeHex(hkdfExpand(decodeHex(prk), info, okm.length / 2)), okm);
    assert.equal(encodeHex(hkdf(ikm, salt, info, okm.length / 2)), okm);
  }
});

test('HKDF agrees with another implementation for any input', () => {
  const bytes = fc.uint8Array({ maxLength: 100 });
  fc.assert(
    fc.property(bytes, bytes, bytes, fc.integer({ min: 1, max: 300 }), (ikm, salt, info, length) => {
      assert.deepEqual(hkdf(ikm, salt, info, length), nobleHkdf(nobleSha256, ikm, salt, info, length));
      const prk = new Uint8Array(64).fill(7);
      assert.deepEqual(hkdfExpandSha512(prk, info, length), expand(nobleSha512, prk, info, length));
    }),
    { numRuns: 50 },
  );
});

test('HKDF refuses to give more than 255 blocks', () => {
  const key = new Uint8Array(32);
  assert.equal(hkdfExpand(key, key, 255 * 32).length, 255 * 32);
  assert.throws(() => hkdfExpand(key, key, 255 * 32 + 1), RangeError);
  assert.throws(() => hkdfExpandSha512(key, key, 255 * 64 + 1), RangeError);
  assert.throws(() => hkdf(key, key, key, 255 * 32 + 1), RangeError);
});

test('info of any length gives what the two steps give', () => {
  const [ikm, salt] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  for (const length of [0, 1023, 1024, 1025, 5000]) {
    const info = new Uint8Array(length).fill(3);
    assert.deepEqual(hkdf(ikm, salt, info), hkdfExpand(hkdfExtract(salt, ikm), info));
  }
});
