import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SigningKey } from '../crypto/signature.ts';
import { followKeys, introduce, type PublishedKey } from './ledger-keys.ts';

const DEPLOYMENT = 'strongroom/00';
const signer = (seed: number): SigningKey => new SigningKey(new Uint8Array(32).fill(seed));
const [one, two, three, other] = [signer(1), signer(2), signer(3), signer(9)] as const;

const published = (key: SigningKey, generation: number, introduction: string | null): PublishedKey => ({
  generation,
  publicKey: key.publicKey,
  introduction,
});
const introduced = (
  previous: SigningKey,
  next: SigningKey,
  generation: number,
  by: SigningKey | null = previous,
) => introduce({ deployment: DEPLOYMENT, generation, previous: previous.publicKey }, next, by);

const LINE = [
  published(one, 1, null),
  published(two, 2, introduced(one, two, 2)),
  published(three, 3, introduced(two, three, 3)),
];

const generations = (keys: readonly PublishedKey[], trusted: SigningKey): number[] =>
  followKeys(DEPLOYMENT, keys, trusted.publicKey).map(({ generation }) => generation);

test('whoever trusts one of the keys comes to know all of them', () => {
  for (const trusted of [one, two, three]) assert.deepEqual(generations(LINE, trusted), [1, 2, 3]);
});

test('a key that is not in the list is followed nowhere', () => {
  const followed = followKeys(DEPLOYMENT, LINE, other.publicKey);
  assert.deepEqual(
    followed.map(({ publicKey }) => publicKey),
    [other.publicKey],
  );
});

test('a key that nobody before it introduced vouches backwards and is not vouched for', () => {
  const lost = [LINE[0]!, published(two, 2, introduced(one, two, 2, null))];
  assert.deepEqual(generations(lost, two), [1, 2]);
  assert.deepEqual(generations(lost, one), [1]);
});

test('an introduction by another key, of another key, generation or deployment, or none at all, leads nowhere', () => {
  const wrong: Readonly<Record<string, string | null>> = {
    'signed by a stranger in the name of the first': introduced(one, two, 2, other),
    'of another key': introduced(one, three, 2),
    'of another generation': introduced(one, two, 3),
    'of another deployment': introduce(
      { deployment: 'strongroom/01', generation: 2, previous: one.publicKey },
      two,
      one,
    ),
    'that names another predecessor': introduce(
      { deployment: DEPLOYMENT, generation: 2, previous: other.publicKey },
      two,
      one,
    ),
    'with a byte changed': (LINE[1]?.introduction ?? '').replace(/.(?=.{8}\n$)/, (character) =>
      character === 'A' ? 'B' : 'A',
    ),
    missing: null,
    'that is no note': 'introduced',
  };
  for (const [what, introduction] of Object.entries(wrong))
    assert.deepEqual(generations([LINE[0]!, published(two, 2, introduction)], one), [1], what);
});

test('a stranger’s key in the middle of the list cuts the line on both of its sides', () => {
  const cut = [LINE[0]!, published(other, 2, introduced(other, other, 2)), LINE[2]!];
  assert.deepEqual(generations(cut, one), [1]);
  assert.deepEqual(generations(cut, three), [3]);
});
