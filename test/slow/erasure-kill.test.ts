/**
 * An erasure, killed by the kernel at its syncs and at its writes: whatever was left, the next opening finds it whole or not
 * there at all, and whole where it was answered; the twin is there always.
 */
import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { realEnvironment } from '../../src/environment.ts';
import { silentLog } from '../../src/http/request-log.ts';
import { openStrongroom } from '../../src/strongroom.ts';
import { readRows } from '../boxes.ts';
import { idOf, TestDeployment } from '../deployment.ts';
import { checkInvariants } from '../invariants.ts';
import { ASKED } from './erasure-process.ts';
import { cannotTrace, SYNCS, walk, WRITES } from './killing.ts';

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

for (const { calls, least } of [
  { calls: SYNCS, least: 20 },
  { calls: WRITES, least: 10 },
])
  test(`an erasure that is killed at any ${calls.names.join()} is there whole or not at all`, async (t) => {
    if (cannotTrace(t)) return;
    const one = await made(t);
    const target = JSON.stringify({ subject: 'ann' });
    const seen = { whole: 0, answered: 0 };
    const kills = await walk(t, calls, async ({ folder, where, run }) => {
      await cp(one.deployment.directory, folder, { recursive: true });
      const ran = await run(['test/slow/erasure-process.ts', folder, target]);
      const isAnswered = ran.out.includes(ASKED);
      const isWhole = await check(one, folder, where);
      if (isAnswered) assert.ok(isWhole, `${where}: it was answered and is not there`);
      if (ran.isKilled && isWhole) seen.whole++;
      if (ran.isKilled && isAnswered) seen.answered++;
      return ran;
    });
    t.diagnostic(JSON.stringify(seen));
    assert.ok(kills >= least && seen.whole > 0 && seen.whole < kills, JSON.stringify({ kills, ...seen }));
  });

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
