/**
 * A backup, a restore and its commit, killed by the kernel at their syncs and at their writes. A backup is there whole
 * afterwards or not at all; a restore that is run again comes to its end, and before its end nothing of it is served; every
 * invariant holds.
 */
import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { isInitialised } from '../../src/deployment.ts';
import { StrongroomError } from '../../src/errors.ts';
import { readRestoreMark } from '../../src/recovery/restore-mark.ts';
import { readMemories } from '../afterwards.ts';
import { idOf, TestDeployment } from '../deployment.ts';
import { checkInvariants } from '../invariants.ts';
import { RestoredCopy } from '../recovery.ts';
import { MAIN } from '../server-process.ts';
import { cannotTrace, SYNCS, walk, WRITES } from './killing.ts';

const MEMORIES = '/v1/vaults/default/memories';
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

for (const calls of [SYNCS, WRITES])
  test(`a backup that is killed at any ${calls.names.join()} is there whole or not at all, and the next one succeeds`, async (t) => {
    if (cannotTrace(t)) return;
    const { deployment, kept, late } = await made(t);
    const seen = new Set<number>();
    const kills = await walk(t, calls, async ({ folder, where, run }) => {
      await cp(deployment.directory, folder, { recursive: true });
      const ran = await run([MAIN, 'backup', 'create', '--kind', 'full', '--data', folder, '--json']);
      const copy = RestoredCopy.at(folder, await RestoredCopy.of(deployment));
      await copy.opened(async (open) => {
        assert.deepEqual(await checkInvariants(open, folder), [], where);
        const complete = await open.backups.list();
        seen.add(complete.length);
        assert.ok(complete.length === 1 || complete.length === 2, `${where}: ${complete.length} backups`);
        if (!ran.isKilled) assert.equal(complete.length, 2);
        const { row, faults } = await open.drills.run();
        assert.deepEqual([row.state, faults], ['passed', []], where);
        const there = (await readMemories(open)).map(({ id }) => id);
        assert.deepEqual(there.sort(), [kept, late].sort(), where);
      });
      return ran;
    });
    assert.ok(kills >= 8, `${kills} kills`);
    assert.deepEqual(
      [...seen].toSorted((a, b) => a - b),
      [1, 2],
      'both sides were seen',
    );
  });

/** Makes directories that know of nothing but the keystore, and tells what must be true of one after a kill. */
async function restorable(t: TestContext) {
  const { deployment, kept, erased, late } = await made(t);
  const backups = await RestoredCopy.of(deployment);
  const fresh = async (folder: string): Promise<RestoredCopy> => {
    await cp(join(deployment.directory, 'keystore'), join(folder, 'keystore'), { recursive: true });
    return RestoredCopy.at(folder, backups);
  };
  const check = async (copy: RestoredCopy, where: string): Promise<void> => {
    const mark = await readRestoreMark(copy.directory);
    const isServed = await isOpenable(copy);
    if (mark !== null) assert.ok(!isServed, `${where}: served while ${mark.state}`);
    if (mark === null ? !isServed : mark.state === 'loading') await copy.restore();
    if ((await readRestoreMark(copy.directory)) !== null) await copy.commit();
    await copy.opened(async (open) => {
      assert.equal(open.restoring, null, where);
      assert.deepEqual(await checkInvariants(open, copy.directory), [], where);
      const there = new Set((await readMemories(open)).map(({ id }) => id));
      assert.deepEqual(
        [kept, erased, late].map((id) => there.has(id)),
        [true, false, false],
        where,
      );
    });
  };
  return { fresh, check, from: join(deployment.directory, 'backups') };
}

const RESTORE = [MAIN, 'backup', 'restore', '--json'];

for (const calls of [SYNCS, WRITES])
  test(`a restore that is killed at any ${calls.names.join()} comes to its end when run again, and is not served before`, async (t) => {
    if (cannotTrace(t)) return;
    const { fresh, check, from } = await restorable(t);
    const kills = await walk(t, calls, async ({ folder, where, run }) => {
      const copy = await fresh(folder);
      const ran = await run([...RESTORE, '--data', folder, '--from', from]);
      await check(copy, where);
      return ran;
    });
    assert.ok(kills >= 3, `${kills} kills`);
  });

for (const calls of [SYNCS, WRITES])
  test(`a commit that is killed at any ${calls.names.join()} comes to its end when run again, and nothing is served half`, async (t) => {
    if (cannotTrace(t)) return;
    const { fresh, check } = await restorable(t);
    const kills = await walk(t, calls, async ({ folder, where, run }) => {
      const copy = await fresh(folder);
      await copy.restore();
      const ran = await run([...RESTORE, '--data', folder, '--commit']);
      await check(copy, where);
      return ran;
    });
    assert.ok(kills >= 8, `${kills} kills`);
  });

/** Whether what lies there would be served and could be changed. */
async function isOpenable(copy: RestoredCopy): Promise<boolean> {
  if (!(await isInitialised(copy.directory))) return false;
  try {
    return await copy.opened(({ restoring }) => Promise.resolve(restoring === null));
  } catch (error) {
    if (error instanceof StrongroomError && NOT_SERVED.has(error.code)) return false;
    throw error;
  }
}

const NOT_SERVED: ReadonlySet<string> = new Set(['store.restoring', 'store.older', 'data.missing']);
