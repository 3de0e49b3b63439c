/** A vault is taken back to a moment: what comes back, what does not, and what is left as it is. */
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { verifies } from '../src/assurance/testing/verifies.ts';
import { realEnvironment } from '../src/environment.ts';
import { silentLog } from '../src/http/request-log.ts';
import { SYSTEM } from '../src/store/store.ts';
import { openStrongroom } from '../src/strongroom.ts';
import { readMemories } from './afterwards.ts';
import { faultPoints } from './crash-photos.ts';
import { settingsFor } from './recovery.ts';
import { idOf, TestDeployment, temporaryFolder, type Json } from './deployment.ts';
import { checkInvariants } from './invariants.ts';

const VAULT = '/v1/vaults/default';
const MEMORIES = `${VAULT}/memories`;

const add = async (deployment: TestDeployment, text: string, more: object = {}): Promise<string> =>
  idOf(await deployment.must('POST', MEMORIES, { body: { text, ...more } }));

const patch = (deployment: TestDeployment, id: string, body: object) =>
  deployment.must('PATCH', `${MEMORIES}/${id}`, { body });

const remove = (deployment: TestDeployment, id: string, mode = 'trash') =>
  deployment.must('DELETE', `${MEMORIES}/${id}?mode=${mode}`);

/** A moment that can be gone back to. */
const moment = async (deployment: TestDeployment, kind = 'log'): Promise<string> => {
  deployment.clock.advance(1000);
  await deployment.must('POST', '/v1/backups', { body: { kind } });
  const at = new Date(deployment.clock.now()).toISOString();
  deployment.clock.advance(1000);
  return at;
};

const plan = async (deployment: TestDeployment, at?: string): Promise<Json> =>
  (await deployment.must('POST', `${VAULT}/rewind`, { body: at === undefined ? {} : { at } })).json;

const confirm = async (deployment: TestDeployment, { confirm }: Json): Promise<Json> => {
  deployment.clock.advance(1000);
  return (await deployment.must('POST', `${VAULT}/rewind`, { body: { confirm } })).json;
};

/** Only those that are not 0. */
const countsOf = ({ counts }: Json): Record<string, number> =>
  Object.fromEntries(Object.entries(counts as Record<string, number>).filter(([, count]) => count !== 0));

const textOf = async (deployment: TestDeployment, id: string): Promise<string | number> => {
  const { status, json } = await deployment.call('GET', `${MEMORIES}/${id}`);
  return status === 200 ? String(json['text']) : status;
};

const found = async (deployment: TestDeployment, query: string): Promise<readonly string[]> => {
  const { json } = await deployment.must('POST', `${VAULT}/search`, { body: { query, limit: 50 } });
  return (json['results'] as { id: string }[]).map(({ id }) => id).sort();
};

for (const engine of ['sqlite', 'postgres'] as const)
  test(`a vault goes back to a moment, and what was erased since does not come back (${engine})`, async (t) => {
    verifies('BCK-04');
    const settings = await settingsFor(t, engine);
    if (settings === null) return;
    const deployment = await TestDeployment.start(t, { settings });
    const about = { subject: 'ann', conversation: 'c', vector: [1, 2, 3], metadata: { a: 1 } };
    const [same, changed, trashed, both, erased, twin] = [
      await add(deployment, 'same sails', about),
      await add(deployment, 'right sails', about),
      await add(deployment, 'trashed sails'),
      await add(deployment, 'both sails'),
      await add(deployment, 'erased sails', about),
      await add(deployment, 'twin sails', about),
    ];
    const at = await moment(deployment, 'full');
    await patch(deployment, changed, { text: 'wrong', subject: 'ben', vector: [3, 2, 1] });
    await patch(deployment, both, { text: 'wrong too' });
    await remove(deployment, trashed);
    await remove(deployment, both);
    await remove(deployment, erased, 'erase');
    const late = await add(deployment, 'late sails', { subject: 'eve' });
    const before = await moment(deployment);

    const dry = await plan(deployment, at);
    assert.deepEqual(countsOf(dry), { unchanged: 2, returned: 1, changed: 2, newer: 1, gone: 1 });
    assert.equal(await textOf(deployment, changed), 'wrong', 'a dry run changes nothing');
    assert.equal(await textOf(deployment, trashed), 404);
    // What is written after the dry run was not counted and is left.
    deployment.clock.advance(1000);
    const later = await add(deployment, 'later sails');
    const done = await confirm(deployment, dry);
    assert.equal(done['state'], 'done');
    assert.deepEqual(countsOf(done), { unchanged: 2, returned: 1, changed: 2, newer: 1, gone: 1, left: 1 });
    const texts = await Promise.all(
      [same, changed, trashed, both, twin, later].map((id) => textOf(deployment, id)),
    );
    assert.deepEqual(texts, [
      'same sails',
      'right sails',
      'trashed sails',
      'both sails',
      'twin sails',
      'later sails',
    ]);
    assert.deepEqual(await Promise.all([erased, late].map((id) => textOf(deployment, id))), [404, 404]);
    assert.deepEqual(await found(deployment, 'sails'), [same, changed, trashed, both, twin, later].sort());
    const again = await deployment.must('GET', `${MEMORIES}/${changed}?include=vector`);
    assert.deepEqual(
      [again.json['subject'], again.json['vector'], again.json['metadata'], again.json['version']],
      ['ann', [1, 2, 3], { a: 1 }, 3],
    );
    // The way back is open: what came later lies in the trash, and a backup was made before.
    const undone = await confirm(deployment, await plan(deployment, before));
    assert.deepEqual(countsOf(undone), { unchanged: 2, changed: 1, returned: 1, newer: 3 });
    assert.equal(await textOf(deployment, changed), 'wrong');
    assert.equal(await textOf(deployment, late), 'late sails');
    assert.equal(await textOf(deployment, erased), 404);
    const listed = await deployment.must('GET', `${VAULT}/rewinds`);
    assert.deepEqual(
      (listed.json['rewinds'] as Json[]).map(({ state }) => state),
      ['done', 'done'],
    );
    const { json } = await deployment.must(
      'GET',
      `/v1/ledger?target=${changed}&action=vault.rewind&limit=10`,
    );
    assert.equal((json['entries'] as unknown[]).length, 2, 'each change of it is in the ledger');
    await deployment.stop();
    await deployment.opened(async (open) => {
      assert.deepEqual(await checkInvariants(open, deployment.directory), []);
    });
  });

