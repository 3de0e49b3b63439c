import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeHex } from './bytes/encoding.ts';
import { pooledRandom, realEnvironment } from './environment.ts';

/** Counts up, so that every byte tells where it came from. */
function counting(asked: number[]) {
  let next = 0;
  return (length: number) => {
    asked.push(length);
    return Uint8Array.from({ length }, () => next++ % 251);
  };
}

test('short draws follow each other in one long one, and none is given twice', () => {
  const asked: number[] = [];
  const random = pooledRandom(counting(asked));
  const expected = counting([])(4096);
  for (let at = 0; at + 12 <= 4096; at += 12) assert.deepEqual(random(12), expected.slice(at, at + 12));
  assert.deepEqual(asked, [4096]);
  // The rest of the pool is too short for another draw and is not used.
  assert.equal(random(12)[0], 4096 % 251);
  assert.deepEqual(asked, [4096, 4096]);
});

test('what was given is the caller’s alone: wiping or changing it changes no other draw', () => {
  const random = pooledRandom(counting([]));
  const first = random(4);
  first.fill(255);
  assert.deepEqual([...random(4)], [4, 5, 6, 7]);
  assert.equal(first.buffer.byteLength, 4);
});

test('keys are drawn from the source by themselves', () => {
  const asked: number[] = [];
  const random = pooledRandom(counting(asked));
  random(12);
  assert.equal(random(32).length, 32);
  assert.deepEqual(asked, [4096, 32]);
});

test('the real source repeats no nonce in ten thousand draws', () => {
  const seen = new Set(Array.from({ length: 10_000 }, () => encodeHex(realEnvironment.random(12))));
  assert.equal(seen.size, 10_000);
});
