import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { HOUR_MS } from '../durations.ts';
import { StrongroomError } from '../errors.ts';
import { BLOCK_BYTES_MAX } from './arena.ts';
import { openEngineRoom } from './engine-room.ts';
import { parseFilter } from './parse-filter.ts';
import type { Engine } from './engine.ts';
import { NOW, openEngine, recordOf } from './testing/records.ts';
import { referenceSearch } from './testing/reference.ts';
import type { Hit, IndexedRecord, Metric, SearchRequest } from './types.ts';

const METRICS: readonly Metric[] = ['cosine', 'dot', 'euclidean'];

const ask = (own: Partial<SearchRequest>): SearchRequest => ({ limit: 10, mode: 'text', now: NOW, ...own });
const idsOf = (hits: readonly Hit[]): readonly string[] => hits.map(({ id }) => id);

// Few words, speakers and times, so that records share them and ties happen.
const word = fc.constantFrom(
  'rain',
  'raining',
  'Kyoto',
  'guitar',
  'the',
  'who',
  'café',
  '京都',
  '🎉',
  'May',
  'running',
  'Häuser',
  'und',
  'nicht',
  'went',
  'go',
  'two',
  'last',
  'running?',
);
const text = fc.array(word, { maxLength: 8 }).map((words) => words.join(' '));
// Small whole numbers: their dot products are exact in float32, so that a tie is a tie on both sides.
const vector = fc
  .array(fc.integer({ min: -3, max: 3 }), { minLength: 5, maxLength: 5 })
  .filter((values) => values.some((value) => value !== 0))
  .map((values) => Float32Array.from(values));
const record = fc
  .record({
    number: fc.integer({ min: 0, max: 30 }),
    place: fc.integer({ min: 0, max: 396 }),
    text,
    vector: fc.option(vector),
    conversation: fc.option(fc.constantFrom('a', 'b')),
    speaker: fc.option(fc.constantFrom('Ann Rain', 'Bo', 'Kyoto', 'May')),
    at: fc.option(fc.integer({ min: 0, max: 400 }).map((hours) => NOW - hours * 3 * HOUR_MS)),
    expiresAt: fc.option(fc.constantFrom(NOW - 1, NOW, NOW + 1)),
    subject: fc.option(fc.constantFrom('s1', 's2')),
  })
  // No two records ever have one slot; these lie in four leaf pages at most.
  .map(({ number, place, ...own }) => recordOf(number, { ...own, slot: 31 * place + number }));
const SAYINGS = [
  '',
  'in May 2026',
  'yesterday',
  'last week',
  'ann',
  'on 7 May',
  'haus',
  '"rain running"',
  'guitar "rain running"',
  '"京都"',
  '"the g*"',
  'rai*',
  'runn* k*',
  '"who" "rain"',
  '“café May”',
  'when did it go',
  'how many',
  'which guitar',
  'wann',
] as const;
const question = fc.tuple(text, fc.constantFrom(...SAYINGS)).map((parts) => parts.join(' '));
const request = fc.record({
  query: question,
  vector,
  mode: fc.constantFrom('text', 'vector', 'hybrid'),
  limit: fc.integer({ min: 1, max: 12 }),
  weights: fc.constantFrom(
    undefined,
    { text: 0.5, vector: 2 },
    { text: 0, vector: 1 },
    { text: 1, vector: 0 },
  ),
  filter: fc.constantFrom(
    undefined,
    parseFilter({ subject: 's1' }),
    parseFilter({ NOT: [{ speaker: 'Bo' }] }),
  ),
}) as fc.Arbitrary<Partial<SearchRequest>>;
type Step = { add: IndexedRecord[] } | { remove: number[] };
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ add: fc.array(record, { minLength: 1, maxLength: 6 }) }),
  fc.record({ remove: fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 6 }) }),
);

/** Does the steps on an index and on a plain map. */
function replay(
  engine: Engine,
  steps: readonly Step[],
  left = new Map<string, IndexedRecord>(),
): readonly IndexedRecord[] {
  for (const step of steps) {
    if ('add' in step) {
      engine.add(step.add);
      for (const record of step.add) left.set(record.id, record);
    } else {
      const ids = step.remove.map((number) => recordOf(number).id);
      engine.remove(ids);
      for (const id of ids) left.delete(id);
    }
  }
  return [...left.values()];
}