test('what a hold keeps is neither trashed nor lost, and what is over does not come back', async (t) => {
  verifies('RET-10');
  const deployment = await TestDeployment.start(t);
  const expiresAt = new Date(deployment.clock.now() + 60_000).toISOString();
  const changed = await add(deployment, 'as it was');
  const over = await add(deployment, 'short-lived', { expiresAt });
  const at = await moment(deployment, 'full');
  await patch(deployment, changed, { text: 'as it became' });
  await remove(deployment, over);
  const late = await add(deployment, 'late');
  await deployment.must('POST', '/v1/holds', {
    body: { name: 'a case', target: { vault: 'default', memories: [late, changed] } },
  });
  deployment.clock.advance(120_000);
  const dry = await plan(deployment, at);
  assert.deepEqual(countsOf(dry), { changed: 1, over: 1, kept: 1 });
  assert.deepEqual(countsOf(await confirm(deployment, dry)), { changed: 1, over: 1, kept: 1 });
  assert.deepEqual(
    [await textOf(deployment, changed), await textOf(deployment, late), await textOf(deployment, over)],
    ['as it was', 'late', 404],
  );
  const { json } = await deployment.must('GET', `${MEMORIES}/${changed}/history`);
  assert.deepEqual(
    (json['versions'] as { text: string }[]).map(({ text }) => text),
    ['as it was', 'as it became'],
  );
});

test('what was erased does not come back in another memory that says the same', async (t) => {
  const deployment = await TestDeployment.start(t);
  await deployment.must('PATCH', VAULT, { body: { tombstones: 'refuse' } });
  const [first, second, twin] = [
    await add(deployment, 'A secret'),
    await add(deployment, 'a  secret'),
    await add(deployment, 'a twin'),
  ];
  const at = await moment(deployment, 'full');
  await remove(deployment, second);
  await remove(deployment, twin);
  await remove(deployment, first, 'erase');
  const dry = await plan(deployment, at);
  assert.deepEqual(countsOf(dry), { gone: 1, left: 1, returned: 1 });
  assert.deepEqual(countsOf(await confirm(deployment, dry)), { gone: 1, left: 1, returned: 1 });
  assert.deepEqual([await textOf(deployment, second), await textOf(deployment, twin)], [404, 'a twin']);
});

test('in a vault without a trash what was replaced is destroyed, and does not come back', async (t) => {
  const deployment = await TestDeployment.start(t);
  await deployment.must('PATCH', VAULT, { body: { deletion: { mode: 'immediate' } } });
  const id = await add(deployment, 'first');
  const at = await moment(deployment, 'full');
  await patch(deployment, id, { text: 'second' });
  const dry = await plan(deployment, at);
  assert.deepEqual(countsOf(dry), { gone: 1 });
  await confirm(deployment, dry);
  assert.equal(await textOf(deployment, id), 'second');
});

test('rows that are gone without having been destroyed are put back as they lay in the backup', async (t) => {
  const deployment = await TestDeployment.start(t);
  const lost = await add(deployment, 'lost sails', { subject: 'ann', conversation: 'c', vector: [1, 0] });
  const at = await moment(deployment, 'full');
  await deployment.stop();
  // What a restore without a damaged piece leaves.
  await deployment.opened(({ store }) =>
    store.write(SYSTEM, async (tx) => {
      for (const table of ['memory_versions', 'memories', 'subjects', 'conversations'] as const)
        await tx.sql.deleteFrom(table).execute();
    }),
  );
  await deployment.serve();
  assert.equal(await textOf(deployment, lost), 404);
  const dry = await plan(deployment, at);
  assert.deepEqual(countsOf(dry), { missing: 1 });
  assert.deepEqual(countsOf(await confirm(deployment, dry)), { missing: 1 });
  const { json } = await deployment.must('GET', `${MEMORIES}/${lost}`);
  assert.deepEqual([json['text'], json['subject'], json['conversation']], ['lost sails', 'ann', 'c']);
  assert.deepEqual(await found(deployment, 'sails'), [lost]);
  await deployment.stop();
  await deployment.opened(async (open) => {
    assert.deepEqual(await checkInvariants(open, deployment.directory), []);
  });
});

