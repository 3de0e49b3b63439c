/** The archive, over HTTP and from the inside, on a deployment of its own. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Memory } from '@strongroom/client';
import { decryptStream } from '../src/crypto/cobblestone.ts';
import { DAY_MS, HOUR_MS } from '../src/durations.ts';
import type { Slot } from '../src/keys/slot.ts';
import { decodeArchive } from '../src/lifecycle/archive-file.ts';
import { SYSTEM } from '../src/store/store.ts';
import type { Strongroom } from '../src/strongroom.ts';
import { verifies } from '../src/assurance/testing/verifies.ts';
import { idOf, TestDeployment, type Answer, type DeploymentOptions } from './deployment.ts';
import { RestoredCopy, settingsFor } from './recovery.ts';

const BASE = '/v1/vaults/default/memories';
const REQUESTS = '/v1/archive/requests';

const idsIn = ({ json }: Answer, list = 'memories'): string[] =>
  (json[list] as { id: string }[]).map(({ id }) => id);

const sweep = async (deployment: TestDeployment): Promise<void> => {
  await deployment.stop();
  await deployment.opened(async ({ scheduler }) => {
    // What a test breaks off is done by the next run.
    await scheduler.run().catch(() => undefined);
  });
  await deployment.serve();
};

const blobsIn = (deployment: TestDeployment, folder: string): Promise<string[]> =>
  readdir(join(deployment.directory, 'blobs', folder)).catch(() => []);

/** A deployment in which three memories of two people have come of age and been archived, and a young one has not. */
async function archived(t: Parameters<typeof TestDeployment.start>[0], options: DeploymentOptions = {}) {
  const deployment = await TestDeployment.start(t, options);
  await deployment.must('PUT', '/v1/vaults/default/retention', {
    body: { memories: { archiveAfterDays: 10, days: 400 } },
  });
  const add = async (body: object): Promise<string> => idOf(await deployment.must('POST', BASE, { body }));
  const ann = await add({ text: 'ann likes quinces', subject: 'ann', kind: 'fact', vector: [1, 0.5] });
  const bo = await add({ text: 'bo likes quinces', subject: 'bo' });
  const both = await add({ text: 'they like quinces', subject: 'bo', derivedFrom: [ann] });
  deployment.clock.advance(10 * DAY_MS);
  const young = await add({ text: 'cy likes quinces' });
  await sweep(deployment);
  return { deployment, ann, bo, both, young };
}

/** Asked for by one key, approved by the first. */
async function approved(deployment: TestDeployment, memories: readonly string[]): Promise<string> {
  const asker = await deployment.must('POST', '/v1/keys', {
    body: { name: 'asker', scopes: [{ actions: ['archive.*'], vaults: ['*'] }] },
  });
  const body = { vault: 'default', memories, reason: 'an audit' };
  const id = idOf(await deployment.must('POST', REQUESTS, { key: String(asker.json['apiKey']), body }));
  await deployment.must('POST', `${REQUESTS}/${id}/approve`);
  return id;
}

const copyOf = (deployment: TestDeployment, id: string): Promise<Answer> =>
  deployment.call('GET', `${REQUESTS}/${id}/memories`);

test('what has come of age leaves search and the lists, and is still found by its id', async (t) => {
  const { deployment, ann, bo, both, young } = await archived(t);
  assert.deepEqual(idsIn(await deployment.must('GET', BASE)), [young]);
  const search = await deployment.must('POST', '/v1/vaults/default/search', { body: { query: 'quinces' } });
  assert.deepEqual(idsIn(search, 'results'), [young]);
  const listed = await deployment.must('GET', `${BASE}?state=archived`);
  assert.deepEqual(idsIn(listed), [both, bo, ann]);
  const one = (await deployment.must('GET', `${BASE}/${ann}`)).json as unknown as Memory;
  assert.deepEqual(
    [one.text, one.subject, one.kind, one.archivedAt !== undefined],
    [undefined, 'ann', 'fact', true],
  );
  const explained = (await deployment.must('GET', `${BASE}/${ann}/retention`)).json;
  assert.deepEqual([explained['state'], explained['rule']], ['archived', 'vault']);
  assert.ok(!(await deployment.must('GET', `${BASE}/export`)).text.includes(ann));
  const names = await blobsIn(deployment, 'archives');
  assert.equal(names.length, 1);
  await deployment.stop();
  await deployment.opened(async ({ store }) => {
    const rows = await store.read(SYSTEM, (db) =>
      db.selectFrom('memory_versions').select('memory').execute(),
    );
    assert.deepEqual(
      rows.map(({ memory }) => memory),
      [young],
      'the boxes have left the hot tables',
    );
  });
});