function assertClose(actual: readonly Hit[], expected: readonly Hit[]): void {
  assert.deepEqual(idsOf(actual), idsOf(expected));
  actual.forEach(({ score }, at) => assert.ok(Math.abs(score - (expected[at]?.score ?? 0)) < 1e-5));
}

test('after any additions, updates and removals the index answers like one built from what is left', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 12 }),
      fc.array(request, { minLength: 3, maxLength: 3 }),
      (steps, requests) => {
        const engine = openEngine({ dimensions: 5 });
        const left = replay(engine, steps);
        const rebuilt = openEngine({ dimensions: 5 });
        rebuilt.add(left.toReversed());
        for (const own of requests) assert.deepEqual(engine.search(ask(own)), rebuilt.search(ask(own)));
        for (const leaf of rebuilt.leaves()) {
          const [one, other] = [engine.exportSegment(leaf), rebuilt.exportSegment(leaf)];
          assert.deepEqual(one.cover, other.cover);
        }
        assert.deepEqual(engine.leaves(), rebuilt.leaves());
      },
    ),
    { numRuns: 150 },
  );
});

test('what is forgotten is what belongs to a person or a conversation, and what may is named', () => {
  const records = [
    recordOf(1, { subject: 'ann', derivedFrom: [recordOf(9).id] }),
    recordOf(2, { subject: 'bob', conversation: 'ann' }),
    recordOf(3, { subject: 'bob', conversation: 'tea' }),
    recordOf(4, { subject: 'bob', derivedFrom: [recordOf(1).id] }),
    recordOf(5),
    recordOf(6),
  ];
  const ids = (numbers: readonly number[]): readonly string[] => numbers.map((number) => recordOf(number).id);
  const cases = [
    { subject: 'ann', conversation: null, memories: ids([6]), may: [6, 4], stay: [2, 3, 5] },
    { subject: null, conversation: 'tea', memories: ids([7]), may: [7, 1, 4], stay: [2, 5, 6] },
  ];
  for (const { may, stay, ...forgotten } of cases)
    for (const isLoaded of [false, true]) {
      const made = openEngine();
      made.add(records);
      const engine = isLoaded ? openEngine() : made;
      if (isLoaded) engine.loadSegment(made.exportSegment(0).bytes);
      assert.deepEqual(engine.forget(forgotten), ids(may));
      const left = openEngine();
      left.add(records.filter(({ slot }) => stay.includes(slot)));
      assert.deepEqual(engine.exportSegment(0), left.exportSegment(0));
    }
});

test('an index loaded from segments answers like one built from what is left, whatever is done to it before or amid its work', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 6 }),
      fc.array(fc.tuple(step, fc.nat(3)), { maxLength: 6 }),
      fc.array(request, { minLength: 3, maxLength: 3 }),
      (before, after, requests) => {
        const left = new Map<string, IndexedRecord>();
        const writer = openEngine({ dimensions: 5 });
        replay(writer, before, left);
        const loaded = openEngine({ dimensions: 5 });
        for (const leaf of writer.leaves()) loaded.loadSegment(writer.exportSegment(leaf).bytes);
        assert.deepEqual(loaded.changedLeaves(), []);
        for (const [step, works] of after) {
          replay(loaded, [step], left);
          for (let i = 0; i < works; i++) loaded.work();
        }
        const rebuilt = openEngine({ dimensions: 5 });
        rebuilt.add([...left.values()]);
        const compare = (): void => {
          for (const own of requests) assert.deepEqual(loaded.search(ask(own)), rebuilt.search(ask(own)));
          for (const leaf of rebuilt.leaves())
            assert.deepEqual(loaded.exportSegment(leaf), rebuilt.exportSegment(leaf));
          assert.equal(loaded.stats().records, left.size);
        };
        compare();
        while (loaded.work());
        compare();
      },
    ),
    { numRuns: 150 },
  );
});

for (const metric of METRICS) {
  test(`text, vector and hybrid search equal the plain reference under ${metric}`, () => {
    // Under cosine, equal directions of different lengths may differ in the last bit: lengths are made equal.
    const same = (records: IndexedRecord[]): IndexedRecord[] =>
      metric === 'cosine' ? records.map((record, at) => withAngle(record, at)) : records;
    fc.assert(
      fc.property(
        fc.uniqueArray(record, { maxLength: 25, selector: ({ id }) => id }),
        request,
        (records, own) => {
          const engine = openEngine({ metric, dimensions: 5 });
          const given = same(records);
          engine.add(given);
          assertClose(engine.search(ask(own)), referenceSearch(given, metric, ask(own)));
        },
      ),
      { numRuns: 200, seed: 5 },
    );
  });
}

