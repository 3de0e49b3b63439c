/** Backups, drills, restores and keystore replicas of a stopped deployment: what the local commands call. */
import { isoTime } from './bytes/iso-time.ts';
import type { Settings } from './config.ts';
import { realEnvironment } from './environment.ts';
import { StrongroomError } from './errors.ts';
import { isInitialised, requireWhole } from './initialise.ts';
import { realDisk } from './keys/disk.ts';
import type { Keyring } from './keys/keyring.ts';
import { addReplica, declareLost, dropReplica } from './keys/replica-set.ts';
import type { BackupKind } from './recovery/manifest.ts';
import { resolve } from 'node:path';
import { recoverKeystore, type RecoveryReport } from './recovering.ts';
import { commitRestore, restoreBackup } from './restoring.ts';
import { openStrongroom, type Log, type OpenStrongroom, type Strongroom } from './strongroom.ts';

export interface LocalBackup {
  readonly id: string;
  readonly kind: BackupKind;
  readonly takenAt: string;
  readonly sizeBytes: number;
  readonly rows: number;
  readonly copies: number;
}

export interface LocalDrill {
  readonly id: string;
  readonly backup: string;
  readonly state: 'passed' | 'failed';
  readonly recoverySeconds: number;
  readonly lossSeconds: number;
  readonly rows: number;
  readonly opened: number;
  readonly faults: readonly string[];
}

export interface LocalRestore {
  /** The backup whose moment is shown, and that moment. */
  readonly backup: string;
  readonly takenAt: string;
  readonly rows: number;
  /** Files of backups that could not be used; rows of those in `skipped` are missing. */
  readonly damage: readonly string[];
  readonly skipped: readonly string[];
  readonly differences: readonly string[];
}

export interface LocalCommit {
  readonly takenAt: string;
  readonly epoch: number;
  /** Rows that were taken out because they have died since, by table. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Replicas of the keystore that could not be reached. */
  readonly missing: readonly string[];
}

export interface RestoreFlags {
  readonly from: string;
  readonly at?: number;
  readonly skipDamaged: boolean;
}

/** `done` of `total` pieces; a total of 0 is one that is not known. */
export type OnPieces = (done: number, total: number) => void;

export function backUp(
  directory: string,
  settings: Settings,
  { kind, onRows }: { readonly kind: BackupKind; readonly onRows: (rows: number) => void },
): Promise<LocalBackup> {
  return opened(directory, settings, async ({ backups }) => {
    const row = await backups.create(kind, { onProgress: ({ rows }) => onRows(rows) });
    return {
      id: row.id,
      kind: row.kind,
      takenAt: isoTime(row.taken_at),
      sizeBytes: row.size,
      rows: row.row_count,
      copies: (JSON.parse(row.places) as unknown[]).length,
    };
  });
}

export function drill(directory: string, settings: Settings, onPieces: OnPieces): Promise<LocalDrill> {
  return opened(directory, settings, async ({ drills }) => {
    const { row, faults } = await drills.run({ onProgress: ({ pieces, of }) => onPieces(pieces, of) });
    return {
      id: row.id,
      backup: row.backup,
      state: row.state,
      recoverySeconds: row.duration_ms / 1000,
      lossSeconds: row.lost_ms / 1000,
      rows: row.row_count,
      opened: row.opened,
      faults,
    };
  });
}

export async function restore(
  directory: string,
  settings: Settings,
  { from, at, skipDamaged }: RestoreFlags,
  onPieces: OnPieces,
): Promise<LocalRestore> {
  const laid = await restoreBackup(optionsOf(directory, settings), {
    from,
    at: at ?? null,
    skipDamaged,
    onProgress: ({ pieces, of }) => onPieces(pieces, of),
  });
  const lines = (list: typeof laid.damage): string[] => list.map(({ file, what }) => `${file}: ${what}`);
  return {
    backup: laid.goal.id,
    takenAt: isoTime(laid.goal.takenAt),
    rows: laid.rows,
    damage: lines(laid.damage),
    skipped: lines(laid.skipped),
    differences: laid.differences,
  };
}

export async function commit(directory: string, settings: Settings): Promise<LocalCommit> {
  const { takenAt, epoch, dropped, missing } = await commitRestore(optionsOf(directory, settings));
  return { takenAt: isoTime(takenAt), epoch, dropped, missing };
}

/** What a keystore that is older than its database can be gone on from, and at what cost; `isCommitted`: does it. */
export const recover = (
  directory: string,
  settings: Settings,
  isCommitted: boolean,
): Promise<RecoveryReport> => recoverKeystore(optionsOf(directory, settings), { isCommitted });

export interface KeystoreState {
  readonly epoch: number;
  readonly members: readonly string[];
  readonly dropped: readonly { readonly name: string; readonly how: string; readonly reason: string }[];
  readonly findings: readonly string[];
}

export type KeystoreChange =
  | { readonly add: string }
  | { readonly drop: string }
  | { readonly lost: string; readonly reason: string };

/** Shows the replicas of the keystore, after a change if there is one. */
export function keystore(
  directory: string,
  settings: Settings,
  change: KeystoreChange | null,
): Promise<KeystoreState> {
  return opened(directory, settings, async ({ keyring }) => {
    if (change !== null) await changeReplicas(keyring, directory, change);
    // What waited for a replica is done, or confirmed, now.
    if (change !== null) await keyring.tend();
    return {
      epoch: keyring.epoch,
      members: keyring.members,
      dropped: keyring.dropped.map(({ replica, how, reason }) => ({ name: replica, how, reason })),
      findings: keyring.findings.map(({ replica, what }) => `${replica}: ${what}`),
    };
  });
}

async function changeReplicas(keyring: Keyring, directory: string, change: KeystoreChange): Promise<void> {
  if ('add' in change)
    await addReplica(keyring, { name: change.add, folder: resolve(directory, change.add) }, realDisk);
  else if ('drop' in change) await dropReplica(keyring, change.drop);
  else await declareLost(keyring, change.lost, change.reason);
}

async function opened<T>(
  directory: string,
  settings: Settings,
  work: (open: Strongroom) => Promise<T>,
): Promise<T> {
  if (!(await isInitialised(directory)))
    throw new StrongroomError('data.missing', `${directory} holds no deployment: run init`);
  const open = await openStrongroom(optionsOf(directory, settings));
  try {
    await requireWhole(open.store);
    if (open.restoring !== null) throw new StrongroomError('store.restoring');
    return await work(open);
  } finally {
    await open.close();
  }
}

/** What is worth saying is thrown, or part of the answer. */
const QUIET: Log = { info: () => undefined, error: () => undefined };

const optionsOf = (directory: string, settings: Settings): OpenStrongroom => ({
  directory,
  settings,
  environment: realEnvironment,
  log: QUIET,
  onFatal: (error) => {
    process.stderr.write(`strongroom: a write to disk failed; the process ends: ${String(error)}\n`);
    process.kill(process.pid, 'SIGKILL');
  },
});
