import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { AT, assertSame, encode, numbersFrom, place, type Bench } from '../testing/kernel-bench.ts';
import { LAYOUT } from './kernel.ts';

const CASES = { numRuns: 40 };
const counts = fc.constantFrom(16, 24, 48, 128);
const seed = fc.integer();
const HELD = 45;

const blockBytes = (count: number): number => LAYOUT.blockShortHead + 16 * count;
const blockAt = (n: number, count: number): number => AT.blocks + n * blockBytes(count);
const rowAt = (n: number): number => AT.rows + n * LAYOUT.rowHead;

/** What no scan reads of two blocks, and where it lies. */
const APART_BYTES = LAYOUT.apartBytes;
const apartAt = (n: number): number => AT.apart + n * APART_BYTES;

function setRowsApart(bench: Bench, count: number): void {
  for (const n of [0, 1]) bench.words[(blockAt(n, count) + LAYOUT.blockRowsAt) / 4] = apartAt(n);
}

/** Fills two chained blocks with codes of points around a centroid; the second is part full. */
function fillChain(bench: Bench, seed: number, count: number): void {
  setRowsApart(bench, count);
  place(bench, AT.centroids, numbersFrom(seed + 1, count));
  for (let n = 0; n < HELD; n++) {
    place(bench, AT.x, numbersFrom(seed + 10 + n, count));
    bench.floats[(rowAt(n) + LAYOUT.rowBase) / 4] = n / 7;
    const block = blockAt(n < 32 ? 0 : 1, count);
    bench.kernel.encodeShort(rowAt(n), AT.x, AT.centroids, count, n / 100, block, n % 32);
  }
  bench.words[blockAt(0, count) / 4] = blockAt(1, count);
  bench.words[(blockAt(0, count) + LAYOUT.blockCount) / 4] = 32;
  bench.words[(blockAt(1, count) + LAYOUT.blockCount) / 4] = HELD - 32;
}

test('seeing rows along directions, and adding them up by that, equal their twins', () => {
  fc.assert(
    fc.property(fc.constantFrom(64, 192), seed, (padded, seed) => {
      assertSame((bench) => {
        const count = 9;
        for (let n = 0; n < count; n++)
          encode(bench, numbersFrom(seed + n, padded), 0, AT.centroids + n * (LAYOUT.rowHead + padded));
        encode(bench, numbersFrom(seed + 20, padded), 2, AT.rows);
        bench.kernel.toSevenBits(AT.rows, padded, AT.four);
        bench.kernel.project(AT.four, 0.7, padded, AT.centroids, count, AT.out);
        bench.kernel.addProducts(AT.x, padded, AT.out, count, AT.blocks);
        bench.kernel.addProducts(AT.x, padded, AT.out, count, AT.blocks);
      });
    }),
    CASES,
  );
});

test('short codes: making, moving and clearing them equals the twin, and a cleared block is as if it had never been used', () => {
  fc.assert(
    fc.property(counts, seed, (count, seed) => {
      const bench = assertSame((bench) => {
        fillChain(bench, seed, count);
        const [first, second] = [blockAt(0, count), blockAt(1, count)];
        bench.kernel.moveShort(second, HELD - 33, first, 20, count);
        bench.kernel.moveShort(first, 31, first, 3, count);
        for (let lane = 0; lane < HELD - 33; lane++) bench.kernel.clearShort(second, lane, count);
      });
      const second = blockAt(1, count);
      const rest = bench.bytes.subarray(second + LAYOUT.blockShortA, second + blockBytes(count));
      assert.ok(rest.every((byte) => byte === 0));
      assert.ok(bench.bytes.subarray(apartAt(1), apartAt(2)).every((byte) => byte === 0));
    }),
    CASES,
  );
});

test('scanning lists of short codes equals its twin, to their ends and in parts', () => {
  fc.assert(
    fc.property(counts, seed, (count, seed) => {
      assertSame((bench) => {
        fillChain(bench, seed, count);
        const { words, floats, bytes } = bench;
        floats.set([0.01, -0.3], AT.query / 4);
        for (let i = 0; i < count; i++) bytes[AT.query + LAYOUT.shortNumbers + i] = (i * 37 + seed) % 255;
        const scan = (blocks: number, floor: number, heads: readonly number[]): number => {
          heads.forEach((head, n) => {
            const list = (AT.sums + n * LAYOUT.listBytes) / 4;
            words[list] = head;
            floats.set([0.3 + n, 1.7, 0.1], list + 1);
            words[list + LAYOUT.listMeasured / 4] = n % 2;
          });
          bench.kernel.scanShort(AT.query, count, AT.sums, heads.length, blocks, floor, AT.list, AT.bounds);
          // One place after the candidates means nothing.
          const found = words[(AT.query + LAYOUT.shortCandidates) / 4] as number;
          words[AT.list / 4 + found] = words[AT.bounds / 4 + found] = 0;
          return found;
        };
        const [first, second] = [blockAt(0, count), blockAt(1, count)];
        scan(1, 0.5, [first, second]);
        assert.equal(words[AT.sums / 4], second);
        assert.equal(scan(9, Number.NEGATIVE_INFINITY, [first, 0, second]), 2 * HELD - 32);
        return scan(9, 0.5, [second, first]);
      });
    }),
    CASES,
  );
});

