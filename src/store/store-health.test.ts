/** A store that is not the one it was takes no write, says so, and ends nothing. */
import assert from 'node:assert/strict';
import { copyFileSync, cpSync, renameSync, truncateSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test, type TestContext } from 'node:test';
import { Client } from 'pg';
import { StrongroomError } from '../errors.ts';
import { SYSTEM, type Store } from './store.ts';
import { forEachEngine, onPostgres, sqliteEngineFor } from './testing/engines.ts';

interface Opened {
  readonly store: Store;
  readonly file: string;
  readonly log: string;
  /** Folder for copies. */
  readonly aside: string;
}

const write = (store: Store, name: string): Promise<void> =>
  store.write(SYSTEM, async (tx) => {
    await tx.sql
      .insertInto('meta')
      .values({ name, value: new Uint8Array(64), change: tx.change })
      .execute();
  });

const names = (store: Store): Promise<string[]> =>
  store.read(SYSTEM, async (db) =>
    (await db.selectFrom('meta').select('name').where('name', 'like', 'test%').orderBy('name').execute()).map(
      ({ name }) => name,
    ),
  );

async function opened(t: TestContext): Promise<Opened> {
  const engine = await sqliteEngineFor(t);
  assert.ok(engine.target.engine === 'sqlite');
  const { directory } = engine.target;
  const store = await engine.open();
  await write(store, 'test 1');
  assert.deepEqual(store.health, { ok: true });
  const file = join(directory, 'strongroom.db');
  return { store, file, log: `${file}-wal`, aside: directory };
}

const HARM: Readonly<Record<string, (opened: Opened) => void>> = {
  'the database is removed': ({ file }) => unlinkSync(file),
  'its log is removed': ({ log }) => unlinkSync(log),
  'the database is renamed': ({ file }) => renameSync(file, `${file}.old`),
  'another file takes its place': ({ file }) => {
    copyFileSync(file, `${file}.copy`);
    renameSync(`${file}.copy`, file);
  },
  'an older copy is written over it': ({ file, aside }) => {
    cpSync(file, join(aside, 'copy'));
    copyFileSync(join(aside, 'copy'), file);
  },
  'its log is cut off': ({ log }) => truncateSync(log, 8192),
};

for (const [what, harm] of Object.entries(HARM))
  test(`${what}: nothing is acknowledged any more, and health is red`, async (t) => {
    const made = await opened(t);
    harm(made);
    assert.equal(made.store.health.ok, false);
    assert.ok((made.store.health.detail ?? '').length > 10);
    for (const name of ['test 2', 'test 3'])
      await assert.rejects(write(made.store, name), { code: 'store.unavailable' });
  });

test('what happens to the files during a commit keeps it from being acknowledged', async (t) => {
  const { store, file } = await opened(t);
  const late = store.write(SYSTEM, (tx) => {
    unlinkSync(file);
    return tx.sql
      .insertInto('meta')
      .values({ name: 'test 2', value: new Uint8Array(1), change: tx.change })
      .execute();
  });
  await assert.rejects(late, { code: 'store.unavailable', message: 'its file is gone' });
});

test('a file that comes back is written to again; only the commit that was in doubt is there unacknowledged', async (t) => {
  const { store, file } = await opened(t);
  renameSync(file, `${file}.away`);
  for (const name of ['test 2', 'test 3', 'test 4'])
    await assert.rejects(write(store, name), { code: 'store.unavailable' });
  renameSync(`${file}.away`, file);
  await write(store, 'test 5');
  assert.deepEqual(store.health, { ok: true });
  assert.deepEqual(await names(store), ['test 1', 'test 2', 'test 5']);
});

test('what another connection commits through SQLite is no harm', async (t) => {
  const { store, file } = await opened(t);
  const other = new DatabaseSync(file, { timeout: 5000 });
  other.exec(`insert into meta (name, value, change) values ('test 2', x'00', 1)`);
  other.exec('pragma wal_checkpoint(passive)');
  other.close();
  assert.deepEqual(store.health, { ok: true });
  await write(store, 'test 3');
  assert.deepEqual(await names(store), ['test 1', 'test 2', 'test 3']);
});

test('our own checkpoints are no harm', async (t) => {
  const { store } = await opened(t);
  for (let at = 0; at < 20; at++)
    await store.write(SYSTEM, (tx) =>
      tx.sql
        .insertInto('meta')
        .values({ name: `test large ${at}`, value: new Uint8Array(1_500_000), change: tx.change })
        .execute(),
    );
  assert.deepEqual(store.health, { ok: true });
});

forEachEngine('a group that fails as a whole turns health red until one is committed', async (_t, engine) => {
  let isBroken = false;
  const store = await engine.open({
    fault: (name) => {
      if (isBroken && name === 'store.commit') throw new RangeError('no space left');
    },
  });
  await write(store, 'test 1');
  isBroken = true;
  await assert.rejects(write(store, 'test 2'));
  assert.equal(store.health.ok, false);
  isBroken = false;
  await write(store, 'test 3');
  assert.deepEqual(store.health, { ok: true });
  assert.deepEqual(await names(store), ['test 1', 'test 3']);
});

forEachEngine('whoever watches over the store can stop its writes, and only those', async (_t, engine) => {
  const store = await engine.open();
  await write(store, 'test 1');
  store.refuse(new StrongroomError('store.older', 'the witness has seen more'));
  assert.equal(store.health.ok, false);
  await assert.rejects(write(store, 'test 2'), { code: 'store.unavailable' });
  assert.deepEqual(await names(store), ['test 1']);
});

onPostgres(
  'a database that was put back under a running process takes no further write',
  async (_t, engine) => {
    const store = await engine.open();
    for (const name of ['test 1', 'test 2', 'test 3']) await write(store, name);
    // As after a restore of the server: everything as it was, the change head with it.
    const back = new Client({ connectionString: engine.database?.superUrl });
    await back.connect();
    await back.query(`delete from meta where name = 'test 3'; update store_head set change = change - 1`);
    await back.end();
    await assert.rejects(write(store, 'test 4'), { code: 'store.unavailable' });
    await assert.rejects(write(store, 'test 5'), { code: 'store.unavailable' });
    assert.equal(store.health.ok, false);
    assert.deepEqual(await names(store), ['test 1', 'test 2']);
  },
);
