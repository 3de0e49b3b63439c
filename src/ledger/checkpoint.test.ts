import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeBase64, encodeUtf8 } from '../bytes/encoding.ts';
import { SigningKey } from '../crypto/signature.ts';
import { encodeCheckpoint, openCheckpoint, parseCheckpoint, signCheckpoint } from './checkpoint.ts';
import { Frontier, inclusionPath, leafHash, nodeHash } from './merkle.ts';
import { signNote, verifierKey } from './note.ts';
import { encodeProof, parseProof, verifyProof } from './proof.ts';

const SIGNER = new SigningKey(new Uint8Array(32).fill(5));
const ORIGIN = 'log.example/org_1';
const KEY = verifierKey(ORIGIN, SIGNER.publicKey);
const ROOT = 'CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=';
// The example of c2sp.org/tlog-checkpoint.
const TEXT = `example.com/behind-the-sofa\n20852163\n${ROOT}\n`;

test('the checkpoint of the specification is read and written', () => {
  const checkpoint = parseCheckpoint(TEXT);
  assert.equal(checkpoint.origin, 'example.com/behind-the-sofa');
  assert.equal(checkpoint.size, 20_852_163);
  assert.equal(encodeBase64(checkpoint.root), ROOT);
  assert.equal(encodeCheckpoint(checkpoint), TEXT);
  assert.deepEqual(parseCheckpoint(`${TEXT}extension\n`), checkpoint);
});

test('what is no checkpoint is refused', () => {
  const faulty = [
    '',
    TEXT.slice(0, -1),
    TEXT.replace('example.com/behind-the-sofa', ''),
    TEXT.replace('20852163', '020852163'),
    TEXT.replace('20852163', '-1'),
    TEXT.replace('20852163', '1e3'),
    TEXT.replace('20852163', '0x10'),
    TEXT.replace('20852163', ' 1'),
    TEXT.replace('20852163', ''),
    TEXT.replace('20852163', '9007199254740993'),
    TEXT.replace(ROOT, ROOT.slice(0, -1)),
    TEXT.replace(ROOT, 'AAAA'),
    `${TEXT}\n`,
    `${TEXT}\nextension\n`,
    `${TEXT}extension`,
  ];
  for (const text of faulty) assert.throws(() => parseCheckpoint(text), RangeError, JSON.stringify(text));
});

test('a checkpoint counts only under the key and the origin of its own log', () => {
  const root = leafHash(encodeUtf8('x'));
  const note = signCheckpoint({ origin: ORIGIN, size: 1, root }, SIGNER);
  assert.deepEqual(openCheckpoint(note, KEY), { origin: ORIGIN, size: 1, root });
  assert.throws(() => openCheckpoint(note, verifierKey('log.example/org_2', SIGNER.publicKey)), RangeError);
  const foreign = signNote(encodeCheckpoint({ origin: 'log.example/org_2', size: 1, root }), ORIGIN, SIGNER);
  assert.throws(() => openCheckpoint(foreign, KEY), RangeError);
  const other = new SigningKey(new Uint8Array(32));
  assert.throws(
    () => openCheckpoint(signCheckpoint({ origin: ORIGIN, size: 1, root }, other), KEY),
    RangeError,
  );
});

const LEAVES = ['a', 'b', 'c', 'd', 'e'].map((text) => encodeUtf8(text));
const HASHES = LEAVES.map((leaf) => leafHash(leaf));

function proofOf(n: number): string {
  const frontier = Frontier.empty();
  for (const hash of HASHES) frontier.append(hash);
  const hashOf = (height: number, index: number): (typeof HASHES)[number] =>
    height === 0
      ? HASHES[index]!
      : nodeHash(hashOf(height - 1, 2 * index), hashOf(height - 1, 2 * index + 1));
  const checkpoint = signCheckpoint({ origin: ORIGIN, size: 5, root: frontier.root() }, SIGNER);
  return encodeProof({ n, path: inclusionPath(n, 5, hashOf), checkpoint });
}

test('a proof shows its own entry to whoever knows the key, and nothing else', () => {
  for (let n = 0; n < 5; n++) {
    const text = proofOf(n);
    assert.match(text, /^c2sp\.org\/tlog-proof@v1\nindex \d\n/);
    assert.equal(verifyProof(text, LEAVES[n]!, KEY).size, 5);
    assert.throws(() => verifyProof(text, LEAVES[(n + 1) % 5]!, KEY), RangeError);
    assert.throws(
      () => verifyProof(text.replace(`index ${n}`, `index ${(n + 1) % 5}`), LEAVES[n]!, KEY),
      RangeError,
    );
    assert.throws(
      () => verifyProof(text, LEAVES[n]!, verifierKey('log.example', SIGNER.publicKey)),
      RangeError,
    );
  }
});

test('a proof with any character changed or left out shows nothing', () => {
  const text = proofOf(2);
  for (let at = 0; at < text.length; at++) {
    const changed = text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ 1) + text.slice(at + 1);
    assert.throws(() => verifyProof(changed, LEAVES[2]!, KEY), RangeError, `${at}`);
    assert.throws(
      () => verifyProof(text.slice(0, at) + text.slice(at + 1), LEAVES[2]!, KEY),
      RangeError,
      `${at}`,
    );
  }
});

test('extra data and proofs of a tree of one entry travel in the same form', () => {
  const checkpoint = signCheckpoint({ origin: ORIGIN, size: 1, root: HASHES[0]! }, SIGNER);
  const text = encodeProof({ extra: encodeUtf8('more'), n: 0, path: [], checkpoint });
  assert.equal(text, `c2sp.org/tlog-proof@v1\nextra bW9yZQ==\nindex 0\n\n${checkpoint}`);
  assert.deepEqual(parseProof(text), { extra: encodeUtf8('more'), n: 0, path: [], checkpoint });
  assert.equal(verifyProof(text, LEAVES[0]!, KEY).size, 1);
  for (const faulty of [
    '',
    'c2sp.org/tlog-proof@v1\n\n',
    text.replace('index 0', 'index 00'),
    text.replace('v1', 'v2'),
  ]) {
    assert.throws(() => parseProof(faulty), RangeError);
  }
  const long = `c2sp.org/tlog-proof@v1\nindex 0\n${`${ROOT}\n`.repeat(65)}\n${checkpoint}`;
  assert.throws(() => parseProof(long), RangeError);
});
