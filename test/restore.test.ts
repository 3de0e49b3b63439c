/** What a backup gives back and what it does not, on both engines and from either to the other. */
import assert from 'node:assert/strict';
import { copyFile, cp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { verifies } from '../src/assurance/testing/verifies.ts';
import { DAY_MS } from '../src/durations.ts';
import { StrongroomError } from '../src/errors.ts';
import type { Slot } from '../src/keys/slot.ts';
import type { BackupRow } from '../src/store/schema.ts';
import { carriedTables } from '../src/recovery/carried.ts';
import { openStore } from '../src/store/open-store.ts';
import { SYSTEM } from '../src/store/store.ts';
import { storeTarget } from '../src/composition/base.ts';
import type { Strongroom } from '../src/strongroom.ts';
import { openEveryBox, readRows, type Rows } from './boxes.ts';
import { idOf, TestDeployment, type Json } from './deployment.ts';
import { checkInvariants } from './invariants.ts';
import { RestoredCopy, settingsFor } from './recovery.ts';

const MEMORIES = '/v1/vaults/default/memories';
const SEARCH = '/v1/vaults/default/search';

const add = async (deployment: TestDeployment, text: string, more: object = {}): Promise<string> =>
  idOf(await deployment.must('POST', MEMORIES, { body: { text, ...more } }));

/** Makes a backup of a served deployment through its interface. */
const backup = async (deployment: TestDeployment, kind: BackupRow['kind'] = 'full'): Promise<Json> => {
  deployment.clock.advance(1000);
  const { json } = await deployment.must('POST', '/v1/backups', { body: { kind } });
  deployment.clock.advance(1000);
  return json;
};

for (const from of ['sqlite', 'postgres'] as const)
  for (const to of ['sqlite', 'postgres'] as const)
    test(`a backup and one replica of the keystore give back what was not erased, and nothing that was (${from} to ${to})`, async (t) => {
      verifies('BCK-04');
      const settings = await settingsFor(t, from);
      const target = await settingsFor(t, to);
      if (settings === null || target === null) return;
      const deployment = await TestDeployment.start(t, { settings });
      const twin = await add(deployment, 'twin sails', { subject: 'ann', vector: [1, 2, 3] });
      const gone = await add(deployment, 'gone sails', { subject: 'ben', vector: [3, 2, 1] });
      await backup(deployment);
      const late = await add(deployment, 'late sails', { vector: [0, 0, 1] });
      await backup(deployment, 'log');
      await add(deployment, 'lost sails');
      await deployment.must('DELETE', `${MEMORIES}/${gone}?mode=erase`);
      await deployment.stop();

      const copy = await RestoredCopy.beside(t, deployment, { settings: target });
      const laid = await copy.restore();
      assert.deepEqual([laid.differences, laid.damage, laid.path.length], [[], [], 2]);
      const committed = await copy.commit();
      assert.deepEqual([committed.dropped['memories'], committed.missing], [1, ['keystore/b']]);
      await copy.served(async (call) => {
        const key = deployment.apiKey;
        assert.equal((await call('GET', `${MEMORIES}/${twin}`, { key })).json['text'], 'twin sails');
        assert.equal((await call('GET', `${MEMORIES}/${gone}`, { key })).status, 404);
        const found = await call('POST', SEARCH, { key, body: { query: 'sails', limit: 10 } });
        const ids = (found.json['results'] as { id: string }[]).map(({ id }) => id);
        assert.deepEqual(ids.sort(), [twin, late].sort());
        assert.equal((await call('POST', MEMORIES, { key, body: { text: 'new sails' } })).status, 201);
      });
      await copy.declareLost('keystore/b');
      await copy.opened(async (open) => {
        assert.deepEqual(await checkInvariants(open, copy.directory), []);
      });
    });

/** What a backup is to give back: rows of every table that it carries. */
const carried = (rows: Rows): Readonly<Record<string, readonly string[]>> =>
  Object.fromEntries(
    carriedTables().map(([name]) => [
      name,
      rows[name as keyof Rows]
        // What records the end of a backup comes after its moment, in the log of the deployment.
        .filter((row) => !('log' in row) || row.log !== 'deployment')
        .map((row) => JSON.stringify(sortedRow(row)))
        .sort(),
    ]),
  );

const sortedRow = (row: object): unknown =>
  Object.entries(row)
    .map(
      ([name, value]) =>
        [name, value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value] as const,
    )
    .sort(([left], [right]) => (left < right ? -1 : 1));

for (const engine of ['sqlite', 'postgres'] as const)
  test(`every backup of a history gives back the rows of its moment, to the last one (${engine})`, async (t) => {
    verifies('BCK-03');
    const settings = await settingsFor(t, engine);
    if (settings === null) return;
    const deployment = await TestDeployment.start(t, { settings });
    const moments: { id: string; at: number; rows: ReturnType<typeof carried> }[] = [];
    const kinds = ['log', 'log', 'incremental', 'log', 'full', 'log', 'incremental', 'log'] as const;
    const ids: string[] = [];
    for (const [round, kind] of kinds.entries()) {
      for (let at = 0; at < 6; at++)
        ids.push(
          await add(deployment, `round ${round} number ${at}`, {
            subject: `s${at}`,
            conversation: `c${at % 2}`,
          }),
        );
      await deployment.must('PATCH', `${MEMORIES}/${ids[round * 6] ?? ''}`, {
        body: { text: `changed ${round}` },
      });
      await deployment.must('DELETE', `${MEMORIES}/${ids[round * 6 + 1] ?? ''}`);
      await deployment.must('DELETE', `${MEMORIES}/${ids[round * 6 + 2] ?? ''}?mode=erase`);
      if (round > 0) await deployment.must('POST', `${MEMORIES}/${ids[round * 6 - 5] ?? ''}/restore`);
      await deployment.must('POST', '/v1/keys', { body: { name: `key ${round}` } });
      await deployment.stop();
      // A job of its own stands between the snapshot and the reading here: nothing may.
      const made = await deployment.opened(async (open) => {
        deployment.clock.advance(1000);
        let rows: Rows | null = null;
        const row = await open.backups.create(kind);
        deployment.clock.advance(1000);
        rows = await readRows(open);
        return { id: row.id, at: row.taken_at, rows: carried(rows) };
      });
      moments.push(made);
      await deployment.serve();
    }
    await deployment.stop();
    for (const { id, at, rows } of moments) {
      const copy = await RestoredCopy.beside(t, deployment);
      const laid = await copy.restore({ at });
      assert.equal(laid.goal.id, id);
      assert.deepEqual(laid.differences, []);
      const store = await openStore(storeTarget(copy.options()), copy.options().environment, () => undefined);
      const restored = carried(await readRows({ store }));
      await store.close();
      for (const [table, expected] of Object.entries(rows)) {
        // The backup says of itself that it is being written; what records its end comes after its moment.
        if (['backups', 'removed_rows'].includes(table)) continue;
        assert.deepEqual(
          restored[table],
          expected,
          `${table} at ${laid.path.map(({ kind }) => kind).join()}`,
        );
      }
    }
  });

test('a restored copy can be searched and not changed, and its keystore is not touched until the commit', async (t) => {
  const deployment = await TestDeployment.start(t);
  const id = await add(deployment, 'twin sails', { subject: 'ann' });
  await backup(deployment);
  await add(deployment, 'lost sails');
  await deployment.stop();
  const copy = await RestoredCopy.beside(t, deployment);
  await copy.restore();
  const before = await filesBelow(join(copy.directory, 'keystore'));
  await copy.served(async (call) => {
    const key = deployment.apiKey;
    assert.equal((await call('GET', `${MEMORIES}/${id}`, { key })).json['text'], 'twin sails');
    const found = await call('POST', SEARCH, { key, body: { query: 'sails' } });
    assert.equal((found.json['results'] as unknown[]).length, 1);
    const writes = [
      ['POST', MEMORIES, { text: 'x' }],
      ['PATCH', `${MEMORIES}/${id}`, { text: 'x' }],
      ['DELETE', `${MEMORIES}/${id}?mode=erase`, undefined],
      ['POST', '/v1/keys', { name: 'x' }],
      ['POST', '/v1/backups', {}],
      ['DELETE', '/v1/vaults/default', undefined],
    ] as const;
    for (const [method, path, body] of writes) {
      const answer = await call(method, path, { key, ...(body === undefined ? {} : { body }) });
      assert.equal(answer.json['code'], 'store.restoring', `${method} ${path}`);
      assert.equal(answer.status, 409);
    }
    const ledger = await call('GET', '/v1/ledger?limit=20', { key });
    const actions = (ledger.json['entries'] as { action: string; outcome: string }[]).map(
      ({ action, outcome }) => `${action} ${outcome}`,
    );
    assert.ok(actions.includes('memory.get done') && actions.includes('memory.add refused'));
  });
  assert.deepEqual(await filesBelow(join(copy.directory, 'keystore')), before);
  await copy.commit();
  assert.notDeepEqual(await filesBelow(join(copy.directory, 'keystore')), before, 'the comparison can fail');
  await copy.served(async (call) => {
    assert.equal((await call('POST', MEMORIES, { key: deployment.apiKey, body: { text: 'x' } })).status, 201);
  });
});

async function filesBelow(folder: string): Promise<Readonly<Record<string, string>>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    await Promise.all(
      files.sort().map(async (file) => [file, (await readFile(file)).toString('hex')] as const),
    ),
  );
}

