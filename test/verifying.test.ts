/** Turns, budgets, schedule and records of verification, with checks of the test's own on an open deployment. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Verification, VerificationEvent } from '@strongroom/client';
import type { RequestContext } from '../src/access/context.ts';
import { organizationScope } from '../src/access/organizations.ts';
import { Assurance } from '../src/assurance/assurance.ts';
import { defineCheck, judged, type Check, type Judgement } from '../src/assurance/check.ts';
import { claimed, type Claim } from '../src/assurance/claim.ts';
import { claimGauges } from '../src/assurance/gauges.ts';
import { VerificationSchedule } from '../src/assurance/schedule.ts';
import { CLAIMS } from '../src/assurance/table/claims.ts';
import type { LiveWorld } from '../src/assurance/world.ts';
import { parseSettings } from '../src/config.ts';
import { HOUR_MS } from '../src/durations.ts';
import type { LogFields } from '../src/http/request-log.ts';
import type { OrganizationId } from '../src/ids.ts';
import { DEPLOYMENT_LOG } from '../src/ledger/entry.ts';
import type { Strongroom } from '../src/strongroom.ts';
import { SYSTEM } from '../src/store/store.ts';
import { TestDeployment } from './deployment.ts';

const state = { kind: 'complete', notProven: 'all else', hoursFresh: 26, mend: 'mend it' } as const;
const row = { sentence: 'It holds.', examines: '', method: 'T', supports: ['', '', '', '', ''] } as const;
const CLAIM = claimed({ id: 'NET-98', ...row, state });
const OTHER = claimed({ id: 'NET-99', ...row, state });
const NONE = claimed({ id: 'NET-97', ...row, state: { kind: 'not_claimed', reason: 'not built' } });

type Said = Judgement | Error;

interface Bench {
  readonly assurance: Assurance;
  readonly open: Strongroom;
  readonly clock: TestDeployment['clock'];
  /** What the check says from now on. */
  say(said: Said): void;
  /** The check waits, from now on, until the answer is called. */
  hold(): () => void;
  /** Worlds that were opened and not closed. */
  readonly worlds: { open: number };
  readonly context: () => RequestContext;
}

/** One check of two claims, whose answer the test gives. */
async function withBench(t: TestContext, work: (bench: Bench) => Promise<void>): Promise<void> {
  const deployment = await TestDeployment.make(t);
  const { clock } = deployment;
  await deployment.opened(async (open) => {
    const id = await organizationOf(open);
    const organization = await open.organizations.get(id);
    let said: Said = judged(1, []);
    let held: Promise<void> = Promise.resolve();
    const check: Check = defineCheck<Said>({
      name: 'test',
      place: 'live',
      observe: async () => {
        await held;
        if (said instanceof Error) throw said;
        return said;
      },
      judges: { 'NET-98': (found) => found as Judgement, 'NET-99': () => judged(1, []) },
      sabotages: [],
    });
    const worlds = { open: 0 };
    const openLive = (): Promise<LiveWorld> => {
      worlds.open++;
      const close = (): Promise<void> => Promise.resolve(void worlds.open--);
      return Promise.resolve({ close } as LiveWorld);
    };
    const assurance = new Assurance({
      ...open,
      claims: [NONE, CLAIM, OTHER],
      checks: [check],
      openLive,
      openScratch: () => Promise.reject(new Error('no scratch instance here')),
      clock,
      deployment: 'strongroom/test',
      build: 'test',
    });
    const context = (): RequestContext => ({
      requestId: open.newId('request'),
      principal: {
        id: 'system',
        organization: id,
        environment: 'production',
        scope: organizationScope(organization),
        grants: [{ actions: ['*'], vaults: ['*'] }],
        networks: [],
        expiresAt: null,
      },
      organization: id,
      purpose: null,
      address: null,
      recorded: false,
    });
    await work({
      assurance,
      open,
      clock,
      worlds,
      context,
      say: (next) => void (said = next),
      hold: () => {
        const gate = Promise.withResolvers<void>();
        held = gate.promise;
        return () => gate.resolve();
      },
    });
  });
}

const organizationOf = async ({ store }: Strongroom): Promise<OrganizationId> => {
  const { id } = await store.read(SYSTEM, (db) =>
    db.selectFrom('organizations').select('id').orderBy('id').executeTakeFirstOrThrow(),
  );
  return id as OrganizationId;
};

