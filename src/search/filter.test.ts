import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { StrongroomError } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import { matchesFilter } from './filter.ts';
import { parseFilter } from './parse-filter.ts';
import { recordOf } from './testing/records.ts';

const record = recordOf(7, {
  text: 'Went to Kyoto',
  subject: 'user-42',
  speaker: 'Ann',
  at: Date.parse('2026-05-07T10:00:00Z'),
  metadata: {
    stars: 4,
    tags: ['Food', 'trip'],
    place: { city: 'Kyoto', open: true },
    note: null,
    day: '2026-05-07',
  },
});

const matches = (json: unknown): boolean => matchesFilter(parseFilter(json), record);

const faultsOf = (json: unknown): readonly (readonly [string, string])[] => {
  try {
    parseFilter(json);
  } catch (error) {
    assert.ok(error instanceof StrongroomError);
    assert.equal(error.code, 'request.invalid');
    return error.faults.map(({ path, message }) => [path, message]);
  }
  return [];
};

test('each operator holds where it should and does not where it should not', () => {
  const holding: readonly unknown[] = [
    { subject: 'user-42' },
    { subject: { eq: 'user-42' } },
    { subject: { ne: 'user-43' } },
    { subject: '*' },
    { conversation: null },
    { kind: { ne: 'fact' } },
    { 'metadata.stars': { gt: 3, lt: 5, gte: 4, lte: 4 } },
    { 'metadata.stars': { in: [1, 4] } },
    { 'metadata.stars': [1, 4] },
    { 'metadata.stars': { nin: [1, 2] } },
    { 'metadata.tags': 'trip' },
    { 'metadata.tags': { contains: 'trip' } },
    { 'metadata.tags': { icontains: 'food' } },
    { 'metadata.tags': { in: ['x', 'Food'] } },
    { 'metadata.tags': { nin: ['x'] } },
    { 'metadata.place.city': { contains: 'yot' } },
    { 'metadata.place.city': { icontains: 'KYO' } },
    { 'metadata.place.open': true },
    { 'metadata.note': null },
    { 'metadata.absent': null },
    { 'metadata.absent': { ne: 1 } },
    { 'metadata.day': { gte: '2026-05-01', lt: '2026-06-01' } },
    { at: { gte: '2026-05-07', lt: '2026-05-08' } },
    { at: '2026-05-07T12:00:00+02:00' },
    { text: { icontains: 'kyoto' } },
    { id: { in: [record.id] } },
    { NOT: [{ subject: 'x' }, { speaker: 'y' }] },
    { NOT: { subject: 'x' } },
    { OR: [{ subject: 'x' }, { AND: [{ speaker: 'Ann' }, { 'metadata.stars': 4 }] }] },
    { subject: 'user-42', OR: [{ speaker: 'Ann' }] },
  ];
  const failing: readonly unknown[] = [
    { subject: { ne: 'user-42' } },
    { conversation: '*' },
    { conversation: { eq: '*' } },
    { 'metadata.stars': { gt: 4 } },
    { 'metadata.stars': { gt: '3' } },
    { 'metadata.stars': '4' },
    { 'metadata.stars': { in: [] } },
    { 'metadata.stars.deep': 4 },
    { 'metadata.tags': { contains: 'tri' } },
    { 'metadata.tags': { contains: 'food' } },
    { 'metadata.tags': { ne: 'trip' } },
    { 'metadata.tags': { nin: ['trip', 'x'] } },
    { 'metadata.absent': { gt: 0 } },
    { 'metadata.absent': { contains: 'a' } },
    { 'metadata.place': { contains: 'city' } },
    { 'metadata.constructor': '*' },
    { 'metadata.__proto__.constructor': '*' },
    { at: { lt: '2026-05-07T10:00:00Z' } },
    { expiresAt: { gt: '2020-01-01' } },
    { NOT: [{ subject: 'x' }, { speaker: 'Ann' }] },
    { OR: [{ subject: 'x' }] },
  ];
  for (const json of holding) assert.equal(matches(json), true, JSON.stringify(json));
  for (const json of failing) assert.equal(matches(json), false, JSON.stringify(json));
});

