/**
 * Erasures: the state machine by which content ends, whatever asked for it.
 *
 *     requested   a grace period runs; it can still be taken back
 *     hidden      durable: nothing opens it any more, and no write can; its keys are asked to die
 *     destroyed   no replica of the keystore can derive its keys; a certificate can be had
 *     purged      the rows are gone as well
 *
 * What is erased is a list of slots: a person with a hundred thousand memories is one. Nothing is done row by row before
 * the keys are gone: from the asking on the keyring refuses the slots, so reads treat their rows as gone, and the rows
 * follow in small transactions. Every step can be done again; what a crash leaves is finished at the next opening and by
 * the chores. Fault points: `erasure.hidden`, `erasure.destroyed`, `erasure.complete`, `erasure.purge`.
 */
import type { Organization, Organizations } from '../access/organizations.ts';
import { digestOfRanges } from './slot-digest.ts';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { ErasureId, NewId, OrganizationId, VaultId } from '../ids.ts';
import type { Keyring } from '../keys/keyring.ts';
import { decodeSlots, type Slot } from '../keys/slot.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Destruction } from '../store/destruction.ts';
import type { ErasureRow } from '../store/schema.ts';
import { insertRows, SYSTEM, type Flusher, type Store, type Tx } from '../store/store.ts';
import type { DeletionGuard } from '../vaults/deletion-guard.ts';
import { chunks, tiedTo, withDerived } from '../vaults/derivations.ts';
import type { Begun, Eraser, ErasedBy } from '../vaults/eraser.ts';
import type { VaultIndexes } from '../vaults/indexes.ts';
import type { Conversation, People, Subject } from '../vaults/people.ts';
import type { Vaults } from '../vaults/vaults.ts';
import type { Vault } from '../vaults/vault.ts';
import type { Purge } from './purge.ts';
import type { Burials } from './burials.ts';
import type { ErasureNotes } from './erasure-notes.ts';
import { livingOf, type LivingMemory } from '../vaults/living.ts';
import type { Buried } from '../vaults/tombstones.ts';

export interface ErasuresParts {
  readonly store: Store;
  readonly keyring: Keyring;
  readonly destruction: Destruction;
  readonly guard: DeletionGuard;
  readonly ledger: Ledger;
  readonly organizations: Organizations;
  readonly vaults: Vaults;
  readonly people: People;
  readonly indexes: VaultIndexes;
  readonly burials: Burials;
  readonly purge: Purge;
  readonly notes: ErasureNotes;
  readonly newId: NewId;
  readonly environment: Environment;
  /** The time by which a grace period is over: none that is not plausible. */
  readonly dueNow: () => number;
  /** Told of a purge that failed: it is tried again with the next chores. */
  readonly onError: (error: unknown) => void;
}

/** What is about to be asked for. */
interface Spec {
  readonly kind: ErasureRow['kind'];
  readonly organization: OrganizationId;
  readonly vault: string | null;
  readonly target: string;
  readonly slots: readonly Slot[];
  readonly by: RequestedBy;
  readonly count: number | null;
  readonly dueAt?: number;
  /** What it leaves behind, where a vault asks for that. */
  readonly buried?: readonly Buried[];
}

/** Who asks, and by what they will know their certificate. */
export interface RequestedBy extends ErasedBy {
  readonly requester?: string | null;
  readonly receipt?: Uint8Array | undefined;
}

/** So few rows go before the answer; more go after it. */
const AT_ONCE_SLOTS = 500;
const OPEN_STATES = ['requested', 'hidden', 'destroyed'] as const;

/** Older slots that go along with a person or a conversation, and the memories whose versions they open. */
interface Tied {
  readonly slots: readonly Slot[];
  readonly memories: readonly string[];
}

export class Erasures implements Eraser {
  readonly #parts: ErasuresParts;
  /** Purges run one after the other, oldest erasure first, so that each counts what is its own. */
  #purging: Promise<void> = Promise.resolve();
  /** After the commit: what lies open in memory goes. */
  readonly #forgotten: Flusher<() => Promise<void>> = {
    flush: () => Promise.resolve(),
    committed: (items) => {
      for (const { item } of items) item().catch(this.#onError);
    },
  };

  constructor(parts: ErasuresParts) {
    this.#parts = parts;
  }

