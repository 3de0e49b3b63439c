/** What a deployment is opened from: its folder, settings and surroundings, and what tests put in the place of parts. */
import type { Sabotaged } from '../assurance/world.ts';
import type { Settings } from '../config.ts';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';

/** Where the server writes what happened, free of content. */
export interface Log {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Replaced by tests that show a check can fail and by the benchmark of what protection costs; by no setting. */
export type Substitutes = Pick<
  Sabotaged,
  | 'sealer'
  | 'ledger'
  | 'cipher'
  | 'guard'
  | 'retention'
  | 'scheduler'
  | 'backups'
  | 'destruction'
  | 'rotation'
>;

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
