/** What `doctor` says of a directory that a server has open. */
import assert from 'node:assert/strict';
import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Health } from '@strongroom/client';
import { doctor } from '../src/deployment.ts';
import { ROTATION_KEYS } from '../src/lifecycle/rotations.ts';
import { VERSION } from '../src/version.ts';
import { idOf, TestDeployment } from './deployment.ts';
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

test('a replica of the keystore that is away is told by health, metrics and the doctor, and takes no reader away', async (t) => {
  const deployment = await TestDeployment.start(t);
  const memories = '/v1/vaults/default/memories';
  const memory = idOf(await deployment.must('POST', memories, { body: { text: 'to go' } }));
  const kept = idOf(await deployment.must('POST', memories, { body: { text: 'to stay' } }));
  const health = async () => (await deployment.call('GET', '/readyz', { key: null })).json;
  const gauges = async (): Promise<string[]> => {
    const { text } = await deployment.call('GET', '/metrics', { key: null });
    return text.split('\n').filter((line) => /^strongroom_(keystore_away|waiting)_/.test(line));
  };
  assert.equal((await health())['status'], 'ok');
  assert.deepEqual(await gauges(), ['strongroom_keystore_away_replicas 0', 'strongroom_waiting_erasures 0']);
  const replica = join(deployment.directory, 'keystore', 'b');
  await rename(replica, `${replica}.away`);
  const keystoreOf = async () => {
    const { status, checks } = (await health()) as unknown as Health;
    return [status, checks.find(({ name }) => name === 'keystore')];
  };
  const check = { name: 'keystore', status: 'degraded', code: 'keystore.away' };
  const before = { ...check, detail: '1 of 2 replicas away; every erasure will wait' };
  assert.deepEqual(await keystoreOf(), ['degraded', before]);
  const asked = await deployment.must('POST', '/v1/erasures', {
    body: { target: { memory }, reason: 'while it is away' },
  });
  assert.equal(asked.json['state'], 'hidden');
  const waiting = { ...check, detail: '1 of 2 replicas away; 1 erasure waits' };
  assert.deepEqual(await keystoreOf(), ['degraded', waiting]);
  assert.deepEqual(await gauges(), ['strongroom_keystore_away_replicas 1', 'strongroom_waiting_erasures 1']);
  assert.equal((await deployment.call('GET', '/readyz', { key: null })).status, 200);
  await deployment.must('GET', `${memories}/${kept}`);
  assert.equal(
    (await found(deployment))[1],
    'warning health: keystore: 1 of 2 replicas away; 1 erasure waits',
  );
  await deployment.stop();
  const findings = await doctor(deployment.directory, deployment.settings);
  const away = findings.filter(({ name }) => name === 'keystore replicas');
  assert.deepEqual(
    away.map(({ status, detail }) => [status, detail]),
    [['warning', 'keystore/b is away: 1 erasure waits for it']],
  );
  await rename(`${replica}.away`, replica);
  await deployment.serve();
  assert.equal((await health())['status'], 'ok');
  assert.equal((await deployment.must('GET', `/v1/erasures/${idOf(asked)}`)).json['state'], 'purged');
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
