import assert from 'node:assert/strict';
import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test, type TestContext } from 'node:test';
import { CommitGroups } from './groups.ts';
import { migrate } from './migrate.ts';
import { DATABASE_FILE, openSqliteDatabase, sqliteEngine, sqliteMigrator, storeError } from './sqlite.ts';
import { FatalStoreError, type Engine } from './connection.ts';
import { SqliteLog } from './sqlite-log.ts';
import { insertRows, SYSTEM } from './store.ts';
import { sqliteEngineFor, temporaryFolder } from './testing/engines.ts';
import { ANN, personOf } from './testing/rows.ts';

test('migrations wait for the disk: write-ahead log, synchronous full, no checkpoint behind our back', async (t) => {
  const database = openSqliteDatabase(await temporaryFolder(t));
  t.after(() => database.close());
  const pragma = (name: string): unknown => Object.values(database.prepare(`pragma ${name}`).get() ?? {})[0];
  assert.deepEqual(['journal_mode', 'synchronous', 'wal_autocheckpoint', 'temp_store'].map(pragma), [
    'wal',
    2,
    0,
    2,
  ]);
});

test('statements that are used stay prepared, however many others come, and those are forgotten', async (t) => {
  const { connection } = (await migratedEngine(t)).writer;
  const prepared = t.mock.method(DatabaseSync.prototype, 'prepare');
  const timesPrepared = (sql: string): number =>
    prepared.mock.calls.filter(({ arguments: [text] }) => text === sql).length;
  for (let other = 0; other < 2000; other++) {
    const { rows } = await connection.execute(`select ${other} as n`, []);
    assert.deepEqual(rows, [{ n: other }]);
    await connection.execute('select 1 as used', []);
  }
  assert.equal(timesPrepared('select 1 as used'), 1);
  await connection.execute('select 0 as n', []);
  assert.equal(timesPrepared('select 0 as n'), 2);
});

test('nobody is told of a commit, and no read answers with it, before its log is on disk', async (t) => {
  const { groups, readers, sync } = await storeWithSync(t);
  const told: string[] = [];
  const flusher = { flush: () => Promise.resolve(), committed: () => void told.push('committed') };
  const written = groups
    .submit(ANN, async (tx) => {
      tx.defer(flusher, 1);
      await insertRows(tx.sql, 'subjects', [personOf(ANN, 'sub_1', tx.change)]);
    })
    .then(() => told.push('answered'));
  const held = await sync.begun();
  const read = readers
    .read(SYSTEM, async (connection) => connection.execute('select id from subjects', []))
    .then(({ rows }) => told.push(`read ${rows.length}`));
  await later();
  assert.deepEqual(told, []);
  held.resolve();
  await Promise.all([written, read]);
  assert.deepEqual(new Set(told), new Set(['answered', 'committed', 'read 1']));
});

test('a log that cannot be brought to disk ends the store: what nobody knows is acknowledged to nobody', async (t) => {
  const fatal: unknown[] = [];
  const { groups, readers, sync } = await storeWithSync(t, { onFatal: (error) => fatal.push(error) });
  const add = (id: string) =>
    groups.submit(ANN, (tx) => insertRows(tx.sql, 'subjects', [personOf(ANN, id, tx.change)]));
  const written = assert.rejects(add('sub_1'), { code: 'store.unavailable' });
  const held = await sync.begun();
  const read = assert.rejects(
    readers.read(SYSTEM, async (connection) => connection.execute('select id from subjects', [])),
    { code: 'store.unavailable' },
  );
  held.reject(new Error('EIO'));
  await Promise.all([written, read]);
  assert.ok(fatal[0] instanceof FatalStoreError);
  await assert.rejects(add('sub_2'), { code: 'store.unavailable' });
});

