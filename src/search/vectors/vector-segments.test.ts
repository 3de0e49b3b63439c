/**
 * Segments of coded vectors: what they keep, and what of an erased vector cannot be had back from them.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Engine } from '../engine.ts';
import { openEngineRoom } from '../engine-room.ts';
import { SegmentPart } from '../segment-part.ts';
import { encodeSegment, type SegmentRow } from '../segment.ts';
import { decodeSegment } from '../testing/segment-rows.ts';
import { NOW, openEngine, recordOf } from '../testing/records.ts';
import { KINDS, randomFrom, type Make } from '../testing/vector-sets.ts';
import type { Hit, IndexedRecord, Metric } from '../types.ts';
import { heldForms } from './forms.ts';
import { paddedLength } from './rows.ts';

const DIMENSIONS = 640;
const LEAF = 3;
const SLOT = LEAF * 4096;

/** One that codes its vectors from the eleventh on. */
const openCodedEngine = (metric: Metric = 'cosine'): Engine =>
  openEngine({ metric, dimensions: DIMENSIONS }, openEngineRoom(undefined, 10 * DIMENSIONS * 4));

function recordsOf(count: number, kind: string, seed = 1): readonly IndexedRecord[] {
  const random = randomFrom(seed);
  return Array.from({ length: count }, (_, n) =>
    recordOf(n, { slot: SLOT + n, vector: (KINDS[kind] as Make)(DIMENSIONS, random) }),
  );
}

const work = (engine: Engine): Engine => {
  while (engine.work());
  return engine;
};

const ask = (engine: Engine, vector: Float32Array, limit = 10): readonly Hit[] =>
  engine.search({ mode: 'vector', vector, limit, now: NOW });

for (const metric of ['cosine', 'dot', 'euclidean'] as const)
  test(`an index loaded from coded segments answers as the one that wrote them, at once and after its work: ${metric}`, () => {
    const records = recordsOf(600, 'ten clusters');
    const engine = openCodedEngine(metric);
    engine.add(records);
    const { bytes, cover } = work(engine).exportSegment(LEAF);
    const loaded = openCodedEngine(metric);
    loaded.loadSegment(bytes);
    assert.deepEqual(Array.from(SegmentPart.open(bytes).slots), cover);
    const queries = recordsOf(10, 'ten clusters', 2).flatMap(({ vector }) =>
      vector === null ? [] : [vector],
    );
    const compare = (): void => {
      for (const query of queries) {
        const [one, other] = [ask(engine, query, 600), ask(loaded, query, 600)];
        assert.deepEqual(new Set(one.map(({ id }) => id)), new Set(other.map(({ id }) => id)));
        assert.deepEqual(
          one.slice(0, 5).map(({ id }) => id),
          other.slice(0, 5).map(({ id }) => id),
        );
      }
    };
    compare();
    work(loaded);
    compare();
    assert.deepEqual(loaded.exportSegment(LEAF).bytes, bytes);
  });

test('rows that wait for their codes are found, replaced and removed like all others', () => {
  const random = randomFrom(11);
  const records = recordsOf(400, 'no clusters', 12);
  const writer = openCodedEngine();
  writer.add(records);
  const { bytes } = work(writer).exportSegment(LEAF);
  const engine = openCodedEngine();
  engine.loadSegment(bytes);
  const left = new Map(records.map((record) => [record.id, record]));
  for (let round = 0; round < 60; round++) {
    const some = records[Math.floor(random() * records.length)] as IndexedRecord;
    if (random() < 0.6) {
      engine.remove([some.id]);
      left.delete(some.id);
    } else {
      const vector = (KINDS['no clusters'] as Make)(DIMENSIONS, random);
      engine.add([{ ...some, vector }]);
      left.set(some.id, { ...some, vector });
    }
    if (random() < 0.3) engine.work();
    const target = [...left.values()][Math.floor(random() * left.size)] as IndexedRecord;
    const hits = ask(engine, target.vector as Float32Array, 500);
    assert.equal(hits[0]?.id, target.id);
    assert.deepEqual(hits.map(({ id }) => id).sort(), [...left.keys()].sort());
  }
});

