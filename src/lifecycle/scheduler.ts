/**
 * What ends by itself, once an hour: memories whose time is over, the trash, versions that no
 * backup needs. Each step can be done again; a crash only delays it. All of it left every answer before.
 *
 * Invariants: nothing is destroyed that the guard keeps; it is looked at again each time, and a page that is kept whole
 * keeps none behind it from its turn. Nothing is destroyed by a clock that is not plausible (plausible-time.ts).
 */
import { DAY_MS } from '../durations.ts';
import type { Clock } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { OrganizationId, VaultId } from '../ids.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { Slot } from '../keys/slot.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Destruction } from '../store/destruction.ts';
import { SYSTEM, type Store, type Tx } from '../store/store.ts';
import type { DeletionGuard } from '../vaults/deletion-guard.ts';
import type { Begun, Eraser } from '../vaults/eraser.ts';
import { livingOf } from '../vaults/living.ts';
import type { MemoryStore } from '../vaults/memory-store.ts';
import type { RetentionRules } from '../vaults/retention.ts';
import type { Vault } from '../vaults/vault.ts';
import { allVaults, dueMemories, vaultsWithTrash, type DueParts } from './due-memories.ts';
import type { PlausibleTime } from './plausible-time.ts';

export interface SchedulerParts extends DueParts {
  readonly store: Store;
  readonly keyring: Keyring;
  readonly destruction: Destruction;
  readonly guard: DeletionGuard;
  readonly eraser: Eraser;
  readonly retention: RetentionRules;
  readonly rows: MemoryStore;
  readonly ledger: Ledger;
  readonly time: PlausibleTime;
  readonly clock: Clock;
  /** How overdue what is most overdue is. */
  readonly overdueMs: () => Promise<number>;
}

/** What the last runs found, for whoever watches. */
export interface RetentionState {
  /** When a run last came to its end without an error; 0: never. */
  readonly ranAt: number;
  /** Beyond its time, of what is most overdue, as the last thorough run measured it. */
  readonly overdueMs: number;
  /** How far the clock is ahead of what is trusted. */
  readonly aheadMs: number;
}

/** One part of the work; what it throws keeps no other from being done. */
export type Chore = (now: number) => Promise<void>;

/** Rows in one transaction: others wait for it. */
const PAGE_ROWS = 500;

export class Scheduler {
  readonly #parts: SchedulerParts;
  readonly #chores: Chore[];
  #running: Promise<void> = Promise.resolve();
  #ranAt = 0;
  #overdueMs = 0;
  #thoroughAt = -Infinity;

