/** When backups are made, where they lie, and when they end. */
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { verifies } from '../src/assurance/testing/verifies.ts';
import { DAY_MS, MINUTE_MS } from '../src/durations.ts';
import { openManifest } from '../src/recovery/manifest.ts';
import { manifestName } from '../src/recovery/place.ts';
import { openReader } from '../src/recovery/row-reader.ts';
import type { BackupId } from '../src/ids.ts';
import { SYSTEM } from '../src/store/store.ts';
import { addTenant, TestDeployment } from './deployment.ts';
import { RestoredCopy } from './recovery.ts';

const MEMORIES = '/v1/vaults/default/memories';

test('what is due is made: full ones weekly, increments daily, what changed every few minutes, and nothing for nothing', async (t) => {
  verifies('BCK-01');
  const deployment = await TestDeployment.make(t);
  await deployment.opened(async ({ backups, checkpoints }) => {
    const kinds = async (): Promise<string> => (await backups.list()).map(({ kind }) => kind).join();
    await backups.tick();
    assert.equal(await kinds(), 'full');
    await backups.tick();
    deployment.clock.advance(5 * MINUTE_MS);
    await checkpoints.tick();
    await backups.tick();
    assert.equal(await kinds(), 'log,full');
    deployment.clock.advance(5 * MINUTE_MS);
    await backups.tick();
    assert.equal(await kinds(), 'log,full', 'nothing has changed');
    assert.equal(await backups.lossMs(), 0);
    deployment.clock.advance(DAY_MS);
    await backups.tick();
    assert.equal(await kinds(), 'incremental,log,full');
    deployment.clock.advance(6 * DAY_MS);
    await backups.tick();
    assert.equal(await kinds(), 'full,incremental,incremental,log,full');
  });
});

test('after thirty days a backup is gone, and a copy of it is worth nothing', async (t) => {
  verifies('BCK-04');
  const deployment = await TestDeployment.make(t);
  await deployment.opened(async ({ backups, keyring }) => {
    const { id } = await backups.create('full');
    const [place] = backups.places;
    assert.ok(place !== undefined);
    const copy = await place.blobs.get(manifestName(id as BackupId));
    assert.equal(openManifest(copy, keyring).id, id);
    deployment.clock.advance(29 * DAY_MS);
    await backups.expire();
    assert.equal((await backups.list()).length, 1);
    deployment.clock.advance(DAY_MS);
    await backups.expire();
    assert.deepEqual(await backups.list(), []);
    assert.deepEqual(await place.blobs.list(''), []);
    assert.throws(() => openManifest(copy, keyring), { code: 'erased' });
  });
});

test('a second place holds every backup, is filled up after it was away, and can be read without the first', async (t) => {
  verifies('BCK-05');
  const settings = { backups: ['cellar=backups', 'attic=attic'], backupLocations: ['cellar', 'attic'] };
  const deployment = await TestDeployment.start(t, { settings });
  await deployment.must('POST', MEMORIES, { body: { text: 'kept' } });
  await deployment.must('POST', '/v1/backups');
  await deployment.stop();
  const attic = join(deployment.directory, 'attic');
  const missing = async (): Promise<readonly number[]> => {
    const { json } = await deployment.must('GET', '/v1/backups/status');
    return (json['places'] as { missing: number }[]).map((place) => place.missing);
  };
  await deployment.serve();
  assert.deepEqual(await missing(), [0, 0]);
  await deployment.stop();
  await rm(attic, { recursive: true });
  await deployment.serve();
  assert.deepEqual(await missing(), [0, 1]);
  await deployment.stop();
  await deployment.opened((open) => open.backups.expire());
  await deployment.serve();
  assert.deepEqual(await missing(), [0, 0]);
  await deployment.stop();
  await rm(join(deployment.directory, 'backups'), { recursive: true });
  const copy = await RestoredCopy.beside(t, deployment, { from: attic });
  assert.deepEqual((await copy.restore()).differences, []);
  await copy.served(async (call) => {
    const found = await call('GET', MEMORIES, { key: deployment.apiKey });
    assert.equal((found.json['memories'] as unknown[]).length, 1);
  });
});

