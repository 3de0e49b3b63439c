/** Legal holds against every path that deletes, over HTTP, on a deployment of their own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Hold } from '@strongroom/client';
import { DAY_MS, HOUR_MS } from '../src/durations.ts';
import type { StrongroomError } from '../src/errors.ts';
import type { OrganizationId } from '../src/ids.ts';
import { SYSTEM } from '../src/store/store.ts';
import type { Strongroom } from '../src/strongroom.ts';
import type { Ending } from '../src/vaults/deletion-guard.ts';
import { verifies } from '../src/assurance/testing/verifies.ts';
import type { Slot } from '../src/keys/slot.ts';
import { readRows } from './boxes.ts';
import { idOf, TestDeployment, type Answer } from './deployment.ts';
import { checkInvariants } from './invariants.ts';
import { RestoredCopy } from './recovery.ts';

const BASE = '/v1/vaults/default/memories';

const add = async (deployment: TestDeployment, body: object): Promise<string> =>
  idOf(await deployment.must('POST', BASE, { body }));

const place = async (deployment: TestDeployment, target: object): Promise<string> =>
  idOf(await deployment.must('POST', '/v1/holds', { body: { name: 'case 7', reason: 'a claim', target } }));

const isHeld = ({ status, json }: Answer): void => {
  assert.deepEqual([status, json['code']], [409, 'held']);
};

/** Stops, lets the scheduler run with the clock confirmed, and counts what is left. */
async function swept(deployment: TestDeployment): Promise<number> {
  await deployment.stop();
  const left = await deployment.opened(async ({ store, scheduler }) => {
    await scheduler.run();
    return store.read(
      SYSTEM,
      async (db) => (await db.selectFrom('memory_versions').select('memory').execute()).length,
    );
  });
  await deployment.serve();
  return left;
}

/** Everything that can end as a whole, by the names of this deployment. */
async function endingsOf(open: Strongroom): Promise<readonly Ending[]> {
  const row = await open.store.read(SYSTEM, (db) =>
    db.selectFrom('vaults').select(['id', 'organization']).executeTakeFirstOrThrow(),
  );
  const vault = await open.vaults.find(row.organization as OrganizationId, row.id);
  assert.ok(vault !== null);
  const people = await open.people.subjects(vault.organization.id);
  const threads = await open.people.conversations(vault);
  return [
    ...['ann', 'bo', 'cy'].map((name): Ending => {
      return { kind: 'subject', subject: people.withName(name)?.id ?? '' };
    }),
    ...['one', 'two'].map((name): Ending => {
      return { kind: 'conversation', vault: vault.id, conversation: threads.withName(name)?.id ?? '' };
    }),
    { kind: 'vault', vault: vault.id },
    { kind: 'organization' },
  ];
}

/**
 * By the order of `endingsOf`: what each hold must stop. Ann is in a memory of bo's as well, which lies in thread two and, derived
 * from thread one, ends with that too.
 */
const STOPS: Readonly<Record<string, readonly number[]>> = {
  'a memory of ann in thread one': [1, 0, 0, 1, 0, 1, 1],
  'a memory of both in thread two': [1, 1, 0, 1, 1, 1, 1],
  ann: [1, 1, 0, 1, 1, 1, 1],
  bo: [1, 1, 0, 1, 1, 1, 1],
  'thread one': [1, 0, 0, 1, 0, 1, 1],
  'the vault': [1, 1, 1, 1, 1, 1, 1],
  everything: [1, 1, 1, 1, 1, 1, 1],
};

