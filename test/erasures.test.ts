/** Erasures through the interface: what was asked for is gone everywhere, its twin is not, and a wrong request does nothing. */
import assert from 'node:assert/strict';
import { createApiKey } from '../src/access/api-key.ts';
import { DAY_MS } from '../src/durations.ts';
import { realEnvironment } from '../src/environment.ts';
import { verifies } from '../src/assurance/testing/verifies.ts';
import { test } from 'node:test';
import type { Slot } from '../src/keys/slot.ts';
import { TABLES } from '../src/store/migrations.ts';
import { SYSTEM } from '../src/store/store.ts';
import { decodeScope } from '../src/vaults/memory-row.ts';
import type { Vault } from '../src/vaults/vault.ts';
import { testPostgres } from './postgres.ts';
import { addTenant, idOf, TestDeployment, type Answer, type Call, type Json } from './deployment.ts';

const BASE = '/v1/vaults/default/memories';

test('a person is erased from every vault at once, with one key', async (t) => {
  verifies('RET-01');
  const deployment = await TestDeployment.start(t);
  await deployment.must('POST', '/v1/vaults', { body: { name: 'other' } });
  const ids: string[] = [];
  for (const vault of ['default', 'other'])
    ids.push(
      await added(deployment, vault, { text: 'likes green tea', subject: 'ann' }),
      await added(deployment, vault, { text: 'likes green tea', subject: 'bob' }),
    );
  for (const vault of ['default', 'other']) assert.deepEqual(await seen(deployment, vault), ['ann', 'bob']);
  const plan = await deployment.must('POST', '/v1/erasures', {
    body: { target: { subject: 'ann' }, dryRun: true },
  });
  assert.deepEqual([plan.status, plan.json['count']], [200, 2]);
  const asked = await erased(deployment, { subject: 'ann' });
  assert.equal(asked.json['keys'], 1);
  for (const vault of ['default', 'other']) assert.deepEqual(await seen(deployment, vault), ['bob']);
  assert.equal((await deployment.call('GET', `${BASE}/${ids[0]}`)).json['code'], 'not_found');
  const done = await settled(deployment, idOf(asked));
  assert.deepEqual([done['state'], done['count'], done['removed']], ['purged', 2, 2]);
  assert.equal((await deployment.call('POST', '/v1/erasures', requestOf({ subject: 'ann' }))).status, 404);
});

test('an older version about a person goes with them, row and all, and the memory stays', async (t) => {
  verifies('RET-03');
  const deployment = await TestDeployment.start(t);
  await deployment.must('POST', '/v1/vaults', { body: { name: 'kept', history: true } });
  const id = await added(deployment, 'kept', { text: 'ann likes tea', subject: 'ann' });
  for (const body of [{ text: 'bob likes tea', subject: 'bob' }, { text: 'bob likes coffee' }])
    await deployment.must('PATCH', `/v1/vaults/kept/memories/${id}`, { body });
  await settled(deployment, idOf(await erased(deployment, { subject: 'ann' })));
  const { versions } = (await deployment.must('GET', `/v1/vaults/kept/memories/${id}/history`))
    .json as unknown as { versions: Json[] };
  assert.deepEqual(
    versions.map(({ text }) => text),
    ['bob likes coffee', 'bob likes tea'],
  );
  await deployment.stop();
  await deployment.opened(async ({ store }) => {
    const rows = await store.read(SYSTEM, (db) =>
      db
        .selectFrom('memory_versions')
        .select('version')
        .where('memory', '=', id)
        .orderBy('version')
        .execute(),
    );
    assert.deepEqual(
      rows.map(({ version }) => version),
      [2, 3],
    );
  });
});

test('a memory that was about a person for a while stays where it is, in the trash or not', async (t) => {
  verifies('RET-03');
  const deployment = await TestDeployment.start(t);
  await deployment.must('POST', '/v1/vaults', { body: { name: 'kept', history: true } });
  const ids: string[] = [];
  for (const text of ['tea for two', 'tea for three']) {
    const id = await added(deployment, 'kept', { text });
    for (const subject of ['ann', null])
      await deployment.must('PATCH', `/v1/vaults/kept/memories/${id}`, { body: { subject } });
    ids.push(id);
  }
  await deployment.must('DELETE', `/v1/vaults/kept/memories/${ids[1]}`);
  assert.deepEqual(await seen(deployment, 'kept'), ['undefined']);
  await settled(deployment, idOf(await erased(deployment, { subject: 'ann' })));
  assert.deepEqual(await seen(deployment, 'kept'), ['undefined']);
});

