/** What `doctor` says of a directory that a server has open. */
import assert from 'node:assert/strict';
import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { doctor } from '../src/deployment.ts';
import { ROTATION_KEYS } from '../src/lifecycle/rotations.ts';
import { VERSION } from '../src/version.ts';
import { TestDeployment } from './deployment.ts';
import { withDatabase } from './raw-database.ts';

const found = async (deployment: TestDeployment, port?: number) => {
  const settings = { ...deployment.settings, port: port ?? Number(new URL(deployment.url).port) };
  const findings = await doctor(deployment.directory, settings);
  return findings.slice(0, 2).map(({ name, status, detail }) => `${status} ${name}: ${detail}`);
};

test('a server that runs is asked how it is', async (t) => {
  const deployment = await TestDeployment.start(t);
  assert.deepEqual(await found(deployment), [
    'ok server: another process has the directory open, so it is not opened here',
    `ok health: ${deployment.url} answers that it is well`,
  ]);
  const database = join(deployment.directory, 'strongroom.db');
  await rename(database, `${database}.away`);
  assert.equal((await found(deployment))[1], 'failing health: store: its file is gone');
  await rename(`${database}.away`, database);
});

test('where nothing answers, that is said, and is no failure: it may listen elsewhere', async (t) => {
  const deployment = await TestDeployment.start(t);
  assert.match(
    (await found(deployment, 1))[1] ?? '',
    /^warning health: nothing answers at .*:1 \(server\.unreachable\)/,
  );
});

test('a stopped deployment is opened', async (t) => {
  const deployment = await TestDeployment.make(t);
  assert.match((await found(deployment, 1))[0] ?? '', /^ok opens: keyring at epoch \d+$/);
});

test('a key that should have been replaced is named, and so is one that was replaced and is still there', async (t) => {
  const deployment = await TestDeployment.make(t);
  const keysFound = async (): Promise<string[]> => {
    const findings = await doctor(deployment.directory, deployment.settings);
    return findings.filter(({ name }) => name === 'keys').map(({ status, detail }) => `${status} ${detail}`);
  };
  // The doctor's time is the real one.
  deployment.clock.advance(Date.now() - deployment.clock.now());
  await deployment.opened((open) => open.rotations.run(ROTATION_KEYS, { cause: 'command', atOnce: false }));
  assert.deepEqual(await keysFound(), []);
  withDatabase(deployment.directory, (database) => {
    database.exec(`update service_slots set created_at = 0 where name = 'cursors'`);
    database.exec(`update rotations set due_at = 0 where what = 'api-keys'`);
  });
  const found = await keysFound();
  assert.equal(found.length, 2);
  assert.match(
    found[0] ?? '',
    /^warning the api-keys key before the one in use should be gone since 1970-01-01/,
  );
  assert.match(found[1] ?? '', /^warning the cursors key should have been replaced by 1970-04-01/);
});

test('the program says the version of its package', async () => {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8');
  assert.equal((JSON.parse(text) as { version: string }).version, VERSION);
});