async function resultOf(events: AsyncIterable<VerificationEvent>): Promise<Verification> {
  for await (const event of events) if (event.type === 'verification') return event.verification;
  throw new Error('no result');
}

const run = ({ assurance, context }: Bench, claims?: string[]): Promise<Verification> =>
  resultOf(assurance.verify(context(), claims === undefined ? {} : { claims }));

const verdictOf = ({ results }: Verification, id = 'NET-98'): readonly [string, boolean] => {
  const result = results.find((each) => each.id === id);
  return [result?.verdict ?? '', result?.held ?? false];
};

test('two verifications at once: the second is told to wait, whoever only looks is not, and the turn comes back', async (t) => {
  await withBench(t, async (bench) => {
    const release = bench.hold();
    const first = bench.assurance.verify(bench.context(), {});
    assert.equal((await first.next()).value?.type, 'progress');
    const result = resultOf(first);
    await assert.rejects(run(bench), { code: 'busy' });
    assert.equal(await bench.assurance.verifyDue(HOUR_MS), null);
    assert.deepEqual(verdictOf(await run(bench, [])), ['stale', false]);
    release();
    assert.deepEqual(verdictOf(await result), ['pass', true]);
    assert.deepEqual(verdictOf(await run(bench)), ['pass', true]);
  });
});

test('a turn comes back from whoever fails or goes away in the middle', async (t) => {
  await withBench(t, async (bench) => {
    const left = bench.assurance.verify(bench.context(), {});
    await left.next();
    await left.return(undefined);
    bench.say(new RangeError('broken'));
    assert.deepEqual(verdictOf(await run(bench)), ['error', false]);
    assert.deepEqual(verdictOf(await run(bench)), ['error', false]);
    assert.equal(bench.worlds.open, 0);
  });
});

test('each organization has a budget of verifications, which time refills; looking costs nothing', async (t) => {
  await withBench(t, async (bench) => {
    for (let runs = 0; runs < 12; runs++) await run(bench);
    await assert.rejects(run(bench), (error: { code?: string; retryAfterS?: number }) => {
      assert.equal(error.code, 'rate.limited');
      assert.ok((error.retryAfterS ?? 0) > 60 && (error.retryAfterS ?? 0) <= 180);
      return true;
    });
    for (let looks = 0; looks < 20; looks++) await run(bench, []);
    bench.clock.advance(181_000);
    await run(bench);
    await assert.rejects(run(bench), { code: 'rate.limited' });
  });
});

test('an error, an empty observation and a failure take away what was held before; a stale pass is held no more', async (t) => {
  await withBench(t, async (bench) => {
    assert.deepEqual(verdictOf(await run(bench)), ['pass', true]);
    for (const [said, verdict] of [
      [judged(0, []), 'error'],
      [new RangeError('broken'), 'error'],
      [judged(3, ['it is broken']), 'fail'],
    ] as const) {
      bench.say(said);
      const verification = await run(bench);
      assert.deepEqual(verdictOf(verification), [verdict, false]);
      // The other claim of the same check stands on its own, unless nothing was observed at all.
      assert.equal(verdictOf(verification, 'NET-99')[1], !(said instanceof Error));
    }
    bench.say(judged(1, []));
    assert.deepEqual(verdictOf(await run(bench)), ['pass', true]);
    bench.clock.advance(27 * HOUR_MS);
    assert.deepEqual(verdictOf(await run(bench, [])), ['stale', false]);
  });
});

test('what is due is verified of itself, kept, and recorded by the system in the log of the deployment', async (t) => {
  await withBench(t, async (bench) => {
    const { assurance, open } = bench;
    const first = await assurance.verifyDue(24 * HOUR_MS);
    assert.ok(first !== null);
    assert.deepEqual(first.ran, ['NET-98', 'NET-99']);
    assert.equal(await assurance.verifyDue(24 * HOUR_MS), null, 'nothing is due');
    assert.deepEqual(verdictOf(await run(bench, [])), ['pass', true]);
    const { entries } = await open.ledger.entries(DEPLOYMENT_LOG, { action: 'verification.run', limit: 10 });
    assert.deepEqual(
      entries.map(({ principal, target, targets, outcome, n }) => [
        principal,
        target,
        targets,
        outcome,
        n > 0,
      ]),
      [
        ['system', first.id, first.ran, 'done', true],
        ['system', first.id, first.ran, 'done', true],
      ],
    );
    assert.deepEqual(entries.map(({ facts }) => facts?.['scheduled'] ?? facts?.['digest']).reverse(), [
      1,
      first.evidence.digest,
    ]);
    assert.deepEqual([entries[0]?.facts?.['pass'], entries[0]?.facts?.['fail']], [2, 0]);

    // One of them fails: an error and a failure are told, and only what is due runs again.
    bench.clock.advance(23 * HOUR_MS);
    await run(bench, ['NET-99']);
    bench.clock.advance(HOUR_MS);
    bench.say(judged(1, ['it is broken']));
    const second = await assurance.verifyDue(24 * HOUR_MS);
    assert.deepEqual(
      [second?.ran, second === null ? null : verdictOf(second)],
      [['NET-98'], ['fail', false]],
    );
    assert.equal(bench.worlds.open, 0);
  });
});

