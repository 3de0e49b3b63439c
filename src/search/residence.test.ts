import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { openEngineRoom } from './engine-room.ts';
import { Residence, type ResidenceLimits } from './residence.ts';
import { NOW, recordOf } from './testing/records.ts';
import type { IndexedRecord, JsonObject, SearchRequest, VaultSettings } from './types.ts';

const SMALL = 8;
const DIMENSIONS = 5;
const settingsOf = (id: string): VaultSettings => ({ id, metric: 'cosine', dimensions: null });
const openResidence = (limits?: ResidenceLimits): Residence => new Residence(openEngineRoom(), limits);
/** So that nothing more is done between calls. */
const settle = (residence: Residence): void => {
  while (residence.work());
};

const ask = (own: Partial<SearchRequest>): SearchRequest => ({
  limit: 10,
  mode: 'text',
  now: NOW,
  ...own,
});

// Leaf pages, words, people and times that records share.
const record = fc
  .record({
    number: fc.integer({ min: 0, max: 14 }),
    slot: fc.integer({ min: 0, max: 3 * 4096 }),
    text: fc
      .array(fc.constantFrom('rain', 'Kyoto', 'guitar', 'Häuser', 'the'), { maxLength: 6 })
      .map((words) => words.join(' ')),
    vector: fc.option(
      fc
        .array(fc.integer({ min: -3, max: 3 }), { minLength: DIMENSIONS, maxLength: DIMENSIONS })
        .map((numbers) => Float32Array.from([9, ...numbers.slice(1)])),
    ),
    metadata: fc.option(fc.constantFrom<JsonObject>({ place: 'here' }, { place: 'there', list: [1, 'two'] })),
    conversation: fc.option(fc.constantFrom('a', 'b')),
    speaker: fc.option(fc.constantFrom('Ann Rain', 'Bo')),
    at: fc.option(fc.integer({ min: 0, max: 100 }).map((hours) => NOW - hours * 3_600_000)),
    expiresAt: fc.option(fc.constantFrom(NOW - 1, NOW + 1)),
  })
  .map(({ number, ...own }) => recordOf(number, own));
const vault = fc.constantFrom('one', 'two', 'three');
const number = fc.integer({ min: 0, max: 14 });
type Step = { vault: string } & (
  | { add: IndexedRecord[] }
  | { remove: number[] }
  | { query: string }
  | { export: true }
  | { worked: number }
);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ vault, add: fc.array(record, { minLength: 1, maxLength: 5 }) }),
  fc.record({ vault, remove: fc.array(number, { minLength: 1, maxLength: 5 }) }),
  fc.record({ vault, query: fc.constantFrom('rain in Kyoto', 'ann "guitar"', 'häus* yesterday') }),
  fc.record({ vault, export: fc.constant(true as const) }),
  fc.record({ vault, worked: fc.integer({ min: 1, max: 9 }) }),
);

/** What the step answers. */
function does(residence: Residence, step: Step): unknown {
  const { vault: id } = step;
  if ('add' in step) return residence.changing(id).add(step.add);
  if ('remove' in step) return residence.changing(id).remove(step.remove.map((n) => recordOf(n).id));
  if ('query' in step) {
    const engine = residence.asked(id);
    const vector = Float32Array.from({ length: engine.stats().dimensions ?? 2 }, (_, n) => n + 1);
    return [
      engine.answer(ask({ query: step.query, vector, mode: 'hybrid' })),
      engine.answer(ask({ query: step.query })),
      engine.changedLeaves(),
    ];
  }
  if ('export' in step) {
    const engine = residence.changing(id);
    return engine.leaves().map((leaf) => engine.exportSegment(leaf));
  }
  for (let n = 0; n < step.worked; n++) residence.work();
  return residence.stats(id).records;
}

test('indexes that rest whenever they can answer what those answer that never do', () => {
  let rested = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const restless = openResidence({ smallRecords: -1, awake: 0 });
      const restful = openResidence({ smallRecords: SMALL, awake: 0 });
      for (const residence of [restless, restful])
        for (const id of ['one', 'two', 'three']) residence.open(settingsOf(id));
      for (const one of steps) {
        assert.deepEqual(does(restful, one), does(restless, one));
        settle(restful);
        rested += restful.resting;
        assert.equal(restless.resting, 0);
      }
    }),
    { numRuns: 60 },
  );
  assert.ok(rested > 0, 'some rested');
});

test('of small indexes only so many are awake, those used last; large ones do not rest', () => {
  const residence = openResidence({ smallRecords: SMALL, awake: 2 });
  for (const [at, id] of ['large', 'a', 'b', 'c', 'd'].entries()) {
    residence.open(settingsOf(id));
    const count = id === 'large' ? SMALL + 1 : SMALL;
    residence
      .changing(id)
      .add(Array.from({ length: count }, (_, n) => recordOf(n, { text: `guitar ${at}` })));
  }
  settle(residence);
  assert.equal(residence.resting, 2);
  residence.asked('a');
  residence.asked('large');
  settle(residence);
  assert.equal(residence.resting, 2);
  assert.equal(residence.asked('a').search(ask({ query: 'guitar' })).length, SMALL);
  // One that grows too large for it stays.
  residence.changing('a').add([recordOf(SMALL, { text: 'one more' })]);
  for (const id of ['b', 'c', 'd']) residence.asked(id);
  settle(residence);
  assert.equal(residence.resting, 1);
  for (const id of ['large', 'a', 'b', 'c', 'd']) residence.close(id);
  assert.equal(residence.resting, 0);
  assert.throws(() => residence.asked('a'), { code: 'search.unavailable' });
});

test('ten memories at rest are counted as what they are: less than three times their own data', () => {
  const [memories, dimensions] = [10, 64];
  const residence = openResidence();
  residence.open(settingsOf('a'));
  const records = Array.from({ length: memories }, (_, n) =>
    recordOf(n, {
      text: Array.from({ length: 28 }, (_, word) => `word${(n * 17 + word * 7) % 190}`).join(' '),
      vector: Float32Array.from({ length: dimensions }, (_, at) => ((at * 7 + n) % 13) + 1),
    }),
  );
  residence.changing('a').add(records);
  const own = records.reduce((sum, { text }) => sum + text.length + dimensions * 4, 0);
  const { bytes } = residence.stats('a');
  assert.ok(bytes > own && bytes < 3 * own, `${bytes} for ${own}`);
});

test('an index does not rest while a segment of it is half made', () => {
  const residence = openResidence({ smallRecords: SMALL, awake: 0 });
  residence.open(settingsOf('a'));
  const long = 'rain '.repeat(20_000);
  residence.changing('a').add([1, 2, 3].map((number) => recordOf(number, { text: long })));
  const begun = residence.changing('a').beginSegment(0);
  assert.ok('writing' in begun);
  settle(residence);
  assert.equal(residence.resting, 0);
  let step = residence.asked('a').continueSegment(begun.writing);
  while ('writing' in step) step = residence.asked('a').continueSegment(step.writing);
  settle(residence);
  assert.deepEqual([step.cover, residence.resting], [[1, 2, 3], 1]);
});
