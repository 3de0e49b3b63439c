import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { BodyPace } from './body-pace.ts';

const MEBIBYTE = 1024 * 1024;

function paceAt() {
  const clock = { ms: 10_000 };
  return { clock, pace: new BodyPace(4 * MEBIBYTE, () => clock.ms) };
}

test('who is alone reads as fast as it sends', () => {
  const { clock, pace } = paceAt();
  pace.seen('key_1');
  for (let read = 0; read < 100; read++) assert.equal(pace.waitMs('key_1', MEBIBYTE), 0);
  pace.seen('key_2');
  pace.seen('key_1');
  clock.ms += 1_001;
  pace.seen('key_1');
  assert.equal(pace.waitMs('key_1', MEBIBYTE), 0, 'the other one has gone');
});

test('while others ask, each reads at its rate, however many connections it has', () => {
  const { clock, pace } = paceAt();
  pace.seen('key_2');
  pace.seen('key_1');
  assert.equal(pace.waitMs('key_1', MEBIBYTE), 250);
  assert.equal(pace.waitMs('key_1', MEBIBYTE), 500);
  assert.equal(pace.waitMs('key_2', MEBIBYTE), 250, 'each has a rate of its own');
  clock.ms += 500;
  assert.equal(pace.waitMs('key_1', MEBIBYTE), 250);
});

test('a large body pauses and goes on, a small one is left alone, and nothing of either is lost', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { pace } = paceAt();
  pace.seen('key_2');
  pace.seen('key_1');
  const large = new PassThrough();
  const small = new PassThrough();
  pace.pace(large, 'key_1', null);
  pace.pace(small, 'key_1', 100_000);
  let read = 0;
  large.on('data', (chunk: Buffer) => (read += chunk.length));
  small.resume();
  large.write(Buffer.alloc(MEBIBYTE));
  small.write(Buffer.alloc(50_000));
  await turn();
  assert.ok(large.isPaused() && !small.isPaused());
  large.end(Buffer.alloc(10));
  t.mock.timers.tick(249);
  await turn();
  assert.equal(read, MEBIBYTE);
  t.mock.timers.tick(1);
  await turn();
  await turn();
  assert.equal(read, MEBIBYTE + 10);
});
