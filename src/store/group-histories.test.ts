/**
 * Histories of jobs with failures of every kind and a crash anywhere, each ending in one function that checks every
 * invariant of the write path against what the callers were told.
 */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { Crash } from '../environment.ts';
import { openStore } from './open-store.ts';
import { insertRows, SYSTEM, type Flusher, type Store, type Tx } from './store.ts';
import { forEachEngine, temporaryFolder, testEnvironment } from './testing/engines.ts';
import { ANN, BEN, personOf, rowOf } from './testing/rows.ts';

type Kind = 'good' | 'throws' | 'fails late' | 'breaks a key' | 'flush fails';
interface JobPlan {
  readonly kind: Kind;
  readonly rows: number;
  readonly deferrals: number;
}
interface Plan {
  /** Jobs submitted in the same moment, one list after the other. */
  readonly moments: readonly (readonly JobPlan[])[];
  /** The n-th fault point at which to crash, if so many are passed. */
  readonly crashAt: number;
}

/** What the caller of a job was told. */
interface Told {
  readonly name: string;
  readonly plan: JobPlan;
  readonly answer: 'acknowledged' | 'failed' | 'crashed';
}

const kind = fc.constantFrom<Kind>(
  'good',
  'good',
  'good',
  'throws',
  'fails late',
  'breaks a key',
  'flush fails',
);
const job = fc.record({
  kind,
  rows: fc.integer({ min: 0, max: 4 }),
  deferrals: fc.integer({ min: 0, max: 2 }),
});
const plan: fc.Arbitrary<Plan> = fc.record({
  moments: fc.array(fc.array(job, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 4 }),
  crashAt: fc.integer({ min: 1, max: 60 }),
});

const FAULT_POINTS = [
  'store.begin',
  'store.job',
  'store.release',
  'store.flush',
  'store.commit',
  'store.committed',
];

forEachEngine(
  'after any history and a crash anywhere, what was acknowledged is there whole and nothing else is',
  async (_t, engine) => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(plan, async (history) => {
        const prefix = `r${++run}`;
        const start = await headOf(await engine.open());
        const { store, told } = await play(prefix, history, (fault) => engine.open({ fault }));
        await store.close();
        await requireInvariants(await engine.open(), { prefix, told, start });
      }),
      { numRuns: engine.name === 'sqlite' ? 60 : 12 },
    );
  },
);

test('killed at any fault point, the files as they lie there open to a store that keeps every invariant', async (t) => {
  const folder = await temporaryFolder(t);
  const moments: Plan['moments'] = [
    [good(2, 1), good(1, 0)],
    [good(1, 1), { kind: 'throws', rows: 2, deferrals: 1 }, good(3, 2)],
  ];
  const crashed = new Set<string>();
  for (let crashAt = 1; crashAt < 100; crashAt++) {
    const live = join(folder, `live-${crashAt}`);
    const left = join(folder, `left-${crashAt}`);
    mkdirSync(live);
    let point = '';
    const { store, told } = await play('k', { moments, crashAt }, (fault) =>
      openStore(
        { engine: 'sqlite', directory: live },
        testEnvironment((name) => {
          try {
            fault(name);
          } catch (crash) {
            // What a kill would leave: the files as the system has them now, with the transaction open.
            cpSync(live, left, { recursive: true });
            point = name;
            throw crash;
          }
        }),
        (error) => assert.fail(String(error)),
      ),
    );
    await store.close();
    if (point === '') break;
    crashed.add(point);
    const reopened = await openStore({ engine: 'sqlite', directory: left }, testEnvironment(), (error) =>
      assert.fail(String(error)),
    );
    await requireInvariants(reopened, { prefix: 'k', told, start: 0 });
    await reopened.close();
  }
  assert.deepEqual([...crashed].sort(), [...FAULT_POINTS].sort());
});

test('an invariant that does not hold is found', async (t) => {
  const folder = await temporaryFolder(t);
  const open = (): Promise<Store> =>
    openStore({ engine: 'sqlite', directory: folder }, testEnvironment(), (error) =>
      assert.fail(String(error)),
    );
  const store = await open();
  const { told } = await play('s', { moments: [[good(2, 1)], [good(1, 1)]], crashAt: 1000 }, () =>
    Promise.resolve(store),
  );
  await requireInvariants(store, { prefix: 's', told, start: 0 });
  const [first] = told;
  assert.ok(first !== undefined);
  const lost = [...told, { ...first, name: 's-9-9' }];
  await assert.rejects(requireInvariants(store, { prefix: 's', told: lost, start: 0 }), /s-9-9/);
  const resurrected = told.map((one) => ({ ...one, answer: 'failed' as const }));
  await assert.rejects(requireInvariants(store, { prefix: 's', told: resurrected, start: 0 }));
  await store.write(ANN, (tx) => tx.sql.deleteFrom('subjects').where('id', '=', `${first.name}-0`).execute());
  await assert.rejects(requireInvariants(store, { prefix: 's', told, start: 0 }), /whole/);
  await store.close();
});

const good = (rows: number, deferrals: number): JobPlan => ({ kind: 'good', rows, deferrals });

