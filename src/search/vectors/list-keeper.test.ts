import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BLOCK_BYTES_MAX } from '../arena.ts';
import { BLOCK_LANES, LAYOUT } from '../kernel/kernel.ts';
import { KINDS, openTestRoom, randomFrom, wanted, type Make } from '../testing/vector-sets.ts';
import { CodedVectors } from './coded-vectors.ts';
import type { Coding } from './coding.ts';
import { ListKeeper } from './list-keeper.ts';
import { Lists } from './lists.ts';
import { unit } from './numbers.ts';
import type { VectorRoom } from './room.ts';
import { Rows } from './rows.ts';
import { ShortCoding } from './short-coding.ts';
import { SignCoding } from './sign-coding.ts';

const ROWS = 9000;
const DIMENSIONS = 64;

/** Rows come a few at a time, with so many steps of work after each few. */
function grown(few: number, steps: number): { vectors: CodedVectors; codesOfAnswers: () => number } {
  const random = randomFrom(3);
  const one = (): Float32Array => unit((KINDS['two hundred clusters'] as Make)(DIMENSIONS, random));
  // One-bit codes, whatever directions there are.
  const room = openTestRoom(0, undefined, Number.POSITIVE_INFINITY);
  const vectors = new CodedVectors(room, 'cosine', DIMENSIONS, 8);
  for (let document = 0; document < ROWS; document++) {
    vectors.reserve(1);
    vectors.add(document, one());
    if (document % few === 0) for (let step = 0; step < steps; step++) vectors.work();
  }
  while (vectors.work());
  const queries = Array.from({ length: 20 }, one);
  const codesOfAnswers = (): number =>
    queries.reduce((sum, query) => {
      vectors.search(query, wanted());
      return sum + vectors.last.codes;
    }, 0);
  return { vectors, codesOfAnswers };
}

test('a vault that grew little by little looks at as few codes as one that was filled at once', () => {
  const atOnce = grown(ROWS, 0).codesOfAnswers();
  for (const steps of [7, 10, 12]) {
    // Lists are split in the midst of sweeps, which go on.
    const little = grown(50, steps).codesOfAnswers();
    assert.ok(little < 1.5 * atOnce, `${little} of ${atOnce}`);
  }
});

test('lists to which a sweep brought many rows are swept once more when the vault is searched, and then no more', () => {
  const { vectors, codesOfAnswers } = grown(ROWS, 0);
  const first = codesOfAnswers();
  while (vectors.work());
  const then = codesOfAnswers();
  assert.ok(then < 0.7 * first, `${then} of ${first}`);
  assert.ok(!vectors.work());
});

test('when most of a vault is removed in the midst of a split, all that is left is found', () => {
  const random = randomFrom(5);
  const all = Array.from({ length: ROWS }, () =>
    unit((KINDS['two hundred clusters'] as Make)(DIMENSIONS, random)),
  );
  for (const steps of [1, 4, 12]) {
    const vectors = new CodedVectors(
      openTestRoom(0, undefined, Number.POSITIVE_INFINITY),
      'cosine',
      DIMENSIONS,
      8,
    );
    all.forEach((vector, document) => vectors.add(document, vector));
    for (let step = 0; step < steps; step++) vectors.work();
    for (let document = 0; document < ROWS - 500; document++) vectors.remove(document);
    while (vectors.work());
    for (let document = ROWS - 500; document < ROWS; document++) {
      const [found] = vectors.search(all[document] as Float32Array, wanted());
      assert.equal(found?.row, document);
    }
    assert.ok(vectors.listCount > 4, `${vectors.listCount} lists`);
  }
});

class Gathering extends SignCoding {
  override readonly gatherFrom: number = 1;
}

type MakeCoding = (room: VectorRoom, rows: Rows) => Coding;

const bySigns: MakeCoding = (room, rows) => new SignCoding(room, rows);

/** Short codes in as many directions as there are, the first of which are the vectors' own. */
const alongFew: MakeCoding = (room, rows) => {
  const count = 16;
  const write = (at: number): void => {
    for (let i = 0; i < count; i++) {
      const axis = Float32Array.from({ length: rows.padded }, (_, j) => Number(i === j));
      room.floats.set(axis, room.scratch.vector / 4);
      room.kernel.encodeRow(room.scratch.vector, rows.padded, 0, at + i * (LAYOUT.rowHead + rows.padded));
    }
  };
  return new ShortCoding(room, rows, { count, share: 0.5, freedom: count, doubt: 0, write });
};
const CODINGS = { 'one-bit codes': bySigns, 'short codes': alongFew };

/** Lists of several blocks, to which rows came by turns. */
function byTurns(count: number, coding: MakeCoding, bytesMax?: number) {
  const room = openTestRoom(0, bytesMax);
  const rows = new Rows(room, DIMENSIONS, 8, false);
  const made = coding(room, rows);
  const lists = new Lists(room, made);
  const random = randomFrom(5);
  const add = (list: number): void => {
    const row = rows.add(rows.count);
    const vector = (KINDS['no clusters'] as Make)(DIMENSIONS, random);
    room.floats.set(vector, room.scratch.vector / 4);
    room.kernel.encodeRow(room.scratch.vector, DIMENSIONS, 8, row);
    lists.put(row, list);
  };
  lists.reserve(0);
  for (let list = 1; list < count; list++) lists.open(room.scratch.sums);
  for (let n = 0; n < 70 * count; n++) add(n % count);
  const blocksOf = (list: number): readonly number[] => {
    const blocks: number[] = [];
    for (let at = lists.heads[list] as number; at !== 0; at = room.words[at / 4] as number) blocks.push(at);
    return blocks;
  };
  const areTogether = (list: number): boolean =>
    blocksOf(list).every((at, i, all) => i === 0 || at === (all[i - 1] as number) + made.blockBytes);
  const rowsOf = (list: number): readonly number[] => lists.rowsOf(list);
  return { room, rows, lists, coding: made, add, areTogether, rowsOf };
}

