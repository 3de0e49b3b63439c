/** Vectors of several kinds for tests, from a seed; and their true neighbours, worked out the slow and obvious way. */
import { xorshift } from '../vectors/numbers.ts';
import { Arena } from '../arena.ts';
import { openKernel } from '../kernel/kernel.ts';
import type { Metric } from '../types.ts';
import type { Neighbours } from '../vectors/neighbours.ts';
import { openRoom, type VectorRoom } from '../vectors/room.ts';
import { VectorIndex } from '../vectors/vector-index.ts';

export type Make = (dimensions: number, random: () => number) => Float32Array;

const gauss = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(random() + 1e-12)) * Math.cos(2 * Math.PI * random());

const around =
  (clusters: number): Make =>
  (dimensions, random) => {
    const cluster = Math.floor(random() * clusters);
    return Float32Array.from({ length: dimensions }, (_, i) =>
      clusters === 1 ? gauss(random) : 2 * Math.sin(cluster * 7.1 + i * (1 + cluster)) + gauss(random),
    );
  };

export const KINDS: Readonly<Record<string, Make>> = {
  'no clusters': around(1),
  'ten clusters': around(10),
  'two hundred clusters': around(200),
  'far from the origin, uneven': (dimensions, random) =>
    Float32Array.from({ length: dimensions }, (_, i) => 3 + gauss(random) / (1 + i / 20)),
  'few directions': (dimensions, random) => {
    const freedom = Array.from({ length: 10 }, () => gauss(random));
    return Float32Array.from({ length: dimensions }, (_, i) =>
      freedom.reduce(
        (sum, value, j) => sum + value * Math.sin(i * (j + 1) * 1.7 + j * j),
        0.1 * gauss(random),
      ),
    );
  },
  'heavy tails': (dimensions, random) => {
    const length = Math.exp(gauss(random));
    return Float32Array.from({ length: dimensions }, () => length * gauss(random) ** 3);
  },
};

/** A dozen clusters in ten directions, each so wide beside its distance from the origin. */
export function tightClusters(width: number): Make {
  return (dimensions, random) => {
    const cluster = Math.floor(random() * 12);
    const freedom = Array.from(
      { length: 10 },
      (_, j) => Math.sin(cluster * 7.1 + j * j) + width * gauss(random),
    );
    return Float32Array.from({ length: dimensions }, (_, i) =>
      freedom.reduce((sum, value, j) => sum + value * Math.sin(i * (j + 1) * 1.7 + j * j), 0),
    );
  };
}

/** Clusters that lie anywhere, a dozen unless it is said how many; in each, vectors vary alike in all directions, so much beside its distance from the origin. */
export function roundClusters(width: number, clusters = 12): Make {
  return (dimensions, random) => {
    const centre = randomFrom(1 + Math.floor(random() * clusters));
    return Float32Array.from({ length: dimensions }, () => gauss(centre) + width * gauss(random));
  };
}

/** Numbers from 0 to below 1, the same for the same seed, whichever it is. */
export const randomFrom = (seed: number): (() => number) => xorshift(Math.imul(seed, 0x9e3779b9) | 1);

export function openTestRoom(exactBytesMax: number, bytesMax?: number, learnFrom?: number): VectorRoom {
  const arena = new Arena(bytesMax);
  return openRoom(arena, openKernel(arena.memory), exactBytesMax, learnFrom);
}

/** An index that keeps ten vectors exact, and codes them all when there are more. */
export const openCoded = (
  metric: Metric,
  dimensions: number,
  room = openTestRoom(10 * dimensions * 4),
): VectorIndex => new VectorIndex(room, metric, null);

export const wanted = (own: Partial<Neighbours> = {}): Neighbours => ({
  limit: 10,
  recall: 0.99,
  keeps: null,
  tieOf: (a, b) => a > b,
  ...own,
});

/** Documents by falling similarity, in float64. */
export function trueNeighbours(
  metric: Metric,
  query: Float32Array,
  held: ReadonlyMap<number, Float32Array>,
  limit: number,
): readonly number[] {
  const products = (a: Float32Array, b: Float32Array): number =>
    a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
  const score = (x: Float32Array): number => {
    if (metric === 'euclidean')
      return -x.reduce((sum, value, i) => sum + (value - (query[i] as number)) ** 2, 0);
    return metric === 'dot' ? products(query, x) : products(query, x) / Math.sqrt(products(x, x));
  };
  return Array.from(held, ([document, x]) => ({ document, score: score(x) }))
    .sort((a, b) => b.score - a.score)
    .slice(0, limit)
    .map(({ document }) => document);
}

export const workOff = (index: VectorIndex): void => {
  while (index.work());
};
