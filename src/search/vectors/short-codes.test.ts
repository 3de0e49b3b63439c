/** Codes of a few directions: that they come where they help, go where they do not, and change nothing else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { BLOCK_BYTES_MAX, BLOCK_BYTES_MIN } from '../arena.ts';
import type { Metric } from '../types.ts';
import {
  KINDS,
  openTestRoom,
  randomFrom,
  roundClusters,
  trueNeighbours,
  wanted,
  type Make,
} from '../testing/vector-sets.ts';
import { CodedVectors } from './coded-vectors.ts';
import { unit } from './numbers.ts';
import type { VectorRoom } from './room.ts';
import { paddedLength } from './rows.ts';

const DIMENSIONS = 96;
const FEW = KINDS['few directions'] as Make;
const ALL = KINDS['no clusters'] as Make;
const METRICS: readonly Metric[] = ['cosine', 'dot', 'euclidean'];

/** Learns as soon as there are 200 rows. */
class Vault {
  readonly held = new Map<number, Float32Array>();
  readonly room: VectorRoom;
  readonly vectors: CodedVectors;
  readonly #metric: Metric;

  constructor(metric: Metric, room = openTestRoom(0, undefined, 200)) {
    this.#metric = metric;
    this.room = room;
    this.vectors = new CodedVectors(this.room, metric, paddedLength(DIMENSIONS), 2);
  }

  put(document: number, vector: Float32Array): void {
    const compared = this.#metric === 'cosine' ? unit(vector) : vector;
    this.remove(document);
    this.vectors.add(document, compared);
    this.held.set(document, compared);
  }

  remove(document: number): void {
    this.vectors.remove(document);
    this.held.delete(document);
  }

  fill(from: number, to: number, make: () => Float32Array): void {
    for (let document = from; document < to; document++) this.put(document, make());
  }

  work(): this {
    while (this.vectors.work());
    return this;
  }

  ask(query: Float32Array, own: Parameters<typeof wanted>[0] = {}): readonly number[] {
    const compared = this.#metric === 'cosine' ? unit(query) : query;
    return this.vectors.search(compared, wanted(own)).map(({ row }) => row);
  }

  recall(make: () => Float32Array, queries = 20): number {
    let found = 0;
    for (let n = 0; n < queries; n++) {
      const query = make();
      const answer = new Set(this.ask(query));
      found += trueNeighbours(this.#metric, query, this.held, 10).filter((row) => answer.has(row)).length;
    }
    return found / queries / 10;
  }
}

for (const metric of METRICS)
  test(`vectors that vary in few directions are coded along those, and found: ${metric}`, () => {
    const random = randomFrom(3);
    const make = (): Float32Array => FEW(DIMENSIONS, random);
    const vault = new Vault(metric);
    vault.fill(0, 1500, make);
    vault.work();
    assert.deepEqual(vault.vectors.codings, ['16 directions']);
    // Twenty queries tell a recall to about one in a hundred.
    assert.ok(vault.recall(make) >= 0.975);
  });

test('vectors that vary in all directions keep one bit for each number', () => {
  const random = randomFrom(4);
  const vault = new Vault('cosine');
  vault.fill(0, 1000, () => ALL(DIMENSIONS, random));
  assert.deepEqual(vault.work().vectors.codings, ['signs']);
});

test('directions that say in which cluster a vector is, and nothing of its neighbours there, are not taken', () => {
  const random = randomFrom(6);
  const make = (): Float32Array => roundClusters(0.3)(DIMENSIONS, random);
  const vault = new Vault('cosine');
  vault.fill(0, 2000, make);
  assert.deepEqual(vault.work().vectors.codings, ['signs']);
  assert.ok(vault.recall(make) >= 0.975);
});

test('where the kind of vectors changes the codes follow, and recall does not drop, neither before nor while nor after', () => {
  const random = randomFrom(5);
  const few = (): Float32Array => FEW(DIMENSIONS, random);
  const all = (): Float32Array => ALL(DIMENSIONS, random);
  const vault = new Vault('cosine');
  vault.fill(0, 1200, few);
  vault.work();
  vault.fill(0, 600, all);
  for (const make of [few, all]) assert.ok(vault.recall(make) >= 0.975);
  let moving = 0;
  for (let n = 0; vault.vectors.work(); n++) {
    if (vault.vectors.codings.length === 1) continue;
    if (moving++ % 8 === 0) for (const make of [few, all]) assert.ok(vault.recall(make, 10) >= 0.95);
  }
  assert.ok(moving > 0);
  assert.deepEqual(vault.vectors.codings, ['signs']);
  for (const make of [few, all]) assert.ok(vault.recall(make) >= 0.975);
  vault.fill(0, 1200, few);
  vault.fill(1200, 5000, few);
  assert.deepEqual(vault.work().vectors.codings, ['16 directions']);
  assert.ok(vault.recall(few) >= 0.975);
});

test('of thousands of vectors all alike, whose list is scanned after others, those that ties put first are found', () => {
  const random = randomFrom(9);
  const vault = new Vault('cosine');
  vault.fill(0, 2000, () => FEW(DIMENSIONS, random));
  const [alike, other] = [FEW(DIMENSIONS, random), FEW(DIMENSIONS, random)];
  const beside = alike.map((value, i) => value + 0.5 * (other[i] as number));
  vault.fill(2000, 2040, () => beside.map((value) => value + 0.001 * random()));
  vault.fill(3000, 12_000, () => alike);
  assert.deepEqual(vault.work().vectors.codings, ['16 directions']);
  const found = vault.ask(beside, { limit: 100 });
  assert.ok(found.slice(0, 40).every((row) => row >= 2000 && row < 2040));
  const ofThem = found.filter((row) => row >= 3000);
  assert.ok(ofThem.length > 0);
  assert.deepEqual(
    ofThem,
    ofThem.map((_, at) => 11_999 - at),
  );
});

test('a filter that keeps one vector in a hundred costs no recall among short codes either', () => {
  const random = randomFrom(6);
  const make = (): Float32Array => FEW(DIMENSIONS, random);
  const vault = new Vault('euclidean');
  vault.fill(0, 2000, make);
  vault.work();
  for (const rest of [7, 60]) {
    const query = make();
    const order = trueNeighbours('euclidean', query, vault.held, 2000);
    const keeps = (document: number): boolean => document % 100 === rest;
    assert.deepEqual(vault.ask(query, { keeps }), order.filter(keeps).slice(0, 10));
  }
});

type Step =
  | { readonly kind: 'add'; readonly documents: readonly number[] }
  | { readonly kind: 'remove'; readonly documents: readonly number[] }
  | { readonly kind: 'work'; readonly steps: number };
const documents = fc.array(fc.integer({ min: 0, max: 499 }), { minLength: 1, maxLength: 300 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('add' as const), documents }) },
  fc.record({ kind: fc.constant('remove' as const), documents }),
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('work' as const), steps: fc.integer({ min: 1, max: 500 }) }),
  },
);

