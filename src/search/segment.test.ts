import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { StrongroomError } from '../errors.ts';
import { Analyzer, analyzerVersionOf } from './analyzer.ts';
import type { Engine } from './engine.ts';
import { parseFilter } from './parse-filter.ts';
import { SegmentPart } from './segment-part.ts';
import { encodeSegment } from './segment.ts';
import { decodeSegment } from './testing/segment-rows.ts';
import { NOW, openEngine, recordOf } from './testing/records.ts';
import type { IndexedRecord, Language, SearchRequest, Segment, SegmentStep } from './types.ts';

const LEAF = 5;
const SLOT = LEAF * 4096;

const ask = (own: Partial<SearchRequest>): SearchRequest => ({ limit: 100, mode: 'text', now: NOW, ...own });

/** A conversation whose messages lie in two leaves by turns, one of which is removed again. */
function conversation(): readonly IndexedRecord[] {
  const words = ['alpha', 'bravo', 'charlie', 'delta', 'echo', 'foxtrot'];
  return words.map((word, n) =>
    recordOf(n, {
      slot: n % 2 === 0 ? SLOT + n : SLOT + 4096 + n,
      text: `${word}ish talks of ${word}ish`,
      vector: Float32Array.of(n + 0.123, 1.53 - n / 3, 0.777 + n / 7),
      metadata: { tag: `${word}-tag` },
      conversation: 'thread',
      speaker: `${word}-speaker`,
      at: NOW + n,
    }),
  );
}

/** Everything by which a record could be recognised in the bytes. */
function marksOf(record: IndexedRecord): readonly Buffer[] {
  const terms = new Analyzer().analyze(record.text, 'auto').terms.filter((term) => term.length > 4);
  const numbers = [...(record.vector ?? [])].map((value) => Buffer.from(Float32Array.of(value).buffer));
  const length = Math.hypot(...(record.vector ?? []));
  const scaled = [...(record.vector ?? [])].map((value) =>
    Buffer.from(Float32Array.of(value / length).buffer),
  );
  const own = [record.id, JSON.stringify(record.metadata), record.speaker ?? ''];
  return [...[...terms, ...own].map((word) => Buffer.from(word)), ...numbers, ...scaled];
}

const found = (bytes: Uint8Array, record: IndexedRecord): boolean =>
  marksOf(record).some((mark) => Buffer.from(bytes).includes(mark));

test('a segment holds its leaf and nothing of another leaf, of a neighbour or of what was removed', () => {
  const records = conversation();
  const engine = openEngine();
  engine.add(records);
  engine.remove([recordOf(4).id]);
  const { bytes, cover, leaf } = engine.exportSegment(LEAF);
  assert.equal(leaf, LEAF);
  assert.deepEqual(cover, [SLOT, SLOT + 2]);
  records.forEach((record, n) => assert.equal(found(bytes, record), n === 0 || n === 2, `record ${n}`));

  // It is what an index gives that never knew anything else.
  const alone = openEngine();
  alone.add([records[2], records[0]] as IndexedRecord[]);
  assert.deepEqual(alone.exportSegment(LEAF).bytes, bytes);
});

test('a segment with context of a neighbour, a removed record or unused room in it is found out', () => {
  const records = conversation();
  const engine = openEngine();
  engine.add(records);
  const content = decodeSegment(engine.exportSegment(LEAF).bytes);
  const [first, ...others] = content.rows;
  assert.ok(first !== undefined);
  const neighbour = records[1] as IndexedRecord;
  const sabotages = {
    context: { ...first, counts: new Map([...first.counts, ['bravoish', 1]]) },
    statistics: { ...first, record: { ...first.record, metadata: { before: neighbour.id } } },
    vector: { ...first, vector: { form: 'numbers', numbers: neighbour.vector as Float32Array } as const },
  };
  for (const [name, row] of Object.entries(sabotages)) {
    const bytes = encodeSegment({ ...content, rows: [row, ...others] });
    assert.equal(found(bytes, neighbour), true, name);
  }
  const slack = Buffer.concat([
    encodeSegment(content),
    Buffer.from((neighbour.vector as Float32Array<ArrayBuffer>).buffer),
  ]);
  assert.equal(found(slack, neighbour), true);
  assert.throws(() => decodeSegment(slack), { code: 'box.damaged' });
});

