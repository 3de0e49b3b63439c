/**
 * A rotation of every key, killed by the kernel when one of its threads comes to its n-th sync, for n = 1, 2, 3 … until it
 * runs through, and the same with writes: whatever it left, the next opening finishes it, nothing is lost, and every
 * invariant holds.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { TestDeployment, idOf, temporaryFolder } from '../deployment.ts';
import { checkInvariants } from '../invariants.ts';
import { realEnvironment } from '../../src/environment.ts';
import { silentLog } from '../../src/http/request-log.ts';
import { openStrongroom } from '../../src/strongroom.ts';
import { Secret } from '../../src/bytes/secret.ts';
import { systemContext } from '../afterwards.ts';
import { spawnCli } from '../server-process.ts';
import { once } from 'node:events';

/** Guards against a walk that never ends. */
const CALLS_MAX = 20_000;
/** Writes are many; of these every so-manieth is where it dies, from another one on each time. */
const WRITE_STRIDE = Number(process.env['STRONGROOM_KILL_STRIDE'] ?? 16);

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

for (const { calls, stride, least } of [
  { calls: 'fsync,fdatasync', stride: 1, least: 20 },
  { calls: 'pwrite64,write', stride: WRITE_STRIDE, least: 10 },
])
  test(`a rotation that is killed at any ${calls} is finished by the next opening, and nothing is lost`, async (t) => {
    if (spawnSync('strace', ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=fsync', 'true']).status !== 0)
      return t.skip('processes cannot be traced here');
    const one = await made(t);
    const folder = await temporaryFolder(t);
    let kills = 0;
    const first = 1 + randomInt(stride);
    t.diagnostic(`from ${first} on, every ${stride}`);
    for (let at = first; ; at += stride) {
      assert.ok(at < CALLS_MAX);
      const directory = join(folder, 'killed');
      await rm(directory, { recursive: true, force: true });
      await cp(one.deployment.directory, directory, { recursive: true });
      const isKilled = await rotateUntil(directory, join(folder, 'trace'), calls, at);
      await check(one, directory, `${calls} ${at}`);
      if (!isKilled) break;
      kills++;
    }
    t.diagnostic(`${kills} kills`);
    assert.ok(kills >= least, `${kills} kills`);
  });

/** One thread for all file calls, because strace counts per thread. */
async function rotateUntil(directory: string, log: string, calls: string, at: number): Promise<boolean> {
  const under = ['strace', '-f', '-qq', '-o', log, '-e', `trace=${calls}`];
  const inject = ['-e', `inject=${calls}:signal=KILL:when=${at}`];
  const child = spawnCli(['rotation', 'run', '--data', directory, '--destroy', '--json'], {
    under: [...under, ...inject],
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
