import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { gcm } from '@noble/ciphers/aes.js';
import { concat, decodeHex, encodeHex, encodeUtf8, type Bytes } from '../bytes/encoding.ts';
import { openBox, openBoxInPlace, openWith, padmeLength, sealBox, sealWith, type Place } from './seal.ts';

const random = (length: number): Bytes => new Uint8Array(randomBytes(length));
const KEY = random(32);
const PLACE: Place = {
  purpose: 'record',
  table: 'memory_versions',
  column: 'body_box',
  organization: 'org_1',
  vault: 'vlt_1',
  id: 'mem_1',
  version: 3,
};
const damaged = { code: 'box.damaged' };

// D. McGrew and J. Viega, "The Galois/Counter Mode of Operation", appendix B, test cases 13 to 16.
const LONG_KEY = 'feffe9928665731c6d6a8f9467308308'.repeat(2);
const LONG_TEXT =
  'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72' +
  '1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255';
const LONG_CIPHERTEXT =
  '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa' +
  '8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad';
const CASES = [
  {
    key: '00'.repeat(32),
    nonce: '00'.repeat(12),
    text: '',
    aad: '',
    out: '',
    tag: '530f8afbc74536b9a963b4f1c4cb738b',
  },
  {
    key: '00'.repeat(32),
    nonce: '00'.repeat(12),
    text: '00'.repeat(16),
    aad: '',
    out: 'cea7403d4d606b6e074ec5d3baf39d18',
    tag: 'd0d1c8a799996bf0265b98b5d48ab919',
  },
  {
    key: LONG_KEY,
    nonce: 'cafebabefacedbaddecaf888',
    text: LONG_TEXT,
    aad: '',
    out: LONG_CIPHERTEXT,
    tag: 'b094dac5d93471bdec1a502270e3cc6c',
  },
  {
    key: LONG_KEY,
    nonce: 'cafebabefacedbaddecaf888',
    text: LONG_TEXT.slice(0, 120),
    aad: 'feedfacedeadbeeffeedfacedeadbeefabaddad2',
    out: LONG_CIPHERTEXT.slice(0, 120),
    tag: '76fc6ece0f4e1768cddf8853bb2d551b',
  },
];

test('a box is AES-256-GCM as published: version, nonce, ciphertext, tag', () => {
  for (const { key, nonce, text, aad, out, tag } of CASES) {
    const box = sealWith(decodeHex(key), decodeHex(aad), decodeHex(text), () => decodeHex(nonce));
    assert.equal(encodeHex(box), `01${nonce}${out}${tag}`);
    assert.equal(encodeHex(openWith(decodeHex(key), decodeHex(aad), box)), text);
  }
});

test('a modified tag opens nothing, whichever way it was modified', () => {
  const { key, nonce, out, tag, aad } = CASES[3]!;
  const original = decodeHex(tag);
  const flipped = [0, 1, 7, 8, 31, 32, 33, 63, 64, 71, 77, 80, 96, 97, 103, 120, 121, 126, 127].map((bit) => {
    const bytes = original.slice();
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    return bytes;
  });
  const others = [
    original.map((byte) => byte ^ 0xff),
    original.map(() => 0),
    original.map(() => 0xff),
    original.map((byte) => byte ^ 0x80),
    original.map((byte) => byte ^ 0x01),
    original.toReversed(),
  ];
  for (const forged of [...flipped, ...others]) {
    const box = concat(decodeHex(`01${nonce}${out}`), forged);
    assert.throws(() => openWith(decodeHex(key), decodeHex(aad), box), damaged);
  }
});

test('a tag of another length opens nothing, even if it is the beginning of the right one', () => {
  const { key, nonce, out, tag, aad } = CASES[3]!;
  for (const length of [0, 4, 8, 12, 13, 14, 15]) {
    const box = decodeHex(`01${nonce}${out}${tag.slice(0, 2 * length)}`);
    assert.throws(() => openWith(decodeHex(key), decodeHex(aad), box), damaged);
  }
});

test('what was sealed opens again, and another implementation reads it', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), (content) => {
      const box = sealBox(KEY, PLACE, content, random);
      assert.deepEqual(openBox(KEY, PLACE, box), new Uint8Array(content));
      const associated = encodeUtf8('[1,"record","memory_versions","body_box","org_1","vlt_1","mem_1",3]');
      const padded = gcm(KEY, box.slice(1, 13), associated).decrypt(box.slice(13));
      assert.equal(padded.length, padmeLength(content.length + 1));
      assert.deepEqual(padded.slice(0, content.length), new Uint8Array(content));
    }),
    { numRuns: 50 },
  );
});

