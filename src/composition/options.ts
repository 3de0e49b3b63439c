/** What a deployment is opened from: its folder, settings and surroundings, and what tests put in the place of parts. */
import type { Settings } from '../config.ts';
import type { FileCipher } from '../crypto/file-cipher.ts';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { RecordSealer } from '../keys/record-sealer.ts';
import { Ledger } from '../ledger/ledger.ts';
import type { RotationSteps } from '../lifecycle/rotations.ts';
import { Scheduler } from '../lifecycle/scheduler.ts';
import { Backups } from '../recovery/backups.ts';
import { Destruction } from '../store/destruction.ts';
import type { DeletionGuard } from '../vaults/deletion-guard.ts';
import type { RetentionRules } from '../vaults/retention.ts';

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

export const logError = (log: Log, error: unknown, message: string): void =>
  log.error(
    error instanceof StrongroomError ? { code: error.code, detail: error.detail } : { error: String(error) },
    message,
  );