test('a data directory of yesterday is refused, and after a commit what was erased is gone and its twin is there', async (t) => {
  const deployment = await TestDeployment.start(t);
  const twin = await add(deployment, 'twin sails');
  const gone = await add(deployment, 'gone sails');
  await deployment.stop();
  const old = join(deployment.directory, '..', 'old.db');
  await copyFile(join(deployment.directory, 'strongroom.db'), old);
  const wal = join(deployment.directory, 'strongroom.db-wal');
  await copyFile(wal, `${old}-wal`).catch(() => undefined);
  await deployment.serve();
  await deployment.must('DELETE', `${MEMORIES}/${gone}?mode=erase`);
  await deployment.stop();
  for (const end of ['', '-wal', '-shm'])
    await rm(join(deployment.directory, `strongroom.db${end}`), { force: true });
  await copyFile(old, join(deployment.directory, 'strongroom.db'));
  await copyFile(`${old}-wal`, wal).catch(() => undefined);
  await assert.rejects(deployment.serve(), { code: 'store.older' });
  const copy = await RestoredCopy.of(deployment);
  await copy.commit();
  await deployment.serve();
  assert.equal((await deployment.must('GET', `${MEMORIES}/${twin}`)).json['text'], 'twin sails');
  assert.equal((await deployment.call('GET', `${MEMORIES}/${gone}`)).status, 404);
  await deployment.stop();
  await assert.rejects(copy.commit(), { code: 'conflict' });
});

