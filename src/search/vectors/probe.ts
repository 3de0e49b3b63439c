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
import type { Sight } from './coding.ts';
import type { Lists } from './lists.ts';
import type { Metric } from '../types.ts';

const BUCKETS = 512;
/** How far above a list's mean its best members are looked for when lists are put in order. */
const HOPE = 3;
/**
 * A query, directions and rows are seen rounded, so that how far a list is from a query is not known better than to this part of the query's length:
 * in clusters far tighter than that it decides what may be a neighbour.
 */
const BLUR = 0.04;
/** κ before anything has been measured; then that of the searches before. */
const FIRST_KAPPA = 0.12;
const LEARNING = 0.1;
/** So many lists tell how κ changes from the near to the far; it is not taken to shrink to less than this part of its square. */
const TREND_LISTS = 32;
const SHRINK_MAX = 0.5;
/** Departures from the normal fourth moment that are told apart from none, and the largest that is believed: products of vectors of very different lengths have it. */
const EXCESS_MIN = 0.005;
const EXCESS_MAX = 6;
/** Q(z) for z from 0 to 8 in steps of 1/64. */
const TAIL_STEPS = 64;
const TAIL_END = 8;
const TAIL = tailTable();
/** Of bent tails fewer steps are worked out, once for all bends so little different. */
const BENT_STEPS = 8;
const ALIKE = 0.04;
/** By steps of the bend, which has a few hundred. */
const BENT_TAILS = new Map<number, Float64Array>();
/** After looking at so many lists it is worth while to say when to ask again: that far, in part, because the floor rises meanwhile. */
const FAR = 128;
/** So many lists of those that come next are asked what they hold; of the others one in so many. */
const NEAR = 32;
const EACH = 16;
const TRUSTED = 0.35;

export class Probe {
  readonly #lists: Lists;
  readonly #metric: Metric;
  #means = new Float64Array(0);
  /** Widths as they are believed where it is forecast what a list holds: never less than what rounding leaves unseen. */
  #widths = new Float64Array(0);
  #distances = new Float64Array(0);
  /** Of the query: the least that a width is in proportion to, and the square by which rounding makes distances longer. */
  #least = 0;
  #blur = 0;
  #keys = new Float64Array(0);
  #order = new Uint32Array(0);
  #buckets = new Uint32Array(0);
  /** Of each list's members: the mean of what their scores begin with, and the root of their mean square. */
  #bases = new Float64Array(0);
  #radii = new Float64Array(0);
  #version = -1;
  /** Tails bent as those of the scores at hand are. */
  #tails = TAIL;
  /** What the forecast goes by; and the place in the order before which it need not be asked again. */
  #kappaHere = 0;
  #slope = 0;
  #reached = 0;
  #askFrom = 0;
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
  /** What codes add to the variance of estimates, in the same unit. */
  readonly #noise: number;

  constructor(lists: Lists, metric: Metric, noise: number) {
    this.#lists = lists;
    this.#metric = metric;
    this.#noise = noise;
  }

