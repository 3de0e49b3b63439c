import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KINDS, openTestRoom, randomFrom, wanted, type Make } from '../testing/vector-sets.ts';
import { CodedVectors } from './coded-vectors.ts';
import { unit } from './numbers.ts';

const ROWS = 9000;
const DIMENSIONS = 64;

/** Rows come a few at a time, with so many steps of work after each few. */
function grown(few: number, steps: number): { vectors: CodedVectors; codesOfAnswers: () => number } {
  const random = randomFrom(3);
  const one = (): Float32Array => unit((KINDS['two hundred clusters'] as Make)(DIMENSIONS, random));
  // One-bit codes, whatever directions there are.
  const room = openTestRoom(0, undefined, Number.POSITIVE_INFINITY);
  const vectors = new CodedVectors(room, 'cosine', DIMENSIONS, 8);
  for (let document = 0; document < ROWS; document++) {
    vectors.reserve(1);
    vectors.add(document, one());
    if (document % few === 0) for (let step = 0; step < steps; step++) vectors.work();
  }
  while (vectors.work());
  const queries = Array.from({ length: 20 }, one);
  const codesOfAnswers = (): number =>
    queries.reduce((sum, query) => {
      vectors.search(query, wanted());
      return sum + vectors.last.codes;
    }, 0);
  return { vectors, codesOfAnswers };
}

test('a vault that grew little by little looks at few codes once it is searched, as one that was filled at once', () => {
  const atOnce = grown(ROWS, 0).codesOfAnswers();
  const { vectors, codesOfAnswers } = grown(50, 7);
  const first = codesOfAnswers();
  // Without the sweep that this brings about it would stay so.
  assert.ok(first > 3 * atOnce, `${first} of ${atOnce}`);
  while (vectors.work());
  const then = codesOfAnswers();
  assert.ok(then < 2 * atOnce, `${then} of ${atOnce}`);
  assert.ok(!vectors.work());
});