test('an estimate is near the product it stands for, and a step of the code read as another is found', () => {
  const count = 48;
  const bench = assertSame((bench) => {
    const random = numbersFrom(3, 4096).map((value, i) => value + Math.sin(i * i));
    setRowsApart(bench, count);
    place(bench, AT.centroids, new Float32Array(count));
    place(bench, AT.x, random.subarray(0, count));
    bench.kernel.encodeShort(AT.rows, AT.x, AT.centroids, count, 0, AT.blocks, 0);
    const numbers = random.subarray(100, 100 + count);
    const most = Math.max(...numbers.map(Math.abs));
    let sum = 0;
    numbers.forEach((value, i) => {
      const whole = Math.round((value / most) * 127);
      bench.bytes[AT.query + LAYOUT.shortNumbers + i] = whole;
      sum += whole;
    });
    bench.floats.set([most / 127, (-7.5 * sum * most) / 127], AT.query / 4);
    bench.words[(AT.blocks + LAYOUT.blockCount) / 4] = 1;
    bench.words[AT.sums / 4] = AT.blocks;
    bench.kernel.scanShort(AT.query, count, AT.sums, 1, 9, Number.NEGATIVE_INFINITY, AT.list, AT.bounds);
    const product = numbers.reduce((all, value, i) => all + value * (random[i] as number), 0);
    const lengths = Math.hypot(...numbers) * Math.hypot(...random.subarray(0, count));
    const off = Math.abs((bench.floats[AT.bounds / 4] as number) - product) / lengths;
    assert.ok(off < 0.1, `${off}`);
    // Its highest step instead of its own, in one number.
    const at = AT.blocks + LAYOUT.blockShortHead;
    bench.bytes[at] = (bench.bytes[at] as number) ^ 8;
    const before = bench.floats[AT.bounds / 4];
    bench.words[AT.sums / 4] = AT.blocks;
    bench.kernel.scanShort(AT.query, count, AT.sums, 1, 9, Number.NEGATIVE_INFINITY, AT.list, AT.bounds);
    assert.notEqual(bench.floats[AT.bounds / 4], before);
  });
  assert.ok(bench.words[(AT.query + LAYOUT.shortCandidates) / 4] === 1);
});

/** Scans the one code of a row at `point`, in a list around `centroid`; answers the estimate and how far the bound is above it. */
function scanOne(bench: Bench, point: Float32Array, centroid: Float32Array, query: Int8Array, rest: number) {
  const count = point.length;
  setRowsApart(bench, count);
  place(bench, AT.x, point);
  place(bench, AT.centroids, centroid);
  bench.kernel.encodeShort(AT.rows, AT.x, AT.centroids, count, rest, AT.blocks, 0);
  bench.words[(AT.blocks + LAYOUT.blockCount) / 4] = 1;
  bench.bytes.set(new Uint8Array(query.buffer), AT.query + LAYOUT.shortNumbers);
  bench.floats.set([1, -7.5 * query.reduce((sum, value) => sum + value, 0)], AT.query / 4);
  const boundFor = (reach: number): number => {
    bench.words[AT.sums / 4] = AT.blocks;
    bench.floats.set([0, reach], (AT.sums + LAYOUT.listOwn) / 4);
    bench.kernel.scanShort(AT.query, count, AT.sums, 1, 9, Number.NEGATIVE_INFINITY, AT.list, AT.bounds);
    return bench.floats[AT.bounds / 4] as number;
  };
  const estimate = boundFor(0);
  return { estimate, claim: boundFor(1) - estimate };
}

test('of a query at the centroid the product with the residual is exact, however B was rounded', () => {
  const count = 48;
  for (let seed = 1; seed < 50; seed++)
    assertSame((bench) => {
      const centroid = Float32Array.from({ length: count }, (_, i) => ((i * 29 + seed * 7) % 200) - 100);
      const residual = Float32Array.from({ length: count }, (_, i) => Math.sin(i * i + seed));
      const point = residual.map((value, i) => value + (centroid[i] as number));
      const product = residual.reduce((sum, value, i) => sum + value * (centroid[i] as number), 0);
      const { estimate } = scanOne(bench, point, centroid, Int8Array.from(centroid), 0);
      assert.ok(Math.abs(estimate - product) < 0.05, `${estimate} for ${product}`);
    });
});

test('of a query that lies as the residual does the product is off by what rounds B, which is as often more as less', () => {
  const count = 48;
  const off: number[] = [];
  for (let seed = 1; seed < 50; seed++)
    assertSame((bench) => {
      const query = Int8Array.from({ length: count }, (_, i) => 120 * Math.sin(i * i + seed));
      const square = query.reduce((sum, value) => sum + value * value, 0);
      const { estimate } = scanOne(bench, Float32Array.from(query), new Float32Array(count), query, seed);
      off.push(estimate / square - 1);
    });
  assert.ok(
    off.every((value) => Math.abs(value) < 1.001 / 256),
    off.join(),
  );
  assert.ok(Math.abs(off.reduce((sum, value) => sum + value, 0) / off.length) < 1 / 1024, off.join());
});

test('what a code claims to be off by at most is never less than it is, and hardly more', () => {
  const count = 48;
  for (let seed = 1; seed < 50; seed++)
    assertSame((bench) => {
      const rest = 10 ** (seed / 5 - 5);
      const point = Float32Array.from({ length: count }, (_, i) => Math.sin(i * i + seed) * 1e-4);
      const origin = new Float32Array(count);
      const { claim } = scanOne(bench, point, origin, new Int8Array(count), rest);
      const least = Math.sqrt(rest);
      assert.ok(claim >= least * 0.999999 && claim <= least * 1.0079, `${claim} for ${least}`);
    });
});
