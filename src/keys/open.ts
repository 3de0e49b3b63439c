/**
 * Making a keystore, and opening one: which root is the truth, and when to refuse (docs/keyring.md, `open` and the start-up
 * table).
 *
 *     found                                                        answer
 *     the ledger extends what the witness saw, epochs agree        a full epoch, then serve
 *     ledger shorter or forked; a replica's only root unknown      store.older: restore
 *     a complete epoch above every replica                         keystore.older: a newer replica is needed
 *     a root is named but its pages open in no replica             keyring.damaged
 *     no replica / readable by others / another deployment         keystore.missing / .exposed / .foreign
 *
 * The truth is the highest root whose (epoch, file id) stands in the database and whose pages open whole, from any
 * replica. Before anybody is served, a full epoch numbered above all that was seen writes every page anew: it repairs
 * lagging and damaged replicas, does again what was asked and not finished, and leaves one root in each. A crash
 * anywhere in here is answered by opening again.
 */
import type { Bytes } from '../bytes/encoding.ts';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { allDone, type Disk } from './disk.ts';
import { soundSteps } from './epoch.ts';
import {
  droppedOf,
  membersOf,
  NO_INTENTS,
  puncturesOf,
  restoresOf,
  withIntents,
  type RestoreIntent,
} from './intents.ts';
import type { EpochRow, KeyJournal, PunctureRequest } from './key-journal.ts';
import { Keyring, type KeyringOptions } from './keyring.ts';
import { forget, Keystore, type Target } from './keystore.ts';
import { planEpoch } from './plan.ts';
import type { ReplicaPlace } from './replica.ts';
import type { RootCell } from './root-file.ts';
import { SlotKeys } from './slot-keys.ts';
import {
  isKnown,
  isSameRoot,
  readableRoots,
  readSides,
  replicasAt,
  RootOpener,
  surveyReplicas,
  type OpenedRoot,
  type Sides,
  type Surveyed,
} from './survey.ts';
import type { Tree } from './tree.ts';
import { compareLedger, witnessedLedger } from './witness.ts';

export interface KeystoreOptions {
  readonly replicas: readonly ReplicaPlace[];
  /** Sixteen bytes, as the database has them. */
  readonly deployment: Bytes;
  readonly disk: Disk;
  readonly environment: Environment;
  readonly journal: KeyJournal;
}

export interface OpenOptions extends KeystoreOptions, KeyringOptions {}

/** The keystore's own leaf, and spare ones. */
const FIRST_LEAVES = 1 + 32;

/** Makes a keystore with its first epoch. Throws `data.exists` where a replica has a root already. */
export async function createKeystore(options: KeystoreOptions): Promise<void> {
  const { deployment, journal, environment } = options;
  const { random } = environment;
  const replicas = replicasAt(options.replicas, options.disk);
  for (const replica of replicas) await replica.create();
  const nothing: Tree = {
    deployment,
    height: 1,
    leafCount: 0,
    children: [],
    top: { file: '', lengthBytes: 0 },
    liveBytes: new Map(),
  };
  const order = { epoch: 1, puncture: new Map(), allot: FIRST_LEAVES, full: true };
  const plan = await planEpoch(nothing, order, random, soundSteps);
  const targets = replicas.map((replica): Target => ({ replica, cell: 0, isCurrent: false }));
  await allDone(
    replicas.map(async (replica) => {
      await replica.createRoot(deployment);
      await replica.writePages(plan.fileName, plan.file);
      await replica.writeCell(0, deployment, 1, plan.root);
    }),
  );
  const keys = new SlotKeys(plan.tree);
  const sideKeys = { deployment, key: keys.key.bind(keys) };
  const keystore = new Keystore(deployment, replicas, random);
  const members = replicas.map(({ name }) => ({ kind: 'member', replica: name }) as const);
  const head = await journal.ledgerHead();
  const witness = {
    epoch: 1,
    intents: 1,
    generation: head?.generation ?? 0,
    ledger: witnessedLedger(head),
    backup: null,
  };
  await keystore.writeIntents(withIntents(NO_INTENTS, members), sideKeys, targets);
  await keystore.writeWitness(witness, sideKeys, targets);
  await journal.prepare({ epoch: 1, fileId: plan.fileId }, [], []);
  const confirmed = replicas.map(({ name }) => name);
  await journal.complete(1, { confirmed, missing: [], destroyed: [], restored: null, isTailDead: false });
  plan.root.fill(0);
}