test('segments of float32 numbers and of both kinds of rows load into one index', () => {
  const small = openEngine({ dimensions: DIMENSIONS });
  small.add(recordsOf(5, 'no clusters', 3));
  const [near, far] = ['no clusters', 'far from the origin, uneven'].map((kind, at) => {
    const engine = openCodedEngine();
    engine.add(recordsOf(40, kind).map((record, n) => ({ ...record, id: recordOf(100 * (at + 1) + n).id })));
    return work(engine).exportSegment(LEAF).bytes;
  });
  const engine = openEngine({ dimensions: DIMENSIONS });
  for (const bytes of [small.exportSegment(LEAF).bytes, near, far])
    if (bytes !== undefined) engine.loadSegment(bytes);
  const query = recordsOf(1, 'no clusters', 9)[0]?.vector ?? new Float32Array(DIMENSIONS);
  assert.equal(ask(work(engine), query, 100).length, 85);
});

test('a flipped byte of a coded segment is refused or changes nothing but that segment; a cut one is refused', () => {
  const engine = openCodedEngine();
  engine.add(recordsOf(12, 'no clusters'));
  const { bytes } = work(engine).exportSegment(LEAF);
  for (let at = 0; at < bytes.length; at += 61) {
    const flipped = bytes.slice();
    flipped[at] = (flipped[at] ?? 0) ^ 0x40;
    const other = openCodedEngine();
    try {
      other.loadSegment(flipped);
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'box.damaged');
      assert.equal(other.stats().records, 0);
      continue;
    }
    const query = recordsOf(1, 'no clusters', 2)[0]?.vector ?? new Float32Array(DIMENSIONS);
    for (const { score } of ask(other, query, 100)) assert.ok(Number.isFinite(score));
  }
  for (const cut of [1, 8, 100, bytes.length - 30])
    assert.throws(() => openCodedEngine().loadSegment(bytes.slice(0, -cut)), { code: 'box.damaged' });
});