test('whoever took a copy away before an erasure is named, by key and vault, and nobody who did it later', async (t) => {
  const deployment = await TestDeployment.start(t);
  await deployment.must('POST', '/v1/vaults', { body: { name: 'other' } });
  const vaultOf = async (name: string): Promise<string> =>
    String((await deployment.must('GET', `/v1/vaults/${name}`)).json['id']);
  const [here, other] = [await vaultOf('default'), await vaultOf('other')];
  const scopes = [{ actions: ['memory.*'], vaults: ['default'] }];
  const made = await deployment.must('POST', '/v1/keys', { body: { name: 'confined', scopes } });
  const [key, own] = [String(made.json['apiKey']), deployment.apiKey];
  const exportBy = (by: string, name: string): Promise<Answer> =>
    deployment.call('GET', `/v1/vaults/${name}/memories/export`, { key: by });
  for (const vault of ['default', 'other']) await added(deployment, vault, { text: 'tea', subject: 'ann' });
  const memory = await added(deployment, 'default', { text: 'green tea' });
  for (const name of ['default', 'other']) assert.equal((await exportBy(own, name)).status, 200);
  deployment.clock.advance(1000);
  assert.equal((await exportBy(key, 'default')).status, 200);
  assert.equal((await exportBy(key, 'other')).status, 404, 'what is refused takes nothing');
  deployment.clock.advance(1000);
  const ofMemory = idOf(await erased(deployment, { memory }));
  const ofAnn = idOf(await erased(deployment, { subject: 'ann' }));
  deployment.clock.advance(1000);
  await exportBy(key, 'other');
  await exportBy(own, 'default');
  const namedBy = async (id: string): Promise<unknown[][]> => {
    const { json } = await deployment.must('GET', `/v1/erasures/${id}/recipients`);
    return (json['recipients'] as Json[]).map(({ how, principal, vault }) => [how, principal, vault]);
  };
  const [confined, first] = [key, own].map(
    (text) => `key_${text.slice('sr_production_'.length).slice(0, 26)}`,
  );
  const expected = [
    ['export', confined, here],
    ['export', first, here],
  ];
  assert.deepEqual(await namedBy(ofMemory), expected);
  const ofBoth = await namedBy(ofAnn);
  assert.deepEqual([ofBoth.length, ofBoth.slice(0, 1)], [3, expected.slice(0, 1)]);
  assert.ok(ofBoth.some(([, principal, vault]) => principal === first && vault === other));
  assert.equal((await deployment.call('GET', `/v1/erasures/${ofAnn}/recipients`, { key })).status, 403);
  const stranger = await deployment.call('GET', '/v1/erasures/era_00000000000000000000000000/recipients');
  assert.equal(stranger.status, 404);
});

test('a person who returns after their erasure is somebody new', async (t) => {
  const deployment = await TestDeployment.start(t);
  await added(deployment, 'default', { text: 'old tea', subject: 'ann' });
  await settled(deployment, idOf(await erased(deployment, { subject: 'ann' })));
  const id = await added(deployment, 'default', { text: 'new tea', subject: 'ann' });
  assert.deepEqual(await seen(deployment, 'default'), ['ann']);
  await settled(deployment, idOf(await erased(deployment, { subject: 'ann' })));
  assert.equal((await deployment.call('GET', `${BASE}/${id}`)).status, 404);
});

test('a person who was named later takes along what was said before, and what was derived from it', async (t) => {
  verifies('RET-03');
  const deployment = await TestDeployment.start(t);
  const id = await added(deployment, 'default', { text: 'green tea, by whom?' });
  const derived = await added(deployment, 'default', { text: 'somebody likes tea', derivedFrom: [id] });
  const twin = await added(deployment, 'default', { text: 'green tea, by another' });
  await deployment.must('PATCH', `${BASE}/${id}`, { body: { subject: 'ann' } });
  const slots = await slotsOfAll(deployment, [id, derived]);
  assert.equal(slots.length, 3, 'the superseded version counts');
  const asked = await erased(deployment, { subject: 'ann' });
  const done = await settled(deployment, idOf(asked));
  assert.equal(done['removed'], 2);
  for (const gone of [id, derived])
    assert.equal((await deployment.call('GET', `${BASE}/${gone}`)).status, 404);
  await deployment.must('GET', `${BASE}/${twin}`);
  await deployment.stop();
  await deployment.opened(({ keyring }) => {
    for (const of of slots)
      assert.ok(
        of.some((slot) => keyring.isErased(slot)),
        of.join(),
      );
    return Promise.resolve();
  });
});

