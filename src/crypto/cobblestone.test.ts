import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { gcm } from '@noble/ciphers/aes.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { concat, decodeHex, encodeHex, encodeUtf8, type Bytes } from '../bytes/encoding.ts';
import {
  CHUNK_BYTES,
  decryptInPlace,
  decryptStream,
  decryptWhole,
  encryptInPlace,
  encryptStream,
  openCobblestone,
  roomBefore,
  type ByteRanges,
  type ByteSource,
  type CobblestoneKey,
} from './cobblestone.ts';

const KEY = encodeUtf8('YELLOW SUBMARINE YELLOW SUBMARIN');
const NO_CONTEXT = new Uint8Array(0);
const PLAIN: CobblestoneKey = { key: KEY, context: NO_CONTEXT };
const SALT = new Uint8Array(24).fill(9);
const BOXED_BYTES = CHUNK_BYTES + 16;
const HEAD_BYTES = 56;
const damaged = { code: 'box.damaged' };

test('files of the published vectors decrypt, and are what we encrypt', async () => {
  // Numbers of Project Wycheproof (Cobblestone-256, cases 1, 2, 9 and 10); the text of the latter three is one.
  const text = await decrypted(PLAIN, decodeHex(SHORT));
  assert.equal(
    createHash('sha512').update(text).digest('hex').slice(0, 32),
    'e85f32a85f1d4f7c9b2d36d20eca8435',
  );
  const cases = [
    { context: '', file: EMPTY, content: NO_CONTEXT },
    { context: '', file: SHORT, content: text },
    { context: 'test context', file: WITH_CONTEXT, content: text },
    { context: 'test\0context', file: WITH_NUL, content: text },
  ];
  for (const { context, file, content } of cases) {
    const key = { key: KEY, context: encodeUtf8(context) };
    assert.deepEqual(await decrypted(key, decodeHex(file)), content);
    assert.equal(encodeHex(await encrypted(key, content, decodeHex(file.slice(0, 48)))), file);
  }
});

test('files that were changed, cut or made for another key or context are refused as published', async () => {
  // Cases 11, 16, 17, 20, 21, 25 and 26 of the same.
  for (const file of BROKEN) {
    await assert.rejects(decrypted(PLAIN, decodeHex(file)), damaged);
    await assert.rejects(opened(PLAIN, decodeHex(file)), damaged);
  }
  await assert.rejects(
    decrypted({ key: KEY, context: encodeUtf8('wrong context') }, decodeHex(OTHER_CONTEXT)),
    damaged,
  );
  const orange = { key: encodeUtf8('ORANGE SUBMARINE ORANGE SUBMARIN'), context: NO_CONTEXT };
  await assert.rejects(decrypted(orange, decodeHex(SHORT)), damaged);
  for (const length of [0, 16, 31, 33]) {
    const key = { key: new Uint8Array(length), context: NO_CONTEXT };
    await assert.rejects(decrypted(key, decodeHex(SHORT)), RangeError);
    await assert.rejects(encrypted(key, NO_CONTEXT), RangeError);
  }
});

test('a file of any size comes back, in whatever pieces it travels, and is what the formula says', async () => {
  const sizes = fc.oneof(
    fc.integer({ min: 0, max: 3 * CHUNK_BYTES + 2 }),
    fc.constantFrom(0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES),
  );
  await fc.assert(
    fc.asyncProperty(sizes, fc.integer({ min: 1, max: 40_000 }), async (size, piece) => {
      const content = pattern(size);
      const file = concat(...(await all(encryptStream(PLAIN, pieces(content, piece), () => SALT))));
      assert.deepEqual(file, byFormula(PLAIN, SALT, content));
      assert.equal(file.length, HEAD_BYTES + size + 16 * (Math.floor(size / CHUNK_BYTES) + 1));
      assert.deepEqual(concat(...(await all(decryptStream(PLAIN, pieces(file, piece))))), content);
      assert.equal((await opened(PLAIN, file)).size, size);
    }),
    { numRuns: 25 },
  );
});

