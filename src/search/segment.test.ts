import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { StrongroomError } from '../errors.ts';
import { Analyzer, analyzerVersionOf } from './analyzer.ts';
import { parseFilter } from './parse-filter.ts';
import { SegmentPart } from './segment-part.ts';
import { encodeSegment } from './segment.ts';
import { decodeSegment } from './testing/segment-rows.ts';
import { NOW, openEngine, recordOf } from './testing/records.ts';
import type { IndexedRecord, Language, SearchRequest } from './types.ts';

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