test('a memory takes along everything that was derived from it, and says how much', async (t) => {
  const deployment = await TestDeployment.start(t);
  const first = await added(deployment, 'default', { text: 'tea at four' });
  const second = await added(deployment, 'default', { text: 'tea daily', derivedFrom: [first] });
  const third = await added(deployment, 'default', { text: 'tea habits', derivedFrom: [second] });
  const twin = await added(deployment, 'default', { text: 'tea at five' });
  const plan = await deployment.must('POST', '/v1/erasures', {
    body: { target: { memory: first }, dryRun: true },
  });
  assert.equal(plan.json['count'], 3);
  const asked = await erased(deployment, { memory: first });
  assert.equal(asked.json['count'], 3);
  for (const id of [first, second, third])
    assert.equal((await deployment.call('GET', `${BASE}/${id}`)).status, 404);
  await deployment.must('GET', `${BASE}/${twin}`);
  const done = await settled(deployment, idOf(asked));
  assert.equal(done['removed'], 3);
  const refused = await deployment.call('POST', BASE, { body: { text: 'again', derivedFrom: [first] } });
  assert.equal(refused.json['code'], 'request.invalid');
});

test('a conversation goes with what was derived from it; the other one stays', async (t) => {
  const deployment = await TestDeployment.start(t);
  const said = await added(deployment, 'default', { text: 'about tea', conversation: 'one' });
  const derived = await added(deployment, 'default', { text: 'a summary of tea', derivedFrom: [said] });
  const twin = await added(deployment, 'default', { text: 'about tea', conversation: 'two' });
  const asked = await erased(deployment, { vault: 'default', conversation: 'one' });
  for (const id of [said, derived]) assert.equal((await deployment.call('GET', `${BASE}/${id}`)).status, 404);
  await deployment.must('GET', `${BASE}/${twin}`);
  const done = await settled(deployment, idOf(asked));
  assert.deepEqual([done['keys'], done['removed']], [1, 2]);
});

test('a filter erases what its dry run counted, and nothing else confirms it', async (t) => {
  verifies('PRV-02');
  const deployment = await TestDeployment.start(t);
  for (const kind of ['fact', 'fact', 'rule'])
    await added(deployment, 'default', { text: `tea as a ${kind}`, kind });
  const target = { vault: 'default', filter: { kind: 'fact' } };
  const without = await deployment.call('POST', '/v1/erasures', requestOf(target));
  assert.deepEqual([without.status, pathsOf(without)], [400, ['/confirm']]);
  const plan = await planned(deployment, target);
  assert.equal(plan.json['count'], 2);
  const { confirm } = plan.json;
  const other = { vault: 'default', filter: { kind: 'rule' } };
  const key = String(
    (
      await deployment.must('POST', '/v1/keys', {
        body: { name: 'second', scopes: [{ actions: ['*'], vaults: ['*'] }] },
      })
    ).json['apiKey'],
  );
  const wrong: readonly (readonly [object, Call])[] = [
    [target, { body: { target, reason: 'x', confirm: 'made-up' } }],
    [target, { body: { target, reason: 'x', confirm: `${String(confirm).slice(0, -3)}AAA` } }],
    [other, { body: { target: other, reason: 'x', confirm } }],
    [target, { body: { target, reason: 'x', confirm }, key }],
  ];
  for (const [, call] of wrong)
    assert.deepEqual(pathsOf(await deployment.call('POST', '/v1/erasures', call)), ['/confirm']);
  await added(deployment, 'default', { text: 'tea as a late fact', kind: 'fact' });
  const changed = await deployment.call('POST', '/v1/erasures', requestOf(target, { confirm }));
  assert.deepEqual([changed.status, changed.json['code']], [409, 'conflict']);
  assert.equal((await listed(deployment, 'default')).length, 4, 'a refused request leaves everything');
  const late = await planned(deployment, target);
  deployment.clock.advance(16 * 60_000);
  const expired = await deployment.call('POST', '/v1/erasures', requestOf(target, late.json));
  assert.deepEqual([expired.status, pathsOf(expired)], [400, ['/confirm']]);
  const again = await planned(deployment, target);
  const asked = await deployment.must('POST', '/v1/erasures', requestOf(target, again.json));
  assert.equal(asked.json['count'], 3);
  assert.deepEqual(
    (await listed(deployment, 'default')).map(({ kind }) => kind),
    ['rule'],
  );
  const done = await settled(deployment, idOf(asked));
  assert.equal(done['removed'], 3);
});

