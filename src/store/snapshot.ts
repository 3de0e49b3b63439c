/**
 * All rows of a store at one moment, as bytes: what a backup is made of.
 *
 * The moment is that of a transaction which only reads, on a connection of its own: writers go on meanwhile and none of
 * what they do is seen. On SQLite the engine itself puts rows together, and of a whole table hundreds at a time, which
 * spares a value per column and an object per row.
 */
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { Client } from 'pg';
import { StrongroomError } from '../errors.ts';
import type { SqlValue } from './connection.ts';
import { quote, SCOPE_SETTING, SYSTEM_SETTING } from './ddl.ts';
import type { StoreTarget } from './open-store.ts';
import { CLIENT_OPTIONS, PostgresConnection } from './postgres-client.ts';
import { postgresError } from './postgres-error.ts';
import { blockOf, encodeRow, rowsOf, ROW_HEAD_BYTES, ROW_MARK, type RowBlock } from './row-bytes.ts';
import { DATABASE_FILE, storeError } from './sqlite.ts';
import { tableOf } from './migrations.ts';
import type { TableName } from './schema.ts';
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
  /** Rows as `row-bytes.ts` writes them. */
  rows(query: RowsQuery): AsyncIterable<RowBlock>;
  /** Their values, for what is small. */
  values(query: RowsQuery): Promise<readonly (readonly SqlValue[])[]>;
  count(table: string): Promise<number>;
  close(): Promise<void>;
}

const HEAD = 'select change from store_head where id = 1';
/** Rows and bytes read before somebody else gets a turn: some milliseconds. */
const BATCH_ROWS = 1000;
const BATCH_BYTES = 2 * 1024 * 1024;
/** Of a block that SQLite puts together: a millisecond or two. */
const BLOCK_BYTES = 256 * 1024;
const BLOCK_ROWS_FIRST = 64;
const BLOCK_ROWS_MAX = 4096;
const ROW_MARK_HEX = ROW_MARK.toString(16).padStart(2, '0');

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

  rows(query: RowsQuery): AsyncGenerator<RowBlock> {
    return query.where.length === 0 ? this.#whole(query) : this.#some(query);
  }

  /** What changed: found through an index, a row at a time. */
  // oxlint-disable-next-line require-await -- The other engine waits for its rows.
  async *#some({ table, columns, where }: RowsQuery): AsyncGenerator<RowBlock> {
    const statement = this.#database.prepare(
      `select cast(${rowSql(columns)} as blob) from ${quote(table)}${whereSql(where, () => '?')}`,
    );
    statement.setReturnArrays(true);
    let batch: Uint8Array[] = [];
    let size = 0;
    const found = statement.iterate(...where.map(({ value }) => value)) as unknown as Iterable<[Uint8Array]>;
    for (const [encoded] of found) {
      batch.push(encoded);
      size += encoded.length;
      if (batch.length < BATCH_ROWS && size < BATCH_BYTES) continue;
      yield blockOf(batch);
      batch = [];
      size = 0;
    }
    if (batch.length > 0) yield blockOf(batch);
  }

  /** A table from its first row to its last, a block for each query. */
  // oxlint-disable-next-line require-await -- The other engine waits for its rows.
  async *#whole({ table, columns }: RowsQuery): AsyncGenerator<RowBlock> {
    const { clustered, key } = tableOf(table as TableName);
    const order = clustered === true ? key.map(quote) : ['rowid'];
    const block = (isFirst: boolean): StatementSync => {
      const onward = isFirst ? '' : `where (${order.join(', ')}) > (${order.map(() => '?').join(', ')}) `;
      const statement = this.#database.prepare(
        `select count(*), cast(group_concat(concat(unhex(format('${ROW_MARK_HEX}%08x', octet_length(b))), b), '') as blob), max(r) ` +
          `from (select ${clustered === true ? 'null' : 'rowid'} as r, ${rowSql(columns)} as b ` +
          `from ${quote(table)} ${onward}order by ${order.join(', ')} limit ?)`,
      );
      statement.setReturnArrays(true);
      return statement;
    };
    const next = block(false);
    const places = key.map((column) => Object.keys(columns).indexOf(column));
    let rows = BLOCK_ROWS_FIRST;
    for (let after: readonly SqlValue[] | null = null; ;) {
      const found: unknown = after === null ? block(true).get(rows) : next.get(...after, rows);
      const [count, bytes, last] = found as [number, Uint8Array | null, number | null];
      if (bytes === null) return;
      const isLast = count < rows;
      // Whoever gets the block may give its memory back at once.
      after = last === null ? lastKey({ bytes, count }, places) : [last];
      rows = Math.min(BLOCK_ROWS_MAX, Math.max(1, Math.floor((count * BLOCK_BYTES) / bytes.length)));
      yield { bytes, count };
      if (isLast) return;
    }
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

/** A row's bytes, put together by SQLite. */
function rowSql(columns: RowsQuery['columns']): string {
  const bytes = Object.entries(columns).flatMap(([name, { type }]) =>
    type === 'bytes' ? [quote(name)] : [],
  );
  const head = Object.entries(columns).map(([name, { type }]) =>
    type === 'bytes' ? `octet_length(${quote(name)})` : quote(name),
  );
  return `concat(json_array(${head.join(', ')}), char(10)${bytes.map((name) => `, ${name}`).join('')})`;
}

/** Values of the key in the last row of a block. */
function lastKey(block: RowBlock, places: readonly number[]): readonly SqlValue[] {
  let from = 0;
  for (const [start] of rowsOf(block)) from = start;
  const row = Buffer.from(block.bytes.buffer, block.bytes.byteOffset, block.bytes.length).subarray(
    from + ROW_HEAD_BYTES,
  );
  const values = JSON.parse(row.toString('utf8', 0, row.indexOf('\n'))) as readonly SqlValue[];
  return places.map((place) => values[place] ?? null);
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

  async *rows(query: RowsQuery): AsyncGenerator<RowBlock> {
    for await (const batch of this.#batches(query)) if (batch.length > 0) yield blockOf(batch.map(encodeRow));
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