/** Opens a keystore for a database that goes on from where it was. */
export async function openKeyring(options: OpenOptions): Promise<Keyring> {
  const { deployment, environment, journal } = options;
  const { fault } = environment;
  const keystore = new Keystore(deployment, replicasAt(options.replicas, options.disk), environment.random);
  fault('open.survey');
  const survey = await surveyReplicas(keystore);
  try {
    const rows = await journal.epochs();
    refuseOlderStore(survey, rows);
    const opener = new RootOpener(keystore, survey);
    const truth = await findTruth(survey, rows, opener);
    const keys = new SlotKeys(truth.tree);
    const sideKeys = { deployment, key: keys.key.bind(keys) };
    const sides = await readSides(survey, keystore, sideKeys);
    await opener.compare(truth, rows);
    const restored = judgeRestores(sides, truth, survey);
    if (restored.generation === null) await compareLedger(sides.witness, journal);
    keystore.adopt(sides.intents, sides.witness);
    const members = membersOf(sides.intents);
    const present = survey.filter(({ replica }) => members.has(replica.name));
    if (restored.abandoned.length > 0) {
      fault('open.intents');
      const records = restored.abandoned.map(({ file }) => ({ kind: 'abandoned', file }) as const);
      await keystore.writeIntents(withIntents(sides.intents, records), sideKeys, present.map(asTarget));
    }
    await wipeWhatIsNotTrue(keystore, survey, truth, environment);
    const keyring = new Keyring({
      keystore,
      tree: truth.tree,
      epoch: truth.cell.epoch,
      fileName: truth.fileName,
      seenEpoch: highestSeen(survey, rows, sides),
      isRestoring: false,
      abandoned: [],
      leaves: await journal.leaves(),
      pending: unionOf(await journal.pending(), puncturesOf(sides.intents)),
      options,
    });
    fault('open.epoch');
    await keyring.begin(restored.generation);
    return keyring;
  } finally {
    for (const { root } of survey) forget(root);
  }
}

/**
 * Opens a keystore for a database put back from a backup: read-only, and nothing is written, until `commitRestore`.
 * The truth is the highest root that opens, unless it is that of a commit which did not come to its end.
 */
export async function openForRestore(options: OpenOptions): Promise<Keyring> {
  const { deployment, environment, journal } = options;
  const keystore = new Keystore(deployment, replicasAt(options.replicas, options.disk), environment.random);
  const survey = await surveyReplicas(keystore);
  const rows = await journal.epochs();
  const opener = new RootOpener(keystore, survey);
  const abandoned: string[] = [];
  for (const cell of readableRoots(survey)) {
    const truth = await opener
      .open(cell)
      .catch((error: unknown) => (isDamage(error) ? null : Promise.reject(error)));
    if (truth === null) continue;
    const keys = new SlotKeys(truth.tree);
    const sides = await readSides(survey, keystore, { deployment, key: keys.key.bind(keys) });
    if (isAbandoned(sides, truth)) continue;
    const begun = unwitnessed(sides).find(({ file }) => file === truth.fileName);
    if (begun !== undefined && !isCommitted(truth.cell, survey)) {
      abandoned.push(truth.fileName);
      continue;
    }
    // A commit that only had to be finished, and this is its database.
    if (begun !== undefined && isKnown(cell, rows)) return openKeyring(options);
    keystore.adopt(sides.intents, sides.witness);
    const seenEpoch = highestSeen(survey, rows, sides);
    const { fileName, tree } = truth;
    // What was accepted and could not be done yet is refused already, as it was before.
    const pending = unionOf(await journal.pending(), puncturesOf(sides.intents));
    const parts = {
      keystore,
      tree,
      epoch: cell.epoch,
      fileName,
      seenEpoch,
      leaves: [],
      pending,
      options,
    };
    for (const { root } of survey) forget(root);
    return new Keyring({ ...parts, isRestoring: true, abandoned });
  }
  throw new StrongroomError('keyring.damaged', 'No root of the keystore opens whole.');
}

/** A root that the database has never heard of, at or above its newest epoch: the database was put back. */
function refuseOlderStore(survey: readonly Surveyed[], rows: readonly EpochRow[]): void {
  const newest = rows.reduce((max, { epoch }) => Math.max(max, epoch), 0);
  for (const { replica, root } of survey) {
    const highest = root.cells.reduce((max, { epoch }) => Math.max(max, epoch), 0);
    if (root.cells.length === 0 || highest < newest || root.cells.some((cell) => isKnown(cell, rows)))
      continue;
    throw new StrongroomError(
      'store.older',
      `The database is older than the keystore: replica ${replica.name} is at epoch ${highest}, which the database ` +
        `(at ${newest}) does not know. It needs a restore.`,
    );
  }
}