test('a copy needs somebody else’s approval, waits, comes back whole, and expires', async (t) => {
  verifies('RET-08');
  const { deployment, ann, bo } = await archived(t);
  const own = idOf(
    await deployment.must('POST', REQUESTS, { body: { vault: 'default', memories: [ann], reason: 'mine' } }),
  );
  const refused = await deployment.call('POST', `${REQUESTS}/${own}/approve`);
  assert.deepEqual([refused.status, refused.json['code']], [403, 'access.refused']);
  const unapproved = await copyOf(deployment, own);
  assert.deepEqual([unapproved.status, unapproved.json['code']], [409, 'conflict']);
  const id = await approved(deployment, [ann, bo]);
  assert.equal((await deployment.call('POST', `${REQUESTS}/${id}/approve`)).status, 409, 'once');
  deployment.clock.advance(12 * HOUR_MS - 1);
  assert.equal((await copyOf(deployment, id)).status, 409);
  deployment.clock.advance(1);
  const copy = await deployment.must('GET', `${REQUESTS}/${id}/memories`);
  const memories = copy.json['memories'] as Memory[];
  assert.deepEqual(
    memories.map(({ text }) => text),
    ['bo likes quinces', 'ann likes quinces'],
  );
  assert.deepEqual(memories[1]?.vector, [1, 0.5]);
  const paged = await deployment.must('GET', `${REQUESTS}/${id}/memories?limit=1`);
  const rest = await deployment.must(
    'GET',
    `${REQUESTS}/${id}/memories?cursor=${String(paged.json['next'])}`,
  );
  assert.deepEqual([...idsIn(paged), ...idsIn(rest)], [bo, ann]);
  assert.deepEqual(await blobsIn(deployment, 'copies'), [id]);
  deployment.clock.advance(72 * HOUR_MS);
  assert.equal((await copyOf(deployment, id)).status, 409);
  await sweep(deployment);
  assert.deepEqual(await blobsIn(deployment, 'copies'), []);
  assert.equal((await deployment.must('GET', `${REQUESTS}/${id}`)).json['state'], 'expired');
});

test('what was erased is in no archive and no copy any more, and its neighbours still are', async (t) => {
  const { deployment, ann, bo, both } = await archived(t);
  const id = await approved(deployment, [ann, bo, both]);
  deployment.clock.advance(12 * HOUR_MS);
  assert.equal(idsIn(await deployment.must('GET', `${REQUESTS}/${id}/memories`)).length, 3);
  const kept = await deployment.call('DELETE', `${BASE}/${bo}?mode=trash`);
  assert.deepEqual([kept.status, kept.json['code']], [409, 'conflict']);
  await deployment.must('DELETE', `${BASE}/${bo}?mode=erase`);
  assert.deepEqual(idsIn(await deployment.must('GET', `${REQUESTS}/${id}/memories`)), [both, ann]);
  await deployment.stop();
  // The end of a person, as their erasure makes it: ann's slot is in the keys of what was derived from her as well.
  await deployment.opened(async (open) => {
    const people = await open.people.subjects(await organizationOf(open));
    const slot = people.withName('ann')?.slot;
    assert.ok(slot !== undefined);
    await open.destruction.now([slot], 'test');
    const versions = await versionsIn(open);
    // Bo's may have left the archive already: its next run does that.
    assert.ok(versions.length >= 2, 'bytes lie there as before');
    for (const { scope, slot: own } of versions) {
      const slots = [own, ...(JSON.parse(scope) as [string, number][]).map(([, one]) => one)];
      assert.ok(
        slots.some((one) => open.keyring.isErased(one as Slot)),
        'each has a key that is gone',
      );
    }
  });
});

