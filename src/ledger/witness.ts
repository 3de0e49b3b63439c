/**
 * The deployment's log as a witness beside the keystore sees it: how long it was and with which root, so that a store
 * that was set back, or grew differently since, is told apart (docs/keyring.md). Needs no key.
 */
import { isEqual } from '../bytes/equal.ts';
import { StrongroomError } from '../errors.ts';
import type { LedgerHead } from '../keys/key-journal.ts';
import type { LedgerWitness } from '../store/key-journal.ts';
import { SYSTEM, type Store } from '../store/store.ts';
import { DEPLOYMENT_LOG } from './entry.ts';
import { readHead, readRoot } from './log-rows.ts';

export class DeploymentWitness implements LedgerWitness {
  readonly #store: Pick<Store, 'read'>;

  constructor(store: Pick<Store, 'read'>) {
    this.#store = store;
  }

  /** Null before the first entry. */
  async ledgerHead(): Promise<LedgerHead | null> {
    const { size, root, generation } = await this.#store.read(SYSTEM, (db) => readHead(db, DEPLOYMENT_LOG));
    return size === 0 ? null : { size, root, generation };
  }

  /** Whether today's log is of the same generation and began as that head says. */
  ledgerConsistent({ size, root, generation }: LedgerHead): Promise<boolean> {
    return this.#store.read(SYSTEM, async (db) => {
      const head = await readHead(db, DEPLOYMENT_LOG);
      if (head.generation !== generation || head.size < size) return false;
      try {
        return isEqual(await readRoot(db, DEPLOYMENT_LOG, size), root);
      } catch (error) {
        // Tiles that give no root give no evidence that the log is the same.
        if (error instanceof RangeError || error instanceof StrongroomError) return false;
        throw error;
      }
    });
  }
}