async function findTruth(
  survey: readonly Surveyed[],
  rows: readonly EpochRow[],
  opener: RootOpener,
): Promise<OpenedRoot> {
  const complete = rows.reduce(
    (max, { epoch, state }) => (state === 'complete' ? Math.max(max, epoch) : max),
    0,
  );
  const named = readableRoots(survey).filter((cell) => isKnown(cell, rows));
  if (readableRoots(survey).length === 0) {
    throw new StrongroomError('keyring.damaged', 'No keystore replica has a readable root.');
  }
  let damage: StrongroomError | null = null;
  for (const cell of named.filter(({ epoch }) => epoch >= complete)) {
    try {
      return await opener.open(cell);
    } catch (error) {
      if (!isDamage(error)) throw error;
      damage ??= error;
    }
  }
  if (damage !== null) {
    throw new StrongroomError('keyring.damaged', {
      detail: `The keyring is damaged: ${damage.message}.`,
      cause: damage,
    });
  }
  const highest = readableRoots(survey)[0]?.epoch ?? 0;
  throw new StrongroomError(
    'keystore.older',
    `The keystore is older than the database: epoch ${complete} is complete, the newest replica is at ${highest}. ` +
      'Put a replica in place that is as new.',
  );
}

/** What became of restores that were begun: one that is committed and not witnessed yet, those that were given up. */
export function judgeRestores(
  sides: Sides,
  truth: OpenedRoot,
  survey: readonly Surveyed[],
): { readonly generation: number | null; readonly abandoned: readonly RestoreIntent[] } {
  const abandoned: RestoreIntent[] = [];
  let generation: number | null = null;
  for (const restore of unwitnessed(sides)) {
    const isTruth = restore.file === truth.fileName;
    if (isTruth && !isCommitted(truth.cell, survey)) {
      throw new StrongroomError(
        'store.older',
        'A restore was interrupted before it was committed. It needs a restore.',
      );
    }
    if (isTruth || restore.epoch < truth.cell.epoch) generation = restore.generation;
    else abandoned.push(restore);
  }
  return { generation, abandoned };
}

const unwitnessed = ({ intents, witness }: Sides): readonly RestoreIntent[] =>
  restoresOf(intents).filter(({ generation }) => generation > witness.generation);

const isAbandoned = ({ intents }: Sides, { fileName }: OpenedRoot): boolean =>
  intents.records.some((record) => record.kind === 'abandoned' && record.file === fileName);

/** Whether the second barrier of this root's epoch has begun: some replica holds nothing older any more. */
const isCommitted = (cell: RootCell, survey: readonly Surveyed[]): boolean =>
  survey.some(({ root }) => {
    const isHeld = root.cells.some((held) => isSameRoot(held, cell));
    return isHeld && !root.cells.some(({ epoch }) => epoch < cell.epoch);
  });

/** Roots above the truth never became it; a dropped replica must hold none at all. */
export async function wipeWhatIsNotTrue(
  keystore: Keystore,
  survey: readonly Surveyed[],
  { cell }: OpenedRoot,
  environment: Environment,
): Promise<void> {
  const members = membersOf(keystore.intents);
  const dropped = new Set(droppedOf(keystore.intents).map(({ replica }) => replica));
  for (const { replica, root } of survey) {
    const { name } = replica;
    const isMember = members.has(name);
    if (!isMember)
      keystore.find(name, dropped.has(name) ? 'it was dropped; its root is wiped' : 'it was never added');
    const gone = root.cells.filter((held) =>
      isMember ? held.epoch >= cell.epoch && !isSameRoot(held, cell) : dropped.has(name),
    );
    if (gone.length === 0) continue;
    environment.fault('open.wipe');
    await replica.wipeCells(gone.map((held) => held.cell));
  }
}

export const highestSeen = (
  survey: readonly Surveyed[],
  rows: readonly EpochRow[],
  { intents, witness }: Sides,
): number =>
  Math.max(
    witness.epoch,
    ...rows.map(({ epoch }) => epoch),
    ...survey.flatMap(({ root }) => root.cells.map(({ epoch }) => epoch)),
    ...intents.records.map((record) => (record.kind === 'restore' ? record.epoch : 0)),
  );

const unionOf = (...lists: readonly (readonly PunctureRequest[])[]): PunctureRequest[] => [
  ...new Map(lists.flat().map((request) => [request.id, request])).values(),
];

export const asTarget = ({ replica }: Surveyed): Target => ({ replica, cell: 0, isCurrent: false });

export const isDamage = (error: unknown): error is StrongroomError =>
  error instanceof StrongroomError && (error.code === 'keyring.damaged' || error.code === 'box.damaged');
