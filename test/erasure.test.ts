/** What must not outlive its keys, and keys that must not outgrow their makers: each of these once went wrong. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOUR_MS } from '../src/durations.ts';
import type { OrganizationId } from '../src/ids.ts';
import type { Slot } from '../src/keys/slot.ts';
import { SYSTEM } from '../src/store/store.ts';
import type { Strongroom } from '../src/strongroom.ts';
import type { SlotRanges } from '../src/vaults/slot-ranges.ts';
import { verifies } from '../src/assurance/testing/verifies.ts';
import { idOf, TestDeployment } from './deployment.ts';

const BASE = '/v1/vaults/default/memories';
const SEARCH = '/v1/vaults/default/search';

test('a change and an erasure of one memory at one moment leave nothing of it in a segment', async (t) => {
  const deployment = await TestDeployment.start(t);
  await deployment.must('POST', SEARCH, { body: { query: 'anything' } });
  for (let round = 0; round < 12; round++) {
    const id = idOf(await deployment.must('POST', BASE, { body: { text: `first words ${round}` } }));
    await Promise.all([
      deployment.call('PATCH', `${BASE}/${id}`, { body: { text: `erased words ${round}` } }),
      deployment.call('DELETE', `${BASE}/${id}?mode=erase`),
    ]);
  }
  const found = await deployment.must('POST', SEARCH, { body: { query: 'erased words first' } });
  assert.deepEqual(found.json['results'], []);
  await deployment.stop();
  await deployment.opened(async ({ store, keyring }) => {
    const segments = await store.read(SYSTEM, (db) => db.selectFrom('segments').selectAll().execute());
    const rows = await store.read(SYSTEM, (db) => db.selectFrom('memories').select('state').execute());
    assert.deepEqual(rows, []);
    for (const { cover, state } of segments.filter(({ slot }) => !keyring.isErased(slot as Slot))) {
      assert.equal(state, 'live');
      for (const [from, to] of JSON.parse(cover) as SlotRanges)
        for (let slot = from; slot <= to; slot++)
          assert.equal(keyring.isErased(slot as Slot), false, `slot ${slot} is dead and covered`);
    }
  });
});

test('what a failed job sealed dies: with the next commit, or when the keyring is opened', async (t) => {
  const deployment = await TestDeployment.make(t);
  const failing = async (open: Strongroom, organization: OrganizationId): Promise<readonly Slot[]> => {
    let slots: readonly Slot[] = [];
    const job = open.store.write(organization, async (tx) => {
      slots = await open.slots.take(tx, organization, 3);
      throw new Error('the job fails after it has sealed');
    });
    await assert.rejects(job, /fails after/);
    return slots;
  };
  const left = await deployment.opened(async (open) => {
    const organization = await onlyOrganization(open);
    const burnt = await failing(open, organization);
    for (const slot of burnt) assert.equal(open.keyring.isErased(slot), false, 'the check can fail');
    await open.store.write(organization, (tx) => open.slots.take(tx, organization, 1));
    await open.keyring.tend();
    for (const slot of burnt) assert.equal(open.keyring.isErased(slot), true);
    return failing(open, organization);
  });
  await deployment.opened(({ keyring }) => {
    for (const slot of left) assert.equal(keyring.isErased(slot), true);
    return Promise.resolve();
  });
});

test('an idempotency key that stood for an addition never stands for an erasure', async (t) => {
  const deployment = await TestDeployment.start(t);
  const headers = { 'idempotency-key': 'job-7' };
  const id = idOf(await deployment.must('POST', BASE, { body: { text: 'still here' }, headers }));
  await deployment.stop();
  await deployment.serve();
  const answer = await deployment.call('DELETE', `${BASE}/${id}?mode=erase`, { headers });
  assert.deepEqual([answer.status, answer.json['code']], [409, 'idempotency.conflict']);
  assert.equal((await deployment.must('GET', `${BASE}/${id}`)).json['text'], 'still here');
});

test('what has expired is erased by the sweep, not only hidden', async (t) => {
  const deployment = await TestDeployment.start(t);
  const expiresAt = new Date(deployment.clock.now() + HOUR_MS).toISOString();
  await deployment.must('POST', BASE, {
    body: { memories: [{ text: 'for an hour', expiresAt }, { text: 'for good' }] },
  });
  deployment.clock.advance(HOUR_MS);
  await deployment.stop();
  await deployment.opened(async ({ store }) => {
    const rows = await store.read(SYSTEM, (db) =>
      db.selectFrom('memory_versions').select('memory').execute(),
    );
    assert.equal(rows.length, 1);
    const requests = await store.read(SYSTEM, (db) =>
      db.selectFrom('key_requests').select(['reason', 'state']).execute(),
    );
    assert.ok(requests.some(({ reason, state }) => reason === 'erasure.memories' && state === 'destroyed'));
  });
});

test('the trash empties itself after the vault’s number of days, and not before', async (t) => {
  verifies('RET-02');
  const deployment = await TestDeployment.start(t);
  const id = idOf(await deployment.must('POST', BASE, { body: { text: 'thrown away' } }));
  await deployment.must('DELETE', `${BASE}/${id}`);
  const kept = async (): Promise<number> => {
    await deployment.stop();
    return deployment.opened(({ store }) =>
      store.read(
        SYSTEM,
        async (db) => (await db.selectFrom('memory_versions').select('memory').execute()).length,
      ),
    );
  };
  deployment.clock.advance(30 * 24 * HOUR_MS - 1);
  assert.equal(await kept(), 1);
  deployment.clock.advance(1);
  assert.equal(await kept(), 0);
});

test('a key makes no key that lasts longer, reaches further or ends a stronger one', async (t) => {
  const deployment = await TestDeployment.start(t);
  const all = [{ actions: ['*'], vaults: ['*'] }];
  const expiresAt = new Date(deployment.clock.now() + HOUR_MS).toISOString();
  const bound = await deployment.must('POST', '/v1/keys', {
    body: { name: 'bound', scopes: all, expiresAt, networks: ['127.0.0.0/8'] },
  });
  const key = String(bound.json['apiKey']);
  const child = await deployment.must('POST', '/v1/keys', { key, body: { name: 'child', scopes: all } });
  assert.equal(child.json['expiresAt'], expiresAt);
  assert.deepEqual(child.json['networks'], ['127.0.0.0/8']);
  const later = new Date(deployment.clock.now() + 2 * HOUR_MS).toISOString();
  for (const more of [{ expiresAt: later }, { networks: ['0.0.0.0/0'] }, { networks: [] }]) {
    const refused = await deployment.call('POST', '/v1/keys', {
      key,
      body: { name: 'more', scopes: all, ...more },
    });
    assert.equal(refused.status, 403, JSON.stringify(more));
  }
  const development = await deployment.must('POST', '/v1/keys', {
    body: { name: 'development', scopes: all, environment: 'development' },
  });
  const weak = String(development.json['apiKey']);
  for (const [method, path] of [
    ['DELETE', `/v1/keys/${idOf(bound)}`],
    ['GET', '/v1/keys'],
    ['GET', '/v1/ledger'],
  ] as const)
    assert.equal((await deployment.call(method, path, { key: weak })).status, 403, `${method} ${path}`);
});

async function onlyOrganization(open: Strongroom): Promise<OrganizationId> {
  const row = await open.store.read(SYSTEM, (db) =>
    db.selectFrom('organizations').select('id').executeTakeFirstOrThrow(),
  );
  return row.id as OrganizationId;
}
