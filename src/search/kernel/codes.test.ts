import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { AT, assertSame, encode, numbersFrom, place, rowAt, type Bench } from '../testing/kernel-bench.ts';
import { LAYOUT, ROTATION_ROUNDS } from './kernel.ts';

const CASES = { numRuns: 40 };

const padded = fc.constantFrom(64, 128, 192, 256);
const lowBits = fc.constantFrom(0, 2, 8);
const seed = fc.integer();

const blockBytes = (padded: number): number => LAYOUT.blockHead + 4 * padded;
const blockAt = (n: number, padded: number): number => AT.blocks + n * blockBytes(padded);

/** Fills two chained blocks with codes of rows around a centroid; the second is part full. */
function fillChain(bench: Bench, seed: number, padded: number, low: number, isEuclidean: number): number {
  const count = 37;
  encode(bench, numbersFrom(seed + 1, padded), 0, AT.centroids);
  place(bench, AT.middle, numbersFrom(seed + 2, padded));
  for (let n = 0; n < count; n++) {
    const row = rowAt(n, padded, low);
    encode(bench, numbersFrom(seed + 10 + n, padded), low, row);
    const block = blockAt(n < 32 ? 0 : 1, padded);
    bench.kernel.encodeBase(row, AT.middle, padded, low, isEuclidean);
    bench.kernel.encodeCode(row, AT.centroids, AT.middle, padded, low, block, n % 32);
  }
  bench.words[blockAt(0, padded) / 4] = blockAt(1, padded);
  bench.words[(blockAt(0, padded) + LAYOUT.blockCount) / 4] = 32;
  bench.words[(blockAt(1, padded) + LAYOUT.blockCount) / 4] = count - 32;
  return count;
}

function prepare(bench: Bench, seed: number, padded: number): void {
  place(bench, AT.query + LAYOUT.queryNumbers, numbersFrom(seed, padded));
  bench.kernel.prepareQuery(AT.query, padded);
}

test('rotating equals its twin, and keeps lengths', () => {
  fc.assert(
    fc.property(padded, seed, (padded, seed) => {
      const numbers = numbersFrom(seed, padded);
      const bench = assertSame((bench) => {
        place(bench, AT.x, numbers);
        for (let i = 0; i < ROTATION_ROUNDS * padded; i++)
          bench.words[AT.signs / 4 + i] = (i * 7 + seed) % 3 === 0 ? 2 ** 31 : 0;
        bench.kernel.rotate(AT.x, padded, AT.signs);
      });
      const rotated = bench.floats.subarray(AT.x / 4, AT.x / 4 + padded);
      assert.ok(
        Math.abs(Math.hypot(...rotated) / (Math.hypot(...numbers) || 1) - 1) < 1e-4 ||
          numbers.every((x) => x === 0),
      );
    }),
    CASES,
  );
});

test('rows: encoding, decoding, adding up and seven bits equal their twins', () => {
  fc.assert(
    fc.property(padded, lowBits, seed, (padded, low, seed) => {
      assertSame((bench) => {
        encode(bench, numbersFrom(seed, padded), low, AT.rows);
        bench.kernel.decodeRow(AT.rows, padded, low, AT.out);
        bench.kernel.addRow(AT.rows, padded, low, AT.sums);
        bench.kernel.addRow(AT.rows, padded, low, AT.sums);
        bench.kernel.toSevenBits(AT.rows, padded, AT.four);
      });
    }),
    CASES,
  );
});

test('a query prepared and its products with centroids, one and four at a time, equal their twins', () => {
  fc.assert(
    fc.property(padded, seed, (padded, seed) => {
      assertSame((bench) => {
        prepare(bench, seed, padded);
        const count = 9;
        for (let n = 0; n < count; n++) {
          const centroid = AT.centroids + n * (LAYOUT.rowHead + padded);
          encode(bench, numbersFrom(seed + n + 1, padded), 0, centroid);
          bench.floats[(centroid + LAYOUT.rowPlace) / 4] = n === 3 ? Number.POSITIVE_INFINITY : n / 7;
        }
        bench.kernel.scoreCentroids(AT.query, padded, AT.centroids, count, AT.out);
        for (let n = 0; n < 4; n++) {
          encode(bench, numbersFrom(seed + 20 + n, padded), 2, AT.rows);
          bench.kernel.toSevenBits(AT.rows, padded, AT.four + n * padded);
          bench.floats[AT.scales / 4 + n] = (bench.floats[AT.rows / 4] as number) * 8;
          bench.floats[AT.best / 4 + 4 + n] = Number.NEGATIVE_INFINITY;
        }
        bench.kernel.nearestFour(AT.four, AT.scales, padded, AT.centroids, count, 5, AT.best);
      });
    }),
    CASES,
  );
});

