/**
 * Adding a replica to a keystore that is open, and dropping one (docs/keyring.md).
 *
 * Adding: the intents name the replica first, because from the moment its root exists no erasure is done without it;
 * then pages, then the root, then a reading of all of it. A crash in between leaves a member that is missing: nothing
 * is certified until it is added again or dropped. Dropping: the root is wiped first and the intents say so then; a
 * replica that is gone is declared lost with a reason, which certificates repeat.
 */
import { StrongroomError } from '../errors.ts';
import type { Disk } from './disk.ts';
import type { Epochs } from './epochs.ts';
import { membersOf, withIntents, type DroppedReplica } from './intents.ts';
import type { Keyring } from './keyring.ts';
import { forget, type Target } from './keystore.ts';
import { isOfDeployment, Replica, type ReplicaPlace } from './replica.ts';
import type { RootCell } from './root-file.ts';
import { FileCopies, readTree } from './tree.ts';

/** Copies the keystore to a new folder and makes it a replica. Throws `data.exists` where one is there already. */
export async function addReplica(keyring: Keyring, place: ReplicaPlace, disk: Disk): Promise<void> {
  await keyring.withEpochs(async (epochs) => {
    const { fault } = epochs.environment;
    const replica = new Replica(place, disk);
    const source = await sourceOf(epochs, place.name);
    await clearAttempt(replica, epochs);
    await replica.create();
    const target = { replica, cell: 0, isCurrent: true };
    epochs.keystore.attach(replica);
    await epochs.halt.orStop(async () => {
      fault('replica.member');
      const { targets, missing } = await epochs.reach();
      const others = targets.filter((known) => known.replica.name !== place.name);
      const record = { kind: 'member', replica: place.name } as const;
      const reach = { targets: [...others, target], missing, seenEpoch: 0 };
      await epochs.sides.writeIntents(withIntents(epochs.keystore.intents, [record]), reach);
      await copyInto(replica, source, epochs);
      fault('replica.verify');
      await verify(replica, epochs);
      await epochs.sides.writeWitness(reach);
    });
  });
}

/** Wipes a replica's root and takes the replica out; it may be added again later. */
export async function dropReplica(keyring: Keyring, name: string): Promise<void> {
  await keyring.withEpochs(async (epochs) => {
    const { fault } = epochs.environment;
    const { others, dropped } = await partition(epochs, name);
    if (dropped === null) throw new StrongroomError('conflict', `${name} cannot be reached: declare it lost`);
    await epochs.halt.orStop(async () => {
      fault('replica.wipe');
      await dropped.replica.wipeRoot();
      fault('replica.record');
      await record(epochs, others, { replica: name, how: 'wiped', reason: '' });
      fault('replica.remove');
      await dropped.replica.removeAll();
    });
  });
}

/** Declares lost a replica that cannot be reached: erasures no longer wait for it, and their certificates say why. */
export async function declareLost(keyring: Keyring, name: string, reason: string): Promise<void> {
  await keyring.withEpochs(async (epochs) => {
    const { others, dropped } = await partition(epochs, name);
    if (dropped !== null)
      throw new StrongroomError('conflict', `${name} is at hand: drop it, so that it is wiped`);
    epochs.environment.fault('replica.record');
    await record(epochs, others, { replica: name, how: 'lost', reason });
  });
}

async function record(
  epochs: Epochs,
  targets: readonly Target[],
  dropped: Pick<DroppedReplica, 'replica' | 'how' | 'reason'>,
): Promise<void> {
  const at = epochs.environment.clock.now();
  const intents = withIntents(epochs.keystore.intents, [{ kind: 'dropped', at, ...dropped }]);
  await epochs.sides.writeIntents(intents, { targets, missing: [], seenEpoch: 0 });
}

/** The replicas that remain, at least one of them whole, and the one to drop if it can be reached. */
async function partition(
  epochs: Epochs,
  name: string,
): Promise<{ others: readonly Target[]; dropped: Target | null }> {
  if (!membersOf(epochs.keystore.intents).has(name))
    throw new StrongroomError('not_found', `no replica is called ${name}`);
  const { targets } = await epochs.reach();
  const others = targets.filter(({ replica }) => replica.name !== name);
  if (!others.some(({ isCurrent }) => isCurrent)) {
    throw new StrongroomError(
      'conflict',
      'no other replica holds the keyring: the last one cannot be dropped',
    );
  }
  return { others, dropped: targets.find(({ replica }) => replica.name === name) ?? null };
}

/** A replica that holds the newest epoch. */
async function sourceOf(epochs: Epochs, name: string): Promise<Replica> {
  const { targets } = await epochs.reach();
  const source = targets.find(({ replica, isCurrent }) => isCurrent && replica.name !== name);
  if (source === undefined) throw new StrongroomError('conflict', 'no other replica holds the keyring');
  return source.replica;
}

/** What an interrupted adding left: a root file of this deployment without any root in it. */
async function clearAttempt(replica: Replica, epochs: Epochs): Promise<void> {
  if (!(await replica.exists())) {
    await replica.removeStrays();
    return;
  }
  const root = await replica.readRoot();
  const isAttempt = root.cells.length === 0 && isOfDeployment(root, epochs.keystore.deployment);
  forget(root);
  if (!isAttempt) throw new StrongroomError('data.exists', `${replica.folder} holds a keystore already`);
  await replica.removeAll();
}

async function copyInto(replica: Replica, source: Replica, epochs: Epochs): Promise<void> {
  const { fault } = epochs.environment;
  fault('replica.pages');
  for (const file of epochs.keys.tree.liveBytes.keys()) {
    const bytes = await source.readPages(file);
    if (bytes === null)
      throw new StrongroomError('keyring.damaged', `replica ${source.name}: pages/${file} is missing`);
    await replica.writePages(file, bytes);
  }
  fault('replica.root');
  await replica.createRoot(epochs.keystore.deployment);
  fault('replica.cell');
  const cell = await currentCell(source, epochs);
  await replica.writeCell(0, epochs.keystore.deployment, cell.epoch, cell.root);
  cell.root.fill(0);
}

/** The whole tree, from this replica alone. */
async function verify(replica: Replica, epochs: Epochs): Promise<void> {
  const cell = await currentCell(replica, epochs);
  const source = new FileCopies(async (file) => {
    const bytes = await replica.readPages(file);
    return new Map(bytes === null ? [] : [[replica.name, bytes]]);
  });
  await readTree(cell, source);
  cell.root.fill(0);
}

async function currentCell(replica: Replica, epochs: Epochs): Promise<RootCell> {
  const { cells } = await replica.readRoot();
  const cell = cells.find(({ epoch }) => epoch === epochs.current.epoch);
  if (cell === undefined)
    throw new StrongroomError('keyring.damaged', `replica ${replica.name} lost its root`);
  return cell;
}