test('an index loaded from segments answers as the one that wrote them, context across leaves included', () => {
  for (const metric of ['cosine', 'dot', 'euclidean'] as const) {
    const engine = openEngine({ metric });
    engine.add(conversation());
    const loaded = openEngine({ metric });
    for (const leaf of engine.leaves().toReversed()) {
      const segment = engine.exportSegment(leaf);
      loaded.loadSegment(segment.bytes);
      assert.deepEqual(Array.from(SegmentPart.open(segment.bytes).slots), segment.cover);
    }
    const vector = Float32Array.of(1, 0.5, 0.25);
    const filter = parseFilter({ 'metadata.tag': { ne: 'echo-tag' } });
    for (const mode of ['text', 'vector', 'hybrid'] as const) {
      const request = ask({ query: 'charlieish bravo-speaker yesterday', vector, mode, filter });
      assert.notEqual(engine.search(request).length, 0);
      assert.deepEqual(loaded.answer(request), engine.answer(request));
    }
    for (const leaf of engine.leaves())
      assert.deepEqual(loaded.exportSegment(leaf), engine.exportSegment(leaf));
  }
});

/** So many that the segment is not small, and its own part lies in shared memory. */
const manyOf = (count: number): readonly IndexedRecord[] =>
  Array.from({ length: count }, (_, n) =>
    recordOf(n, {
      slot: SLOT + n,
      text: `number${n} of many messages with some words in common`,
      vector: n % 3 === 0 ? null : Float32Array.of(n + 0.5, 1, 0.25),
      conversation: `thread ${n >> 3}`,
      at: NOW + n,
    }),
  );

test('an index that was loaded does not look at the bytes it came from any more', () => {
  for (const count of [5, 4000]) {
    const records = manyOf(count);
    const engine = openEngine();
    engine.add(records);
    const { bytes } = engine.exportSegment(LEAF);
    assert.equal(bytes.length > 256 * 1024, count === 4000);
    // Another place in memory each time, so that nothing rests on how numbers are aligned.
    for (const shift of [0, 1, 4]) {
      const loaded = openEngine();
      const memory = new Uint8Array(new SharedArrayBuffer(bytes.length + shift)).subarray(shift);
      memory.set(bytes);
      loaded.loadSegment(memory);
      memory.fill(255);
      const vector = Float32Array.of(2, 1, 0.5);
      for (const request of [
        ask({ query: `number${count - 1} words` }),
        ask({ vector, mode: 'vector' }),
        ask({ query: 'number3 messages', vector, mode: 'hybrid' }),
      ])
        assert.deepEqual(loaded.answer(request), engine.answer(request));
      assert.deepEqual(loaded.exportSegment(LEAF).bytes, bytes);
    }
  }
});

test('a newer record replaces what a segment brought, and a segment replaces nothing it does not hold', () => {
  const engine = openEngine();
  engine.add(conversation());
  const { bytes } = engine.exportSegment(LEAF);
  const other = openEngine();
  other.add([recordOf(9, { text: 'kept' })]);
  other.loadSegment(bytes);
  other.add([recordOf(0, { slot: SLOT + 100, text: 'newer' })]);
  assert.equal(
    other.search(ask({ query: 'alphaish', filter: parseFilter({ id: recordOf(0).id }) })).length,
    0,
  );
  assert.equal(other.search(ask({ query: 'newer kept' })).length, 2);
  assert.deepEqual(other.exportSegment(LEAF).cover, [SLOT + 2, SLOT + 4, SLOT + 100]);
});

test('terms of another analyzer, or of another language, are made anew from the text', () => {
  const record = recordOf(1, { slot: SLOT, text: 'running' });
  const row = { slot: SLOT, record, counts: new Map([['stale', 1]]), vector: null };
  const content = { leaf: LEAF, metric: 'cosine', dimensions: null, rows: [row] } as const;
  const engine = openEngine();
  const load = (language: Language) =>
    engine.loadSegment(encodeSegment({ ...content, analyzerVersion: analyzerVersionOf(language) }));
  assert.equal(load('de').isCurrent, false);
  assert.equal(engine.search(ask({ query: 'run' })).length, 1);
  assert.equal(engine.search(ask({ query: 'stale' })).length, 0);
  assert.equal(load('auto').isCurrent, true);
  assert.equal(engine.search(ask({ query: 'stale' })).length, 1);
});

