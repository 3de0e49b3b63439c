import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { DAY_MS } from '../durations.ts';
import { LogFiles } from './log-files.ts';
import { createLog } from './request-log.ts';

async function logIn(t: TestContext, days: number) {
  const parent = await mkdtemp(join(tmpdir(), 'strongroom-log-'));
  const folder = join(parent, 'logs');
  const clock = { ms: Date.UTC(2026, 0, 1, 23, 59, 59), now: () => clock.ms };
  const files = new LogFiles({ folder, days, clock });
  t.after(async () => {
    files.close();
    await rm(parent, { recursive: true, force: true });
  });
  return { folder, clock, files, log: createLog('info', files) };
}

test('each day has its file, readable by its owner alone, and what was logged is in it', async (t) => {
  const { folder, clock, log } = await logIn(t, 90);
  log.info({ request: 'req_1' }, 'request');
  clock.ms += 1000;
  log.info({ request: 'req_2' }, 'request');
  const names = (await readdir(folder)).sort();
  assert.deepEqual(names, ['strongroom-2026-01-01.jsonl', 'strongroom-2026-01-02.jsonl']);
  for (const [at, name] of names.entries()) {
    assert.ok((await readFile(join(folder, name), 'utf8')).includes(`"req_${at + 1}"`));
    assert.equal((await stat(join(folder, name))).mode & 0o777, 0o600);
  }
});

test('a file stays for as many days as were set and no longer, also where nothing is logged', async (t) => {
  const { folder, clock, files, log } = await logIn(t, 3);
  log.info({}, 'the first day');
  clock.ms += 3 * DAY_MS;
  files.prune();
  assert.equal((await readdir(folder)).length, 1);
  clock.ms += DAY_MS;
  files.prune();
  assert.deepEqual(await readdir(folder), []);
});
