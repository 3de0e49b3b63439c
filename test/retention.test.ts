/** How long things are kept, over HTTP, on a deployment of their own. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { RetentionExplanation, RetentionSimulation } from '@strongroom/client';
import { DAY_MS, HOUR_MS } from '../src/durations.ts';
import { realEnvironment } from '../src/environment.ts';
import { trustClock } from '../src/deployment.ts';
import { LogFiles } from '../src/http/log-files.ts';
import { silentLog } from '../src/http/request-log.ts';
import { openStrongroom, type Strongroom } from '../src/strongroom.ts';
import { SYSTEM } from '../src/store/store.ts';
import { verifies } from '../src/assurance/testing/verifies.ts';
import { idOf, TestDeployment, type Answer, type Json } from './deployment.ts';

const BASE = '/v1/vaults/default/memories';
const POLICY = '/v1/vaults/default/retention';
const SEARCH = '/v1/vaults/default/search';

const add = async (deployment: TestDeployment, body: object): Promise<string> =>
  idOf(await deployment.must('POST', BASE, { body }));

const idsIn = ({ json }: Answer, list = 'memories'): string[] =>
  (json[list] as { id: string }[]).map(({ id }) => id);

const explain = async (deployment: TestDeployment, id: string): Promise<RetentionExplanation> =>
  (await deployment.must('GET', `${BASE}/${id}/retention`)).json as unknown as RetentionExplanation;

/** In how many kinds of answers the memory is. */
async function answersWith(deployment: TestDeployment, id: string): Promise<string[]> {
  const found: string[] = [];
  if ((await deployment.call('GET', `${BASE}/${id}`)).status === 200) found.push('get');
  if (idsIn(await deployment.must('GET', BASE)).includes(id)) found.push('list');
  if ((await deployment.must('GET', `${BASE}/export`)).text.includes(id)) found.push('export');
  if ((await deployment.call('GET', `${BASE}/${id}/history`)).status === 200) found.push('history');
  const search = await deployment.must('POST', SEARCH, { body: { query: 'walnut tree' } });
  if (idsIn(search, 'results').includes(id)) found.push('search');
  const update = await deployment.call('PATCH', `${BASE}/${id}`, { body: { metadata: { seen: true } } });
  if (update.status === 200) found.push('update');
  return found;
}

test('a policy that was set a moment ago hides what it makes expired from every answer, and the sweep destroys it', async (t) => {
  verifies('RET-05');
  verifies('RET-06');
  const deployment = await TestDeployment.start(t);
  const old = await add(deployment, { text: 'the old walnut tree' });
  deployment.clock.advance(2 * DAY_MS);
  const young = await add(deployment, { text: 'the young walnut tree' });
  assert.equal((await answersWith(deployment, old)).length, 6, 'the question can be answered');
  await deployment.must('PUT', POLICY, { body: { memories: { days: 1 } } });
  assert.deepEqual(await answersWith(deployment, old), []);
  assert.equal((await answersWith(deployment, young)).length, 6);
  const { rule, endsAt, hiddenAt } = await explain(deployment, old);
  assert.equal(rule, 'vault');
  assert.equal(endsAt, hiddenAt);
  await deployment.stop();
  await deployment.opened(async ({ store, keyring }) => {
    const rows = await store.read(SYSTEM, (db) => db.selectFrom('memories').select('id').execute());
    assert.deepEqual(
      rows.map(({ id }) => id),
      [young],
    );
    const requests = await store.read(SYSTEM, (db) =>
      db
        .selectFrom('key_requests')
        .select(['reason', 'state'])
        .where('reason', '=', 'erasure.memories')
        .execute(),
    );
    assert.deepEqual(
      requests.map(({ state }) => state),
      ['destroyed'],
    );
    assert.ok(keyring.epoch > 0);
  });
});

