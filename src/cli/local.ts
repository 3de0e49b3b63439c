/**
 * What the local commands ask of the composition root: they open the data directory under its lock, in this process.
 * All other commands speak to a server through the client.
 */
import type { KeyInput, NewKey, RotationInput, RotationKeys, RotationResult } from '@strongroom/client';
import type { Settings } from '../config.ts';

/** What a client needs to reach a deployment. */
export interface Access {
  readonly url: string;
  readonly apiKey: string;
  /** Path of the CA certificate that clients trust; null where the server's certificate is trusted as it is, or TLS is off. */
  readonly ca: string | null;
}

export interface RunningServer {
  /** Where it listens, with the port that was really taken. */
  readonly url: string;
  readonly ca: string | null;
  /** Finishes what is under way and closes everything. */
  close(): Promise<void>;
}

export interface Finding {
  readonly name: string;
  readonly status: 'ok' | 'warning' | 'failing';
  readonly detail: string;
  /** What to do about it. */
  readonly advice?: string | undefined;
}

export type LedgerSource =
  | { readonly data: string; readonly settings: Settings }
  | { readonly export: string; readonly vkey?: string };

/** One log, computed anew from its entries. */
export interface VerifiedLog {
  readonly log: string;
  readonly size: number;
  readonly rootHash: string;
  /** Null: every entry, tile, root and signature holds. */
  readonly broken: {
    /** The first entry at fault; null where the fault is not in an entry (a head, a checkpoint). */
    readonly n: number | null;
    readonly reason: string;
  } | null;
}

export interface LocalBackup {
  readonly id: string;
  readonly kind: 'full' | 'incremental' | 'log';
  readonly takenAt: string;
  readonly sizeBytes: number;
  readonly rows: number;
  readonly copies: number;
}

/** What a drill found, made here or by a server. */
export interface DrillReport {
  readonly id: string;
  readonly backup: string;
  readonly state: 'passed' | 'failed';
  readonly recoverySeconds: number;
  readonly lossSeconds: number;
  readonly rows: number;
  readonly opened: number;
  readonly faults: readonly string[];
}

/** A backup that was laid into a data directory, and what was wrong on the way. */
export interface RestoredCopy {
  readonly backup: string;
  readonly takenAt: string;
  readonly rows: number;
  readonly damage: readonly string[];
  readonly skipped: readonly string[];
  readonly differences: readonly string[];
}

export interface CommittedRestore {
  readonly takenAt: string;
  readonly epoch: number;
  readonly dropped: Readonly<Record<string, number>>;
  readonly missing: readonly string[];
}

export interface RestoreOrder {
  readonly from: string;
  readonly at?: number;
  readonly skipDamaged: boolean;
}

export type KeystoreChange =
  | { readonly add: string }
  | { readonly drop: string }
  | { readonly lost: string; readonly reason: string };

export interface KeystoreState {
  readonly epoch: number;
  readonly members: readonly string[];
  readonly dropped: readonly { readonly name: string; readonly how: string; readonly reason: string }[];
  readonly findings: readonly string[];
}

/** What a keystore that is older than its database can be gone on from. */
export interface RecoveryReport {
  readonly epoch: number;
  readonly newestEpoch: number;
  readonly requests: number;
  readonly slots: number;
  readonly lost: readonly { readonly owner: string; readonly leaves: number; readonly memories: number }[];
  readonly doubts: readonly string[];
  readonly committed: {
    readonly epoch: number;
    readonly dropped: Readonly<Record<string, number>>;
    readonly missing: readonly string[];
  } | null;
}

type OnPieces = (done: number, total: number) => void;

export interface LocalCommands {
  /** Makes keystore, CA, organization, project and vault `default`. Throws `data.exists` where there is a deployment. */
  initDeployment(dataDirectory: string, settings: Settings): Promise<Access>;
  /** Whether `dataDirectory` holds a deployment, without opening it. */
  isInitialised(dataDirectory: string): Promise<boolean>;
  serve(dataDirectory: string, settings: Settings): Promise<RunningServer>;
  createKey(dataDirectory: string, settings: Settings, input: KeyInput): Promise<NewKey>;
  /** Says that the machine's clock is right, where it was doubted. */
  trustClock(dataDirectory: string, settings: Settings): Promise<{ readonly now: string }>;
  listRotations(dataDirectory: string, settings: Settings): Promise<RotationKeys>;
  runRotation(dataDirectory: string, settings: Settings, input: RotationInput): Promise<RotationResult>;
  doctor(dataDirectory: string, settings: Settings): Promise<readonly Finding[]>;
  verifyLedger(source: LedgerSource): Promise<readonly VerifiedLog[]>;
  backUp(
    dataDirectory: string,
    settings: Settings,
    order: { readonly kind: LocalBackup['kind']; readonly onRows: (rows: number) => void },
  ): Promise<LocalBackup>;
  drill(dataDirectory: string, settings: Settings, onPieces: OnPieces): Promise<DrillReport>;
  /** Into a directory without a deployment. It can be looked at until `commit` makes it the deployment. */
  restore(
    dataDirectory: string,
    settings: Settings,
    order: RestoreOrder,
    onPieces: OnPieces,
  ): Promise<RestoredCopy>;
  commit(dataDirectory: string, settings: Settings): Promise<CommittedRestore>;
  keystore(dataDirectory: string, settings: Settings, change: KeystoreChange | null): Promise<KeystoreState>;
  /** Throws `conflict` where there is nothing to recover. */
  recover(dataDirectory: string, settings: Settings, isCommitted: boolean): Promise<RecoveryReport>;
}