for (const [name, make] of Object.entries(CODINGS)) {
  test(`a gathered list has its blocks side by side and its rows in the order they were in, and gives them out and takes others as before: ${name}`, () => {
    const { room, rows, lists, coding, add, areTogether, rowsOf } = byTurns(4, make);
    const before = [0, 1, 2, 3].map(rowsOf);
    assert.ok(![0, 1, 2, 3].some(areTogether));
    for (const list of [0, 1, 2, 3]) lists.gather(list);
    lists.endGathering();
    assert.ok([0, 1, 2, 3].every(areTogether));
    assert.deepEqual([0, 1, 2, 3].map(rowsOf), before);
    for (let n = 0; n < 2 * BLOCK_LANES; n++) add(2);
    const all = [0, 1, 2, 3].flatMap(rowsOf);
    assert.equal(new Set(all).size, 4 * 70 + 2 * BLOCK_LANES);
    for (const list of [0, 1, 2, 3]) for (const row of rowsOf(list)) assert.equal(lists.take(row), list);
    for (const list of [0, 1, 2, 3]) assert.ok(Math.abs(lists.spreads[list] as number) < 1e-3);
    assert.deepEqual([0, 1, 2, 3].flatMap(rowsOf), []);
    const held = room.arena.usedBytes - lists.bytes - rows.bytes - coding.bytes;
    lists.close();
    rows.close();
    assert.equal(lists.bytes, 0);
    assert.ok(held <= BLOCK_BYTES_MAX);
  });

  test(`what a gathered list leaves behind is overwritten: ${name}`, () => {
    const { room, lists, coding } = byTurns(3, make);
    const old = [0, 1, 2].map((list) => {
      const block = lists.heads[list] as number;
      return { block, apart: room.words[(block + LAYOUT.blockRowsAt) / 4] as number };
    });
    for (const list of [0, 1, 2]) lists.gather(list);
    for (const { block, apart } of old) {
      assert.ok(room.bytes.subarray(block, block + coding.blockBytes).every((byte) => byte === 0));
      assert.ok(room.bytes.subarray(apart, apart + coding.apartBytes).every((byte) => byte === 0));
    }
  });
}

test('a list that there is no memory to gather stays where it is', () => {
  const { room, lists, rowsOf } = byTurns(3, bySigns, 8 * BLOCK_BYTES_MAX);
  const before = [0, 1, 2].map(rowsOf);
  assert.throws(
    () => {
      for (;;) room.arena.take(BLOCK_BYTES_MAX);
    },
    { code: 'search.unavailable' },
  );
  assert.throws(() => lists.gather(1), { code: 'search.unavailable' });
  assert.deepEqual([0, 1, 2].map(rowsOf), before);
});

test('the keeper gathers lists once all else is done, and not again before much has changed', () => {
  const { room, rows, lists, coding, areTogether } = byTurns(4, (room, rows) => new Gathering(room, rows));
  const keeper = new ListKeeper(room, rows, coding, lists);
  for (let steps = 0; keeper.step(); steps++) assert.ok(steps < 1000);
  assert.ok(Array.from({ length: lists.count }, (_, list) => list).every(areTogether));
  assert.ok(!lists.isScattered);
  const spared = byTurns(4, bySigns);
  const other = new ListKeeper(spared.room, spared.rows, spared.coding, spared.lists);
  for (let steps = 0; other.step(); steps++) assert.ok(steps < 1000);
  assert.ok(!Array.from({ length: spared.lists.count }, (_, list) => list).every(spared.areTogether));
});

test('what the members of a list have in common is known exactly, though its centroid is rounded', () => {
  const { room, rows, lists, add, rowsOf } = byTurns(2, bySigns);
  const numbersOf = (row: number, lowBits: 0 | 8): Float32Array => {
    room.kernel.decodeRow(row, DIMENSIONS, lowBits, room.scratch.vector);
    return room.floats.slice(room.scratch.vector / 4, room.scratch.vector / 4 + DIMENSIONS);
  };
  const inCommon = (list: number): number => {
    const centroid = numbersOf(lists.centroidOf(list), 0);
    const aside = (row: number): number =>
      numbersOf(row, 8).reduce(
        (sum, y, i) => sum + (centroid[i] as number) * (y - (centroid[i] as number)),
        0,
      );
    return rowsOf(list).reduce((sum, row) => sum + aside(row), 0);
  };
  const isKnown = (list: number): boolean =>
    Math.abs((lists.bases[list] as number) - inCommon(list)) < 1e-4 * Math.max(1, Math.abs(inCommon(list)));
  const around = (list: number): void => {
    room.floats.set(numbersOf(rowsOf(list)[0] as number, 8), room.scratch.sums / 4);
    lists.recentre(list, room.scratch.sums);
  };
  around(1);
  const square = numbersOf(lists.centroidOf(1), 0).reduce((sum, c) => sum + c * c, 0);
  assert.ok(Math.abs((lists.squares[1] as number) - square) < 1e-6 * square);
  assert.ok(inCommon(1) < -100);
  assert.ok(isKnown(1));
  for (let n = 0; n < 50; n++) add(1);
  for (const row of rowsOf(1).slice(20, 60)) lists.move(row, 0);
  assert.ok(isKnown(0));
  assert.ok(isKnown(1));
  assert.equal(rows.count, 190);
});