test('unknown targets, targets of others and requests that are none are refused and do nothing', async (t) => {
  const deployment = await TestDeployment.start(t);
  await deployment.stop();
  const other = await addTenant(deployment);
  await deployment.serve();
  const theirs = idOf(
    await deployment.must('POST', BASE, { body: { text: 'theirs', subject: 'zoe' }, key: other.apiKey }),
  );
  const own = await added(deployment, 'default', { text: 'mine', subject: 'ann', conversation: 'talk' });
  const absent = [
    { memory: theirs },
    { memory: 'mem_01kr0y2g80exb8jcgp8rznahj4' },
    { memory: own, vault: 'nowhere' },
    { subject: 'zoe' },
    { vault: other.vault },
    { vault: 'nowhere' },
    { vault: 'default', conversation: 'none' },
    { organization: other.organization },
  ];
  const texts = new Set<string>();
  for (const target of absent)
    for (const more of [{ reason: 'x' }, { dryRun: true }]) {
      const answer = await deployment.call('POST', '/v1/erasures', { body: { target, ...more } });
      assert.equal(answer.status, 404, JSON.stringify(target));
      texts.add(answer.text);
    }
  assert.equal(texts.size, 1);
  const bad: readonly object[] = [
    { target: {}, reason: 'x' },
    { target: { subject: 'ann', vault: 'default' }, reason: 'x' },
    { target: { conversation: 'talk' }, reason: 'x' },
    { target: { subject: 'ann' } },
    { target: { subject: 'ann' }, reason: '' },
    { target: { subject: 'ann' }, reason: 'x', nonce: 'short' },
    { target: { subject: 'ann' }, reason: 'x', requester: 'without a nonce' },
    { target: { subject: 'ann' }, reason: 'x', graceDays: 3 },
    { target: { vault: 'default', filter: { kind: { near: 1 } } }, reason: 'x', confirm: 'y' },
  ];
  for (const body of bad)
    assert.equal((await deployment.call('POST', '/v1/erasures', { body })).status, 400, JSON.stringify(body));
  const theirErasure = idOf(
    await deployment.must('POST', '/v1/erasures', { ...requestOf({ memory: theirs }), key: other.apiKey }),
  );
  for (const path of ['', '/certificate'])
    assert.equal((await deployment.call('GET', `/v1/erasures/${theirErasure}${path}`)).status, 404);
  assert.deepEqual((await deployment.must('GET', '/v1/erasures')).json['erasures'], []);
  await deployment.must('GET', `${BASE}/${own}`);
});

test('a key that may erase in one vault erases nothing beyond it', async (t) => {
  const deployment = await TestDeployment.start(t);
  const vault = idOf(await deployment.must('POST', '/v1/vaults', { body: { name: 'narrow' } }));
  const scopes = [{ actions: ['erasure.*', 'memory.*'], vaults: [vault] }];
  const key = String(
    (await deployment.must('POST', '/v1/keys', { body: { name: 'narrow', scopes } })).json['apiKey'],
  );
  const inside = await added(deployment, 'narrow', { text: 'inside', subject: 'ann' });
  const outside = await added(deployment, 'default', { text: 'outside', subject: 'ann' });
  const organization = (await deployment.must('GET', '/v1/ledger/checkpoint')).json['log'];
  for (const [target, status] of [
    [{ memory: outside }, 404],
    [{ vault: 'default' }, 404],
    [{ subject: 'ann' }, 403],
    [{ organization }, 403],
  ] as const)
    assert.equal(
      (await deployment.call('POST', '/v1/erasures', { ...requestOf(target), key })).status,
      status,
      JSON.stringify(target),
    );
  const asked = await deployment.must('POST', '/v1/erasures', { ...requestOf({ memory: inside }), key });
  await deployment.must('GET', `/v1/erasures/${idOf(asked)}`, { key });
  await deployment.must('GET', `/v1/erasures/${idOf(asked)}/certificate`, { key });
  await deployment.must('GET', `${BASE}/${outside}`);
  const theirs = idOf(await erased(deployment, { memory: outside }));
  assert.equal((await deployment.call('GET', `/v1/erasures/${theirs}`, { key })).status, 404);
});

