/** Every store test on both engines: a fresh database each, opened as often as the test wants. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { testPostgres, type TestDatabase } from '../../../test/postgres.ts';
import { realEnvironment, type Environment } from '../../environment.ts';
import { openStore, type StoreTarget } from '../open-store.ts';
import type { Store } from '../store.ts';

export interface TestEngine {
  readonly name: Store['engine'];
  readonly target: StoreTarget;
  /** On PostgreSQL, for what goes past the store. */
  readonly database: TestDatabase | null;
  /** Opens the database, again if it was opened before; closed when the test ends. */
  open(options?: OpenOptions): Promise<Store>;
}

export interface OpenOptions {
  readonly fault?: Environment['fault'];
  readonly onFatal?: (error: unknown) => void;
}

type Body = (t: TestContext, engine: TestEngine) => Promise<void>;

/** One test per engine; that of an engine which is not there is skipped and says why. */
export function forEachEngine(guarantee: string, body: Body): void {
  test(`${guarantee} (SQLite)`, async (t) => body(t, await sqliteEngineFor(t)));
  onPostgres(`${guarantee} (PostgreSQL)`, body);
}

/** A test of what only PostgreSQL has. */
export function onPostgres(guarantee: string, body: Body): void {
  test(guarantee, async (t) => {
    const server = await testPostgres();
    if ('absent' in server) return t.skip(server.absent);
    const database = await server.createDatabase();
    const target = { engine: 'postgres', url: database.url, ownerUrl: database.ownerUrl } as const;
    return body(t, engineOn(t, target, database));
  });
}

export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-store-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export async function sqliteEngineFor(t: TestContext): Promise<TestEngine> {
  return engineOn(t, { engine: 'sqlite', directory: await temporaryFolder(t) }, null);
}

export function engineOn(t: TestContext, target: StoreTarget, database: TestDatabase | null): TestEngine {
  const opened: Store[] = [];
  t.after(async () => {
    for (const store of opened) await store.close();
  });
  return {
    name: target.engine,
    target,
    database,
    open: async ({ fault = () => undefined, onFatal = unexpected } = {}) => {
      const store = await openStore(target, testEnvironment(fault), onFatal);
      opened.push(store);
      return store;
    },
  };
}

/** Time stands still unless a test moves it. */
export const testEnvironment = (fault: Environment['fault'] = () => undefined): Environment => ({
  clock: { now: () => 1_800_000_000_000 },
  random: realEnvironment.random,
  fault,
});

function unexpected(error: unknown): never {
  throw new Error('the store wanted to end the process', { cause: error });
}
