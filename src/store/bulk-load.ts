/**
 * Fills a new database from a backup: tables first, then rows as they come, indexes and triggers last.
 *
 * All or nothing. SQLite: everything goes into a file beside the database's place, which takes that place by a rename
 * after it is synced; PostgreSQL: it is one transaction of the owner's. A crash leaves nothing that could be opened.
 */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { Client } from 'pg';
import type { Bytes } from '../bytes/encoding.ts';
import { isEqual } from '../bytes/equal.ts';
import type { FaultPoint } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { SqlValue } from './connection.ts';
import {
  postgresIndexes,
  postgresTables,
  quote,
  SCOPE_SETTING,
  sqliteIndexes,
  sqliteTables,
  SYSTEM_SETTING,
} from './ddl.ts';
import { schemaNumber } from './migrate.ts';
import { MIGRATIONS, TABLES } from './migrations.ts';
import type { StoreTarget } from './open-store.ts';
import { CLIENT_OPTIONS, PostgresConnection } from './postgres-client.ts';
import { postgresError } from './postgres-error.ts';
import { DATABASE_FILE, storeError } from './sqlite.ts';

export interface RowBatch {
  readonly table: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly SqlValue[])[];
}

export interface BulkLoad {
  /** `isNew`: no row of these can be there yet. Else a row takes the place of the one with its key. */
  put(batch: RowBatch, isNew: boolean): Promise<void>;
  /** Values of keys, in the order of the table's key. */
  remove(table: string, keys: readonly (readonly SqlValue[])[]): Promise<void>;
  /** The store stands at this change; from now on it can be opened. */
  finish(change: number): Promise<void>;
  /** Takes everything back; does nothing after `finish`. */
  abandon(): Promise<void>;
}

export interface BulkLoadOptions {
  /** The deployment whose database may be there, from an interrupted load, and gives way; null: none may be. */
  readonly replaces: Bytes | null;
  readonly fault: FaultPoint;
}

/** Throws `data.exists` where there is a database already. */
export const openBulkLoad = async (target: StoreTarget, options: BulkLoadOptions): Promise<BulkLoad> =>
  target.engine === 'sqlite' ? new SqliteLoad(target.directory, options) : openPostgresLoad(target, options);

const LOADING_FILE = `${DATABASE_FILE}.loading`;
const PAGE_BYTES = 8192;
const SCHEMA = MIGRATIONS.length;