test('two who ask for the same person at one moment get one erasure', async (t) => {
  const deployment = await TestDeployment.start(t);
  await added(deployment, 'default', { text: 'tea', subject: 'ann' });
  const answers = await Promise.all(
    Array.from({ length: 6 }, () => deployment.call('POST', '/v1/erasures', requestOf({ subject: 'ann' }))),
  );
  const accepted = answers.filter(({ status }) => status === 202);
  assert.ok(accepted.length > 0);
  assert.equal(new Set(accepted.map(idOf)).size, 1);
  assert.ok(answers.every(({ status }) => status === 202 || status === 404));
});

test('a repeated request with its idempotency key is the same erasure', async (t) => {
  const deployment = await TestDeployment.start(t);
  await added(deployment, 'default', { text: 'tea', subject: 'ann' });
  const call = { ...requestOf({ subject: 'ann' }), headers: { 'idempotency-key': 'job-1' } };
  const first = await deployment.must('POST', '/v1/erasures', call);
  const again = await deployment.must('POST', '/v1/erasures', call);
  assert.deepEqual([again.status, idOf(again)], [202, idOf(first)]);
  assert.equal(again.headers['idempotency-replayed'], 'true');
});

test('a vault is taken back from the trash within its days, and after them ends by itself', async (t) => {
  const deployment = await TestDeployment.start(t);
  const made = await deployment.must('POST', '/v1/vaults', {
    body: { name: 'thrown', deletion: { days: 7 } },
  });
  const id = await added(deployment, 'thrown', { text: 'kept tea', subject: 'ann' });
  assert.equal((await deployment.must('DELETE', '/v1/vaults/thrown')).status, 204);
  assert.equal((await deployment.call('GET', '/v1/vaults/thrown')).status, 404);
  assert.equal((await deployment.call('POST', '/v1/vaults/default/restore')).status, 404);
  await deployment.must('POST', '/v1/vaults/thrown/restore');
  await deployment.must('GET', `/v1/vaults/thrown/memories/${id}`);
  assert.deepEqual(await seen(deployment, 'thrown'), ['ann']);
  await deployment.must('DELETE', '/v1/vaults/thrown');
  await deployment.must('POST', '/v1/vaults', { body: { name: 'thrown' } });
  assert.equal((await deployment.call('POST', `/v1/vaults/${idOf(made)}/restore`)).json['code'], 'conflict');
  deployment.clock.advance(7 * DAY_MS);
  await deployment.stop();
  await deployment.serve();
  assert.equal((await deployment.call('POST', `/v1/vaults/${idOf(made)}/restore`)).status, 404);
  await everyDone(deployment);
  const { erasures } = (await deployment.must('GET', '/v1/erasures')).json as unknown as { erasures: Json[] };
  assert.deepEqual(
    erasures.map(({ kind, cause, state, removed, target }) => [kind, cause, state, removed, target]),
    [['vault', 'trash', 'purged', 1, idOf(made)]],
  );
  await deployment.stop();
  assert.deepEqual(await rowsIn(deployment, idOf(made)), {});
});

test('an immediate vault is erased when it is deleted', async (t) => {
  const deployment = await TestDeployment.start(t);
  const vault = idOf(
    await deployment.must('POST', '/v1/vaults', {
      body: { name: 'passing', deletion: { mode: 'immediate' } },
    }),
  );
  await added(deployment, 'passing', { text: 'tea', conversation: 'talk' });
  await seen(deployment, 'passing');
  await deployment.must('DELETE', '/v1/vaults/passing');
  assert.equal((await deployment.call('POST', '/v1/vaults/passing/restore')).status, 404);
  const { erasures } = (await deployment.must('GET', '/v1/erasures')).json as unknown as { erasures: Json[] };
  await settled(deployment, String(erasures[0]?.['id']));
  await deployment.stop();
  assert.deepEqual(await rowsIn(deployment, vault), {});
});

