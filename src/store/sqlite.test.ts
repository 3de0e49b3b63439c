import assert from 'node:assert/strict';
import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { migrate } from './migrate.ts';
import { DATABASE_FILE, openSqliteDatabase, sqliteEngine, sqliteMigrator, storeError } from './sqlite.ts';
import { FatalStoreError } from './connection.ts';
import { insertRows, SYSTEM } from './store.ts';
import { sqliteEngineFor, temporaryFolder } from './testing/engines.ts';
import { ANN, personOf } from './testing/rows.ts';

test('a commit waits for the disk: write-ahead log, synchronous full, no checkpoint behind our back', async (t) => {
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
  const folder = await temporaryFolder(t);
  const database = openSqliteDatabase(folder);
  await migrate(sqliteMigrator(database), () => undefined);
  const { readers, writer } = sqliteEngine(folder, database);
  t.after(() => readers.close());
  t.after(() => writer.close());
  for (const statement of ['delete from subjects', 'pragma user_version = 7', 'create table x (y)']) {
    const write = readers.read(SYSTEM, async (connection) => connection.execute(statement, []));
    await assert.rejects(write, { code: 'store.unavailable' }, statement);
  }
});

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
