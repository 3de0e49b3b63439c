/**
 * A backup, a restore and its commit, killed by the kernel at their n-th sync and at their n-th write, for n = 1, 2, 3 … until
 * they run through. A backup is there whole afterwards or not at all; a restore that is run again comes to its end, and
 * before its end nothing of it is served; every invariant holds.
 *
 * `STRONGROOM_KILL_STRIDE` says at which writes: each so-manieth.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { isInitialised } from '../../src/deployment.ts';
import { StrongroomError } from '../../src/errors.ts';
import { readRestoreMark } from '../../src/recovery/restore-mark.ts';
import { readMemories } from '../afterwards.ts';
import { idOf, TestDeployment, temporaryFolder } from '../deployment.ts';
import { checkInvariants } from '../invariants.ts';
import { RestoredCopy } from '../recovery.ts';
import { spawnCli } from '../server-process.ts';

const MEMORIES = '/v1/vaults/default/memories';
/** Guards against a walk that never ends. */
const CALLS_MAX = 20_000;
const STRIDE = Number(process.env['STRONGROOM_KILL_STRIDE'] ?? 6);
const CALLS = [
  { calls: 'fsync,fdatasync', stride: 1 },
  { calls: 'pwrite64,write', stride: STRIDE },
] as const;

interface Made {
  readonly deployment: TestDeployment;
  readonly kept: string;
  readonly erased: string;
  readonly late: string;
}

/** With a backup, and what came after it: an erasure and an addition. */
async function made(t: TestContext): Promise<Made> {
  const deployment = await TestDeployment.start(t);
  const add = async (text: string): Promise<string> =>
    idOf(await deployment.must('POST', MEMORIES, { body: { text, subject: 'ann' } }));
  const [kept, erased] = [await add('kept'), await add('erased')];
  await deployment.must('POST', '/v1/backups', { body: { kind: 'full' } });
  await deployment.must('DELETE', `${MEMORIES}/${erased}?mode=erase`);
  const late = await add('late');
  await deployment.stop();
  return { deployment, kept, erased, late };
}

