/**
 * What a job of the store is handed: types only, so that everything above can be written against them.
 *
 * A handle dies with its job: a statement through it afterwards is refused. Once a statement of a job has failed the
 * job can only fail, on both engines (PostgreSQL aborts there; SQLite is made to).
 */
import type { Kysely } from 'kysely';
import type { OrganizationId } from '../ids.ts';
import type { Database } from './schema.ts';

/** The scope of the system itself: every tenant's rows. Said explicitly, never a default. */
export const SYSTEM: unique symbol = Symbol('strongroom.system');

export type StoreScope = OrganizationId | typeof SYSTEM;

/** Reading only, by type and by connection. */
export type ReadSql = Pick<Kysely<Database>, 'selectFrom' | 'selectNoFrom' | 'fn' | 'dynamic'>;

/** Where the store and the keyring stood, in the same snapshot as what the job or read sees. */
export interface Head {
  /** The number of the last job visible; every row with a number up to this is visible too. */
  readonly change: number;
  /** The keyring's epoch as the database knows it; 0 before there is one. */
  readonly epoch: number;
}

export interface Tx {
  /** Scoped: `organization = …` is added to what it selects, updates and deletes, and checked in what it inserts. */
  readonly sql: Kysely<Database>;
  /** This job's change number; every row it inserts or updates carries it. */
  readonly change: number;
  /** The keyring's epoch; nothing sealed under an older one may be written (`epoch.changed`). */
  readonly epoch: number;
  readonly organization: StoreScope;
  /**
   * Adds to what `flusher.flush` is given once for the whole group, just before the commit. Dropped if this job fails.
   * If the flush throws, every job of the group rejects.
   */
  defer<Item>(flusher: Flusher<Item>, item: Item): void;
}

export interface Deferred<Item> {
  readonly scope: StoreScope;
  readonly change: number;
  readonly item: Item;
}

/** One object per kind of work: the items of a group are gathered by the flusher's identity, in the jobs' order. */
export interface Flusher<Item> {
  /** `sql` is in the SYSTEM scope; `change` is the group's last change number. */
  flush(sql: Kysely<Database>, items: readonly Deferred<Item>[], change: number): Promise<void>;
  /** The group is durable. Called before the jobs' promises resolve; must not throw. */
  committed?(items: readonly Deferred<Item>[]): void;
  /** The group was rolled back as a whole; nothing of it is stored. Must not throw. */
  failed?(items: readonly Deferred<Item>[]): void;
}