/** Gives each record its own angle, so that no two cosines are equal. */
const withAngle = (record: IndexedRecord, at: number): IndexedRecord =>
  record.vector === null
    ? record
    : { ...record, vector: Float32Array.of(1, 0.1 * at + 0.05, 0.013 * at * at, 0, 0.2) };

test('the reference can fail: with another decay of the context it disagrees', () => {
  const engine = openEngine();
  const records = [0, 1, 2].map((n) =>
    recordOf(n, { text: n === 0 ? 'guitar' : 'piano', conversation: 'a', at: NOW }),
  );
  engine.add(records);
  const [first, second] = engine.search(ask({ query: 'guitar' }));
  const expected = referenceSearch(records, 'cosine', ask({ query: 'guitar' }));
  assert.equal(first?.score, expected[0]?.score);
  assert.equal(second?.id, recordOf(1).id);
  assert.notEqual(second?.score, (first?.score ?? 0) * 0.5);
});

test('a removed, replaced or expired memory is found by no mode', () => {
  const engine = openEngine();
  const own = { text: 'guitar', vector: Float32Array.of(1, 0) };
  engine.add([
    recordOf(1, own),
    recordOf(2, own),
    recordOf(3, { ...own, expiresAt: NOW }),
    recordOf(4, { ...own, expiresAt: NOW + 1 }),
    recordOf(5, own),
  ]);
  engine.remove([recordOf(1).id]);
  engine.add([recordOf(2, { text: 'piano' })]);
  for (const mode of ['text', 'vector', 'hybrid'] as const) {
    const hits = engine.search(ask({ query: 'guitar', vector: Float32Array.of(1, 0), mode }));
    assert.deepEqual(idsOf(hits), [recordOf(5).id, recordOf(4).id]);
  }
});

test('a filter that keeps one memory of many finds it in every mode', () => {
  const engine = openEngine();
  const records = Array.from({ length: 500 }, (_, n) =>
    recordOf(n, { text: 'guitar', vector: Float32Array.of(1, n / 500), metadata: { n } }),
  );
  engine.add(records);
  const filter = parseFilter({ 'metadata.n': 499 });
  for (const mode of ['text', 'vector', 'hybrid'] as const) {
    const hits = engine.search(
      ask({ query: 'guitar', vector: Float32Array.of(1, 0), mode, filter, limit: 3 }),
    );
    assert.deepEqual(idsOf(hits), [recordOf(499).id]);
  }
});

test('equal scores come newest id first, whatever the order of additions', () => {
  const records = [3, 1, 2].map((n) => recordOf(n, { text: 'guitar', vector: Float32Array.of(2, 1) }));
  for (const order of [records, records.toReversed()]) {
    const engine = openEngine();
    engine.add(order);
    for (const mode of ['text', 'vector', 'hybrid'] as const) {
      const hits = engine.search(ask({ query: 'guitar', vector: Float32Array.of(1, 1), mode, limit: 2 }));
      assert.deepEqual(idsOf(hits), [recordOf(3).id, recordOf(2).id]);
    }
  }
});

test('words of any script are found: accents, no spaces, emoji, case', () => {
  const engine = openEngine();
  const texts = [
    'Un café à Paris',
    '昨日、京都大学に行きました',
    'Поездка с книгами',
    'party 🎉 tonight',
    'สวัสดีครับ',
    'STRASSE',
  ];
  engine.add(texts.map((text, n) => recordOf(n, { text })));
  const questions = ['cafe', '京都', 'книга', '🎉', 'สวัสดี', 'strasse'];
  questions.forEach((query, n) =>
    assert.deepEqual(idsOf(engine.search(ask({ query }))), [recordOf(n).id], query),
  );
  assert.deepEqual(idsOf(engine.search(ask({ query: '学' }))), [recordOf(1).id]);
  assert.deepEqual(engine.search(ask({ query: '東京' })), []);
});

test('a question of common words alone is still answered', () => {
  const engine = openEngine();
  engine.add([recordOf(1, { text: 'The Who played' }), recordOf(2, { text: 'a band played' })]);
  assert.deepEqual(idsOf(engine.search(ask({ query: 'the who' }))), [recordOf(1).id]);
  assert.deepEqual(engine.search(ask({ query: '' })), []);
  assert.deepEqual(engine.search(ask({ query: '?!' })), []);
});