test('a box with any byte changed, cut off or added does not open', () => {
  const box = sealBox(KEY, PLACE, encodeUtf8('what she said'), random);
  assert.equal(openBox(KEY, PLACE, box).length, 13);
  for (let at = 0; at < box.length; at++) {
    for (const mask of [0x01, 0x80, 0xff]) {
      const changed = box.slice();
      changed[at]! ^= mask;
      assert.throws(() => openBox(KEY, PLACE, changed), damaged, `byte ${at}`);
    }
    assert.throws(() => openBox(KEY, PLACE, box.subarray(0, at)), damaged);
    assert.throws(() => openBox(KEY, PLACE, box.subarray(at + 1)), damaged);
  }
  assert.throws(() => openBox(KEY, PLACE, concat(box, Uint8Array.of(0))), damaged);
});

test('a box of any size opens in its own memory as it does in other, and one that does not open leaves nothing there', () => {
  for (const length of [0, 1, 1000, 262_143, 262_144, 700_000]) {
    const content = random(length);
    const box = sealBox(KEY, PLACE, content, random);
    const shared = new Uint8Array(new SharedArrayBuffer(box.length));
    for (const memory of [new Uint8Array(box), shared]) {
      memory.set(box);
      const opened = openBoxInPlace(KEY, PLACE, memory);
      assert.equal(opened.buffer, memory.buffer);
      assert.ok(Buffer.from(opened).equals(content), `${length} bytes`);
    }
    for (const at of [0, 1, 13, box.length >> 1, box.length - 1]) {
      const changed = new Uint8Array(box);
      changed[at]! ^= 1;
      assert.throws(() => openBoxInPlace(KEY, PLACE, changed), damaged, `byte ${at} of ${length}`);
      if (length >= 1000) assert.ok(!Buffer.from(changed).includes(content.subarray(0, 64)));
    }
    assert.throws(() => openBoxInPlace(KEY, { ...PLACE, id: 'mem_2' }, new Uint8Array(box)), damaged);
  }
});

test('a box moved to any other place, or opened with another key, does not open', () => {
  const box = sealBox(KEY, PLACE, encodeUtf8('hers'), random);
  for (const name of ['purpose', 'table', 'column', 'organization', 'vault', 'id'] as const) {
    assert.throws(() => openBox(KEY, { ...PLACE, [name]: `${PLACE[name]}2` }, box), damaged, name);
    assert.throws(() => openBox(KEY, { ...PLACE, [name]: '' }, box), damaged, name);
  }
  assert.throws(() => openBox(KEY, { ...PLACE, version: 4 }, box), damaged);
  assert.throws(() => openBox(random(32), PLACE, box), damaged);
  // Fields do not run into each other.
  const shifted = { ...PLACE, table: 'memory_versions","body_box', column: '' };
  assert.throws(() => openBox(KEY, shifted, box), damaged);
});

test('two boxes of one content share no bytes worth comparing', () => {
  const content = new Uint8Array(64);
  const one = sealBox(KEY, PLACE, content, random);
  const other = sealBox(KEY, PLACE, content, random);
  assert.notDeepEqual(one.slice(1, 13), other.slice(1, 13));
  assert.notDeepEqual(one.slice(13), other.slice(13));
});

test('a key or a nonce of another length is refused', () => {
  assert.throws(() => sealBox(KEY.subarray(1), PLACE, KEY, random), RangeError);
  assert.throws(() => sealBox(KEY, PLACE, KEY, () => new Uint8Array(8)), RangeError);
});

test('padding adds at most 12 %, and boxes have few different lengths', () => {
  for (let length = 1; length < 5000; length++) {
    const padded = padmeLength(length);
    assert.ok(padded >= length && padded <= length * 1.12 + 1, `${length}`);
    assert.ok(padded <= padmeLength(length + 1));
    assert.equal(padmeLength(padded), padded);
  }
  const lengths = new Set(Array.from({ length: 64 * 1024 }, (_, at) => padmeLength(at)));
  assert.ok(lengths.size < 250, `${lengths.size} lengths`);
  assert.equal(padmeLength(33 * 1024 * 1024), 33 * 1024 * 1024);
});

test('nothing of one content is in the padding of the next, whatever their lengths, nor after a sealing that failed', () => {
  const lengths = [60_000, 5, 65_535, 65_536, 300_000, 300, 0, 3072];
  const seal = (length: number): Bytes => sealBox(KEY, PLACE, new Uint8Array(length).fill(0xa5), random);
  const none = (): Bytes => {
    throw new RangeError('no more of it');
  };
  for (const length of lengths) {
    assert.throws(() => sealBox(KEY, PLACE, new Uint8Array(40_000).fill(0xa5), none), RangeError);
    const box = seal(length);
    // Opened without the padding taken off.
    const padded = openWith(KEY, placeBytes(), box);
    assert.ok(padded.subarray(0, length).every((byte) => byte === 0xa5));
    assert.equal(padded[length], 0x80);
    assert.ok(
      padded.subarray(length + 1).every((byte) => byte === 0),
      `${length}`,
    );
  }
});

function placeBytes(): Bytes {
  const { purpose, table, column, organization, vault, id, version } = PLACE;
  return encodeUtf8(JSON.stringify([1, purpose, table, column, organization, vault, id, version]));
}
