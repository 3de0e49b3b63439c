import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Client } from 'pg';
import { realEnvironment } from '../src/environment.ts';
import { silentLog } from '../src/http/request-log.ts';
import { lockDatabase } from '../src/store/database-lock.ts';
import { openStrongroom } from '../src/strongroom.ts';
import { temporaryFolder, TestDeployment } from './deployment.ts';
import { testPostgres } from './postgres.ts';

test('a copied data directory that is started elsewhere is refused, and the first one goes on', async (t) => {
  const server = await testPostgres();
  if ('absent' in server) return t.skip(server.absent);
  const database = await server.createDatabase();
  const settings = { database: database.url, databaseOwner: database.ownerUrl };
  const deployment = await TestDeployment.start(t, { settings });
  const copy = join(await temporaryFolder(t), 'copy');
  await cp(deployment.directory, copy, { recursive: true });
  const opening = {
    directory: copy,
    settings: deployment.settings,
    environment: realEnvironment,
    log: silentLog,
    onFatal: () => undefined,
  };
  await assert.rejects(openStrongroom(opening), { code: 'data.in_use' });
  await deployment.must('POST', '/v1/vaults/default/memories', { body: { text: 'still here' } });
  await deployment.stop();
  await deployment.serve();
  await deployment.must('GET', '/v1/vaults/default/memories');
});

test('who loses the lock on the database is told, and another can take it', async (t) => {
  const server = await testPostgres();
  if ('absent' in server) return t.skip(server.absent);
  const { url, superUrl } = await server.createDatabase();
  const target = { engine: 'postgres', url } as const;
  const lost = new Promise<unknown>((resolve) => {
    void lockDatabase(target, resolve).then(async () => {
      await assert.rejects(lockDatabase(target, assert.fail as never), { code: 'data.in_use' });
      const admin = new Client({ connectionString: superUrl });
      await admin.connect();
      await admin.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'strongroom lock' and datname = current_database()`,
      );
      await admin.end();
    });
  });
  assert.match(String(await lost), /lock of the database was lost/);
  const again = await lockDatabase(target, () => undefined);
  await again.release();
  const after = await lockDatabase(target, () => undefined);
  await after.release();
});
