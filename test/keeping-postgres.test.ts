/** Policies, holds and the archive on PostgreSQL: the same answers by the same statements. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '../src/durations.ts';
import { SYSTEM } from '../src/store/store.ts';
import { idOf, TestDeployment, type Answer } from './deployment.ts';
import { testPostgres } from './postgres.ts';

const BASE = '/v1/vaults/default/memories';

const idsIn = ({ json }: Answer): string[] => (json['memories'] as { id: string }[]).map(({ id }) => id);

test('on PostgreSQL a hold stops deletion, a policy ends what is over, and the archive gives back what moved', async (t) => {
  const postgres = await testPostgres();
  if ('absent' in postgres) return t.skip(postgres.absent);
  const { url, ownerUrl } = await postgres.createDatabase();
  const deployment = await TestDeployment.start(t, { settings: { database: url, databaseOwner: ownerUrl } });
  const add = async (body: object): Promise<string> => idOf(await deployment.must('POST', BASE, { body }));
  const ann = await add({ text: 'about ann', subject: 'ann', conversation: 'chat' });
  const derived = await add({ text: 'of both', subject: 'bo', derivedFrom: [ann], kind: 'fact' });
  const other = await add({ text: 'about cy' });
  const holds: string[] = [];
  for (const target of [
    { subject: 'ann' },
    { vault: 'default', conversation: 'chat' },
    { vault: 'default', memories: [derived] },
  ]) {
    const placed = await deployment.must('POST', '/v1/holds', { body: { name: 'case', target } });
    holds.push(idOf(placed));
    assert.equal((await deployment.call('DELETE', '/v1/vaults/default')).json['code'], 'held');
  }
  for (const id of [ann, derived])
    assert.equal((await deployment.call('DELETE', `${BASE}/${id}?mode=erase`)).json['code'], 'held');
  await deployment.must('PUT', '/v1/vaults/default/retention', { body: { memories: { days: 1 } } });
  deployment.clock.advance(2 * DAY_MS);
  assert.deepEqual(idsIn(await deployment.must('GET', BASE)), []);
  const kept = await deployment.must('GET', `/v1/holds/${holds[0]}/memories`);
  assert.deepEqual(idsIn(kept), [derived, ann]);
  await swept(deployment);
  assert.deepEqual(await stored(deployment), [ann, derived].sort());
  for (const hold of holds) await deployment.must('DELETE', `/v1/holds/${hold}`);
  await deployment.must('PUT', '/v1/vaults/default/retention', {
    body: { memories: { archiveAfterDays: 1 }, conversations: { days: 1 } },
  });
  const moved = await add({ text: 'of both', subject: 'bo', kind: 'fact' });
  deployment.clock.advance(2 * DAY_MS);
  await swept(deployment);
  assert.deepEqual(idsIn(await deployment.must('GET', `${BASE}?state=archived`)), [moved]);
  assert.deepEqual(
    await stored(deployment),
    [],
    'one has ended with what was derived from it, one has moved',
  );
  assert.equal((await deployment.call('GET', `${BASE}/${other}`)).status, 404);
  const scopes = [{ actions: ['archive.*'], vaults: ['*'] }];
  const asker = await deployment.must('POST', '/v1/keys', { body: { name: 'asker', scopes } });
  const request = idOf(
    await deployment.must('POST', '/v1/archive/requests', {
      key: String(asker.json['apiKey']),
      body: { vault: 'default', memories: [moved], reason: 'why' },
    }),
  );
  await deployment.must('POST', `/v1/archive/requests/${request}/approve`);
  deployment.clock.advance(DAY_MS);
  const copy = await deployment.must('GET', `/v1/archive/requests/${request}/memories`);
  assert.deepEqual(
    (copy.json['memories'] as { text: string }[]).map(({ text }) => text),
    ['of both'],
  );
});

async function swept(deployment: TestDeployment): Promise<void> {
  await deployment.stop();
  await deployment.opened(async ({ scheduler }) => {
    await scheduler.run();
  });
  await deployment.serve();
}

async function stored(deployment: TestDeployment): Promise<string[]> {
  await deployment.stop();
  const rows = await deployment.opened(({ store }) =>
    store.read(SYSTEM, (db) => db.selectFrom('memory_versions').select('memory').orderBy('memory').execute()),
  );
  await deployment.serve();
  return rows.map(({ memory }) => memory);
}
