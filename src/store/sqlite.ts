/**
 * The embedded engine: SQLite through node:sqlite, in one file with a write-ahead log.
 *
 * A commit of the writer is over when the log is on disk, so what is acknowledged survives power loss; that is done beside SQLite
 * (sqlite-log.ts), so that nobody else waits for the disk. A read answers when what it saw is on disk too. Until there is
 * a writer, in migrations, SQLite syncs by itself (`synchronous=FULL`). Check-points are made here and not by SQLite behind a
 * commit, because SQLite swallows their errors, and a failed fsync must end the process. Temporary tables and sorts stay in
 * memory: nothing but the database and its log is written.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { StrongroomError } from '../errors.ts';
import {
  FatalStoreError,
  type Connection,
  type Engine,
  type Readers,
  type Row,
  type SqlResult,
  type SqlValue,
  type Writer,
} from './connection.ts';
import { DatabaseFiles, type FileFault } from './database-files.ts';
import { quote, sqliteDdl } from './ddl.ts';
import { openHandle } from './handle.ts';
import type { Migrator } from './migrate.ts';
import { touchPrivate } from './private-file.ts';
import { SqliteLog } from './sqlite-log.ts';
import { SYSTEM, type Head, type StoreScope } from './transaction.ts';

export const DATABASE_FILE = 'strongroom.db';

const STATEMENTS_MAX = 500;
const READERS_MAX = 8;
/** Of the sizes tried the one with the shortest commit of one entry and nearly the shortest of a hundred memories. */
const PAGE_BYTES = 8192;
/** The log is copied into the database when it is this long: some thirty additions of a hundred memories. */
const LOG_BYTES_MAX = 16 * 1024 * 1024;
/** How long it is, is asked after so many commits: to ask costs a small one a sixth of its time. */
const COMMITS_BETWEEN = 8;

/** The change number and the keyring's epoch, null before there is one. */
const HEAD =
  'select (select change from store_head where id = 1), (select epoch from keyring_head where id = 1)';

/** Throws where a folder that had a database has none any more: an empty one in its place would look like a new start. */
export function requireSqliteDatabase(directory: string): void {
  const path = join(directory, DATABASE_FILE);
  if (!existsSync(path))
    throw new StrongroomError('store.unavailable', `${path} is gone; put the database back where it was`);
}

/** Opens the database for its one writer, making it if there is none; migrations come after. */
export function openSqliteDatabase(directory: string): DatabaseSync {
  const path = join(directory, DATABASE_FILE);
  // Made here and not by SQLite, so that it is never readable by others; the log takes over its mode.
  touchPrivate(path);
  const database = openDatabase(path, false);
  database.exec(`pragma page_size = ${PAGE_BYTES}`);
  requirePragma(database, 'journal_mode = wal', 'wal');
  database.exec('pragma synchronous = full');
  requirePragma(database, 'synchronous', 2);
  database.exec('pragma wal_autocheckpoint = 0');
  return database;
}

/** Migrates through the connection that will write. */
export function sqliteMigrator(database: DatabaseSync): Migrator {
  const connection = new SqliteConnection(database);
  const { sql } = openHandle({ engine: 'sqlite', connection, scope: SYSTEM, mode: 'flush' });
  return {
    sql,
    hasTable: (name) =>
      Promise.resolve(
        database.prepare(`select 1 from sqlite_schema where type = 'table' and name = ?`).all(name).length >
          0,
      ),
    create: (migration) => {
      for (const statement of sqliteDdl(migration)) database.exec(statement);
      return Promise.resolve();
    },
    transaction: async (work) => {
      database.exec('begin immediate');
      try {
        await work();
        database.exec('commit');
      } catch (error) {
        if (database.isTransaction) database.exec('rollback');
        throw error;
      }
    },
  };
}

