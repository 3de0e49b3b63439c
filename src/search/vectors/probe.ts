/**
 * Which lists a search looks into, in what order, and when it may stop.
 *
 * Of a list only its centroid c, its spread R and its size n are known before it is scanned. The score of a member is taken as normal
 * around the centroid's, with deviation κ R |q − c|, and κ is measured on the members that this very search has scanned: small
 * where a query meets vectors spread over all dimensions, large where they lie in few. So n Q((floor − mean) / deviation)
 * members of a list not scanned are expected above the floor, and the search stops once all of these together are fewer than the recall
 * target allows. Without clusters no list is far behind, and that comes late or never: then all of them are scanned.
 */
import { withRoom } from './numbers.ts';
import type { Lists } from './lists.ts';
import type { Metric } from '../types.ts';

const BUCKETS = 512;
/** How far above a list's mean its best members are looked for when lists are put in order. */
const HOPE = 3;
/** κ before anything has been measured; then that of the searches before. */
const FIRST_KAPPA = 0.12;
const LEARNING = 0.1;
/** So many lists tell how κ changes from the near to the far; it is not taken to shrink to less than this part of its square. */
const TREND_LISTS = 32;
const SHRINK_MAX = 0.5;
/** Departures from the normal fourth moment that are told apart from none, and the largest that is believed. */
const EXCESS_MIN = 0.005;
const EXCESS_MAX = 0.5;
/** Q(z) for z from 0 to 8 in steps of 1/64. */
const TAIL_STEPS = 64;
const TAIL_END = 8;
const TAIL = tailTable();

/** The query seen from the middle m: its length, its product with m, and the square of m. */
export interface Sight {
  readonly length: number;
  readonly product: number;
  readonly square: number;
}

export class Probe {
  readonly #lists: Lists;
  readonly #metric: Metric;
  #owns = new Float64Array(0);
  #means = new Float64Array(0);
  #widths = new Float64Array(0);
  #distances = new Float64Array(0);
  #keys = new Float64Array(0);
  #order = new Uint32Array(0);
  readonly #starts = new Uint32Array(BUCKETS + 1);
  #kappa = FIRST_KAPPA;
  #next = 0;
  /** Members measured since the last question whether this is enough, and between that and the one before. */
  #measured = 0;
  #squares = 0;
  #measuredBefore = 0;
  #distanceNow = 0;
  #fit = { weight: 0, x: 0, y: 0, xx: 0, xy: 0, fourths: 0 };
  #squaresBefore = 0;
  /** What one-bit codes add to the variance of estimates, in the same unit. */
  readonly #noise: number;

  constructor(lists: Lists, metric: Metric, padded: number) {
    this.#lists = lists;
    this.#metric = metric;
    this.#noise = (Math.PI / 2 - 1) / padded;
  }

  /** Begins a search. @param products of the query, seen from the middle, with each centroid. */
  begin(products: Float32Array, { length, product: own, square }: Sight): void {
    const { count, counts, spreads, squares, middles } = this.#lists;
    this.#makeRoom(count);
    const hope = HOPE * this.#kappa;
    const isDot = this.#metric === 'dot';
    // All members have length 1 under cosine, which says how their products with the centroid fall.
    const fixed = this.#metric === 'cosine' ? (1 + square) / 2 : 0;
    const q2 = length * length;
    const trueLength = Math.sqrt(Math.max(0, q2 + 2 * own + square));
    let lowest = Number.POSITIVE_INFINITY;
    let highest = Number.NEGATIVE_INFINITY;
    for (let list = 0; list < count; list++) {
      const product = (products[list] as number) + own;
      const c2 = squares[list] as number;
      const r2 = (spreads[list] as number) / Math.max(1, counts[list] as number);
      const distance = Math.sqrt(Math.max(0, q2 + c2 - 2 * (product - own)));
      const mean = product + (isDot ? square + (middles[list] as number) : fixed - (c2 + r2) / 2);
      const width = Math.sqrt(Math.max(0, r2)) * (isDot ? Math.max(distance, trueLength) : distance);
      const key = mean + hope * width;
      this.#owns[list] = product;
      this.#means[list] = mean;
      this.#widths[list] = width;
      this.#distances[list] = distance;
      this.#keys[list] = key;
      lowest = Math.min(lowest, key);
      highest = Math.max(highest, key);
    }
    // Whatever waits in list 0 may lie anywhere, so that nothing can be forecast of it: it is looked at first.
    if (count > 1) this.#keys[0] = highest;
    this.#sort(count, lowest, highest);
    this.#next = 0;
    this.#measured = this.#measuredBefore = 0;
    this.#squares = this.#squaresBefore = 0;
    this.#distanceNow = 0;
    this.#fit = { weight: 0, x: 0, y: 0, xx: 0, xy: 0, fourths: 0 };
  }

  /** The next list to scan, or -1. */
  next(): number {
    return this.#next < this.#lists.count ? (this.#order[this.#next++] as number) : -1;
  }

  /** What the estimates of a list's codes begin with. */
  ownOf(list: number): number {
    return this.#owns[list] as number;
  }

  /** Where the middle of a list's scores is expected. */
  meanOf(list: number): number {
    return this.#means[list] as number;
  }

  distanceOf(list: number): number {
    return this.#distances[list] as number;
  }

