/**
 * What a vault's vectors feel of change: searches while half of them are deleted and replaced, while lists are made anew and
 * after opening from a segment, beside the same searches when nothing happens; and recall all the while.
 *
 *     node --conditions=source bench/vector-changes.ts FOLDER | NAME [COUNT]      (as bench/vectors.ts)
 *
 * A search is timed as by whoever comes at the worst moment: with the step of work, or the hundred changes, that it has to wait for.
 */
import { Arena } from '../src/search/arena.ts';
import { openKernel } from '../src/search/kernel/kernel.ts';
import { ExactVectors } from '../src/search/vectors/exact-vectors.ts';
import { openRoom } from '../src/search/vectors/room.ts';
import { VectorIndex } from '../src/search/vectors/vector-index.ts';
import { loadVectors, makeVectors, NEIGHBOURS } from './vector-sets.ts';

const CHANGES = 100;
const RECALL_QUERIES = 100;
const STEPS_BETWEEN = 8;

const [source = 'clusters', count = '50000'] = process.argv.slice(2);
const { base, queries, metric, dimensions } = source.includes('/')
  ? await loadVectors(source)
  : makeVectors(source, Number(count), 768);
const rows = base.length / dimensions;
const half = Math.floor(rows / 2);
const wanted = { limit: NEIGHBOURS, recall: 0.99, keeps: null, tieOf: (a: number, b: number) => a > b };
const vectorAt = (numbers: Float32Array, row: number): Float32Array =>
  numbers.subarray(row * dimensions, (row + 1) * dimensions);

const arena = new Arena();
const index = new VectorIndex(openRoom(arena, openKernel(arena.memory)), metric, dimensions);
const exactArena = new Arena();
const exact = new ExactVectors(openRoom(exactArena, openKernel(exactArena.memory)), metric, dimensions);
let asked = 0;
const query = (): Float32Array => vectorAt(queries, asked++ % (queries.length / dimensions));

const timed = (work: () => unknown): number => {
  const started = performance.now();
  work();
  return performance.now() - started;
};
const search = (): number => {
  const vector = query();
  return timed(() => index.search(vector, wanted));
};
const add = (document: number, row: number): void => {
  index.add(document, vectorAt(base, row));
  exact.add(document, vectorAt(base, row));
};

for (let row = 0; row < half; row++) add(row, row);
while (index.work());
const quiet = Array.from({ length: 1000 }, search).slice(200);
const p95 = at(quiet, 0.95);
console.log(
  `${source}: ${half} of ${dimensions} numbers; p50 ${at(quiet, 0.5).toFixed(3)}, p95 ${p95.toFixed(3)} ms, recall ${recall()}`,
);

// Half of what is there goes, and others come in its place; the worker takes a few steps between two calls.
const during: number[] = [];
const waited: number[] = [];
for (let done = 0; done < half / 2; done += CHANGES) {
  const changed = timed(() => {
    for (let document = done; document < Math.min(done + CHANGES, half / 2); document++) {
      index.remove(document);
      exact.remove(document);
      add(document, half + document);
    }
  });
  during.push(search());
  waited.push(changed);
  for (let i = 0; i < STEPS_BETWEEN; i++) {
    const step = timed(() => index.work());
    during.push(step + search());
  }
  if (done % (CHANGES * 25) === 0) console.log(`  ${done + CHANGES} replaced: recall ${recall()}`);
}
say('while half is replaced', during);
console.log(`  ${CHANGES} changes themselves take ${at(waited, 0.5).toFixed(1)} ms, the exact copy included`);

const sweeping: number[] = [];
for (;;) {
  const started = performance.now();
  if (!index.work()) break;
  sweeping.push(performance.now() - started + search());
}
say('while lists are made anew', sweeping);
console.log(
  `  afterwards: recall ${recall()}, p95 ${at(Array.from({ length: 800 }, search), 0.95).toFixed(3)} ms`,
);

function say(what: string, times: readonly number[]): void {
  console.log(
    `${what}: ${times.length} searches, p50 ${at(times, 0.5).toFixed(3)}, p95 ${at(times, 0.95).toFixed(3)} ms, ` +
      `${(at(times, 0.95) / p95).toFixed(2)} times the p95 of before`,
  );
}

function recall(): string {
  let found = 0;
  for (let n = 0; n < RECALL_QUERIES; n++) {
    const vector = query();
    const answer = new Set(index.search(vector, wanted).map(({ row }) => row));
    found += exact.search(vector, { ...wanted, recall: 1 }).filter(({ row }) => answer.has(row)).length;
  }
  return (found / RECALL_QUERIES / NEIGHBOURS).toFixed(4);
}

function at(times: readonly number[], part: number): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * part)] ?? 0;
}