test('a person, a conversation, a vault or everything is refused whole where any part of it is held', async (t) => {
  const deployment = await TestDeployment.start(t);
  const first = await add(deployment, { text: 'of ann', subject: 'ann', conversation: 'one' });
  const both = { text: 'of both', subject: 'bo', conversation: 'two', derivedFrom: [first] };
  const second = await add(deployment, both);
  await add(deployment, { text: 'of cy', subject: 'cy' });
  const targets = [
    { vault: 'default', memories: [first] },
    { vault: 'default', memories: [second] },
    { subject: 'ann' },
    { subject: 'bo' },
    { vault: 'default', conversation: 'one' },
    { vault: 'default' },
    { organization: true },
  ];
  const found: [string, readonly number[]][] = [];
  for (const [at, name] of Object.keys(STOPS).entries()) {
    const hold = await place(deployment, targets[at] ?? {});
    await deployment.stop();
    await deployment.opened(async (open) => {
      const stopped: number[] = [];
      for (const ending of await endingsOf(open)) stopped.push(await isStopped(open, ending));
      found.push([name, stopped]);
    });
    await deployment.serve();
    await deployment.must('DELETE', `/v1/holds/${hold}`);
  }
  assert.deepEqual(Object.fromEntries(found), STOPS);
  await deployment.stop();
  await deployment.opened(async (open) => {
    for (const ending of await endingsOf(open)) assert.equal(await isStopped(open, ending), 0, 'released');
  });
});

async function isStopped({ guard, store }: Strongroom, ending: Ending): Promise<number> {
  const row = await store.read(SYSTEM, (db) =>
    db.selectFrom('organizations').select('id').executeTakeFirstOrThrow(),
  );
  try {
    await store.write(row.id as OrganizationId, (tx) => guard.require(tx, ending));
    return 0;
  } catch (error) {
    assert.equal((error as StrongroomError).code, 'held');
    return 1;
  }
}

const TARGETS: Readonly<Record<string, (memory: string) => object>> = {
  memories: (memory) => ({ vault: 'default', memories: [memory] }),
  conversation: () => ({ vault: 'default', conversation: 'chat' }),
  subject: () => ({ subject: 'ann' }),
  vault: () => ({ vault: 'default' }),
  organization: () => ({ organization: true }),
};

for (const [kind, target] of Object.entries(TARGETS))
  test(`a hold on ${kind} refuses every way of deleting, and leaves everything as it was`, async (t) => {
    const deployment = await TestDeployment.start(t);
    const id = await add(deployment, { text: 'evidence', subject: 'ann', conversation: 'chat' });
    const hold = await place(deployment, target(id));
    isHeld(await deployment.call('DELETE', `${BASE}/${id}?mode=trash`));
    isHeld(await deployment.call('DELETE', `${BASE}/${id}?mode=erase`));
    isHeld(await deployment.call('DELETE', '/v1/vaults/default'));
    assert.equal((await deployment.must('GET', `${BASE}/${id}`)).json['text'], 'evidence');
    const { rule, holds, endsAt } = (await deployment.must('GET', `${BASE}/${id}/retention`)).json;
    assert.deepEqual([rule, holds, endsAt], ['hold', [hold], null]);
    const organization = (await deployment.must('GET', '/v1/ledger/checkpoint')).json['log'];
    const asked = [
      { memory: id },
      { vault: 'default', filter: { subject: 'ann' } },
      { subject: 'ann' },
      { vault: 'default', conversation: 'chat' },
      { vault: 'default' },
      { organization },
    ];
    const keepers: unknown[] = [];
    for (const target of asked) {
      const plan = (await deployment.must('POST', '/v1/erasures', { body: { target, dryRun: true } })).json;
      keepers.push(plan['keptBy']);
      const body = { target, reason: 'asked for', confirm: plan['confirm'] };
      isHeld(await deployment.call('POST', '/v1/erasures', { body }));
    }
    assert.deepEqual(
      keepers,
      asked.map(() => [hold]),
      'a dry run says so before',
    );
    await deployment.must('DELETE', `/v1/holds/${hold}`);
    for (const target of asked) {
      const plan = await deployment.must('POST', '/v1/erasures', { body: { target, dryRun: true } });
      assert.deepEqual([plan.json['count'], plan.json['keptBy']], [1, undefined]);
    }
    await deployment.must('DELETE', `${BASE}/${id}?mode=erase`);
    assert.equal((await deployment.call('GET', `${BASE}/${id}`)).status, 404);
  });

