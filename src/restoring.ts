/**
 * A restore from the outside: from a place with backups and one replica of the keystore to a data directory that can be
 * looked at, and its commit.
 *
 * Until the commit nothing of the keystore is written and nothing in the data can be changed. The commit is one epoch that
 * ends every slot the restored rows cannot know; then rows that have died since are taken out, what was kept beside
 * the keystore (erasures, revocations, holds) is in force, the keys of the service are replaced, and only then may the
 * data be served.
 */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeHex, type Bytes } from './bytes/encoding.ts';
import { Closing } from './closing.ts';
import { StrongroomError } from './errors.ts';
import { createIdSource } from './ids.ts';
import { isInitialised } from './initialise.ts';
import type { Keyring, PunctureOutcome } from './keys/keyring.ts';
import { openForRestore, openKeyring } from './keys/open.ts';
import type { Slot } from './keys/slot.ts';
import { isServiceKey } from './lifecycle/rotated-keys.ts';
import { ROTATION_KEYS } from './lifecycle/rotations.ts';
import { returnTombstones } from './lifecycle/tombstone-return.ts';
import { deploymentAt } from './recovery/catalogue.ts';
import { dropDeadRows, type DroppedRows } from './recovery/dead-rows.ts';
import { layOut, type LaidOut } from './recovery/lay-out.ts';
import type { LoadProgress } from './recovery/load.ts';
import { NO_JOURNAL } from './recovery/no-journal.ts';
import {
  readRestoreMark,
  removeRestoreMark,
  writeRestoreMark,
  type RestoreMark,
} from './recovery/restore-mark.ts';
import { FileBlobs } from './store/blobs.ts';
import { lockDatabase } from './store/database-lock.ts';
import { lockDirectory } from './store/directory-lock.ts';
import { openStore } from './store/open-store.ts';
import { SYSTEM } from './store/store.ts';
import { SegmentRegistry } from './vaults/segment-registry.ts';
import { journalOf, keystoreOf, placeAt, readDeployment, storeTarget } from './composition/base.ts';
import { openStrongroom, type OpenStrongroom } from './strongroom.ts';

export interface RestoreOrder {
  /** The folder with the backups. */
  readonly from: string;
  readonly at: number | null;
  readonly skipDamaged: boolean;
  readonly onProgress: (progress: LoadProgress) => void;
}

/** Lays a backup into a data directory without a deployment; `data.exists` where there is one. */
export async function restoreBackup(options: OpenStrongroom, order: RestoreOrder): Promise<LaidOut> {
  const { directory, environment } = options;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const lock = lockDirectory(directory);
  try {
    const isAgain = await isInterrupted(directory);
    const place = placeAt(order.from, options);
    const deployment = await deploymentAt(place);
    const keyring = await openKeysAlone(options, deployment);
    try {
      const blobs = await FileBlobs.open(join(directory, 'blobs'), options);
      const { at, skipDamaged, onProgress } = order;
      const { fault } = environment;
      const target = storeTarget(options);
      fault('restore.load');
      await writeRestoreMark(directory, { backup: '', takenAt: 0, state: 'loading' });
      const replaces = isAgain ? deployment : null;
      const laid = await layOut({
        witnessed: keyring.witnessedBackup,
        replaces,
        place,
        keys: keyring,
        target,
        blobs,
        at,
        skipDamaged,
        fault,
        onProgress,
      });
      fault('restore.deployment');
      await writeFile(join(directory, 'deployment'), `${encodeHex(deployment)}\n`, {
        mode: 0o600,
        flush: true,
      });
      fault('restore.mark');
      const { id, takenAt } = laid.goal;
      // Last: from here on it can be looked at.
      await writeRestoreMark(directory, { backup: id, takenAt, state: 'ready' });
      return laid;
    } finally {
      await keyring.close();
    }
  } finally {
    lock.release();
  }
}

/** Whether a restore was begun here and broke off before the directory held a deployment. Throws `data.exists`. */
async function isInterrupted(directory: string): Promise<boolean> {
  const mark = await readRestoreMark(directory);
  if (mark?.state === 'loading') return true;
  const names = await readdir(directory);
  if (mark !== null || (await isInitialised(directory)) || names.includes('strongroom.db'))
    throw new StrongroomError('data.exists', `${directory} holds a deployment: restore to another folder`);
  return false;
}

/** The keys of a deployment without its database: to read with. */
export const openKeysAlone = (options: OpenStrongroom, deployment: Bytes): Promise<Keyring> =>
  openForRestore({
    ...keystoreOf(options, deployment),
    journal: NO_JOURNAL,
    derived: [],
    onFatal: options.onFatal,
  });

export interface Committed {
  readonly backup: string;
  readonly takenAt: number;
  readonly epoch: number;
  /** Replicas that could not be reached: erasures wait for them, or for them to be declared lost. */
  readonly missing: readonly string[];
  readonly dropped: DroppedRows;
}

