import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { BLOCK_BYTES_MAX } from '../arena.ts';
import type { Metric } from '../types.ts';
import {
  KINDS,
  tightClusters,
  openCoded,
  openTestRoom,
  randomFrom,
  roundClusters,
  trueNeighbours,
  wanted,
  workOff,
  type Make,
} from '../testing/vector-sets.ts';
import type { VectorIndex } from './vector-index.ts';

const METRICS: readonly Metric[] = ['cosine', 'dot', 'euclidean'];

type Held = Map<number, Float32Array>;

function fill(index: VectorIndex, held: Held, documents: readonly number[], make: () => Float32Array): void {
  for (const document of documents) {
    const vector = make();
    index.remove(document);
    index.add(document, vector);
    held.set(document, vector);
  }
}

/** The part of the true neighbours that is found, over some queries of the same kind. */
function recallOf(
  index: VectorIndex,
  metric: Metric,
  held: Held,
  make: () => Float32Array,
  queries = 20,
): number {
  let found = 0;
  for (let n = 0; n < queries; n++) {
    const query = make();
    const answer = new Set(index.search(query, wanted()).map(({ row }) => row));
    found += trueNeighbours(metric, query, held, 10).filter((document) => answer.has(document)).length;
  }
  return found / queries / 10;
}

const upTo = (count: number, from = 0): readonly number[] =>
  Array.from({ length: count }, (_, i) => from + i);

for (const [kind, make] of Object.entries(KINDS))
  test(`neighbours are found up to the recall that was set: ${kind}`, () => {
    const dimensions = [3, 24, 100, 576];
    METRICS.forEach((metric, at) => {
      const length = dimensions[(at + kind.length) % dimensions.length] as number;
      const random = randomFrom(at + 1);
      const one = (): Float32Array => make(length, random);
      const index = openCoded(metric, length);
      const held: Held = new Map();
      fill(index, held, upTo(1000), one);
      const before = recallOf(index, metric, held, one);
      workOff(index);
      const after = recallOf(index, metric, held, one);
      // Twenty queries tell a recall to about one in a hundred.
      assert.ok(before >= 0.975 && after >= 0.975, `${metric}, ${length}: ${before}, then ${after}`);
    });
  });

for (const kind of ['no clusters', 'ten clusters'])
  test(`in a vault so large that most codes are looked at in haste neighbours are found all the same, also after half of it was replaced: ${kind}`, () => {
    const random = randomFrom(1);
    const one = (): Float32Array => (KINDS[kind] as Make)(64, random);
    const index = openCoded('cosine', 64);
    const held: Held = new Map();
    fill(index, held, upTo(11_000), one);
    workOff(index);
    fill(index, held, upTo(5500, 3000), one);
    const amid = recallOf(index, 'cosine', held, one);
    workOff(index);
    const after = recallOf(index, 'cosine', held, one);
    // Twenty queries tell a recall to about one in a hundred.
    assert.ok(amid >= 0.975 && after >= 0.975, `${amid}, then ${after}`);
  });

test('lists are not left too soon where vectors are of very different lengths and their products have heavy tails', () => {
  for (const seed of [1, 2]) {
    const random = randomFrom(seed);
    const one = (): Float32Array => (KINDS['heavy tails'] as Make)(64, random);
    const index = openCoded('dot', 64);
    const held: Held = new Map();
    fill(index, held, upTo(6000), one);
    workOff(index);
    const recall = recallOf(index, 'dot', held, one);
    assert.ok(recall >= 0.975, `${seed}: ${recall}`);
  }
});

test('the recall set is what is paid for: a low one looks at less', () => {
  const random = randomFrom(3);
  const make = KINDS['ten clusters'] as Make;
  const index = openCoded('cosine', 64);
  fill(index, new Map(), upTo(3000), () => make(64, random));
  workOff(index);
  const asked = (recall: number): number => {
    let documents = 0;
    const keeps = (): boolean => ++documents > 0;
    const same = randomFrom(9);
    for (let n = 0; n < 20; n++) index.search(make(64, same), wanted({ recall, keeps }));
    return documents;
  };
  assert.ok(asked(0.5) < asked(0.9999));
});

