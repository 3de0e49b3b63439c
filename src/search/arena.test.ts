import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { Arena, BLOCK_BYTES_MAX, BLOCK_BYTES_MIN } from './arena.ts';

const sizes = fc.integer({ min: 0, max: 10 }).map((log) => BLOCK_BYTES_MIN * 2 ** log);

test('blocks never overlap, come zeroed, and are all there again once given back', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(sizes, fc.constant(null)), { maxLength: 40 }), (steps) => {
      const arena = new Arena();
      const held: { offset: number; bytes: number }[] = [];
      for (const bytes of steps) {
        if (bytes === null) {
          const last = held.shift();
          if (last !== undefined) arena.give(last.offset, last.bytes);
          continue;
        }
        const offset = arena.take(bytes);
        assert.equal(offset % bytes, 0);
        assert.ok(
          held.every((other) => offset + bytes <= other.offset || other.offset + other.bytes <= offset),
        );
        const block = new Uint8Array(arena.memory.buffer, offset, bytes);
        assert.ok(Buffer.from(block).equals(Buffer.alloc(bytes)));
        block.fill(1);
        held.push({ offset, bytes });
      }
      assert.equal(
        arena.usedBytes,
        held.reduce((sum, { bytes }) => sum + bytes, 0),
      );
      for (const { offset, bytes } of held) arena.give(offset, bytes);
      const grownTo = arena.memory.buffer.byteLength;
      // Everything has been joined again: all of the memory but its first block can be taken as the largest blocks.
      for (let left = grownTo / BLOCK_BYTES_MAX - 1; left > 0; left--) arena.take(BLOCK_BYTES_MAX);
      assert.equal(arena.memory.buffer.byteLength, grownTo);
    }),
    { numRuns: 50 },
  );
});

test('taking many blocks seldom makes the memory another, and what is given back is taken before what is new', () => {
  const arena = new Arena();
  const buffers = new Set<ArrayBufferLike>();
  const taken = Array.from({ length: 64 }, () => {
    const offset = arena.take(BLOCK_BYTES_MAX);
    buffers.add(arena.memory.buffer);
    assert.equal(arena.lengthBytes, arena.memory.buffer.byteLength);
    return offset;
  });
  assert.ok(buffers.size <= 5, `${buffers.size} buffers`);
  arena.give(taken[3] as number, BLOCK_BYTES_MAX);
  assert.equal(arena.take(BLOCK_BYTES_MAX), taken[3]);
});

test('a full memory refuses with a code, and serves again once something is given back', () => {
  const arena = new Arena(3 * BLOCK_BYTES_MAX);
  const first = arena.take(BLOCK_BYTES_MAX);
  arena.take(BLOCK_BYTES_MAX);
  assert.throws(() => arena.take(BLOCK_BYTES_MIN), { code: 'search.unavailable' });
  arena.give(first, BLOCK_BYTES_MAX);
  assert.equal(arena.take(BLOCK_BYTES_MAX), first);
});
