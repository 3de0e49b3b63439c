/**
 * Legal holds: placed, shown, released. While one stands, nothing it keeps can end by any path (hold-guard.ts); what has
 * expired stays out of every ordinary answer and is shown to whoever may read the hold.
 */
import type { SelectQueryBuilder } from 'kysely';
import type { Hold as HoldView, HoldInput, HoldPage, Memory, MemoryPage } from '@strongroom/client';
import type { Access } from '../access/access.ts';
import type { RequestContext } from '../access/context.ts';
import type { Organizations } from '../access/organizations.ts';
import type { Deed, Recorder } from '../access/recorder.ts';
import type { Cursors } from '../access/cursors.ts';
import type { Clock } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { isId, type HoldId, type NewId, type OrganizationId } from '../ids.ts';
import type { RecordSealer } from '../keys/record-sealer.ts';
import { LIMITS } from '../limits.ts';
import type { HoldRow } from '../store/schema-retention.ts';
import type { Database } from '../store/schema.ts';
import type { SlotAllocator } from '../store/slots.ts';
import type { Store, Tx } from '../store/store.ts';
import { invalid } from '../vaults/memory-input.ts';
import { openArchived, selectArchived } from '../vaults/archived-row.ts';
import { memoryView, openMemory } from '../vaults/memory-row.ts';
import { selectJoined, type MemoryStore } from '../vaults/memory-store.ts';
import type { People } from '../vaults/people.ts';
import type { Vault } from '../vaults/vault.ts';
import type { Vaults } from '../vaults/vaults.ts';
import type { HoldGuard } from './hold-guard.ts';
import { aboutOf, insertHeld, type HoldNote, type HoldNotes } from './hold-notes.ts';
import { holdView, openAbout, sealAbout, type HoldNames, type HoldPlace } from './hold-row.ts';

export interface HoldsParts {
  readonly store: Store;
  readonly sealer: RecordSealer;
  readonly slots: SlotAllocator;
  readonly organizations: Organizations;
  readonly access: Access;
  readonly recorder: Recorder;
  readonly cursors: Cursors;
  readonly vaults: Vaults;
  readonly people: People;
  readonly rows: MemoryStore;
  readonly guard: HoldGuard;
  readonly notes: HoldNotes;
  readonly newId: NewId;
  readonly clock: Clock;
}

/** A target with the vault it was found through, for the question whether it may be held. */
interface Found {
  readonly place: HoldPlace;
  readonly vault: Vault | null;
}

/** Memories looked at for one page of what a hold keeps. */
const PAGE_ROWS = 200;

export class Holds {
  readonly #parts: HoldsParts;

  constructor(parts: HoldsParts) {
    this.#parts = parts;
  }

  async placeHold(context: RequestContext, input: HoldInput): Promise<HoldView> {
    const { store, organizations, sealer, slots, recorder, notes, newId, clock } = this.#parts;
    const { place, vault } = await this.#find(context, input);
    this.#parts.access.require(context, 'hold.place', vault);
    const organization = await organizations.get(context.organization);
    await this.#requireRoom(organization.id);
    const id = newId('hold');
    // A slot of its own before anything is sealed under it; the note carries the box.
    const slot = await store.write(organization.id, (tx) => slots.takeOne(tx, organization.id));
    const about = { name: input.name, reason: input.reason };
    const about_box = sealAbout(sealer, organization, { id, slot }, about);
    const note: HoldNote = {
      state: 'active',
      organization: organization.id,
      hold: place,
      placedBy: context.principal.id,
      at: clock.now(),
      releasedAt: null,
      ...aboutOf({ slot, about_box }),
    };
    // Beside the root first: what is acknowledged then survives a restore from before it.
    await notes.keep(id, note);
    const row = await recorder
      .write(context, async (tx) => {
        const row: HoldRow = {
          id,
          organization: organization.id,
          state: 'active',
          kind: place.kind,
          vault: place.vault,
          target: place.target,
          slot,
          about_box,
          placed_by: context.principal.id,
          created_at: note.at,
          released_at: null,
          change: tx.change,
        };
        // It may have been erased between the looking and now: a hold that is said to stand holds something.
        if (vault !== null) await requireKept(tx, vault, place.memories);
        await tx.sql.insertInto('holds').values(row).execute();
        await insertHeld(tx, id, organization.id, place.memories);
        const targets = [place.vault, place.target, ...place.memories].filter((one) => one !== null);
        const deed: Deed = { action: 'hold.place', target: id, targets, facts: { kind: place.kind } };
        return { result: row, deed };
      })
      .catch(async (error: unknown) => {
        await notes.forget(id).catch(() => undefined);
        throw error;
      });
    return this.#view(row);
  }

