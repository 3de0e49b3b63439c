import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  concat,
  decodeBase64,
  decodeBase64Url,
  decodeHex,
  decodeUtf8,
  encodeBase64,
  encodeBase64Url,
  encodeHex,
  encodeUtf8,
  lengthPrefixed,
  u16,
  u32,
  u64,
  view,
} from './encoding.ts';

const FORMS = [
  { name: 'hex', encode: encodeHex, decode: decodeHex },
  { name: 'base64', encode: encodeBase64, decode: decodeBase64 },
  { name: 'base64url', encode: encodeBase64Url, decode: decodeBase64Url },
] as const;

test('bytes come back from each text form', () => {
  for (const { encode, decode } of FORMS) {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        assert.deepEqual(decode(encode(bytes)), new Uint8Array(bytes));
      }),
    );
  }
});

test('no two texts mean the same bytes: whatever decodes is what would be written', () => {
  for (const { name, encode, decode } of FORMS) {
    const alphabet = fc.constantFrom(...'0123456789abcdefABCDEF+/-_= \n\tgzé'.split(''));
    fc.assert(
      fc.property(fc.array(alphabet, { maxLength: 8 }), (characters) => {
        const text = characters.join('');
        try {
          assert.equal(encode(decode(text)), text, name);
        } catch (error) {
          assert.ok(error instanceof RangeError, String(error));
        }
      }),
      { numRuns: 1000 },
    );
  }
});

test('second spellings of the same bytes are refused', () => {
  for (const text of ['0', 'AB', '0g', ' 00', '00 ', '0x00', '00\n'])
    assert.throws(() => decodeHex(text), RangeError, text);
  for (const text of [
    'A',
    'AA',
    'AAA',
    'AB==',
    'AAB=',
    'AA==\n',
    'AA=',
    'A-_=',
    'AAAA====',
    '=',
    'AA==AA==',
  ]) {
    assert.throws(() => decodeBase64(text), RangeError, text);
  }
  for (const text of ['A', 'AB', 'AA==', 'A+/A', 'AAAA\n'])
    assert.throws(() => decodeBase64Url(text), RangeError, text);
  assert.deepEqual(decodeBase64('AA=='), new Uint8Array(1));
  assert.deepEqual(decodeBase64Url('AA'), new Uint8Array(1));
});

test('texts of forty megabytes decode like short ones', () => {
  assert.equal(decodeBase64('AAAA'.repeat(10_000_000)).length, 30_000_000);
});

test('text comes back from UTF-8, byte order mark and all, and other bytes are refused', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      assert.equal(decodeUtf8(encodeUtf8(text)), text);
    }),
  );
  assert.equal(decodeUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x41)), '\ufeffA');
  for (const bytes of [[0x80], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]]) {
    assert.throws(() => decodeUtf8(Uint8Array.from(bytes)), RangeError);
  }
});

test('integers are big-endian, and out of range they are refused', () => {
  assert.equal(encodeHex(u16(0x1234)), '1234');
  assert.equal(encodeHex(u32(0x12345678)), '12345678');
  assert.equal(encodeHex(u64(2 ** 53 - 1)), '001fffffffffffff');
  for (const value of [-1, 65536]) assert.throws(() => u16(value), RangeError);
  for (const value of [-1, 2 ** 32]) assert.throws(() => u32(value), RangeError);
  for (const value of [-1, 2 ** 53, 0.5, Number.NaN]) assert.throws(() => u64(value), RangeError);
});

test('different lists of parts have different bytes behind their lengths', () => {
  const parts = fc.array(fc.uint8Array({ maxLength: 3 }), { maxLength: 4 });
  fc.assert(
    fc.property(parts, parts, (one, other) => {
      const isSame =
        one.length === other.length && one.every((part, at) => encodeHex(part) === encodeHex(other[at]!));
      assert.equal(encodeHex(lengthPrefixed(...one)) === encodeHex(lengthPrefixed(...other)), isSame);
      assert.equal(encodeHex(concat(...one)), one.map(encodeHex).join(''));
    }),
    { numRuns: 300 },
  );
});

test('a view shows the same bytes, also of a part of a buffer', () => {
  const bytes = Uint8Array.of(1, 2, 3, 4).subarray(1, 3);
  assert.deepEqual([...view(bytes)], [2, 3]);
  view(bytes)[0] = 9;
  assert.equal(bytes[0], 9);
});
