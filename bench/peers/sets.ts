/**
 * Vectors to search among, with their true neighbours: three files in a folder, `base.f32` and `query.f32` (float32, row by row,
 * length 1) and `truth.i32` (for each query the rows of its ten nearest by dot product).
 *
 * The folder is given, or made by a generator that is given (`node GENERATOR FOLDER --n … --dim … --queries … --clusters …`),
 * or made here: points around centres in few dimensions, bent into many. One cluster is the hard case.
 */
import { execFile } from 'node:child_process';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { promisify } from 'node:util';

export const NEIGHBOURS = 10;

export interface VectorSet {
  readonly dimensions: number;
  readonly base: Float32Array;
  readonly queries: Float32Array;
  /** Rows, ten for each query. */
  readonly truth: Int32Array;
}

export interface Wanted {
  readonly count: number;
  readonly dimensions: number;
  readonly queries: number;
  readonly clusters: number;
  readonly seed: number;
  /** A folder with the files, a program that makes them, or null. */
  readonly source: string | null;
}

/** The folder with the files; what was made stays there for the next run. */
export async function prepareSet(wanted: Wanted): Promise<string> {
  const { source } = wanted;
  if (source !== null && (await stat(source)).isDirectory()) return resolve(source);
  const { count, dimensions, queries, clusters, seed } = wanted;
  const maker = source === null ? 'own' : basename(source).replace(/\W+/g, '-');
  const name = [maker, count, dimensions, queries, clusters, seed].join('-');
  const folder = join(tmpdir(), 'strongroom-peers', name);
  if (await exists(join(folder, 'truth.i32'))) return folder;
  const making = `${folder}.making`;
  await rm(making, { recursive: true, force: true });
  await mkdir(making, { recursive: true });
  if (source === null) await make(wanted, making);
  else await runGenerator(source, making, wanted);
  await rename(making, folder);
  return folder;
}

export async function readSet(folder: string): Promise<VectorSet> {
  const [base, queries, truth] = await Promise.all(
    ['base.f32', 'query.f32', 'truth.i32'].map(async (name) => {
      const bytes = await readFile(join(folder, name));
      return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    }),
  );
  const asked = new Float32Array(queries as ArrayBuffer);
  const neighbours = new Int32Array(truth as ArrayBuffer);
  const dimensions = (asked.length * NEIGHBOURS) / neighbours.length;
  const all = new Float32Array(base as ArrayBuffer);
  if (!Number.isInteger(dimensions) || all.length % dimensions !== 0)
    throw new RangeError(`${folder}: the files do not fit each other`);
  return { dimensions, base: all, queries: asked, truth: neighbours };
}

export const vectorAt = ({ dimensions }: VectorSet, vectors: Float32Array, row: number): Float32Array =>
  vectors.subarray(row * dimensions, (row + 1) * dimensions);

/** The part of a query's true neighbours that was found. */
export function recallOf({ truth }: VectorSet, query: number, found: readonly number[]): number {
  const known = new Set(truth.subarray(query * NEIGHBOURS, (query + 1) * NEIGHBOURS));
  return found.slice(0, NEIGHBOURS).filter((row) => known.has(row)).length / NEIGHBOURS;
}

async function runGenerator(program: string, folder: string, wanted: Wanted): Promise<void> {
  const { count, dimensions, queries, clusters, seed } = wanted;
  const flags = { n: count, dim: dimensions, queries, clusters, seed, k: NEIGHBOURS };
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
  await promisify(execFile)(process.execPath, [resolve(program), folder, ...args]);
}

const FREEDOM = 40;

async function make({ count, dimensions, queries, clusters, seed }: Wanted, folder: string): Promise<void> {
  const normal = normalFrom(seed);
  const pick = randomFrom(seed + 1);
  const freedom = Math.min(FREEDOM, dimensions);
  const map = Float32Array.from({ length: dimensions * freedom }, () => normal() / Math.sqrt(freedom));
  const centres = Array.from({ length: clusters }, () =>
    Float32Array.from({ length: freedom }, () => (clusters === 1 ? 0 : normal())),
  );
  const fill = (rows: number): Float32Array => {
    const all = new Float32Array(rows * dimensions);
    for (let row = 0; row < rows; row++) {
      const centre = centres[Math.floor(pick() * clusters)] ?? [];
      const point = Array.from(centre, (value) => value + 0.7 * normal());
      const vector = all.subarray(row * dimensions, (row + 1) * dimensions);
      for (let i = 0; i < dimensions; i++) {
        let sum = 0;
        for (let j = 0; j < freedom; j++) sum += (map[i * freedom + j] ?? 0) * (point[j] ?? 0);
        vector[i] = Math.sin(1.2 * sum) + 0.1 * normal();
      }
      const length = Math.hypot(...vector);
      for (let i = 0; i < dimensions; i++) vector[i] = (vector[i] ?? 0) / length;
    }
    return all;
  };
  const base = fill(count);
  const asked = fill(queries);
  const truth = trueNeighbours(base, asked, dimensions);
  for (const [name, numbers] of [
    ['base.f32', base],
    ['query.f32', asked],
    ['truth.i32', truth],
  ] as const)
    await writeFile(join(folder, name), new Uint8Array(numbers.buffer));
}

function trueNeighbours(base: Float32Array, queries: Float32Array, dimensions: number): Int32Array {
  const rows = base.length / dimensions;
  const count = queries.length / dimensions;
  const truth = new Int32Array(count * NEIGHBOURS);
  for (let query = 0; query < count; query++) {
    const asked = queries.subarray(query * dimensions, (query + 1) * dimensions);
    const best: { row: number; score: number }[] = [];
    for (let row = 0; row < rows; row++) {
      let score = 0;
      const from = row * dimensions;
      for (let i = 0; i < dimensions; i++) score += (base[from + i] as number) * (asked[i] as number);
      const worst = best[NEIGHBOURS - 1];
      if (worst !== undefined && score <= worst.score) continue;
      best.push({ row, score });
      best.sort((a, b) => b.score - a.score);
      best.length = Math.min(best.length, NEIGHBOURS);
    }
    truth.set(
      best.map(({ row }) => row),
      query * NEIGHBOURS,
    );
  }
  return truth;
}

/** Normal numbers by the polar method (Marsaglia and Bray 1964). */
function normalFrom(seed: number): () => number {
  const random = randomFrom(seed);
  let spare: number | null = null;
  return () => {
    if (spare !== null) {
      const value = spare;
      spare = null;
      return value;
    }
    for (;;) {
      const [x, y] = [2 * random() - 1, 2 * random() - 1];
      const square = x * x + y * y;
      if (square >= 1 || square === 0) continue;
      const factor = Math.sqrt((-2 * Math.log(square)) / square);
      spare = y * factor;
      return x * factor;
    }
  };
}

/** A 32-bit xorshift (Marsaglia 2003). */
function randomFrom(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b9) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

export const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