test('a rule for a kind, for conversations and for a vault each beat the wider one', async (t) => {
  const deployment = await TestDeployment.start(t);
  await deployment.must('PUT', '/v1/retention', {
    body: { memories: { days: 100 }, conversations: { days: 50 }, kinds: [{ kind: 'rumour', days: 5 }] },
  });
  await deployment.must('PUT', POLICY, { body: { kinds: [{ kind: 'gossip', days: 2 }] } });
  const bodies = {
    plain: { text: 'one walnut tree' },
    talk: { text: 'two walnut trees', conversation: 'chat' },
    rumour: { text: 'three walnut trees', kind: 'rumour' },
    gossip: { text: 'four walnut trees', kind: 'gossip', conversation: 'chat' },
    own: {
      text: 'five walnut trees',
      expiresAt: new Date(deployment.clock.now() + 7 * DAY_MS).toISOString(),
    },
  };
  const expected = { plain: 100, talk: 50, rumour: 5, gossip: 2, own: 7 };
  const rules = {
    plain: 'organization',
    talk: 'organization',
    rumour: 'organization',
    gossip: 'vault',
    own: 'item',
  };
  for (const name of ['plain', 'talk', 'rumour', 'gossip', 'own'] as const) {
    const made = deployment.clock.now();
    const { rule, endsAt } = await explain(deployment, await add(deployment, bodies[name]));
    assert.deepEqual([rule, Date.parse(endsAt ?? '') - made], [rules[name], expected[name] * DAY_MS], name);
  }
  deployment.clock.advance(2 * DAY_MS);
  const left = await deployment.must('POST', SEARCH, { body: { query: 'walnut trees' } });
  assert.equal(idsIn(left, 'results').length, 4);
});

test('nothing is kept beyond the cap of the deployment, whatever it says of itself', async (t) => {
  const deployment = await TestDeployment.start(t, { settings: { retentionCapDays: 3 } });
  const made = deployment.clock.now();
  const expiresAt = new Date(made + 100 * DAY_MS).toISOString();
  const id = await add(deployment, { text: 'a walnut tree for long', expiresAt });
  const { rule, endsAt } = await explain(deployment, id);
  assert.deepEqual([rule, Date.parse(endsAt ?? '')], ['cap', made + 3 * DAY_MS]);
  deployment.clock.advance(3 * DAY_MS);
  assert.deepEqual(await answersWith(deployment, id), []);
});

test('an entry of the ledger says until when it is kept, a refusal as one of the security log', async (t) => {
  const deployment = await TestDeployment.start(t);
  await add(deployment, { text: 'a walnut tree' });
  const body = { name: 'small', scopes: [{ actions: ['memory.get', 'retention.explain'], vaults: ['*'] }] };
  const key = String((await deployment.must('POST', '/v1/keys', { body })).json['apiKey']);
  assert.equal((await deployment.call('GET', '/v1/keys', { key })).status, 403);
  const entryOf = async (action: string): Promise<{ n: number; at: string }> => {
    const { json } = await deployment.must('GET', `/v1/ledger?action=${action}&limit=1`);
    const [entry] = json['entries'] as { n: number; at: string }[];
    return entry ?? assert.fail(action);
  };
  const explained = async (n: number | string, by = deployment.apiKey): Promise<Answer> =>
    deployment.call('GET', `/v1/ledger/entries/${n}/retention`, { key: by });
  const added = await entryOf('memory.add');
  const endsAt = new Date(Date.parse(added.at) + 7 * 365.25 * DAY_MS).toISOString();
  assert.deepEqual((await explained(added.n)).json, {
    entry: added.n,
    class: 'ledger',
    at: added.at,
    keptUntil: endsAt,
    endsAt,
    details: 'kept',
  });
  const refused = await entryOf('key.list');
  const { json } = await explained(refused.n, key);
  assert.deepEqual([json['class'], json['endsAt']], ['security', endsAt]);
  const year = new Date(refused.at);
  year.setUTCFullYear(year.getUTCFullYear() + 1);
  assert.equal(json['keptUntil'], year.toISOString());
  for (const n of [9999, 'first', '-1', '1e3']) assert.equal((await explained(n)).status, 404, String(n));
});