test('what is archived is held like anything else, by the people in its keys as well', async (t) => {
  const { deployment, ann, bo, both } = await archived(t);
  const placed = await deployment.must('POST', '/v1/holds', {
    body: { name: 'x', target: { subject: 'ann' } },
  });
  for (const id of [ann, both]) {
    const refused = await deployment.call('DELETE', `${BASE}/${id}?mode=erase`);
    assert.deepEqual([refused.status, refused.json['code']], [409, 'held']);
  }
  await deployment.must('DELETE', `${BASE}/${bo}?mode=erase`);
  deployment.clock.advance(400 * DAY_MS);
  await sweep(deployment);
  const kept = await deployment.must('GET', `/v1/holds/${idOf(placed)}/memories`);
  assert.deepEqual(idsIn(kept), [both, ann], 'and what has expired is kept for it');
});

test('an archive that holds nothing any more is dropped, and its slot destroyed', async (t) => {
  const { deployment, ann, bo, both } = await archived(t);
  const slot = await slotOfArchive(deployment);
  // What was derived first, because it goes along with either.
  for (const id of [both, bo, ann]) await deployment.must('DELETE', `${BASE}/${id}?mode=erase`);
  await sweep(deployment);
  assert.deepEqual(await blobsIn(deployment, 'archives'), []);
  await deployment.stop();
  await deployment.opened(({ keyring }) => {
    assert.ok(keyring.isErased(slot));
    return Promise.resolve();
  });
});

test('what was erased leaves its archive with the next run, broken off or not, and its neighbours still open', async (t) => {
  verifies('RET-03');
  for (const step of ['', 'archive.registered', 'archive.written', 'archive.moved']) {
    let isBroken = false;
    const fault = (name: string): void => {
      if (isBroken && name === step) throw new RangeError('broken off');
    };
    const { deployment, ann, bo, both } = await archived(t, { fault });
    const before = (await deployment.must('GET', `${BASE}/${ann}`)).json['archivedAt'];
    const slot = await slotOfArchive(deployment);
    await deployment.must('DELETE', `${BASE}/${both}?mode=erase`);
    await deployment.must('DELETE', `${BASE}/${bo}?mode=erase`);
    if (step !== '') {
      isBroken = true;
      await sweep(deployment);
      isBroken = false;
    }
    await sweep(deployment);
    await deployment.stop();
    await deployment.opened(async (open) => {
      const versions = await versionsIn(open);
      assert.deepEqual(
        versions.map(({ memory }) => memory),
        [ann],
        step,
      );
      assert.ok(!open.keyring.isErased(slot), 'a backup from before still opens for what is left');
    });
    assert.equal((await blobsIn(deployment, 'archives')).length, 1, step);
    await deployment.serve();
    assert.equal((await deployment.must('GET', `${BASE}/${ann}`)).json['archivedAt'], before);
    const id = await approved(deployment, [ann]);
    deployment.clock.advance(12 * HOUR_MS);
    const [memory] = (await copyOf(deployment, id)).json['memories'] as Memory[];
    assert.deepEqual([memory?.text, memory?.vector], ['ann likes quinces', [1, 0.5]]);
    await deployment.stop();
  }
});

