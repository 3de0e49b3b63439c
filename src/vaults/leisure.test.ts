import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'node:test';
import { TestTimer } from '../testing/timer.ts';
import { Leisure } from './leisure.ts';

test('after each piece there is a rest of many times its length, which the first who waits ends', async () => {
  const timer = new TestTimer();
  let nowMs = 0;
  const leisure = new Leisure({ timer, elapsed: () => nowMs });
  const done: number[] = [];
  const work = async (): Promise<void> => {
    for (const ms of [10, 200, 5000, 7, 8])
      done.push(
        await leisure.spend(() => {
          nowMs += ms;
          return Promise.resolve(ms);
        }),
      );
  };
  const working = work();
  await turn();
  assert.deepEqual([done, timer.waits], [[], [190]]);
  timer.pass();
  await turn();
  timer.pass();
  await turn();
  assert.deepEqual(
    [done, timer.waits],
    [
      [10, 200],
      [190, 3800, 20_000],
    ],
  );
  leisure.end();
  await working;
  assert.deepEqual([done, timer.waits.length], [[10, 200, 5000, 7, 8], 3]);
});

test('a piece that fails is nobody’s rest', async () => {
  const timer = new TestTimer();
  const leisure = new Leisure({ timer, elapsed: () => 0 });
  await assert.rejects(
    leisure.spend(() => Promise.reject(new Error('no'))),
    /no/,
  );
  assert.deepEqual(timer.waits, []);
});