test('stopping ends what runs: nothing is kept of it, its worlds are closed, and nothing begins any more', async (t) => {
  await withBench(t, async (bench) => {
    bench.hold();
    const running = bench.assurance.verifyDue(HOUR_MS);
    while (bench.worlds.open === 0) await TestDeployment.settle();
    bench.assurance.stop();
    assert.equal(await running, null);
    assert.equal(bench.worlds.open, 0);
    assert.deepEqual(verdictOf(await run(bench, [])), ['stale', false]);
    assert.equal(await bench.assurance.verifyDue(HOUR_MS), null);
  });
});

test('the schedule runs one verification at a time, none while entries cannot be kept, and tells what does not hold', async (t) => {
  await withBench(t, async (bench) => {
    const told: [string, LogFields][] = [];
    const log = {
      info: (fields: LogFields, message: string) => void told.push([message, fields]),
      error: (fields: LogFields, message: string) => void told.push([message, fields]),
    };
    let isHealthy = false;
    const schedule = new VerificationSchedule({
      assurance: bench.assurance,
      everyMs: 24 * HOUR_MS,
      isHealthy: () => isHealthy,
      log,
      onError: (error) => assert.fail(String(error)),
    });
    schedule.tick();
    assert.equal(bench.worlds.open, 0);
    isHealthy = true;
    bench.say(judged(2, ['canary text that no log may hold']));
    const release = bench.hold();
    schedule.tick();
    while (bench.worlds.open === 0) await TestDeployment.settle();
    schedule.tick();
    release();
    while (told.length < 2) await TestDeployment.settle();
    await schedule.close();
    assert.deepEqual(
      told.map(([message, { claim, verdict, faults }]) => [message, claim, verdict, faults]),
      [
        ['verified', undefined, undefined, undefined],
        ['a claim does not hold', 'NET-98', 'fail', 1],
      ],
    );
    assert.doesNotMatch(JSON.stringify(told), /canary text/);
  });
});

test('figures show a claim as held only while it is, and none while entries cannot be kept', async (t) => {
  await withBench(t, async (bench) => {
    const shown = async (isHealthy: boolean): Promise<string[]> =>
      claimGauges(await bench.assurance.standings(), isHealthy).map(
        ({ name, labels = {}, value }) => `${name} ${Object.values(labels).join(' ')} ${value}`,
      );
    assert.deepEqual((await shown(true)).slice(0, 2), [
      'strongroom_claim_held NET-98 0',
      'strongroom_claim_verdict NET-98 stale 1',
    ]);
    await run(bench);
    bench.clock.advance(5_000);
    assert.deepEqual((await shown(true)).slice(0, 3), [
      'strongroom_claim_held NET-98 1',
      'strongroom_claim_verdict NET-98 pass 1',
      'strongroom_claim_age_seconds NET-98 5',
    ]);
    assert.deepEqual((await shown(false)).slice(0, 2), [
      'strongroom_claim_held NET-98 0',
      'strongroom_claim_verdict NET-98 error 1',
    ]);
  });
});

test('no schedule lets a result grow stale before it is renewed', () => {
  const hours = (value: unknown): unknown =>
    parseSettings(JSON.stringify({ verifyEveryHours: value }), {}).verifyEveryHours;
  assert.deepEqual([hours(undefined), hours(1), hours('12'), hours('off')], [24, 1, 12, 'off']);
  for (const value of [0, 25, 1.5, 'never', ''])
    assert.throws(() => hours(value), {
      code: 'config.invalid',
      message: /verifyEveryHours: /,
    });
  const freshest = (claim: Claim): number =>
    claim.state.kind === 'not_claimed' ? Infinity : claim.state.hoursFresh;
  assert.ok(CLAIMS.every((claim) => freshest(claim) > 24));
});