test('an archive whose making is broken off at any step is dropped, and nothing is lost', async (t) => {
  for (const step of ['archive.registered', 'archive.written', 'archive.moved']) {
    let isBroken = true;
    const fault = (name: string): void => {
      if (isBroken && name === step) throw new RangeError('broken off');
    };
    const { deployment, ann, bo, both } = await archived(t, { fault });
    isBroken = false;
    await sweep(deployment);
    assert.deepEqual(idsIn(await deployment.must('GET', `${BASE}?state=archived`)), [both, bo, ann], step);
    assert.equal((await blobsIn(deployment, 'archives')).length, 1, step);
    const id = await approved(deployment, [ann, bo, both]);
    deployment.clock.advance(12 * HOUR_MS);
    assert.equal(idsIn(await deployment.must('GET', `${REQUESTS}/${id}/memories`)).length, 3, step);
    await deployment.stop();
  }
});

test('an archive opens for nobody whose bytes were changed, and never shows a neighbour’s', async (t) => {
  verifies('CRY-02');
  const { deployment, ann } = await archived(t);
  const [name = ''] = await blobsIn(deployment, 'archives');
  const path = join(deployment.directory, 'blobs', 'archives', name);
  const bytes = await readFile(path);
  for (const word of ['quinces', 'SRAR', ann, 'subject']) assert.ok(!bytes.includes(word), word);
  await deployment.stop();
  await deployment.opened(async (open) => {
    const vault = await open.vaults.find(await organizationOf(open), 'default');
    assert.ok(vault !== null);
    assert.equal((await open.archives.open(vault, name)).length, 3);
  });
  for (const at of [0, 30, 60, bytes.length - 1]) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    await writeFile(path, changed);
    await deployment.opened(async (open) => {
      const vault = await open.vaults.find(await organizationOf(open), 'default');
      assert.ok(vault !== null);
      await assert.rejects(open.archives.open(vault, name), { code: 'box.damaged' }, `byte ${at}`);
    });
  }
});

test('what was erased leaves a copy out of the archive with the next run as well', async (t) => {
  const { deployment, ann, bo } = await archived(t);
  const id = await approved(deployment, [ann, bo]);
  deployment.clock.advance(12 * HOUR_MS);
  const inCopy = async (): Promise<string[]> => {
    await deployment.stop();
    const memories = await deployment.opened(async (open) => {
      const vault = await open.vaults.find(await organizationOf(open), 'default');
      const row = await open.store.read(SYSTEM, (db) =>
        db.selectFrom('archive_requests').selectAll().where('id', '=', id).executeTakeFirstOrThrow(),
      );
      assert.ok(vault !== null);
      const bytes = await readFile(join(deployment.directory, 'blobs', 'copies', id));
      const pieces = decryptStream(open.archives.keyOf(vault, id, row.copy_slot as Slot), [bytes]);
      return decodeArchive(Buffer.concat(await Array.fromAsync(pieces))).map(({ memory }) => memory);
    });
    await deployment.serve();
    return memories;
  };
  await deployment.must('GET', `${REQUESTS}/${id}/memories`);
  assert.deepEqual((await inCopy()).toSorted(), [ann, bo].toSorted());
  await deployment.must('DELETE', `${BASE}/${bo}?mode=erase`);
  await sweep(deployment);
  assert.deepEqual(await inCopy(), [ann]);
  assert.deepEqual(idsIn(await deployment.must('GET', `${REQUESTS}/${id}/memories`)), [ann]);
});

test('an archive that is damaged keeps no copy from its end, and no other vault from its archive', async (t) => {
  const { deployment, ann, bo } = await archived(t);
  await deployment.must('POST', '/v1/vaults', { body: { name: 'second' } });
  await deployment.must('PUT', '/v1/vaults/second/retention', {
    body: { memories: { archiveAfterDays: 1 } },
  });
  const other = '/v1/vaults/second/memories';
  await deployment.must('POST', other, { body: { text: 'dot likes quinces' } });
  await deployment.must('DELETE', `${BASE}/${bo}?mode=erase`);
  const broken = await approved(deployment, [ann]);
  deployment.clock.advance(12 * HOUR_MS);
  const whole = await approved(deployment, [ann]);
  const [name = ''] = await blobsIn(deployment, 'archives');
  await writeFile(join(deployment.directory, 'blobs', 'archives', name), 'no archive');
  deployment.clock.advance(60 * HOUR_MS);
  await sweep(deployment);
  assert.equal((await deployment.must('GET', `${REQUESTS}/${broken}`)).json['state'], 'approved');
  assert.equal(idsIn(await deployment.must('GET', `${other}?state=archived`)).length, 1);
  deployment.clock.advance(24 * HOUR_MS);
  await sweep(deployment);
  for (const id of [broken, whole])
    assert.equal(
      (await deployment.must('GET', `${REQUESTS}/${id}`)).json['state'],
      'expired',
      'all the same',
    );
});

