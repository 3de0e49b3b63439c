/** What a keyring is made of, and what it answers: shared by whoever opens one and by its epochs. */
import type { Environment } from '../environment.ts';
import type { DerivedHolder } from './dying-slots.ts';
import type { EpochSteps } from './epoch.ts';
import type { KeyJournal, LeafRow, PunctureRequest } from './key-journal.ts';
import type { Keystore } from './keystore.ts';
import type { Tree } from './tree.ts';

export interface PunctureOutcome {
  /** The epoch in which the slots died; null where there were too few replicas to begin one. */
  readonly epoch: number | null;
  /** `destroyed` once every configured replica confirmed; until then the content is hidden. */
  readonly state: 'destroyed' | 'hidden';
  readonly confirmed: readonly string[];
  readonly missing: readonly string[];
}

export interface KeyringOptions {
  readonly journal: KeyJournal;
  readonly environment: Environment;
  /** Derived state that exists from the start (rows of the database): asked in each epoch, the opening one too. */
  readonly derived: readonly DerivedHolder[];
  /** Fewer replicas than this at hand: no epoch begins. Default 1. */
  readonly replicasRequired?: number;
  /**
   * Whether `leaves` says of every slot that was handed out durably: those it does not name then die at opening, with
   * what a process sealed under them and could not commit before it ended.
   */
  readonly unusedDie?: boolean;
  /** Must end the process. */
  readonly onFatal: (error: unknown) => void;
  /** For tests that break one step to show that it is missed. */
  readonly steps?: Partial<EpochSteps>;
}

export interface KeyringParts {
  readonly keystore: Keystore;
  readonly tree: Tree;
  readonly epoch: number;
  readonly fileName: string;
  /** No epoch gets a number that was ever seen, here or in the database. */
  readonly seenEpoch: number;
  readonly isRestoring: boolean;
  /** Names of files of epochs that a restore began and did not commit. */
  readonly abandoned: readonly string[];
  readonly leaves: readonly LeafRow[];
  readonly pending: readonly PunctureRequest[];
  readonly options: KeyringOptions;
}
