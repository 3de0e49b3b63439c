/**
 * What lies beside the roots, `intents` and `witness`, as a running keyring writes them: both under the keystore's own slots, in
 * every replica at hand. An error in writing stops the keyring.
 */
import type { Environment } from '../environment.ts';
import type { Halt } from './halt.ts';
import { withIntents, type Intents } from './intents.ts';
import type { KeyJournal } from './key-journal.ts';
import { isDiskError, type Keystore, type Reach } from './keystore.ts';
import type { EpochPlan } from './plan.ts';
import { sideGeneration, sideSlots, type SideKeys } from './sealed-side.ts';
import type { SlotKeys } from './slot-keys.ts';
import type { Slot } from './slot.ts';
import { compareLedger, witnessedLedger, type Witness } from './witness.ts';

export interface SideFilesParts {
  readonly keystore: Keystore;
  readonly keys: SlotKeys;
  readonly journal: KeyJournal;
  readonly environment: Environment;
  readonly halt: Halt;
  /** The number of the epoch that is in force. */
  readonly epoch: () => number;
}

export class SideFiles {
  readonly #parts: SideFilesParts;

  constructor(parts: SideFilesParts) {
    this.#parts = parts;
  }

  /** Under which of the keystore's own keys the files lie. */
  get generation(): number {
    return sideGeneration(this.#keys());
  }

  /** The slots of those keys. */
  get slots(): readonly Slot[] {
    return Object.values(sideSlots(this.generation));
  }

  writeIntents(intents: Intents, reach: Reach): Promise<void> {
    const { keystore, halt } = this.#parts;
    return halt.orStop(() => keystore.writeIntents(intents, this.#keys(), reach.targets));
  }

  /** Before the root of a restore's epoch exists anywhere, the intents say what it will be. */
  async announceRestore(
    plan: EpochPlan,
    { generation, abandoned, reach }: { generation: number; abandoned: readonly string[]; reach: Reach },
  ): Promise<void> {
    const { keystore, environment } = this.#parts;
    environment.fault('restore.intent');
    const gone = abandoned.map((file) => ({ kind: 'abandoned', file }) as const);
    const begun = { kind: 'restore', epoch: plan.order.epoch, file: plan.fileName, generation } as const;
    await this.writeIntents(withIntents(keystore.intents, [...gone, begun]), reach);
  }

  /** A replica that was away has missed what was written here. */
  async catchUp(reach: Reach): Promise<void> {
    const { keystore, environment } = this.#parts;
    if (reach.targets.every(({ isCurrent }) => isCurrent)) return;
    environment.fault('epoch.intents');
    await this.writeIntents(keystore.intents, reach);
  }

  /** Both files lie under the next keys, in every replica, before the root exists without which the old keys are gone. */
  async turn(reach: Reach): Promise<void> {
    const { keystore, environment } = this.#parts;
    environment.fault('epoch.sides');
    await keystore.resealSides(this.#keys(), this.generation + 1, reach.targets);
  }

  /**
   * Whether the ledger still goes on from what the keystore has seen of it: throws `store.older` if not, and before the
   * witness is written anew, or an older store put under a running process would become what was seen.
   */
  requireLedger(): Promise<void> {
    const { keystore, journal } = this.#parts;
    return compareLedger(keystore.witness, journal);
  }

  /** What the keystore has seen of the ledger, at this moment. */
  async writeWitness(
    reach: Reach,
    known: { readonly generation?: number; readonly backup?: string } = {},
  ): Promise<void> {
    const { keystore, halt } = this.#parts;
    const seen = await this.#seen(known);
    await halt.orStop(() => keystore.writeWitness(seen, this.#keys(), reach.targets));
  }

  /** The same between epochs: replaced by rename, so a full disk leaves the older witness whole and ends nothing. */
  async renewWitness(reach: Reach): Promise<void> {
    const { keystore, halt } = this.#parts;
    const seen = await this.#seen({});
    try {
      await keystore.writeWitness(seen, this.#keys(), reach.targets);
    } catch (error) {
      if (isDiskError(error) && error.code === 'ENOSPC') throw error;
      await halt.orStop(() => Promise.reject(error as Error));
    }
  }

  async #seen(known: { readonly generation?: number; readonly backup?: string }): Promise<Witness> {
    const { keystore, journal, epoch } = this.#parts;
    const head = await journal.ledgerHead();
    const { witness, intents } = keystore;
    return {
      epoch: epoch(),
      intents: intents.revision,
      generation: head?.generation ?? known.generation ?? witness.generation,
      ledger: witnessedLedger(head),
      backup: known.backup ?? witness.backup,
    };
  }

  #keys(): SideKeys {
    const { keystore, keys } = this.#parts;
    return { deployment: keystore.deployment, key: (slot) => keys.key(slot) };
  }
}
