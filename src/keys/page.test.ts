import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat, type Bytes } from '../bytes/encoding.ts';
import { EpochFileDraft, FILE_HEAD_BYTES, matchFileHead } from './epoch-file.ts';
import {
  decodeInner,
  decodeTop,
  encodeInner,
  encodeTop,
  openPage,
  sealPage,
  type InnerEntry,
  type PageRef,
} from './page.ts';
import { decodeSlots, encodeSlots, indexOf, leafOf, parseSlot, slotOf } from './slot.ts';
import { heightFor } from './tree.ts';

const bytes = (length: number): fc.Arbitrary<Bytes> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((value) => new Uint8Array(value));
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const ref: fc.Arbitrary<PageRef> = fc.record(
  {
    key: bytes(32),
    file: bytes(8).map((value) => Buffer.from(value).toString('hex')),
    offset: u32,
    length: u32,
  },
  { noNullPrototype: true },
);
const entriesAt = (height: number): fc.Arbitrary<InnerEntry[]> =>
  fc.uniqueArray(fc.nat(255), { maxLength: 40 }).chain((indexes) =>
    fc.tuple(
      ...indexes
        .sort((a, b) => a - b)
        .map((index): fc.Arbitrary<InnerEntry> => {
          const page = ref.map((found) => ({ kind: 'page', index, ref: found }) as const);
          return height > 1
            ? page
            : fc.oneof(
                page,
                bytes(32).map((seed) => ({ kind: 'seed', index, seed }) as const),
              );
        }),
    ),
  );

test('inner and top pages come back as they were written', () => {
  const deployment = new Uint8Array(16).fill(3);
  const page = fc
    .integer({ min: 1, max: 4 })
    .chain((height) =>
      fc.record(
        { height: fc.constant(height), leafCount: u32, entries: entriesAt(height) },
        { noNullPrototype: true },
      ),
    );
  fc.assert(
    fc.property(page, (top) => {
      assert.deepEqual(decodeInner(encodeInner(top.entries), top.height), top.entries);
      assert.deepEqual(decodeTop(encodeTop(deployment, top), deployment), top);
    }),
  );
});

test('a page with an unknown kind, entries out of order, doubled or cut, or a seed above height 1 is damaged', () => {
  const seed = (index: number): Bytes => concat(Uint8Array.of(index, 1), new Uint8Array(32));
  const damaged = { code: 'keyring.damaged' };
  assert.equal(decodeInner(concat(seed(1), seed(2)), 1).length, 2);
  assert.throws(() => decodeInner(concat(seed(2), seed(1)), 1), damaged);
  assert.throws(() => decodeInner(concat(seed(2), seed(2)), 1), damaged);
  assert.throws(() => decodeInner(seed(2), 2), damaged);
  assert.throws(() => decodeInner(seed(2).slice(0, 33), 1), damaged);
  assert.throws(() => decodeInner(seed(2).slice(0, 1), 1), damaged);
  assert.throws(() => decodeInner(concat(Uint8Array.of(1, 3), new Uint8Array(60)), 1), damaged);
  const top = encodeTop(new Uint8Array(16), { height: 1, leafCount: 1, entries: [] });
  assert.throws(() => decodeTop(top, new Uint8Array(16).fill(1)), damaged);
  assert.throws(() => decodeTop(top.slice(0, 5), new Uint8Array(16)), damaged);
  for (const [at, value] of [
    [0, 2],
    [17, 0],
    [17, 5],
  ] as const) {
    const bad = top.slice();
    bad[at] = value;
    assert.throws(() => decodeTop(bad, new Uint8Array(16)), damaged);
  }
});

test('a page opens at its own height and index in its own deployment only', () => {
  const key = new Uint8Array(32).fill(1);
  const place = { deployment: new Uint8Array(16), height: 0, index: 300 };
  const box = sealPage(key, place, new Uint8Array(34), (length) => new Uint8Array(length));
  assert.equal(openPage(key, place, box).length, 34);
  for (const other of [{ height: 1 }, { index: 301 }, { deployment: new Uint8Array(16).fill(1) }]) {
    assert.throws(() => openPage(key, { ...place, ...other }, box), { code: 'box.damaged' });
  }
});

test('an epoch file says its epoch and where its top page lies, and nothing else passes for one', () => {
  const draft = new EpochFileDraft();
  assert.equal(draft.add(new Uint8Array(30)), FILE_HEAD_BYTES);
  draft.addTop(new Uint8Array(40));
  const file = draft.encode(7);
  assert.deepEqual(matchFileHead(file), { epoch: 7, topOffset: FILE_HEAD_BYTES + 30 });
  for (const bad of [file.slice(0, FILE_HEAD_BYTES), file.slice(1), file.slice(0, FILE_HEAD_BYTES + 30)]) {
    assert.equal(matchFileHead(bad), null);
  }
});

test('slots are leaf and index, whole numbers in their bounds, and lists of them come back', () => {
  const slot = slotOf(2 ** 32 - 1, 4095);
  assert.deepEqual([leafOf(slot), indexOf(slot)], [2 ** 32 - 1, 4095]);
  assert.deepEqual(decodeSlots(encodeSlots([slot, slotOf(0, 1)])), [slot, slotOf(0, 1)]);
  for (const bad of [-1, 0.5, 2 ** 44, Number.NaN]) assert.throws(() => parseSlot(bad), RangeError);
  assert.throws(() => slotOf(0, 4096), RangeError);
  assert.throws(() => decodeSlots(new Uint8Array(7)), RangeError);
});

test('two levels serve 268 million slots', () => {
  assert.deepEqual([1, 256, 257, 65_536, 65_537].map(heightFor), [1, 1, 2, 2, 3]);
});