test('the main thread waits for the disk itself only for somebody who has been alone for a while', async (t) => {
  const { groups, sync } = await storeWithSync(t);
  let id = 0;
  const add = () =>
    groups.submit(ANN, (tx) => insertRows(tx.sql, 'subjects', [personOf(ANN, `sub_${++id}`, tx.change)]));
  const held = async (written: Promise<unknown>[]): Promise<void> => {
    (await sync.begun()).resolve();
    await Promise.all(written);
  };
  for (let group = 0; group < 4; group++) await held([add()]);
  assert.equal(sync.inPassing(), 0);
  await add();
  await add();
  assert.equal(sync.inPassing(), 2);
  await held([add(), add()]);
  await held([add()]);
  assert.equal(sync.inPassing(), 2);
});

test('what a killed process left in the log is on disk before a read answers with it', async (t) => {
  const { readers, sync } = await storeWithSync(t, { isFresh: true });
  const opening = await sync.begun();
  let isAnswered = false;
  const read = readers.read(SYSTEM, async () => undefined).then(() => (isAnswered = true));
  await later();
  assert.equal(isAnswered, false);
  opening.resolve();
  await read;
});

test('the files of the database are readable by their owner alone', async (t) => {
  const engine = await sqliteEngineFor(t);
  const store = await engine.open();
  await store.write(ANN, (tx) => insertRows(tx.sql, 'subjects', [personOf(ANN, 'sub_1', tx.change)]));
  assert.ok(engine.target.engine === 'sqlite');
  const folder = engine.target.directory;
  for (const suffix of ['', '-wal', '-shm']) {
    const { mode }: Stats = await stat(join(folder, DATABASE_FILE + suffix));
    assert.equal(mode & 0o777, 0o600, suffix);
  }
});

test('a connection for reading refuses to write, whatever is sent over it', async (t) => {
  const { readers } = await migratedEngine(t);
  for (const statement of ['delete from subjects', 'pragma user_version = 7', 'create table x (y)']) {
    const write = readers.read(SYSTEM, async (connection) => connection.execute(statement, []));
    await assert.rejects(write, { code: 'store.unavailable' }, statement);
  }
});

async function migratedEngine(
  t: TestContext,
  logOf = (path: string): SqliteLog => new SqliteLog(path),
): Promise<Engine> {
  const folder = await temporaryFolder(t);
  const database = openSqliteDatabase(folder);
  await migrate(sqliteMigrator(database), () => undefined);
  const engine = sqliteEngine(folder, database, logOf(join(folder, DATABASE_FILE)));
  t.after(() => engine.readers.close());
  t.after(() => engine.writer.close());
  return engine;
}

/** A store whose syncs wait until the test lets them go. */
async function storeWithSync(
  t: TestContext,
  { onFatal = (error: unknown): void => assert.fail(String(error)), isFresh = false } = {},
) {
  const syncs: PromiseWithResolvers<void>[] = [];
  let inPassing = 0;
  const disk = {
    sync: () => {
      const held = Promise.withResolvers<void>();
      syncs.push(held);
      return held.promise;
    },
    syncNow: () => void inPassing++,
    now: () => 0,
  };
  const engine = await migratedEngine(t, (path) => new SqliteLog(path, disk));
  const begun = async (): Promise<PromiseWithResolvers<void>> => {
    for (;;) {
      const held = syncs.shift();
      if (held !== undefined) return held;
      await later();
    }
  };
  if (!isFresh) (await begun()).resolve();
  const groups = new CommitGroups({ engine, fault: () => undefined, onFatal });
  return { groups, readers: engine.readers, sync: { begun, inPassing: () => inPassing } };
}

const later = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('failed I/O and damage end the process; a full disk or a lock does not', () => {
  const of = (errcode: number): unknown => storeError(Object.assign(new Error('x'), { errcode }));
  for (const fatal of [10, 11, 14, 26, 8, 10 | (4 << 8), 10 | (26 << 8)])
    assert.ok(of(fatal) instanceof FatalStoreError);
  for (const passing of [5, 6, 13])
    assert.equal((of(passing) as { code?: string }).code, 'store.unavailable');
  assert.equal((of(2067) as { code?: string }).code, 'conflict');
  const other = new Error('x');
  assert.equal(storeError(other), other);
});
