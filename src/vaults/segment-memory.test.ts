import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SegmentMemory } from './segment-memory.ts';

const MEBIBYTE = 1024 * 1024;

test('memory that was given back is taken again, and a little more fits in', () => {
  const memory = new SegmentMemory();
  const first = memory.take(MEBIBYTE);
  assert.ok(first.length >= MEBIBYTE);
  const second = memory.take(MEBIBYTE);
  assert.notEqual(first.buffer, second.buffer);
  memory.giveBack(first.subarray(5, 10));
  assert.equal(memory.take(MEBIBYTE + 4096).buffer, first.buffer);
});

test('memory that is too small for the next is not given for it, nor kept', () => {
  const memory = new SegmentMemory();
  memory.giveBack(memory.take(MEBIBYTE));
  const large = memory.take(3 * MEBIBYTE);
  assert.ok(large.length >= 3 * MEBIBYTE);
  memory.giveBack(large);
  assert.equal(memory.take(MEBIBYTE).buffer, large.buffer);
});

test('what is small has memory of its own, and what was not read gives none back', () => {
  const memory = new SegmentMemory();
  const small = memory.take(1000);
  assert.equal(small.length, 1000);
  assert.ok(small.buffer instanceof ArrayBuffer);
  memory.giveBack(small);
  memory.giveBack(new Error('not read'));
  assert.equal(memory.take(0).length, 0);
});

test('nothing is left in memory that was given back, once the vault is open', () => {
  const memory = new SegmentMemory();
  const [first, second] = [memory.take(MEBIBYTE).fill(7), memory.take(MEBIBYTE).fill(7)];
  memory.giveBack(first);
  memory.giveBack(second.subarray(5, 10));
  memory.wipe();
  for (const bytes of [first, second]) assert.ok(bytes.every((byte) => byte === 0));
});
