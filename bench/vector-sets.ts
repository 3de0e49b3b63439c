/** Vectors to search among, with their true neighbours: made here, or read from a folder. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Arena } from '../src/search/arena.ts';
import { openKernel } from '../src/search/kernel/kernel.ts';
import type { Metric } from '../src/search/types.ts';
import { openRoom } from '../src/search/vectors/room.ts';
import { VectorIndex } from '../src/search/vectors/vector-index.ts';

export const NEIGHBOURS = 10;
const QUERIES = 300;

export interface VectorSet {
  readonly metric: Metric;
  readonly dimensions: number;
  readonly base: Float32Array;
  readonly queries: Float32Array;
  readonly truth: readonly ReadonlySet<number>[];
}

type Random = () => number;
type Fill = (vector: Float32Array) => void;

interface Generator {
  readonly metric: Metric;
  make(random: Random, dimensions: number): Fill;
}

/** Groups around centres, in few of the dimensions' worth of freedom, as embeddings of texts are. */
const mixture =
  (clusters: number, spread: number) =>
  (random: Random, dimensions: number): Fill => {
    const freedom = Math.min(40, dimensions);
    const map = Float32Array.from(
      { length: dimensions * freedom },
      () => normal(random) / Math.sqrt(freedom),
    );
    const centres = Array.from({ length: clusters }, () =>
      Float32Array.from({ length: freedom }, () => (clusters === 1 ? 0 : normal(random))),
    );
    return (vector) => {
      const centre = centres[Math.floor(random() * clusters)] ?? [];
      const point = Array.from(centre, (value) => value + spread * normal(random));
      for (let i = 0; i < dimensions; i++) {
        let sum = 0.1 * normal(random);
        for (let j = 0; j < freedom; j++) sum += (map[i * freedom + j] ?? 0) * (point[j] ?? 0);
        vector[i] = sum;
      }
    };
  };

export const GENERATORS: Readonly<Record<string, Generator>> = {
  clusters: { metric: 'cosine', make: mixture(200, 0.7) },
  'few-clusters': { metric: 'euclidean', make: mixture(10, 0.7) },
  'one-cluster': { metric: 'cosine', make: mixture(1, 1) },
  /** Every direction alike: nothing to learn. */
  isotropic: {
    metric: 'cosine',
    make: (random) => (vector) => {
      for (let i = 0; i < vector.length; i++) vector[i] = normal(random);
    },
  },
  /** Far from the origin, and with very different spreads by dimension. */
  anisotropic: {
    metric: 'euclidean',
    make: (random) => (vector) => {
      for (let i = 0; i < vector.length; i++) vector[i] = 3 + normal(random) / (1 + i / 8);
    },
  },
  /** Lengths that differ by orders of magnitude, and numbers far out. */
  'heavy-tailed': {
    metric: 'dot',
    make: (random) => (vector) => {
      const length = Math.exp(normal(random) * 0.5);
      for (let i = 0; i < vector.length; i++) vector[i] = length * normal(random) * Math.exp(normal(random));
    },
  },
};

export function makeVectors(name: string, count: number, dimensions: number, seed = 1): VectorSet {
  const generator = GENERATORS[name];
  if (generator === undefined) throw new Error(`no generator ${name}: ${Object.keys(GENERATORS).join(', ')}`);
  const random = randomFrom(seed);
  const fill = generator.make(random, dimensions);
  const many = (rows: number): Float32Array => {
    const numbers = new Float32Array(rows * dimensions);
    for (let row = 0; row < rows; row++) fill(numbers.subarray(row * dimensions, (row + 1) * dimensions));
    return numbers;
  };
  const [base, queries] = [many(count), many(QUERIES)];
  const { metric } = generator;
  return { metric, dimensions, base, queries, truth: truthOf({ metric, dimensions, base, queries }) };
}

/** `base.f32`, `query.f32`, `truth.i32`. The dimensions follow from how many numbers of truth there are. */
export async function loadVectors(folder: string, dimensions = 768): Promise<VectorSet> {
  const load = async (name: string): Promise<ArrayBuffer> =>
    new Uint8Array(await readFile(join(folder, name))).buffer;
  const base = new Float32Array(await load('base.f32'));
  const queries = new Float32Array(await load('query.f32'));
  const numbers = new Int32Array(await load('truth.i32'));
  const truth = Array.from(
    { length: numbers.length / NEIGHBOURS },
    (_, i) => new Set(numbers.subarray(i * NEIGHBOURS, (i + 1) * NEIGHBOURS)),
  );
  return { metric: 'cosine', dimensions, base, queries, truth };
}

/** By comparing each with all, in float32. */
function truthOf({ metric, dimensions, base, queries }: Omit<VectorSet, 'truth'>): readonly Set<number>[] {
  const arena = new Arena();
  const index = new VectorIndex(openRoom(arena, openKernel(arena.memory), Infinity), metric, dimensions);
  for (let row = 0; row * dimensions < base.length; row++)
    index.add(row, base.subarray(row * dimensions, (row + 1) * dimensions));
  const wanted = { limit: NEIGHBOURS, recall: 1, keeps: null, tieOf: (a: number, b: number) => a > b };
  return Array.from({ length: queries.length / dimensions }, (_, at) => {
    const query = queries.subarray(at * dimensions, (at + 1) * dimensions);
    return new Set(index.search(query, wanted).map(({ row }) => row));
  });
}

const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(random() + 1e-12)) * Math.cos(2 * Math.PI * random());

/** A 32-bit xorshift (Marsaglia 2003). */
function randomFrom(seed: number): Random {
  let state = Math.imul(seed, 0x9e3779b9) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