const cannotTrace = (t: TestContext): boolean => {
  if (spawnSync('strace', ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=fsync', 'true']).status === 0)
    return false;
  t.skip('processes cannot be traced here');
  return true;
};

/** Whether the command was killed. One thread for all file calls, because strace counts per thread. */
async function killedAt(args: readonly string[], calls: string, at: number): Promise<boolean> {
  const under = ['strace', '-f', '-qq', '-o', '/dev/null', '-e', `trace=${calls}`];
  const child = spawnCli(args, {
    under: [...under, '-e', `inject=${calls}:signal=KILL:when=${at}`],
    variables: { UV_THREADPOOL_SIZE: '1', STRONGROOM_LOG_LEVEL: 'silent' },
  });
  child.stdout?.resume();
  let err = '';
  child.stderr?.on('data', (chunk) => (err += String(chunk)));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (code === 0) return false;
  assert.ok(signal === 'SIGKILL' || code === 137, `ended with ${code} ${signal}: ${err}`);
  return true;
}

/** Kills at the first, the second, … until the command runs through; answers how often. */
async function walk(
  { calls, stride }: (typeof CALLS)[number],
  step: (at: number, where: string) => Promise<boolean>,
): Promise<number> {
  let kills = 0;
  for (let at = 1; ; at += stride) {
    assert.ok(at < CALLS_MAX);
    if (!(await step(at, `${calls} ${at}`))) return kills;
    kills++;
  }
}

for (const call of CALLS)
  test(`a backup that is killed at any ${call.calls} is there whole or not at all, and the next one succeeds`, async (t) => {
    if (cannotTrace(t)) return;
    const { deployment, kept, late } = await made(t);
    const folder = await temporaryFolder(t);
    const seen = new Set<number>();
    const kills = await walk(call, async (at, where) => {
      const directory = join(folder, 'killed');
      await rm(directory, { recursive: true, force: true });
      await cp(deployment.directory, directory, { recursive: true });
      const backup = ['backup', 'create', '--kind', 'full', '--data', directory, '--json'];
      const isKilled = await killedAt(backup, call.calls, at);
      const copy = RestoredCopy.at(directory, await RestoredCopy.of(deployment));
      await copy.opened(async (open) => {
        assert.deepEqual(await checkInvariants(open, directory), [], where);
        const complete = await open.backups.list();
        seen.add(complete.length);
        assert.ok(complete.length === 1 || complete.length === 2, `${where}: ${complete.length} backups`);
        if (!isKilled) assert.equal(complete.length, 2);
        const { row, faults } = await open.drills.run();
        assert.deepEqual([row.state, faults], ['passed', []], where);
        const there = (await readMemories(open)).map(({ id }) => id);
        assert.deepEqual(there.sort(), [kept, late].sort(), where);
      });
      return isKilled;
    });
    t.diagnostic(`${kills} kills`);
    assert.ok(kills >= 8, `${kills} kills`);
    assert.deepEqual(
      [...seen].toSorted((a, b) => a - b),
      [1, 2],
      'both sides were seen',
    );
  });

/** A directory that knows of nothing but the keystore, and what must be true of it after a kill and another run. */
async function restored(t: TestContext) {
  const { deployment, kept, erased, late } = await made(t);
  const directory = join(await temporaryFolder(t), 'restored');
  const copy = RestoredCopy.at(directory, await RestoredCopy.of(deployment));
  const fresh = async (): Promise<void> => {
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory);
    await cp(join(deployment.directory, 'keystore'), join(directory, 'keystore'), { recursive: true });
  };
  const check = async (where: string): Promise<void> => {
    const mark = await readRestoreMark(directory);
    const isServed = await isOpenable(copy, directory);
    if (mark !== null) assert.ok(!isServed, `${where}: served while ${mark.state}`);
    if (mark === null ? !isServed : mark.state === 'loading') await copy.restore();
    if ((await readRestoreMark(directory)) !== null) await copy.commit();
    await copy.opened(async (open) => {
      assert.equal(open.restoring, null, where);
      assert.deepEqual(await checkInvariants(open, directory), [], where);
      const there = new Set((await readMemories(open)).map(({ id }) => id));
      assert.deepEqual(
        [kept, erased, late].map((id) => there.has(id)),
        [true, false, false],
        where,
      );
    });
  };
  const command = ['backup', 'restore', '--data', directory, '--json'];
  const from = ['--from', join(deployment.directory, 'backups')];
  return { copy, fresh, check, restore: [...command, ...from], commit: [...command, '--commit'] };
}

for (const call of CALLS)
  test(`a restore that is killed at any ${call.calls} comes to its end when run again, and is not served before`, async (t) => {
    if (cannotTrace(t)) return;
    const { fresh, check, restore } = await restored(t);
    const kills = await walk(call, async (at, where) => {
      await fresh();
      const isKilled = await killedAt(restore, call.calls, at);
      await check(where);
      return isKilled;
    });
    t.diagnostic(`${kills} kills`);
    assert.ok(kills >= 3, `${kills} kills`);
  });

for (const call of CALLS)
  test(`a commit that is killed at any ${call.calls} comes to its end when run again, and nothing is served half`, async (t) => {
    if (cannotTrace(t)) return;
    const { copy, fresh, check, commit } = await restored(t);
    const kills = await walk(call, async (at, where) => {
      await fresh();
      await copy.restore();
      const isKilled = await killedAt(commit, call.calls, at);
      await check(where);
      return isKilled;
    });
    t.diagnostic(`${kills} kills`);
    assert.ok(kills >= 8, `${kills} kills`);
  });

/** Whether what lies there would be served and could be changed. */
async function isOpenable(copy: RestoredCopy, directory: string): Promise<boolean> {
  if (!(await isInitialised(directory))) return false;
  try {
    return await copy.opened(({ restoring }) => Promise.resolve(restoring === null));
  } catch (error) {
    if (error instanceof StrongroomError && NOT_SERVED.has(error.code)) return false;
    throw error;
  }
}

const NOT_SERVED: ReadonlySet<string> = new Set(['store.restoring', 'store.older', 'data.missing']);