test('any record survives the journey through a segment', () => {
  const json = fc
    .dictionary(fc.string(), fc.jsonValue())
    .map((value) => JSON.parse(JSON.stringify(value)) as never);
  const text = fc.option(fc.string({ unit: 'grapheme' }));
  const record = fc.record({
    text: fc.string({ unit: 'grapheme' }),
    metadata: json,
    subject: text,
    speaker: text,
    kind: text,
  });
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(fc.nat(4095), record), { selector: ([index]) => index }), (given) => {
      const engine = openEngine();
      engine.add(given.map(([index, own]) => recordOf(index, { slot: SLOT + index, ...own })));
      const { bytes, cover } = engine.exportSegment(LEAF);
      const { rows } = decodeSegment(bytes);
      assert.deepEqual(
        rows.map(({ slot }) => slot),
        cover,
      );
      for (const [index, own] of given) {
        const row = rows.find(({ slot }) => slot === SLOT + index);
        assert.deepEqual(row?.record.metadata, own.metadata);
        assert.equal(row?.record.text, own.text);
        assert.equal(row?.record.subject, own.subject);
      }
    }),
    { numRuns: 50 },
  );
});

test('bytes cut short, prolonged or changed are refused as damaged or load as some segment, and never crash', () => {
  const engine = openEngine();
  engine.add(conversation());
  const { bytes } = engine.exportSegment(LEAF);
  const load = (changed: Uint8Array): void => {
    const other = openEngine();
    try {
      other.loadSegment(changed);
    } catch (error) {
      assert.ok(error instanceof StrongroomError, String(error));
      assert.equal(error.code, 'box.damaged');
      assert.equal(other.stats().records, 0);
    }
  };
  for (let length = 0; length < bytes.length; length++) {
    const cut = bytes.slice(0, length);
    assert.throws(() => openEngine().loadSegment(cut), { code: 'box.damaged' }, `cut at ${length}`);
  }
  assert.throws(() => openEngine().loadSegment(Buffer.concat([bytes, Buffer.alloc(1)])), {
    code: 'box.damaged',
  });
  for (let at = 0; at < bytes.length; at++) {
    const flipped = bytes.slice();
    flipped[at] = (flipped[at] ?? 0) ^ 0x10;
    load(flipped);
  }
});

test('a segment of another metric or dimension is refused', () => {
  const engine = openEngine();
  engine.add(conversation());
  const { bytes } = engine.exportSegment(LEAF);
  assert.throws(() => openEngine({ metric: 'dot' }).loadSegment(bytes), { code: 'box.damaged' });
  assert.throws(() => openEngine({ dimensions: 4 }).loadSegment(bytes), { code: 'box.damaged' });
});

/** Goes on to the end; `between` is called before each step but the first. */
function finish(engine: Engine, begun: SegmentStep, between: () => void = () => undefined): Segment {
  let step = begun;
  while ('writing' in step) {
    between();
    step = engine.continueSegment(step.writing);
  }
  return step;
}

test('a segment that is made in steps is the one that is made at once, whatever is asked in between', () => {
  const records = manyOf(4000);
  const [engine, other] = [openEngine(), openEngine()];
  for (const one of [engine, other]) one.add(records);
  let steps = 0;
  const made = finish(engine, engine.beginSegment(LEAF), () => {
    steps++;
    assert.notEqual(engine.search(ask({ query: 'number7' })).length, 0);
    assert.equal(engine.isWriting, true);
  });
  assert.ok(steps > 100, `${steps} steps`);
  assert.deepEqual(made, other.exportSegment(LEAF));
  assert.deepEqual([engine.isWriting, engine.changedLeaves()], [false, []]);
});