test('the chunk number reaches beyond one byte', async () => {
  const content = pattern(257 * CHUNK_BYTES + 1);
  const file = await encrypted(PLAIN, content);
  assert.deepEqual(await decrypted(PLAIN, file), content);
  const keys = formulaKeys(PLAIN, SALT);
  const boxed = file.slice(HEAD_BYTES + 256 * BOXED_BYTES, HEAD_BYTES + 257 * BOXED_BYTES);
  const nonce = keys.baseNonce.slice();
  nonce[10]! ^= 1;
  const chunk = gcm(keys.key, nonce).decrypt(boxed);
  assert.deepEqual(chunk, content.slice(256 * CHUNK_BYTES, 257 * CHUNK_BYTES));
});

test('any part can be read on its own', async () => {
  const content = pattern(3 * CHUNK_BYTES + 100);
  const file = await opened(PLAIN, await encrypted(PLAIN, content));
  const at = fc.integer({ min: 0, max: content.length });
  await fc.assert(
    fc.asyncProperty(at, at, async (one, other) => {
      const [start, end] = one < other ? [one, other] : [other, one];
      assert.deepEqual(await file.read(start, end), content.slice(start, end));
    }),
    { numRuns: 40 },
  );
  for (const [start, end] of [
    [-1, 2],
    [2, 1],
    [0, content.length + 1],
    [0.5, 1],
    [0, Number.NaN],
  ] as const) {
    await assert.rejects(file.read(start, end), RangeError);
  }
});

test('a file with any byte changed does not decrypt, and nothing of a changed chunk comes out', async () => {
  const content = pattern(200);
  const file = await encrypted(PLAIN, content);
  for (let at = 0; at < file.length; at++) {
    const changed = file.slice();
    changed[at]! ^= 1 << (at % 8);
    await assert.rejects(decrypted(PLAIN, changed), damaged, `byte ${at}`);
    await assert.rejects(opened(PLAIN, changed), damaged, `byte ${at}`);
  }
  const long = await encrypted(PLAIN, pattern(2 * CHUNK_BYTES + 5));
  for (const at of [HEAD_BYTES, HEAD_BYTES + BOXED_BYTES - 1, HEAD_BYTES + BOXED_BYTES, long.length - 1]) {
    const changed = long.slice();
    changed[at]! ^= 1;
    const whole = Math.floor((at - HEAD_BYTES) / BOXED_BYTES);
    assert.equal((await untilError(PLAIN, changed)).length, whole * CHUNK_BYTES, 'only the chunks before');
  }
});

test('a file cut or lengthened at any byte is refused', async () => {
  const file = await encrypted(PLAIN, pattern(CHUNK_BYTES + 50));
  const near = (at: number): number[] => Array.from({ length: 41 }, (_, offset) => at - 20 + offset);
  const cuts = [
    ...near(20),
    ...near(HEAD_BYTES),
    ...near(HEAD_BYTES + BOXED_BYTES),
    ...near(file.length - 21),
  ];
  for (const length of cuts.filter((cut) => cut >= 0 && cut < file.length)) {
    await assert.rejects(decrypted(PLAIN, file.subarray(0, length)), damaged, `${length}`);
    await assert.rejects(opened(PLAIN, file.subarray(0, length)), damaged, `${length}`);
  }
  for (const tail of [
    new Uint8Array(1),
    new Uint8Array(16),
    new Uint8Array(BOXED_BYTES),
    file.subarray(HEAD_BYTES),
  ]) {
    await assert.rejects(decrypted(PLAIN, concat(file, tail)), damaged);
    await assert.rejects(opened(PLAIN, concat(file, tail)), damaged);
  }
});

test('chunks that change places, are doubled or come from another file are refused', async () => {
  const content = pattern(2 * CHUNK_BYTES + 5);
  const file = await encrypted(PLAIN, content);
  const other = await encrypted(PLAIN, content, new Uint8Array(24));
  const chunk = (from: Bytes, number: number): Bytes =>
    from.slice(HEAD_BYTES + number * BOXED_BYTES, HEAD_BYTES + (number + 1) * BOXED_BYTES);
  const head = file.slice(0, HEAD_BYTES);
  for (const chunks of [
    [chunk(file, 1), chunk(file, 0), chunk(file, 2)],
    [chunk(file, 0), chunk(file, 0), chunk(file, 2)],
    [chunk(file, 0), chunk(file, 2)],
    [chunk(file, 0), chunk(other, 1), chunk(file, 2)],
    [chunk(file, 0), chunk(file, 1), chunk(file, 1), chunk(file, 2)],
  ]) {
    await assert.rejects(decrypted(PLAIN, concat(head, ...chunks)), damaged);
  }
  assert.deepEqual(
    await decrypted(PLAIN, concat(head, chunk(file, 0), chunk(file, 1), chunk(file, 2))),
    content,
  );
});