  async listHolds(
    context: RequestContext,
    { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
  ): Promise<HoldPage> {
    const { access, cursors, store, recorder } = this.#parts;
    access.require(context, 'hold.list', null);
    const binding = { organization: context.organization, list: 'holds' };
    const after = cursors.open(binding, cursor);
    const rows = await store.read(context.organization, (db) => {
      const all = db
        .selectFrom('holds')
        .selectAll()
        .orderBy('id', 'desc')
        .limit(limit + 1);
      return (after === null ? all : all.where('id', '<', after)).execute();
    });
    const { page, next } = cursors.page(binding, rows, limit);
    const holds: HoldView[] = [];
    for (const row of page) holds.push(await this.#view(row));
    await recorder.record(context, {
      action: 'hold.list',
      target: context.organization,
      count: holds.length,
    });
    return { holds, next };
  }

  async getHold(context: RequestContext, id: string): Promise<HoldView> {
    this.#parts.access.require(context, 'hold.get', null);
    const row = await this.#row(context.organization, id);
    await this.#parts.recorder.record(context, { action: 'hold.get', target: row.id });
    return this.#view(row);
  }

  /** Lets go: what was only kept by this hold ends with the next sweep where its time is over. */
  async releaseHold(context: RequestContext, id: string): Promise<void> {
    const { access, recorder, notes, clock } = this.#parts;
    access.require(context, 'hold.release', null);
    await recorder.write(context, async (tx) => {
      const row = await tx.sql.selectFrom('holds').selectAll().where('id', '=', id).executeTakeFirst();
      if (row === undefined) throw new StrongroomError('not_found');
      if (row.state !== 'active') throw new StrongroomError('conflict', 'the hold is released already');
      await tx.sql
        .updateTable('holds')
        .set({ state: 'released', released_at: clock.now(), change: tx.change })
        .where('id', '=', id)
        .execute();
      return { result: undefined, deed: { action: 'hold.release', target: row.id } };
    });
    const row = await this.#row(context.organization, id);
    await notes.keep(row.id as HoldId, await notes.noteOf(row));
  }

  /** What a hold keeps, newest first: also what has expired, lies in the trash or in the archive. */
  async listHeld(
    context: RequestContext,
    id: string,
    { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
  ): Promise<MemoryPage> {
    const { access, cursors, recorder } = this.#parts;
    access.require(context, 'hold.read', null);
    const hold = await this.#row(context.organization, id);
    const binding = { organization: context.organization, list: 'held', query: hold.id };
    let after = cursors.open(binding, cursor);
    const memories: Memory[] = [];
    let isMore = hold.state === 'active';
    while (isMore && memories.length < limit) {
      const rows = await this.#heldPage(context, hold, after);
      isMore = rows.length === PAGE_ROWS;
      for (const [at, { id: memory, view }] of rows.entries()) {
        after = memory;
        if (view !== null) memories.push(view);
        if (memories.length < limit) continue;
        isMore ||= at < rows.length - 1;
        break;
      }
    }
    await recorder.record(context, { action: 'hold.read', target: hold.id, count: memories.length });
    return { memories, next: isMore && after !== null ? cursors.seal(binding, after) : null };
  }

  /** For a request that is repeated. */
  async current(context: RequestContext, id: string): Promise<{ version: number; body: unknown } | null> {
    const row = await this.#row(context.organization, id);
    return { version: 1, body: await this.#view(row) };
  }

  async #heldPage(
    { organization }: RequestContext,
    hold: HoldRow,
    after: string | null,
  ): Promise<readonly { readonly id: string; readonly view: Memory | null }[]> {
    const { store, vaults, guard } = this.#parts;
    const found = await store.read(organization, async (db) => {
      let query = db
        .selectFrom('memories')
        .select(['id', 'vault', 'state'])
        .orderBy('id', 'desc')
        .limit(PAGE_ROWS);
      if (after !== null) query = query.where('id', '<', after);
      const vault = hold.kind === 'vault' ? hold.target : hold.vault;
      if (vault !== null) query = query.where('vault', '=', vault);
      const page = await narrowed(query, hold).execute();
      const kept = await guard.keeping(
        db,
        organization,
        page.map(({ id }) => id),
      );
      return page.map((row) => ({ ...row, isHeld: kept.get(row.id)?.includes(hold.id) === true }));
    });
    const places = new Map<string, Vault | null>();
    const views = [];
    for (const { id, vault, isHeld } of found) {
      if (isHeld && !places.has(vault)) places.set(vault, await vaults.findKept(organization, vault));
      const place = isHeld ? (places.get(vault) ?? null) : null;
      views.push({ id, view: place === null ? null : await this.#heldView(place, id) });
    }
    return views;
  }

  async #heldView(vault: Vault, id: string): Promise<Memory | null> {
    const { store, rows, sealer } = this.#parts;
    const names = await rows.names(vault);
    const { row, archived } = await store.read(vault.organization.id, async (db) => ({
      row: await selectJoined(db, vault).where('memories.id', '=', id).executeTakeFirst(),
      archived: await selectArchived(db, vault).where('memories.id', '=', id).executeTakeFirst(),
    }));
    if (row !== undefined) return memoryView(openMemory(sealer, vault, row), names, false);
    if (archived === undefined) return null;
    const archivedAt = new Date(archived.archived_at).toISOString();
    return { ...memoryView(openArchived(sealer, vault, archived), names, false), archivedAt };
  }

  async #find(context: RequestContext, { target }: HoldInput): Promise<Found> {
    const { vaults, people, store } = this.#parts;
    const nowhere = { vault: null, target: null, memories: [] };
    if (target.organization !== undefined)
      return { place: { ...nowhere, kind: 'organization' }, vault: null };
    if (target.subject !== undefined) {
      const subject = (await people.subjects(context.organization)).withName(target.subject);
      if (subject === undefined) throw new StrongroomError('not_found', 'nobody of that name');
      return { place: { ...nowhere, kind: 'subject', target: subject.id }, vault: null };
    }
    // Also one in the trash: what is held there stays until it is released.
    const vault = await vaults.reachKept(context, 'hold.place', target.vault ?? '');
    if (target.conversation !== undefined) {
      const conversation = (await people.conversations(vault)).withName(target.conversation);
      if (conversation === undefined) throw new StrongroomError('not_found', 'no conversation of that name');
      return { place: { ...nowhere, kind: 'conversation', vault: vault.id, target: conversation.id }, vault };
    }
    if (target.memories === undefined)
      return { place: { ...nowhere, kind: 'vault', target: vault.id }, vault };
    const memories = [...new Set(target.memories)];
    const rows = await store.read(context.organization, (db) =>
      db
        .selectFrom('memories')
        .select('id')
        .where('vault', '=', vault.id)
        .where('id', 'in', memories)
        .execute(),
    );
    const missing = target.memories.findIndex((id) => !rows.some((row) => row.id === id));
    if (missing >= 0) throw invalid(`/target/memories/${missing}`, 'no such memory in this vault');
    return { place: { ...nowhere, kind: 'memories', vault: vault.id, memories }, vault };
  }

  /** Each of them is asked about every deletion, and noted beside the root. */
  async #requireRoom(organization: OrganizationId): Promise<void> {
    const { active } = await this.#parts.store.read(organization, (db) =>
      db
        .selectFrom('holds')
        .select((select) => select.fn.countAll<number | bigint>().as('active'))
        .where('state', '=', 'active')
        .executeTakeFirstOrThrow(),
    );
    if (Number(active) >= LIMITS.holdsMax)
      throw new StrongroomError('conflict', `${LIMITS.holdsMax} holds stand already`);
  }

  async #row(organization: OrganizationId, id: string): Promise<HoldRow> {
    const row = isId('hold', id)
      ? await this.#parts.store.read(organization, (db) =>
          db.selectFrom('holds').selectAll().where('id', '=', id).executeTakeFirst(),
        )
      : undefined;
    if (row === undefined) throw new StrongroomError('not_found');
    return row;
  }

  async #view(row: HoldRow): Promise<HoldView> {
    const { organizations, sealer, store } = this.#parts;
    const organization = await organizations.get(row.organization as OrganizationId);
    const memories =
      row.kind === 'memories'
        ? await store.read(organization.id, (db) =>
            db
              .selectFrom('hold_memories')
              .select('memory')
              .where('hold', '=', row.id)
              .orderBy('memory')
              .execute(),
          )
        : [];
    const about = openAbout(sealer, organization, row);
    return holdView(
      row,
      about,
      memories.map(({ memory }) => memory),
      await this.#names(organization.id, row),
    );
  }

  async #names(organization: OrganizationId, { kind, vault, target }: HoldRow): Promise<HoldNames> {
    const { people, vaults } = this.#parts;
    if (kind === 'subject')
      return { subject: (await people.subjects(organization)).withId(target ?? '')?.name };
    if (kind !== 'conversation') return {};
    const place = await vaults.findKept(organization, vault ?? '');
    if (place === null) return {};
    return { conversation: (await people.conversations(place)).withId(target ?? '')?.name };
  }
}

