import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat, u16, type Bytes } from '../bytes/encoding.ts';
import { isEqual } from '../bytes/equal.ts';
import {
  checkLeaf,
  coveringLabel,
  leafKey,
  LeafPath,
  livingSlots,
  punctureLeaf,
  wholeLeaf,
  type LeafPage,
} from './leaf.ts';
import { LEAF_SLOTS } from './slot.ts';

const SEED: Bytes = new Uint8Array(32).map((_, at) => at);
const SMALL_DEPTH = 4;
const SMALL_SLOTS = 16;

/** Every node's seed by the definition alone, in a few lines that share nothing with the module. */
function seedsOf(seed: Bytes, depth: number): Bytes[] {
  const seeds: Bytes[] = [new Uint8Array(0), seed];
  for (let label = 1; label < 1 << depth; label++) {
    const children = createHash('sha512')
      .update('srggm/1\0', 'latin1')
      .update(seeds[label] as Bytes)
      .digest();
    seeds[2 * label] = new Uint8Array(children.subarray(0, 32));
    seeds[2 * label + 1] = new Uint8Array(children.subarray(32));
  }
  return seeds;
}

/** For each label, the slots below it as a bit set. */
const SLOTS_UNDER = Array.from({ length: 2 * SMALL_SLOTS }, (_, label) => {
  let under = 0;
  for (let slot = 0; slot < SMALL_SLOTS; slot++) {
    for (let above = SMALL_SLOTS + slot; above > 0; above >>= 1) if (above === label) under |= 1 << slot;
  }
  return under;
});

/** All pages in one stretch of memory, because 65,536 little ones would keep the garbage collector busy. */
function allPages(seeds: readonly Bytes[]): (dead: number) => LeafPage {
  const starts = new Uint32Array((1 << SMALL_SLOTS) + 1);
  const arena = new Uint8Array(1 << 24);
  for (let dead = 0; dead < 1 << SMALL_SLOTS; dead++) {
    const page = pageOf(seeds, dead);
    arena.set(page, starts[dead]);
    starts[dead + 1] = starts[dead]! + page.length;
  }
  return (dead) => arena.subarray(starts[dead], starts[dead + 1]);
}

/** The page that keeps exactly the slots not in `dead` (a bit set): the highest nodes with nothing dead below. */
function pageOf(seeds: readonly Bytes[], dead: number): LeafPage {
  const isClean = (label: number): boolean => (dead & SLOTS_UNDER[label]!) === 0;
  const kept = seeds.flatMap((seed, label) =>
    label > 0 && isClean(label) && (label === 1 || !isClean(label >> 1)) ? [concat(u16(label), seed)] : [],
  );
  return concat(...kept);
}

test('every subset of a leaf of 16 slots, punctured in every order, keeps the keys of the rest and no others', () => {
  const seeds = seedsOf(SEED, SMALL_DEPTH);
  const pageAt = allPages(seeds);
  for (let dead = 0; dead < 1 << SMALL_SLOTS; dead++) {
    const page = pageAt(dead);
    // Any order of a subset is a walk along these steps, and each step ends at the page of its subset.
    for (let slot = 0; slot < SMALL_SLOTS; slot++) {
      if ((dead >> slot) & 1) continue;
      const next = punctureLeaf(page, { indexes: [slot] }, SMALL_DEPTH);
      if (!isEqual(next, pageAt(dead | (1 << slot)))) assert.fail(`puncturing ${slot} after ${dead}`);
    }
    if (dead % 61 === 0) checkKeys(page, dead, seeds);
  }
});

function checkKeys(page: LeafPage, dead: number, seeds: readonly Bytes[]): void {
  for (let slot = 0; slot < SMALL_SLOTS; slot++) {
    assert.equal(coveringLabel(page, slot, SMALL_DEPTH) === null, ((dead >> slot) & 1) === 1);
    const expected = (dead >> slot) & 1 ? null : (seeds[SMALL_SLOTS + slot] as Bytes);
    assert.deepEqual(leafKey(page, slot, SMALL_DEPTH), expected);
  }
}

