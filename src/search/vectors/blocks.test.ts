import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Arena, BLOCK_BYTES_MAX } from '../arena.ts';
import { Blocks } from './blocks.ts';

const SIZE = 1056;
const APART = 256;

test('blocks and what lies apart from them share no byte, and no slab ends within them', () => {
  const blocks = new Blocks(new Arena(), SIZE, APART);
  const pieces: { readonly from: number; readonly to: number }[] = [];
  while (blocks.slabs <= 2) {
    const block: number = pieces.length % 2 === 0 ? blocks.take() : blocks.takeRun(1);
    const apart = blocks.apartOf(block);
    pieces.push({ from: block, to: block + SIZE }, { from: apart, to: apart + APART });
  }
  pieces.sort((one, other) => one.from - other.from);
  const slabOf = (at: number): number => Math.floor(at / BLOCK_BYTES_MAX);
  pieces.forEach(({ from, to }, i) => {
    assert.ok(i === 0 || from >= (pieces[i - 1]?.to as number));
    assert.equal(slabOf(from), slabOf(to - 1));
  });
});