async function play(
  prefix: string,
  { moments, crashAt }: Plan,
  open: (fault: (name: string) => void) => Promise<Store>,
): Promise<{ store: Store; told: readonly Told[] }> {
  let passed = 0;
  const store = await open((name) => {
    if (name.startsWith('store.') && name !== 'store.migrate' && ++passed === crashAt) throw new Crash(name);
  });
  const flushers = flushersOf(prefix);
  const told: Told[] = [];
  for (const [moment, jobs] of moments.entries()) {
    const running = jobs.map(async (plan, at): Promise<Told> => {
      const name = `${prefix}-${moment}-${at}`;
      const organization = at % 2 === 0 ? ANN : BEN;
      try {
        await store.write(organization, (tx) => runJob(tx, name, { plan, flushers, organization }));
        return { name, plan, answer: 'acknowledged' };
      } catch (error) {
        return { name, plan, answer: error instanceof Crash ? 'crashed' : 'failed' };
      }
    });
    told.push(...(await Promise.all(running)));
  }
  return { store, told };
}

interface Flushers {
  readonly noting: Flusher<string>;
  readonly failing: Flusher<string>;
}

/** One flusher that writes a row for each deferral, as the ledger does, and one that cannot. */
const flushersOf = (prefix: string): Flushers => ({
  noting: {
    flush: (sql, items) =>
      insertRows(
        sql,
        'ledger_targets',
        items.map(({ item, change }, n) =>
          rowOf('ledger_targets', {
            log: 'deployment',
            organization: 'deployment',
            target: `${prefix}/${item}`,
            n,
            change,
          }),
        ),
      ),
  },
  failing: { flush: () => Promise.reject(new RangeError('flush')) },
});

async function runJob(
  tx: Tx,
  name: string,
  { plan, flushers, organization }: { plan: JobPlan; flushers: Flushers; organization: typeof ANN },
): Promise<void> {
  const rows = Array.from({ length: plan.rows }, (_, row) =>
    personOf(organization, `${name}-${row}`, tx.change),
  );
  for (let at = 0; at < plan.deferrals; at++) tx.defer(flushers.noting, `${name}-${at}`);
  if (plan.kind === 'throws') throw new RangeError('early');
  await insertRows(tx.sql, 'subjects', rows);
  if (plan.kind === 'flush fails') tx.defer(flushers.failing, name);
  if (plan.kind === 'breaks a key') {
    await insertRows(tx.sql, 'subjects', [
      personOf(organization, `${name}-key`, tx.change),
      personOf(organization, `${name}-key`, tx.change),
    ]);
  }
  if (plan.kind === 'fails late') throw new RangeError('late');
}

interface Expected {
  readonly prefix: string;
  readonly told: readonly Told[];
  readonly start: number;
}

/** Every invariant of the write path. */
async function requireInvariants(store: Store, { prefix, told, start }: Expected): Promise<void> {
  const { people, notes, head } = await store.read(SYSTEM, async (db, { change }) => ({
    people: await db.selectFrom('subjects').selectAll().where('id', 'like', `${prefix}-%`).execute(),
    notes: await db.selectFrom('ledger_targets').selectAll().where('target', 'like', `${prefix}/%`).execute(),
    head: change,
  }));
  const changes = new Map<string, number>();
  for (const { name, plan, answer } of told) {
    const rows = people.filter(({ id }) => id.startsWith(`${name}-`));
    const deferred = notes.filter(({ target }) => target.startsWith(`${prefix}/${name}-`));
    const isStored = rows.length + deferred.length > 0;
    const hasContent = plan.rows + plan.deferrals > 0;
    if (answer === 'acknowledged')
      assert.equal(isStored, hasContent, `${name} was acknowledged and is not there`);
    if (answer === 'failed' || plan.kind !== 'good')
      assert.equal(isStored, false, `${name} failed and is there`);
    if (!isStored) continue;
    assert.equal(rows.length, plan.rows, `${name} is not whole`);
    assert.equal(deferred.length, plan.deferrals, `${name} is not whole: its deferrals`);
    const numbers = new Set([...rows, ...deferred].map(({ change }) => change));
    assert.equal(numbers.size, 1, `${name} has one change number`);
    for (const change of numbers) changes.set(name, change);
  }
  assert.equal(people.length + notes.length, sumOf(told, changes), 'rows that no job wrote');
  const used = [...changes.values()];
  assert.equal(new Set(used).size, used.length, 'two jobs with one change number');
  assert.ok(
    used.every((change) => change > start && change <= head),
    'a change number beyond the head',
  );
  const inOrder = told.flatMap(({ name }) => changes.get(name) ?? []);
  assert.deepEqual(
    inOrder,
    [...inOrder].sort((left, right) => left - right),
    'change numbers follow the jobs',
  );
}

const sumOf = (told: readonly Told[], stored: ReadonlyMap<string, number>): number =>
  told.filter(({ name }) => stored.has(name)).reduce((sum, { plan }) => sum + plan.rows + plan.deferrals, 0);

const headOf = (store: Store): Promise<number> =>
  store.read(SYSTEM, (_db, { change }) => Promise.resolve(change));
