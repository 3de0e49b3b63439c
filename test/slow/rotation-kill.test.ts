/**
 * A rotation of every key, killed by the kernel at its syncs and at its writes: whatever it left, the next opening finishes it,
 * nothing is lost, and every invariant holds.
 */
import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { TestDeployment, idOf } from '../deployment.ts';
import { checkInvariants } from '../invariants.ts';
import { realEnvironment } from '../../src/environment.ts';
import { silentLog } from '../../src/http/request-log.ts';
import { openStrongroom } from '../../src/strongroom.ts';
import { Secret } from '../../src/bytes/secret.ts';
import { systemContext } from '../afterwards.ts';
import { MAIN } from '../server-process.ts';
import { cannotTrace, SYNCS, walk, WRITES } from './killing.ts';

interface Made {
  readonly deployment: TestDeployment;
  readonly memory: string;
  readonly keys: readonly string[];
}

async function made(t: TestContext): Promise<Made> {
  const deployment = await TestDeployment.start(t);
  const memory = idOf(
    await deployment.must('POST', '/v1/vaults/default/memories', {
      body: { text: 'before', subject: 'ann' },
    }),
  );
  const other = await deployment.must('POST', '/v1/keys', { body: { name: 'other' } });
  await deployment.stop();
  return { deployment, memory, keys: [deployment.apiKey, String(other.json['apiKey'])] };
}

for (const { calls, least } of [
  { calls: SYNCS, least: 20 },
  { calls: WRITES, least: 10 },
])
  test(`a rotation that is killed at any ${calls.names.join()} is finished by the next opening, and nothing is lost`, async (t) => {
    if (cannotTrace(t)) return;
    const one = await made(t);
    const kills = await walk(t, calls, async ({ folder, where, run }) => {
      await cp(one.deployment.directory, folder, { recursive: true });
      const ran = await run([MAIN, 'rotation', 'run', '--data', folder, '--destroy', '--json']);
      await check(one, folder, where);
      return ran;
    });
    assert.ok(kills >= least, `${kills} kills`);
  });

/** Opens what was left, as the next process would: all of it is there, and opening once more finds nothing to do. */
async function check({ deployment, memory, keys }: Made, directory: string, where: string): Promise<void> {
  const { settings, clock } = deployment;
  for (let opening = 0; opening < 2; opening++) {
    const open = await openStrongroom({
      directory,
      settings,
      environment: { ...realEnvironment, clock },
      log: silentLog,
      onFatal: (error) => assert.fail(String(error)),
    });
    try {
      assert.deepEqual(await checkInvariants(open, directory), [], where);
      for (const key of keys) await open.access.authenticate(new Secret(key), null);
      const context = await systemContext(open);
      const found = await open.memories.getMemory(context, { vault: 'default', memory }, {});
      assert.equal(found.text, 'before', where);
    } finally {
      await open.close();
    }
  }
}