test('a file that failed goes on failing, and never ends as if it were whole', async () => {
  const file = await encrypted(PLAIN, pattern(CHUNK_BYTES));
  const stream = decryptStream(PLAIN, [file.subarray(0, HEAD_BYTES + BOXED_BYTES)]);
  assert.equal((await stream.next()).done, false);
  for (let again = 0; again < 3; again++) await assert.rejects(stream.next(), damaged);
});

test('a reader whose source answers short is told so', async () => {
  const file = await encrypted(PLAIN, pattern(100));
  const short: ByteRanges = {
    size: file.length,
    read: (offset) => Promise.resolve(file.slice(offset, offset + 5)),
  };
  await assert.rejects(openCobblestone(PLAIN, short), damaged);
});

test('a key and context that differ give files that only their own open', async () => {
  const other = { key: KEY, context: encodeUtf8('other') };
  const file = await encrypted(PLAIN, pattern(10));
  await assert.rejects(decrypted(other, file), damaged);
  assert.notDeepEqual((await encrypted(other, pattern(10))).slice(24), file.slice(24));
});

const encrypted = async (key: CobblestoneKey, content: Uint8Array, salt = SALT): Promise<Bytes> =>
  concat(...(await all(encryptStream(key, [content], () => new Uint8Array(salt)))));

const decrypted = async (key: CobblestoneKey, file: Uint8Array): Promise<Bytes> =>
  concat(...(await all(decryptStream(key, [file]))));

const opened = (key: CobblestoneKey, file: Uint8Array): ReturnType<typeof openCobblestone> =>
  openCobblestone(key, {
    size: file.length,
    read: (offset, length) => Promise.resolve(file.slice(offset, offset + length)),
  });

async function all(source: ByteSource): Promise<Uint8Array[]> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return parts;
}

async function untilError(key: CobblestoneKey, file: Uint8Array): Promise<Bytes> {
  const parts: Uint8Array[] = [];
  await assert.rejects(async () => {
    for await (const part of decryptStream(key, [file])) parts.push(part);
  }, damaged);
  return concat(...parts);
}