test('a puncture that does nothing, or keeps one node too many, is found by the same comparison', () => {
  const seeds = seedsOf(SEED, SMALL_DEPTH);
  const punctured = punctureLeaf(wholeLeaf(SEED), { indexes: [5] }, SMALL_DEPTH);
  assert.ok(isEqual(punctured, pageOf(seeds, 1 << 5)));
  assert.ok(!isEqual(wholeLeaf(SEED), pageOf(seeds, 1 << 5)));
  assert.throws(() => checkLeaf(concat(wholeLeaf(SEED), punctured), SMALL_DEPTH), {
    code: 'keyring.damaged',
  });
});

test('after any history of punctures a leaf of 4,096 derives what lives, as before, and nothing that died', () => {
  const whole = wholeLeaf(SEED);
  const path = new LeafPath();
  const index = fc.nat(LEAF_SLOTS - 1);
  const batch = fc.record({
    indexes: fc.array(index, { maxLength: 40 }),
    from: fc.option(fc.integer({ min: 3000, max: 4096 }), { nil: undefined, freq: 8 }),
  });
  fc.assert(
    fc.property(fc.array(batch, { maxLength: 8 }), fc.array(index, { maxLength: 12 }), (history, probes) => {
      const dead = new Set<number>();
      let page: LeafPage = whole;
      for (const { indexes, from } of history) {
        page = punctureLeaf(page, from === undefined ? { indexes } : { indexes, from });
        for (const slot of indexes) dead.add(slot);
        for (let slot = from ?? LEAF_SLOTS; slot < LEAF_SLOTS; slot++) dead.add(slot);
        checkLeaf(page);
      }
      const living = livingSlots(page);
      for (let slot = 0; slot < LEAF_SLOTS; slot++) assert.equal(living[slot] === 0, dead.has(slot));
      for (const slot of [...probes, ...[...dead].slice(0, 8)]) {
        const expected = dead.has(slot) ? null : leafKey(whole, slot);
        assert.deepEqual(leafKey(page, slot), expected);
        assert.deepEqual(path.key(page, slot), expected);
      }
    }),
    { numRuns: 150 },
  );
});

test('the remembered path gives the key of every slot, in sequence and at random, on any page', () => {
  const seeds = seedsOf(SEED, 12);
  const page = punctureLeaf(wholeLeaf(SEED), { indexes: [0, 77, 78, 2048, 4095] });
  const path = new LeafPath();
  for (let at = 0; at < LEAF_SLOTS; at++) {
    for (const slot of [at, (at * 1597) % LEAF_SLOTS]) {
      const key = path.key(page, slot);
      const expected = [0, 77, 78, 2048, 4095].includes(slot) ? null : (seeds[LEAF_SLOTS + slot] as Bytes);
      if (key === null || expected === null ? key !== expected : !isEqual(key, expected))
        assert.fail(`slot ${slot}`);
    }
  }
});

test('a leaf page with its labels out of order, doubled, overlapping or cut is damaged', () => {
  const entry = (label: number): Bytes => concat(u16(label), SEED);
  const bad = [[], [0], [2, 2], [5, 4], [2, 3], [2, 4], [2, 9], [8192]];
  for (const labels of bad)
    assert.throws(() => checkLeaf(concat(...labels.map(entry))), { code: 'keyring.damaged' });
  assert.throws(() => checkLeaf(entry(1).slice(1)), { code: 'keyring.damaged' });
  assert.ok(checkLeaf(concat(entry(3), entry(5))));
});

test('a fully punctured leaf is an empty page, and its slots stay dead', () => {
  const page = punctureLeaf(wholeLeaf(SEED), { indexes: [], from: 0 });
  assert.equal(page.length, 0);
  assert.equal(leafKey(page, 5), null);
});