/** Takes the database over, from what brought its schema up to date. */
export function sqliteEngine(directory: string, database: DatabaseSync, givenLog?: SqliteLog): Engine {
  const path = join(directory, DATABASE_FILE);
  const log = givenLog ?? new SqliteLog(path);
  database.exec('pragma synchronous = normal');
  requirePragma(database, 'synchronous', 1);
  return {
    name: 'sqlite',
    writer: new SqliteWriter(database, new DatabaseFiles(path), log),
    readers: new SqliteReaders(path, log),
  };
}

function openDatabase(path: string, readOnly: boolean): DatabaseSync {
  const database = new DatabaseSync(path, {
    readOnly,
    enableDoubleQuotedStringLiterals: false,
    timeout: 5000,
  });
  database.exec(
    `pragma temp_store = memory; pragma cache_size = -32768; pragma trusted_schema = off; pragma recursive_triggers = on; ` +
      // As on PostgreSQL.
      'pragma case_sensitive_like = on',
  );
  if (readOnly) database.exec('pragma query_only = on');
  return database;
}

function requirePragma(database: DatabaseSync, pragma: string, expected: string | number): void {
  const [answer] = Object.values(database.prepare(`pragma ${pragma}`).get() ?? {});
  if (answer !== expected)
    throw new StrongroomError('store.unavailable', `SQLite answers ${String(answer)} to ${pragma}`);
}

class SqliteConnection implements Connection {
  readonly database: DatabaseSync;
  /** Those used of late, and those before them, of which a used one moves over (decision 111). */
  #statements = new Map<string, StatementSync>();
  #earlier = new Map<string, StatementSync>();
  readonly #columns = new WeakMap<StatementSync, readonly string[]>();

  constructor(database: DatabaseSync) {
    this.database = database;
  }

  execute(sql: string, parameters: readonly SqlValue[]): SqlResult {
    try {
      const statement = this.prepare(sql);
      const columns = this.#columnsOf(statement);
      if (columns.length === 0) return { rows: [], affected: Number(statement.run(...parameters).changes) };
      // As arrays, and made objects here: in half the time of SQLite's own, which lack the prototype of PostgreSQL's.
      const rows = statement.all(...parameters) as unknown as readonly (readonly Row[string][])[];
      return { rows: rows.map((values) => rowOf(columns, values)), affected: 0 };
    } catch (error) {
      throw storeError(error);
    }
  }

  insert(table: string, columns: readonly string[], rows: readonly (readonly SqlValue[])[]): void {
    try {
      const statement = this.prepare(
        `insert into ${quote(table)} (${columns.map(quote).join(', ')}) values (${columns.map(() => '?').join(', ')})`,
      );
      for (const row of rows) statement.run(...row);
    } catch (error) {
      throw storeError(error);
    }
  }

  /** Asked of SQLite once for each statement; none of one that answers no rows. */
  #columnsOf(statement: StatementSync): readonly string[] {
    const known = this.#columns.get(statement);
    if (known !== undefined) return known;
    const columns = statement.columns().map(({ name }) => name);
    statement.setReturnArrays(true);
    this.#columns.set(statement, columns);
    return columns;
  }

  /** Where the store stands, as the transaction sees it. */
  head(): Head {
    const [change, epoch] = Object.values(this.prepare(HEAD).get() ?? {});
    return { change: Number(change ?? 0), epoch: Number(epoch ?? 0) };
  }

  run(sql: string, ...parameters: SqlValue[]): void {
    this.prepare(sql).run(...parameters);
  }

  prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#earlier.get(sql) ?? this.database.prepare(sql);
    if (this.#statements.size >= STATEMENTS_MAX / 2) {
      this.#earlier = this.#statements;
      this.#statements = new Map();
    }
    this.#statements.set(sql, statement);
    return statement;
  }
}

function rowOf(columns: readonly string[], values: readonly Row[string][]): Row {
  const row: Row = {};
  for (let at = 0; at < columns.length; at++) row[columns[at] as string] = values[at];
  return row;
}

