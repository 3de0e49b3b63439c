import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeUtf8 } from '../bytes/encoding.ts';
import { SigningKey } from '../crypto/signature.ts';
import { signCheckpoint } from './checkpoint.ts';
import {
  encodeConsistencyProof,
  parseConsistencyProof,
  verifyConsistencyProof,
} from './consistency-proof.ts';
import { consistencyPath, leafHash, nodeHash, treeRoot, type SubtreeHash } from './merkle.ts';
import { verifierKey } from './note.ts';

const SIGNER = new SigningKey(new Uint8Array(32).fill(5));
const ORIGIN = 'log.example/org_1';
const KEY = verifierKey(ORIGIN, SIGNER.publicKey);
const SIZE = 11;

const hashOf: SubtreeHash = (height, index) =>
  height === 0
    ? leafHash(encodeUtf8(`leaf ${index}`))
    : nodeHash(hashOf(height - 1, 2 * index), hashOf(height - 1, 2 * index + 1));
const headAt = (size: number) => ({ size, root: treeRoot(size, hashOf) });
const noteAt = (size: number) => signCheckpoint({ origin: ORIGIN, ...headAt(size) }, SIGNER);
const proofOf = (from: number, to: number) =>
  encodeConsistencyProof({ from, path: consistencyPath(from, to, hashOf), checkpoint: noteAt(to) });

test('a proof holds for the checkpoint that was kept, and for no other', () => {
  for (let to = 1; to <= SIZE; to++)
    for (let from = 0; from <= to; from++) {
      const proof = proofOf(from, to);
      assert.equal(verifyConsistencyProof(proof, headAt(from), KEY).size, to);
      for (const kept of [headAt(from + 1), { size: from, root: leafHash(encodeUtf8('another past')) }])
        assert.throws(() => verifyConsistencyProof(proof, kept, KEY), RangeError, `${from} to ${to}`);
    }
});

test('a proof reads as it was written, and counts under the key of its log only', () => {
  const proof = proofOf(5, 11);
  assert.deepEqual(parseConsistencyProof(proof), {
    from: 5,
    path: consistencyPath(5, 11, hashOf),
    checkpoint: noteAt(11),
  });
  assert.match(proof, /^old 5\n(?:[A-Za-z0-9+/]{43}=\n)+\nlog\.example\/org_1\n11\n/);
  const stranger = verifierKey(ORIGIN, new SigningKey(new Uint8Array(32)).publicKey);
  assert.throws(() => verifyConsistencyProof(proof, headAt(5), stranger), RangeError);
});

test('a proof with anything changed, or what is none, is refused', () => {
  const proof = proofOf(5, 11);
  const hash = /\n([A-Za-z0-9+/]{43}=)\n/.exec(proof)?.[1] ?? '';
  const faulty = [
    '',
    '\n\n',
    noteAt(11),
    proof.replace('old 5', 'old 05'),
    proof.replace('old 5', 'old'),
    proof.replace('old 5', 'new 5'),
    proof.replace('old 5', 'old 4'),
    proof.replace(`${hash}\n`, ''),
    proof.replace(hash, `A${hash.slice(1)}`),
    proof.replace(hash, hash.slice(4)),
    proof.replace('\n11\n', '\n12\n'),
    proof.replace('old 5\n', `old 5\n${`${hash}\n`.repeat(64)}`),
  ];
  for (const text of faulty)
    assert.throws(() => verifyConsistencyProof(text, headAt(5), KEY), RangeError, JSON.stringify(text));
});