test('a filter that asks for no words erases what is archived as well; one that does says what it was not asked of', async (t) => {
  verifies('PRV-02');
  const { deployment, ann, bo, both, young } = await archived(t);
  const plan = async (filter: object): Promise<Answer> =>
    deployment.must('POST', '/v1/erasures', { body: { target: { vault: 'default', filter }, dryRun: true } });
  const words = (await plan({ text: { contains: 'quinces' } })).json;
  assert.deepEqual([words['count'], words['unasked']], [1, 3], 'the young one; what is put away is not read');
  for (const mixed of [
    { OR: [{ subject: 'bo' }, { 'metadata.x': 1 }] },
    { NOT: [{ speaker: 'Ann' }] },
    { at: { gt: '2020-01-01' }, subject: 'bo' },
  ])
    assert.equal((await plan(mixed)).json['unasked'], 3, JSON.stringify(mixed));
  const created = (await deployment.must('GET', `${BASE}/${young}`)).json['createdAt'];
  for (const [filter, count] of [
    [{ kind: 'fact' }, 2],
    [{ subject: 'bo' }, 2],
    [{ createdAt: { lt: created } }, 3],
    [{ NOT: [{ subject: 'bo' }] }, 3],
    [{ subject: 'cy' }, 0],
  ] as const) {
    const { json } = await plan(filter);
    assert.deepEqual([json['count'], json['unasked']], [count, undefined], JSON.stringify(filter));
  }
  const target = { vault: 'default', filter: { subject: 'bo' } };
  const { confirm } = (await plan(target.filter)).json;
  const hold = idOf(
    await deployment.must('POST', '/v1/holds', { body: { name: 'x', target: { subject: 'ann' } } }),
  );
  const erase = (): Promise<Answer> =>
    deployment.call('POST', '/v1/erasures', { body: { target, reason: 'asked for', confirm } });
  assert.equal((await erase()).json['code'], 'held', 'one of them is ann’s as well');
  await deployment.must('DELETE', `/v1/holds/${hold}`);
  assert.deepEqual(
    [(await erase()).status, idsIn(await deployment.must('GET', `${BASE}?state=archived`))],
    [202, [ann]],
  );
  for (const gone of [bo, both]) assert.equal((await deployment.call('GET', `${BASE}/${gone}`)).status, 404);
  await sweep(deployment);
  await deployment.stop();
  await deployment.opened(async (open) => {
    assert.deepEqual(
      (await versionsIn(open)).map(({ memory }) => memory),
      [ann],
    );
  });
});

test('what is archived ends by its rules as well', async (t) => {
  const { deployment } = await archived(t);
  await deployment.must('PUT', '/v1/vaults/default/retention', {
    body: { kinds: [{ kind: 'fact', days: 5 }] },
  });
  assert.equal(idsIn(await deployment.must('GET', `${BASE}?state=archived`)).length, 2, 'hidden at once');
  await sweep(deployment);
  await deployment.stop();
  await deployment.opened(async ({ store }) => {
    const rows = await store.read(SYSTEM, (db) =>
      db.selectFrom('archived_versions').select('memory').execute(),
    );
    assert.equal(rows.length, 1, 'what was derived from it goes along');
  });
});

const organizationOf = async ({ store }: Strongroom) => {
  const row = await store.read(SYSTEM, (db) =>
    db.selectFrom('organizations').select('id').executeTakeFirstOrThrow(),
  );
  return row.id as Parameters<Strongroom['people']['subjects']>[0];
};

