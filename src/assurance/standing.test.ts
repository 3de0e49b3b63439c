import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineCheck, judged, type Judgement } from './check.ts';
import { claimed, type Claim } from './claim.ts';
import { observe, runChecks, type Run } from './runner.ts';
import { combine, isDue, standingOf, type Finding } from './standing.ts';
import type { World } from './world.ts';

const row = {
  id: 'NET-99',
  sentence: 'Within {seconds} s.',
  examines: '',
  method: 'T',
  supports: ['CC6.1', '', '', '', ''],
  parameters: { seconds: { value: 5, floor: 10, better: 'less' } },
} as const;
const state = { kind: 'complete', notProven: 'all else', hoursFresh: 24, mend: 'mend it' } as const;
const complete: Claim = claimed({ ...row, state });
const partial: Claim = claimed({ ...row, state: { ...state, kind: 'partial', missing: 'the other half' } });
const now = { nowMs: 10_000_000_000, build: 'a' };
const finding: Finding = {
  claim: 'NET-99',
  atMs: now.nowMs - 1000,
  place: 'live',
  build: 'a',
  values: { seconds: 5 },
  verdict: 'pass',
  covered: 3,
  faults: [],
  measured: {},
};

test('only a fresh pass of a complete claim is held', () => {
  assert.deepEqual(
    [standingOf(complete, finding, now).verdict, standingOf(complete, finding, now).held],
    ['pass', true],
  );
  const others: readonly [Claim, Finding | undefined, string][] = [
    [partial, finding, 'partial'],
    [complete, undefined, 'stale'],
    [complete, { ...finding, build: 'b' }, 'stale'],
    [complete, { ...finding, values: { seconds: 9 } }, 'stale'],
    [complete, { ...finding, atMs: now.nowMs - 25 * 3_600_000 }, 'stale'],
    [complete, { ...finding, atMs: now.nowMs + 1 }, 'stale'],
    [complete, { ...finding, verdict: 'error' }, 'error'],
    [complete, { ...finding, verdict: 'fail' }, 'fail'],
    [complete, { ...finding, verdict: 'partial' }, 'partial'],
    [partial, { ...finding, verdict: 'fail' }, 'fail'],
    [claimed({ ...row, state: { kind: 'not_claimed', reason: 'not built' } }), finding, 'not_claimed'],
  ];
  for (const [claim, found, verdict] of others) {
    const result = standingOf(claim, found, now);
    assert.deepEqual([result.verdict, result.held], [verdict, false]);
  }
});

test('what several checks say is as good as the worst of it, and an empty one is an error', () => {
  const pass = { judgement: judged(2, []) };
  const empty = { judgement: judged(0, []) };
  const fail = { judgement: judged(1, ['broken']) };
  const half: Judgement = { ...judged(1, []), verdict: 'partial', missing: 'this' };
  assert.equal(combine([pass, pass]).verdict, 'pass');
  assert.equal(combine([pass, empty]).verdict, 'error');
  assert.equal(combine([]).verdict, 'error');
  assert.equal(combine([pass, { error: 'thrown' }]).verdict, 'error');
  assert.equal(combine([{ error: 'thrown' }, fail]).verdict, 'fail');
  assert.equal(combine([pass, { judgement: half }]).verdict, 'partial');
  assert.equal(combine([pass, pass]).covered, 4);
});

test('a check that throws while it observes or judges is an error, and the others go on', async () => {
  const thrower = defineCheck<null>({
    name: 'thrower',
    place: 'live',
    observe: () => Promise.reject(new RangeError('no world')),
    judges: { 'NET-99': () => judged(1, []) },
    sabotages: [],
  });
  const misjudge = defineCheck<null>({
    name: 'misjudge',
    place: 'live',
    observe: () => Promise.resolve(null),
    judges: {
      'NET-99': () => {
        throw new TypeError('no sense');
      },
    },
    sabotages: [],
  });
  const good = defineCheck<null>({
    name: 'good',
    place: 'live',
    observe: () => Promise.resolve(null),
    judges: { 'NET-99': () => judged(1, []) },
    sabotages: [],
  });
  const found = async (checks: Run['checks']) => {
    const worlds = {
      live: () => Promise.resolve({} as World),
      scratch: () => Promise.reject(new Error('none')),
    };
    const running = runChecks({ checks, claims: [complete], worlds, nowMs: () => now.nowMs, build: 'a' });
    for (;;) {
      const next = await running.next();
      if (next.done === true) return next.value[0];
    }
  };
  assert.deepEqual((await found([thrower, good]))?.faults, ['thrower: RangeError: no world']);
  assert.deepEqual((await found([misjudge, good]))?.faults, ['misjudge: TypeError: no sense']);
  assert.equal((await found([thrower, good]))?.verdict, 'error');
  assert.equal((await found([{ ...good, place: 'scratch' }]))?.verdict, 'error');
  assert.equal((await found([good]))?.verdict, 'pass');
});

test('a check that does not end is an error once its time is over', async () => {
  const endless = defineCheck<null>({
    name: 'endless',
    place: 'live',
    observe: () => new Promise(() => undefined),
    judges: { 'NET-99': () => judged(1, []) },
    sabotages: [],
  });
  const worlds = {
    live: () => Promise.resolve({} as World),
    scratch: () => Promise.reject(new Error('none')),
  };
  const judge = await observe(endless, worlds, { checkMsMax: 1 });
  assert.deepEqual(judge(complete), { error: 'endless: RangeError: did not end within 0.001 s' });
  assert.equal(standingOf(complete, { ...finding, ...combine([judge(complete)]) }, now).held, false);
});

test('nothing that is kept of a check shows a claim as held but a pass: every verdict, place and emptiness', () => {
  const verdicts = ['pass', 'fail', 'error', 'partial', 'not_claimed'] as const;
  for (const verdict of verdicts)
    for (const covered of [0, 1])
      for (const faults of [[], ['broken']]) {
        const judgement = { verdict, covered, faults, measured: {} } as Judgement;
        const kept = combine(verdict === 'error' ? [{ error: 'thrown' }] : [{ judgement }]);
        const { held } = standingOf(complete, { ...finding, ...kept }, now);
        assert.equal(held, verdict === 'pass' && covered === 1 && faults.length === 0);
      }
});

test('what is missing, stale or old is due; an error is tried again within the hour', () => {
  const hour = 3_600_000;
  const due = (found: Finding | undefined, claim = complete): boolean =>
    isDue(claim, found, { ...now, everyMs: 24 * hour });
  assert.equal(due(undefined), true);
  assert.equal(due(finding), false);
  assert.equal(due({ ...finding, atMs: now.nowMs - 23 * hour }), false);
  assert.equal(due({ ...finding, atMs: now.nowMs - 24 * hour }), true);
  assert.equal(due({ ...finding, build: 'b' }), true);
  assert.equal(due({ ...finding, verdict: 'error' }), false);
  assert.equal(due({ ...finding, verdict: 'error', atMs: now.nowMs - hour }), true);
  assert.equal(
    due(undefined, claimed({ ...row, state: { kind: 'not_claimed', reason: 'not built' } })),
    false,
  );
});
