import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DAY_MS } from '../durations.ts';
import { expiryOf, type ExpiryRules, type PlaceRules } from '../search/expiry.ts';
import {
  resolve,
  type Facts,
  type Minimums,
  type Resolution,
  type ResolverRules,
} from './retention-resolver.ts';

const NOW = 2000 * DAY_MS;

const days = fc.option(
  fc.integer({ min: 1, max: 1000 }).map((count) => count * DAY_MS),
  { nil: null },
);
const at = fc.option(
  fc.integer({ min: 0, max: 4000 }).map((count) => count * DAY_MS),
  { nil: null },
);
const kind = fc.constantFrom('fact', 'summary', null);

const place: fc.Arbitrary<PlaceRules | null> = fc.option(
  fc.record({
    memoriesMs: days,
    conversationsMs: days,
    kinds: fc
      .array(fc.tuple(fc.constantFrom('fact', 'rumour'), fc.integer({ min: 1, max: 1000 })))
      .map((pairs) => new Map(pairs.map(([name, count]) => [name, count * DAY_MS]))),
  }),
  { nil: null },
);
const expiry: fc.Arbitrary<ExpiryRules> = fc.record({ vault: place, organization: place, capMs: days });
const minimums: fc.Arbitrary<Minimums> = fc.record({ memoriesMs: days, conversationsMs: days });
const rules: fc.Arbitrary<ResolverRules> = fc.record({ expiry, minimums });
const facts: fc.Arbitrary<Facts> = fc.record({
  createdAt: fc.integer({ min: 0, max: 2000 }).map((count) => count * DAY_MS),
  expiresAt: at,
  kind,
  conversation: fc.constantFrom('cnv_1', null),
  holds: fc.constantFrom([], ['hld_1'], ['hld_1', 'hld_2']),
  erasureAt: at,
  erasedFrom: fc.constant(null),
});

const ORDER = ['hold', 'minimum', 'erasure', 'item', 'vault', 'organization', 'cap'];
/** Null is never. */
const endOf = ({ endsAt }: Resolution): number => endsAt ?? Infinity;
const free = (one: Facts): Facts => ({ ...one, holds: [] });
const NO_MINIMUMS: Minimums = { memoriesMs: null, conversationsMs: null };

const holds = (property: (one: Facts, two: ResolverRules) => void): void => {
  fc.assert(fc.property(facts, rules, property), { numRuns: 2000 });
};

test('every rule is considered, once and in the one order, and the one that decides applies', () => {
  holds((one, two) => {
    const { rule, considered, endsAt } = resolve(one, two);
    assert.deepEqual(
      considered.map((each) => each.rule),
      ORDER,
    );
    if (rule === 'none') assert.equal(endsAt, null);
    else assert.ok(considered.find((each) => each.rule === rule)?.applies);
  });
});

test('while a hold stands nothing ends, whatever else is said', () => {
  holds((one, two) => {
    const { rule, endsAt } = resolve({ ...one, holds: ['hld_1'] }, two);
    assert.deepEqual([rule, endsAt], ['hold', null]);
  });
});

test('nothing ends before a statutory minimum', () => {
  holds((one, two) => {
    const least =
      one.conversation === null
        ? two.minimums.memoriesMs
        : (two.minimums.conversationsMs ?? two.minimums.memoriesMs);
    if (least !== null) assert.ok(endOf(resolve(one, two)) >= one.createdAt + least);
  });
});

test('without a hold or a minimum nothing outlives the cap, or an erasure that was asked for', () => {
  holds((one, two) => {
    const end = endOf(resolve(free(one), { ...two, minimums: NO_MINIMUMS }));
    if (two.expiry.capMs !== null) assert.ok(end <= one.createdAt + two.expiry.capMs);
    if (one.erasureAt !== null) assert.ok(end <= one.erasureAt);
  });
});

test('an erasure never lengthens, a hold or a longer minimum never shortens, a shorter cap never lengthens', () => {
  fc.assert(
    fc.property(facts, rules, fc.integer({ min: 1, max: 3000 }), (one, two, count) => {
      const end = endOf(resolve(one, two));
      const ms = count * DAY_MS;
      assert.ok(endOf(resolve({ ...one, erasureAt: Math.min(one.erasureAt ?? Infinity, ms) }, two)) <= end);
      assert.ok(endOf(resolve({ ...one, holds: [...one.holds, 'hld_9'] }, two)) >= end);
      const more = { ...two.minimums, memoriesMs: Math.max(two.minimums.memoriesMs ?? 0, ms) };
      assert.ok(endOf(resolve(one, { ...two, minimums: more })) >= end);
      const capped = { ...two.expiry, capMs: Math.min(two.expiry.capMs ?? Infinity, ms) };
      assert.ok(endOf(resolve(one, { ...two, expiry: capped })) <= end);
    }),
    { numRuns: 2000 },
  );
});

test('a shorter rule in the place that decides ends it sooner, and one in a wider place changes nothing', () => {
  fc.assert(
    fc.property(facts, rules, fc.integer({ min: 1, max: 1000 }), (given, two, count) => {
      const one = { ...free(given), erasureAt: null, expiresAt: null, kind: null, conversation: null };
      const plain = { ...two, minimums: NO_MINIMUMS };
      const before = resolve(one, plain);
      const vault = { memoriesMs: count * DAY_MS, conversationsMs: null, kinds: new Map<string, number>() };
      const after = resolve(one, { ...plain, expiry: { ...plain.expiry, vault } });
      if (before.rule === 'vault')
        assert.equal(endOf(after) < endOf(before), one.createdAt + vault.memoriesMs < endOf(before));
      if (before.rule === 'vault') {
        const wider = { ...plain.expiry, organization: vault };
        assert.equal(endOf(resolve(one, { ...plain, expiry: wider })), endOf(before));
      }
    }),
    { numRuns: 2000 },
  );
});

test('what explain says is hidden is what every answer hides', () => {
  holds((one, two) => {
    const { hiddenAt } = resolve({ ...one, erasureAt: null }, two);
    assert.equal(hiddenAt, expiryOf(two.expiry, one));
    const { hiddenAt: trashed } = resolve({ ...one, erasedFrom: NOW }, two);
    assert.ok((trashed ?? Infinity) <= NOW);
  });
});
