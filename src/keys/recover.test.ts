import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StrongroomError } from '../errors.ts';
import type { Keyring } from './keyring.ts';
import { examineKeystore, RECOVERY_NOTE } from './recover.ts';
import { slotOf, type Slot } from './slot.ts';
import type { FaultyDisk } from './testing/faulty-disk.ts';
import { REPLICAS, World } from './testing/world.ts';

const keyOf = (keyring: Keyring, slot: Slot): string => Buffer.from(keyring.derive(slot)).toString('hex');

interface Aged {
  readonly world: World;
  /** What was kept of the keystore from before the last erasures. */
  readonly old: FaultyDisk;
  readonly keys: ReadonlyMap<Slot, string>;
}

/** A keystore that was copied, and then went on (without the replica that is `away`): erasures, a new leaf, a leaf that the copy never had. */
async function aged(away?: string): Promise<Aged> {
  const world = await World.create();
  let keyring = await world.open();
  world.journal.setLeaf(keyring.takeLeaf(), 20);
  world.journal.append('something was done');
  await keyring.puncture({ id: 'era_before', slots: [slotOf(1, 1)], reason: '' });
  await keyring.close();
  const keys = new Map<Slot, string>();
  const old = world.disk.copy();
  if (away !== undefined) world.disk.takeAway(away);
  keyring = await world.open();
  for (const index of [2, 3, 4, 5]) keys.set(slotOf(1, index), keyOf(keyring, slotOf(1, index)));
  await keyring.puncture({ id: 'era_after', slots: [slotOf(1, 3)], reason: '' });
  for (let at = 0; at < 40; at++) {
    world.journal.setLeaf(keyring.takeLeaf(), 4096);
    if (at % 8 === 7)
      await keyring.puncture({ id: `era_${at}`, slots: [slotOf(1, 10 + (at - 7) / 8)], reason: '' });
  }
  await keyring.puncture({ id: 'era_last', slots: [slotOf(1, 4)], reason: '' });
  world.journal.append('more was done');
  await keyring.close();
  return { world, old, keys };
}

const refused = (code: string) => (error: unknown) => error instanceof StrongroomError && error.code === code;

const bytesOf = (world: World): unknown =>
  world.disk.paths().map((path) => [path, Buffer.from(world.disk.peek(path)).toString('hex')]);

test('from an older keystore every erasure since is done again, its twins open, and leaves that it never had are dead', async () => {
  const { world, old, keys } = await aged();
  const behind = new World(old, world.journal);
  await assert.rejects(behind.open(), refused('keystore.older'));
  const before = bytesOf(behind);
  const found = await examineKeystore(behind.options({ unusedDie: true }));
  assert.deepEqual(bytesOf(behind), before, 'looking changes nothing');
  assert.ok(found.epoch < found.newestEpoch && found.requests >= 2 && found.lostLeaves.length > 0);
  assert.deepEqual(found.doubts, []);
  const { keyring, outcome } = await found.commit();
  assert.equal(outcome.state, 'destroyed');
  assert.ok(keyring.epoch > found.newestEpoch);
  for (const index of [1, 3, 4]) assert.ok(keyring.isErased(slotOf(1, index)), `slot ${index}`);
  for (const index of [2, 5]) assert.equal(keyOf(keyring, slotOf(1, index)), keys.get(slotOf(1, index)));
  for (const leaf of found.lostLeaves) assert.ok(keyring.isErased(slotOf(leaf, 0)), `leaf ${leaf}`);
  const highest = Math.max(...world.journal.state.leaves.map(({ leaf }) => leaf));
  assert.ok(keyring.takeLeaf() > highest, 'no leaf is handed out twice');
  assert.ok(keyring.notes.has(RECOVERY_NOTE));
  await keyring.close();
  const again = await new World(behind.disk, world.journal).open();
  assert.ok(again.isErased(slotOf(1, 3)) && again.isErased(slotOf(1, 4)));
  assert.equal(keyOf(again, slotOf(1, 2)), keys.get(slotOf(1, 2)));
});

test('what is as new as the database is not recovered, and one replica that is new is enough', async () => {
  const { world } = await aged();
  await assert.rejects(examineKeystore(world.options()), refused('conflict'));
  const lagging = await aged('/keystore/b');
  lagging.world.disk.bringBack('/keystore/b');
  await assert.rejects(examineKeystore(lagging.world.options()), refused('conflict'));
  lagging.world.disk.delete('/keystore/a');
  assert.ok((await examineKeystore(lagging.world.options())).requests > 0);
});

