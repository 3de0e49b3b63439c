/**
 * The engine for those who outgrow one machine: PostgreSQL through pg.
 *
 * Writers of all processes take turns at the row `store_head`, locked from the beginning of a group to its commit: change
 * numbers become visible in their order, and an epoch never overtakes a write. Savepoint and scope are sent ahead
 * of a job's statements without waiting, so that a job costs no round trips beside its own. Reads see one snapshot (repeatable read).
 *
 * The application's role owns nothing and bypasses nothing; opening refuses a role that could, tables without forced
 * row security, and a server that acknowledges before it is durable.
 */
import { Client, escapeLiteral, Pool, type PoolClient, type QueryResult } from 'pg';
import type { FaultPoint } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import {
  FatalStoreError,
  type Connection,
  type Engine,
  type Readers,
  type Row,
  type Writer,
} from './connection.ts';
import { SCOPE_SETTING, SYSTEM_SETTING } from './ddl.ts';
import { CLIENT_OPTIONS, PostgresConnection } from './postgres-client.ts';
import { isLost, isRefused, postgresError } from './postgres-error.ts';
import { migratePostgres, requireSafeServer } from './postgres-setup.ts';
import { SYSTEM, type Head, type StoreScope } from './transaction.ts';

const READERS_MAX = 8;
const HEAD = 'select change from store_head where id = 1';
const EPOCH = 'select epoch from keyring_head where id = 1';

export async function openPostgresEngine(
  target: { readonly url: string; readonly ownerUrl?: string },
  fault: FaultPoint,
): Promise<Engine> {
  await migratePostgres(target, fault);
  await requireSafeServer(target.url);
  return {
    name: 'postgres',
    writer: new PostgresWriter(target.url),
    readers: new PostgresReaders(target.url),
  };
}

class PostgresWriter implements Writer {
  readonly #url: string;
  #client: Client | null = null;
  #connection: PostgresConnection | null = null;
  /** Sent together with whatever comes next. */
  #pending: string[] = [];
  /** Sent ahead, whose answers nobody has waited for yet. */
  #posted: Promise<unknown>[] = [];
  /** Null where a job may have moved it. */
  #epoch: number | null = null;

  constructor(url: string) {
    this.#url = url;
  }