test('what was written after the backup opens until the restore is committed, and never again', async (t) => {
  const deployment = await TestDeployment.start(t);
  await add(deployment, 'kept');
  await backup(deployment);
  for (let at = 0; at < 5; at++) await add(deployment, `orphan ${at}`, { subject: `late ${at}` });
  await deployment.must('POST', '/v1/vaults', { body: { name: 'late vault' } });
  await deployment.must('POST', '/v1/vaults/late vault/memories'.replaceAll(' ', '%20'), {
    body: { text: 'orphan' },
  });
  await deployment.stop();
  const later = await deployment.opened(({ store }) => readRows({ store }));
  const copy = await RestoredCopy.beside(t, deployment);
  const { goal } = await copy.restore();
  const orphans = [...later.memory_versions, ...later.vaults, ...later.subjects].flatMap((row) =>
    row.change > goal.to && 'slot' in row ? [row.slot as Slot] : [],
  );
  assert.ok(orphans.length >= 11);
  await copy.opened(({ keyring }) => {
    for (const slot of orphans)
      assert.equal(keyring.isErased(slot), false, 'a restore may still be given up');
    return Promise.resolve();
  });
  await copy.commit();
  await copy.declareLost('keystore/b');
  await copy.opened(async (open) => {
    for (const slot of orphans) assert.equal(open.keyring.isErased(slot), true, `slot ${slot}`);
    const boxes = await openEveryBox(open, copy.directory);
    assert.ok(boxes.some(({ place, outcome }) => place.column === 'body_box' && outcome === 'open'));
    assert.deepEqual(await checkInvariants(open, copy.directory), []);
  });
});