test('a line of the application log says which file it is in and when that goes, and then it goes', async (t) => {
  const settings = { logFolder: 'logs', logDays: 3 };
  const deployment = await TestDeployment.start(t, { settings });
  const explained = async (query = ''): Promise<Json> =>
    (await deployment.must('GET', `/v1/retention/log${query}`)).json;
  const at = new Date(deployment.clock.now()).toISOString();
  const file = `strongroom-${at.slice(0, 10)}.jsonl`;
  const now = await explained();
  const endsAt = `${new Date(Date.parse(at) + 4 * DAY_MS).toISOString().slice(0, 10)}T00:00:00.000Z`;
  assert.deepEqual(now, { class: 'application', days: 3, at, file, endsAt });
  assert.equal((await explained(`?at=${at.slice(0, 10)}`))['endsAt'], endsAt);
  assert.equal((await explained(`?at=${encodeURIComponent(at)}`))['endsAt'], endsAt);
  const files = new LogFiles({
    folder: join(deployment.directory, 'logs'),
    days: 3,
    clock: deployment.clock,
  });
  files.write('a line of the day\n');
  files.close();
  deployment.clock.advance(Date.parse(endsAt) - deployment.clock.now() - 1);
  files.prune();
  assert.ok((await readdir(join(deployment.directory, 'logs'))).includes(file));
  deployment.clock.advance(1);
  files.prune();
  assert.ok(!(await readdir(join(deployment.directory, 'logs'))).includes(file));
  for (const wrong of ['yesterday', '2026-02-30', '2026-05-07T10:00:00', '1']) {
    const answer = await deployment.call('GET', `/v1/retention/log?at=${wrong}`);
    assert.deepEqual([answer.status, answer.json['code']], [400, 'request.invalid'], wrong);
    assert.match(answer.text, /"path":"\/at"/);
  }
  const body = { name: 'narrow', scopes: [{ actions: ['retention.*'], vaults: ['default'] }] };
  const key = String((await deployment.must('POST', '/v1/keys', { body })).json['apiKey']);
  assert.equal((await deployment.call('GET', '/v1/retention/log', { key })).status, 403);
});

test('a log that goes to the platform is said to be the platform’s to keep', async (t) => {
  const deployment = await TestDeployment.start(t);
  const { json } = await deployment.must('GET', '/v1/retention/log');
  assert.deepEqual([json['days'], json['file'], json['endsAt']], [null, null, null]);
});

test('a simulation says what would go, and changes nothing', async (t) => {
  const deployment = await TestDeployment.start(t);
  const old = await add(deployment, { text: 'an old walnut tree' });
  const held = await add(deployment, { text: 'a held walnut tree' });
  await deployment.must('POST', '/v1/holds', {
    body: { name: 'case', target: { vault: 'default', memories: [held] } },
  });
  deployment.clock.advance(3 * DAY_MS);
  const young = await add(deployment, { text: 'a young walnut tree', conversation: 'chat' });
  const tried = (await deployment.must('POST', `${POLICY}/simulate`, { body: { memories: { days: 2 } } }))
    .json as unknown as RetentionSimulation;
  assert.deepEqual(
    [tried.removes.map(({ memories }) => memories), tried.keeps.map(({ memories }) => memories)],
    [[[old]], [[held]]],
  );
  assert.deepEqual(idsIn(await deployment.must('GET', BASE)), [young, held, old]);
  const whole = (await deployment.must('POST', '/v1/retention/simulate', { body: { memories: { days: 2 } } }))
    .json as unknown as RetentionSimulation;
  assert.deepEqual(whole.removes, tried.removes);
  const later = await deployment.must('GET', '/v1/vaults/default/retention');
  assert.equal(later.json['version'], 0);
});