test('a drill restores everything, opens records, says what it took, and writes no epoch', async (t) => {
  verifies('BCK-02');
  const deployment = await TestDeployment.start(t);
  for (let at = 0; at < 5; at++) await deployment.must('POST', MEMORIES, { body: { text: `memory ${at}` } });
  await deployment.must('POST', '/v1/backups', { body: { kind: 'full' } });
  await deployment.stop();
  await deployment.opened(async ({ drills, keyring, backups }) => {
    const before = keyring.epoch;
    const { row, faults } = await drills.run();
    assert.deepEqual([row.state, row.opened, faults], ['passed', 5, []]);
    assert.equal(keyring.epoch, before);
    // It can fail: a backup whose piece is another's.
    const [first, second] = await backups.list();
    assert.ok(first !== undefined && second !== undefined);
    const folder = join(deployment.directory, 'backups');
    await rm(join(folder, second.id, '000001'));
    const broken = await drills.run().catch((error: unknown) => error);
    assert.match(String(broken), /000001 \(it is missing\)/);
  });
});

test('a disk that is full at the place fails the backup and nothing else, is not filled further, and is tried less often', async (t) => {
  const attempts: number[] = [];
  let isFull = false;
  const deployment = await TestDeployment.make(t, {
    fault: (name) => {
      if (isFull && name === 'backup.manifest')
        throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      if (name === 'backup.slot') attempts.push(deployment.clock.now());
    },
  });
  await deployment.opened(async ({ backups, checkpoints, store }) => {
    await backups.create('full');
    const [place] = backups.places;
    assert.ok(place !== undefined);
    const before = await place.blobs.list('');
    attempts.length = 0;
    isFull = true;
    const began = deployment.clock.now();
    for (let minute = 0; minute < 180; minute++) {
      deployment.clock.advance(MINUTE_MS);
      await checkpoints.tick();
      await backups.tick().catch((error: unknown) => assert.match(String(error), /no space left/));
    }
    const minutes = attempts.map((at) => (at - began) / MINUTE_MS);
    assert.deepEqual(minutes, [5, 10, 20, 40, 80, 140]);
    assert.deepEqual(await place.blobs.list(''), before, 'nothing of them is left');
    const rows = await store.read(SYSTEM, (db) => db.selectFrom('backups').select('state').execute());
    assert.deepEqual(rows, [{ state: 'complete' }]);
    isFull = false;
    deployment.clock.advance(60 * MINUTE_MS);
    await backups.tick();
    assert.equal((await backups.list()).length, 2, 'and it goes on by itself');
  });
  assert.deepEqual(deployment.fatal, []);
});

test('a place that is away when the server starts, or whose syncs fail, ends no process', async (t) => {
  const settings = { backups: ['backups/below/a-file'] };
  const deployment = await TestDeployment.start(t, { settings });
  await deployment.must('POST', MEMORIES, { body: { text: 'kept' } });
  await deployment.stop();
  const folder = join(deployment.directory, 'backups');
  await rm(folder, { recursive: true, force: true });
  await writeFile(folder, 'not a folder');
  await deployment.serve();
  const failed = await deployment.call('POST', '/v1/backups');
  assert.deepEqual([failed.status, failed.json['code']], [503, 'store.unavailable']);
  const { json } = await deployment.must('GET', '/v1/backups/status');
  assert.deepEqual(
    (json['places'] as { reachable: boolean }[]).map(({ reachable }) => reachable),
    [false],
  );
  await deployment.must('GET', MEMORIES);
  await rm(folder);
  await deployment.must('POST', '/v1/backups');
  assert.deepEqual(deployment.fatal, []);
});

