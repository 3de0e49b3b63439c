import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from './turns.ts';

/** Steps of a millisecond each, as long as there are any. */
function clockwork(): { turns: Turns; pass: (ms: number) => void; stepsOf: (left: number) => number } {
  let now = 0;
  const pass = (ms: number): void => void (now += ms);
  const turns = new Turns(() => now);
  const stepsOf = (left: number): number => {
    let steps = 0;
    const isLeft = turns.work(() => {
      pass(1);
      return ++steps < left;
    });
    assert.equal(isLeft, steps < left);
    return steps;
  };
  return { turns, pass, stepsOf };
}

test('work gets as much time as the searches before it took, at least one step, and no more than a caller may wait for', () => {
  const { turns, pass, stepsOf } = clockwork();
  assert.equal(stepsOf(9), 1, 'nobody searched');
  turns.search(() => pass(3));
  assert.equal(stepsOf(9), 3);
  assert.equal(stepsOf(9), 1, 'that time was used');
  for (let n = 0; n < 5; n++) turns.search(() => pass(2));
  assert.equal(stepsOf(9), 4, 'four milliseconds are the most');
  turns.search(() => pass(2));
  assert.equal(stepsOf(1), 1, 'there was no more to do');
});

test('a search that fails has taken its time all the same', () => {
  const { turns, pass, stepsOf } = clockwork();
  assert.throws(() =>
    turns.search(() => {
      pass(2);
      throw new RangeError('no');
    }),
  );
  assert.equal(stepsOf(9), 2);
});
