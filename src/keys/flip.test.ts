import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeRootFile } from './root-file.ts';
import { checkFlip, checkFlipAlone, filesOf, flippable } from './testing/flips.ts';
import type { World } from './testing/world.ts';

/** Every byte of what is small, every so-manieth of the rest; test/slow flips all of them. */
const STRIDES = { root: 397, pages: 31, side: 9 };

const strideOf = (path: string): number =>
  path.endsWith('/root') ? STRIDES.root : path.includes('/pages/') ? STRIDES.pages : STRIDES.side;

function* flips(world: World, phase: number): Generator<{ path: string; offset: number; bit: number }> {
  for (const path of filesOf(world, 'a')) {
    const size = world.disk.peek(path).length;
    for (let offset = phase % strideOf(path); offset < size; offset += strideOf(path))
      yield { path, offset, bit: offset % 8 };
  }
}

test('a byte flipped in a file of one replica is detected, named and repaired from the other', async () => {
  const flipped = await flippable();
  const files = filesOf(flipped.world, 'a');
  assert.equal(files.length, 5, 'root, intents, witness and two files of pages');
  for (const { path, offset, bit } of flips(flipped.world, 3)) {
    await checkFlip(flipped, path, offset, bit);
  }
});

test('a byte flipped in the only replica at hand is damage or named, never an erasure', async () => {
  const flipped = await flippable();
  let refused = 0;
  for (const { path, offset, bit } of flips(flipped.world, 11)) {
    refused += Number((await checkFlipAlone(flipped, path, offset, bit)) === 'refused');
  }
  assert.ok(refused > 50, `${refused} refused`);
});

test('every bit of every byte of root is vouched for', async () => {
  const { world } = await flippable();
  const root = world.disk.peek('/keystore/a/root').slice();
  assert.deepEqual(decodeRootFile(root.slice()).damage, []);
  for (let offset = 0; offset < root.length; offset++) {
    const flipped = root.slice();
    flipped[offset] = (flipped[offset] as number) ^ (1 << (offset % 8));
    assert.equal(decodeRootFile(flipped).damage.length, 1, `byte ${offset}`);
  }
});

test('a flip that nothing watches is found by the same check', async () => {
  const flipped = await flippable();
  const stray = '/keystore/a/stray';
  const file = await flipped.world.disk.open(stray, 'create');
  await file.writeAt(0, new Uint8Array(4));
  await assert.rejects(checkFlip(flipped, stray, 0, 0), /not named/);
});