/** Makes a restored copy the deployment. From its epoch on nothing that is newer than the copy opens any more. */
export async function commitRestore(options: OpenStrongroom): Promise<Committed> {
  const { directory, environment } = options;
  const mark = (await readRestoreMark(directory)) ?? (await markOlderCopy(options));
  if (mark.state === 'loading')
    throw new StrongroomError('store.restoring', 'the restore was interrupted: run it again');
  const { missing, dropped } = await commitKeys(options, mark.state === 'committing');
  environment.fault('restore.open');
  const open = await openStrongroom({ ...options, isCommitting: true });
  try {
    const { backup, takenAt } = mark;
    await open.store.write(SYSTEM, (tx) => {
      const entry = { principal: 'system', outcome: 'done', request: '', scope: [] } as const;
      const facts = { epoch: open.keyring.epoch, takenAt };
      open.ledger.append(tx, {
        ...entry,
        action: 'backup.restore',
        target: backup === NO_BACKUP ? 'deployment' : backup,
        facts,
      });
      return Promise.resolve();
    });
    environment.fault('restore.rotate');
    // The copy knows nothing of what replaced its keys since: they introduce new ones, and wait for their end again.
    await open.rotations.run(ROTATION_KEYS.filter(isServiceKey), { cause: 'restore', atOnce: false });
    environment.fault('restore.unmark');
    await removeRestoreMark(directory);
    return { backup, takenAt, epoch: open.keyring.epoch, missing, dropped };
  } finally {
    await open.close();
  }
}

/** A data directory that was put back by hand is taken for a restored one, if it is older than its keystore. */
async function markOlderCopy(options: OpenStrongroom): Promise<RestoreMark> {
  const { directory, environment } = options;
  try {
    const open = await openStrongroom(options);
    await open.close();
  } catch (error) {
    if (!(error instanceof StrongroomError) || error.code !== 'store.older') throw error;
    const mark = { backup: NO_BACKUP, takenAt: environment.clock.now(), state: 'ready' } as const;
    await writeRestoreMark(directory, mark);
    return mark;
  }
  throw new StrongroomError('conflict', `nothing is being restored in ${directory}`);
}

/** What a copied directory was restored from. */
const NO_BACKUP = 'copy';

/** The epoch, and the rows that it and everything before it have ended. */
async function commitKeys(
  options: OpenStrongroom,
  isAgain: boolean,
): Promise<{ readonly missing: readonly string[]; readonly dropped: DroppedRows }> {
  const { directory, environment, onFatal } = options;
  const closing = new Closing();
  try {
    const lock = lockDirectory(directory);
    closing.add(() => Promise.resolve(lock.release()));
    const mark = await readRestoreMark(directory);
    if (mark === null) throw new StrongroomError('conflict', 'nothing is being restored');
    const target = storeTarget(options);
    const database = await lockDatabase(target, onFatal);
    closing.add(() => database.release());
    const store = await openStore(target, environment, onFatal);
    closing.add(() => store.close());
    environment.fault('restore.begin');
    await writeRestoreMark(directory, { ...mark, state: 'committing' });
    const { keyring, outcome } = await committedKeys(options, store, isAgain);
    closing.add(() => keyring.close());
    environment.fault('restore.drop');
    const dropped = await dropDeadRows({ store, keyring, now: environment.clock.now() });
    return { missing: outcome?.missing ?? [], dropped };
  } finally {
    await closing.run();
  }
}

async function committedKeys(
  options: OpenStrongroom,
  store: Parameters<typeof journalOf>[0],
  isAgain: boolean,
): Promise<{ readonly keyring: Keyring; readonly outcome: PunctureOutcome | null }> {
  const registry = await SegmentRegistry.load(store);
  const opening = {
    ...keystoreOf(options, await readDeployment(store)),
    journal: journalOf(store, options.environment),
    derived: [(dead: ReadonlySet<Slot>) => registry.dyingWith(dead)],
    unusedDie: true,
    onFatal: options.onFatal,
  };
  if (isAgain) {
    const keyring = await openKeyring(opening).catch(orNullIfUncommitted);
    // It was past its epoch: only the rest is to be done.
    if (keyring !== null) return { keyring, outcome: null };
  }
  const keyring = await openForRestore(opening);
  try {
    if (keyring.isRestoring) {
      const { clock, random } = options.environment;
      const newId = createIdSource(clock, random);
      await returnTombstones({ store, keyring, newId, now: clock.now() });
    }
    return { keyring, outcome: keyring.isRestoring ? await keyring.commitRestore() : null };
  } catch (error) {
    await keyring.close();
    throw error;
  }
}

/**
 * The epoch of the commit may stand in the database and in no replica yet; or its root in a replica, and its file nowhere whole:
 * within the first barrier nothing has an order. Roots below it are unknown to this database, so only a restore may take them,
 * and it takes none where that epoch has wiped them.
 */
function orNullIfUncommitted(error: unknown): null {
  const isUncommitted =
    error instanceof StrongroomError && /^(store\.older|keystore\.older|keyring\.damaged)$/.test(error.code);
  if (isUncommitted) return null;
  throw error;
}
