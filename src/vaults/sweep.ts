/**
 * What is left to do after the fact: memories that have expired or lain in the trash long enough are
 * erased, rows whose keys are destroyed are removed,
 * and versions that no backup needs any more have theirs destroyed. Each step can be done again; a crash only delays it.
 */
import type { Clock } from '../environment.ts';
import type { OrganizationId, VaultId } from '../ids.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { Slot } from '../keys/slot.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Destruction } from '../store/destruction.ts';
import { SYSTEM, type Store } from '../store/store.ts';
import type { VaultIndexes } from './indexes.ts';
import type { MemoryStore } from './memory-store.ts';

export interface SweepParts {
  readonly store: Store;
  readonly keyring: Keyring;
  readonly destruction: Destruction;
  readonly rows: MemoryStore;
  readonly indexes: VaultIndexes;
  readonly ledger: Ledger;
  readonly clock: Clock;
}

/** Rows in one transaction: others wait for it. */
const SWEEP_ROWS = 500;
const DAY_MS = 86_400_000;

/** A memory whose time is over. */
interface Due {
  readonly id: string;
  readonly organization: string;
  readonly vault: string;
}

export class Sweep {
  readonly #parts: SweepParts;

  constructor(parts: SweepParts) {
    this.#parts = parts;
  }

  /** Each part is tried whatever becomes of the others; throws what went wrong. */
  async run(): Promise<void> {
    const parts = [
      () => this.#endExpired(),
      () => this.#emptyTrash(),
      () => this.#purgeErased(),
      () => this.#endSuperseded(),
    ];
    const errors: unknown[] = [];
    for (const part of parts) await part().catch((error: unknown) => errors.push(error));
    if (errors.length > 0) throw new AggregateError(errors, 'not everything could be swept');
  }

  /** What has expired is out of every answer already; here its keys go. */
  async #endExpired(): Promise<void> {
    const { store, clock } = this.#parts;
    await this.#eraseAll('memory.expire', () =>
      store.read(SYSTEM, (db) =>
        db
          .selectFrom('memories')
          .select(['id', 'organization', 'vault'])
          .where('expires_at', '<=', clock.now())
          .where('state', '!=', 'erased')
          .orderBy('id')
          .limit(SWEEP_ROWS)
          .execute(),
      ),
    );
  }

  /** What lay in the trash for its vault's number of days. */
  async #emptyTrash(): Promise<void> {
    const { store, clock } = this.#parts;
    const vaults = await store.read(SYSTEM, (db) =>
      db.selectFrom('vaults').select(['id', 'deletion_days']).execute(),
    );
    for (const vault of vaults) {
      const until = clock.now() - vault.deletion_days * DAY_MS;
      await this.#eraseAll('memory.purge', () =>
        store.read(SYSTEM, (db) =>
          db
            .selectFrom('memories')
            .select(['id', 'organization', 'vault'])
            .where('vault', '=', vault.id)
            .where('state', '=', 'trashed')
            .where('trashed_at', '<=', until)
            .orderBy('id')
            .limit(SWEEP_ROWS)
            .execute(),
        ),
      );
    }
  }

  /** Erases what `next` finds until it finds nothing more. */
  async #eraseAll(
    action: 'memory.expire' | 'memory.purge',
    next: () => Promise<readonly Due[]>,
  ): Promise<void> {
    const { store, destruction, rows, indexes, ledger } = this.#parts;
    for (let due = await next(); due.length > 0; due = await next()) {
      for (const [organization, memories] of byOrganization(due)) {
        const request = await store.write(organization, async (tx) => {
          const slots: Slot[] = [];
          for (const { id, vault } of memories) {
            slots.push(...(await rows.slotsOf(tx.sql, id)));
            await rows.setState(tx, id, 'erased');
            indexes.change(tx, { id: vault as VaultId }, { removed: [id] });
          }
          const targets = memories.map(({ id }) => id);
          const entry = { principal: 'system', outcome: 'done', request: '', scope: [] } as const;
          ledger.append(tx, { ...entry, action, target: organization, targets });
          return destruction.order(tx, slots, action);
        });
        await destruction.carryOut(request);
      }
    }
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
    const { store, keyring, destruction, clock } = this.#parts;
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
        const { state } = await destruction.now(alive, 'memory.superseded');
        // Too few replicas: the request stands, and the next sweep looks again.
        if (state !== 'destroyed') return;
      }
      await store.write(SYSTEM, (tx) =>
        tx.sql.deleteFrom('superseded_slots').where('slot', 'in', slots).execute(),
      );
    }
  }
}

const byOrganization = <Row extends { readonly organization: string }>(
  rows: readonly Row[],
): ReadonlyMap<OrganizationId, readonly Row[]> =>
  Map.groupBy(rows, (row) => row.organization as OrganizationId);