test('an organization can be closed, taken back, and ends after its days with every row but the record', async (t) => {
  verifies('RET-04');
  const deployment = await TestDeployment.start(t);
  await deployment.stop();
  const other = await addTenant(deployment);
  await deployment.serve();
  const organization = String((await deployment.must('GET', '/v1/ledger/checkpoint')).json['log']);
  await added(deployment, 'default', { text: 'tea', subject: 'ann', conversation: 'talk' });
  const close = requestOf({ organization });
  const asked = await deployment.must('POST', '/v1/erasures', close);
  assert.equal(asked.json['state'], 'requested');
  assert.equal(asked.json['dueAt'], new Date(deployment.clock.now() + 14 * DAY_MS).toISOString());
  const path = `/v1/erasures/${idOf(asked)}`;
  for (const refused of ['/v1/vaults', BASE, '/v1/ledger', '/v1/keys']) {
    const answer = await deployment.call('GET', refused);
    assert.deepEqual([answer.status, answer.json['code']], [403, 'organization.closing'], refused);
  }
  assert.equal((await deployment.must('GET', path)).json['state'], 'requested');
  assert.equal((await deployment.call('GET', `${path}/certificate`)).json['code'], 'certificate.pending');
  assert.equal((await deployment.must('POST', `${path}/cancel`)).json['state'], 'cancelled');
  await deployment.must('GET', BASE);
  const again = await deployment.must('POST', '/v1/erasures', close);
  assert.notEqual(idOf(again), idOf(asked));
  deployment.clock.advance(14 * DAY_MS - 1);
  await deployment.stop();
  await deployment.serve();
  assert.equal((await deployment.must('GET', `/v1/erasures/${idOf(again)}`)).json['state'], 'requested');
  deployment.clock.advance(1);
  await deployment.stop();
  await deployment.serve();
  assert.equal((await deployment.call('GET', BASE)).status, 403);
  await deployment.must('GET', BASE, { key: other.apiKey });
  const status = await settled(deployment, idOf(again));
  assert.deepEqual([status['state'], status['removed']], ['purged', 1]);
  await deployment.must('GET', `/v1/erasures/${idOf(again)}/certificate`);
  for (const refused of ['/v1/vaults', '/v1/erasures', '/v1/ledger'])
    assert.equal((await deployment.call('GET', refused)).status, 403, 'only the record of its end is left');
  const id = `key_${deployment.apiKey.slice('sr_production_'.length).slice(0, 26)}` as const;
  const forged = createApiKey('production', id, realEnvironment.random).reveal();
  assert.equal((await deployment.call('GET', path, { key: forged })).status, 401);
  await deployment.stop();
  assert.deepEqual(Object.keys(await rowsIn(deployment, organization)).sort(), [
    'erasures',
    'ledger_checkpoints',
    'ledger_entries',
    'ledger_heads',
    'ledger_targets',
  ]);
});

test('wherever the rows of a closed organization are on their way out, everybody else’s endings and keys go on', async (t) => {
  verifies('RET-04');
  let batches = Infinity;
  const fault = (point: string): void => {
    if (point === 'erasure.purge' && batches-- <= 0) throw new Error('stopped between two batches');
  };
  const deployment = await TestDeployment.start(t, { fault });
  await deployment.stop();
  const other = await addTenant(deployment);
  await deployment.serve();
  const { organization: closed, apiKey: key } = other;
  await deployment.must('PUT', '/v1/vaults/default/retention', { key, body: { memories: { days: 400 } } });
  await deployment.must('POST', BASE, { key, body: { text: 'tea', subject: 'ann', conversation: 'talk' } });
  const thrown = { name: 'thrown away', deletion: { mode: 'trash', days: 15 } };
  await deployment.must('POST', '/v1/vaults', { key, body: thrown });
  await deployment.must('DELETE', '/v1/vaults/thrown%20away', { key });
  const asked = await deployment.must('POST', '/v1/erasures', {
    key,
    ...requestOf({ organization: closed }),
  });
  deployment.clock.advance(14 * DAY_MS);
  await deployment.stop();
  batches = 0;
  await deployment.opened(async ({ lifecycle, erasures, rotations }) => {
    const stateNow = async (): Promise<string | undefined> => (await erasures.row(idOf(asked)))?.state;
    assert.equal(await stateNow(), 'destroyed');
    let stops = 0;
    // What it had thrown away would be due by now as well.
    deployment.clock.advance(2 * DAY_MS);
    for (; (await stateNow()) === 'destroyed'; stops++) {
      await rotations.run(['api-keys'], { cause: 'command', atOnce: true });
      batches = stops;
      await lifecycle.run();
      await erasures.settled();
    }
    assert.ok(stops > 10, `${stops} stops`);
    assert.equal(await stateNow(), 'purged');
  });
  await deployment.opened(async ({ policies }) => {
    const vault = { id: other.vault, organization: { id: closed } } as Vault;
    assert.deepEqual(await policies.of(vault), { vault: null, organization: null, capMs: null });
  });
});

