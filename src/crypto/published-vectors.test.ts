/**
 * The whole of Project Wycheproof and C2SP's CCTV, where a folder with their checkouts is named:
 * STRONGROOM_TEST_VECTORS=FOLDER, with FOLDER/wycheproof and FOLDER/CCTV. A choice of their numbers stands in the other
 * tests of this folder and always runs.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { inflateSync } from 'node:zlib';
import { concat, decodeHex, encodeHex, encodeUtf8, type Bytes } from '../bytes/encoding.ts';
import { isEqual } from '../bytes/equal.ts';
import { decryptStream, encryptStream, openCobblestone } from './cobblestone.ts';
import { hkdf, hmacSha256 } from './hkdf.ts';
import { openWith, sealWith } from './seal.ts';
import { verifySignature } from './signature.ts';

const folder = process.env['STRONGROOM_TEST_VECTORS'] ?? '';
const options = {
  skip: existsSync(join(folder, 'wycheproof'))
    ? false
    : 'STRONGROOM_TEST_VECTORS names no folder with wycheproof and CCTV',
};

interface Case {
  readonly tcId: number;
  readonly result: 'valid' | 'invalid' | 'acceptable';
  readonly flags: readonly string[];
  readonly [name: string]: unknown;
}

interface Group {
  readonly tests: readonly Case[];
  readonly publicKey?: { readonly pk: string };
  readonly [name: string]: unknown;
}

test('sealing holds for all AES-256-GCM cases of Wycheproof', options, async (t) => {
  const isOurs = (group: Group): boolean =>
    group['keySize'] === 256 && group['ivSize'] === 96 && group['tagSize'] === 128;
  const count = await eachCase('aes_gcm', (group, vector) => {
    if (!isOurs(group)) return 'other';
    const nonce = hexOf(vector, 'iv');
    const box = concat(Uint8Array.of(1), nonce, hexOf(vector, 'ct'), hexOf(vector, 'tag'));
    const opens = attempt(() => openWith(hexOf(vector, 'key'), hexOf(vector, 'aad'), box));
    assert.equal(opens !== null, vector.result === 'valid', `case ${vector.tcId}`);
    if (opens === null) return 'refused';
    assert.deepEqual(opens, hexOf(vector, 'msg'));
    assert.deepEqual(
      sealWith(hexOf(vector, 'key'), hexOf(vector, 'aad'), opens, () => nonce),
      box,
    );
    return 'accepted';
  });
  report(t, count, { accepted: 30, refused: 10 });
});

test('signatures hold for all Ed25519 cases of Wycheproof', options, async (t) => {
  const count = await eachCase('ed25519', (group, vector) => {
    const isGood = verifySignature(
      decodeHex(group.publicKey?.pk ?? ''),
      hexOf(vector, 'msg'),
      hexOf(vector, 'sig'),
    );
    assert.equal(isGood, vector.result === 'valid', `case ${vector.tcId}`);
    return isGood ? 'accepted' : 'refused';
  });
  report(t, count, { accepted: 50, refused: 50 });
});

test('key derivation holds for all HKDF and HMAC cases of Wycheproof', options, async (t) => {
  const count = await eachCase('hkdf_sha256', (_, vector) => {
    const size = vector['size'] as number;
    const bytes = attempt(() =>
      hkdf(hexOf(vector, 'ikm'), hexOf(vector, 'salt'), hexOf(vector, 'info'), size),
    );
    assert.equal(bytes !== null, vector.result === 'valid', `case ${vector.tcId}`);
    if (bytes !== null) assert.deepEqual(bytes, hexOf(vector, 'okm'));
    return bytes === null ? 'refused' : 'accepted';
  });
  report(t, count, { accepted: 70, refused: 3 });
  const macs = await eachCase('hmac_sha256', (group, vector) => {
    const tag = hmacSha256(hexOf(vector, 'key'), hexOf(vector, 'msg')).slice(
      0,
      (group['tagSize'] as number) / 8,
    );
    const isGood = isEqual(tag, hexOf(vector, 'tag'));
    assert.equal(isGood, vector.result === 'valid', `case ${vector.tcId}`);
    return isGood ? 'accepted' : 'refused';
  });
  report(t, macs, { accepted: 50, refused: 50 });
});

test(
  'chunked files hold for all Cobblestone-256 cases of Wycheproof, streamed and read at random',
  options,
  async (t) => {
    const count = { accepted: 0, refused: 0, other: 0 };
    for (const vector of await casesOf('c2sp_chunked_encryption_aes_256_gcm')) {
      const key = { key: hexOf(vector, 'key'), context: hexOf(vector, 'ctx') };
      const file = new Uint8Array(inflateSync(hexOf(vector, 'ct')));
      const { content, failure } = await streamed(decryptStream(key, pieces(file, 10_000)));
      assert.equal(
        failure === null,
        vector.result === 'valid',
        `case ${vector.tcId}: ${vector['comment'] as string}`,
      );
      if (vector['msgSha512'] !== undefined) assert.equal(sha512Hex(content), vector['msgSha512']);
      else assert.equal(content.length, 0);
      const read = await readAtOnce(key, file);
      assert.equal(read !== null, vector.result === 'valid', `case ${vector.tcId} at random`);
      if (read === null) {
        count.refused++;
        continue;
      }
      assert.deepEqual(read, content);
      const again = await streamed(encryptStream(key, [content], () => file.slice(0, 24)));
      assert.ok(isEqual(again.content, file), `case ${vector.tcId} encrypted`);
      count.accepted++;
    }
    report(t, count, { accepted: 10, refused: 25 });
  },
);

test('of the Ed25519 edge cases of CCTV exactly the sound ones are accepted', options, async (t) => {
  interface Edge {
    readonly number: number;
    readonly key: string;
    readonly sig: string;
    readonly msg: string;
    readonly flags: readonly string[] | null;
  }
  const edges = JSON.parse(
    await readFile(join(folder, 'CCTV/ed25519/ed25519vectors.json'), 'utf8'),
  ) as readonly Edge[];
  const unsound = ['low_order_A', 'low_order_R', 'non_canonical_A', 'non_canonical_R', 'low_order_residue'];
  const count = { accepted: 0, refused: 0, other: 0 };
  for (const { number, key, sig, msg, flags } of edges) {
    const isGood = verifySignature(decodeHex(key), encodeUtf8(msg), decodeHex(sig));
    assert.equal(isGood, !unsound.some((flag) => flags?.includes(flag)), `case ${number}`);
    count[isGood ? 'accepted' : 'refused']++;
  }
  report(t, count, { accepted: 1, refused: 500 });
});

type Count = Record<'accepted' | 'refused' | 'other', number>;

/** A run in which too few cases were met has shown nothing. */
function report(t: TestContext, count: Count, least: Pick<Count, 'accepted' | 'refused'>): void {
  t.diagnostic(`${count.accepted} accepted, ${count.refused} refused, ${count.other} of other parameters`);
  assert.ok(count.accepted >= least.accepted && count.refused >= least.refused, JSON.stringify(count));
}