  /** Takes note of the scores a list turned out to have: sums of powers of their distances from its mean. */
  measure(list: number, count: number, squares: number, fourths: number): void {
    const width = this.#widths[list] as number;
    // List 0 tells nothing of the others.
    if (width <= 0 || count === 0 || (list === 0 && this.#lists.count > 1)) return;
    const square = squares / (width * width);
    this.#measured += count;
    this.#squares += square;
    const distance = this.#distances[list] as number;
    this.#distanceNow = Math.max(this.#distanceNow, distance);
    const fit = this.#fit;
    fit.weight += count;
    fit.x += count * distance;
    fit.xx += count * distance * distance;
    fit.y += square;
    fit.xy += square * distance;
    fit.fourths += fourths / width ** 4;
  }

  /** Whether fewer members than `tolerance` are to be expected above the floor in lists not yet scanned. */
  isDone(floor: number, tolerance: number): boolean {
    const kappa = this.#kappaNow();
    this.#measuredBefore = this.#measured;
    this.#squaresBefore = this.#squares;
    this.#measured = this.#squares = 0;
    if (floor === Number.NEGATIVE_INFINITY || kappa === null) return false;
    const { counts, count } = this.#lists;
    const trend = this.#trend();
    const freedom = this.#freedom();
    const square = kappa * kappa;
    const here = this.#distanceNow;
    let missing = 0;
    for (let at = this.#next; at < count; at++) {
      const list = this.#order[at] as number;
      const above = floor - (this.#means[list] as number);
      const farther = Math.max(0, (this.#distances[list] as number) - here);
      const spread = Math.sqrt(square * Math.max(SHRINK_MAX, 1 + (trend * farther) / square));
      const z = above / (spread * (this.#widths[list] as number) + 1e-30);
      missing += (counts[list] as number) * tail(bent(z, freedom));
      if (missing > tolerance) return false;
    }
    return true;
  }

  /**
   * How the tail of scores departs from the normal one: points of a ball in m dimensions have products with fixed excess of
   * the fourth moment, -6 / (m + 2), and end somewhere; heavier tails have a positive one. Answers m, negative for heavier tails. Only
   * as much departure is believed as a sample of this size can show.
   */
  #freedom(): number {
    const { weight, y, fourths } = this.#fit;
    const measured = fourths / weight / (y / weight) ** 2 - 3;
    const sure = Math.max(EXCESS_MIN, Math.abs(measured) - Math.sqrt(24 / weight));
    return -6 / (measured < 0 ? -sure : Math.min(EXCESS_MAX, sure)) - 2;
  }

  /** By how much the square of κ changes with the distance of a list, if it falls: a regression over the lists scanned. */
  #trend(): number {
    const { weight, x, y, xx, xy } = this.#fit;
    if (this.#next < TREND_LISTS) return 0;
    const variance = xx - (x * x) / weight;
    return variance > 0 ? Math.min(0, (xy - (x * y) / weight) / variance) : 0;
  }

  /** Remembers for the order of the next search. */
  end(): void {
    const kappa = this.#kappaNow();
    if (kappa !== null) this.#kappa += LEARNING * (Math.min(1, kappa) - this.#kappa);
  }

  /** Of the lists scanned last, because the spread towards the query shrinks from the near lists to the far ones. */
  #kappaNow(): number | null {
    const measured = this.#measured + this.#measuredBefore;
    if (measured === 0) return null;
    const square = (this.#squares + this.#squaresBefore) / measured;
    return Math.sqrt(Math.max(square - this.#noise, this.#noise / 4));
  }

  /** By buckets of the key, the highest first. */
  #sort(count: number, lowest: number, highest: number): void {
    const starts = this.#starts.fill(0);
    const scale = highest > lowest ? (BUCKETS - 1) / (highest - lowest) : 0;
    const bucketOf = (list: number): number => ((highest - (this.#keys[list] as number)) * scale) | 0;
    for (let list = 0; list < count; list++) {
      const bucket = bucketOf(list) + 1;
      starts[bucket] = (starts[bucket] as number) + 1;
    }
    for (let bucket = 1; bucket <= BUCKETS; bucket++)
      starts[bucket] = (starts[bucket] as number) + (starts[bucket - 1] as number);
    for (let list = 0; list < count; list++) {
      const bucket = bucketOf(list);
      const at = starts[bucket] as number;
      this.#order[at] = list;
      starts[bucket] = at + 1;
    }
  }

  #makeRoom(count: number): void {
    this.#owns = withRoom(this.#owns, count);
    this.#means = withRoom(this.#means, count);
    this.#widths = withRoom(this.#widths, count);
    this.#distances = withRoom(this.#distances, count);
    this.#keys = withRoom(this.#keys, count);
    this.#order = withRoom(this.#order, count);
  }
}

/** Where the normal distribution has the tail that one with `freedom` has at z. */
function bent(z: number, freedom: number): number {
  const by = (z * z) / freedom;
  return z <= 0 ? z : by >= 1 ? TAIL_END : Math.sqrt(-freedom * Math.log1p(-by));
}

function tail(z: number): number {
  if (z <= 0) return 1;
  return z >= TAIL_END ? 0 : (TAIL[(z * TAIL_STEPS) | 0] as number);
}

/** The upper tail of the normal distribution, by summing its density. */
function tailTable(): Float64Array {
  const table = new Float64Array(TAIL_STEPS * TAIL_END + 1);
  const parts = 16;
  const step = 1 / (TAIL_STEPS * parts);
  let sum = 0;
  for (let i = TAIL_STEPS * TAIL_END * parts + TAIL_STEPS * parts; i >= 0; i--) {
    const z = (i + 0.5) * step;
    sum += (Math.exp((-z * z) / 2) * step) / Math.sqrt(2 * Math.PI);
    if (i % parts === 0 && i / parts < table.length) table[i / parts] = sum;
  }
  return table;
}
