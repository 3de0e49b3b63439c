/**
 * All rows of a store at one moment, as bytes: what a backup is made of.
 *
 * The moment is that of a transaction which only reads, on a connection of its own: writers go on meanwhile and none of
 * what they do is seen. On SQLite the engine itself puts a row's bytes together, which spares a value per column.
 */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Client } from 'pg';
import { StrongroomError } from '../errors.ts';
import type { SqlValue } from './connection.ts';
import { quote, SCOPE_SETTING, SYSTEM_SETTING } from './ddl.ts';
import type { StoreTarget } from './open-store.ts';
import { CLIENT_OPTIONS, PostgresConnection } from './postgres-client.ts';
import { postgresError } from './postgres-error.ts';
import { encodeRow } from './row-bytes.ts';
import { DATABASE_FILE, storeError } from './sqlite.ts';
import type { Column } from './table.ts';

export interface Condition {
  readonly column: string;
  readonly is: '=' | '>' | '>=';
  readonly value: string | number;
}

export interface RowsQuery {
  readonly table: string;
  readonly columns: Readonly<Record<string, Column>>;
  /** All must hold; none: every row. */
  readonly where: readonly Condition[];
}

export interface Snapshot {
  readonly engine: 'sqlite' | 'postgres';
  /** The number of the last job it sees. */
  readonly change: number;
  /** Rows as `row-bytes.ts` writes them, in batches. */
  rows(query: RowsQuery): AsyncIterable<readonly Uint8Array[]>;
  /** Their values, for what is small. */
  values(query: RowsQuery): Promise<readonly (readonly SqlValue[])[]>;
  count(table: string): Promise<number>;
  close(): Promise<void>;
}

const HEAD = 'select change from store_head where id = 1';
/** Rows and bytes read before somebody else gets a turn: some milliseconds. */
const BATCH_ROWS = 1000;
const BATCH_BYTES = 2 * 1024 * 1024;

export const openSnapshot = (target: StoreTarget): Promise<Snapshot> =>
  target.engine === 'sqlite'
    ? Promise.resolve(sqliteSnapshot(target.directory))
    : postgresSnapshot(target.url);

function sqliteSnapshot(directory: string): Snapshot {
  const database = new DatabaseSync(join(directory, DATABASE_FILE), { readOnly: true, timeout: 5000 });
  try {
    database.exec('pragma query_only = on; pragma temp_store = memory; begin');
    const change = Number(database.prepare(HEAD).get()?.['change'] ?? 0);
    return new SqliteSnapshot(database, change);
  } catch (error) {
    database.close();
    throw storeError(error);
  }
}

class SqliteSnapshot implements Snapshot {
  readonly engine = 'sqlite';
  readonly change: number;
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync, change: number) {
    this.#database = database;
    this.change = change;
  }

  // oxlint-disable-next-line require-await -- The other engine waits for its rows.
  async *rows({ table, columns, where }: RowsQuery): AsyncGenerator<readonly Uint8Array[]> {
    const names = Object.keys(columns).map(quote);
    const bytes = Object.entries(columns).flatMap(([name, { type }]) =>
      type === 'bytes' ? [quote(name)] : [],
    );
    const head = Object.entries(columns).map(([name, { type }]) =>
      type === 'bytes' ? `octet_length(${quote(name)})` : quote(name),
    );
    const row = `cast(concat(json_array(${head.join(', ')}), char(10)${bytes.map((name) => `, ${name}`).join('')}) as blob)`;
    if (names.length === 0) return;
    const statement = this.#database.prepare(
      `select ${row} from ${quote(table)}${whereSql(where, () => '?')}`,
    );
    statement.setReturnArrays(true);
    let batch: Uint8Array[] = [];
    let size = 0;
    const found = statement.iterate(...where.map(({ value }) => value)) as unknown as Iterable<[Uint8Array]>;
    for (const [encoded] of found) {
      batch.push(encoded);
      size += encoded.length;
      if (batch.length < BATCH_ROWS && size < BATCH_BYTES) continue;
      yield batch;
      batch = [];
      size = 0;
    }
    if (batch.length > 0) yield batch;
  }

  values({ table, columns, where }: RowsQuery): Promise<readonly (readonly SqlValue[])[]> {
    const names = Object.keys(columns).map(quote).join(', ');
    const statement = this.#database.prepare(
      `select ${names} from ${quote(table)}${whereSql(where, () => '?')}`,
    );
    statement.setReturnArrays(true);
    return Promise.resolve(
      statement.all(...where.map(({ value }) => value)) as unknown as readonly (readonly SqlValue[])[],
    );
  }

  count(table: string): Promise<number> {
    const row = this.#database.prepare(`select count(*) as n from ${quote(table)}`).get();
    return Promise.resolve(Number(row?.['n'] ?? 0));
  }

  close(): Promise<void> {
    this.#database.close();
    return Promise.resolve();
  }
}

async function postgresSnapshot(url: string): Promise<Snapshot> {
  const client = new Client({ ...CLIENT_OPTIONS, connectionString: url });
  // What breaks the connection also fails the query that waits for it.
  client.on('error', () => undefined);
  try {
    await client.connect();
    const connection = new PostgresConnection(client);
    await connection.simple(
      'begin isolation level repeatable read read only',
      `select set_config('${SCOPE_SETTING}', '${SYSTEM_SETTING}', true)`,
    );
    const { rows } = await connection.execute(HEAD, []);
    return new PostgresSnapshot(client, connection, Number(rows[0]?.['change'] ?? 0));
  } catch (error) {
    await client.end();
    throw postgresError(error);
  }
}

class PostgresSnapshot implements Snapshot {
  readonly engine = 'postgres';
  readonly change: number;
  readonly #client: Client;
  readonly #connection: PostgresConnection;

  constructor(client: Client, connection: PostgresConnection, change: number) {
    this.#client = client;
    this.#connection = connection;
    this.change = change;
  }

  async *rows(query: RowsQuery): AsyncGenerator<readonly Uint8Array[]> {
    for await (const batch of this.#batches(query)) yield batch.map(encodeRow);
  }

  async values(query: RowsQuery): Promise<readonly (readonly SqlValue[])[]> {
    return (await Array.fromAsync(this.#batches(query))).flat();
  }

  async count(table: string): Promise<number> {
    const { rows } = await this.#connection.execute(`select count(*) as n from ${quote(table)}`, []);
    return Number(rows[0]?.['n'] ?? 0);
  }

  async close(): Promise<void> {
    await this.#client.end();
  }

  async *#batches({ table, columns, where }: RowsQuery): AsyncGenerator<SqlValue[][]> {
    const names = Object.keys(columns);
    const condition = whereSql(where, (at) => `$${at + 1}`);
    const sql = `declare rows_of no scroll cursor for select ${names.map(quote).join(', ')} from ${quote(table)}${condition}`;
    await this.#connection.execute(
      sql,
      where.map(({ value }) => value),
    );
    for (;;) {
      const { rows } = await this.#connection.execute(`fetch ${BATCH_ROWS} from rows_of`, []);
      if (rows.length > 0) yield rows.map((row) => names.map((name) => row[name] as SqlValue));
      if (rows.length < BATCH_ROWS) break;
    }
    await this.#connection.execute('close rows_of', []);
  }
}

function whereSql(where: readonly Condition[], place: (at: number) => string): string {
  if (where.length === 0) return '';
  for (const { is } of where)
    if (!['=', '>', '>='].includes(is)) throw new StrongroomError('internal', `no such comparison: ${is}`);
  return ` where ${where.map(({ column, is }, at) => `${quote(column)} ${is} ${place(at)}`).join(' and ')}`;
}
