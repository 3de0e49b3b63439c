import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasSlot, toRanges } from './slot-ranges.ts';

test('ranges hold exactly the slots they were made of', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(200)), (slots) => {
      const ranges = toRanges(slots);
      const set = new Set(slots);
      for (let slot = -1; slot <= 201; slot++) assert.equal(hasSlot(ranges, slot), set.has(slot));
    }),
  );
});

test('neighbouring slots share a range', () => {
  assert.deepEqual(toRanges([3, 1, 2, 7, 2]), [
    [1, 3],
    [7, 7],
  ]);
  assert.deepEqual(toRanges([]), []);
});
