import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reported } from './event-lines.ts';

test('work tells how far it has come while it goes on, the newest first missed, and its result last', async () => {
  const steps = Array.from({ length: 3 }, () => Promise.withResolvers<void>());
  const events = reported<number, string>(async (report) => {
    report(1);
    report(2);
    await steps[0]!.promise;
    report(3);
    await steps[1]!.promise;
    return 'done';
  });
  assert.deepEqual(await events.next(), { value: 2, done: false }, 'nobody had taken the first');
  const third = events.next();
  steps[0]!.resolve();
  assert.deepEqual(await third, { value: 3, done: false });
  const last = events.next();
  steps[1]!.resolve();
  assert.deepEqual(await last, { value: 'done', done: false });
  assert.deepEqual(await events.next(), { value: undefined, done: true });
});

test('work that is refused gives no event, and work that fails in the middle ends them with its error', async () => {
  const refused = reported<number, string>(() => Promise.reject(new RangeError('no')));
  await assert.rejects(refused.next(), { message: 'no' });
  const failing = reported<number, string>((report) => {
    report(1);
    return Promise.reject(new RangeError('broke'));
  });
  assert.deepEqual(await failing.next(), { value: 1, done: false });
  await assert.rejects(failing.next(), { message: 'broke' });
});

test('work goes on to its end when the reader has gone, and its failure then is nobody’s', async () => {
  const going = Promise.withResolvers<string>();
  const events = reported<number, string>((report) => {
    report(1);
    return going.promise;
  });
  await events.next();
  await events.return(undefined);
  going.reject(new RangeError('late'));
  await new Promise((resolve) => setImmediate(resolve));
});