test('a statutory minimum keeps what its time and its people would end', async (t) => {
  const deployment = await TestDeployment.start(t);
  await deployment.must('PUT', '/v1/retention', { body: { memories: { minimumDays: 10 } } });
  const expiresAt = new Date(deployment.clock.now() + HOUR_MS).toISOString();
  const id = await add(deployment, { text: 'an invoice', expiresAt });
  for (const mode of ['trash', 'erase']) {
    const refused = await deployment.call('DELETE', `${BASE}/${id}?mode=${mode}`);
    assert.deepEqual([refused.status, refused.json['code']], [409, 'held'], mode);
  }
  deployment.clock.advance(2 * HOUR_MS);
  assert.equal((await explain(deployment, id)).rule, 'minimum');
  assert.equal((await deployment.call('GET', `${BASE}/${id}`)).status, 404, 'hidden all the same');
  const rowsAfterOpening = async (): Promise<number> => {
    await deployment.stop();
    return deployment.opened(async ({ store, scheduler }) => {
      await scheduler.run();
      return store.read(
        SYSTEM,
        async (db) => (await db.selectFrom('memory_versions').select('memory').execute()).length,
      );
    });
  };
  assert.equal(await rowsAfterOpening(), 1);
  deployment.clock.advance(10 * DAY_MS);
  assert.equal(await rowsAfterOpening(), 0);
});

test('a server that starts in another year destroys nothing by that clock until somebody says that it is right', async (t) => {
  const deployment = await TestDeployment.start(t);
  const expiresAt = new Date(deployment.clock.now() + DAY_MS).toISOString();
  const id = await add(deployment, { text: 'the walnut tree', expiresAt });
  await deployment.stop();
  deployment.clock.advance(365 * DAY_MS);
  const boxes = ({ store }: Strongroom): Promise<number> =>
    store.read(
      SYSTEM,
      async (db) => (await db.selectFrom('memory_versions').select('memory').execute()).length,
    );
  // Of itself it can tell that no time has passed.
  const clock = { now: () => deployment.clock.now(), elapsed: () => 0 };
  const environment = { ...realEnvironment, clock };
  const { directory, settings } = deployment;
  const opened = async (work: (open: Strongroom) => Promise<void>): Promise<void> => {
    const onFatal = (error: unknown): void => assert.fail(String(error));
    const open = await openStrongroom({ directory, settings, environment, log: silentLog, onFatal });
    try {
      await work(open);
    } finally {
      await open.close();
    }
  };
  await opened(async (open) => {
    await open.scheduler.run();
    assert.equal(await boxes(open), 1);
    assert.ok(open.scheduler.state.aheadMs > 300 * DAY_MS);
  });
  const { now } = await trustClock(directory, settings, { environment, log: silentLog });
  assert.equal(Date.parse(now), deployment.clock.now());
  await opened(async (open) => {
    assert.equal(await boxes(open), 0);
    assert.equal(open.scheduler.state.aheadMs, 0);
  });
  await deployment.serve();
  assert.equal((await deployment.call('GET', `${BASE}/${id}`)).status, 404);
});

test('rules that contradict each other or belong elsewhere are refused with their place', async (t) => {
  const deployment = await TestDeployment.start(t);
  const refused = async (path: string, body: object): Promise<unknown> => {
    const answer = await deployment.call('PUT', path, { body });
    assert.equal(answer.status, 400, JSON.stringify(body));
    return (answer.json['errors'] as { path: string }[])[0]?.path;
  };
  assert.equal(await refused('/v1/retention', { memories: { days: 5, minimumDays: 6 } }), '/memories/days');
  assert.equal(
    await refused('/v1/retention', { memories: { days: 5, archiveAfterDays: 5 } }),
    '/memories/archiveAfterDays',
  );
  assert.equal(await refused(POLICY, { conversations: { minimumDays: 6 } }), '/conversations/minimumDays');
  assert.equal(await refused(POLICY, { archive: { waitHours: 1 } }), '/archive');
  assert.equal(await refused('/v1/retention', { archive: { waitHours: 49 } }), '/archive/waitHours');
  const twice = {
    kinds: [
      { kind: 'a', days: 1 },
      { kind: 'a', days: 2 },
    ],
  };
  assert.equal(await refused(POLICY, twice), '/kinds/1/kind');
  assert.equal(await refused(POLICY, { memories: { days: 0 } }), '/memories/days');
  const first = await deployment.must('PUT', POLICY, { body: {}, headers: { 'if-match': '"0"' } });
  assert.equal(first.json['version'], 1);
  const stale = await deployment.call('PUT', POLICY, { body: {}, headers: { 'if-match': '"0"' } });
  assert.equal(stale.status, 412);
});
