/**
 * One process per PostgreSQL database: an advisory lock of its session, on a connection that does nothing else. A copied
 * data directory that is started elsewhere is refused before it touches the keystore of the first.
 *
 * The server drops the lock with the connection. What the process knows of slots and epochs may then be overtaken by
 * another one, so losing the connection ends the process, as a failed write does.
 */
import { Client, DatabaseError } from 'pg';
import { StrongroomError } from '../errors.ts';
import { FatalStoreError } from './connection.ts';
import type { OnFatal } from './groups.ts';
import type { StoreTarget } from './open-store.ts';
import { CLIENT_OPTIONS } from './postgres-client.ts';
import { postgresError } from './postgres-error.ts';

export interface DatabaseLock {
  release(): Promise<void>;
}

/** Any constant, with the schema beside it: several deployments may share a database in schemas of their own. */
const LOCK = 0x53_54_52_4c;

/** The server needs a moment to notice that a process was killed: whoever starts right after it waits so long. */
const WAIT_MS = 3000;
const KEEP_ALIVE_MS = 10_000;
/** SQLSTATE (PostgreSQL, appendix A). */
const LOCK_NOT_AVAILABLE = '55P03';

const NO_LOCK: DatabaseLock = { release: () => Promise.resolve() };

/** Throws `data.in_use` where another process keeps the database. SQLite's lies in the data directory, which has its own lock. */
export async function lockDatabase(target: StoreTarget, onFatal: OnFatal): Promise<DatabaseLock> {
  if (target.engine === 'sqlite') return NO_LOCK;
  const client = new Client({
    ...CLIENT_OPTIONS,
    connectionString: target.url,
    application_name: 'strongroom lock',
    idle_in_transaction_session_timeout: 0,
    // Nothing else is ever sent on it, and what forgets idle connections on the way would end the process.
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
  });
  let isHeld = false;
  const lose = (cause?: unknown): void => {
    if (!isHeld) return;
    isHeld = false;
    const why =
      'the connection that holds the lock of the database was lost: another process may have taken the database, so this one ends, ' +
      'and the next opening takes the lock again';
    onFatal(new FatalStoreError(why, { cause }));
  };
  client.on('error', lose);
  client.on('end', () => lose());
  try {
    await client.connect();
    await client.query(`set lock_timeout = ${WAIT_MS}`);
    await client.query('select pg_advisory_lock($1, hashtext(current_schema()))', [LOCK]);
  } catch (error) {
    await client.end();
    if (error instanceof DatabaseError && error.code === LOCK_NOT_AVAILABLE)
      throw new StrongroomError('data.in_use', 'the database is in use by another process');
    throw postgresError(error);
  }
  isHeld = true;
  return {
    release: async () => {
      isHeld = false;
      await client.end();
    },
  };
}
