/** The store as everything above sees it. `openStore` (open-store.ts) makes one. */
import type { StrongroomError } from '../errors.ts';
import type { TableName } from './schema.ts';
import type { Head, ReadSql, StoreScope, Tx } from './transaction.ts';

export interface StoreHealth {
  readonly ok: boolean;
  /** Content-free: anybody may read it. */
  readonly detail?: string;
}

export interface Store {
  readonly engine: 'sqlite' | 'postgres';
  /** Reads one snapshot on a read-only connection. */
  read<T>(scope: StoreScope, work: (db: ReadSql, head: Head) => Promise<T>): Promise<T>;
  /**
   * Runs `work` as a job: resolves after the durable commit of its group, rejects with what `work` threw (its savepoint
   * rolled back). Inside: SQL and deferrals only; never another `write`.
   */
  write<T>(scope: StoreScope, work: (tx: Tx) => Promise<T>): Promise<T>;
  /**
   * The change of the last commit that wrote to the table, 0 if none has since the opening. It moves before the commit's jobs
   * are answered: whoever remembers a row and this number knows whether the row can be another by now.
   */
  lastWrite(table: TableName): number;
  /** Whether writes can be kept, as far as the last one and a short look tell. */
  readonly health: StoreHealth;
  /** From now on every write is refused, and health is red: for whoever finds that this is not the store it was. */
  refuse(reason: StrongroomError): void;
  close(): Promise<void>;
}

export type { Deferred, Flusher, Head, ReadSql, StoreScope, Tx } from './transaction.ts';
export { SYSTEM } from './transaction.ts';
export { insertRows, rowByKey, rowsWhere, upsertRows } from './handle.ts';
export { openStore, type StoreTarget } from './open-store.ts';