async function versionsIn(open: Strongroom) {
  const vault = await open.vaults.find(await organizationOf(open), 'default');
  assert.ok(vault !== null);
  const row = await open.store.read(SYSTEM, (db) =>
    db.selectFrom('archives').select('id').executeTakeFirstOrThrow(),
  );
  return open.archives.open(vault, row.id);
}

async function slotOfArchive(deployment: TestDeployment): Promise<Slot> {
  await deployment.stop();
  const slot = await deployment.opened(({ store }) =>
    store.read(SYSTEM, (db) => db.selectFrom('archives').select('slot').executeTakeFirstOrThrow()),
  );
  await deployment.serve();
  return slot.slot as Slot;
}

for (const engine of ['sqlite', 'postgres'] as const)
  test(`what is archived comes back from a backup, opens by an approved request alone, and what was erased does not (${engine})`, async (t) => {
    verifies('RET-08');
    const settings = await settingsFor(t, engine);
    const target = await settingsFor(t, engine);
    if (settings === null || target === null) return;
    const { deployment, ann, bo, both, young } = await archived(t, { settings });
    await deployment.must('POST', '/v1/backups', { body: { kind: 'full' } });
    const waiting = await approved(deployment, [ann, bo]);
    await deployment.must('POST', '/v1/backups', { body: { kind: 'log' } });
    await deployment.must('DELETE', `${BASE}/${bo}?mode=erase`);
    await deployment.stop();
    const copy = await RestoredCopy.beside(t, deployment, { settings: target, replicas: ['a', 'b'] });
    const laid = await copy.restore();
    assert.deepEqual([laid.differences, laid.skipped], [[], []]);
    const key = deployment.apiKey;
    const listed = async (): Promise<readonly string[]> =>
      copy.served(async (call) => idsIn(await call('GET', `${BASE}?state=archived`, { key })));
    assert.deepEqual(await listed(), [both, ann], 'already before the commit');
    await copy.commit();
    assert.deepEqual(await listed(), [both, ann]);
    deployment.clock.advance(12 * HOUR_MS);
    await copy.served(async (call) => {
      assert.equal((await call('GET', `${BASE}/${young}`, { key })).json['text'], 'cy likes quinces');
      const one = (await call('GET', `${BASE}/${ann}`, { key })).json;
      assert.deepEqual([one['text'], one['kind'], one['subject']], [undefined, 'fact', 'ann']);
      assert.equal((await call('GET', `${BASE}/${bo}`, { key })).status, 404);
      // What was approved before the backup is still approved, and shows what is left.
      const ready = await call('GET', `${REQUESTS}/${waiting}/memories`, { key });
      const [memory, ...more] = ready.json['memories'] as Memory[];
      assert.deepEqual([memory?.text, memory?.vector, more], ['ann likes quinces', [1, 0.5], []]);
      const asker = await call('POST', '/v1/keys', {
        key,
        body: { name: 'asks again', scopes: [{ actions: ['archive.*'], vaults: ['*'] }] },
      });
      const body = { vault: 'default', memories: [both], reason: 'after the fire' };
      const asked = await call('POST', REQUESTS, { key: String(asker.json['apiKey']), body });
      const path = `${REQUESTS}/${idOf(asked)}`;
      assert.equal((await call('GET', `${path}/memories`, { key })).status, 409, 'not without a word');
      assert.equal(
        (await call('POST', `${path}/approve`, { key: String(asker.json['apiKey']) })).status,
        403,
      );
      assert.equal((await call('POST', `${path}/approve`, { key })).status, 200);
      assert.equal((await call('GET', `${path}/memories`, { key })).status, 409, 'it waits');
      deployment.clock.advance(12 * HOUR_MS);
      const copied = await call('GET', `${path}/memories`, { key });
      assert.deepEqual(
        (copied.json['memories'] as Memory[]).map(({ text }) => text),
        ['they like quinces'],
      );
    });
  });
