/**
 * The port between the store and its two engines. Everything that differs between SQLite and PostgreSQL is behind it.
 *
 * Failures come out alike: a unique key that exists already is `conflict`; an engine that cannot be reached or is full is
 * `store.unavailable`; damage or failed I/O is a `FatalStoreError`, after which nothing may be written any more.
 */
import type { SQLInputValue } from 'node:sqlite';
import type { Head, StoreScope } from './transaction.ts';

export type SqlValue = Exclude<SQLInputValue, bigint>;
export type Row = Record<string, unknown>;

export interface SqlResult {
  readonly rows: readonly Row[];
  /** Rows changed, for statements that return none. */
  readonly affected: number;
}

type Awaitable<T> = T | Promise<T>;

export interface Connection {
  execute(sql: string, parameters: readonly SqlValue[]): Awaitable<SqlResult>;
  /** Writes rows of equal columns with prepared statements; no rows come back. */
  insert(table: string, columns: readonly string[], rows: readonly (readonly SqlValue[])[]): Awaitable<void>;
}

/** The one connection that writes, in the hands of one group at a time. */
export interface Writer {
  readonly connection: Connection;
  /** Begins a transaction that excludes every other writer of this store, in other processes too; answers the change head. */
  begin(): Awaitable<number>;
  /** The keyring's epoch as the next job sees it. */
  epoch(): Awaitable<number>;
  /** Opens a savepoint in that scope. */
  enter(scope: StoreScope): void;
  /** Keeps what the savepoint did. */
  release(): Awaitable<void>;
  /** Takes back what the savepoint did. */
  undo(): Awaitable<void>;
  /** Sets the scope outside a savepoint. */
  scope(scope: StoreScope): Awaitable<void>;
  /**
   * Moves the change head and commits durably; answers, as `fault` does, whether an opening will find the commit.
   * @param isAlone whether it seems that nobody else has anything to write.
   */
  commit(change: number, isAlone: boolean): Awaitable<string | null>;
  rollback(): Awaitable<void>;
  /** What is wrong with where it writes, as far as a look of microseconds tells: content-free words; null if nothing is. */
  fault(): string | null;
  /** The same by a longer look. */
  inspect(): string | null;
  /** House-keeping between two groups, after the answers of the first have left. */
  settle(): Awaitable<void>;
  /** Drops the connection as a crash would: nothing more reaches the store. */
  abandon(): void;
  close(): Awaitable<void>;
}

/** Read-only connections. */
export interface Readers {
  /** Runs `work` on one snapshot. */
  read<T>(scope: StoreScope, work: (connection: Connection, head: Head) => Promise<T>): Promise<T>;
  close(): Awaitable<void>;
}

export interface Engine {
  readonly name: 'sqlite' | 'postgres';
  readonly writer: Writer;
  readonly readers: Readers;
}

/** What is on disk is not known any more: the process has to end, and opening decides. */
export class FatalStoreError extends Error {
  override readonly name = 'FatalStoreError';
}