  get connection(): PostgresConnection {
    if (this.#connection === null)
      throw new StrongroomError('store.unavailable', 'the database connection was lost');
    return this.#connection;
  }

  async begin(): Promise<number> {
    const isFresh = this.#connection === null;
    try {
      return await this.#begin();
    } catch (error) {
      // A connection that broke while nobody used it says so now; nothing was begun, so another may be tried.
      if (isFresh || !isLost(error)) throw error;
      this.abandon();
      return this.#begin();
    }
  }

  epoch(): number | Promise<number> {
    return this.#epoch ?? this.#readEpoch();
  }

  enter(scope: StoreScope): void {
    this.#post('savepoint job', setScope(scope));
    // Only the system's own jobs move the epoch.
    if (scope === SYSTEM) this.#epoch = null;
  }

  release(): void {
    this.#pending.push('release job');
  }

  async undo(): Promise<void> {
    await this.#send('rollback to job', 'release job');
    await this.#arrived();
  }

  async scope(scope: StoreScope): Promise<void> {
    await this.#send(setScope(scope));
    await this.#arrived();
  }

  async commit(change: number): Promise<null> {
    const { connection } = this;
    let results: readonly QueryResult[];
    await this.#arrived();
    try {
      results = await this.#send(`update store_head set change = ${change} where id = 1`, 'commit');
    } catch (error) {
      // The server refused, so it rolled back. If it fell silent instead, it may have committed.
      if (isRefused(error) && this.#connection === connection) throw error;
      throw new FatalStoreError('the outcome of a commit is not known', { cause: error });
    }
    if (results.at(-1)?.command !== 'COMMIT')
      throw new StrongroomError('store.unavailable', 'the commit was refused');
    return null;
  }

  async rollback(): Promise<void> {
    this.#pending = [];
    try {
      await this.#connection?.simple('rollback');
    } catch {
      // Without a connection the server has rolled back by itself; the next group connects anew.
      this.abandon();
    }
  }

  /** A connection that broke is made anew by the next group: it says nothing about the server. */
  fault(): null {
    return null;
  }

  inspect(): null {
    return null;
  }

  settle(): void {}

  abandon(): void {
    const client = this.#client;
    this.#client = null;
    this.#connection = null;
    // Whatever it still has to say is of no interest.
    if (client !== null) void client.end().catch(() => undefined);
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    this.#connection = null;
    await client?.end();
  }

  async #begin(): Promise<number> {
    this.#pending = [];
    this.#posted = [];
    if (this.#connection === null) await this.#connect();
    // The epoch is read after the lock is held: nobody moves it now but a job of this group.
    const [, head, epoch] = await this.#send('begin', `${HEAD} for update`, EPOCH);
    this.#epoch = numberOf(epoch);
    return numberOf(head);
  }

  async #connect(): Promise<void> {
    const client = new Client({ ...CLIENT_OPTIONS, connectionString: this.#url });
    client.on('error', () => {
      if (this.#client === client) this.abandon();
    });
    try {
      await client.connect();
      await client.query(DURABLE);
    } catch (error) {
      throw postgresError(error);
    }
    this.#client = client;
    this.#connection = new PostgresConnection(client);
  }

  async #readEpoch(): Promise<number> {
    const epoch = numberOf((await this.#send(EPOCH)).at(-1));
    this.#epoch = epoch;
    return epoch;
  }

  /** Sends without waiting: what follows in the same transaction is refused if this was. */
  #post(...statements: readonly string[]): void {
    const sent = this.#send(...statements);
    sent.catch(() => undefined);
    this.#posted.push(sent);
  }

  async #arrived(): Promise<void> {
    for (const sent of this.#posted.splice(0)) await sent;
  }

  #send(...statements: readonly string[]): Promise<readonly QueryResult[]> {
    return this.connection.simple(...this.#pending.splice(0), ...statements);
  }
}

interface OpenRead {
  readonly client: PoolClient;
  readonly connection: PostgresConnection;
  readonly head: Head;
}

class PostgresReaders implements Readers {
  readonly #pool: Pool;
  /** Connections that refuse to write, even outside of a transaction. */
  readonly #prepared = new WeakSet<PoolClient>();

  constructor(url: string) {
    this.#pool = new Pool({
      ...CLIENT_OPTIONS,
      connectionString: url,
      max: READERS_MAX,
      allowExitOnIdle: true,
    });
    // A connection that breaks while idle is replaced at the next read, which reports what is wrong.
    this.#pool.on('error', () => undefined);
  }

  async read<T>(scope: StoreScope, work: (connection: Connection, head: Head) => Promise<T>): Promise<T> {
    const { client, connection, head } = await this.#begin(scope, READERS_MAX);
    try {
      return await work(connection, head);
    } finally {
      // The answer does not wait for the end of the snapshot; the connection does.
      connection.simple('rollback').then(
        () => client.release(),
        () => client.release(true),
      );
    }
  }

  /** A connection that broke while idle says so at its next use: then another is tried. */
  async #begin(scope: StoreScope, others: number): Promise<OpenRead> {
    const client = await this.#take();
    const connection = new PostgresConnection(client);
    try {
      const begin = 'begin isolation level repeatable read read only';
      const results = await connection.simple(begin, setScope(scope), HEAD, EPOCH);
      const head = { change: numberOf(results.at(-2)), epoch: numberOf(results.at(-1)) };
      return { client, connection, head };
    } catch (error) {
      client.release(true);
      if (others === 0 || !isLost(error)) throw error;
      return this.#begin(scope, others - 1);
    }
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }

  async #take(): Promise<PoolClient> {
    try {
      const client = await this.#pool.connect();
      if (!this.#prepared.has(client)) await this.#prepare(client);
      return client;
    } catch (error) {
      throw this.#pool.ended
        ? new StrongroomError('store.unavailable', 'the store is closed')
        : postgresError(error);
    }
  }

  async #prepare(client: PoolClient): Promise<void> {
    // A connection that breaks in use says so twice: to the query that waits, which tells the caller, and here.
    client.on('error', () => undefined);
    try {
      await client.query('set default_transaction_read_only = on');
      this.#prepared.add(client);
    } catch (error) {
      client.release(true);
      throw error;
    }
  }
}

/** A commit is answered when it is on disk, whatever the database's default; a stricter default stays. */
const DURABLE = `select set_config('synchronous_commit',
  case current_setting('synchronous_commit') when 'remote_apply' then 'remote_apply' else 'on' end, false)`;

const setScope = (scope: StoreScope): string => {
  const value = scope === SYSTEM ? SYSTEM_SETTING : scope;
  return `select set_config('${SCOPE_SETTING}', ${escapeLiteral(value)}, true)`;
};

/** The one number of a result's one row; 0 where there is none. */
function numberOf(result: QueryResult | undefined): number {
  const [value] = Object.values((result?.rows[0] as Row | undefined) ?? {});
  return typeof value === 'number' ? value : 0;
}
