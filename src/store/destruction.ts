/**
 * How slots die: asked for in the transaction that makes their content unreachable, carried out by the keyring's next
 * epoch. What was asked for durably is done, at the latest after the next opening; what was not never happens.
 *
 * From the asking on nothing opens with them any more, for the jobs that follow in the same commit too: no writer who
 * comes after an erasure can seal under what it ends. A job that fails takes its refusal back.
 */
import type { NewId } from '../ids.ts';
import type { PunctureRequest } from '../keys/key-journal.ts';
import type { Keyring, PunctureOutcome } from '../keys/keyring.ts';
import type { Slot } from '../keys/slot.ts';
import type { SqlKeyJournal } from './key-journal.ts';
import { SYSTEM, type Flusher, type Store, type Tx } from './store.ts';

export interface DestructionParts {
  readonly store: Store;
  readonly keyring: Keyring;
  readonly journal: SqlKeyJournal;
  readonly newId: NewId;
}

interface Refused {
  readonly slots: readonly Slot[];
  readonly takeBack: () => void;
}

export class Destruction {
  readonly #parts: DestructionParts;
  readonly #refused: Flusher<Refused> = {
    flush: () => Promise.resolve(),
    committed: (items) => {
      // A job of the commit that failed may have taken back what it shared with another.
      if (this.#hasTakenBack) for (const { item } of items) this.#parts.keyring.refuse(item.slots);
      this.#hasTakenBack = false;
    },
    failed: (items) => {
      this.#hasTakenBack = true;
      for (const { item } of items) item.takeBack();
    },
  };
  /** Since the last commit that asked for anything. */
  #hasTakenBack = false;

  constructor(parts: DestructionParts) {
    this.#parts = parts;
  }

  /** Asks, in the caller's transaction: once it commits, a crash only delays the end. `reason` is content-free. */
  async order(
    tx: Tx,
    slots: readonly Slot[],
    reason: string,
    id: string = this.#parts.newId('erasure'),
  ): Promise<PunctureRequest> {
    const { keyring, journal } = this.#parts;
    const request: PunctureRequest = { id, slots, reason };
    tx.defer(this.#refused, { slots, takeBack: keyring.refuse(slots) });
    keyring.lookAhead(slots);
    await journal.request(tx, request);
    return request;
  }

  /** `hidden` where a replica of the keystore is away: the keys go once it is back, or is declared lost. */
  carryOut(order: PunctureRequest): Promise<PunctureOutcome> {
    return this.#parts.keyring.puncture(order);
  }

  /** Asks and carries out; slots that are dead already stay so. */
  async now(slots: readonly Slot[], reason: string): Promise<PunctureOutcome> {
    return this.carryOut(await this.#parts.store.write(SYSTEM, (tx) => this.order(tx, slots, reason)));
  }
}