test('backups are of the whole deployment, and only the organization it was made with sees or makes them', async (t) => {
  const deployment = await TestDeployment.start(t);
  await deployment.must('POST', '/v1/backups');
  await deployment.stop();
  const other = await addTenant(deployment);
  await deployment.serve();
  const ask = (method: string, path: string) => deployment.call(method, path, { key: other.apiKey });
  for (const [method, path] of [
    ['GET', '/v1/backups'],
    ['GET', '/v1/backups/status'],
    ['POST', '/v1/backups'],
    ['POST', '/v1/drills'],
    ['GET', '/v1/drills'],
  ] as const) {
    const answer = await ask(method, path);
    assert.deepEqual([answer.status, answer.json['code']], [403, 'access.refused'], `${method} ${path}`);
  }
  await deployment.must('POST', '/v1/drills');
});

test('rows that are read on a thread of their own are those that are read here, and what goes wrong there is told', async (t) => {
  const deployment = await TestDeployment.start(t);
  for (let at = 0; at < 30; at++)
    await deployment.must('POST', MEMORIES, { body: { text: `memory ${at}`, vector: [1, at] } });
  await deployment.stop();
  const target = { engine: 'sqlite', directory: deployment.directory } as const;
  const read = async (threadBytesMin: number) => {
    const pieces: { rows: number; bytes: string }[] = [];
    const reader = await openReader(target, { from: 0, isCounted: true }, threadBytesMin);
    const found = await reader.read({
      add: ({ rows, bytes }) => {
        pieces.push({ rows, bytes: Buffer.from(bytes).toString('hex') });
        return Promise.resolve();
      },
      spare: () => null,
      blob: () => Promise.resolve(null),
    });
    await reader.close();
    return { change: reader.change, found, pieces };
  };
  const [here, there] = [await read(Infinity), await read(0)];
  assert.ok(here.pieces.some(({ rows }) => rows > 60));
  assert.deepEqual(there, here);
  const full = await openReader(target, { from: 0, isCounted: true }, 0);
  const add = () => Promise.reject(new Error('no room'));
  const noRoom = { add, spare: () => null, blob: () => Promise.resolve(null) };
  await assert.rejects(full.read(noRoom), /no room/);
  await full.close();
  const elsewhere = { engine: 'sqlite', directory: join(deployment.directory, 'blobs') } as const;
  await writeFile(join(elsewhere.directory, 'strongroom.db'), 'no database');
  await assert.rejects(openReader(elsewhere, { from: 0, isCounted: true }, 0), (error: unknown) => {
    assert.match(String(error), /store failed|not a database|store is not available|Unexpected/);
    return true;
  });
});

test('a backup and a drill tell how far they have come, whoever asks so, and end with their result', async (t) => {
  const deployment = await TestDeployment.start(t);
  for (let at = 0; at < 5; at++) await deployment.must('POST', MEMORIES, { body: { text: `memory ${at}` } });
  const eventsOf = async (path: string): Promise<Record<string, unknown>[]> => {
    const { status, text } = await deployment.call('POST', path, {
      headers: { accept: 'application/jsonl' },
    });
    assert.equal(status, 200, text);
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  };
  for (const [path, last] of [
    ['/v1/backups', 'backup'],
    ['/v1/drills', 'drill'],
  ] as const) {
    const events = await eventsOf(path);
    assert.ok(events.length >= 2, `${path} tells nothing on its way`);
    for (const { type } of events.slice(0, -1)) assert.equal(type, 'progress');
    assert.equal(events.at(-1)?.['type'], last);
    assert.ok(events.at(-1)?.[last] !== undefined);
  }
  const refused = await deployment.call('POST', '/v1/backups', {
    headers: { accept: 'application/jsonl' },
    body: { kind: 'weekly' },
  });
  assert.deepEqual([refused.status, refused.json['code']], [400, 'request.invalid']);
});
