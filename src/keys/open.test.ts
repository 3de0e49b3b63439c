import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StrongroomError, type ErrorCode } from '../errors.ts';
import { slotOf } from './slot.ts';
import { REPLICAS, World } from './testing/world.ts';

async function refuses(world: World, code: ErrorCode, line: RegExp): Promise<void> {
  const before = bytesOf(world);
  const error = await world.open().then(
    () => assert.fail('it opened'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof StrongroomError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, line);
  assert.ok(!error.message.includes('\n'), 'one line');
  assert.deepEqual(bytesOf(world), before, 'a refusal changes nothing');
}

const bytesOf = (world: World): unknown =>
  world.disk.paths().map((path) => [path, Buffer.from(world.disk.peek(path)).toString('hex')]);

/** A world in use: one leaf, one erasure, a ledger. */
async function used(): Promise<World> {
  const world = await World.create();
  const keyring = await world.open();
  world.journal.setLeaf(keyring.takeLeaf(), 10);
  world.journal.append('something was done');
  await keyring.puncture({ id: 'era_1', slots: [slotOf(1, 3)], reason: '' });
  await keyring.close();
  return world;
}

test('a keystore whose database goes on from where it was is served, in a new full epoch', async () => {
  const world = await used();
  const keyring = await world.open();
  assert.equal(keyring.epoch, 4);
  assert.deepEqual(keyring.findings, []);
  assert.ok(keyring.isErased(slotOf(1, 3)));
  assert.equal(keyring.derive(slotOf(1, 4)).length, 32);
  // The epoch's file, and the one that waits for the next.
  for (const { folder } of REPLICAS) assert.equal((await world.disk.list(`${folder}/pages`)).length, 2);
});

test('no replica: refused', async () => {
  const world = await used();
  for (const { folder } of REPLICAS) world.disk.delete(folder);
  await refuses(
    world,
    'keystore.missing',
    /^No keystore replica was found \(looked in \/keystore\/a, \/keystore\/b\)\.$/,
  );
});

test('a replica that others can read is refused, folder and each file alike', async () => {
  const exposed = [
    ['', 0o750],
    ['', 0o701],
    ['/root', 0o604],
    ['/root', 0o640],
    ['/pages', 0o755],
    ['/intents', 0o644],
    ['/witness', 0o666],
  ] as const;
  for (const [path, mode] of exposed) {
    const world = await used();
    world.disk.expose(`/keystore/b${path}`, mode);
    await refuses(world, 'keystore.exposed', new RegExp(`can be read by others: /keystore/b${path} `));
  }
});

test('a replica that belongs to another user is refused', async () => {
  const world = await used();
  const stat = world.disk.stat.bind(world.disk);
  world.disk.stat = async (path) => {
    const entry = await stat(path);
    return entry !== null && path === '/keystore/a/root' ? { ...entry, owner: 1001 } : entry;
  };
  await refuses(world, 'keystore.exposed', /\/keystore\/a\/root can be read by others/);
});

test('a keystore of another deployment is refused', async () => {
  const world = await used();
  const options = world.options({ deployment: new Uint8Array(16).fill(8) });
  world.options = () => options;
  await refuses(world, 'keystore.foreign', /replica a \(\/keystore\/a\) belongs to another deployment/);
});

test('a database that was put back is refused: the keystore is at an epoch that it does not know', async () => {
  const world = await used();
  const old = world.journal.copy();
  await (await world.open()).close();
  await refuses(
    new World(world.disk, old),
    'store.older',
    /older than the keystore: replica a is at epoch 4, .* \(at 3\).* It needs a restore\.$/,
  );
});

test('one replica at an epoch that the database does not know is enough to refuse', async () => {
  const world = await used();
  const old = world.journal.copy();
  world.disk.takeAway('/keystore/b');
  await (await world.open()).close();
  world.disk.bringBack('/keystore/b');
  await refuses(new World(world.disk, old), 'store.older', /replica a is at epoch 4/);
});

test('a ledger that is shorter than the witness is refused', async () => {
  const world = await used();
  world.journal.state.ledgerRoots.splice(-1);
  await refuses(
    world,
    'store.older',
    /its ledger has \d+ entries, the keystore has seen \d+\. It needs a restore\.$/,
  );
});

test('a ledger that is gone is refused', async () => {
  const world = await used();
  world.journal.state.ledgerRoots.length = 0;
  await refuses(world, 'store.older', /its ledger is gone/);
});

test('a ledger that is forked from the witness is refused, however long', async () => {
  const world = await used();
  world.journal.state.ledgerRoots.splice(-2);
  for (let at = 0; at < 5; at++) world.journal.append(`another ${at}`);
  await refuses(world, 'store.older', /forked/);
});

test('a ledger of another generation is refused, a higher one too', async () => {
  for (const generation of [0, 2]) {
    const world = await used();
    world.journal.state.generation = generation;
    await refuses(world, 'store.older', new RegExp(`of generation ${generation}, the keystore has seen 1`));
  }
});

test('a ledger that only grew since the witness is served', async () => {
  const world = await used();
  world.journal.append('later');
  assert.equal((await world.open()).epoch, 4);
});

test('a keystore that was put back is refused: the database has completed a later epoch', async () => {
  const world = await used();
  const old = world.disk.copy();
  await (await world.open()).close();
  await refuses(
    new World(old, world.journal),
    'keystore.older',
    /epoch 4 is complete, the newest replica is at 3\. Put a replica in place that is as new\.$/,
  );
});

test('a replica that missed epochs does not serve alone', async () => {
  const world = await used();
  world.disk.takeAway('/keystore/b');
  await (await world.open()).close();
  world.disk.bringBack('/keystore/b');
  world.disk.takeAway('/keystore/a');
  await refuses(world, 'keystore.older', /epoch 4 is complete, the newest replica is at 3/);
  world.disk.bringBack('/keystore/a');
  assert.equal((await world.open()).epoch, 5);
});

test('a root whose pages open in no replica is damage, not an older keystore', async () => {
  const world = await used();
  for (const path of world.disk.paths().filter((name) => name.includes('/pages/'))) {
    world.disk.poke(path, (bytes) => void bytes.fill(1, bytes.length - 20));
  }
  await refuses(
    world,
    'keyring.damaged',
    /^The keyring is damaged: pages\/[0-9a-f]{16}: .* opens in no replica\.$/,
  );
});

test('replicas without any readable root are damage', async () => {
  const world = await used();
  for (const { folder } of REPLICAS) world.disk.poke(`${folder}/root`, (bytes) => void bytes.fill(9, 4096));
  await refuses(world, 'keyring.damaged', /No keystore replica has a readable root/);
});

test('keystore and database put back together are not detected: that takes a witness outside', async () => {
  const world = await used();
  const oldDisk = world.disk.copy();
  const oldJournal = world.journal.copy();
  const keyring = await world.open();
  await keyring.puncture({ id: 'era_2', slots: [slotOf(1, 4)], reason: '' });
  await keyring.close();
  const back = await new World(oldDisk, oldJournal).open();
  assert.ok(!back.isErased(slotOf(1, 4)), 'the erasure is undone and nothing here can tell');
});

test('a slot that was never allotted is damage, not an erasure', async () => {
  const keyring = await (await used()).open();
  assert.throws(() => keyring.derive(slotOf(5000, 0)), { code: 'keyring.damaged' });
  assert.throws(() => keyring.isErased(slotOf(5000, 0)), { code: 'keyring.damaged' });
  await assert.rejects(keyring.puncture({ id: 'era_x', slots: [slotOf(5000, 0)], reason: '' }), {
    code: 'keyring.damaged',
  });
});

test('a keystore is not made where one is', async () => {
  const world = await used();
  const { createKeystore } = await import('./open.ts');
  await assert.rejects(createKeystore(world.options()), { code: 'data.exists' });
});

test('leaves that were handed out are not handed out again after reopening', async () => {
  const world = await World.create();
  let keyring = await world.open();
  const taken = Array.from({ length: 20 }, () => keyring.takeLeaf());
  for (const leaf of taken.slice(0, 10)) world.journal.setLeaf(leaf, 1);
  await keyring.close();
  keyring = await world.open();
  assert.equal(keyring.takeLeaf(), (taken[9] as number) + 1);
  assert.ok(keyring.spareLeaves >= 16);
});

test('erased data stays erased and its twin comes back when yesterday’s database meets today’s keystore', async () => {
  const world = await used();
  const backup = world.journal.copy();
  let keyring = await world.open();
  const twin = Buffer.from(keyring.derive(slotOf(1, 5))).toString('hex');
  await keyring.puncture({ id: 'era_2', slots: [slotOf(1, 4)], reason: '' });
  await keyring.close();
  backup.state.isRestoring = true;
  const restored = new World(world.disk, backup);
  await refuses(restored, 'store.older', /It needs a restore/);
  keyring = await restored.openForRestore();
  assert.ok(keyring.isRestoring);
  assert.ok(keyring.isErased(slotOf(1, 4)));
  assert.equal(Buffer.from(keyring.derive(slotOf(1, 5))).toString('hex'), twin);
  await assert.rejects(keyring.puncture({ id: 'era_3', slots: [slotOf(1, 6)], reason: '' }), {
    code: 'conflict',
  });
  assert.throws(() => keyring.takeLeaf(), { code: 'conflict' });
  // Slots 10 and up were handed out after the backup: live until the commit, dead after it.
  assert.ok(!keyring.isErased(slotOf(1, 10)));
  const outcome = await keyring.commitRestore();
  assert.equal(outcome.state, 'destroyed');
  assert.ok(
    keyring.isErased(slotOf(1, 10)) && keyring.isErased(slotOf(2, 0)) && keyring.isErased(slotOf(1, 4)),
  );
  assert.equal(Buffer.from(keyring.derive(slotOf(1, 5))).toString('hex'), twin);
  assert.equal(backup.state.generation, 2);
  assert.ok(keyring.takeLeaf() > 32, 'spare leaves are new ones');
  await keyring.close();
  await (await restored.open()).close();
});

test('a drill reads a restored database and writes nothing', async () => {
  const world = await used();
  const backup = world.journal.copy();
  await (await world.open()).close();
  const restored = new World(world.disk, backup);
  const before = bytesOf(restored);
  const keyring = await restored.openForRestore();
  keyring.derive(slotOf(1, 5));
  await keyring.close();
  assert.deepEqual(bytesOf(restored), before);
});

test('a note kept beside the root survives a restore from before it', async () => {
  const world = await used();
  const backup = world.journal.copy();
  let keyring = await world.open();
  await keyring.keepNote('hold_1', { on: 'sub_1' });
  await keyring.close();
  backup.state.isRestoring = true;
  keyring = await new World(world.disk, backup).openForRestore();
  assert.deepEqual(keyring.notes.get('hold_1'), { on: 'sub_1' });
  await keyring.commitRestore();
  await keyring.keepNote('hold_1', null);
  assert.equal(keyring.notes.size, 0);
});
