import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Lists } from './lists.ts';
import { Probe } from './probe.ts';

const LISTS = 400;
const SCANNED = 40;
const MEMBERS = 100;
/** What scores deviate by, for a query and members at distance 1; and what codes add to its square. */
const KAPPA = 0.25;
const NOISE = 0.001;
/** So many deviations above a list's middle lies this part of a normal distribution. */
const [DEVIATIONS, PART] = [4, 3.167e-5];
/** A query of length 1 is not seen more exactly than this. */
const BLUR = 0.04;

/** Whether a search stops that has scanned some of many lists, all as far from it, with members at distance 1 from centroids of length 1. */
function stops(distance: number, tolerance: number): boolean {
  const all = (value: number): Float64Array => new Float64Array(LISTS).fill(value);
  const lists = {
    count: LISTS,
    counts: new Uint32Array(LISTS).fill(MEMBERS),
    spreads: all(MEMBERS),
    squares: all(1),
    bases: all(0),
    version: 1,
  };
  const probe = new Probe(lists as unknown as Lists, 'cosine', NOISE);
  const product = 1 - distance ** 2 / 2;
  probe.begin(new Float32Array(LISTS).fill(product), { own: 0, length: 1, trueLength: 1 });
  const square = (KAPPA * distance) ** 2;
  for (let i = 0; i < SCANNED; i++)
    probe.measure(probe.next(), MEMBERS, MEMBERS * square, MEMBERS * 3 * square ** 2);
  const deviation = Math.sqrt(KAPPA ** 2 - NOISE) * Math.sqrt(distance ** 2 + BLUR ** 2);
  return probe.isDone(product + DEVIATIONS * deviation, tolerance);
}

const expected = (LISTS - SCANNED) * MEMBERS * PART;

for (const distance of [1, 0.02]) {
  test(`at distance ${distance} a search goes on while lists not scanned may hold more than is tolerated together`, () => {
    assert.equal(stops(distance, expected * 0.7), false);
    assert.equal(stops(distance, expected * 1.4), true);
  });
}
