import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALONE_PORTIONS, PORTION, PORTION_ALONE, portions } from './portions.ts';

test('portions are large until somebody searches, and again once nobody has for a while', () => {
  let asked = 7;
  const portion = portions(() => asked);
  const next = (count: number): ReadonlySet<number> => new Set(Array.from({ length: count }, portion));
  assert.deepEqual(next(3), new Set([PORTION_ALONE]));
  for (let search = 0; search < 3; search++) {
    asked++;
    assert.deepEqual(next(ALONE_PORTIONS), new Set([PORTION]));
  }
  assert.deepEqual(next(3), new Set([PORTION_ALONE]));
});