test('what cannot be done is said with its place, and nothing of it is begun', async (t) => {
  const deployment = await TestDeployment.start(t);
  const started = new Date(deployment.clock.now()).toISOString();
  await add(deployment, 'a memory');
  const at = await moment(deployment, 'full');
  const other = (
    await deployment.must('POST', '/v1/keys', {
      body: { name: 'other', scopes: [{ actions: ['*'], vaults: ['*'] }] },
    })
  ).json;
  const reader = (
    await deployment.must('POST', '/v1/keys', {
      body: { name: 'reader', scopes: [{ actions: ['memory.*', 'rewind.list'], vaults: ['*'] }] },
    })
  ).json;
  await deployment.must('POST', '/v1/vaults', { body: { name: 'young' } });
  const word = String((await plan(deployment, at))['confirm']);
  const rewind = (body: object, more: object = {}, vault = 'default') =>
    deployment.call('POST', `/v1/vaults/${vault}/rewind`, { body, ...more });
  const place = ({ json }: { json: Json }): unknown[] => [
    json['status'],
    (json['errors'] as { path: string }[] | undefined)?.[0]?.path,
  ];
  const future = new Date(deployment.clock.now() + 60_000).toISOString();
  assert.deepEqual(place(await rewind({ at: future })), [400, '/at']);
  assert.deepEqual(place(await rewind({ at: started })), [400, '/at'], 'no backup is so old');
  assert.deepEqual(place(await rewind({ at: 'yesterday' })), [400, '/at']);
  assert.deepEqual(place(await rewind({ at }, {}, 'young')), [400, '/at'], 'it did not exist then');
  assert.deepEqual(place(await rewind({ confirm: 'nonsense' })), [400, '/confirm']);
  assert.deepEqual(place(await rewind({ confirm: word }, { key: String(other['apiKey']) })), [
    400,
    '/confirm',
  ]);
  assert.deepEqual(place(await rewind({ confirm: word }, {}, 'young')), [400, '/confirm']);
  assert.equal((await rewind({}, {}, 'nobody')).status, 404);
  assert.equal((await rewind({ at }, { key: String(reader['apiKey']) })).status, 403);
  deployment.clock.advance(16 * 60_000);
  assert.deepEqual(place(await rewind({ confirm: word })), [400, '/confirm'], 'it has expired');
  await rm(join(deployment.directory, 'backups'), { recursive: true });
  assert.deepEqual(place(await rewind({ at })), [400, '/at']);
  assert.deepEqual((await deployment.must('GET', `${VAULT}/rewinds`)).json['rewinds'], []);
});

test('a rewind that stops at any point is finished before anybody is served', async (t) => {
  const points = (await faultPoints()).filter((name) => name.startsWith('rewind.'));
  assert.deepEqual(points, ['rewind.begin', 'rewind.end', 'rewind.page', 'rewind.read']);
  const folder = await temporaryFolder(t);
  const photos = new Map<string, string>();
  let isArmed = false;
  const deployment = await TestDeployment.start(t, {
    fault: (name) => {
      if (!isArmed || !points.includes(name) || photos.has(name)) return;
      const photo = join(folder, name);
      cpSync(deployment.directory, photo, { recursive: true, filter: (path) => !path.endsWith('-shm') });
      photos.set(name, photo);
    },
  });
  const changed = await add(deployment, 'as it was');
  const at = await moment(deployment, 'full');
  await patch(deployment, changed, { text: 'as it became' });
  await add(deployment, 'late');
  const dry = await plan(deployment, at);
  isArmed = true;
  await confirm(deployment, dry);
  await deployment.stop();
  for (const point of points) {
    const directory = photos.get(point) ?? assert.fail(`${point} was not come to`);
    const open = await openStrongroom({
      directory,
      settings: deployment.settings,
      environment: { ...realEnvironment, clock: deployment.clock },
      log: silentLog,
      onFatal: () => undefined,
    });
    try {
      const texts = (await readMemories(open)).map(({ text, state }) => `${text} ${state}`).sort();
      const after = ['as it was live', 'late trashed'];
      const before = ['as it became live', 'late live'];
      assert.deepEqual(texts, point === 'rewind.begin' ? before : after, point);
      assert.deepEqual(await checkInvariants(open, directory), [], point);
      const rows = await open.store.read(SYSTEM, (db) => db.selectFrom('rewinds').selectAll().execute());
      const counts = rows.map(({ state, changed, newer, unchanged }) => [state, changed, newer, unchanged]);
      assert.deepEqual(counts, point === 'rewind.begin' ? [] : [['done', 1, 1, 0]], point);
    } finally {
      await open.close();
    }
  }
});