test('codes: making, moving and clearing them equals the twin, and a cleared block is as if it had never been used', () => {
  fc.assert(
    fc.property(
      padded,
      fc.constantFrom(2, 8),
      fc.constantFrom(0, 1),
      seed,
      (padded, low, isEuclidean, seed) => {
        const bench = assertSame((bench) => {
          const count = fillChain(bench, seed, padded, low, isEuclidean);
          const [first, second] = [blockAt(0, padded), blockAt(1, padded)];
          bench.kernel.moveCode(second, count - 33, first, 20, padded);
          bench.kernel.moveCode(first, 31, first, 3, padded);
          for (let lane = 0; lane < count - 33; lane++) bench.kernel.clearCode(second, lane, padded);
        });
        const second = blockAt(1, padded);
        const rest = bench.bytes.subarray(second + LAYOUT.blockRows, second + blockBytes(padded));
        assert.ok(rest.every((byte) => byte === 0));
      },
    ),
    CASES,
  );
});

test('rows without a code, and a first look at them, equal their twins', () => {
  fc.assert(
    fc.property(padded, lowBits, seed, (padded, low, seed) => {
      assertSame((bench) => {
        prepare(bench, seed, padded);
        for (let n = 0; n < 20; n++) {
          const row = rowAt(n, padded, low);
          encode(bench, numbersFrom(seed + 10 + n, padded), low, row);
          bench.floats[(row + LAYOUT.rowBase) / 4] = n - 10;
          bench.words[(row + LAYOUT.rowPlace) / 4] = (n + seed) % 3 === 0 ? AT.blocks + n : 0;
        }
        const rowBytes = rowAt(1, padded, low) - rowAt(0, padded, low);
        const count = bench.kernel.rowsWithoutCode(rowAt(0, padded, low), rowBytes, 20, AT.list);
        // One place after them means nothing.
        bench.words[AT.list / 4 + count] = 0;
        bench.kernel.glance(AT.query, padded, low, 2.7, AT.list, count, AT.bounds);
        return count;
      });
    }),
    CASES,
  );
});

test('scanning a chain and scoring what it lets through equal their twins', () => {
  fc.assert(
    fc.property(
      padded,
      fc.constantFrom(2, 8),
      fc.constantFrom(0, 1),
      seed,
      (padded, low, isEuclidean, seed) => {
        assertSame((bench) => {
          const count = fillChain(bench, seed, padded, low, isEuclidean);
          prepare(bench, seed, padded);
          const head = blockAt(0, padded);
          const scan = (blocks: number, floor: number, isHasty = 0): void => {
            bench.kernel.scanChain(
              AT.query,
              padded,
              head,
              blocks,
              0.3,
              1.7,
              floor,
              0.1,
              isHasty,
              AT.list,
              AT.bounds,
            );
            // One place after the candidates means nothing.
            const found = bench.words[(AT.query + LAYOUT.queryCandidates) / 4] as number;
            bench.words[AT.list / 4 + found] = bench.words[AT.bounds / 4 + found] = 0;
          };
          scan(1, 0);
          scan(9, 0, 1);
          scan(9, Number.NEGATIVE_INFINITY);
          assert.equal(bench.words[(AT.query + LAYOUT.queryCandidates) / 4], count);
          bench.words[AT.heap / 4 + 1] = 5;
          const kept = bench.kernel.rescore(AT.query, padded, low, 3, AT.list, AT.bounds, count, AT.heap);
          bench.kernel.fineScores(AT.query, padded, low, AT.list, kept, AT.out);
          return kept;
        });
      },
    ),
    CASES,
  );
});

test('the comparison can fail: a number rounded the other way is found', () => {
  assert.throws(() =>
    assertSame((bench) => {
      prepare(bench, 5, 64);
      const isTwin = bench.kernel.prepareQuery.toString().includes('padded');
      if (isTwin)
        bench.floats[AT.query / 4] = Math.fround((bench.floats[AT.query / 4] as number) * 1.0000002);
    }),
  );
});