async function requireKept(tx: Tx, vault: Vault, memories: readonly string[]): Promise<void> {
  const row = await tx.sql.selectFrom('vaults').select('state').where('id', '=', vault.id).executeTakeFirst();
  if (row === undefined || row.state === 'erased') throw new StrongroomError('not_found');
  if (memories.length === 0) return;
  const kept = await tx.sql
    .selectFrom('memories')
    .select('id')
    .where('id', 'in', [...memories])
    .execute();
  if (kept.length < memories.length) throw new StrongroomError('not_found');
}

/**
 * Without what the hold cannot keep, so that a page holds little else: a person is also in what was derived from theirs, and in older
 * versions. Whether it keeps what is left is for the guard to say.
 */
function narrowed<O>(
  query: SelectQueryBuilder<Database, 'memories', O>,
  { id, kind, target }: HoldRow,
): SelectQueryBuilder<Database, 'memories', O> {
  if (kind === 'conversation') return query.where('conversation', '=', target);
  if (kind === 'memories')
    return query.where('id', 'in', (select) =>
      select.selectFrom('hold_memories').select('hold_memories.memory').where('hold_memories.hold', '=', id),
    );
  if (kind !== 'subject') return query;
  return query.where((where) =>
    where.or([
      where('subject', '=', target),
      where('version', '>', 1),
      where.exists(
        where
          .selectFrom('memory_sources')
          .select('memory_sources.memory')
          .whereRef('memory_sources.memory', '=', 'memories.id'),
      ),
    ]),
  );
}
