import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { FatalStoreError } from './connection.ts';
import { SqliteLog } from './sqlite-log.ts';
import { temporaryFolder } from './testing/engines.ts';

test('who is alone waits for a quick disk in passing; a slow one is left to the pool, longer each time', async (t) => {
  const { log, disk } = await openLog(t);
  const ways = async (count: number): Promise<string> => {
    for (let i = 0; i < count; i++) await log.syncAlone();
    return disk.ways.splice(0).join('');
  };
  assert.equal(await ways(5), 'nnnnn');
  disk.takesMs = 5;
  assert.equal(await ways(1), 'n');
  assert.equal(await ways(17), `${'p'.repeat(16)}n`);
  assert.equal(await ways(33), `${'p'.repeat(32)}n`);
  disk.takesMs = 0;
  assert.equal(await ways(66), `${'p'.repeat(64)}nn`);
  disk.takesMs = 5;
  assert.equal(await ways(18), `n${'p'.repeat(16)}n`);
});

test('where a sync is under way, who is alone waits behind it', async (t) => {
  const { log, disk } = await openLog(t);
  const [first, second] = [log.sync(), log.syncAlone()];
  await Promise.all([first, second]);
  assert.equal(disk.ways.join(''), 'pp');
});

test('after a sync in passing that failed nothing is told and nothing is read any more', async (t) => {
  const { log, disk } = await openLog(t);
  disk.failure = new Error('EIO');
  await assert.rejects(log.syncAlone(), FatalStoreError);
  disk.failure = null;
  await assert.rejects(log.settled(), FatalStoreError);
  await assert.rejects(log.syncAlone(), FatalStoreError);
  assert.equal(disk.ways.join(''), 'n');
});

/** A log on a disk that notes how it was waited for: by the pool (p) or now (n). */
async function openLog(t: TestContext) {
  const path = join(await temporaryFolder(t), 'a.db');
  const disk = { ways: [] as string[], takesMs: 0, failure: null as Error | null };
  let now = 0;
  const log = new SqliteLog(path, {
    sync: () => Promise.resolve(void disk.ways.push('p')),
    syncNow: () => {
      disk.ways.push('n');
      now += disk.takesMs;
      if (disk.failure !== null) throw disk.failure;
    },
    now: () => now,
  });
  t.after(() => log.close());
  // After the opening, so that there is nothing of a killed process in it.
  await writeFile(`${path}-wal`, '');
  return { log, disk };
}
