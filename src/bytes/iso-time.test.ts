import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isoTime } from './iso-time.ts';

test('a time is written as Date writes it, of whatever year and one after another', () => {
  const near = fc.integer({ min: -1e13, max: 1e13 });
  const any = fc.integer({ min: -8.64e15, max: 8.64e15 });
  fc.assert(
    fc.property(fc.array(fc.oneof(near, any), { minLength: 1, maxLength: 5 }), (times) => {
      for (const ms of times) assert.equal(isoTime(ms), new Date(ms).toISOString());
    }),
    { numRuns: 500 },
  );
  for (const ms of [
    0, -1, 86_399_999, 86_400_000, -62_167_219_200_000, -62_167_219_200_001, 253_402_300_799_999,
  ])
    assert.equal(isoTime(ms), new Date(ms).toISOString());
});

test('what no date is, is refused', () => {
  for (const ms of [Number.NaN, Infinity, 8.64e15 + 1]) assert.throws(() => isoTime(ms), RangeError);
});