test('what a hold keeps survives its own end and the trash; released, both are destroyed', async (t) => {
  verifies('RET-10');
  const deployment = await TestDeployment.start(t);
  const expiresAt = new Date(deployment.clock.now() + HOUR_MS).toISOString();
  const expiring = await add(deployment, { text: 'for an hour', expiresAt });
  const trashed = await add(deployment, { text: 'thrown away' });
  await deployment.must('DELETE', `${BASE}/${trashed}`);
  const hold = await place(deployment, { vault: 'default' });
  deployment.clock.advance(60 * DAY_MS);
  assert.equal(await swept(deployment), 2);
  assert.equal((await deployment.call('GET', `${BASE}/${expiring}`)).status, 404);
  const kept = (await deployment.must('GET', `/v1/holds/${hold}/memories`)).json['memories'];
  assert.deepEqual(
    (kept as { text: string }[]).map(({ text }) => text),
    ['thrown away', 'for an hour'],
  );
  await deployment.must('DELETE', `/v1/holds/${hold}`);
  assert.equal(await swept(deployment), 0);
});

test('a page full of what is held keeps nothing behind it from its end', async (t) => {
  const deployment = await TestDeployment.start(t);
  const expiresAt = new Date(deployment.clock.now() + HOUR_MS).toISOString();
  const memories = Array.from({ length: 600 }, (_, at) => ({
    text: `kept ${at}`,
    expiresAt,
    subject: 'ann',
  }));
  await deployment.must('POST', BASE, { body: { memories } });
  await deployment.must('POST', BASE, { body: { text: 'to end', expiresAt } });
  await place(deployment, { subject: 'ann' });
  deployment.clock.advance(HOUR_MS);
  assert.equal(await swept(deployment), 600);
});

test('a change of what is held keeps the version before it until the hold is released', async (t) => {
  const deployment = await TestDeployment.start(t);
  await deployment.must('PATCH', '/v1/vaults/default', { body: { deletion: { mode: 'immediate' } } });
  const id = await add(deployment, { text: 'what was said' });
  const hold = await place(deployment, { vault: 'default', memories: [id] });
  await deployment.must('PATCH', `${BASE}/${id}`, { body: { text: 'what is said now' } });
  const history = (await deployment.must('GET', `${BASE}/${id}/history`)).json['versions'];
  assert.deepEqual(
    (history as { text: string }[]).map(({ text }) => text),
    ['what is said now', 'what was said'],
  );
  assert.equal(await swept(deployment), 2);
  await deployment.must('DELETE', `/v1/holds/${hold}`);
  assert.equal(await swept(deployment), 1);
  await deployment.stop();
  await deployment.opened(async ({ store }) => {
    const slots = await store.read(SYSTEM, (db) => db.selectFrom('superseded_slots').selectAll().execute());
    assert.deepEqual(slots, [], 'in an immediate vault the version’s key went at once');
  });
});

test('a memory about several people is held with any of them', async (t) => {
  const deployment = await TestDeployment.start(t);
  const source = await add(deployment, { text: 'about ann', subject: 'ann' });
  const derived = await add(deployment, { text: 'about both', subject: 'bo', derivedFrom: [source] });
  await place(deployment, { subject: 'ann' });
  isHeld(await deployment.call('DELETE', `${BASE}/${derived}?mode=erase`));
  const other = await add(deployment, { text: 'about bo alone', subject: 'bo' });
  await deployment.must('DELETE', `${BASE}/${other}?mode=erase`);
});

test('a hold is listed with its name, survives a restart, and another organization has no part in it', async (t) => {
  const deployment = await TestDeployment.start(t);
  const id = await place(deployment, { vault: 'default' });
  await deployment.stop();
  await deployment.serve();
  const { holds } = (await deployment.must('GET', '/v1/holds')).json as unknown as { holds: Hold[] };
  assert.deepEqual(
    holds.map(({ id, name, reason, state }) => [id, name, reason, state]),
    [[id, 'case 7', 'a claim', 'active']],
  );
  const again = await deployment.call('DELETE', `/v1/holds/${id}`);
  assert.equal(again.status, 204);
  const twice = await deployment.call('DELETE', `/v1/holds/${id}`);
  assert.equal(twice.status, 409);
  for (const target of [
    { subject: 'nobody' },
    { vault: 'nowhere' },
    { vault: 'default', conversation: 'none' },
  ])
    assert.equal((await deployment.call('POST', '/v1/holds', { body: { name: 'x', target } })).status, 404);
  const wrong = [{}, { subject: 'a', vault: 'default' }, { conversation: 'x' }, { vault: 'v', memories: [] }];
  for (const target of wrong)
    assert.equal((await deployment.call('POST', '/v1/holds', { body: { name: 'x', target } })).status, 400);
});