class SqliteLoad implements BulkLoad {
  readonly #directory: string;
  readonly #fault: FaultPoint;
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(directory: string, { replaces, fault }: BulkLoadOptions) {
    this.#directory = directory;
    this.#fault = fault;
    if (existsSync(join(directory, DATABASE_FILE))) {
      if (replaces === null) throw new StrongroomError('data.exists', `${directory} holds a database`);
      for (const end of ['-wal', '-shm', '']) rmSync(join(directory, DATABASE_FILE + end), { force: true });
    }
    this.#discard();
    const path = join(directory, LOADING_FILE);
    closeSync(openSync(path, 'a', 0o600));
    this.#database = new DatabaseSync(path, { enableDoubleQuotedStringLiterals: false });
    // Nothing of this file is ever seen unless it is whole, so nothing in it has to survive anything.
    this.#database.exec(
      `pragma page_size = ${PAGE_BYTES}; pragma journal_mode = off; pragma synchronous = off; ` +
        'pragma temp_store = memory; pragma cache_size = -131072; pragma locking_mode = exclusive; begin',
    );
    for (const migration of MIGRATIONS)
      for (const statement of sqliteTables(migration)) this.#database.exec(statement);
  }

  put({ table, columns, rows }: RowBatch, isNew: boolean): Promise<void> {
    const verb = isNew ? 'insert' : 'insert or replace';
    const sql =
      `${verb} into ${quote(table)} (${columns.map(quote).join(', ')}) ` +
      `values (${columns.map(() => '?').join(', ')})`;
    this.#each(sql, rows);
    return Promise.resolve();
  }

  remove(table: string, keys: readonly (readonly SqlValue[])[]): Promise<void> {
    const where = keyOf(table).map((column) => `${quote(column)} = ?`);
    this.#each(`delete from ${quote(table)} where ${where.join(' and ')}`, keys);
    return Promise.resolve();
  }

  #each(sql: string, rows: readonly (readonly SqlValue[])[]): void {
    try {
      const statement = this.#statements.get(sql) ?? this.#database.prepare(sql);
      this.#statements.set(sql, statement);
      for (const row of rows) statement.run(...row);
    } catch (error) {
      throw storeError(error);
    }
  }

  finish(change: number): Promise<void> {
    this.#fault('load.indexes');
    for (const migration of MIGRATIONS)
      for (const statement of sqliteIndexes(migration)) this.#database.exec(statement);
    this.#database.prepare('insert or replace into store_head (id, change) values (1, ?)').run(change);
    this.#database
      .prepare('insert or replace into meta (name, value, change) values (?, ?, ?)')
      .run('schema', schemaNumber(SCHEMA), 0);
    this.#database.exec('commit');
    this.#statements.clear();
    this.#database.close();
    const path = join(this.#directory, LOADING_FILE);
    this.#fault('load.sync');
    syncPath(path);
    this.#fault('load.rename');
    renameSync(path, join(this.#directory, DATABASE_FILE));
    this.#fault('load.folder');
    syncPath(this.#directory);
    return Promise.resolve();
  }

  abandon(): Promise<void> {
    this.#statements.clear();
    if (this.#database.isOpen) this.#database.close();
    this.#discard();
    return Promise.resolve();
  }

  #discard(): void {
    for (const end of ['', '-journal', '-wal', '-shm'])
      rmSync(join(this.#directory, LOADING_FILE + end), { force: true });
  }
}

function syncPath(path: string): void {
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

async function openPostgresLoad(
  { url, ownerUrl }: { readonly url: string; readonly ownerUrl?: string },
  { replaces, fault }: BulkLoadOptions,
): Promise<BulkLoad> {
  if (ownerUrl === undefined)
    throw new StrongroomError('config.invalid', 'a restore to PostgreSQL needs the setting databaseOwner');
  const client = new Client({ ...CLIENT_OPTIONS, connectionString: ownerUrl, statement_timeout: 0 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const connection = new PostgresConnection(client);
    await connection.simple('begin', `select set_config('${SCOPE_SETTING}', '${SYSTEM_SETTING}', true)`);
    await giveWay(connection, replaces);
    const role = decodeURIComponent(new URL(url).username);
    for (const migration of MIGRATIONS) await connection.simple(...postgresTables(migration, role));
    return new PostgresLoad(client, connection, { role, fault });
  } catch (error) {
    await client.end();
    throw postgresError(error);
  }
}

/** Removes the tables of an interrupted load; any others are somebody's. */
async function giveWay(connection: PostgresConnection, replaces: Bytes | null): Promise<void> {
  const { rows } = await connection.execute(`select to_regclass('meta') is not null as found`, []);
  if (rows[0]?.['found'] !== true) return;
  const held = await connection.execute(`select value from meta where name = 'deployment'`, []);
  const deployment = held.rows[0]?.['value'];
  if (replaces === null || !(deployment instanceof Uint8Array) || !isEqual(deployment, replaces))
    throw new StrongroomError('data.exists', 'the database has tables already');
  for (const table of Object.keys(TABLES)) await connection.simple(`drop table if exists ${quote(table)}`);
  const { rows: functions } = await connection.execute(OWN_FUNCTIONS, []);
  for (const { name } of functions) await connection.simple(`drop function ${String(name)}`);
}

/** What migrations made beside tables. */
const OWN_FUNCTIONS = `
  select oid::regprocedure::text as name from pg_proc
  where pronamespace = current_schema()::regnamespace and pg_get_userbyid(proowner) = current_user`;

class PostgresLoad implements BulkLoad {
  readonly #client: Client;
  readonly #connection: PostgresConnection;
  readonly #fault: FaultPoint;
  readonly #role: string;
  #isOpen = true;

  constructor(
    client: Client,
    connection: PostgresConnection,
    { role, fault }: { readonly role: string; readonly fault: FaultPoint },
  ) {
    this.#client = client;
    this.#connection = connection;
    this.#role = role;
    this.#fault = fault;
  }

  async put({ table, columns, rows }: RowBatch, isNew: boolean): Promise<void> {
    // A row that is there gives way first; within a batch no key comes twice.
    if (!isNew)
      await this.remove(
        table,
        rows.map((row) => keyOf(table).map((column) => row[columns.indexOf(column)] ?? null)),
      );
    await this.#connection.insert(table, columns, rows);
  }

  async remove(table: string, keys: readonly (readonly SqlValue[])[]): Promise<void> {
    const where = keyOf(table).map((column, at) => `${quote(column)} = $${at + 1}`);
    const sql = `delete from ${quote(table)} where ${where.join(' and ')}`;
    const sent = await Promise.allSettled(keys.map((key) => this.#connection.execute(sql, key)));
    const failed = sent.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async finish(change: number): Promise<void> {
    this.#fault('load.indexes');
    for (const migration of MIGRATIONS) {
      const indexes = postgresIndexes(migration, this.#role);
      if (indexes.length > 0) await this.#connection.simple(...indexes);
    }
    await this.#connection.execute('insert into store_head (id, change) values (1, $1)', [change]);
    await this.remove('meta', [['schema']]);
    await this.#connection.insert('meta', ['name', 'value', 'change'], [['schema', schemaNumber(SCHEMA), 0]]);
    this.#fault('load.sync');
    await this.#connection.simple('commit');
    await this.#end();
  }

  async abandon(): Promise<void> {
    await this.#end();
  }

  async #end(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#client.end();
  }
}

function keyOf(table: string): readonly string[] {
  const definition = TABLES[table];
  if (definition === undefined) throw new StrongroomError('schema.newer', `no such table: ${table}`);
  return definition.key;
}