test('a bulk change is undone by a restore to before it, until the old versions are due', async (t) => {
  const deployment = await TestDeployment.start(t);
  const ids = await Promise.all([0, 1, 2].map((at) => add(deployment, `right ${at}`)));
  await backup(deployment);
  const before = deployment.clock.now();
  for (const id of ids) await deployment.must('PATCH', `${MEMORIES}/${id}`, { body: { text: 'wrong' } });
  await backup(deployment, 'log');
  await deployment.stop();
  const copy = await RestoredCopy.beside(t, deployment);
  await copy.restore({ at: before });
  await copy.served(async (call) => {
    for (const [at, id] of ids.entries())
      assert.equal(
        (await call('GET', `${MEMORIES}/${id}`, { key: deployment.apiKey })).json['text'],
        `right ${at}`,
      );
  });
  deployment.clock.advance(30 * DAY_MS + 1);
  await deployment.opened((open) => open.scheduler.run());
  const late = await RestoredCopy.beside(t, deployment);
  await late.restore({ at: before });
  await late.served(async (call) => {
    for (const id of ids)
      assert.equal((await call('GET', `${MEMORIES}/${id}`, { key: deployment.apiKey })).status, 404);
  });
});

test('a key that was revoked stays revoked, one that was rotated stays ended, a note beside the keystore stays', async (t) => {
  const deployment = await TestDeployment.start(t);
  const key = async (name: string): Promise<Json> =>
    (await deployment.must('POST', '/v1/keys', { body: { name } })).json;
  const [revoked, rotated, twin] = [await key('revoked'), await key('rotated'), await key('twin')];
  await backup(deployment);
  await deployment.must('DELETE', `/v1/keys/${String(revoked['id'])}`);
  await deployment.must('POST', `/v1/keys/${String(rotated['id'])}/rotate`);
  await deployment.stop();
  await deployment.opened((open) => open.keyring.keepNote('hold', { vault: 'x' }));
  const copy = await RestoredCopy.beside(t, deployment);
  await copy.restore();
  const states = async (): Promise<void> =>
    copy.served(async (call) => {
      const ask = (apiKey: unknown) => call('GET', '/v1/vaults', { key: String(apiKey) });
      assert.equal((await ask(twin['apiKey'])).status, 200);
      assert.equal((await ask(revoked['apiKey'])).json['code'], 'auth.invalid');
      assert.equal((await ask(rotated['apiKey'])).json['code'], 'auth.invalid');
      const keys = await call('GET', '/v1/keys', { key: deployment.apiKey });
      const state = new Map(
        (keys.json['keys'] as { id: string; state: string }[]).map(({ id, state }) => [id, state]),
      );
      assert.equal(state.get(String(revoked['id'])), 'revoked');
      assert.equal(state.get(String(twin['id'])), 'active');
    });
  await states();
  await copy.commit();
  await states();
  await copy.opened((open) => {
    assert.deepEqual([...open.keyring.notes], [['hold', { vault: 'x' }]]);
    return Promise.resolve();
  });
});

interface Damaged {
  readonly what: string;
  readonly file: RegExp;
  /** Breaks `bkp_…/000001` of the newest; `other` is an older backup. */
  readonly damage: (folder: string, newest: string, other: string) => Promise<unknown>;
}

const flip = async (path: string, at: number): Promise<void> => {
  const bytes = await readFile(path);
  const place = at < 0 ? bytes.length + at : at;
  bytes[place] = (bytes[place] ?? 0) ^ 1;
  await writeFile(path, bytes);
};

const DAMAGES: readonly Damaged[] = [
  { what: 'flipped', file: /000001/, damage: (folder, newest) => flip(join(folder, newest, '000001'), 500) },
  {
    what: 'flipped at its end',
    file: /000001/,
    damage: (folder, newest) => flip(join(folder, newest, '000001'), -1),
  },
  { what: 'missing', file: /000001/, damage: (folder, newest) => rm(join(folder, newest, '000001')) },
  { what: 'cut', file: /000001/, damage: (folder, newest) => truncate(join(folder, newest, '000001'), 100) },
  {
    what: 'swapped',
    file: /000001/,
    damage: (folder, newest, other) =>
      copyFile(join(folder, other, '000001'), join(folder, newest, '000001')),
  },
  {
    what: 'its manifest flipped',
    file: /manifest/,
    damage: (folder, newest) => flip(join(folder, newest, 'manifest'), 90),
  },
  {
    what: 'its manifest unsigned',
    file: /manifest/,
    damage: (folder, newest) => flip(join(folder, newest, 'manifest'), -1),
  },
  {
    what: 'missing as a whole',
    file: /manifest/,
    damage: (folder, newest) => rm(join(folder, newest), { recursive: true }),
  },
  {
    what: 'its manifest swapped',
    file: /manifest/,
    damage: (folder, newest, other) =>
      copyFile(join(folder, other, 'manifest'), join(folder, newest, 'manifest')),
  },
];

