/**
 * An erasure, killed by the kernel at its n-th write and at its n-th sync, for n = 1, 2, 3 … until it runs through: whatever was
 * left, the next opening finds it whole or not there at all, and whole where it was answered; the twin is there always.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { realEnvironment } from '../../src/environment.ts';
import { silentLog } from '../../src/http/request-log.ts';
import { openStrongroom } from '../../src/strongroom.ts';
import { readRows } from '../boxes.ts';
import { idOf, TestDeployment, temporaryFolder } from '../deployment.ts';
import { checkInvariants } from '../invariants.ts';
import { ROOT } from '../server-process.ts';
import { ASKED } from './erasure-process.ts';

/** Guards against a walk that never ends. */
const CALLS_MAX = 20_000;
/** Writes are many; of these every so-manieth is where it dies. */
const WRITE_STRIDE = Number(process.env['STRONGROOM_KILL_STRIDE'] ?? 4);

interface Made {
  readonly deployment: TestDeployment;
  readonly victims: readonly string[];
  readonly twin: string;
}

async function made(t: TestContext): Promise<Made> {
  const deployment = await TestDeployment.start(t);
  const { id: vault } = (
    await deployment.must('POST', '/v1/vaults', { body: { name: 'second', tombstones: 'refuse' } })
  ).json;
  const add = async (body: object): Promise<string> =>
    idOf(await deployment.must('POST', `/v1/vaults/${String(vault)}/memories`, { body }));
  const memory = await add({ text: 'a canary', subject: 'ann' });
  const derived = await add({ text: 'derived from a canary', derivedFrom: [memory] });
  const twin = await add({ text: 'the twin', subject: 'bob' });
  await deployment.must('POST', '/v1/vaults/second/search', { body: { query: 'canary' } });
  await deployment.stop();
  return { deployment, victims: [memory, derived], twin };
}

for (const { calls, stride, least } of [
  { calls: 'fsync,fdatasync', stride: 1, least: 20 },
  { calls: 'pwrite64,write', stride: WRITE_STRIDE, least: 10 },
])
  test(`an erasure that is killed at any ${calls} is there whole or not at all`, async (t) => {
    if (spawnSync('strace', ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=fsync', 'true']).status !== 0)
      return t.skip('processes cannot be traced here');
    const one = await made(t);
    const folder = await temporaryFolder(t);
    const seen = { kills: 0, whole: 0, answered: 0 };
    for (let at = 1; ; at += stride) {
      assert.ok(at < CALLS_MAX);
      const directory = join(folder, 'killed');
      await rm(directory, { recursive: true, force: true });
      await cp(one.deployment.directory, directory, { recursive: true });
      const { isKilled, isAnswered } = await eraseUntil(directory, join(folder, 'trace'), calls, at);
      const isWhole = await check(one, directory, `${calls} ${at}`);
      if (isAnswered) assert.ok(isWhole, `${calls} ${at}: it was answered and is not there`);
      if (!isKilled) break;
      seen.kills++;
      if (isWhole) seen.whole++;
      if (isAnswered) seen.answered++;
    }
    t.diagnostic(JSON.stringify(seen));
    assert.ok(seen.kills >= least && seen.whole > 0 && seen.whole < seen.kills, JSON.stringify(seen));
  });

/** One thread for all file calls, because strace counts per thread. */
async function eraseUntil(directory: string, log: string, calls: string, at: number) {
  const traced = ['-f', '-qq', '-o', log, '-e', `trace=${calls}`];
  const killed = ['-e', `inject=${calls}:signal=KILL:when=${at}`];
  const program = [process.execPath, '--conditions=source', 'test/slow/erasure-process.ts'];
  const target = JSON.stringify({ subject: 'ann' });
  const child = spawn('strace', [...traced, ...killed, ...program, directory, target], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'] ?? '', UV_THREADPOOL_SIZE: '1' },
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => (out += String(chunk)));
  child.stderr.on('data', (chunk) => (err += String(chunk)));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  const isKilled = code !== 0;
  if (isKilled) assert.ok(signal === 'SIGKILL' || code === 137, `ended with ${code} ${signal}: ${err}`);
  return { isKilled, isAnswered: out.includes(ASKED) };
}

/** Whether the erasure is there; opened as the next process would, twice, because the second must find nothing to do. */
async function check(
  { deployment, victims, twin }: Made,
  directory: string,
  where: string,
): Promise<boolean> {
  const found: boolean[] = [];
  for (let opening = 0; opening < 2; opening++) {
    const open = await openStrongroom({
      directory,
      settings: deployment.settings,
      environment: { ...realEnvironment, clock: deployment.clock },
      log: silentLog,
      onFatal: (error) => assert.fail(String(error)),
    });
    try {
      assert.deepEqual(await checkInvariants(open, directory), [], where);
      const rows = await readRows(open);
      const there = new Set(rows.memories.map(({ id }) => id));
      const isWhole = rows.erasures.length > 0;
      for (const id of victims) assert.equal(there.has(id), !isWhole, `${where}: ${id}`);
      assert.equal(rows.tombstones.length, isWhole ? victims.length : 0, where);
      assert.ok(there.has(twin), `${where}: the twin is lost`);
      found.push(isWhole);
    } finally {
      await open.close();
    }
  }
  assert.deepEqual(found[0], found[1], where);
  return found[0] ?? false;
}