type Step =
  | { readonly kind: 'add'; readonly documents: readonly number[] }
  | { readonly kind: 'remove'; readonly documents: readonly number[] }
  | { readonly kind: 'work'; readonly steps: number };
const documents = fc.array(fc.integer({ min: 0, max: 399 }), { minLength: 1, maxLength: 150 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('add' as const), documents }) },
  fc.record({ kind: fc.constant('remove' as const), documents }),
  fc.record({ kind: fc.constant('work' as const), steps: fc.integer({ min: 1, max: 40 }) }),
);

test('through any additions, removals and work in between, each document is held exactly once, with its own score', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 14 }), fc.constantFrom(...METRICS), (steps, metric) => {
      const random = randomFrom(steps.length + 1);
      const make = (): Float32Array => (KINDS['ten clusters'] as Make)(16, random);
      const room = openTestRoom(640);
      const free = room.arena.usedBytes;
      const index = openCoded(metric, 16, room);
      const held: Held = new Map();
      for (const step of steps) {
        if (step.kind === 'add') fill(index, held, step.documents, make);
        else if (step.kind === 'remove')
          for (const document of step.documents) {
            index.remove(document);
            held.delete(document);
          }
        else for (let n = 0; n < step.steps; n++) index.work();
      }
      const query = make();
      const hits = index.search(query, wanted({ limit: 1000, recall: 0.999999 }));
      assert.deepEqual(
        hits.map(({ row }) => row).toSorted((a, b) => a - b),
        [...held.keys()].toSorted((a, b) => a - b),
      );
      assert.equal(index.size, held.size);
      const first = trueNeighbours(metric, query, held, 1)[0];
      assert.equal(hits[0]?.row, first);
      for (const document of held.keys()) index.remove(document);
      // What stays is the signs of the rotation, which belong to the room.
      assert.ok(room.arena.usedBytes - free <= 1024);
    }),
    { numRuns: 40 },
  );
});

test('recall does not drop when half of a vault is deleted and replaced, by vectors of another kind too', () => {
  const random = randomFrom(11);
  const [one, other] = [KINDS['ten clusters'] as Make, KINDS['no clusters'] as Make];
  const index = openCoded('cosine', 96);
  const held: Held = new Map();
  fill(index, held, upTo(2000), () => one(96, random));
  workOff(index);
  fill(index, held, upTo(1000), () => other(96, random));
  for (const make of [one, other])
    assert.ok(recallOf(index, 'cosine', held, () => make(96, random)) >= 0.975);
  workOff(index);
  for (const make of [one, other])
    assert.ok(recallOf(index, 'cosine', held, () => make(96, random)) >= 0.975);
});

test('a filter that keeps one vector in a hundred costs no recall, wherever they lie', () => {
  const random = randomFrom(5);
  const make = KINDS['two hundred clusters'] as Make;
  const index = openCoded('euclidean', 64);
  const held: Held = new Map();
  fill(index, held, upTo(3000), () => make(64, random));
  workOff(index);
  const query = make(64, random);
  const order = trueNeighbours('euclidean', query, held, 3000);
  const narrow = [upTo(3000).filter((document) => document % 100 === 7), order.slice(-30)];
  for (const kept of narrow) {
    const set = new Set(kept);
    const hits = index.search(query, wanted({ keeps: (document) => set.has(document) }));
    assert.deepEqual(
      hits.map(({ row }) => row),
      order.filter((document) => set.has(document)).slice(0, 10),
    );
  }
});

test('vectors all alike, or zero, make no endless work, and come in the order of ties', () => {
  for (const value of [0, 1]) {
    const index = openCoded('dot', 8);
    for (const document of upTo(700)) index.add(document, new Float32Array(8).fill(value));
    workOff(index);
    const hits = index.search(new Float32Array(8).fill(2), wanted({ limit: 3 }));
    assert.deepEqual(
      hits.map(({ row }) => row),
      [699, 698, 697],
    );
  }
});