  constructor(parts: SchedulerParts, more: readonly Chore[] = []) {
    this.#parts = parts;
    this.#chores = [
      (now) => this.#endExpired(now),
      (now) => this.#emptyTrash(now),
      () => this.#letGoVersions(),
      (now) => this.#endSuperseded(now),
      ...more,
    ];
  }

  /** One run after the other. Each part is tried whatever becomes of the others; throws what went wrong. */
  run(): Promise<void> {
    const run = this.#running.then(() => this.#runAll());
    this.#running = run.catch(() => undefined);
    return run;
  }

  get state(): RetentionState {
    return { ranAt: this.#ranAt, overdueMs: this.#overdueMs, aheadMs: this.#parts.time.aheadMs };
  }

  /** Once a day every row is looked at, and how overdue anything is. */
  #isThorough(now: number): boolean {
    return now - this.#thoroughAt >= DAY_MS || now < this.#thoroughAt;
  }

  async #measure(now: number): Promise<void> {
    this.#overdueMs = await this.#parts.overdueMs();
    this.#thoroughAt = now;
  }

  async #runAll(): Promise<void> {
    const { time, clock } = this.#parts;
    const errors: unknown[] = [];
    const measuring = this.#isThorough(time.now()) ? [(now: number) => this.#measure(now)] : [];
    for (const chore of [...this.#chores, () => time.keep(), ...measuring])
      await chore(time.now()).catch((error: unknown) => errors.push(error));
    if (errors.length === 0) this.#ranAt = clock.now();
    if (errors.length > 0) throw new AggregateError(errors, 'not everything that is over could be ended');
  }

  /** What has expired is out of every answer already; here its keys go. */
  async #endExpired(now: number): Promise<void> {
    const isThorough = this.#isThorough(now);
    for await (const vault of allVaults(this.#parts)) {
      const rules = await this.#parts.retention.of(vault);
      for await (const page of dueMemories(this.#parts, vault, { rules, now, isThorough }))
        await this.#erase(
          'memory.expire',
          vault,
          page.map(({ id }) => id),
        );
    }
  }

  /** What lay in the trash for its vault's number of days. */
  async #emptyTrash(now: number): Promise<void> {
    for await (const vault of vaultsWithTrash(this.#parts)) {
      const until = now - vault.deletion.days * DAY_MS;
      for (let after = ''; ;) {
        const rows = await this.#parts.store.read(vault.organization.id, (db) =>
          db
            .selectFrom('memories')
            .select('id')
            .where('vault', '=', vault.id)
            .where('state', '=', 'trashed')
            .where('trashed_at', '<=', until)
            .where('id', '>', after)
            .orderBy('id')
            .limit(PAGE_ROWS)
            .execute(),
        );
        await this.#erase(
          'memory.purge',
          vault,
          rows.map(({ id }) => id),
        );
        const last = rows.at(-1);
        if (last === undefined || rows.length < PAGE_ROWS) break;
        after = last.id;
      }
    }
  }

  async #erase(
    action: 'memory.expire' | 'memory.purge',
    vault: Vault,
    ids: readonly string[],
  ): Promise<void> {
    if (ids.length === 0) return;
    const { store } = this.#parts;
    try {
      const begun = await store.write(vault.organization.id, (tx) => this.#begin(tx, action, vault, ids));
      await begun?.finish();
    } catch (error) {
      if (!(error instanceof StrongroomError) || error.code !== 'held') throw error;
      // What was derived from one of them is held: the others go without it.
      if (ids.length > 1) for (const id of ids) await this.#erase(action, vault, [id]);
    }
  }

  /** What is held stays; what another erasure has ended is left to that one. */
  async #begin(
    tx: Tx,
    action: 'memory.expire' | 'memory.purge',
    vault: Vault,
    ids: readonly string[],
  ): Promise<Begun | null> {
    const { keyring, guard, eraser, ledger } = this.#parts;
    const living = (await livingOf(tx.sql, keyring, ids)).map(({ id }) => id);
    const targets = await guard.released(tx, vault.id, living);
    if (targets.length === 0) return null;
    const cause = action === 'memory.expire' ? 'expiry' : 'trash';
    const begun = await eraser.memories(tx, { principal: 'system', cause }, vault, targets);
    const entry = { principal: 'system', outcome: 'done', request: '', scope: [] } as const;
    const facts = { erasure: begun.id };
    ledger.append(tx, { ...entry, action, target: vault.id, targets, facts });
    return begun;
  }

  /** Older versions that a hold kept, and keeps no more, become what a change would have made them. */
  async #letGoVersions(): Promise<void> {
    const held = await this.#parts.store.read(SYSTEM, (db) =>
      db.selectFrom('held_versions').select('vault').distinct().execute(),
    );
    const holding = new Set(held.map(({ vault }) => vault));
    if (holding.size === 0) return;
    for await (const vault of allVaults(this.#parts)) {
      if (!holding.has(vault.id)) continue;
      for (let after = ''; ;) {
        const from = after;
        const last = await this.#parts.store.write(vault.organization.id, (tx) =>
          this.#letGoPage(tx, vault, from),
        );
        if (last === null) break;
        after = last;
      }
    }
  }

  async #letGoPage(tx: Tx, vault: Vault, after: string): Promise<string | null> {
    const { guard, rows } = this.#parts;
    const held = await tx.sql
      .selectFrom('held_versions')
      .leftJoin('memory_versions', (join) =>
        join
          .onRef('memory_versions.memory', '=', 'held_versions.memory')
          .onRef('memory_versions.version', '=', 'held_versions.version'),
      )
      .select(['held_versions.memory', 'held_versions.version', 'memory_versions.slot'])
      .where('held_versions.vault', '=', vault.id)
      .where('held_versions.memory', '>', after)
      .orderBy('held_versions.memory')
      .limit(PAGE_ROWS)
      .execute();
    if (held.length === 0) return null;
    const free = new Set(await guard.released(tx, vault.id, [...new Set(held.map(({ memory }) => memory))]));
    for (const { memory, version, slot } of held) {
      if (!free.has(memory)) continue;
      if (slot !== null && !vault.history) await rows.supersede(tx, vault, { memory, version, slot });
      await tx.sql
        .deleteFrom('held_versions')
        .where('memory', '=', memory)
        .where('version', '=', version)
        .execute();
    }
    // A memory whose versions went over the page's end is looked at again by the next run.
    return held.length < PAGE_ROWS ? null : (held.at(-1)?.memory ?? null);
  }

  async #endSuperseded(now: number): Promise<void> {
    const { store } = this.#parts;
    for (let after = -1; ;) {
      const from = after;
      const due = await store.read(SYSTEM, (db) =>
        db
          .selectFrom('superseded_slots')
          .select(['slot', 'organization', 'vault', 'memory'])
          .where('due_at', '<=', now)
          .where('slot', '>', from)
          .orderBy('slot')
          .limit(PAGE_ROWS)
          .execute(),
      );
      for (const page of Map.groupBy(due, ({ vault }) => vault).values())
        if (!(await this.#endSlots(page))) return;
      const last = due.at(-1);
      if (last === undefined || due.length < PAGE_ROWS) return;
      after = last.slot;
    }
  }

  /** False where a replica is away: the request stands, and the next run looks again. */
  async #endSlots(
    due: readonly {
      readonly slot: number;
      readonly organization: string;
      readonly vault: string;
      readonly memory: string;
    }[],
  ): Promise<boolean> {
    const { store, keyring, destruction, guard } = this.#parts;
    const [first] = due;
    if (first === undefined) return true;
    const { organization, vault } = first;
    const { slots, order } = await store.write(organization as OrganizationId, async (tx) => {
      const memories = [...new Set(due.map(({ memory }) => memory))];
      const free = new Set(await guard.released(tx, vault as VaultId, memories));
      const slots = due.flatMap(({ slot, memory }) => (free.has(memory) ? [slot as Slot] : []));
      const alive = slots.filter((slot) => !keyring.isErased(slot));
      const order = alive.length === 0 ? null : await destruction.order(tx, alive, 'memory.superseded');
      return { slots, order };
    });
    if (order !== null && (await destruction.carryOut(order)).state !== 'destroyed') return false;
    if (slots.length > 0)
      await store.write(SYSTEM, (tx) =>
        tx.sql.deleteFrom('superseded_slots').where('slot', 'in', slots).execute(),
      );
    return true;
  }
}
