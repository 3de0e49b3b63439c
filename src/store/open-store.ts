/** Opens the store on either engine: checks it, brings its schema up to date, and hands out reads and writes. */
import type { Environment } from '../environment.ts';
import type { Engine } from './connection.ts';
import { CommitGroups, type OnFatal } from './groups.ts';
import { openHandle } from './handle.ts';
import { migrate } from './migrate.ts';
import { openPostgresEngine } from './postgres.ts';
import { openSqliteDatabase, sqliteEngine, sqliteMigrator } from './sqlite.ts';
import type { Store } from './store.ts';

/**
 * `directory` exists and is locked by the caller (`lockDirectory`). `url` is that of the application's role; `ownerUrl`
 * that of the role that owns the tables, needed only where the schema has to be made or brought up to date.
 */
export type StoreTarget =
  | { readonly engine: 'sqlite'; readonly directory: string }
  | { readonly engine: 'postgres'; readonly url: string; readonly ownerUrl?: string };

/** `onFatal` ends the process: it is called when a commit failed and nobody knows what is on disk. */
export async function openStore(
  target: StoreTarget,
  environment: Environment,
  onFatal: OnFatal,
): Promise<Store> {
  const engine =
    target.engine === 'sqlite'
      ? await openSqliteEngine(target.directory, environment)
      : await openPostgresEngine(target, environment.fault);
  return storeOn(engine, environment, onFatal);
}

async function openSqliteEngine(directory: string, { fault }: Environment): Promise<Engine> {
  const database = openSqliteDatabase(directory);
  try {
    await migrate(sqliteMigrator(database), fault);
  } catch (error) {
    database.close();
    throw error;
  }
  return sqliteEngine(directory, database);
}

function storeOn(engine: Engine, { fault }: Environment, onFatal: OnFatal): Store {
  const groups = new CommitGroups({ engine, fault, onFatal });
  let closing: Promise<void> | undefined;
  const closeAll = async (): Promise<void> => {
    await groups.close();
    await engine.readers.close();
    await engine.writer.close();
  };
  return {
    engine: engine.name,
    write: (scope, work) => groups.submit(scope, work),
    lastWrite: (table) => groups.lastWrite(table),
    get health() {
      return groups.health;
    },
    refuse: (reason) => groups.refuse(reason),
    read: (scope, work) =>
      engine.readers.read(scope, async (connection, head) => {
        const handle = openHandle({ engine: engine.name, connection, scope, mode: 'read' });
        try {
          return await work(handle.sql, head);
        } finally {
          handle.close();
        }
      }),
    close: () => {
      closing ??= closeAll();
      return closing;
    },
  };
}