test('a hold that an older database does not know is in force again, and one that was released stays so', async (t) => {
  const deployment = await TestDeployment.start(t);
  const id = await add(deployment, { text: 'evidence' });
  const kept = await place(deployment, { vault: 'default', memories: [id] });
  const released = await place(deployment, { vault: 'default' });
  await deployment.must('DELETE', `/v1/holds/${released}`);
  await deployment.stop();
  // As a restore from before leaves it: the one is not there, the other still stands.
  await deployment.opened(({ store }) =>
    store.write(SYSTEM, async (tx) => {
      await tx.sql.deleteFrom('hold_memories').where('hold', '=', kept).execute();
      await tx.sql.deleteFrom('holds').where('id', '=', kept).execute();
      await tx.sql
        .updateTable('holds')
        .set({ state: 'active', released_at: null, change: tx.change })
        .where('id', '=', released)
        .execute();
    }),
  );
  await deployment.serve();
  isHeld(await deployment.call('DELETE', `${BASE}/${id}?mode=erase`));
  const found = (await deployment.must('GET', `/v1/holds/${kept}`)).json;
  assert.deepEqual([found['state'], found['name'], found['reason']], ['active', 'case 7', 'a claim']);
  assert.equal((await deployment.must('GET', `/v1/holds/${released}`)).json['state'], 'released');
});

test('a hold that was placed after the backup comes back from a restore with its name and reason, and nothing else of its leaf', async (t) => {
  const deployment = await TestDeployment.start(t);
  const id = await add(deployment, { text: 'evidence' });
  await deployment.must('POST', '/v1/backups', { body: { kind: 'full' } });
  const hold = await place(deployment, { vault: 'default', memories: [id] });
  const gone = idOf(await deployment.must('POST', '/v1/keys', { body: { name: 'later' } }));
  await deployment.stop();
  const slots = await deployment.opened(async (open) => {
    const { api_keys, holds } = await readRows(open);
    return [holds[0]?.slot, api_keys.find((row) => row.id === gone)?.principal_slot];
  });
  const copy = await RestoredCopy.beside(t, deployment, { replicas: ['a', 'b'] });
  await copy.restore();
  await copy.commit();
  await copy.served(async (call) => {
    const { json } = await call('GET', `/v1/holds/${hold}`, { key: deployment.apiKey });
    assert.deepEqual([json['state'], json['name'], json['reason']], ['active', 'case 7', 'a claim']);
    isHeld(await call('DELETE', `${BASE}/${id}?mode=erase`, { key: deployment.apiKey }));
  });
  await copy.opened(async (open) => {
    assert.deepEqual(
      slots.map((slot) => open.keyring.isErased(slot as Slot)),
      [false, true],
    );
    assert.deepEqual(await checkInvariants(open, copy.directory), []);
  });
});

test('a hold on a person lists what says or said something about them, and nothing else', async (t) => {
  const deployment = await TestDeployment.start(t);
  await deployment.must('POST', '/v1/vaults', { body: { name: 'kept', history: true } });
  const memories = '/v1/vaults/kept/memories';
  const made = async (body: object): Promise<string> =>
    idOf(await deployment.must('POST', memories, { body }));
  const own = await made({ text: 'ann likes tea', subject: 'ann' });
  const derived = await made({ text: 'somebody likes tea', derivedFrom: [own] });
  const before = await made({ text: 'ann likes coffee', subject: 'ann' });
  await deployment.must('PATCH', `${memories}/${before}`, {
    body: { text: 'bob likes coffee', subject: 'bob' },
  });
  const other = await made({ text: 'bob likes milk', subject: 'bob' });
  await deployment.must('PATCH', `${memories}/${other}`, { body: { text: 'bob likes water' } });
  await made({ text: 'derived from bob', derivedFrom: [other] });
  const hold = idOf(
    await deployment.must('POST', '/v1/holds', { body: { name: 'case', target: { subject: 'ann' } } }),
  );
  const { json } = await deployment.must('GET', `/v1/holds/${hold}/memories`);
  assert.deepEqual(
    (json['memories'] as { id: string }[]).map(({ id }) => id),
    [before, derived, own],
  );
});
