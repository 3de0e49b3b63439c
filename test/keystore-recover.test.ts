/** A keystore that is older than its database, because every newer replica is lost: what comes back and what does not. */
import assert from 'node:assert/strict';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { SettingsInput } from '../src/config.ts';
import { StrongroomError } from '../src/errors.ts';
import type { Slot } from '../src/keys/slot.ts';
import { recoverKeystore } from '../src/recovering.ts';
import { SYSTEM } from '../src/store/store.ts';
import { command } from './command.ts';
import { faultPoints } from './crash-photos.ts';
import { idOf, TestDeployment, temporaryFolder } from './deployment.ts';
import { checkInvariants } from './invariants.ts';
import { RestoredCopy, settingsFor } from './recovery.ts';

const MEMORIES = '/v1/vaults/default/memories';

const add = async (deployment: TestDeployment, text: string, vault = 'default'): Promise<string> =>
  idOf(
    await deployment.must('POST', `/v1/vaults/${vault}/memories`, {
      body: { text, subject: 'ann', vector: [1, 2] },
    }),
  );

interface Aged {
  readonly deployment: TestDeployment;
  /** The keystore as it was before the rest. */
  readonly old: string;
  readonly twin: string;
  readonly erased: string;
  readonly later: string;
  /** In vaults that were made after that keystore was copied: their leaves never were in it. */
  readonly lost: readonly string[];
  readonly revoked: string;
  /** Of a segment with the erased memory in it, which died along. */
  readonly segmentSlots: readonly Slot[];
}

async function aged(t: TestContext, settings: SettingsInput): Promise<Aged> {
  const deployment = await TestDeployment.start(t, { settings });
  const [twin, erased] = [await add(deployment, 'twin sails'), await add(deployment, 'erased sails')];
  const { json } = await deployment.must('POST', '/v1/keys', { body: { name: 'short-lived' } });
  await deployment.must('POST', '/v1/vaults/default/search', { body: { query: 'sails' } });
  await deployment.stop();
  const segmentSlots = await deployment.opened(({ store }) =>
    store.read(SYSTEM, async (db) => {
      const rows = await db.selectFrom('segments').select('slot').where('state', '=', 'live').execute();
      return rows.map(({ slot }) => slot as Slot);
    }),
  );
  const old = join(await temporaryFolder(t), 'old');
  await deployment.serve();
  await cp(join(deployment.directory, 'keystore'), old, { recursive: true });
  await deployment.must('DELETE', `${MEMORIES}/${erased}?mode=erase`);
  await deployment.must('DELETE', `/v1/keys/${String(json['id'])}`);
  const later = await add(deployment, 'later sails');
  const lost: string[] = [];
  for (let at = 0; at < 40; at++) {
    await deployment.must('POST', '/v1/vaults', { body: { name: `vault-${at}` } });
    lost.push(await add(deployment, `lost ${at}`, `vault-${at}`));
  }
  await deployment.stop();
  return {
    deployment,
    old,
    twin,
    erased,
    later,
    lost,
    revoked: String(json['apiKey']),
    segmentSlots,
  };
}

async function putBack({ deployment, old }: Aged): Promise<void> {
  await rm(join(deployment.directory, 'keystore'), { recursive: true });
  await cp(old, join(deployment.directory, 'keystore'), { recursive: true });
}

const options = async ({ deployment }: Aged, fault?: (name: string) => void) =>
  (await RestoredCopy.of(deployment)).options(fault);

