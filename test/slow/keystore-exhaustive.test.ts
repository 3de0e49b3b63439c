import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scenarios, walkCrashes } from '../../src/keys/testing/crash-walk.ts';
import { checkFlip, checkFlipAlone, filesOf, flippable } from '../../src/keys/testing/flips.ts';
import { slotOf } from '../../src/keys/slot.ts';
import type { World } from '../../src/keys/testing/world.ts';
import { scopeOf, subjectOf, twoLevels, Witnessed } from '../../src/keys/testing/witnessed.ts';

let torn = 0;

for (const scenario of scenarios) {
  test(`a crash before any single operation of the disk in ${scenario.name} leaves the old state or the new one`, async (t) => {
    const { crashes, tornCells } = await walkCrashes(scenario, {
      atOperations: true,
      isExhaustive: true,
      seed: 2,
    });
    t.diagnostic(`${crashes} crashes, ${tornCells} torn cells`);
    assert.ok(crashes > scenario.stepsMin);
    torn += tornCells;
  });
}

test('the crash walk did tear root cells', () => {
  assert.ok(torn > 50, `${torn} torn`);
});

/** All bytes, but of the zeros that fill up the blocks of root only every 37th: root-file.ts vouches for each of those. */
function* everyByte(world: World): Generator<{ path: string; offset: number; bit: number }> {
  for (const path of filesOf(world, 'a')) {
    const bytes = world.disk.peek(path);
    for (let offset = 0; offset < bytes.length; offset++) {
      const isFilling = path.endsWith('/root') && offset % 4096 > 160;
      if (!isFilling || offset % 37 === 0) yield { path, offset, bit: offset % 8 };
    }
  }
}

test('any byte flipped in any file of one replica is detected, named and repaired from the other', async (t) => {
  const flipped = await flippable();
  let flips = 0;
  for (const { path, offset, bit } of everyByte(flipped.world)) {
    await checkFlip(flipped, path, offset, bit);
    flips++;
  }
  t.diagnostic(`${flips} flips`);
});

test('any byte flipped in the only replica at hand is damage or named, never an erasure', async () => {
  const flipped = await flippable();
  for (const { path, offset, bit } of everyByte(flipped.world))
    await checkFlipAlone(flipped, path, offset, bit);
});

test('of 68 punctured slots none opens in the closure attack, and nothing that lives is lost', async (t) => {
  const witnessed = await Witnessed.create('long');
  for (let at = 0; at < 120; at++)
    witnessed.addRecord(`mem_${at}`, slotOf(2 + (at % 2), at), scopeOf(at % 12));
  for (let at = 0; at < 60; at += 3)
    await witnessed.erase(
      slotOf(2 + (at % 2), at),
      slotOf(2 + ((at + 1) % 2), at + 1),
      slotOf(2 + (at % 2), at + 2),
    );
  for (let at = 0; at < 8; at++) await witnessed.erase(subjectOf(at));
  assert.equal(witnessed.erased.size, 68);
  const result = witnessed.attack();
  assert.deepEqual(witnessed.leaks(result), []);
  for (const canary of witnessed.canaries)
    assert.equal(result.opened.has(canary.name), !witnessed.isDead(canary), canary.name);
  t.diagnostic(
    `${result.values} values on ${witnessed.pages.length} pages and ${witnessed.records.length} records`,
  );
});

test('the closure attack opens nothing erased in a keyring of two levels either', async () => {
  const witnessed = await twoLevels({});
  const result = witnessed.attack();
  assert.deepEqual(witnessed.leaks(result), []);
  for (const canary of witnessed.canaries)
    assert.equal(result.opened.has(canary.name), !witnessed.isDead(canary), canary.name);
});

test('the closure attack finds it when the key of an inner page is kept', async () => {
  const witnessed = await twoLevels({
    pageKey: (random, height, previous) => (previous !== null && height > 0 ? previous.slice() : random(32)),
  });
  assert.notDeepEqual(witnessed.leaks(witnessed.attack()), []);
});