test('an organization ends without a grace period only after a dry run of it as it is', async (t) => {
  verifies('RET-04');
  const deployment = await TestDeployment.start(t);
  const organization = String((await deployment.must('GET', '/v1/ledger/checkpoint')).json['log']);
  await added(deployment, 'default', { text: 'tea' });
  const close = (more: object): Promise<Answer> =>
    deployment.call('POST', '/v1/erasures', {
      body: { target: { organization }, reason: 'moved', graceDays: 0, ...more },
    });
  const other = await planned(deployment, { vault: 'default' });
  const early = await planned(deployment, { organization });
  assert.equal(early.json['count'], 1);
  for (const more of [{}, { confirm: 'made-up' }, { confirm: other.json['confirm'] }]) {
    const refused = await close(more);
    assert.deepEqual([refused.status, pathsOf(refused)], [400, ['/confirm']]);
  }
  await added(deployment, 'default', { text: 'more tea' });
  assert.equal((await close({ confirm: early.json['confirm'] })).json['code'], 'conflict');
  assert.deepEqual((await deployment.must('GET', '/v1/erasures')).json['erasures'], []);
  await deployment.must('GET', BASE);
  const { confirm } = (await planned(deployment, { organization })).json;
  const asked = await close({ confirm });
  assert.deepEqual([asked.status, asked.json['state']], [202, 'requested']);
  await deployment.stop();
  await deployment.serve();
  const done = await settled(deployment, idOf(asked));
  assert.deepEqual([done['kind'], done['removed']], ['organization', 2]);
});

test('on PostgreSQL each kind of erasure comes to its end, and what was erased is known again', async (t) => {
  const postgres = await testPostgres();
  if ('absent' in postgres) return t.skip(postgres.absent);
  const { url, ownerUrl } = await postgres.createDatabase();
  const settings = { database: url, databaseOwner: ownerUrl };
  const deployment = await TestDeployment.start(t, { settings });
  await deployment.must('POST', '/v1/vaults', { body: { name: 'kept', tombstones: 'refuse' } });
  const first = await added(deployment, 'kept', { text: 'tea once', subject: 'ann', conversation: 'talk' });
  await deployment.must('PATCH', `/v1/vaults/kept/memories/${first}`, { body: { text: 'tea twice' } });
  await added(deployment, 'kept', { text: 'tea, derived', derivedFrom: [first] });
  await added(deployment, 'kept', { text: 'tea thrice', conversation: 'talk' });
  await added(deployment, 'kept', { text: 'tea alone', kind: 'go' });
  const single = await added(deployment, 'kept', { text: 'tea at last' });
  const counts: unknown[] = [];
  for (const target of [
    { subject: 'ann' },
    { vault: 'kept', conversation: 'talk' },
    { vault: 'kept', filter: { kind: 'go' } },
    { memory: single },
  ]) {
    const plan = await planned(deployment, target);
    const asked = await deployment.must('POST', '/v1/erasures', requestOf(target, plan.json));
    const { removed } = await settled(deployment, idOf(asked));
    counts.push([plan.json['count'], removed]);
    await deployment.must('GET', `/v1/erasures/${idOf(asked)}/certificate`);
  }
  assert.deepEqual(counts, [
    [2, 2],
    [1, 1],
    [1, 1],
    [1, 1],
  ]);
  const again = await deployment.call('POST', '/v1/vaults/kept/memories', { body: { text: 'Tea  at last' } });
  assert.equal(again.json['code'], 'erased.before');
  await settled(deployment, idOf(await erased(deployment, { vault: 'kept' })));
  const organization = (await deployment.must('GET', '/v1/ledger/checkpoint')).json['log'];
  const { confirm } = (await planned(deployment, { organization })).json;
  const closing = await deployment.must('POST', '/v1/erasures', {
    body: { target: { organization }, reason: 'moved', graceDays: 0, confirm },
  });
  await deployment.stop();
  await deployment.serve();
  await settled(deployment, idOf(closing));
  await deployment.stop();
  assert.deepEqual(Object.keys(await rowsIn(deployment, String(organization))).sort()[0], 'erasures');
});

