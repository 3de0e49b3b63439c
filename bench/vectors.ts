/**
 * Vector search beside usearch, at library level and in one thread each, on the same vectors in the same run.
 *
 *     npm run vectors -- FOLDER                        # base.f32, query.f32, truth.i32: row-major, 10 neighbours by dot product
 *     npm run vectors -- NAME [COUNT] [DIMENSIONS]     # one of the generators in vector-sets.ts
 *     … [--recall 0.99] [--alone]                      # alone: without usearch
 *
 * usearch's expansion is raised until it reaches the recall that ours has; both are searched in turns, so that whatever
 * else the machine does meets both.
 */
import { Index, MetricKind, ScalarKind } from 'usearch';
import { Arena } from '../src/search/arena.ts';
import { openKernel } from '../src/search/kernel/kernel.ts';
import { openRoom, type VectorRoom } from '../src/search/vectors/room.ts';
import { VectorIndex } from '../src/search/vectors/vector-index.ts';
import { loadVectors, makeVectors, NEIGHBOURS, type VectorSet } from './vector-sets.ts';

const BATCH = 1000;
const EXPANSIONS = [16, 32, 64, 128, 256, 512, 1024, 2048, 4096];

const words = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const flag = (name: string): string | undefined => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : (process.argv[at + 1] ?? '');
};
const recall = Number(flag('recall') ?? 0.99);
const [source = 'clusters', count = '50000', dimensions = '768'] = words.filter(
  (word) => word !== flag('recall'),
);
const set = source.includes('/')
  ? await loadVectors(source)
  : makeVectors(source, Number(count), Number(dimensions));
const { base, queries, truth, metric } = set;
const rows = base.length / set.dimensions;
console.log(`${source}: ${rows} vectors of ${set.dimensions} numbers, ${metric}, ${truth.length} queries`);

const ours = buildOurs(set, newRoom());
const theirs = flag('alone') === undefined ? buildUsearch(set) : null;
const own = measure([(query) => ours.search(query).map(({ row }) => row)])[0] as Figures;
console.log(
  `Strongroom  recall ${own.recall.toFixed(4)}  p50 ${own.p50.toFixed(3)}  p95 ${own.p95.toFixed(3)} ms`,
);
if (theirs !== null) compare(theirs);

function compare(peer: Index): void {
  for (const expansion of EXPANSIONS) {
    const ask = searchUsearch(peer, expansion);
    const [a, b] = measure([(query) => ours.search(query).map(({ row }) => row), ask]) as [Figures, Figures];
    const ratio = (a.p50 / b.p50).toFixed(2);
    console.log(
      `usearch     recall ${b.recall.toFixed(4)}  p50 ${b.p50.toFixed(3)}  p95 ${b.p95.toFixed(3)} ms  expansion ${expansion}; ` +
        `ours beside it ${a.p50.toFixed(3)}, ratio ${ratio}`,
    );
    if (b.recall >= Math.min(own.recall, 0.9995)) return;
  }
}

function newRoom(exactBytesMax?: number): VectorRoom {
  const arena = new Arena();
  return openRoom(arena, openKernel(arena.memory), exactBytesMax);
}

function buildOurs(from: VectorSet, room: VectorRoom) {
  const index = new VectorIndex(room, metric, from.dimensions);
  const started = performance.now();
  for (let row = 0; row < rows; row++) index.add(row, vectorAt(base, row));
  const added = performance.now();
  let slowest = 0;
  for (let busy = true; busy;) {
    const before = performance.now();
    busy = index.work();
    slowest = Math.max(slowest, performance.now() - before);
  }
  const done = performance.now();
  const rate = (ms: number): string => Math.round((rows / ms) * 1000).toLocaleString('en');
  console.log(
    `Strongroom  ${rate(done - started)} added and indexed per second (${rate(added - started)} until searchable), ` +
      `${Math.round(index.bytes / rows)} bytes for each, longest step ${slowest.toFixed(1)} ms`,
  );
  const wanted = { limit: NEIGHBOURS, recall, keeps: null, tieOf: (a: number, b: number) => a > b };
  return { search: (query: Float32Array) => index.search(query, wanted) };
}

function buildUsearch(from: VectorSet): Index {
  const kinds = { cosine: MetricKind.Cos, dot: MetricKind.IP, euclidean: MetricKind.L2sq };
  const index = new Index({
    metric: kinds[metric],
    dimensions: from.dimensions,
    quantization: ScalarKind.F32,
    connectivity: 16,
    expansion_add: 128,
    expansion_search: 64,
    multi: false,
  });
  const started = performance.now();
  for (let row = 0; row < rows; row += BATCH) {
    const keys = BigUint64Array.from({ length: Math.min(BATCH, rows - row) }, (_, i) => BigInt(row + i));
    index.add(keys, base.subarray(row * from.dimensions, (row + keys.length) * from.dimensions), 1);
  }
  const rate = Math.round((rows / (performance.now() - started)) * 1000);
  console.log(`usearch     ${rate.toLocaleString('en')} added and indexed per second`);
  return index;
}

/** The expansion is fixed when an index is opened, so the same graph is opened again with another. */
function searchUsearch(index: Index, expansion: number): (query: Float32Array) => number[] {
  const opened = reopened(index, expansion);
  return (query) => Array.from(opened.search(query, NEIGHBOURS, 1).keys, Number);
}

function reopened(index: Index, expansion: number): Index {
  const file = flag('graph') ?? `${process.env['TMPDIR'] ?? '/tmp'}/strongroom-bench-${process.pid}.usearch`;
  index.save(file);
  const kinds = { cosine: MetricKind.Cos, dot: MetricKind.IP, euclidean: MetricKind.L2sq };
  const other = new Index({
    metric: kinds[metric],
    dimensions: set.dimensions,
    quantization: ScalarKind.F32,
    connectivity: 16,
    expansion_add: 128,
    expansion_search: expansion,
    multi: false,
  });
  other.load(file);
  return other;
}

interface Figures {
  readonly recall: number;
  readonly p50: number;
  readonly p95: number;
}

/** Asks each in turn the same question; the first round warms up. */
function measure(searches: readonly ((query: Float32Array) => readonly number[])[]): readonly Figures[] {
  const times = searches.map((): number[] => []);
  const found = searches.map(() => 0);
  for (const round of [0, 1])
    truth.forEach((neighbours, at) => {
      const query = vectorAt(queries, at);
      searches.forEach((search, which) => {
        const before = performance.now();
        const answer = search(query);
        if (round === 0) return;
        times[which]?.push(performance.now() - before);
        found[which] = (found[which] ?? 0) + answer.filter((row) => neighbours.has(row)).length;
      });
    });
  return times.map((list, which) => {
    const sorted = list.toSorted((a, b) => a - b);
    const at = (part: number): number => sorted[Math.floor(sorted.length * part)] ?? 0;
    return { recall: (found[which] ?? 0) / truth.length / NEIGHBOURS, p50: at(0.5), p95: at(0.95) };
  });
}

function vectorAt(numbers: Float32Array, row: number): Float32Array {
  return numbers.subarray(row * set.dimensions, (row + 1) * set.dimensions);
}
