import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createKeystore, openKeyring } from '../../src/keys/open.ts';
import type { Slot } from '../../src/keys/slot.ts';
import { DEAD, FileJournal, LIVING, optionsFor } from './keystore-process.ts';
import { cannotTrace } from './killing.ts';

const SCRIPT = join(import.meta.dirname, 'keystore-process.ts');
const STEPS_MAX = 100;

test('a sync that fails ends the process; reopened with a cold cache it is the old epoch or the new one', async (t) => {
  if (cannotTrace(t)) return;
  const { directory, keys } = await prepared(t);
  for (const call of ['fdatasync', 'fsync']) {
    let failures = 0;
    for (let at = 1; ; at++) {
      assert.ok(at < STEPS_MAX);
      const copy = `${directory}-${call}-${at}`;
      t.after(() => rm(copy, { recursive: true, force: true }));
      await cp(directory, copy, { recursive: true });
      const { code, stdout, injected } = await run(copy, call, at);
      if (injected) {
        failures++;
        assert.equal(code, 70, `${call} ${at}: the process must end`);
      } else assert.equal(code, 0);
      await check(copy, keys, stdout.includes('destroyed'), `${call} ${at}`);
      if (!injected) break;
    }
    t.diagnostic(`${call}: ${failures} calls made to fail, one at a time`);
    assert.ok(failures >= 8, `${call}: ${failures}`);
  }
});

async function prepared(t: TestContext): Promise<{ directory: string; keys: Map<Slot, string> }> {
  const directory = await mkdtemp(join(tmpdir(), 'strongroom-fsync-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const journal = new FileJournal(`${directory}/journal.json`);
  const options = await optionsFor(directory, journal, (error) => assert.fail(String(error)));
  await createKeystore(options);
  const keyring = await openKeyring(options);
  for (let count = 0; count < 2; count++) journal.setLeaf(keyring.takeLeaf(), 100);
  const keys = new Map(
    [...LIVING, ...DEAD].map((slot) => [slot, Buffer.from(keyring.derive(slot)).toString('hex')]),
  );
  await keyring.close();
  await journal.save();
  return { directory, keys };
}

/** One thread for all file calls, because strace counts per thread. */
function run(
  directory: string,
  call: string,
  at: number,
): Promise<{ code: number; stdout: string; injected: boolean }> {
  const log = `${directory}/strace.log`;
  const trace = [
    '-f',
    '--seccomp-bpf',
    '-qq',
    '-o',
    log,
    '-e',
    `trace=${call}`,
    '-e',
    `inject=${call}:error=EIO:when=${at}`,
  ];
  const env = { ...process.env, UV_THREADPOOL_SIZE: '1' };
  const command = [...trace, process.execPath, '--conditions=source', SCRIPT, directory];
  return new Promise((resolve) => {
    execFile('strace', command, { env }, (error, stdout) => {
      const code = error === null ? 0 : Number(error.code);
      const { stdout: lines } = spawnSync('grep', ['-c', 'INJECTED', log], { encoding: 'utf8' });
      resolve({ code, stdout, injected: Number(lines) > 0 });
    });
  });
}

async function check(
  directory: string,
  keys: ReadonlyMap<Slot, string>,
  isAcknowledged: boolean,
  where: string,
): Promise<void> {
  await dropCaches();
  const journal = await FileJournal.load(`${directory}/journal.json`);
  const keyring = await openKeyring(
    await optionsFor(directory, journal, (error) => assert.fail(String(error))),
  );
  const keyOf = (slot: Slot): string => Buffer.from(keyring.derive(slot)).toString('hex');
  for (const slot of LIVING) assert.equal(keyOf(slot), keys.get(slot), where);
  const erased = DEAD.filter((slot) => keyring.isErased(slot));
  assert.ok(
    erased.length === DEAD.length || (erased.length === 0 && !isAcknowledged),
    `${where}: ${erased.length} erased`,
  );
  if (erased.length === 0) for (const slot of DEAD) assert.equal(keyOf(slot), keys.get(slot), where);
  assert.ok(
    journal.state.requests.every(({ state }) => state === 'destroyed'),
    where,
  );
  await keyring.close();
}

/** What is read next comes from the disk; only the administrator may ask for that. */
const dropCaches = (): Promise<void> => writeFile('/proc/sys/vm/drop_caches', '1').catch(() => undefined);