const requestOf = (target: object, more: object = {}): Call => {
  const { confirm } = more as { confirm?: unknown };
  return { body: { target, reason: 'asked for', ...(confirm === undefined ? {} : { confirm }) } };
};

const planned = (deployment: TestDeployment, target: object): Promise<Answer> =>
  deployment.must('POST', '/v1/erasures', { body: { target, dryRun: true } });

const erased = async (deployment: TestDeployment, target: object): Promise<Answer> => {
  const answer = await deployment.must('POST', '/v1/erasures', requestOf(target));
  assert.equal(answer.status, 202);
  return answer;
};

const added = async (deployment: TestDeployment, vault: string, body: object): Promise<string> =>
  idOf(await deployment.must('POST', `/v1/vaults/${vault}/memories`, { body }));

async function listed(deployment: TestDeployment, vault: string): Promise<Json[]> {
  const { json } = await deployment.must('GET', `/v1/vaults/${vault}/memories?limit=100`);
  return json['memories'] as Json[];
}

/** Whom the vault's memories are about, as search, list and export agree. */
async function seen(deployment: TestDeployment, vault: string): Promise<unknown[]> {
  const found = await deployment.must('POST', `/v1/vaults/${vault}/search`, { body: { query: 'tea' } });
  const exported = await deployment.must('GET', `/v1/vaults/${vault}/memories/export`);
  const ways = [
    found.json['results'] as Json[],
    await listed(deployment, vault),
    exported.text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Json),
  ].map((memories) => memories.map(({ subject }) => String(subject)).sort());
  for (const way of ways) assert.deepEqual(way, ways[0]);
  return ways[0] ?? [];
}

async function settled(deployment: TestDeployment, id: string): Promise<Json> {
  for (let round = 0; round < 500; round++) {
    const { json } = await deployment.must('GET', `/v1/erasures/${id}`);
    if (json['state'] === 'purged') return json;
  }
  return assert.fail('the erasure does not come to its end');
}

/** Waits until no erasure is under way. */
async function everyDone(deployment: TestDeployment): Promise<void> {
  const { json } = await deployment.must('GET', '/v1/erasures');
  for (const { id, state } of json['erasures'] as Json[])
    if (state === 'hidden' || state === 'destroyed') await settled(deployment, String(id));
}

const pathsOf = ({ json }: Answer): unknown[] => ((json['errors'] ?? []) as Json[]).map(({ path }) => path);

/** Of each version of these memories, all slots of its key that rows know: of a superseded one its own only. */
async function slotsOfAll(deployment: TestDeployment, ids: string[]): Promise<Slot[][]> {
  await deployment.stop();
  const slots = await deployment.opened(({ store }) =>
    store.read(SYSTEM, async (db) => {
      const kept = await db
        .selectFrom('memory_versions')
        .select(['slot', 'scope'])
        .where('memory', 'in', ids)
        .execute();
      const old = await db.selectFrom('superseded_slots').select('slot').where('memory', 'in', ids).execute();
      return [
        ...kept.map(({ slot, scope }) => [slot as Slot, ...decodeScope(scope).map(([, own]) => own)]),
        ...old.map(({ slot }) => [slot as Slot]),
      ];
    }),
  );
  await deployment.serve();
  return slots;
}

/** How many rows of each table name a vault or an organization. */
function rowsIn(deployment: TestDeployment, owner: string): Promise<Record<string, number>> {
  return deployment.opened(async ({ store, erasures }) => {
    await erasures.settled();
    return store.read(SYSTEM, async (db) => {
      const counts: Record<string, number> = {};
      for (const [table, { columns }] of Object.entries(TABLES)) {
        const column = owner.startsWith('org_') ? 'organization' : table === 'vaults' ? 'id' : 'vault';
        if (columns[column] === undefined || (table === 'erasures' && !owner.startsWith('org_'))) continue;
        const rows = await db
          .selectFrom(table as 'memories')
          .select('change')
          .where(column as 'vault', '=', owner)
          .execute();
        if (rows.length > 0) counts[table] = rows.length;
      }
      return counts;
    });
  });
}