test('what is wrong with a filter is said with its place, all of it at once', () => {
  assert.deepEqual(
    faultsOf({
      subjekt: 'x',
      AND: [{ at: 'soon' }, { 'metadata.a/b~': { like: 1 } }],
      OR: {},
      kind: { in: 'fact' },
    }),
    [
      ['/filter/subjekt', 'is not a field of a memory; metadata is written metadata.name'],
      ['/filter/AND/0/at', 'must be a date or a date-time with its offset (RFC 3339)'],
      [
        '/filter/AND/1/metadata.a~1b~0/like',
        'is not one of eq, ne, gt, gte, lt, lte, in, nin, contains, icontains',
      ],
      ['/filter/OR', 'must be a list of filters'],
      ['/filter/kind/in', 'must be a list of values'],
    ],
  );
});

test('values that cannot be meant are refused', () => {
  const refused: readonly unknown[] = [
    null,
    'subject',
    [],
    {},
    { AND: [] },
    { NOT: [] },
    { subject: {} },
    { subject: 5 },
    { subject: { eq: { a: 1 } } },
    { subject: { gt: true } },
    { subject: { contains: 5 } },
    { subject: '\ud800' },
    { 'metadata.x': Number.NaN },
    { 'metadata.x': { icontains: 5 } },
    { metadata: 'x' },
    { 'metadata.': 1 },
    { 'metadata.a..b': 1 },
    { at: { contains: '2026' } },
    { at: { gt: '2026-02-30' } },
    { at: '2026-05-07T10:00:00' },
    { at: 1_746_000_000_000 },
    { createdAt: { gte: '2026-13-01' } },
    { constructor: 'x' },
    { toString: 'x' },
  ];
  for (const json of refused) assert.equal(faultsOf(json).length > 0, true, JSON.stringify(json));
  assert.deepEqual(faultsOf({ subject: 5 }), [['/filter/subject', 'must be a string']]);
});

test('a filter with more depth, clauses or values than the limits is refused, at the limit it is taken', () => {
  const nested = (depth: number): unknown => (depth === 1 ? { kind: 'a' } : { AND: [nested(depth - 1)] });
  assert.deepEqual(faultsOf(nested(LIMITS.jsonDepthMax)), []);
  assert.equal(faultsOf(nested(LIMITS.jsonDepthMax + 1)).length, 1);
  const clauses = (count: number) => ({ OR: Array.from({ length: count - 1 }, () => ({ kind: 'a' })) });
  assert.deepEqual(faultsOf(clauses(LIMITS.filterClausesMax)), []);
  assert.equal(faultsOf(clauses(LIMITS.filterClausesMax + 1)).length, 1);
  const values = (count: number) => ({ kind: { in: Array.from({ length: count }, String) } });
  assert.deepEqual(faultsOf(values(LIMITS.filterValuesMax)), []);
  assert.equal(faultsOf(values(LIMITS.filterValuesMax + 1)).length, 1);
  const split = { AND: [values(LIMITS.filterValuesMax), values(1)] };
  assert.equal(faultsOf(split).length, 1);
});

test('whatever JSON comes, a filter is parsed or refused with request.invalid', () => {
  const names = fc.constantFrom(
    'AND',
    'OR',
    'NOT',
    'at',
    'subject',
    'metadata.a',
    'eq',
    'in',
    'gt',
    'contains',
    '__proto__',
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 6 },
      fc.jsonValue(),
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(names, tie('tree'), { maxKeys: 4 }),
    ),
  }));
  fc.assert(
    fc.property(tree, (json) => {
      if (faultsOf(json).length === 0) assert.equal(typeof matches(json), 'boolean');
    }),
    { numRuns: 500 },
  );
});

test('a parsed filter means the same after a journey to a worker', () => {
  const filter = parseFilter({ NOT: [{ subject: { in: ['a', 'user-42'] } }] });
  assert.equal(matchesFilter(structuredClone(filter), record), false);
  assert.equal(matchesFilter(structuredClone(filter), recordOf(1)), true);
});