/** What a segment says of its vectors, as float64: what its rows decode to, and what they say their lengths are. */
function seen(bytes: Uint8Array): readonly { readonly vector: readonly number[]; readonly length: number }[] {
  const padded = paddedLength(DIMENSIONS);
  return decodeSegment(bytes).rows.flatMap(({ vector }) => {
    if (vector?.form !== 'row') return [];
    const head = Buffer.from(vector.bytes);
    const scale = head.readFloatLE(0);
    const high = Array.from({ length: padded }, (_, i) => head.readInt8(20 + i) * 4 * scale);
    return [{ vector: high, length: head.readFloatLE(8) }];
  });
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
const cosine = (a: readonly number[], b: readonly number[]): number =>
  Math.abs(dot(a, b)) / Math.sqrt(dot(a, a) * dot(b, b) + 1e-300);
const meanOf = (vectors: readonly (readonly number[])[]): readonly number[] =>
  (vectors[0] ?? []).map(
    (_, i) => vectors.reduce((sum, vector) => sum + (vector[i] as number), 0) / vectors.length,
  );

/**
 * All that can be tried with a list of which one member was erased: each vector in the segment may be a centroid c that
 * was learned with it (n c − Σ survivors); and where the lengths said differ from those of the rows, what stands
 * across may be solved for from them, one equation for each survivor (by least squares, Kaczmarz).
 */
function reconstructions(bytes: Uint8Array, survivors: number): readonly (readonly number[])[] {
  const rows = seen(bytes);
  const vectors = rows.map(({ vector }) => vector);
  const own = vectors.slice(0, survivors);
  const sum = meanOf(own).map((value) => value * own.length);
  const fromMeans = vectors.map((c) => c.map((value, i) => (survivors + 1) * value - (sum[i] as number)));
  // |x − e|² if the lengths were distances from the erased: a linear equation in e for each pair of rows.
  let guess = meanOf(own).map(() => 0);
  for (let round = 0; round < 2; round++)
    for (let at = 1; at < own.length; at++) {
      const [a, b] = [rows[at - 1], rows[at]];
      if (a === undefined || b === undefined) continue;
      const across = b.vector.map((value, i) => value - (a.vector[i] as number));
      const right = (dot(b.vector, b.vector) - dot(a.vector, a.vector) - b.length ** 2 + a.length ** 2) / 2;
      const step = (right - dot(across, guess)) / (dot(across, across) + 1e-12);
      guess = guess.map((value, i) => value + step * (across[i] as number));
    }
  return [...fromMeans, guess];
}

/** A segment's rows with one more that holds the mean of all, erased one included: what must never be written. */
function withCentroid(bytes: Uint8Array, known: readonly SegmentRow[]): Uint8Array {
  const content = decodeSegment(bytes);
  const floats = known.flatMap(({ vector }) => (vector?.form === 'row' ? [seenRow(vector.bytes)] : []));
  const row = encodeMean(meanOf(floats));
  const extra: SegmentRow = {
    ...(content.rows[0] as SegmentRow),
    slot: SLOT + 4000,
    vector: { form: 'row', bytes: row },
  };
  return encodeSegment({ ...content, rows: [...content.rows, extra] });
}

function seenRow(row: Uint8Array): readonly number[] {
  const head = Buffer.from(row);
  const scale = head.readFloatLE(0);
  return Array.from({ length: paddedLength(DIMENSIONS) }, (_, i) => head.readInt8(20 + i) * 4 * scale);
}

function encodeMean(mean: readonly number[]): Uint8Array {
  const padded = paddedLength(DIMENSIONS);
  const most = Math.max(...mean.map(Math.abs));
  const row = Buffer.alloc(20 + padded + padded / 4);
  row.writeFloatLE(most / 127 / 4, 0);
  row.writeFloatLE(Math.sqrt(dot(mean, mean)), 8);
  mean.forEach((value, i) => row.writeInt8(Math.round((value / most) * 127), 20 + i));
  return row;
}

const openFull = (others: readonly IndexedRecord[], list: readonly IndexedRecord[]): Engine => {
  const engine = openCodedEngine('dot');
  engine.add(others);
  engine.add(list);
  return work(engine);
};

/** The part of the word that no stemmer touches. */
const stemOf = (text: string): string => text.slice(0, -2);

for (const size of [2, 200])
  test(`from a list of ${size} nothing of the erased comes back out of a live segment; out of one with a centroid it does`, () => {
    // Beside the list there are others, so that the index codes and clusters.
    const list = recordsOf(size, 'no clusters', 5).map((record, n) => ({
      ...record,
      text: `zebra${n}quagga`,
    }));
    const own = list[size - 1] as IndexedRecord;
    const others = recordsOf(30, 'no clusters', 6).map((record, n) => ({
      ...record,
      id: recordOf(5000 + n).id,
      slot: SLOT + 8192 + n,
    }));
    const engine = openCodedEngine('dot');
    engine.add(others);
    engine.add(list);
    const before = decodeSegment(work(engine).exportSegment(LEAF).bytes);
    const erased = before.rows[size - 1] as SegmentRow;
    assert.ok(erased.vector?.form === 'row');
    engine.remove([erased.record.id]);
    const { bytes, cover } = work(engine).exportSegment(LEAF);
    assert.ok(!cover.includes(erased.slot));

    const target = seenRow(erased.vector.bytes);
    const unrelated = Math.max(
      ...seen(bytes).map(({ vector }) => cosine(vector, target)),
      4 / Math.sqrt(DIMENSIONS),
    );
    const best = (segment: Uint8Array): number =>
      Math.max(...reconstructions(segment, size - 1).map((guess) => cosine(guess, target)));
    assert.ok(best(bytes) <= unrelated * 1.5, `${best(bytes)} against ${unrelated}`);
    assert.ok(best(withCentroid(bytes, before.rows)) > 0.9);

    // Nor in the dictionary, nor in any form in which the index held the vector; before, all of it was there.
    const { bytes: full } = openFull(others, list).exportSegment(LEAF);
    const marks = [
      ...heldForms(own.vector as Float32Array)
        .filter(({ name }) => name === 'row of 10 bits')
        .map(({ bytes }) => bytes),
      Buffer.from(stemOf(own.text)),
    ];
    for (const mark of marks) {
      assert.ok(Buffer.from(full).includes(mark));
      assert.ok(!Buffer.from(bytes).includes(mark));
    }
    const content = decodeSegment(bytes);
    const [first, ...rest] = content.rows as [SegmentRow, ...SegmentRow[]];
    const slack = { ...first, counts: new Map([...first.counts, [stemOf(own.text), 1]]) };
    assert.ok(
      Buffer.from(encodeSegment({ ...content, rows: [slack, ...rest] })).includes(marks[1] as Uint8Array),
    );

    // Nor is there anything else: it is byte for byte what an index gives that never knew the erased.
    const alone = openCodedEngine('dot');
    alone.add(others.toReversed());
    alone.add(list.slice(0, -1).toReversed());
    assert.deepEqual(work(alone).exportSegment(LEAF).bytes, bytes);
  });