test('a piece that is flipped, missing, cut or swapped is named, and the rest can be restored', async (t) => {
  verifies('CRY-02');
  const deployment = await TestDeployment.start(t);
  const first = await add(deployment, 'first');
  const full = await backup(deployment);
  const second = await add(deployment, 'second');
  const log = await backup(deployment, 'log');
  await deployment.stop();
  const whole = join(deployment.directory, 'backups');
  for (const { what, file, damage } of DAMAGES) {
    const copy = await RestoredCopy.beside(t, deployment);
    const folder = join(copy.directory, '..', 'damaged');
    await cp(whole, folder, { recursive: true });
    await damage(folder, String(log['id']), String(full['id']));
    await assert.rejects(copy.restore({ from: folder }), (error: unknown) => {
      assert.ok(error instanceof StrongroomError && error.code === 'box.damaged', String(error));
      assert.match(error.message, new RegExp(`${String(log['id'])}/${file.source}`), what);
      return true;
    });
    const laid = await copy.restore({ from: folder, skipDamaged: true });
    assert.equal(laid.goal.id === String(log['id']), laid.skipped.length > 0, what);
    await copy.commit();
    await copy.served(async (call) => {
      const key = deployment.apiKey;
      assert.equal((await call('GET', `${MEMORIES}/${first}`, { key })).status, 200, what);
      assert.equal((await call('GET', `${MEMORIES}/${second}`, { key })).status, 404, what);
    });
  }
});

test('with a full backup lost, the one before it and the increments lead to the same moment', async (t) => {
  const deployment = await TestDeployment.start(t);
  const ids: string[] = [];
  const step = async (kind: BackupRow['kind']): Promise<Json> => {
    ids.push(await add(deployment, `memory ${ids.length}`));
    return backup(deployment, kind);
  };
  await step('full');
  await step('incremental');
  const lost = await step('full');
  await step('log');
  await step('incremental');
  await deployment.stop();
  const copy = await RestoredCopy.beside(t, deployment);
  await truncate(join(deployment.directory, 'backups', String(lost['id']), '000001'), 50);
  const laid = await copy.restore();
  assert.deepEqual(
    laid.path.map(({ kind }) => kind),
    ['full', 'incremental', 'incremental'],
  );
  assert.deepEqual(laid.differences, []);
  assert.match(laid.damage.map(({ file }) => file).join(), new RegExp(`${String(lost['id'])}/000001`));
  await copy.commit();
  await copy.served(async (call) => {
    for (const id of ids)
      assert.equal((await call('GET', `${MEMORIES}/${id}`, { key: deployment.apiKey })).status, 200);
  });
});

for (const engine of ['sqlite', 'postgres'] as const)
  test(`a backup that is taken while others write and erase shows one moment, and what was erased stays gone (${engine})`, async (t) => {
    const settings = await settingsFor(t, engine);
    if (settings === null) return;
    const deployment = await TestDeployment.start(t, { settings });
    const ids: string[] = [];
    for (let at = 0; at < 40; at++)
      ids.push(await add(deployment, `memory ${at}`, { subject: `s${at % 4}` }));
    const erased = ids.slice(0, 15);
    const writing = (async () => {
      for (const [at, id] of erased.entries()) {
        await deployment.must('DELETE', `${MEMORIES}/${id}?mode=erase`);
        await add(deployment, `meanwhile ${at}`);
        await deployment.must('PATCH', `${MEMORIES}/${ids[20 + at] ?? ''}`, {
          body: { text: `changed ${at}` },
        });
      }
    })();
    for (const kind of ['full', 'log', 'log', 'incremental', 'log'] as const) await backup(deployment, kind);
    await writing;
    await backup(deployment, 'log');
    await deployment.stop();
    const copy = await RestoredCopy.beside(t, deployment);
    assert.deepEqual((await copy.restore()).differences, []);
    await copy.commit();
    await copy.declareLost('keystore/b');
    await copy.opened(async (open) => {
      assert.deepEqual(await checkInvariants(open, copy.directory), []);
      const rows = await readMemories(open);
      for (const id of erased) assert.ok(!rows.has(id), id);
      for (const id of ids.slice(15)) assert.ok(rows.has(id), id);
    });
  });

const readMemories = async ({ store }: Strongroom): Promise<ReadonlySet<string>> => {
  const rows = await store.read(SYSTEM, (db) => db.selectFrom('memories').select('id').execute());
  return new Set(rows.map(({ id }) => id));
};