class SqliteWriter implements Writer {
  readonly connection: SqliteConnection;
  readonly #files: DatabaseFiles;
  readonly #log: SqliteLog;
  /** Moves when another connection commits. */
  #foreignCommits: number;
  #epoch: number | null = null;
  #commits = 0;

  constructor(database: DatabaseSync, files: DatabaseFiles, log: SqliteLog) {
    this.connection = new SqliteConnection(database);
    this.#files = files;
    this.#log = log;
    this.#foreignCommits = this.#readForeignCommits();
  }

  begin(): number {
    this.#do('begin immediate');
    const { change, epoch } = this.connection.head();
    this.#epoch = epoch;
    return change;
  }

  epoch(): number {
    this.#epoch ??= this.connection.head().epoch;
    return this.#epoch;
  }

  fault(): FileFault | null {
    return this.#unlessCommitted(this.#files.fault());
  }

  inspect(): FileFault | null {
    return this.#unlessCommitted(this.#files.thoroughFault());
  }

  enter(scope: StoreScope): void {
    this.#do('savepoint job');
    // Only the system's own jobs move the epoch.
    if (scope === SYSTEM) this.#epoch = null;
  }

  release(): void {
    this.#do('release job');
  }

  undo(): void {
    // Some errors (a full disk, for one) make SQLite roll back the whole transaction: then there is no savepoint left.
    if (!this.connection.database.isTransaction) {
      throw new StrongroomError('store.unavailable', 'the store rolled the transaction back');
    }
    this.#do('rollback to job');
    this.#do('release job');
  }

  scope(_scope: StoreScope): void {}

  async commit(change: number, isAlone: boolean): Promise<FileFault | null> {
    try {
      this.connection.run('update store_head set change = ? where id = 1', change);
      this.connection.run('commit');
    } catch (error) {
      const known = storeError(error);
      // A full disk is the one failure after which it is certain that nothing was committed.
      throw isFull(error) ? known : new FatalStoreError('the commit failed', { cause: error });
    }
    const onDisk = isAlone ? this.#log.syncAlone() : this.#log.sync();
    // Looked at while the disk works.
    const fault = this.fault();
    await onDisk;
    return fault;
  }

  rollback(): void {
    if (this.connection.database.isTransaction) this.#do('rollback');
  }

  abandon(): void {
    this.#log.close();
    if (this.connection.database.isOpen) this.connection.database.close();
  }

  close(): void {
    this.abandon();
  }

  /** Copies the log into the database once it is long; readers and the next writer go on meanwhile. */
  settle(): void {
    if (++this.#commits % COMMITS_BETWEEN !== 0) return;
    try {
      // `noop` only tells how long the log is: its file does not shrink when it starts over.
      const { log } = this.connection.prepare('pragma wal_checkpoint(noop)').get() ?? {};
      if (Number(log) * PAGE_BYTES >= LOG_BYTES_MAX) {
        // What lies there must be ours before it is mixed with more of it.
        if (this.fault() !== null) return;
        this.connection.prepare('pragma wal_checkpoint(passive)').all();
        this.#files.note();
      }
    } catch (error) {
      throw new FatalStoreError('the checkpoint failed', { cause: error });
    }
  }

  /** A commit by another connection, through SQLite, is seen by all and found by the next opening. */
  #unlessCommitted(fault: FileFault | null): FileFault | null {
    if (fault !== 'its file was changed') return fault;
    const foreignCommits = this.#readForeignCommits();
    if (foreignCommits === this.#foreignCommits) return fault;
    this.#foreignCommits = foreignCommits;
    this.#files.note();
    return null;
  }

  #readForeignCommits(): number {
    const [version] = Object.values(this.connection.prepare('pragma data_version').get() ?? {});
    return Number(version);
  }

  #do(sql: string): void {
    try {
      this.connection.run(sql);
    } catch (error) {
      throw storeError(error);
    }
  }
}