test('an answer is found by the question that came before it, and not across a pause or another conversation', () => {
  const engine = openEngine();
  const say = (n: number, text: string, conversation: string, at: number) =>
    recordOf(n, { text, conversation, at });
  engine.add([
    say(1, 'Which instrument do you play?', 'a', NOW),
    say(2, 'The cello.', 'a', NOW + 1),
    say(3, 'Good night.', 'a', NOW + 7 * HOUR_MS),
    say(4, 'Hello.', 'b', NOW + 1),
  ]);
  assert.deepEqual(idsOf(engine.search(ask({ query: 'instrument' }))), [recordOf(1).id, recordOf(2).id]);
});

test('what has expired by its own end or by a rule lends no neighbour its words', () => {
  const engine = openEngine();
  const say = (n: number, text: string, expiresAt: number | null, createdAt = NOW) =>
    recordOf(n, { text, conversation: 'a', at: NOW + n, expiresAt, createdAt });
  engine.add([
    say(1, 'The cello.', NOW),
    say(2, 'Good night.', null),
    say(3, 'The guitar.', null, NOW - HOUR_MS),
    say(4, 'The piano.', NOW + 1),
  ]);
  const rules = { vault: null, organization: null, capMs: HOUR_MS };
  assert.deepEqual(engine.search(ask({ query: 'cello' })), []);
  assert.deepEqual(engine.search(ask({ query: 'guitar', rules })), []);
  assert.deepEqual(idsOf(engine.search(ask({ query: 'piano', rules }))), [recordOf(4).id, recordOf(2).id]);
  assert.equal(engine.search(ask({ query: 'cello', now: NOW - 1 })).length, 4);
});

test('a speaker whose name is a common word too counts where it has the capital of a name', () => {
  const engine = openEngine();
  const say = (n: number, speaker: string) => recordOf(n, { text: 'boats', speaker });
  engine.add([say(1, 'Will'), say(2, 'May Lee'), say(3, 'Bo')]);
  const first = (query: string) => idsOf(engine.search(ask({ query })))[0];
  assert.equal(first('what did Will say about boats'), recordOf(1).id);
  assert.equal(first('boats, and who saw May’s?'), recordOf(2).id);
  assert.equal(first('boats that will sink'), recordOf(3).id);
});

test('vectors of the wrong length, zero or not finite are refused with their place, and nothing of the batch is kept', () => {
  const engine = openEngine({ dimensions: 2 });
  const bad = [[1], [0, 0], [1, Number.NaN], [Number.POSITIVE_INFINITY, 1], [1, 2, 3], []];
  const records = [[1, 1], ...bad].map((values, n) =>
    recordOf(n, { text: 'x', vector: Float32Array.from(values) }),
  );
  assert.throws(
    () => engine.add(records),
    (error) => {
      assert.ok(error instanceof StrongroomError);
      assert.equal(error.code, 'request.invalid');
      assert.deepEqual(
        error.faults.map(({ path }) => path),
        [
          '/records/1/vector',
          '/records/2/vector',
          '/records/3/vector/1',
          '/records/4/vector/0',
          '/records/5/vector',
          '/records/6/vector',
        ],
      );
      return true;
    },
  );
  assert.equal(engine.stats().records, 0);
  for (const values of bad) {
    const vector = Float32Array.from(values);
    assert.throws(() => engine.search(ask({ mode: 'vector', vector })), { code: 'request.invalid' });
  }
});

test('a zero vector is one like any other where there is no cosine', () => {
  for (const metric of ['dot', 'euclidean'] as const) {
    const engine = openEngine({ metric });
    engine.add([recordOf(1, { vector: Float32Array.of(0, 0) })]);
    assert.equal(engine.search(ask({ mode: 'vector', vector: Float32Array.of(0, 0) })).length, 1);
  }
});

test('vectors that overflow float32 when multiplied still give finite scores in the right order', () => {
  const huge = 3e38;
  for (const metric of METRICS) {
    const engine = openEngine({ metric });
    engine.add([
      recordOf(1, { vector: Float32Array.of(huge, -huge, huge) }),
      recordOf(2, { vector: Float32Array.of(huge, huge, huge) }),
      recordOf(3, { vector: Float32Array.of(-huge, -huge, -huge) }),
    ]);
    const hits = engine.search(ask({ mode: 'vector', vector: Float32Array.of(huge, huge, huge) }));
    assert.deepEqual(
      idsOf(hits),
      [2, 1, 3].map((n) => recordOf(n).id),
      metric,
    );
    for (const { score } of hits) assert.ok(Number.isFinite(score));
  }
});