test('what comes or goes while a segment is made leaves it whole, and its leaf page changed', () => {
  const records = manyOf(1000);
  const engine = openEngine();
  engine.add(records);
  const begun = engine.beginSegment(LEAF);
  const [taken, waiting, replaced] = [records[3], records[900], records[901]] as IndexedRecord[];
  const gone = [taken, waiting] as IndexedRecord[];
  engine.remove(gone.map(({ id }) => id));
  // They get the numbers of those that went.
  const come = [
    recordOf(5000, { slot: SLOT + 4096, text: 'elsewhere' }),
    recordOf(5001, { slot: SLOT + 2000, text: 'later' }),
  ];
  engine.add(come);
  engine.add([{ ...(replaced as IndexedRecord), slot: SLOT + 2001, text: 'other' }]);
  const { bytes, cover } = finish(engine, begun);
  const expected = records.filter((record) => record !== waiting && record !== replaced);
  assert.deepEqual(
    cover,
    expected.map(({ slot }) => slot),
  );
  const rows = decodeSegment(bytes).rows;
  assert.deepEqual(
    rows.map(({ slot, record }) => [slot, record.id, record.text]),
    expected.map(({ slot, id, text }) => [slot, id, text]),
  );
  assert.deepEqual(engine.changedLeaves(), [LEAF, LEAF + 1]);
  // With what changed since laid over it, it says what the index says.
  const loaded = openEngine();
  loaded.loadSegment(bytes);
  loaded.remove(gone.map(({ id }) => id));
  loaded.add([...come, { ...(replaced as IndexedRecord), slot: SLOT + 2001, text: 'other' }]);
  for (const leaf of engine.leaves())
    assert.deepEqual(loaded.exportSegment(leaf), engine.exportSegment(leaf));
});

test('a segment that nobody goes on with is forgotten, and one that was not begun here is refused', () => {
  const engine = openEngine();
  engine.add(manyOf(200));
  const begun = Array.from({ length: 5 }, () => engine.beginSegment(LEAF));
  const expected = openEngine();
  expected.add(manyOf(200));
  const { bytes } = expected.exportSegment(LEAF);
  begun.forEach((step, at) => {
    if (at === 0) assert.throws(() => finish(engine, step), { code: 'search.unavailable' });
    else assert.deepEqual(finish(engine, step).bytes, bytes);
  });
  assert.throws(() => openEngine().continueSegment(0), { code: 'search.unavailable' });
});

test('terms are in the order of their bytes, beyond the basic plane too, and each is found', () => {
  const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 4 });
  const content = { leaf: LEAF, metric: 'cosine', dimensions: null, analyzerVersion: 1 } as const;
  const check = (names: readonly string[]): void => {
    const counts = new Map(names.map((term, at) => [term, 1 + (at % 300)]));
    const row = { slot: SLOT, record: recordOf(1), counts, vector: null };
    const { terms } = SegmentPart.open(encodeSegment({ ...content, rows: [row] }));
    const read = Array.from({ length: terms.count }, (_, term) => terms.nameOf(term));
    const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
    assert.deepEqual(read, [...counts.keys()].sort(byBytes));
    read.forEach((term, at) => {
      assert.equal(terms.find(term), at);
      assert.equal(terms.counts[at], counts.get(term));
    });
  };
  fc.assert(fc.property(fc.uniqueArray(name), check));
  check(['\u{10400}', '\ufb01', '\ud7ff', '\u{1f600}x', 'a']);
  // More than are sorted at once.
  check(Array.from({ length: 5000 }, (_, n) => ((n * 7919) % 5003).toString(36)));
});

test('a segment that cannot be made because of a damaged record is none, and is tried again', () => {
  const writer = openEngine();
  writer.add(manyOf(100));
  const { bytes } = writer.exportSegment(LEAF);
  const damaged = Buffer.from(bytes);
  damaged[damaged.indexOf('"number70 of')] = 0;
  const engine = openEngine();
  engine.loadSegment(damaged);
  const making = (): unknown => finish(engine, engine.beginSegment(LEAF));
  for (let times = 0; times < 2; times++) {
    assert.throws(making, { code: 'box.damaged' });
    assert.deepEqual([engine.isWriting, engine.changedLeaves()], [false, [LEAF]]);
  }
});
