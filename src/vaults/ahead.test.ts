import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ahead } from './ahead.ts';

test('the next part begins when the one before has ended, and its maker need not wait for it', async () => {
  const ahead = new Ahead();
  const told: string[] = [];
  const first = Promise.withResolvers<void>();
  await ahead.next(() => first.promise);
  told.push('made the second');
  const second = ahead.next(() => {
    told.push('began the second');
    return Promise.resolve();
  });
  await new Promise(setImmediate);
  assert.deepEqual(told, ['made the second']);
  first.resolve();
  await second;
  await ahead.done();
  assert.deepEqual(told, ['made the second', 'began the second']);
});

test('a part that failed is told to whoever brings the next one, or ends', async () => {
  const failing = () => Promise.reject(new Error('lost'));
  const brought = new Ahead();
  await brought.next(failing);
  await assert.rejects(
    brought.next(() => Promise.resolve()),
    /lost/,
  );
  const ended = new Ahead();
  await ended.next(failing);
  await assert.rejects(ended.done(), /lost/);
});

test('as many parts are under way as may be, begun in their order, and no more', async () => {
  const ahead = new Ahead(2);
  const ends = Array.from({ length: 3 }, () => Promise.withResolvers<void>());
  const begun: number[] = [];
  const bring = (part: number): Promise<void> =>
    ahead.next(() => {
      begun.push(part);
      return (ends[part] as PromiseWithResolvers<void>).promise;
    });
  await bring(0);
  await bring(1);
  const third = bring(2);
  ends[1]?.resolve();
  await new Promise(setImmediate);
  assert.deepEqual(begun, [0, 1]);
  ends[0]?.resolve();
  await third;
  assert.deepEqual(begun, [0, 1, 2]);
  ends[2]?.reject(new Error('lost'));
  await assert.rejects(ahead.done(), /lost/);
});