test('through any additions, removals and work, also while rows move to other codes, each document is held exactly once, and all memory comes back', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), fc.constantFrom(...METRICS), (steps, metric) => {
      const random = randomFrom(steps.length + 1);
      const vault = new Vault(metric);
      const free = vault.room.arena.usedBytes;
      steps.forEach((step, at) => {
        const make = at % 5 === 4 ? ALL : FEW;
        if (step.kind === 'add')
          for (const document of step.documents) vault.put(document, make(DIMENSIONS, random));
        else if (step.kind === 'remove') for (const document of step.documents) vault.remove(document);
        else for (let n = 0; n < step.steps; n++) vault.vectors.work();
      });
      const query = FEW(DIMENSIONS, random);
      const hits = vault.ask(query, { limit: 1000, recall: 0.999999 });
      assert.deepEqual(
        hits.toSorted((a, b) => a - b),
        [...vault.held.keys()].toSorted((a, b) => a - b),
      );
      for (const document of vault.held.keys()) vault.vectors.remove(document);
      assert.equal(vault.vectors.size, 0);
      // What stays is the signs of the rotation, which belong to the room.
      assert.ok(vault.room.arena.usedBytes - free <= 2048);
    }),
    { numRuns: 30 },
  );
});

test('when there is no memory to learn in, searches go on as before, and it is learned when there is', () => {
  const random = randomFrom(9);
  const make = (): Float32Array => FEW(DIMENSIONS, random);
  const vault = new Vault('cosine', openTestRoom(0, 8 * BLOCK_BYTES_MAX, 200));
  vault.fill(0, 150, make);
  const taken: number[] = [];
  assert.throws(
    () => {
      for (;;) taken.push(vault.room.arena.take(BLOCK_BYTES_MIN));
    },
    { code: 'search.unavailable' },
  );
  vault.fill(150, 300, make);
  vault.work();
  assert.deepEqual(vault.vectors.codings, ['signs']);
  assert.equal(vault.ask(make(), { limit: 1000, recall: 0.9999 }).length, 300);
  for (const offset of taken) vault.room.arena.give(offset, BLOCK_BYTES_MIN);
  vault.fill(300, 1300, make);
  assert.deepEqual(vault.work().vectors.codings, ['16 directions']);
  assert.ok(vault.recall(make) >= 0.975);
});
