/**
 * The canary property seen from outside the process, on both engines: the data directory, the database's own folder with
 * its write-ahead log, the folder for temporary files and everything that was printed, while it runs and after.
 */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Client } from 'pg';
import { initDeployment } from '../../src/deployment.ts';
import { silentLog } from '../../src/http/request-log.ts';
import type { ApiDocument } from '../api-document.ts';
import { Canaries, filesBelow, type Hit } from '../canary.ts';
import { SECRET_CHARACTERS, Sower, sowEverything, sowNoise } from '../canary-walk.ts';
import { exchange, settingsOf, temporaryFolder } from '../deployment.ts';
import { testPostgres, type TestDatabase } from '../postgres.ts';
import { ServerProcess } from '../server-process.ts';

test('no file of a server on SQLite, and nothing it prints, shows what a customer wrote', async (t) => {
  assert.deepEqual(await hitsOf(t, null), []);
});

test('no file of PostgreSQL, its log included, shows what a customer wrote', async (t) => {
  const postgres = await testPostgres();
  if ('absent' in postgres) return t.skip(postgres.absent);
  const database = await postgres.createDatabase();
  assert.deepEqual(await hitsOf(t, database), []);
});

test('what is written into PostgreSQL unsealed is found in its files', async (t) => {
  const postgres = await testPostgres();
  if ('absent' in postgres) return t.skip(postgres.absent);
  const database = await postgres.createDatabase();
  const canaries = new Canaries();
  await asSuperuser(
    database,
    `create table planted (word text)`,
    `insert into planted values ('${canaries.word('planted')}')`,
    'checkpoint',
  );
  const files = await filesBelow(await dataFolder(database));
  const hits = files.flatMap((file) => canaries.search(file));
  assert.ok(hits.some(({ file, what }) => file.startsWith('base/') && what === 'planted'));
  assert.ok(hits.some(({ file }) => file.startsWith('pg_wal/')));
});

async function hitsOf(t: TestContext, database: TestDatabase | null): Promise<Hit[]> {
  const folder = await temporaryFolder(t);
  const [directory, temporary] = [join(folder, 'data'), join(folder, 'temporary')];
  await mkdir(temporary);
  const settings = database === null ? {} : { database: database.url, databaseOwner: database.ownerUrl };
  const { apiKey } = await initDeployment(directory, settingsOf(settings), { log: silentLog });
  const variables = {
    STRONGROOM_LOG_LEVEL: 'trace',
    TMPDIR: temporary,
    SQLITE_TMPDIR: temporary,
    ...(database === null
      ? {}
      : { STRONGROOM_DATABASE: database.url, STRONGROOM_DATABASE_OWNER: database.ownerUrl }),
  };
  const canaries = new Canaries();
  canaries.text('first API key', apiKey.slice(-SECRET_CHARACTERS));
  const hits: Hit[] = [];
  const look = async (said: string): Promise<void> => {
    if (database !== null) await asSuperuser(database, 'checkpoint');
    const places = [directory, temporary, ...(database === null ? [] : [await dataFolder(database)])];
    for (const place of places)
      for (const file of await filesBelow(place)) hits.push(...canaries.search(file));
    hits.push(...canaries.search({ file: 'what was printed', bytes: Buffer.from(said) }));
  };
  const server = await ServerProcess.start(directory, { variables });
  const document = (await exchange(server.url, 'GET', '/openapi.json')).json as unknown as ApiDocument;
  const { vault } = await sowEverything(new Sower({ url: server.url, apiKey, canaries, document }), canaries);
  await sowNoise(server.url, apiKey, canaries);
  await look(server.err);
  assert.equal(await server.end('SIGTERM'), 0);
  await look(server.err);
  // Killed this time: what a dying process leaves is looked at too.
  const second = await ServerProcess.start(directory, { variables });
  await exchange(second.url, 'POST', `/v1/vaults/${vault}/search`, {
    key: apiKey,
    body: { query: canaries.word('query after a restart') },
  });
  await second.end('SIGKILL');
  await look(second.err);
  assert.ok(server.err.includes('request'));
  return hits;
}

async function asSuperuser(
  database: TestDatabase,
  ...statements: readonly string[]
): Promise<readonly Record<string, unknown>[]> {
  const client = new Client({ connectionString: database.superUrl });
  await client.connect();
  try {
    let rows: readonly Record<string, unknown>[] = [];
    for (const statement of statements) rows = (await client.query<Record<string, unknown>>(statement)).rows;
    return rows;
  } finally {
    await client.end();
  }
}

const dataFolder = async (database: TestDatabase): Promise<string> =>
  String((await asSuperuser(database, 'show data_directory'))[0]?.['data_directory']);
