import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat } from '../../bytes/encoding.ts';
import { Arena } from '../arena.ts';
import { openKernel, type Kernel } from '../kernel/kernel.ts';
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
import { openRoom } from './room.ts';

const ROWS = 2000;
const DIMENSIONS = 320;
const QUERIES = 10;
const METRICS = ['cosine', 'dot', 'euclidean'] as const;

/** Rows as a segment brings them, none of which has a code; answers the recall, and how many rows a search compares in all their numbers. */
function searched(metric: Metric, make: Make, keeps: ((document: number) => boolean) | null = null) {
  const random = randomFrom(7);
  const compared = (vector: Float32Array): Float32Array => (metric === 'cosine' ? unit(vector) : vector);
  const held = new Map<number, Float32Array>();
  const [writer, vectors] = [1, 2].map(() => new CodedVectors(openTestRoom(0), metric, DIMENSIONS, 8)) as [
    CodedVectors,
    CodedVectors,
  ];
  for (let document = 0; document < ROWS; document++) {
    const vector = compared(make(DIMENSIONS, random));
    held.set(document, vector);
    writer.add(document, vector);
  }
  const rows = Array.from(held.keys(), (document) => writer.rowOf(document) as Uint8Array);
  vectors.addRows(Uint32Array.from(held.keys()), concat(...rows), 8);
  if (keeps !== null) for (const document of held.keys()) if (!keeps(document)) held.delete(document);
  let [found, whole] = [0, 0];
  for (let n = 0; n < QUERIES; n++) {
    const query = compared(make(DIMENSIONS, random));
    const answer = new Set(vectors.search(query, wanted({ keeps })).map(({ row }) => row));
    found += trueNeighbours(metric, query, held, 10).filter((document) => answer.has(document)).length;
    whole += vectors.last.rows;
  }
  return { recall: found / QUERIES / 10, whole: whole / QUERIES };
}

test('of rows without a code most are passed over after a quarter of their numbers, and at most one of a hundred of the nearest', () => {
  const kinds = [
    'ten clusters',
    'two hundred clusters',
    'few directions',
    'heavy tails',
    'far from the origin, uneven',
  ];
  for (const [at, kind] of kinds.entries()) {
    const metric = METRICS[at % METRICS.length] as Metric;
    const { recall } = searched(metric, KINDS[kind] as Make);
    assert.ok(recall >= 0.99, `${kind}, ${metric}: ${recall}`);
  }
  for (const metric of METRICS) {
    const { recall, whole } = searched(metric, roundClusters(0.5, 100));
    assert.ok(recall >= 0.99, `${metric}: ${recall}`);
    assert.ok(whole < ROWS / 4, `${metric}: ${whole} of ${ROWS}`);
  }
});

test('a filter that keeps few rows without a code costs no recall', () => {
  const { recall } = searched('cosine', roundClusters(0.5, 100), (document) => document % 50 === 0);
  assert.ok(recall >= 0.99, `${recall}`);
});

test('where a quarter of the numbers tells nothing, rows are looked at without it after the first few thousand', () => {
  // All lie on one side of the origin, so far that what tells them apart is little beside what the quarter leaves unseen.
  const aside: Make = (dimensions, random) => Float32Array.from({ length: dimensions }, () => 5 + random());
  const { recall, whole } = searched('euclidean', aside);
  assert.ok(recall >= 0.99, `${recall}`);
  assert.ok(whole > ROWS / 2, `${whole} of ${ROWS}`);
  assert.deepEqual([looksAt(aside), looksAt(roundClusters(0.5, 100))], [1, 2]);
});

/** How many batches of rows a search looks at in part, where all of them would be two. */
function looksAt(make: Make): number {
  const arena = new Arena();
  const kernel = openKernel(arena.memory);
  let looks = 0;
  const glance: Kernel['glance'] = (...those) => {
    looks++;
    kernel.glance(...those);
  };
  const vectors = new CodedVectors(openRoom(arena, { ...kernel, glance }, 0), 'euclidean', DIMENSIONS, 8);
  const random = randomFrom(3);
  const documents = Uint32Array.from({ length: 9000 }, (_, document) => document);
  const writer = new CodedVectors(openTestRoom(0), 'euclidean', DIMENSIONS, 8);
  const some = 500;
  for (let document = 0; document < some; document++) writer.add(document, make(DIMENSIONS, random));
  const rows = Array.from(documents, (document) => writer.rowOf(document % some) as Uint8Array);
  vectors.addRows(documents, concat(...rows), 8);
  vectors.search(make(DIMENSIONS, random), wanted());
  return looks;
}
