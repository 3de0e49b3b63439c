/**
 * The recovery of a keystore that is older than its database (src/keys/recover.ts), from the outside: looked at first, with
 * what is lost by name, then committed. The rows of what was lost are taken out before anything is served; where that
 * was interrupted, the next opening does it.
 */
import { Closing } from './closing.ts';
import { examineKeystore } from './keys/recover.ts';
import type { DroppedRows } from './recovery/dead-rows.ts';
import { readRestoreMark } from './recovery/restore-mark.ts';
import { StrongroomError } from './errors.ts';
import { lockDatabase } from './store/database-lock.ts';
import { lockDirectory } from './store/directory-lock.ts';
import { openStore } from './store/open-store.ts';
import { SYSTEM, type Store } from './store/store.ts';
import { requireSqliteDatabase } from './store/sqlite.ts';
import { LEAF_SLOTS, type Slot } from './keys/slot.ts';
import { SegmentRegistry } from './vaults/segment-registry.ts';
import { journalOf, keystoreOf, readDeployment, storeTarget } from './composition/base.ts';
import { openStrongroom, type OpenStrongroom } from './strongroom.ts';

/** What was sealed under keys that are gone. */
export interface LostKeys {
  /** A vault, an organization, or `deployment`. */
  readonly owner: string;
  readonly leaves: number;
  /** Versions of memories. */
  readonly memories: number;
}

export interface RecoveryReport {
  /** The epoch that can be gone on from, and the newest one that the database knows. */
  readonly epoch: number;
  readonly newestEpoch: number;
  /** Erasures and other ends since, which are done again. */
  readonly requests: number;
  readonly slots: number;
  readonly lost: readonly LostKeys[];
  readonly doubts: readonly string[];
  /** Null where it was only looked at. */
  readonly committed: RecoveryCommitted | null;
}

export interface RecoveryCommitted {
  readonly epoch: number;
  /** Rows that were taken out, by table. */
  readonly dropped: DroppedRows;
  /** Members of the keystore that could not be reached. */
  readonly missing: readonly string[];
}

/** Without `isCommitted` nothing is written. Throws `conflict` where there is nothing to recover. */
export async function recoverKeystore(
  options: OpenStrongroom,
  { isCommitted }: { readonly isCommitted: boolean },
): Promise<RecoveryReport> {
  const { report, missing } = await recoverKeys(options, isCommitted);
  if (!isCommitted) return { ...report, committed: null };
  // Takes out the rows, and leaves the entry.
  const open = await openStrongroom(options);
  try {
    const dropped = open.recovered ?? {};
    return { ...report, committed: { epoch: open.keyring.epoch, dropped, missing } };
  } finally {
    await open.close();
  }
}

async function recoverKeys(
  options: OpenStrongroom,
  isCommitted: boolean,
): Promise<{ readonly report: Omit<RecoveryReport, 'committed'>; readonly missing: readonly string[] }> {
  const { directory, environment, onFatal } = options;
  const closing = new Closing();
  try {
    const lock = lockDirectory(directory);
    closing.add(() => Promise.resolve(lock.release()));
    if ((await readRestoreMark(directory)) !== null) throw new StrongroomError('store.restoring');
    const target = storeTarget(options);
    if (target.engine === 'sqlite') requireSqliteDatabase(directory);
    const database = await lockDatabase(target, onFatal);
    closing.add(() => database.release());
    const store = await openStore(target, environment, onFatal);
    closing.add(() => store.close());
    const registry = await SegmentRegistry.load(store);
    const found = await examineKeystore({
      ...keystoreOf(options, await readDeployment(store)),
      journal: journalOf(store, environment),
      derived: [(dead: ReadonlySet<Slot>) => registry.dyingWith(dead)],
      unusedDie: true,
      onFatal,
    });
    const { epoch, newestEpoch, requests, slots, lostLeaves, doubts } = found;
    const lost = await lostIn(store, lostLeaves);
    const report = { epoch, newestEpoch, requests, slots, lost, doubts };
    if (!isCommitted) {
      found.close();
      return { report, missing: [] };
    }
    const { keyring, outcome } = await found.commit();
    await keyring.close();
    return { report, missing: outcome.missing };
  } finally {
    await closing.run();
  }
}

async function lostIn(store: Store, leaves: readonly number[]): Promise<readonly LostKeys[]> {
  const isLost = new Set(leaves);
  const rows = await store.read(SYSTEM, (db) =>
    db.selectFrom('leaves').select(['leaf', 'owner']).orderBy('owner').execute(),
  );
  const owners = Map.groupBy(
    rows.filter(({ leaf }) => isLost.has(leaf)),
    ({ owner }) => owner,
  );
  const lost: LostKeys[] = [];
  for (const [owner, own] of owners) {
    let memories = 0;
    for (const { leaf } of own) memories += await versionsIn(store, leaf);
    lost.push({ owner, leaves: own.length, memories });
  }
  return lost;
}

async function versionsIn(store: Store, leaf: number): Promise<number> {
  const { n } = await store.read(SYSTEM, (db) =>
    db
      .selectFrom('memory_versions')
      .select((of) => of.fn.countAll<number | bigint>().as('n'))
      .where('slot', '>=', leaf * LEAF_SLOTS)
      .where('slot', '<', (leaf + 1) * LEAF_SLOTS)
      .executeTakeFirstOrThrow(),
  );
  return Number(n);
}