test('a request without what its mode needs, or with a limit out of range, is refused', () => {
  const engine = openEngine();
  const vector = Float32Array.of(1, 1);
  const refused: readonly [Partial<SearchRequest>, string][] = [
    [{ mode: 'text' }, '/query'],
    [{ mode: 'vector' }, '/vector'],
    [{ mode: 'hybrid', query: 'x' }, '/vector'],
    [{ mode: 'hybrid', vector }, '/query'],
    [{ query: 'x', limit: 0 }, '/limit'],
    [{ query: 'x', limit: 1001 }, '/limit'],
    [{ query: 'x', limit: 1.5 }, '/limit'],
  ];
  for (const [own, path] of refused)
    assert.throws(
      () => engine.search(ask(own)),
      (error) =>
        error instanceof StrongroomError &&
        error.code === 'request.invalid' &&
        error.faults[0]?.path === path,
    );
});

test('exact neighbours: every dimension from 2 to 20, and 768, equals the reference', () => {
  for (const dimensions of [...Array.from({ length: 19 }, (_, i) => i + 2), 768]) {
    const engine = openEngine();
    const at = (n: number) =>
      Float32Array.from({ length: dimensions }, (_, i) => Math.sin((n + 1) * (i + 1) * 0.7));
    const records = Array.from({ length: 60 }, (_, n) => recordOf(n, { vector: at(n) }));
    engine.add(records);
    engine.remove([recordOf(7).id, recordOf(59).id]);
    const left = records.filter((_, n) => n !== 7 && n !== 59);
    const own = ask({ mode: 'vector', vector: at(100) });
    assertClose(engine.search(own), referenceSearch(left, 'cosine', own));
  }
});

test('vaults of one worker do not disturb each other', () => {
  const room = openEngineRoom();
  const wide = openEngine({ metric: 'euclidean' }, room);
  const narrow = openEngine({ metric: 'euclidean' }, room);
  wide.add([recordOf(1, { text: 'guitar', vector: new Float32Array(8).fill(9) })]);
  narrow.add([recordOf(2, { text: 'guitar piano', vector: new Float32Array(5).fill(9) })]);
  for (let round = 0; round < 2; round++) {
    const [one] = wide.search(ask({ mode: 'vector', vector: new Float32Array(8).fill(9) }));
    const [other] = narrow.search(ask({ mode: 'vector', vector: new Float32Array(5).fill(9) }));
    assert.deepEqual([one?.score, other?.score], [1, 1]);
    assert.equal(wide.search(ask({ query: 'guitar' })).length, 1);
    assert.equal(narrow.search(ask({ query: 'piano' })).length, 1);
  }
});

test('when the memory for vectors is full an addition is refused whole, and room that is given back is used', () => {
  const engine = openEngine({}, openEngineRoom(4 * BLOCK_BYTES_MAX));
  const many = (from: number, count: number) =>
    Array.from({ length: count }, (_, n) =>
      recordOf(from + n, { text: 'x', vector: new Float32Array(1024).fill(1) }),
    );
  engine.add(many(0, 200));
  const before = engine.stats();
  assert.throws(() => engine.add(many(1000, 3000)), { code: 'search.unavailable' });
  assert.deepEqual(engine.stats(), before);
  engine.remove(many(0, 200).map(({ id }) => id));
  assert.equal(engine.stats().vectorBytes, 0);
  engine.add(many(2000, 200));
  assert.equal(engine.stats().vectors, 200);
});

test('memory does not grow by what comes and goes', () => {
  const engine = openEngine();
  const round = (n: number): number => {
    const records = Array.from({ length: 200 }, (_, at) =>
      recordOf(at, {
        text: `word${n}x${at} word${n} both`,
        speaker: `s${n}`,
        vector: Float32Array.of(n, at + 1),
      }),
    );
    engine.add(records);
    const { textBytes } = engine.stats();
    engine.remove(records.map(({ id }) => id));
    return textBytes;
  };
  const first = round(0);
  const empty = engine.stats();
  for (let n = 1; n < 10; n++) assert.equal(round(n), first);
  assert.deepEqual(engine.stats(), empty);
  assert.equal(empty.vectorBytes, 0);
  assert.deepEqual(engine.leaves(), []);
});
