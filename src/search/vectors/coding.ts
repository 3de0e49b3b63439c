/**
 * A kind of code: what is known of a row beside itself, so that a search can pass it over.
 *
 * There are two: signs of the residual in all its numbers (sign-coding.ts), and four bits of its products with a few directions, where vectors
 * vary in few (short-coding.ts). Lists, their keeper, the probe and the search know only this.
 */
import type { Lists } from './lists.ts';
import type { Probe } from './probe.ts';

/** The query seen from the middle m, as the codes see it. */
export interface Sight {
  /** Its product with m: what all estimates have in common. */
  readonly own: number;
  readonly length: number;
  /** Its length from the origin. */
  readonly trueLength: number;
}

/** What one call is to look into, and how closely. */
export interface Look {
  readonly coding: Coding;
  readonly lists: Lists;
  readonly probe: Probe;
  readonly chosen: Uint32Array;
  readonly count: number;
  /** How many standard deviations an estimate may be off. */
  readonly deviations: number;
  /** Whether enough is known of the vault's scores, so that only some are measured. */
  readonly isHasty: boolean;
  floor(): number;
  /** Takes candidates out of the scratch room's `rows`, which had no place for more. */
  settle(waiting: number): void;
}

export interface Coding {
  /** For benchmarks and tests. */
  readonly name: string;
  readonly blockBytes: number;
  /** Bytes of each block that lie apart because no scan reads them, the addresses of its rows first; 0 where these lie in the block. */
  readonly apartBytes: number;
  /** Lists that take so many slabs or more have their blocks put side by side. */
  readonly gatherFrom: number;
  readonly centroidBytes: number;
  /** What is kept of each centroid beside itself. */
  readonly shadowBytes: number;
  /** What codes add to the variance of scores, where the residual and the query's distance have length 1. */
  readonly noise: number;
  /** Memory beside lists. */
  readonly bytes: number;
  /** Codes that a list should have, for so many rows. */
  aim(rows: number): number;

  /** Writes a centroid, given relative to the middle; answers the square of its length. */
  setCentroid(at: number, vector: number, shadow: number): number;
  /** No row finds its nearest there any more. */
  shut(centroid: number, shadow: number): void;
  /** Whether a code says enough of the row. */
  fits(row: number): boolean;
  /** Writes a row's code; answers the square of its residual. */
  encode(row: number, centroid: number, block: number, lane: number): number;
  move(from: number, fromLane: number, to: number, toLane: number): void;
  clear(block: number, lane: number): void;
  squareAt(block: number, lane: number): number;
  /** ⟨c, r⟩ of a row with such squares of r and c: what the middle of its list's scores is off because centroids are rounded. */
  asideOf(row: number, square: number, centroidSquare: number): number;

  /** Leaves the mean of rows, as centroids are given, in the scratch room's `sums`. */
  meanOf(rows: readonly number[]): void;
  /** Finds the nearest of some lists for each row. */
  nearest(
    rows: readonly number[],
    lists: Lists,
    first: number,
    count: number,
    found: (row: number, list: number) => void,
  ): void;

  /** Makes the query ready that lies in the scratch room, seen from the middle. */
  see(own: number, middleSquare: number): Sight;
  /** Products of the query with centroids. */
  scoreCentroids(centroids: number, count: number, out: number): void;
  /** Scans lists; answers how many candidates are in the scratch room's `rows` and have not been settled. */
  scan(look: Look): number;
  /** How far estimates are off, in standard deviations of one that is unbiased. */
  deviationsFor(deviations: number): number;
  /** How much too low estimates are beside true scores, for the rows that counted last. */
  readonly lift: number;
  /** Is told before candidates are scored, and how far their scores turned out to be from their bounds. */
  beforeScoring(look: Look, waiting: number): void;
  learn(scored: number, sum: number, squares: number): void;
  close(): void;
}
