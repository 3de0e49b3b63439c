/** What `doctor` says of a directory that a server has open. */
import assert from 'node:assert/strict';
import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { doctor } from '../src/deployment.ts';
import { VERSION } from '../src/version.ts';
import { TestDeployment } from './deployment.ts';

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

test('the program says the version of its package', async () => {
  const text = await readFile(new URL('../package.json', import.meta.url), 'utf8');
  assert.equal((JSON.parse(text) as { version: string }).version, VERSION);
});
