import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '../durations.ts';
import { StrongroomError } from '../errors.ts';
import { RecordKeys } from './record-key.ts';
import { declareLost } from './replica-set.ts';
import { slotOf, type Slot } from './slot.ts';
import { checkInvariants, keyOf, rootsEverWritten } from './testing/invariants.ts';
import { DiskError } from './testing/faulty-disk.ts';
import { REPLICAS, World } from './testing/world.ts';

const request = (id: string, ...slots: Slot[]): { id: string; slots: Slot[]; reason: string } => ({
  id,
  slots,
  reason: 'test',
});

test('callers within a moment share one epoch, and so do those that come while one runs', async () => {
  const world = await World.create();
  const keyring = await world.open();
  const first = Array.from({ length: 20 }, (_, at) => keyring.puncture(request(`era_${at}`, slotOf(1, at))));
  await Promise.resolve();
  await Promise.resolve();
  const later = Array.from({ length: 20 }, (_, at) => keyring.puncture(request(`erb_${at}`, slotOf(2, at))));
  const outcomes = await Promise.all([...first, ...later]);
  assert.ok(new Set(outcomes.map(({ epoch }) => epoch)).size <= 2);
  assert.ok(outcomes.every(({ state }) => state === 'destroyed'));
  assert.ok(world.journal.state.requests.every(({ state }) => state === 'destroyed'));
  for (let at = 0; at < 20; at++)
    assert.ok(keyring.isErased(slotOf(1, at)) && keyring.isErased(slotOf(2, at)));
});

test('a slot derives nothing from the first moment of the epoch that will puncture it, nor does what was cached with it', async () => {
  const world = await World.create();
  const keyring = await world.open();
  const records = new RecordKeys(keyring);
  const subject = slotOf(1, 7);
  const record = {
    id: 'mem_1',
    version: 1,
    own: slotOf(1, 8),
    scope: [
      ['organization', slotOf(1, 0)],
      ['subject', subject],
    ],
  } as const;
  records.key(record);
  const refusals: unknown[] = [];
  world.onFault = (name) => {
    if (name !== 'epoch.plan') return;
    for (const attempt of [() => keyring.derive(subject), () => records.key(record)]) {
      try {
        refusals.push(attempt());
      } catch (error) {
        refusals.push((error as StrongroomError).code);
      }
    }
  };
  await keyring.puncture(request('era_1', subject));
  assert.deepEqual(refusals, ['erased', 'erased']);
});

test('derived state dies along with what it was made of, however long the chain', async () => {
  const world = await World.create();
  const [content, segment, snapshot] = [slotOf(1, 1), slotOf(1, 2), slotOf(1, 3)];
  const keyring = await world.open();
  keyring.holdDerived((dead) => (dead.has(segment) ? [snapshot] : []));
  const release = keyring.holdDerived(async (dead) => (dead.has(content) ? [segment] : []));
  await keyring.puncture(request('era_1', content));
  for (const slot of [content, segment, snapshot]) assert.ok(keyring.isErased(slot));
  assert.deepEqual(world.journal.state.along, [segment, snapshot]);
  release();
  await keyring.puncture(request('era_2', slotOf(1, 9)));
  assert.deepEqual(world.journal.state.along, [segment, snapshot]);
});

test('an epoch whose preparation fails leaves everything as it was, and the slots alive', async () => {
  const world = await World.create();
  const keyring = await world.open();
  const key = keyOf(keyring, slotOf(1, 1));
  const release = keyring.holdDerived(() => {
    throw new StrongroomError('busy');
  });
  const before = world.disk.written.length;
  await assert.rejects(keyring.puncture(request('era_1', slotOf(1, 1))), { code: 'busy' });
  assert.equal(keyOf(keyring, slotOf(1, 1)), key);
  assert.equal(world.disk.written.length, before);
  assert.deepEqual(world.fatal, []);
  release();
  assert.equal((await keyring.puncture(request('era_1', slotOf(1, 1)))).state, 'destroyed');
});

test('a plan that would not do what was ordered is refused before anything is written', async () => {
  const world = await World.create();
  world.steps = { puncture: (page) => page.slice() };
  const keyring = await world.open();
  const before = world.disk.written.length;
  await assert.rejects(keyring.puncture(request('era_1', slotOf(1, 1))), { code: 'internal' });
  assert.equal(world.disk.written.length, before);
});

test('a replica that is away holds up the certificate, not the erasure; back again it is wiped and the certificate appears', async () => {
  const world = await World.create();
  const keyring = await world.open();
  world.disk.takeAway('/keystore/b');
  const dead = [1, 2, 3].map((index) => slotOf(1, index));
  for (const [at, slot] of dead.entries()) {
    const outcome = await keyring.puncture(request(`era_${at}`, slot));
    assert.deepEqual([outcome.state, outcome.confirmed, outcome.missing], ['hidden', ['a'], ['b']]);
    assert.ok(keyring.isErased(slot));
  }
  await keyring.tend();
  assert.ok(world.journal.state.requests.every(({ state }) => state === 'hidden'));
  world.disk.bringBack('/keystore/b');
  await keyring.tend();
  assert.ok(world.journal.state.requests.every(({ state }) => state === 'destroyed'));
  const facts = { keys: new Map(), living: [], dead, asked: [] };
  await checkInvariants(
    world,
    keyring,
    facts,
    REPLICAS.map(({ folder }) => folder),
  );
});

