/**
 * What everything else stands on: the locked folder, the store, the keyring.
 *
 * Order matters. The directory is locked before anything is read; the store is open before the keyring, which asks it which root is
 * the true one; what holds derived state is known before the first epoch.
 */
import { type Bytes, encodeHex } from '../bytes/encoding.ts';
import { Closing } from '../closing.ts';
import { keystorePlaces } from '../config.ts';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { realDisk } from '../keys/disk.ts';
import type { Keyring } from '../keys/keyring.ts';
import { type KeystoreOptions, createKeystore, openForRestore, openKeyring } from '../keys/open.ts';
import { RECOVERY_NOTE } from '../keys/recover.ts';
import { DeploymentWitness } from '../ledger/witness.ts';
import { type DroppedRows, dropDeadRows } from '../recovery/dead-rows.ts';
import { LateBlobs } from '../recovery/late-blobs.ts';
import { type RestoreMark, readRestoreMark } from '../recovery/restore-mark.ts';
import { type BlobStore, FileBlobs } from '../store/blobs.ts';
import { lockDatabase } from '../store/database-lock.ts';
import { lockDirectory } from '../store/directory-lock.ts';
import { SqlKeyJournal } from '../store/key-journal.ts';
import { type StoreTarget, openStore } from '../store/open-store.ts';
import { SlotAllocator } from '../store/slots.ts';
import { requireSqliteDatabase } from '../store/sqlite.ts';
import { SYSTEM, type Store } from '../store/store.ts';
import { SegmentRegistry } from '../vaults/segment-registry.ts';
import type { OpenStrongroom } from './options.ts';

/** What everything else stands on. */
export interface Base {
  readonly store: Store;
  readonly keyring: Keyring;
  readonly journal: SqlKeyJournal;
  readonly slots: SlotAllocator;
  readonly registry: SegmentRegistry;
  readonly restoring: RestoreMark | null;
  readonly recovered: DroppedRows | null;
}

/** Makes the keystore of a new deployment in an open, empty store. */
export const createKeys = (options: OpenStrongroom, store: Store, deployment: Bytes): Promise<void> =>
  createKeystore({
    ...keystoreOf(options, deployment),
    journal: journalOf(store, options.environment),
  });

/** Where the rows lie. */
export const storeTarget = ({
  directory,
  settings,
}: Pick<OpenStrongroom, 'directory' | 'settings'>): StoreTarget =>
  settings.database === 'sqlite'
    ? { engine: 'sqlite', directory }
    : {
        engine: 'postgres',
        url: settings.database,
        ...(settings.databaseOwner === undefined ? {} : { ownerUrl: settings.databaseOwner }),
      };

export const deploymentName = (deployment: Bytes): string => `strongroom/${encodeHex(deployment)}`;

/** Locks the folder and the database, then opens the store and, with its journal, the keyring. */
export async function openBase(options: OpenStrongroom, closing: Closing): Promise<Base> {
  const { directory, environment, onFatal } = options;
  const lock = lockDirectory(directory);
  closing.add(() => Promise.resolve(lock.release()));
  if (options.settings.database === 'sqlite') requireSqliteDatabase(directory);
  const database = await lockDatabase(storeTarget(options), onFatal);
  closing.add(() => database.release());
  const store = await openStore(storeTarget(options), environment, onFatal);
  closing.add(() => store.close());
  const deployment = await readDeployment(store);
  const registry = await SegmentRegistry.load(store);
  const journal = journalOf(store, environment);
  // The first epoch is recorded after the keystore is made: a crash in between leaves nothing of anybody.
  if ((await journal.epochs()).length === 0)
    throw new StrongroomError(
      'data.missing',
      'init was interrupted: remove the data directory and run it again',
    );
  const restoring = options.isCommitting === true ? null : await restoreIn(directory);
  const open = restoring === null ? openKeyring : openForRestore;
  const keyring = await open({
    ...keystoreOf(options, deployment),
    journal,
    derived: [(dead) => registry.dyingWith(dead)],
    unusedDie: true,
    onFatal,
  });
  closing.add(() => keyring.close());
  // What has died since the backup is not even looked at.
  const dead = { store, keyring, now: environment.clock.now() };
  if (restoring !== null) await dropDeadRows(dead);
  // Nor what was sealed under keys that are lost; segments go with their bytes.
  const isRecovered = restoring === null && keyring.notes.has(RECOVERY_NOTE);
  const recovered = isRecovered ? await dropDeadRows({ ...dead, except: new Set(['segments']) }) : null;
  const slots = new SlotAllocator(restoring === null ? keyring : null, environment.clock);
  return { store, keyring, journal, slots, registry, restoring, recovered };
}

async function restoreIn(directory: string): Promise<RestoreMark | null> {
  const mark = await readRestoreMark(directory);
  if (mark !== null && mark.state !== 'ready')
    throw new StrongroomError('store.restoring', 'a restore was interrupted: run it again');
  return mark;
}

export const placeAt = (folder: string, { environment }: Pick<OpenStrongroom, 'environment'>): BlobStore =>
  new LateBlobs(() => FileBlobs.open(folder, { environment, onFatal: () => undefined }));

export const keystoreOf = (
  { directory, settings, environment }: OpenStrongroom,
  deployment: Bytes,
): Omit<KeystoreOptions, 'journal'> => ({
  replicas: keystorePlaces(settings, directory),
  deployment,
  disk: realDisk,
  environment,
});

/** The journal reads the ledger's head from its rows: the ledger itself opens later, with keys. */
export const journalOf = (store: Store, environment: Environment): SqlKeyJournal =>
  new SqlKeyJournal(store, environment.clock, new DeploymentWitness(store));

export async function readDeployment(store: Store): Promise<Bytes> {
  const row = await store.read(SYSTEM, (db) =>
    db.selectFrom('meta').select('value').where('name', '=', 'deployment').executeTakeFirst(),
  );
  if (row === undefined)
    throw new StrongroomError(
      'data.missing',
      'the database holds no deployment: run init, or set `database` to the one that belongs to this folder',
    );
  return new Uint8Array(row.value);
}