/** What can be wrong with the replicas that are left, and what comes of it. */
const CASES: readonly {
  readonly what: string;
  readonly spoil: (disk: FaultyDisk) => void;
  readonly outcome: string;
}[] = [
  { what: 'nothing', spoil: () => undefined, outcome: 'recovered' },
  { what: 'one replica is gone', spoil: (disk) => disk.delete('/keystore/b'), outcome: 'recovered' },
  {
    what: 'one root is overwritten',
    spoil: (disk) => disk.poke('/keystore/a/root', (bytes) => void bytes.fill(9, 4096)),
    outcome: 'recovered',
  },
  {
    what: 'every root is overwritten',
    spoil: (disk) =>
      REPLICAS.forEach(({ folder }) => disk.poke(`${folder}/root`, (bytes) => void bytes.fill(9, 4096))),
    outcome: 'keyring.damaged',
  },
  {
    what: 'every root is gone',
    spoil: (disk) => REPLICAS.forEach(({ folder }) => disk.delete(`${folder}/root`)),
    outcome: 'keystore.missing',
  },
  {
    what: 'the pages of one replica are gone',
    spoil: (disk) => pages(disk, '/keystore/a').forEach((path) => disk.delete(path)),
    outcome: 'recovered',
  },
  {
    what: 'all pages are gone',
    spoil: (disk) => pages(disk, '').forEach((path) => disk.delete(path)),
    outcome: 'keyring.damaged',
  },
  {
    what: 'all pages are changed',
    spoil: (disk) => pages(disk, '').forEach((path) => disk.poke(path, (bytes) => void bytes.fill(1, 20))),
    outcome: 'keyring.damaged',
  },
  {
    what: 'one replica has no intents',
    spoil: (disk) => disk.delete('/keystore/a/intents'),
    outcome: 'recovered',
  },
  {
    what: 'the intents are gone',
    spoil: (disk) => REPLICAS.forEach(({ folder }) => disk.delete(`${folder}/intents`)),
    outcome: 'The intents are lost',
  },
  {
    what: 'the intents are changed',
    spoil: (disk) =>
      REPLICAS.forEach(({ folder }) => disk.poke(`${folder}/intents`, (bytes) => void (bytes[20]! ^= 1))),
    outcome: 'The intents are lost',
  },
  {
    what: 'the witness is gone',
    spoil: (disk) => REPLICAS.forEach(({ folder }) => disk.delete(`${folder}/witness`)),
    outcome: 'The witness is lost',
  },
  {
    what: 'a replica can be read by others',
    spoil: (disk) => disk.expose('/keystore/a/root', 0o644),
    outcome: 'keystore.exposed',
  },
];

const pages = (disk: FaultyDisk, below: string): readonly string[] =>
  disk.paths().filter((path) => path.startsWith(below) && path.includes('/pages/'));

for (const age of ['an older keystore', 'a keystore of today'] as const)
  test(`whatever is damaged or missing in ${age} is named, and what can be recovered is`, async () => {
    for (const { what, spoil, outcome } of CASES) {
      const { world, old, keys } = await aged();
      const disk = age === 'an older keystore' ? old : world.disk;
      spoil(disk);
      const spoilt = new World(disk, world.journal, `${what}/${age}`);
      // Of today's nothing is to be recovered, unless what lies beside the root is lost.
      const expected = age === 'a keystore of today' && outcome === 'recovered' ? 'conflict' : outcome;
      const found = await examineKeystore(spoilt.options()).catch((error: unknown) => error);
      if (found instanceof Error) {
        assert.equal((found as { code?: string }).code, expected, what);
        continue;
      }
      const { doubts, commit } = found as Awaited<ReturnType<typeof examineKeystore>>;
      if (outcome === 'recovered') assert.deepEqual(doubts, [], what);
      else assert.match(doubts.join(), new RegExp(expected), what);
      const { keyring } = await commit();
      for (const index of [1, 3, 4]) assert.ok(keyring.isErased(slotOf(1, index)), `${what}: slot ${index}`);
      assert.equal(keyOf(keyring, slotOf(1, 2)), keys.get(slotOf(1, 2)), what);
      await keyring.close();
      await (await new World(disk, world.journal, `${what}/after`).open()).close();
    }
  });

test('a database that was put back is not what a recovery is for', async () => {
  const { world, old } = await aged();
  const forked = world.journal.copy();
  forked.state.ledgerRoots.splice(0);
  for (let at = 0; at < 50; at++) forked.append(`another ${at}`);
  await assert.rejects(examineKeystore(new World(old, forked).options()), refused('store.older'));
  const foreign = world.journal.copy();
  foreign.state.epochs = foreign.state.epochs.map((row) => ({ ...row, fileId: new Uint8Array(8) }));
  await assert.rejects(examineKeystore(new World(old, foreign).options()), refused('keyring.damaged'));
});

test('a recovery that stops at any point is done again to its end', async () => {
  for (let crashAt = 1; ; crashAt++) {
    const { world, old, keys } = await aged();
    const behind = new World(old, world.journal, `crash ${crashAt}`);
    const found = await examineKeystore(behind.options());
    behind.crashAt = behind.passed.length + crashAt;
    const done = await found.commit().catch((error: unknown) => error);
    if (!(done instanceof Error)) {
      assert.ok(crashAt > 10, `${crashAt} points`);
      return;
    }
    behind.revive();
    const point = behind.passed.at(-1) ?? '';
    let keyring = await behind.open().catch((error: unknown) => error);
    if (keyring instanceof Error) {
      assert.equal((keyring as { code?: string }).code, 'keystore.older', point);
      keyring = (await (await examineKeystore(behind.options())).commit()).keyring;
    }
    const open = keyring as Keyring;
    for (const index of [1, 3, 4]) assert.ok(open.isErased(slotOf(1, index)), `${point}: slot ${index}`);
    assert.equal(keyOf(open, slotOf(1, 2)), keys.get(slotOf(1, 2)), point);
    assert.ok(open.notes.has(RECOVERY_NOTE), `${point}: what was lost is still to be taken out`);
    await open.close();
  }
});
