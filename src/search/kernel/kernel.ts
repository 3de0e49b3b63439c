/**
 * The WebAssembly kernel: what is done with every number of a vector, over one memory.
 *
 * `kernel.wasm` is made from assembly/index.ts and committed; a test builds it anew and compares. To build it:
 *
 *     npx asc --config src/search/kernel/assembly/asconfig.json
 *
 * assembly/layout.ts says how rows, blocks and queries lie in memory. ../testing/kernel-twin.ts is the same in TypeScript, bit for
 * bit. Relaxed SIMD is used only where its result is the same on every machine.
 */
import { readFileSync } from 'node:fs';

/**
 * Offsets are bytes into the memory. `lanes` is the length of a row in float32 numbers, a multiple of 4; `padded` that
 * of a rotated vector, a multiple of 64.
 */
export interface Kernel {
  dots(query: number, rows: number, count: number, lanes: number, out: number): void;
  squaredDistances(query: number, rows: number, count: number, lanes: number, out: number): void;

  rotate(x: number, padded: number, signs: number): void;
  prepareQuery(query: number, padded: number): void;

  encodeRow(x: number, padded: number, lowBits: number, row: number): void;
  decodeRow(row: number, padded: number, lowBits: number, out: number): void;
  addRow(row: number, padded: number, lowBits: number, sums: number): void;
  toSevenBits(row: number, padded: number, out: number): void;
  rowsWithoutCode(row: number, rowBytes: number, count: number, out: number): number;
  fineScores(query: number, padded: number, lowBits: number, rows: number, count: number, out: number): void;

  encodeBase(row: number, middle: number, padded: number, lowBits: number, isEuclidean: number): void;
  encodeCode(
    row: number,
    centroid: number,
    middle: number,
    padded: number,
    lowBits: number,
    block: number,
    lane: number,
  ): number;
  moveCode(from: number, fromLane: number, to: number, toLane: number, padded: number): void;
  clearCode(block: number, lane: number, padded: number): void;

  project(seven: number, scale: number, padded: number, directions: number, count: number, out: number): void;
  addProducts(x: number, lanes: number, weights: number, count: number, sums: number): void;
  encodeShort(
    row: number,
    point: number,
    centroid: number,
    count: number,
    rest: number,
    block: number,
    lane: number,
  ): number;
  moveShort(from: number, fromLane: number, to: number, toLane: number, count: number): void;
  clearShort(block: number, lane: number, count: number): void;
  scanShort(
    query: number,
    count: number,
    lists: number,
    listCount: number,
    blocksMax: number,
    floor: number,
    out: number,
    bounds: number,
  ): void;

  scanChain(
    query: number,
    padded: number,
    head: number,
    blocksMax: number,
    own: number,
    reach: number,
    floor: number,
    middle: number,
    isHasty: number,
    out: number,
    bounds: number,
  ): void;
  glance(
    query: number,
    padded: number,
    lowBits: number,
    reach: number,
    rows: number,
    count: number,
    bounds: number,
  ): void;
  rescore(
    query: number,
    padded: number,
    lowBits: number,
    margin: number,
    rows: number,
    bounds: number,
    count: number,
    heap: number,
  ): number;

  scoreCentroids(query: number, padded: number, centroids: number, count: number, out: number): void;
  nearestFour(
    rows: number,
    scales: number,
    padded: number,
    centroids: number,
    count: number,
    number: number,
    best: number,
  ): void;
}

/** Offsets within what assembly/layout.ts describes. */
export const LAYOUT = {
  rowHead: 20,
  rowLength: 8,
  rowPlace: 12,
  rowBase: 16,
  blockCount: 4,
  blockList: 8,
  blockRowsAt: 12,
  blockRows: 32,
  blockF: 160,
  blockA: 288,
  blockB: 416,
  blockE: 544,
  blockHead: 672,
  blockShortA: 32,
  blockShortB: 160,
  blockShortHead: 288,
  apartSquares: 128,
  apartBytes: 256,
  queryLength: 16,
  queryNext: 32,
  queryCandidates: 36,
  querySquares: 40,
  queryFourths: 44,
  queryMeasured: 48,
  queryScored: 52,
  queryApart: 56,
  queryApart2: 60,
  queryNumbers: 64,
  shortBase: 4,
  shortCandidates: 8,
  shortClaims: 12,
  shortNumbers: 64,
  listBytes: 32,
  listOwn: 4,
  listReach: 8,
  listMiddle: 12,
  listMeasured: 16,
  listSquares: 20,
  listFourths: 24,
} as const;

/** Codes in a block. */
export const BLOCK_LANES = 32;
export const ROTATION_ROUNDS = 3;

export const KERNEL_FILE = new URL('./kernel.wasm', import.meta.url);

export const PAGE_BYTES = 65_536;
/** 4 GiB: what 32-bit offsets reach. */
export const PAGES_MAX = 65_536;

export function openKernel(memory: WebAssembly.Memory): Kernel {
  const module = new WebAssembly.Module(readFileSync(KERNEL_FILE));
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  return instance.exports as unknown as Kernel;
}