async function eachCase(name: string, check: (group: Group, vector: Case) => keyof Count): Promise<Count> {
  const count: Count = { accepted: 0, refused: 0, other: 0 };
  for (const group of await groupsOf(name)) for (const vector of group.tests) count[check(group, vector)]++;
  return count;
}

async function groupsOf(name: string): Promise<readonly Group[]> {
  const text = await readFile(join(folder, `wycheproof/testvectors_v1/${name}_test.json`), 'utf8');
  return (JSON.parse(text) as { testGroups: readonly Group[] }).testGroups;
}

const casesOf = async (name: string): Promise<readonly Case[]> =>
  (await groupsOf(name)).flatMap(({ tests }) => tests);

const hexOf = (vector: Case, name: string): Bytes => decodeHex(vector[name] as string);

const sha512Hex = (bytes: Uint8Array): string => encodeHex(createHash('sha512').update(bytes).digest());

function attempt<Result>(work: () => Result): Result | null {
  try {
    return work();
  } catch {
    return null;
  }
}

async function streamed(source: AsyncIterable<Bytes>): Promise<{ content: Bytes; failure: unknown }> {
  const parts: Bytes[] = [];
  try {
    for await (const part of source) parts.push(part);
  } catch (failure) {
    return { content: concat(...parts), failure };
  }
  return { content: concat(...parts), failure: null };
}

async function readAtOnce(key: { key: Bytes; context: Bytes }, bytes: Bytes): Promise<Bytes | null> {
  const read = (offset: number, length: number): Promise<Bytes> =>
    Promise.resolve(bytes.slice(offset, offset + length));
  try {
    const file = await openCobblestone(key, { size: bytes.length, read });
    return await file.read(0, file.size);
  } catch {
    return null;
  }
}

function* pieces(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
