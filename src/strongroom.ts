/**
 * The composition root: opens everything from a configuration, in order, and closes it in reverse.
 *
 * Order matters. The directory is locked before anything is read; the store is open before the keyring, which asks it
 * which root is the true one; what holds derived state is known before the first epoch; the ledger comes before whoever
 * acts. What fails on the way closes what was open.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Access } from './access/access.ts';
import { ApiKeys } from './access/api-keys.ts';
import { Cursors } from './access/cursors.ts';
import { Idempotency, type IdempotencyParts } from './access/idempotency.ts';
import { LedgerReads } from './access/ledger-reads.ts';
import { Pepper } from './access/pepper.ts';
import { ServiceSlots } from './access/service-slots.ts';
import { Receipts } from './access/receipts.ts';
import { isReserved } from './assurance/reserved.ts';
import { Organizations } from './access/organizations.ts';
import { Recorder } from './access/recorder.ts';
import { encodeHex, type Bytes } from './bytes/encoding.ts';
import { Closing } from './closing.ts';
import { backupFolders, keystorePlaces, type Settings } from './config.ts';
import { cobblestoneCipher, type FileCipher } from './crypto/file-cipher.ts';
import { SigningKey } from './crypto/signature.ts';
import { openEgress } from './egress/open.ts';
import type { Environment } from './environment.ts';
import { StrongroomError } from './errors.ts';
import { createIdSource, isId, type NewId } from './ids.ts';
import { realDisk } from './keys/disk.ts';
import { fileSystemOf } from './keys/file-system.ts';
import type { Keyring } from './keys/keyring.ts';
import { createKeystore, openForRestore, openKeyring, type KeystoreOptions } from './keys/open.ts';
import { RecordKeys } from './keys/record-key.ts';
import { RECOVERY_NOTE } from './keys/recover.ts';
import { KeyedSealer, type RecordSealer } from './keys/record-sealer.ts';
import { serviceKey } from './keys/service-key.ts';
import { ArchiveCopies } from './lifecycle/archive-copies.ts';
import { ArchiveRequests } from './lifecycle/archive-requests.ts';
import { Archives } from './lifecycle/archives.ts';
import { HoldGuard } from './lifecycle/hold-guard.ts';
import { HoldNotes } from './lifecycle/hold-notes.ts';
import { Holds } from './lifecycle/holds.ts';
import { overdueMs } from './lifecycle/overdue.ts';
import { PlausibleTime } from './lifecycle/plausible-time.ts';
import { Policies } from './lifecycle/policies.ts';
import { Retention } from './lifecycle/retention.ts';
import { Scheduler } from './lifecycle/scheduler.ts';
import type { Slot } from './keys/slot.ts';
import { CheckpointClock } from './ledger/checkpoint-clock.ts';
import { Ledger } from './ledger/ledger.ts';
import { LedgerPeriods } from './ledger/periods.ts';
import { LedgerPruning } from './ledger/pruning.ts';
import { RefusalCounts } from './ledger/refusal-counts.ts';
import { Signers, type SignedAs } from './ledger/signers.ts';
import { DeploymentWitness } from './ledger/witness.ts';
import { BackupDesk } from './recovery/backup-desk.ts';
import { Backups } from './recovery/backups.ts';
import { dropDeadRows, type DroppedRows } from './recovery/dead-rows.ts';
import { Drills } from './recovery/drills.ts';
import { Rewinds } from './recovery/rewinds.ts';
import { LateBlobs } from './recovery/late-blobs.ts';
import type { BackupPlace } from './recovery/place.ts';
import { readRestoreMark, type RestoreMark } from './recovery/restore-mark.ts';
import { Burials } from './lifecycle/burials.ts';
import type { ReplicaFacts } from './lifecycle/certificate.ts';
import { certificateKeyName, Certificates } from './lifecycle/certificates.ts';
import { ErasureRequests } from './lifecycle/erasure-requests.ts';
import { ErasureNotes } from './lifecycle/erasure-notes.ts';
import { Erasures } from './lifecycle/erasures.ts';
import { Lifecycle } from './lifecycle/lifecycle.ts';
import { Purge } from './lifecycle/purge.ts';
import { VaultEndings } from './lifecycle/vault-endings.ts';
import { LIMITS } from './limits.ts';
import { rotatedKeys, SLOT_NAMES } from './lifecycle/rotated-keys.ts';
import { RotationRequests } from './lifecycle/rotation-requests.ts';
import { Rotations, type RotationSteps } from './lifecycle/rotations.ts';
import { createSearchPool } from './search/pool.ts';
import type { SearchPool } from './search/types.ts';
import { FileBlobs, type BlobStore } from './store/blobs.ts';
import { Destruction } from './store/destruction.ts';
import { lockDatabase } from './store/database-lock.ts';
import { lockDirectory } from './store/directory-lock.ts';
import { SqlKeyJournal } from './store/key-journal.ts';
import { openStore, type StoreTarget } from './store/open-store.ts';
import { SlotAllocator } from './store/slots.ts';
import { requireSqliteDatabase } from './store/sqlite.ts';
import { SYSTEM, type Store } from './store/store.ts';
import { Embedding } from './vaults/embedding.ts';
import { VaultIndexes } from './vaults/indexes.ts';
import { Memories } from './vaults/memories.ts';
import { MemoryStore } from './vaults/memory-store.ts';
import { People } from './vaults/people.ts';
import type { DeletionGuard } from './vaults/deletion-guard.ts';
import type { RetentionRules } from './vaults/retention.ts';
import { SegmentRegistry } from './vaults/segment-registry.ts';
import { Segments } from './vaults/segments.ts';
import { Tombstones } from './vaults/tombstones.ts';
import { Vaults } from './vaults/vaults.ts';

/** Where the server writes what happened, free of content. */
export interface Log {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Replaced by tests that show a check can fail and by the benchmark of what protection costs; by no setting. */
export interface Substitutes {
  readonly sealer?: (real: RecordSealer) => RecordSealer;
  readonly ledger?: (real: Ledger) => Ledger;
  readonly cipher?: (real: FileCipher) => FileCipher;
  readonly guard?: (real: DeletionGuard) => DeletionGuard;
  readonly retention?: (real: RetentionRules) => RetentionRules;
  readonly scheduler?: (real: Scheduler) => Pick<Scheduler, 'run' | 'state'>;
  readonly backups?: (real: Backups) => Backups;
  readonly destruction?: (real: Destruction) => Destruction;
  readonly rotation?: Partial<RotationSteps>;
}

export interface OpenStrongroom {
  readonly directory: string;
  readonly settings: Settings;
  readonly environment: Environment;
  readonly log: Log;
  /** Must end the process: nobody knows any more what is on disk. */
  readonly onFatal: (error: unknown) => void;
  readonly substitutes?: Substitutes;
  /** For the commit of a restore itself, which nothing else may overtake. */
  readonly isCommitting?: true;
}

/** What is open, by name. */
export interface Strongroom {
  readonly store: Store;
  readonly keyring: Keyring;
  readonly ledger: Ledger;
  readonly journal: SqlKeyJournal;
  readonly destruction: Destruction;
  readonly services: ServiceSlots;
  readonly slots: SlotAllocator;
  readonly organizations: Organizations;
  readonly recorder: Recorder;
  readonly access: Access;
  readonly apiKeys: ApiKeys;
  readonly ledgerReads: LedgerReads;
  readonly vaults: Vaults;
  readonly people: People;
  readonly memories: Memories;
  readonly vaultEndings: VaultEndings;
  readonly erasures: Erasures;
  readonly erasureRequests: ErasureRequests;
  readonly certificates: Certificates;
  readonly lifecycle: Lifecycle;
  readonly indexes: VaultIndexes;
  readonly idempotency: Idempotency;
  readonly cursors: Cursors;
  readonly refusals: RefusalCounts;
  readonly checkpoints: CheckpointClock;
  readonly periods: LedgerPeriods;
  readonly policies: Policies;
  readonly guard: DeletionGuard;
  readonly retention: Retention;
  readonly holds: Holds;
  readonly holdNotes: HoldNotes;
  readonly archives: Archives;
  readonly archiveRequests: ArchiveRequests;
  readonly time: PlausibleTime;
  readonly scheduler: Pick<Scheduler, 'run' | 'state'>;
  readonly rotations: Rotations;
  readonly rotationRequests: RotationRequests;
  readonly newId: NewId;
  readonly backups: Backups;
  readonly drills: Drills;
  readonly backupDesk: BackupDesk;
  readonly rewinds: Rewinds;
  /** What was restored and is not committed yet: it can be looked at and not changed. Null in a deployment that lives. */
  readonly restoring: RestoreMark | null;
  /** Rows that were taken out because their keys were lost: null unless the keystore has just been recovered. */
  readonly recovered: DroppedRows | null;
  close(): Promise<void>;
}

/** Opens a deployment that `initialise` made. Refuses weak or foreign state with one clear error. */
export async function openStrongroom(options: OpenStrongroom): Promise<Strongroom> {
  const closing = new Closing();
  try {
    const base = await openBase(options, closing);
    return await openParts(options, base, closing);
  } catch (error) {
    await closing.run();
    throw error;
  }
}

/** What everything else stands on. */
interface Base {
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

async function openBase(options: OpenStrongroom, closing: Closing): Promise<Base> {
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

/** The service keys that rotations replace, and whom the ledger and certificates are signed by. */
async function openSigners(
  base: Base,
  services: ServiceSlots,
  { clock }: Environment,
): Promise<{ readonly signers: Signers; readonly certificateSigners: Signers }> {
  const { keyring } = base;
  const isErased = (slot: Slot): boolean => keyring.isErased(slot);
  for (const name of Object.values(SLOT_NAMES)) await services.open(name, isErased);
  const name = deploymentName(keyring.deployment);
  const opened = (as: SignedAs): Promise<Signers> =>
    openSigner(base, as, { slot: services.known(SLOT_NAMES[as.role]), nowMs: clock.now() });
  return {
    signers: await opened({ role: 'ledger', name }),
    certificateSigners: await opened({ role: 'certificates', name: certificateKeyName(name) }),
  };
}

async function openSigner(
  { store, keyring, restoring }: Base,
  as: SignedAs,
  { slot, nowMs }: { readonly slot: Slot | null; readonly nowMs: number },
): Promise<Signers> {
  const signer = slot === null ? null : new SigningKey(serviceKey(keyring, slot, SLOT_NAMES[as.role]));
  return restoring === null && signer !== null
    ? Signers.open(store, as, signer, nowMs)
    : Signers.look(store, as, signer);
}

async function openParts(options: OpenStrongroom, base: Base, closing: Closing): Promise<Strongroom> {
  const { environment, log, substitutes = {} } = options;
  const { store, keyring, journal, slots } = base;
  const newId = createIdSource(environment.clock, environment.random);
  const realDestruction = new Destruction({ store, keyring, journal, newId });
  const destruction = substitutes.destruction?.(realDestruction) ?? realDestruction;
  const recordKeys = new RecordKeys(keyring);
  const keyed = new KeyedSealer(recordKeys, environment.random);
  const sealer = substitutes.sealer?.(keyed) ?? keyed;
  const services = new ServiceSlots(store, slots, environment.clock);
  const periods = await LedgerPeriods.open(store, slots, environment.clock.now());
  const { signers, certificateSigners } = await openSigners(base, services, environment);
  const realLedger = new Ledger({ store, environment, sealer, signers, periods });
  const ledger = substitutes.ledger?.(realLedger) ?? realLedger;
  if (base.recovered !== null) await recordRecovery(base, ledger);

  const cursorSlots = (): readonly Slot[] => [
    services.current(SLOT_NAMES.cursors),
    ...rotations.retiredCursors,
  ];
  const cursors = new Cursors(
    () => cursorSlots().map((slot) => serviceKey(keyring, slot, SLOT_NAMES.cursors)),
    environment.random,
  );
  const organizations = new Organizations({ store, slots, sealer, newId, environment });
  const receiptSlot = await services.get('receipts');
  const receipts = new Receipts(store, () => serviceKey(keyring, receiptSlot, 'receipts'));
  const access = new Access({
    store,
    keys: recordKeys,
    sealer,
    organizations,
    isErased: (slot) => keyring.isErased(slot),
    receipts,
    environment,
  });
  const idempotency = new Idempotency({
    store,
    keys: recordKeys,
    environment,
    serviceSlot: (name) => services.get(name),
    current: (context, id) => currentOf(context, id),
  });
  const currentOf: IdempotencyParts['current'] = (context, id) => {
    if (isId('hold', id)) return holds.current(context, id);
    if (isId('archiveRequest', id)) return archiveRequests.current(context, id);
    if (isId('policy', id)) return retention.current(context, id);
    if (isId('backup', id) || isId('drill', id)) return backupDesk.current(id);
    if (isId('erasure', id)) return erasureRequests.current(context, id);
    if (isId('rewind', id)) return rewinds.current(context, id);
    return memories.current(context, id);
  };
  const recorder = new Recorder(store, ledger, idempotency);
  const people = new People({ store, sealer, slots, organizations, newId, environment });
  const policies = new Policies({
    store,
    sealer,
    slots,
    organizations,
    newId,
    clock: environment.clock,
    capDays: options.settings.retentionCapDays ?? null,
  });
  const time = await PlausibleTime.open(store, environment.clock);
  const holdGuard = new HoldGuard({ policies, now: () => time.now() });
  const guard = substitutes.guard?.(holdGuard) ?? holdGuard;
  const rules = substitutes.retention?.(policies) ?? policies;
  const { directory, settings } = options;
  const { egress, embedder } = await openEgress({ directory, settings, store, ledger, environment });
  closing.add(() => Promise.resolve(egress.close()));
  const models = embedder === null ? [] : [embedder.model];
  const vaults = new Vaults({
    store,
    sealer,
    slots,
    organizations,
    access,
    recorder,
    guard,
    newId,
    environment,
    models,
  });
  const rows = new MemoryStore({ sealer, slots, people, newId, environment });
  const blobs = await FileBlobs.open(join(options.directory, 'blobs'), {
    environment,
    onFatal: options.onFatal,
  });
  const segments = new Segments(
    {
      store,
      blobs,
      keyring,
      destruction,
      sealer,
      slots,
      newId,
      environment,
      onDamage: (error) => logError(log, error, 'a segment does not open and is left out'),
    },
    base.registry,
  );
  if (base.restoring === null) await segments.clean();
  const pool: SearchPool = createSearchPool({
    workers: options.settings.searchWorkers,
    recall: options.settings.searchRecall,
    onLost: (error) => logError(log, error, 'a search worker ended and is replaced'),
  });
  closing.add(() => pool.close());
  const indexes = new VaultIndexes({
    store,
    sealer,
    pool,
    segments,
    names: (vault) => rows.names(vault),
    memoryBytesMax: options.settings.searchMemory * 1024 * 1024,
    onError: (error) => logError(log, error, 'an index is filled anew'),
  });
  const tombstones = new Tombstones({
    store,
    slots,
    keys: recordKeys,
    destruction,
    newId,
    clock: environment.clock,
  });
  const erasureNotes = new ErasureNotes({ store, keyring, organizations });
  const erasures = new Erasures({
    notes: erasureNotes,
    store,
    keyring,
    destruction,
    guard,
    ledger,
    organizations,
    vaults,
    people,
    indexes,
    burials: new Burials({ sealer, vaults, tombstones }),
    dueNow: () => time.now(),
    purge: new Purge({ store, keyring, segments, blobs, people, environment }),
    newId,
    environment,
    onError: (error) => logError(log, error, 'rows of an erasure are still to be removed'),
  });
  closing.add(() => erasures.close());
  const memories = new Memories({
    store,
    destruction,
    guard,
    retention: rules,
    eraser: erasures,
    tombstones,
    sealer,
    vaults,
    rows,
    indexes,
    embedding: new Embedding(embedder),
    recorder,
    cursors,
    environment,
  });
  const vaultEndings = new VaultEndings({
    store,
    sealer,
    organizations,
    vaults,
    indexes,
    recorder,
    ledger,
    guard,
    eraser: erasures,
  });
  const erasureRequests = new ErasureRequests({
    store,
    keyring,
    access,
    organizations,
    vaults,
    people,
    rows,
    memories,
    erasures,
    recorder,
    cursors,
    clock: environment.clock,
  });
  const certificates = new Certificates({
    store,
    keyring,
    ledger,
    recorder,
    access,
    requests: erasureRequests,
    signers: certificateSigners,
    deployment: deploymentName(keyring.deployment),
    replicas: (names) => replicaFacts(options, names),
    backupDays: LIMITS.backupDays,
    clock: environment.clock,
  });
  const apiKeys = new ApiKeys({
    store,
    destruction,
    keys: recordKeys,
    sealer,
    slots,
    organizations,
    access,
    recorder,
    pepper: () => services.current(SLOT_NAMES['api-keys']),
    newId,
    environment,
    vaultOf: async (organization, reference) => (await vaults.find(organization, reference))?.id ?? null,
  });
  const ledgerReads = new LedgerReads({
    ledger,
    access,
    recorder,
    cursors,
    subjectOf: async (organization, name) => (await people.subjects(organization)).withName(name)?.id ?? null,
  });
  const pepper = new Pepper({
    store,
    sealer,
    organizations,
    onDamage: (key) => log.error({ key }, 'the hash of an API key is damaged'),
  });
  const { rotateLedgerDays, rotateServiceDays, retiredKeyDays } = options.settings;
  const rotations = new Rotations({
    store,
    keyring,
    ledger,
    destruction,
    services,
    keys: rotatedKeys({ store, keyring, ledger, signers, certificateSigners, pepper, environment }),
    trusted: () => time.now(),
    days: { ledger: rotateLedgerDays, service: rotateServiceDays, retired: retiredKeyDays },
    newId,
    environment,
    ...(substitutes.rotation === undefined ? {} : { steps: substitutes.rotation }),
  });
  if (base.restoring === null)
    await rotations
      .resume()
      .catch((error: unknown) => logError(log, error, 'a rotation was not finished; it is tried again'));
  const rotationRequests = new RotationRequests({ rotations, organizations, access, recorder });
  const refusals = new RefusalCounts(ledger, store, environment.clock);
  const checkpoints = new CheckpointClock(ledger);
  const realBackups = new Backups({
    store,
    target: storeTarget(options),
    keyring,
    slots,
    destruction,
    ledger,
    signer: () =>
      new SigningKey(serviceKey(keyring, services.current(SLOT_NAMES.backups), SLOT_NAMES.backups)),
    blobs,
    places: base.restoring === null ? backupPlaces(options) : [],
    locations: options.settings.backupLocations,
    everyMs: options.settings.backupMinutes * 60_000,
    newId,
    environment,
    onError: (error, what) => logError(log, error, `${what}: not written, tried again later`),
  });
  const backups = substitutes.backups?.(realBackups) ?? realBackups;
  const scratchFolder = join(options.directory, 'drill');
  await rm(scratchFolder, { recursive: true, force: true });
  const drills = new Drills({
    store,
    keyring,
    sealer,
    ledger,
    backups,
    scratch: (work) => withScratch(scratchFolder, work),
    newId,
    environment,
  });
  const rewinds = new Rewinds({
    store,
    sealer,
    rows,
    people,
    indexes,
    guard,
    tombstones,
    retention: rules,
    destruction,
    clock: environment.clock,
    keyring,
    ledger,
    recorder,
    cursors,
    vaults,
    backups,
    scratch: (work) => withScratch(scratchFolder, work),
    newId,
    environment,
  });
  const backupDesk = new BackupDesk({
    access,
    recorder,
    cursors,
    backups,
    drills,
    rewinds,
    newId,
    isOperator: async (id) => id === (await organizations.first()) || isReserved(store, id),
  });
  if (signers.canSign) closing.add(() => checkpoints.tick());
  if (base.restoring === null) closing.add(() => indexes.saveAll());
  closing.add(() => refusals.flush());
  const due = { store, sealer, organizations };
  const retention = new Retention({
    ...due,
    store,
    organizations,
    access,
    recorder,
    vaults,
    indexes,
    policies,
    guard: holdGuard,
    clock: environment.clock,
    logDays: options.settings.logFolder === undefined ? null : options.settings.logDays,
  });
  const holdNotes = new HoldNotes({ store, keyring, ledger });
  const holds = new Holds({
    store,
    sealer,
    slots,
    organizations,
    access,
    recorder,
    cursors,
    vaults,
    people,
    rows,
    guard: holdGuard,
    notes: holdNotes,
    newId,
    clock: environment.clock,
  });
  const realCipher = cobblestoneCipher(environment.random);
  const cipher = substitutes.cipher?.(realCipher) ?? realCipher;
  const archives = new Archives({
    ...due,
    store,
    keyring,
    keys: recordKeys,
    cipher,
    blobs,
    destruction,
    slots,
    indexes,
    ledger,
    policies,
    newId,
    environment,
  });
  const archiveCopies = new ArchiveCopies({
    store,
    sealer,
    slots,
    ledger,
    rows,
    policies,
    archives,
    cipher,
    blobs,
    clock: environment.clock,
  });
  const archiveRequests = new ArchiveRequests({
    store,
    sealer,
    slots,
    organizations,
    access,
    recorder,
    ledger,
    cursors,
    vaults,
    policies,
    copies: archiveCopies,
    blobs,
    destruction,
    newId,
    clock: environment.clock,
  });
  const pruning = new LedgerPruning({ store, ledger, destruction });
  // During a restore nothing is written yet: it is done again when that is committed.
  if (base.restoring === null) {
    await holdNotes.reapply(environment.clock.now());
    await erasureNotes.reapply(environment.clock.now());
  }
  const realScheduler = new Scheduler(
    {
      ...due,
      store,
      keyring,
      destruction,
      guard,
      eraser: erasures,
      retention: policies,
      rows,
      ledger,
      time,
      clock: environment.clock,
      overdueMs: () =>
        overdueMs({ ...due, store, retention: policies, guard: holdGuard, clock: environment.clock }),
    },
    [
      (now) => tombstones.endDue(now),
      (now) => vaultEndings.endDue(now),
      (now) => archives.tend(now),
      (now) => archiveRequests.tend(now),
      (now) => pruning.run(now),
    ],
  );
  const scheduler = substitutes.scheduler?.(realScheduler) ?? realScheduler;
  closing.add(() => backups.close());
  const lifecycle = new Lifecycle({ erasures, scheduler });
  closing.add(() => rewinds.close());
  if (base.restoring === null) {
    await backups.clean();
    await rewinds
      .resume()
      .catch((error: unknown) => logError(log, error, 'a vault on its way back was not finished'));
    await lifecycle
      .run()
      .catch((error: unknown) => logError(log, error, 'not everything that is over was ended'));
  }
  return {
    store,
    keyring,
    journal,
    destruction,
    services,
    ledger,
    slots,
    organizations,
    recorder,
    access,
    apiKeys,
    ledgerReads,
    vaults,
    people,
    memories,
    vaultEndings,
    erasures,
    erasureRequests,
    certificates,
    lifecycle,
    indexes,
    idempotency,
    cursors,
    refusals,
    checkpoints,
    periods,
    policies,
    guard,
    retention,
    holds,
    holdNotes,
    archives,
    archiveRequests,
    time,
    scheduler,
    rotations,
    rotationRequests,
    newId,
    backups,
    drills,
    backupDesk,
    rewinds,
    restoring: base.restoring,
    recovered: base.recovered,
    close: () => closing.run(),
  };
}

/** The entry of a recovery; then it is over. */
async function recordRecovery({ store, keyring, recovered }: Base, ledger: Ledger): Promise<void> {
  const rows = Object.values(recovered ?? {}).reduce((sum, count) => sum + count, 0);
  const body = keyring.notes.get(RECOVERY_NOTE) as Readonly<Record<string, number>> | undefined;
  await store.write(SYSTEM, (tx) => {
    const entry = { principal: 'system', outcome: 'done', request: '', scope: [], target: '' } as const;
    const facts = { ...body, epoch: keyring.epoch, rows };
    ledger.append(tx, { ...entry, action: 'keystore.recover', facts });
    return Promise.resolve();
  });
  await keyring.keepNote(RECOVERY_NOTE, null);
}

/** A folder of its own below `parent` that is gone afterwards: several may be at work. */
async function withScratch<T>(parent: string, work: (folder: string) => Promise<T>): Promise<T> {
  await mkdir(parent, { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(join(parent, 'scratch-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** A place that cannot be reached now is told when it is written. */
const backupPlaces = (options: OpenStrongroom): readonly BackupPlace[] =>
  backupFolders(options.settings, options.directory).map(({ name, location, folder }) => ({
    name,
    location,
    blobs: placeAt(folder, options),
  }));

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

/** What a certificate says of replicas, by their names. */
async function replicaFacts(
  { settings, directory }: OpenStrongroom,
  names: readonly string[],
): Promise<readonly ReplicaFacts[]> {
  const places = new Map(keystorePlaces(settings, directory).map(({ name, folder }) => [name, folder]));
  return Promise.all(
    names.map(async (name) => {
      const folder = places.get(name);
      const found = folder === undefined ? null : await fileSystemOf(folder);
      return {
        name,
        provider: 'file',
        strength: 'overwritten',
        fileSystem: found?.name ?? 'unknown',
        keepsOverwritten: found?.keepsOverwritten ?? false,
      } as const;
    }),
  );
}

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

const logError = (log: Log, error: unknown, message: string): void =>
  log.error(
    error instanceof StrongroomError ? { code: error.code, detail: error.detail } : { error: String(error) },
    message,
  );
