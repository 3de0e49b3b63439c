/**
 * What a vault's vectors feel of change: searches while half of them are deleted and replaced, while lists are made anew and
 * after opening from a segment, beside the same searches when nothing happens; and recall all the while.
 *
 *     node --conditions=source bench/vector-changes.ts FOLDER | NAME [COUNT]      (as bench/vectors.ts; half of COUNT is held at a time)
 *
 * A search is timed as by whoever comes at the worst moment: with the step of work, or the hundred changes, that it has to wait for.
 */
import { Arena } from '../src/search/arena.ts';
import { openKernel } from '../src/search/kernel/kernel.ts';
import { ExactVectors } from '../src/search/vectors/exact-vectors.ts';
import { openRoom } from '../src/search/vectors/room.ts';
import { lowBitsOf } from '../src/search/vectors/coded-vectors.ts';
import { unit } from '../src/search/vectors/numbers.ts';
import { paddedLength } from '../src/search/vectors/rows.ts';
import { Turns } from '../src/search/turns.ts';
import { concat } from '../src/bytes/encoding.ts';
import { VectorIndex } from '../src/search/vectors/vector-index.ts';
import { loadVectors, makeVectors, NEIGHBOURS } from './vector-sets.ts';

const CHANGES = 100;
const RECALL_QUERIES = 100;
const STEPS_BETWEEN = 8;
const SEGMENT_ROWS = 4096;
const RECALL_EACH = 8;
const OPENED_MS = [250, 500, 1000, 2000, 4000, 8000];

const [source = 'clusters', count = '100000'] = process.argv.slice(2);
const { base, queries, metric, dimensions } = source.includes('/')
  ? await loadVectors(source)
  : makeVectors(source, Number(count), 768);
const rows = Math.min(Number(count), base.length / dimensions);
const half = Math.floor(rows / 2);
const wanted = { limit: NEIGHBOURS, recall: 0.99, keeps: null, tieOf: (a: number, b: number) => a > b };
const vectorAt = (numbers: Float32Array, row: number): Float32Array =>
  numbers.subarray(row * dimensions, (row + 1) * dimensions);

const arena = new Arena();
const index = new VectorIndex(openRoom(arena, openKernel(arena.memory)), metric, dimensions);
/** Nothing happens to this one: it is asked in turns with the others, so that what else the machine does is in both. */
const calmArena = new Arena();
const calm = new VectorIndex(openRoom(calmArena, openKernel(calmArena.memory)), metric, dimensions);
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
/** The exact copy takes vectors as they are compared. */
const compared = (vector: Float32Array): Float32Array => (metric === 'cosine' ? unit(vector) : vector);
const add = (document: number, row: number): void => {
  index.add(document, vectorAt(base, row));
  exact.add(document, compared(vectorAt(base, row)));
};

for (let row = 0; row < half; row++) {
  add(row, row);
  calm.add(row, vectorAt(base, row));
}
while (index.work() || calm.work());
const quiet = Array.from({ length: 1000 }, search).slice(200);
console.log(
  `${source}: ${half} of ${dimensions} numbers; p50 ${at(quiet, 0.5).toFixed(3)}, p95 ${at(quiet, 0.95).toFixed(3)} ms, recall ${recall()}`,
);
let calmTimes: number[] = [];
const searchCalm = (): void => {
  const vector = query();
  calmTimes.push(timed(() => calm.search(vector, wanted)));
};

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
    searchCalm();
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
  searchCalm();
}
say('while lists are made anew', sweeping);
console.log(
  `  afterwards: recall ${recall()}, p95 ${at(Array.from({ length: 800 }, search), 0.95).toFixed(3)} ms`,
);

afterOpening();

/** The same rows as segments bring them: searched without a pause, with the turns of work that a worker takes in between. */
function afterOpening(): void {
  const openedArena = new Arena();
  const opened = new VectorIndex(openRoom(openedArena, openKernel(openedArena.memory)), metric, dimensions);
  for (let from = 0; from < half; from += SEGMENT_ROWS)
    loadRows(opened, from, Math.min(from + SEGMENT_ROWS, half));
  const turns = new Turns(() => performance.now());
  const times: number[] = [];
  let [found, compared, searches] = [0, 0, 0];
  const window = (what: string): void => {
    if (times.length === 0) return;
    say(`opened, ${what}`, times);
    console.log(`  recall ${(found / compared / NEIGHBOURS).toFixed(4)} of ${compared}`);
    times.length = found = compared = 0;
  };
  let [shown, isLeft, passed] = [0, true, 0];
  while (isLeft) {
    const begun = performance.now();
    isLeft = turns.work(() => opened.work());
    const vector = query();
    const answer = new Set(turns.search(() => opened.search(vector, wanted)).map(({ row }) => row));
    const took = performance.now() - begun;
    times.push(took);
    searchCalm();
    passed += took;
    // Not each time: the exact search leaves nothing of the index in the processor's caches.
    if (searches++ % RECALL_EACH === 0) {
      found += exact.search(vector, { ...wanted, recall: 1 }).filter(({ row }) => answer.has(row)).length;
      compared++;
    }
    const until = OPENED_MS[shown];
    if (until === undefined || passed < until) continue;
    window(`until ${until} ms`);
    shown++;
  }
  window('until all was done');
}

function loadRows(opened: VectorIndex, from: number, to: number): void {
  const held = Array.from({ length: to - from }, (_, at) => index.stored(from + at)).map((vector, at) => ({
    vector,
    at,
  }));
  const coded = held.flatMap(({ vector, at }) =>
    vector?.form === 'row' ? [{ at, bytes: vector.bytes }] : [],
  );
  const [first] = coded;
  if (first === undefined) return;
  const bytes = concat(...coded.map((row) => row.bytes));
  const lowBits = lowBitsOf(first.bytes, paddedLength(dimensions));
  const records = Uint32Array.from(coded, ({ at }) => at);
  opened.load(from, {
    dimensions,
    rows: [{ lowBits, records, bytes }],
    numbers: { records: [], vectors: [] },
  });
}

function say(what: string, times: readonly number[]): void {
  const [calmP50, calmP95] = [at(calmTimes, 0.5), at(calmTimes, 0.95)];
  console.log(
    `${what}: ${times.length} searches, p50 ${at(times, 0.5).toFixed(3)}, p95 ${at(times, 0.95).toFixed(3)} ms; in turns with them where nothing ` +
      `happens: ${calmP50.toFixed(3)}, ${calmP95.toFixed(3)} ms; ${(at(times, 0.95) / calmP95).toFixed(2)} times that p95`,
  );
  calmTimes = [];
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
