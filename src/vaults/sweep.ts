/**
 * What is left to do after the fact: rows of memories whose keys are destroyed are removed, and versions that no backup
 * needs any more have theirs destroyed. Each step can be done again; a crash only delays it.
 */
import type { Clock } from '../environment.ts';
import type { NewId, OrganizationId } from '../ids.ts';
import type { PunctureRequest } from '../keys/key-journal.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { Slot } from '../keys/slot.ts';
import type { SqlKeyJournal } from '../store/key-journal.ts';
import { SYSTEM, type Store } from '../store/store.ts';
import type { MemoryStore } from './memory-store.ts';

export interface SweepParts {
  readonly store: Store;
  readonly keyring: Keyring;
  readonly journal: SqlKeyJournal;
  readonly rows: MemoryStore;
  readonly newId: NewId;
  readonly clock: Clock;
}

/** Rows in one transaction: others wait for it. */
const SWEEP_ROWS = 500;

export class Sweep {
  readonly #parts: SweepParts;

  constructor(parts: SweepParts) {
    this.#parts = parts;
  }

  async run(): Promise<void> {
    await this.#purgeErased();
    await this.#endSuperseded();
  }

  /** A missing row never causes a puncture, so rows go only once the keyring says that their keys are gone. */
  async #purgeErased(): Promise<void> {
    const { store, keyring, rows } = this.#parts;
    const erased = await store.read(SYSTEM, (db) =>
      db.selectFrom('memories').select(['id', 'organization']).where('state', '=', 'erased').execute(),
    );
    for (const { id, organization } of erased) {
      await store.write(organization as OrganizationId, async (tx) => {
        const slots = await rows.slotsOf(tx.sql, id);
        if (slots.every((slot) => keyring.isErased(slot))) await rows.purge(tx, id);
      });
    }
  }

  async #endSuperseded(): Promise<void> {
    const { store, keyring, journal, newId, clock } = this.#parts;
    for (;;) {
      const due = await store.read(SYSTEM, (db) =>
        db
          .selectFrom('superseded_slots')
          .select('slot')
          .where('due_at', '<=', clock.now())
          .orderBy('slot')
          .limit(SWEEP_ROWS)
          .execute(),
      );
      if (due.length === 0) return;
      const slots = due.map(({ slot }) => slot as Slot);
      const alive = slots.filter((slot) => !keyring.isErased(slot));
      if (alive.length > 0) {
        const request: PunctureRequest = { id: newId('erasure'), slots: alive, reason: 'memory.superseded' };
        await store.write(SYSTEM, (tx) => journal.request(tx, request));
        const { state } = await keyring.puncture(request);
        // Too few replicas: the request stands, and the next sweep looks again.
        if (state !== 'destroyed') return;
      }
      await store.write(SYSTEM, (tx) =>
        tx.sql.deleteFrom('superseded_slots').where('slot', 'in', slots).execute(),
      );
    }
  }
}