test('vectors and queries of any length are compared rightly, those that would overflow included', () => {
  for (const metric of METRICS) {
    // Distances of 1e-30 vanish when squared, whatever compares them.
    const lengths = metric === 'euclidean' ? [1, 1e5, 1e30] : [1e-30, 1e-8, 1, 1e10, 1e30];
    const index = openCoded(metric, 4);
    const held: Held = new Map();
    const random = randomFrom(2);
    const of = (length: number): Float32Array =>
      (KINDS['no clusters'] as Make)(4, random).map((value) => value * length);
    lengths.forEach((length, at) => fill(index, held, upTo(40, at * 40), () => of(length)));
    workOff(index);
    for (const length of lengths) {
      const query = of(length);
      const hits = index.search(query, wanted({ limit: 5, recall: 0.9999 }));
      assert.ok(hits.every(({ score }) => Number.isFinite(score)));
      const best = trueNeighbours(
        metric,
        query.map((value) => value / length),
        scaled(held, metric, length),
        1,
      )[0];
      assert.equal(hits[0]?.row, best, `${metric} ${length}`);
    }
  }
});

/** In a unit in which the reference does not overflow. */
const scaled = (held: Held, metric: Metric, length: number): Held =>
  metric === 'euclidean'
    ? new Map(Array.from(held, ([document, x]) => [document, x.map((value) => value / length)]))
    : held;

test('a vector compared with itself is as near as can be, whatever else is held', () => {
  const random = randomFrom(8);
  for (const metric of ['cosine', 'euclidean'] as const) {
    const index = openCoded(metric, 768);
    const held: Held = new Map();
    fill(index, held, upTo(500), () => (KINDS['far from the origin, uneven'] as Make)(768, random));
    workOff(index);
    for (const [document, vector] of [...held].slice(0, 20)) {
      const [hit] = index.search(vector, wanted({ limit: 1 }));
      assert.equal(hit?.row, document);
      assert.ok(Math.abs(1 - (hit?.score ?? 0)) < (metric === 'cosine' ? 1e-5 : 0.02), `${hit?.score}`);
    }
  }
});

test('in clusters far tighter than they are apart neighbours are told apart, by fine steps and wide bounds', () => {
  // The narrower, the more depends on the bounds; the more numbers, the more on the steps.
  for (const { width, dimensions, metric, least } of [
    { width: 0.02, dimensions: 576, metric: 'cosine', least: 0.98 },
    { width: 0.01, dimensions: 128, metric: 'cosine', least: 0.98 },
    { width: 0.01, dimensions: 128, metric: 'euclidean', least: 0.98 },
  ] as const) {
    const random = randomFrom(21);
    const make = (): Float32Array => tightClusters(width)(dimensions, random);
    const index = openCoded(metric, dimensions, openTestRoom(300 * dimensions * 4, undefined, 1000));
    const held: Held = new Map();
    fill(index, held, upTo(2400), make);
    workOff(index);
    const found = recallOf(index, metric, held, make, 40);
    assert.ok(found >= least, `${metric}, ${dimensions} numbers: ${found}`);
  }
});

test('neighbours are found where clusters are far narrower than what a few bits of a query or of a centroid leave out', () => {
  for (const metric of ['cosine', 'euclidean'] as const) {
    const random = randomFrom(22);
    const make = (): Float32Array => roundClusters(0.02, 6)(128, random);
    const index = openCoded(metric, 128, openTestRoom(300 * 128 * 4));
    const held: Held = new Map();
    fill(index, held, upTo(4000), make);
    workOff(index);
    const found = recallOf(index, metric, held, make, 40);
    assert.ok(found >= 0.98, `${metric}: ${found}`);
  }
});