  /** Begins a search. @param products of the query, seen from the middle, with each centroid. */
  begin(products: Float32Array, { own, length, trueLength }: Sight): void {
    const { count, squares } = this.#lists;
    this.#makeRoom(count);
    this.#see();
    const hope = HOPE * this.#kappa;
    // A product with x varies with the whole query where lengths count, with its distance where they do not.
    const least = this.#metric === 'dot' ? trueLength : 0;
    const q2 = length * length;
    const blur = BLUR * BLUR * q2;
    this.#least = least;
    this.#blur = blur;
    const [means, widths, distances, keys] = [this.#means, this.#widths, this.#distances, this.#keys];
    const [bases, radii] = [this.#bases, this.#radii];
    let lowest = Number.POSITIVE_INFINITY;
    let highest = Number.NEGATIVE_INFINITY;
    for (let list = 0; list < count; list++) {
      const product = products[list] as number;
      const square = Math.max(0, q2 + (squares[list] as number) - 2 * product);
      const seen = Math.sqrt(square + blur);
      const mean = product + own + (bases[list] as number);
      const width = (radii[list] as number) * (seen > least ? seen : least);
      const key = mean + hope * width;
      means[list] = mean;
      widths[list] = width;
      distances[list] = seen;
      keys[list] = key;
      if (key < lowest) lowest = key;
      if (key > highest) highest = key;
    }
    // Whatever waits in list 0 may lie anywhere, so that nothing can be forecast of it: it is looked at first.
    if (count > 1) keys[0] = highest;
    this.#sort(count, lowest, highest);
    this.#next = this.#askFrom = 0;
    this.#measured = this.#measuredBefore = 0;
    this.#squares = this.#squaresBefore = 0;
    this.#distanceNow = 0;
    this.#fit = { weight: 0, x: 0, y: 0, xx: 0, xy: 0, fourths: 0 };
  }

  /** Works out again what does not depend on the query, if anything has changed. */
  #see(): void {
    const { count, counts, spreads, bases, version } = this.#lists;
    if (version === this.#version) return;
    this.#version = version;
    for (let list = 0; list < count; list++) {
      const members = Math.max(1, counts[list] as number);
      this.#bases[list] = (bases[list] as number) / members;
      this.#radii[list] = Math.sqrt(Math.max(0, (spreads[list] as number) / members));
    }
  }

  /** The next list to scan, or -1. */
  next(): number {
    return this.#next < this.#lists.count ? (this.#order[this.#next++] as number) : -1;
  }

  /** What the estimates of a list's codes begin with. */
  ownOf(list: number): number {
    return (this.#means[list] as number) - (this.#bases[list] as number);
  }

  /** Where the middle of a list's scores is expected. */
  meanOf(list: number): number {
    return this.#means[list] as number;
  }

  /** How far a list may be from the query. */
  distanceOf(list: number): number {
    return this.#distances[list] as number;
  }

  /** Takes note of the scores a list turned out to have: sums of powers of their distances from its mean. */
  measure(list: number, count: number, squares: number, fourths: number): void {
    const distance = this.#distances[list] as number;
    const least = this.#least;
    const width =
      (this.#radii[list] as number) ** 2 * Math.max(distance * distance - this.#blur, least * least);
    // List 0 tells nothing of the others.
    if (width <= 0 || count === 0 || (list === 0 && this.#lists.count > 1)) return;
    const square = squares / width;
    this.#measured += count;
    this.#squares += square;
    this.#distanceNow = Math.max(this.#distanceNow, distance);
    const fit = this.#fit;
    fit.weight += count;
    fit.x += count * distance;
    fit.xx += count * distance * distance;
    fit.y += square;
    fit.xy += square * distance;
    fit.fourths += fourths / (width * width);
  }

  /** Whether fewer members than `tolerance` are to be expected above the floor in lists not yet scanned. */
  isDone(floor: number, tolerance: number): boolean {
    const kappa = this.#kappaNow();
    this.#measuredBefore = this.#measured;
    this.#squaresBefore = this.#squares;
    this.#measured = this.#squares = 0;
    if (floor === Number.NEGATIVE_INFINITY || kappa === null || this.#next < this.#askFrom) return false;
    this.#tails = bentTails(this.#freedom());
    this.#slope = this.#trend();
    this.#kappaHere = kappa;
    const { count } = this.#lists;
    const near = Math.min(count, this.#next + NEAR);
    let missing = this.#expected(this.#next, near, 1, floor, tolerance);
    // Farther on they are in order, and little changes from one to the next: one stands for some.
    if (missing <= tolerance)
      missing += this.#expected(near + (EACH >> 1), count, EACH, floor, tolerance - missing);
    if (missing <= tolerance) return true;
    if (this.#reached - this.#next < FAR) return false;
    // The end is near: how many lists more are needed, if the floor stays where it is?
    missing += this.#expected(this.#reached, count, EACH, floor, Number.POSITIVE_INFINITY);
    this.#expected(this.#next, count, EACH, floor, missing - tolerance);
    this.#askFrom = this.#next + Math.floor((this.#reached - this.#next) * TRUSTED);
    return false;
  }

  /**
   * How many members above the floor are to be expected in the lists from one place in the order up to another, each of those looked at standing for
   * `step`; not farther than to where they are more than `enough`, which is remembered.
   */
  #expected(from: number, to: number, step: number, floor: number, enough: number): number {
    const [order, means, widths, distances] = [this.#order, this.#means, this.#widths, this.#distances];
    const { counts } = this.#lists;
    const tails = this.#tails;
    const kappa = this.#kappaHere;
    const slope = this.#slope / (kappa * kappa);
    const distanceNow = this.#distanceNow;
    let sum = 0;
    let at = from;
    for (; at < to && sum <= enough; at += step) {
      const list = order[at] as number;
      let width = kappa * (widths[list] as number) + 1e-30;
      if (slope !== 0) {
        const farther = Math.max(0, (distances[list] as number) - distanceNow);
        width *= Math.sqrt(Math.max(SHRINK_MAX, 1 + slope * farther));
      }
      const part = tailAt(tails, (floor - (means[list] as number)) / width);
      sum += step * part * (counts[list] as number);
    }
    this.#reached = at;
    return sum;
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
    const [keys, buckets, order] = [this.#keys, this.#buckets, this.#order];
    const scale = highest > lowest ? (BUCKETS - 1) / (highest - lowest) : 0;
    for (let list = 0; list < count; list++) {
      const bucket = ((highest - (keys[list] as number)) * scale) | 0;
      buckets[list] = bucket;
      starts[bucket + 1] = (starts[bucket + 1] as number) + 1;
    }
    for (let bucket = 1; bucket <= BUCKETS; bucket++)
      starts[bucket] = (starts[bucket] as number) + (starts[bucket - 1] as number);
    for (let list = 0; list < count; list++) {
      const bucket = buckets[list] as number;
      const at = starts[bucket] as number;
      order[at] = list;
      starts[bucket] = at + 1;
    }
  }

  #makeRoom(count: number): void {
    this.#means = withRoom(this.#means, count);
    this.#widths = withRoom(this.#widths, count);
    this.#distances = withRoom(this.#distances, count);
    this.#keys = withRoom(this.#keys, count);
    this.#order = withRoom(this.#order, count);
    this.#buckets = withRoom(this.#buckets, count);
    this.#bases = withRoom(this.#bases, count);
    this.#radii = withRoom(this.#radii, count);
  }
}

/** The tail of a distribution with `freedom`, or with one that is alike. */
function bentTails(freedom: number): Float64Array {
  const step = Math.round(Math.log(Math.abs(freedom)) / ALIKE);
  const name = freedom < 0 ? ~step : step;
  let tails = BENT_TAILS.get(name);
  if (tails === undefined) {
    const by = Math.sign(freedom) * Math.exp(step * ALIKE);
    tails = Float64Array.from({ length: BENT_STEPS * TAIL_END + 2 }, (_, i) =>
      tail(bent(i / BENT_STEPS, by)),
    );
    BENT_TAILS.set(name, tails);
  }
  return tails;
}

function tailAt(tails: Float64Array, z: number): number {
  if (z <= 0) return 1;
  if (z >= TAIL_END) return 0;
  const at = z * BENT_STEPS;
  const low = at | 0;
  const from = tails[low] as number;
  return from + (at - low) * ((tails[low + 1] as number) - from);
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