for (const engine of ['sqlite', 'postgres'] as const)
  test(`an older keystore goes on after a recovery: what was erased since stays erased, what it never had a key for is named (${engine})`, async (t) => {
    const settings = await settingsFor(t, engine);
    if (settings === null) return;
    const all = await aged(t, settings);
    const { deployment, twin, erased, later, revoked, segmentSlots } = all;
    assert.ok(segmentSlots.length > 0);
    await assert.rejects(recoverKeystore(await options(all), { isCommitted: true }), { code: 'conflict' });
    await putBack(all);
    await assert.rejects(
      deployment.opened(() => Promise.resolve()),
      { code: 'keystore.older' },
    );
    const seen = await recoverKeystore(await options(all), { isCommitted: false });
    await assert.rejects(
      deployment.opened(() => Promise.resolve()),
      { code: 'keystore.older' },
      'only looked at',
    );
    const vaults = seen.lost.filter(({ owner }) => owner.startsWith('vlt_'));
    assert.ok(seen.requests >= 3 && vaults.length > 0 && vaults.every(({ memories }) => memories === 1));
    const done = await recoverKeystore(await options(all), { isCommitted: true });
    assert.equal(done.committed?.dropped['memories'], vaults.length);
    await deployment.serve();
    const found = await deployment.must('POST', '/v1/vaults/default/search', { body: { query: 'sails' } });
    const ids = (found.json['results'] as { id: string }[]).map(({ id }) => id);
    assert.deepEqual(ids.sort(), [twin, later].sort());
    assert.equal((await deployment.call('GET', `${MEMORIES}/${erased}`)).status, 404);
    assert.equal((await deployment.call('GET', '/v1/vaults', { key: revoked })).json['code'], 'auth.invalid');
    await add(deployment, 'new sails');
    await deployment.must('POST', '/v1/vaults', { body: { name: 'new' } });
    await add(deployment, 'new', 'new');
    await deployment.stop();
    await deployment.opened(async (open) => {
      assert.deepEqual(await checkInvariants(open, deployment.directory), []);
      for (const slot of segmentSlots) assert.ok(open.keyring.isErased(slot), `segment slot ${slot}`);
      const entries = await open.store.read(SYSTEM, (db) =>
        db.selectFrom('ledger_entries').select('n').where('action', '=', 'keystore.recover').execute(),
      );
      assert.equal(entries.length, 1);
    });
    await assert.rejects(recoverKeystore(await options(all), { isCommitted: true }), { code: 'conflict' });
  });

test('a recovery that stops between its epoch and its rows is finished by the next opening', async (t) => {
  const all = await aged(t, {});
  const points = (await faultPoints()).filter((name) => name.startsWith('recover.'));
  assert.deepEqual(points, ['recover.epoch', 'recover.intents']);
  await putBack(all);
  const { deployment, twin } = all;
  const stop = (name: string): void => {
    if (name === 'epoch.collect') throw new StrongroomError('internal', 'stopped');
  };
  await assert.rejects(recoverKeystore(await options(all, stop), { isCommitted: true }));
  await deployment.opened(async (open) => {
    assert.ok(Object.values(open.recovered ?? {}).some((rows) => rows > 0));
    assert.deepEqual(await checkInvariants(open, deployment.directory), []);
  });
  await deployment.serve();
  await deployment.must('GET', `${MEMORIES}/${twin}`);
  await deployment.stop();
  await deployment.opened((open) => {
    assert.equal(open.recovered, null);
    return Promise.resolve();
  });
});

test('the command looks first, says what is lost, and commits only when told', async (t) => {
  const all = await aged(t, {});
  const data = all.deployment.directory;
  const nothing = await command(['keystore', 'recover', '--data', data]);
  assert.notEqual(nothing.code, 0);
  assert.match(nothing.err, /nothing to recover/);
  await putBack(all);
  const seen = await command(['keystore', 'recover', '--data', data]);
  assert.equal(seen.code, 0, seen.err);
  assert.match(seen.out, /would be done again[^]*LOST: 1 leaf of vlt_/);
  assert.match(seen.err, /Nothing has been changed/);
  const done = await command(['keystore', 'recover', '--commit', '--json', '--data', data]);
  assert.equal(done.code, 0, done.err);
  assert.ok((JSON.parse(done.out) as { committed: { epoch: number } }).committed.epoch > 0);
});