  async memories(
    tx: Tx,
    by: RequestedBy,
    vault: Pick<Vault, 'id' | 'organization'>,
    ids: readonly string[],
  ): Promise<Begun & { readonly count: number }> {
    const { guard, indexes } = this.#parts;
    const all = await withDerived(tx.sql, vault.organization.id, ids);
    const living = await livingOf(tx.sql, this.#parts.keyring, all);
    for (const [id, own] of Map.groupBy(living, (memory) => memory.vault)) {
      const memories = own.map((memory) => memory.id);
      await guard.require(tx, { kind: 'memories', vault: id, memories });
      indexes.change(tx, { id }, { removed: memories });
    }
    const buried = await this.#bury(tx, vault.organization, living);
    const begun = await this.#begin(tx, {
      kind: 'memories',
      organization: vault.organization.id,
      vault: vault.id,
      target: ids.length === 1 && ids[0] !== undefined ? ids[0] : vault.id,
      slots: living.flatMap(({ slots }) => slots),
      by,
      buried,
      count: living.length,
    });
    return { ...begun, count: living.length };
  }

  async subject(tx: Tx, by: RequestedBy, organization: Organization, subject: Subject): Promise<Begun> {
    const { guard, people, indexes, burials } = this.#parts;
    await guard.require(tx, { kind: 'subject', subject: subject.id });
    const tied = await this.#tied(tx, subject.slot);
    const slots = [subject.slot, ...tied.slots];
    const buried = await burials.ofPerson(tx, organization, new Set(slots));
    const forgotten = { subject: subject.name, conversation: null, memories: tied.memories };
    indexes.changeAll(tx, organization.id, { forgotten });
    const spec = { kind: 'subject', vault: null, target: subject.id, count: null } as const;
    const begun = await this.#begin(tx, { ...spec, organization: organization.id, slots, by, buried });
    // Later than their keys: an index that is being filled finds theirs by this name.
    await people.forgetSubject(tx, organization.id, subject);
    return begun;
  }

  async conversation(tx: Tx, by: RequestedBy, vault: Vault, conversation: Conversation): Promise<Begun> {
    const { guard, people, indexes, burials } = this.#parts;
    await guard.require(tx, { kind: 'conversation', vault: vault.id, conversation: conversation.id });
    const tied = await this.#tied(tx, conversation.slot);
    const slots = [conversation.slot, ...tied.slots];
    const buried = await burials.ofConversation(tx, vault, new Set(slots));
    const forgotten = { subject: null, conversation: conversation.name, memories: tied.memories };
    indexes.change(tx, vault, { forgotten });
    const spec = { kind: 'conversation', vault: vault.id, target: conversation.id, count: null } as const;
    const begun = await this.#begin(tx, { ...spec, organization: vault.organization.id, slots, by, buried });
    // As above.
    await people.forgetConversation(tx, vault, conversation);
    return begun;
  }

  async vault(tx: Tx, by: RequestedBy, vault: Vault): Promise<Begun> {
    const { guard, vaults, indexes } = this.#parts;
    await guard.require(tx, { kind: 'vault', vault: vault.id });
    await tx.sql
      .updateTable('vaults')
      .set({ state: 'erased', deleted_at: this.#now(), change: tx.change })
      .where('id', '=', vault.id)
      .execute();
    await vaults.forget(tx, vault);
    tx.defer(this.#forgotten, () => indexes.drop(vault));
    const spec = { kind: 'vault', vault: vault.id, target: vault.id, count: null } as const;
    return this.#begin(tx, { ...spec, organization: vault.organization.id, slots: [vault.slot], by });
  }

  /** Asks for the end of an organization on a day; until then it can be taken back. */
  async closing(tx: Tx, by: RequestedBy, organization: Organization, dueAt: number): Promise<ErasureId> {
    const { guard, organizations, newId } = this.#parts;
    await guard.require(tx, { kind: 'organization' });
    await organizations.setClosing(tx, organization, true);
    const spec = { kind: 'organization', vault: null, target: organization.id, count: null } as const;
    const id = newId('erasure');
    await this.#insert(tx, id, { ...spec, organization: organization.id, slots: [], by, dueAt }, 'requested');
    return id;
  }

  /** Takes back what is only requested; what has been taken back stays so. */
  async cancel(tx: Tx, row: ErasureRow): Promise<void> {
    const { organizations } = this.#parts;
    const { numUpdatedRows } = await tx.sql
      .updateTable('erasures')
      .set({ state: 'cancelled', change: tx.change })
      .where('id', '=', row.id)
      .where('state', '=', 'requested')
      .executeTakeFirst();
    if (numUpdatedRows === 0n && row.state === 'cancelled') return;
    if (numUpdatedRows === 0n)
      throw new StrongroomError(
        'conflict',
        `the erasure is ${row.state === 'purged' ? 'done' : 'under way'} and cannot be taken back`,
      );
    await organizations.setClosing(tx, await organizations.get(row.organization as OrganizationId), false);
  }

  /**
   * Goes on with everything that is not done: at the opening, with each chore, and where a replica came back. What
   * fails keeps the rest from nothing; throws what went wrong.
   */
  async resume(): Promise<void> {
    const rows = await this.#parts.store.read(SYSTEM, (db) =>
      db.selectFrom('erasures').selectAll().where('state', 'in', OPEN_STATES).orderBy('id').execute(),
    );
    const errors: unknown[] = [];
    for (const row of rows) await this.#advance(row).catch((error: unknown) => errors.push(error));
    await this.#parts.notes.flush(this.#now()).catch((error: unknown) => errors.push(error));
    if (errors.length > 0) throw new AggregateError(errors, 'not every erasure could be taken further');
  }

  /** Waits until nothing is being purged. */
  async settled(): Promise<void> {
    for (let seen: Promise<void> | null = null; seen !== this.#purging;) {
      seen = this.#purging;
      await seen;
    }
  }

  async close(): Promise<void> {
    this.#parts.purge.stop();
    await this.#purging;
    await this.#parts.notes.flush(this.#now()).catch(this.#onError);
  }

  async #advance(row: ErasureRow): Promise<void> {
    if (row.state === 'requested') {
      if (row.due_at !== null && row.due_at <= this.#parts.dueNow()) await this.#fallDue(row);
      return;
    }
    if (row.state === 'hidden' && !(await this.#tryComplete(row.id))) return;
    await this.#purge(row.id);
  }

  /** The grace period is over. A hold that was placed meanwhile keeps the organization until it is released. */
  async #fallDue(row: ErasureRow): Promise<void> {
    const { store, destruction, guard, organizations, vaults, people, indexes } = this.#parts;
    const id = row.organization as OrganizationId;
    const organization = await organizations.get(id);
    const request = await store.write(id, async (tx) => {
      try {
        await guard.require(tx, { kind: 'organization' });
      } catch (error) {
        if (error instanceof StrongroomError && error.code === 'held') return null;
        throw error;
      }
      const request = await destruction.order(tx, [organization.slot], 'erasure.organization', row.id);
      await tx.sql
        .updateTable('erasures')
        .set({ state: 'hidden', hidden_at: this.#now(), slots: 1, change: tx.change })
        .where('id', '=', row.id)
        .execute();
      tx.defer(this.#forgotten, () => indexes.dropOf(id));
      return request;
    });
    if (request === null) return;
    organizations.drop(id);
    vaults.drop(id);
    people.drop({ organization: id, vault: null });
    await this.#carryOut(request.id, request.slots, 'erasure.organization');
    await this.note(request.id);
  }

  /** What is destroyed along with a person or a conversation; none of it may be held. */
  async #tied(tx: Tx, to: Slot): Promise<Tied> {
    const slots = await tiedTo(tx.sql, to);
    const memories = new Set<string>();
    for (const part of chunks(slots))
      for (const table of ['memory_versions', 'archived_versions'] as const) {
        const rows = await tx.sql
          .selectFrom(table)
          .select(['memory', 'vault'])
          .where('slot', 'in', part)
          .execute();
        for (const { memory } of rows) memories.add(memory);
        for (const [vault, own] of Map.groupBy(rows, (row) => row.vault as VaultId))
          await this.#parts.guard.require(tx, {
            kind: 'memories',
            vault,
            memories: own.map(({ memory }) => memory),
          });
      }
    return { slots, memories: [...memories] };
  }

  async #begin(tx: Tx, spec: Spec): Promise<Begun> {
    const { destruction, newId } = this.#parts;
    const id = newId('erasure');
    await this.#insert(tx, id, spec, 'hidden');
    const reason = `erasure.${spec.kind}`;
    await destruction.order(tx, spec.slots, reason, id);
    return { id, count: spec.count, finish: () => this.#finish(id, spec, reason) };
  }

  async #insert(tx: Tx, id: ErasureId, spec: Spec, state: 'requested' | 'hidden'): Promise<void> {
    const { kind, organization, vault, target, by, slots } = spec;
    const now = this.#now();
    const row: ErasureRow = {
      id,
      organization,
      kind,
      vault,
      target,
      cause: by.cause,
      state,
      requested_by: by.principal,
      requester: by.requester ?? null,
      receipt: kind === 'organization' ? (by.receipt ?? null) : null,
      requested_at: now,
      due_at: spec.dueAt ?? null,
      hidden_at: state === 'hidden' ? now : null,
      destroyed_at: null,
      purged_at: null,
      slots: slots.length,
      counted: spec.count,
      removed: 0,
      certificate: null,
      change: tx.change,
    };
    await insertRows(tx.sql, 'erasures', [row]);
  }

  async #finish(id: string, { slots, buried = [] }: Spec, reason: string): Promise<'done' | 'accepted'> {
    const { notes } = this.#parts;
    const outcome = await this.#carryOut(id, slots, reason);
    notes.add(id, buried);
    if (buried.length > 0) await notes.flush(this.#now());
    return outcome;
  }

  /** What is asked for on a day, or taken back, must hold whatever becomes of the database. */
  async note(id: string): Promise<void> {
    const { notes } = this.#parts;
    notes.add(id);
    await notes.flush(this.#now());
  }

  async #carryOut(id: string, slots: readonly Slot[], reason: string): Promise<'done' | 'accepted'> {
    const { destruction, environment } = this.#parts;
    environment.fault('erasure.hidden');
    const { state } = await destruction.carryOut({ id, slots, reason });
    environment.fault('erasure.destroyed');
    if (state !== 'destroyed' || !(await this.#tryComplete(id))) return 'accepted';
    const purged = this.#purge(id);
    if (reason === 'erasure.memories' && slots.length <= AT_ONCE_SLOTS) await purged;
    return 'done';
  }

  /** Whether every replica has forgotten; then the ledger says so, once. */
  async #tryComplete(id: string): Promise<boolean> {
    const { store, keyring, destruction, environment } = this.#parts;
    const request = await this.#requestOf(id);
    if (request === null) return false;
    const slots = decodeSlots(request.slots);
    if (request.state !== 'destroyed') {
      // Dead where it could be reached: it waits for a replica that is away.
      if (slots.every((slot) => keyring.isDestroyed(slot))) return false;
      const { state } = await destruction.carryOut({ id, slots, reason: request.reason });
      if (state !== 'destroyed') return false;
      return this.#tryComplete(id);
    }
    if (!slots.every((slot) => keyring.isDestroyed(slot)))
      throw new StrongroomError('keyring.damaged', `a slot of ${id} is alive after its destruction`);
    environment.fault('erasure.complete');
    const row = await this.row(id);
    if (row === null) return false;
    await store.write(row.organization as OrganizationId, async (tx) => {
      const destroyed_at = request.destroyed_at ?? this.#now();
      const { numUpdatedRows } = await tx.sql
        .updateTable('erasures')
        .set({ state: 'destroyed', destroyed_at, change: tx.change })
        .where('id', '=', id)
        .where('state', '=', 'hidden')
        .executeTakeFirst();
      if (numUpdatedRows === 0n) return;
      const facts = {
        kind: row.kind,
        slots: slots.length,
        digest: digestOfRanges(slots),
        epoch: request.epoch,
      };
      const entry = { principal: 'system', outcome: 'done', request: '', scope: [] } as const;
      this.#parts.ledger.append(tx, { ...entry, action: 'erasure.complete', target: id, facts });
    });
    return true;
  }

  /** How many are hidden and not destroyed: they wait for a replica that is away, or for a moment. */
  async waiting(): Promise<number> {
    const { waiting } = await this.#parts.store.read(SYSTEM, (db) =>
      db
        .selectFrom('erasures')
        .select((of) => of.fn.countAll<number | bigint>().as('waiting'))
        .where('state', '=', 'hidden')
        .executeTakeFirstOrThrow(),
    );
    return Number(waiting);
  }

  async row(id: string): Promise<ErasureRow | null> {
    const row = await this.#parts.store.read(SYSTEM, (db) =>
      db.selectFrom('erasures').selectAll().where('id', '=', id).executeTakeFirst(),
    );
    return row ?? null;
  }

  async #requestOf(id: string) {
    const row = await this.#parts.store.read(SYSTEM, (db) =>
      db.selectFrom('key_requests').selectAll().where('id', '=', id).executeTakeFirst(),
    );
    return row ?? null;
  }

  #purge(id: string): Promise<void> {
    const { purge, notes } = this.#parts;
    const turn = this.#purging.then(async () => {
      await purge.run(id);
      // How many went is known now.
      notes.add(id);
    });
    this.#purging = turn.catch(this.#onError);
    return this.#purging;
  }

  readonly #onError = (error: unknown): void => this.#parts.onError(error);

  #bury(tx: Tx, organization: Organization, living: readonly LivingMemory[]): Promise<readonly Buried[]> {
    return this.#parts.burials.ofMemories(tx, organization, living);
  }

  #now(): number {
    return this.#parts.environment.clock.now();
  }
}