test('a replica that is declared lost no longer holds up certificates; turning up later, its root is wiped', async () => {
  const world = await World.create();
  let keyring = await world.open();
  world.disk.takeAway('/keystore/b');
  assert.equal((await keyring.puncture(request('era_1', slotOf(1, 1)))).state, 'hidden');
  await assert.rejects(declareLost(keyring, 'a', 'no'), { code: 'conflict' });
  await declareLost(keyring, 'b', 'the disk burnt');
  await keyring.tend();
  assert.equal(world.journal.requestOf('era_1')?.state, 'destroyed');
  assert.deepEqual(
    keyring.dropped.map(({ replica, how, reason }) => [replica, how, reason]),
    [['b', 'lost', 'the disk burnt']],
  );
  await keyring.close();
  world.disk.bringBack('/keystore/b');
  keyring = await world.open();
  assert.ok(
    keyring.findings.some(({ replica, what }) => replica === 'b' && what.includes('its root is wiped')),
  );
  const left = Buffer.from(world.disk.peek('/keystore/b/root'));
  for (const root of rootsEverWritten(world).keys()) assert.ok(!left.includes(Buffer.from(root, 'hex')));
});

test('with fewer replicas than required no epoch begins: the slots are kept beside the root, hidden, and die later', async () => {
  const world = await World.create();
  const keyring = await world.open({ replicasRequired: 2 });
  const { epoch } = keyring;
  world.disk.takeAway('/keystore/b');
  const outcome = await keyring.puncture(request('era_1', slotOf(1, 1)));
  assert.deepEqual([outcome.epoch, outcome.state], [null, 'hidden']);
  assert.equal(keyring.epoch, epoch);
  assert.ok(keyring.isErased(slotOf(1, 1)), 'hidden at once');
  assert.equal(world.journal.requestOf('era_1')?.epoch, null);
  await keyring.close();
  // Also where the database is put back to before the request, which then only the intents know.
  world.disk.bringBack('/keystore/b');
  world.journal.state.requests.length = 0;
  const again = await world.open({ replicasRequired: 2 });
  assert.ok(again.isErased(slotOf(1, 1)));
  assert.equal(world.journal.requestOf('era_1')?.state, 'destroyed');
});

test('too few replicas at the start: refused', async () => {
  const world = await World.create();
  world.disk.takeAway('/keystore/b');
  await assert.rejects(world.open({ replicasRequired: 2 }), { code: 'keystore.missing' });
});

test('a sync that fails, whichever it is, ends the process, and the next opening finds the old epoch or the new one', async () => {
  const prepared = await World.create();
  const probe = await prepared.copy('probe').open();
  const keys = new Map([slotOf(1, 5), slotOf(1, 1)].map((slot) => [slot, keyOf(probe, slot)]));
  for (let failing = 1, ran = false; !ran; failing++) {
    const world = prepared.copy(`${failing}`);
    const keyring = await world.open();
    world.disk.failSyncAt = world.disk.syncs + failing;
    const result = await keyring.puncture(request('era_1', slotOf(1, 1))).catch((error: unknown) => error);
    await keyring.tend().catch(() => undefined);
    ran = world.disk.syncs < world.disk.failSyncAt;
    if (!ran) {
      assert.ok(world.fatal[0] instanceof DiskError && world.fatal.length === 1, `${failing}: told once`);
      assert.throws(() => keyring.derive(slotOf(1, 5)), { code: 'keyring.damaged' }, 'it refuses everything');
      await assert.rejects(keyring.puncture(request('era_2', slotOf(1, 2))));
    }
    world.fatal.length = 0;
    world.disk.cutPower(() => 0.1);
    const again = await world.open();
    const isAcknowledged = !(result instanceof Error);
    const facts = {
      keys,
      living: [slotOf(1, 5)],
      dead: isAcknowledged ? [slotOf(1, 1)] : [],
      asked: [[slotOf(1, 1)]],
    };
    await checkInvariants(
      world,
      again,
      facts,
      REPLICAS.map(({ folder }) => folder),
    );
    assert.ok(failing < 60);
    if (ran) assert.ok(failing > 12, 'several syncs were made to fail');
  }
});