function* pieces(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const pattern = (size: number): Bytes =>
  Uint8Array.from({ length: size }, (_, at) => (at * 7 + (at >> 8)) & 0xff);

/** The specification once more, over another library. */
function byFormula(key: CobblestoneKey, salt: Uint8Array, content: Uint8Array): Bytes {
  const keys = formulaKeys(key, salt);
  const parts: Uint8Array[] = [salt, keys.commitment];
  for (let number = 0; number <= Math.floor(content.length / CHUNK_BYTES); number++) {
    const nonce = keys.baseNonce.slice();
    nonce[11]! ^= number;
    const chunk = content.slice(number * CHUNK_BYTES, (number + 1) * CHUNK_BYTES);
    parts.push(gcm(keys.key, nonce).encrypt(chunk));
  }
  return concat(...parts);
}

function formulaKeys(
  { key, context }: CobblestoneKey,
  salt: Uint8Array,
): Record<'key' | 'baseNonce' | 'commitment', Uint8Array> {
  const info = concat(encodeUtf8('c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0'), salt, context);
  const first = hmac(sha512, key, concat(info, Uint8Array.of(1)));
  const bytes = concat(first, hmac(sha512, key, concat(first, info, Uint8Array.of(2))));
  return { key: bytes.slice(0, 32), baseNonce: bytes.slice(32, 44), commitment: bytes.slice(44, 76) };
}

const EMPTY =
  '43a2e39431cbae0389d3fc86adf46f7c3a24de88d9311617e53f3164cc1d5dc738a66b97f0bf786565c31799c2f463d50a7e10046011dc6f' +
  'c3c939e3a5db7affb6191551669554fb';
const SHORT =
  'a1a1b56f6db58cd1ede0c5c9db62aef20d3f96a6c594bb9252bb38122de91236502b42a1d7fcab820ffa292940d2f86add212cfa42c38df1' +
  '9d3cc9139ee61a5990d3db57433514229beea49a8a72bd';
const WITH_CONTEXT =
  'dbedaefc1c35dc6c0f22b743b03e488747166a51f33479e7ceb8b7e11cc0d2710f624a127501bc4aea7d0af6f83cfe359b9e69415aa537f3' +
  '6adf86eb35b070475baa039bb7791432adbca49578bbd3';
const WITH_NUL =
  '12ede102c3ef730da4f3d4dbfaf11003683238315befe73b21ebb2246ac19f3a7d50abd2a5a365f7652bda670814dbc883ce618256d2d513' +
  'bd238c2c0dded7614d52bef77bc04273656df97a294323';
const OTHER_CONTEXT =
  '36201844cafc0e596bec8782c560b7b1d065b90a94d227007f07a7185f0c1f449310232a0ff1d5667ece42aff4e7c0359df78ece43b312d5' +
  '0034c80236b5c7900f7eebe540d242b8eb';
const BROKEN = [
  '0093274a932cb4340ca678d500719d80ccc21f69c49586a8cae519f1ae94a13a97038610177fe840ac755f6604849272444b0de559508a2a' +
    '00538b8dd8cc3a83e14df1343fa14630a2',
  '2842319b678e0b222150bc2cb8a4cc5c4704c293a215a9702107b9b385fa1a62072a478a944b1bfb5b349f78cd32e0c4502e84213f8e9d1f00',
  '679551dfcc4221c2c5f3dfcff2f94fcd7df0dc5d0dac8ceb294cda58ffffbe199532a141b16102b69550faa5e1315a3c823e58b9e3141839' +
    'e1fd278b80a7dabc12eaa4ed',
  'e728f14e89526f8830991f461c0fd07601a246a0c94b753ba4fab29386d9e39e72d5e8955f709651b6dedb825c64c984364f74e1b6ac93d6',
  'a7bf214ab87afe86ae30940aba6d25aa92d1c26a7c4de03ece1f5f63bd31ca5d9517ce97effb9ce62c4f01433335d070ca3de6243f4cb67a' +
    '00a4deb622c6b80140d1c88f54ade32fdc',
  '7c510aa191fdb799b3715106fb9da30a3e314a08a12bf1eed6084369ad9560c21c856d0087e1206c5c1e9a994b3ca98542e0fe1ffef9e23c' +
    '0091398606b7077f679901eea490bb8f6b',
];

test('a file made in the place of its plaintext is the one that a stream makes, at any length, and opens in its own place', async () => {
  const lengths = [
    0,
    1,
    CHUNK_BYTES - 1,
    CHUNK_BYTES,
    CHUNK_BYTES + 1,
    40 * CHUNK_BYTES - 1,
    40 * CHUNK_BYTES,
  ];
  for (const length of lengths)
    for (const more of [0, 1, 5000]) {
      const plaintext = Uint8Array.from({ length }, (_, at) => (at * 31 + (at >> 8)) & 0xff);
      const laid = new Uint8Array(roomBefore(length) + more + length + 3);
      const place = laid.subarray(roomBefore(length) + more, roomBefore(length) + more + length);
      place.set(plaintext);
      const file = encryptInPlace(PLAIN, place, () => SALT);
      const streamed: Bytes[] = [];
      for await (const part of encryptStream(PLAIN, [plaintext], () => SALT)) streamed.push(part);
      assert.deepEqual(Buffer.from(file), Buffer.concat(streamed), `${length} bytes, ${more} more`);
      assert.deepEqual(decryptWhole(PLAIN, file), plaintext);
      const turned = file.slice();
      turned[turned.length - 20]! ^= 1;
      assert.throws(() => decryptWhole(PLAIN, turned), damaged);
      assert.deepEqual(decryptInPlace(PLAIN, file), plaintext);
    }
});

test('without room before it no plaintext is written over', () => {
  const memory = new Uint8Array(roomBefore(100) + 99);
  const place = memory.subarray(roomBefore(100) - 1);
  place.fill(7);
  assert.throws(() => encryptInPlace(PLAIN, place, () => SALT), RangeError);
  assert.ok(place.every((byte) => byte === 7));
});