/** A few connections that cannot write: each serves one read at a time, so that a read sees one snapshot. */
class SqliteReaders implements Readers {
  readonly #path: string;
  readonly #log: SqliteLog;
  readonly #idle: SqliteConnection[] = [];
  readonly #waiting: ((connection: SqliteConnection) => void)[] = [];
  #opened = 0;
  #closed = false;

  constructor(path: string, log: SqliteLog) {
    this.#path = path;
    this.#log = log;
  }

  async read<T>(_scope: StoreScope, work: (connection: Connection, head: Head) => Promise<T>): Promise<T> {
    const connection = this.#idle.pop() ?? (await this.#another());
    try {
      const result = await this.#onSnapshot(connection, work);
      // A commit is seen before it is on disk; nobody is told of what a loss of power could take back.
      await this.#log.settled();
      return result;
    } catch (error) {
      throw readError(error);
    }
  }

  async #onSnapshot<T>(
    connection: SqliteConnection,
    work: (connection: Connection, head: Head) => Promise<T>,
  ): Promise<T> {
    try {
      connection.run('begin');
      // The first query fixes the snapshot that all others see.
      return await work(connection, connection.head());
    } finally {
      if (connection.database.isTransaction) connection.run('rollback');
      this.#giveBack(connection);
    }
  }

  close(): void {
    this.#closed = true;
    for (const { database } of this.#idle.splice(0)) database.close();
  }

  #another(): SqliteConnection | Promise<SqliteConnection> {
    if (this.#closed) throw new StrongroomError('store.unavailable', 'the store is closed');
    if (this.#opened < READERS_MAX) {
      const connection = new SqliteConnection(openDatabase(this.#path, true));
      this.#opened++;
      return connection;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #giveBack(connection: SqliteConnection): void {
    const next = this.#waiting.shift();
    if (next !== undefined) next(connection);
    else if (this.#closed) connection.database.close();
    else this.#idle.push(connection);
  }
}

/** Primary result codes of SQLite (sqlite.org/rescode.html). */
const BUSY = 5;
const LOCKED = 6;
const NO_MEMORY = 7;
const FULL = 13;
const CONSTRAINT = 19;
const READ_ONLY = 8;
const IO_ERROR = 10;
const CORRUPT = 11;
const CANNOT_OPEN = 14;
const NOT_A_DATABASE = 26;
/** Extended codes: constraint | 6 << 8 and constraint | 8 << 8. */
const CONSTRAINT_PRIMARY_KEY = 1555;
const CONSTRAINT_UNIQUE = 2067;

const resultCode = (error: unknown): number =>
  error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : 0;

const isFull = (error: unknown): boolean => (resultCode(error) & 0xff) === FULL;

/** The store's error for one of SQLite's; anything else comes back as it is. */
export function storeError(error: unknown): unknown {
  const code = resultCode(error);
  if (code === CONSTRAINT_PRIMARY_KEY || code === CONSTRAINT_UNIQUE)
    return new StrongroomError('conflict', { cause: error });
  switch (code & 0xff) {
    case BUSY:
    case LOCKED:
    case NO_MEMORY:
    case FULL:
      return new StrongroomError('store.unavailable', { cause: error });
    case IO_ERROR:
    case CORRUPT:
    case CANNOT_OPEN:
    case NOT_A_DATABASE:
    case READ_ONLY:
      return new FatalStoreError('the store failed', { cause: error });
    case CONSTRAINT:
      return new StrongroomError('internal', {
        detail: 'a constraint of the store refused a row',
        cause: error,
      });
    default:
      return error;
  }
}

/** A failed read writes nothing and ends nothing. */
function readError(error: unknown): unknown {
  const known = storeError(error);
  return known instanceof FatalStoreError
    ? new StrongroomError('store.unavailable', { cause: known.cause })
    : known;
}