test('an error of the database in an epoch ends the process', async () => {
  for (const step of ['prepare', 'complete'] as const) {
    const world = await World.create();
    const keyring = await world.open();
    world.journal[step] = async () => {
      throw new StrongroomError('store.unavailable');
    };
    await assert.rejects(keyring.puncture(request('era_1', slotOf(1, 1))), { code: 'store.unavailable' });
    assert.equal(world.fatal.length, 1);
    assert.throws(() => keyring.derive(slotOf(1, 5)), { code: 'keyring.damaged' });
  }
});

test('leaves are allotted before they run out, more at a time under demand, and each is handed out once', async () => {
  const world = await World.create();
  const keyring = await world.open();
  const taken: number[] = [];
  for (let round = 0; round < 6; round++) {
    for (let count = keyring.spareLeaves; count > 0; count--) taken.push(keyring.takeLeaf());
    assert.throws(() => keyring.takeLeaf(), { code: 'busy' });
    await keyring.tend();
  }
  assert.equal(new Set(taken).size, taken.length);
  assert.ok(taken.length > 400 && !taken.includes(0));
  const slots = [taken[0], taken[255], taken[300], taken.at(-1)].map((leaf) => slotOf(leaf as number, 1));
  const keys = new Map(slots.map((slot) => [slot, keyOf(keyring, slot)]));
  // The tree has grown to two levels: pages below the top are written alone.
  await keyring.puncture(request('era_1', slotOf(300, 2)));
  await keyring.puncture(request('era_2', slotOf(taken.at(-1) as number, 2)));
  for (const leaf of taken) world.journal.setLeaf(leaf, 10);
  await keyring.close();
  const again = await world.open();
  for (const [slot, key] of keys) assert.equal(keyOf(again, slot), key);
  assert.ok(again.isErased(slotOf(300, 2)));
});

test('files without a page in use are removed, and many epochs do not pile up', async () => {
  const world = await World.create();
  const keyring = await world.open();
  for (let at = 0; at < 300; at++) await keyring.puncture(request(`era_${at}`, slotOf(1 + (at % 3), at)));
  await keyring.tend();
  const files = await world.disk.list('/keystore/a/pages');
  assert.ok(files.length <= 4, `${files.length} files`);
  assert.deepEqual(await world.disk.list('/keystore/b/pages'), files);
});

test('once a day an epoch writes every page anew under new keys', async () => {
  const world = await World.create();
  const keyring = await world.open();
  await keyring.puncture(request('era_1', slotOf(1, 1)));
  const { epoch } = keyring;
  await keyring.tend();
  assert.equal(keyring.epoch, epoch, 'not yet');
  world.nowMs += DAY_MS;
  await keyring.tend();
  assert.equal(keyring.epoch, epoch + 1);
  // Its own file, and the one that waits for the next.
  assert.equal((await world.disk.list('/keystore/a/pages')).length, 2);
});

test('a ledger that was set back or forked under a running process is noticed, and does not become the witness', async () => {
  for (const harm of ['set back', 'forked'] as const) {
    const world = await World.create();
    const keyring = await world.open();
    for (let n = 0; n < 4; n++) world.journal.append(`entry ${n}`);
    await keyring.tend();
    const { state } = world.journal;
    const real = [...state.ledgerRoots];
    if (harm === 'set back') state.ledgerRoots = real.slice(0, 2);
    else state.ledgerRoots = [...real.slice(0, 3), new Uint8Array(32).fill(9), new Uint8Array(32).fill(8)];
    for (let minute = 0; minute < 2; minute++) await assert.rejects(keyring.tend(), { code: 'store.older' });
    // What was seen before is still what has to be there.
    state.ledgerRoots = real;
    await keyring.tend();
    assert.deepEqual(world.fatal, []);
  }
});

test('a full disk keeps the witness from being written anew, and ends nothing', async () => {
  const world = await World.create();
  const keyring = await world.open();
  let isFull = true;
  const open = world.disk.open.bind(world.disk);
  world.disk.open = (path, access) =>
    isFull && access === 'create' ? Promise.reject(new DiskError('ENOSPC', path)) : open(path, access);
  world.journal.append('entry');
  await assert.rejects(keyring.tend(), { code: 'ENOSPC' });
  isFull = false;
  await keyring.tend();
  assert.deepEqual(world.fatal, []);
  assert.equal((await keyring.puncture(request('era_1', slotOf(1, 1)))).state, 'destroyed');
});

test('the keystore’s own leaf is never handed out nor punctured', async () => {
  const world = await World.create();
  const keyring = await world.open();
  await assert.rejects(keyring.puncture(request('era_1', slotOf(0, 0))), { code: 'keyring.damaged' });
  assert.equal(keyring.takeLeaf(), 1);
});

test('a closed keyring derives nothing', async () => {
  const keyring = await (await World.create()).open();
  await keyring.close();
  assert.throws(() => keyring.derive(slotOf(1, 1)), { code: 'store.unavailable' });
  await assert.rejects(keyring.puncture(request('era_1', slotOf(1, 1))), { code: 'store.unavailable' });
});