test('steps are fine where most of the first vectors have a near neighbour that is no copy', () => {
  const bytesOf = (make: Make, copies: number, inOne = false): number => {
    const random = randomFrom(5);
    const index = openCoded('dot', 576, openTestRoom(100 * 576 * 4));
    const vectors = Array.from({ length: 200 / copies }, () => make(576, random)).flatMap((vector) =>
      // Copies as they come out of a model that is asked twice.
      Array.from({ length: copies }, () => vector.map((value) => value * (1 + 1e-6 * random()))),
    );
    if (inOne) index.reserve(vectors);
    vectors.forEach((vector, document) => index.add(document, vector));
    const stored = index.stored(0);
    assert.ok(stored?.form === 'row');
    return stored.bytes.length;
  };
  const coarse = bytesOf(KINDS['no clusters'] as Make, 1);
  assert.equal(bytesOf(KINDS['no clusters'] as Make, 2), coarse);
  assert.equal(bytesOf(tightClusters(0.3), 1), coarse);
  const fine = bytesOf(tightClusters(0.02), 1);
  assert.ok(fine > coarse);
  // More than is kept exact comes at once.
  assert.equal(bytesOf(tightClusters(0.3), 1, true), coarse);
  assert.equal(bytesOf(tightClusters(0.02), 1, true), fine);
});

test('what is removed leaves nothing in memory: no row, no code, no part of a block', () => {
  const room = openTestRoom(5120);
  const index = openCoded('cosine', 128, room);
  const random = randomFrom(4);
  const held: Held = new Map();
  const make = (): Float32Array => (KINDS['ten clusters'] as Make)(128, random);
  fill(index, held, upTo(600), make);
  workOff(index);
  const traces = new Map(
    [17, 300, 599].map((document) => {
      const stored = index.stored(document);
      assert.ok(stored?.form === 'row');
      return [document, Buffer.from(stored.bytes.subarray(20, 20 + 64))];
    }),
  );
  const isHeld = (trace: Buffer): boolean => Buffer.from(room.arena.memory.buffer).includes(trace);
  for (const [document, trace] of traces) {
    assert.equal(isHeld(trace), true);
    index.remove(document);
    assert.equal(isHeld(trace), false);
  }
  fill(index, held, upTo(600), make);
  for (const document of upTo(600)) index.remove(document);
  // The scratch room holds what belonged to the last call, and is overwritten by the next.
  const { query, out } = room.scratch;
  const bytes = new Uint8Array(room.arena.memory.buffer);
  bytes.fill(0, query, out);
  const signs = room.signs(128);
  const rest = bytes.subarray(out + BLOCK_BYTES_MAX / 4);
  const left = rest.findIndex(
    (byte, i) => byte !== 0 && !isWithin(i + out + BLOCK_BYTES_MAX / 4, signs, 3 * 128 * 4),
  );
  assert.equal(left, -1);
});

const isWithin = (at: number, from: number, length: number): boolean => at >= from && at < from + length;

test('when the memory is full, work stops without losing anything, and goes on when there is room', () => {
  const room = openTestRoom(2560, 8 * BLOCK_BYTES_MAX);
  const index = openCoded('cosine', 64, room);
  const random = randomFrom(6);
  const held: Held = new Map();
  const make = (): Float32Array => (KINDS['ten clusters'] as Make)(64, random);
  fill(index, held, upTo(400), make);
  const taken: number[] = [];
  assert.throws(
    () => {
      for (;;) taken.push(room.arena.take(BLOCK_BYTES_MAX));
    },
    { code: 'search.unavailable' },
  );
  workOff(index);
  assert.equal(index.search(make(), wanted({ limit: 1000, recall: 0.9999 })).length, 400);
  for (const offset of taken) room.arena.give(offset, BLOCK_BYTES_MAX);
  fill(index, held, upTo(400), make);
  workOff(index);
  assert.equal(index.search(make(), wanted({ limit: 1000, recall: 0.9999 })).length, 400);
  assert.ok(recallOf(index, 'cosine', held, make) >= 0.975);
});
