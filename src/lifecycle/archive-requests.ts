/**
 * Getting at what lies in the archive: asked for with a reason, approved by somebody else, ready after a set wait, and then
 * only as a copy that expires.
 *
 *     requested → approved → ready → expired          requested, approved → refused          requested → expired
 *
 * Invariants: nobody approves their own request; nothing opens before `readyAt` or after `expiresAt`; the copy is again the
 * records' own boxes, under a slot of its own that dies at its end, so that an erasure reaches it as well.
 */
import type {
  ArchiveRequest as RequestView,
  ArchiveRequestInput,
  ArchiveRequestPage,
  MemoryPage,
} from '@strongroom/client';
import type { Access } from '../access/access.ts';
import type { RequestContext } from '../access/context.ts';
import type { Cursors } from '../access/cursors.ts';
import { organizationScope, type Organizations } from '../access/organizations.ts';
import type { Recorder } from '../access/recorder.ts';
import { decodeUtf8, encodeUtf8 } from '../bytes/encoding.ts';
import { DAY_MS } from '../durations.ts';
import type { Clock } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { isId, type NewId, type OrganizationId } from '../ids.ts';
import type { RecordBoxes, RecordSealer } from '../keys/record-sealer.ts';
import type { Slot } from '../keys/slot.ts';
import type { Action } from '../ledger/actions.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { BlobStore } from '../store/blobs.ts';
import type { Destruction } from '../store/destruction.ts';
import type { ArchiveRequestRow } from '../store/schema-retention.ts';
import type { SlotAllocator } from '../store/slots.ts';
import { SYSTEM, type Store, type Tx } from '../store/store.ts';
import { invalid } from '../vaults/memory-input.ts';
import type { Vault } from '../vaults/vault.ts';
import type { Vaults } from '../vaults/vaults.ts';
import { requireState, type ArchiveCopies } from './archive-copies.ts';
import type { Policies } from './policies.ts';

export interface ArchiveRequestsParts {
  readonly store: Store;
  readonly sealer: RecordSealer;
  readonly slots: SlotAllocator;
  readonly organizations: Organizations;
  readonly access: Access;
  readonly recorder: Recorder;
  readonly ledger: Ledger;
  readonly cursors: Cursors;
  readonly vaults: Vaults;
  readonly policies: Policies;
  readonly copies: ArchiveCopies;
  readonly blobs: BlobStore;
  readonly destruction: Destruction;
  readonly newId: NewId;
  readonly clock: Clock;
}

/** Nobody decided in this time: it is over. */
const UNDECIDED_MS = 30 * DAY_MS;
/** What is over stays in the list for so long; the ledger has it for longer. */
const LISTED_MS = 365 * DAY_MS;
const BY_SYSTEM = { principal: 'system', outcome: 'done', request: '', scope: [] } as const;

export class ArchiveRequests {
  readonly #parts: ArchiveRequestsParts;

  constructor(parts: ArchiveRequestsParts) {
    this.#parts = parts;
  }

  async requestArchive(context: RequestContext, input: ArchiveRequestInput): Promise<RequestView> {
    const { vaults, recorder, slots, organizations, newId, clock } = this.#parts;
    const vault = await vaults.reach(context, 'archive.request', input.vault);
    const memories = [...new Set(input.memories)];
    await this.#requireThere(vault, input.memories, memories);
    const organization = await organizations.get(context.organization);
    const id = newId('archiveRequest');
    const row = await recorder.write(context, async (tx) => {
      const slot = await slots.takeOne(tx, organization.id);
      const row: ArchiveRequestRow = {
        id,
        organization: organization.id,
        vault: vault.id,
        state: 'requested',
        slot,
        about_box: (await this.#boxes(organization.id, { id, slot })).seal(
          'about_box',
          encodeUtf8(input.reason),
        ),
        requested_by: context.principal.id,
        decided_by: null,
        requested_at: clock.now(),
        decided_at: null,
        ready_at: null,
        copied_at: null,
        expires_at: null,
        copy_slot: null,
        blob: null,
        change: tx.change,
      };
      await tx.sql.insertInto('archive_requests').values(row).execute();
      for (const memory of memories)
        await tx.sql
          .insertInto('archive_request_memories')
          .values({ request: id, memory, organization: organization.id, change: tx.change })
          .execute();
      return {
        result: row,
        deed: { action: 'archive.request', target: id, targets: [vault.id, ...memories] },
      };
    });
    return this.#view(row);
  }

  async listRequests(
    context: RequestContext,
    { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
  ): Promise<ArchiveRequestPage> {
    const { access, cursors, store, recorder } = this.#parts;
    access.require(context, 'archive.list', null);
    const binding = { organization: context.organization, list: 'archive requests' };
    const after = cursors.open(binding, cursor);
    const rows = await store.read(context.organization, (db) => {
      const all = db
        .selectFrom('archive_requests')
        .selectAll()
        .orderBy('id', 'desc')
        .limit(limit + 1);
      return (after === null ? all : all.where('id', '<', after)).execute();
    });
    const { page, next } = cursors.page(binding, rows, limit);
    const requests: RequestView[] = [];
    for (const row of page) requests.push(await this.#view(row));
    await recorder.record(context, {
      action: 'archive.list',
      target: context.organization,
      count: requests.length,
    });
    return { requests, next };
  }

  async getRequest(context: RequestContext, id: string): Promise<RequestView> {
    const { row } = await this.#reach(context, 'archive.get', id);
    await this.#parts.recorder.record(context, { action: 'archive.get', target: row.id });
    return this.#view(row);
  }

  /** By somebody else than who asked: then the wait begins. */
  async approveRequest(context: RequestContext, id: string): Promise<RequestView> {
    const { recorder, policies, clock } = this.#parts;
    const { row } = await this.#reach(context, 'archive.approve', id);
    if (row.requested_by === context.principal.id)
      throw new StrongroomError('access.refused', 'whoever asked cannot approve it');
    const { waitMs, copyMs } = await policies.archiveTimes(context.organization);
    const approved = await recorder.write(context, async (tx) => {
      const now = clock.now();
      const current = await requireState(tx, id, ['requested']);
      const decided = {
        state: 'approved',
        decided_by: context.principal.id,
        decided_at: now,
        ready_at: now + waitMs,
        expires_at: now + waitMs + copyMs,
        change: tx.change,
      } as const;
      await tx.sql.updateTable('archive_requests').set(decided).where('id', '=', id).execute();
      return { result: { ...current, ...decided }, deed: { action: 'archive.approve', target: current.id } };
    });
    return this.#view(approved);
  }

  /** Also by who asked, who thereby takes it back; a copy that is there already ends. */
  async refuseRequest(context: RequestContext, id: string): Promise<void> {
    const { recorder, clock } = this.#parts;
    const { row } = await this.#reach(context, 'archive.refuse', id);
    const order = await recorder.write(context, async (tx) => {
      const current = await requireState(tx, id, ['requested', 'approved', 'ready']);
      const decided = { decided_by: context.principal.id, decided_at: clock.now() };
      const order = await this.#end(tx, current, { state: 'refused', ...decided });
      return { result: order, deed: { action: 'archive.refuse', target: row.id } };
    });
    await this.#carryOut(row, order);
  }

  /** What was asked for, once it is ready and until it expires. Throws `conflict` before, after, and without approval. */
  async readRequest(
    context: RequestContext,
    id: string,
    { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
  ): Promise<MemoryPage> {
    const { cursors, recorder, clock } = this.#parts;
    const { row, vault } = await this.#reach(context, 'archive.read', id);
    requireReadable(row, clock.now());
    const binding = { organization: context.organization, list: 'archive copy', query: row.id };
    const after = cursors.open(binding, cursor);
    // Durable before anything is made or shown.
    await recorder.record(context, { action: 'archive.read', target: row.id });
    const ready = row.state === 'ready' ? row : await this.#parts.copies.make(vault, row);
    const views = (await this.#parts.copies.open(vault, ready)).filter(
      ({ id }) => after === null || id < after,
    );
    const memories = views.slice(0, limit);
    const last = views.length > limit ? memories.at(-1)?.id : undefined;
    return { memories, next: last === undefined ? null : cursors.seal(binding, last) };
  }

  /** For a request that is repeated. */
  async current(context: RequestContext, id: string): Promise<{ version: number; body: unknown } | null> {
    return { version: 1, body: await this.#view(await this.#row(context.organization, id)) };
  }

  /**
   * Makes copies that are due, ends those whose time is over, forgets what was decided long ago. A copy that cannot be made
   * keeps no other from its end; throws what went wrong.
   */
  async tend(now: number): Promise<void> {
    const errors: unknown[] = [];
    const rows = await this.#parts.store.read(SYSTEM, (db) =>
      db.selectFrom('archive_requests').selectAll().orderBy('id').execute(),
    );
    for (const row of rows) await this.#tendOne(row, now).catch((error: unknown) => errors.push(error));
    if (errors.length > 0) throw new AggregateError(errors, 'not every archive request could be tended');
  }

  async #tendOne(row: ArchiveRequestRow, now: number): Promise<void> {
    const isUndecided = row.state === 'requested' && row.requested_at + UNDECIDED_MS <= now;
    const isOver = (row.state === 'ready' || row.state === 'approved') && (row.expires_at ?? Infinity) <= now;
    const isOld = DONE.has(row.state) && (row.decided_at ?? row.requested_at) + LISTED_MS <= now;
    if (isUndecided || isOver) await this.#expire(row);
    else if (isOld) await this.#forget(row);
    else if (row.state === 'approved' && (row.ready_at ?? Infinity) <= now) await this.#copyIfThere(row);
    else if (row.state === 'ready') await this.#renewWorn(row);
  }

  async #copyIfThere(row: ArchiveRequestRow): Promise<void> {
    const vault = await this.#parts.vaults.find(row.organization as OrganizationId, row.vault);
    if (vault !== null) await this.#parts.copies.make(vault, row);
  }

  /** A copy that holds boxes of what has ended is made again without them, as an archive is. */
  async #renewWorn(row: ArchiveRequestRow): Promise<void> {
    const { store } = this.#parts;
    const organization = row.organization as OrganizationId;
    const gone = await store.read(organization, (db) =>
      db
        .selectFrom('archive_request_memories')
        .leftJoin('memories', (join) => join.onRef('memories.id', '=', 'archive_request_memories.memory'))
        .select('archive_request_memories.memory')
        .where('archive_request_memories.request', '=', row.id)
        .where('memories.id', 'is', null)
        .execute(),
    );
    if (gone.length === 0) return;
    await this.#copyIfThere(row);
    // Only then: until it is made again, it is known by these.
    await store.write(organization, (tx) =>
      tx.sql
        .deleteFrom('archive_request_memories')
        .where('request', '=', row.id)
        .where(
          'memory',
          'in',
          gone.map(({ memory }) => memory),
        )
        .execute(),
    );
  }

  async #expire(row: ArchiveRequestRow): Promise<void> {
    const { store, ledger } = this.#parts;
    const order = await store.write(row.organization as OrganizationId, async (tx) => {
      const current = await requireState(tx, row.id, ['requested', 'approved', 'ready']);
      ledger.append(tx, { ...BY_SYSTEM, action: 'archive.expire', target: row.id });
      return this.#end(tx, current, { state: 'expired' });
    });
    await this.#carryOut(row, order);
  }

  /** Ends the request in the transaction; its copy's slot is asked to die with it. */
  async #end(
    tx: Tx,
    row: ArchiveRequestRow,
    change: Partial<Pick<ArchiveRequestRow, 'state' | 'decided_by' | 'decided_at'>>,
  ) {
    const { destruction } = this.#parts;
    await tx.sql
      .updateTable('archive_requests')
      .set({ ...change, copy_slot: null, change: tx.change })
      .where('id', '=', row.id)
      .execute();
    return row.copy_slot === null ? null : destruction.order(tx, [row.copy_slot as Slot], 'archive.copy');
  }

  async #carryOut(
    row: Pick<ArchiveRequestRow, 'id'>,
    order: Awaited<ReturnType<Destruction['order']>> | null,
  ): Promise<void> {
    const { destruction, blobs } = this.#parts;
    if (order === null) return;
    await destruction.carryOut(order);
    await blobs.delete(`copies/${row.id}`);
  }

  /** The reason dies with its slot; that there was a request stays in the ledger. */
  async #forget(row: ArchiveRequestRow): Promise<void> {
    const { store, destruction } = this.#parts;
    const order = await store.write(row.organization as OrganizationId, async (tx) => {
      await tx.sql.deleteFrom('archive_request_memories').where('request', '=', row.id).execute();
      await tx.sql.deleteFrom('archive_requests').where('id', '=', row.id).execute();
      return destruction.order(tx, [row.slot as Slot], 'archive.request');
    });
    await destruction.carryOut(order);
  }

  /** What has not come of age yet is in no copy; it is asked for all the same where it may have by then. */
  async #requireThere(vault: Vault, asked: readonly string[], memories: readonly string[]): Promise<void> {
    const found = await this.#parts.store.read(vault.organization.id, (db) =>
      db
        .selectFrom('memories')
        .select('id')
        .where('vault', '=', vault.id)
        .where('id', 'in', [...memories])
        .execute(),
    );
    const missing = asked.findIndex((id) => !found.some((row) => row.id === id));
    if (missing >= 0) throw invalid(`/memories/${missing}`, 'no such memory in this vault');
  }

  async #reach(
    context: RequestContext,
    action: Action,
    id: string,
  ): Promise<{ readonly row: ArchiveRequestRow; readonly vault: Vault }> {
    const row = await this.#row(context.organization, id);
    return { row, vault: await this.#parts.vaults.reach(context, action, row.vault) };
  }

  async #row(organization: OrganizationId, id: string): Promise<ArchiveRequestRow> {
    const row = isId('archiveRequest', id)
      ? await this.#parts.store.read(organization, (db) =>
          db.selectFrom('archive_requests').selectAll().where('id', '=', id).executeTakeFirst(),
        )
      : undefined;
    if (row === undefined) throw new StrongroomError('not_found');
    return row;
  }

  async #view(row: ArchiveRequestRow): Promise<RequestView> {
    const memories = await this.#parts.store.read(row.organization as OrganizationId, (db) =>
      db
        .selectFrom('archive_request_memories')
        .select('memory')
        .where('request', '=', row.id)
        .orderBy('memory')
        .execute(),
    );
    const reason = (await this.#boxes(row.organization as OrganizationId, row)).open(
      'about_box',
      row.about_box,
    );
    return requestView(
      row,
      decodeUtf8(reason),
      memories.map(({ memory }) => memory),
    );
  }

  async #boxes(
    organization: OrganizationId,
    { id, slot }: Pick<ArchiveRequestRow, 'id' | 'slot'>,
  ): Promise<RecordBoxes> {
    return this.#parts.sealer.at({
      table: 'archive_requests',
      organization,
      vault: '',
      id,
      version: 1,
      own: slot as Slot,
      scope: organizationScope(await this.#parts.organizations.get(organization)),
    });
  }
}

const DONE: ReadonlySet<string> = new Set(['refused', 'expired']);

function requireReadable({ state, ready_at, expires_at }: ArchiveRequestRow, now: number): void {
  if (state !== 'approved' && state !== 'ready')
    throw new StrongroomError('conflict', `the request is ${state}`);
  if (ready_at === null || now < ready_at)
    throw new StrongroomError('conflict', `the copy is ready at ${isoOf(ready_at)}`);
  if (expires_at === null || expires_at <= now) throw new StrongroomError('conflict', 'the copy has expired');
}

const requestView = (row: ArchiveRequestRow, reason: string, memories: string[]): RequestView => ({
  id: row.id,
  vault: row.vault,
  memories,
  reason,
  state: row.state,
  requestedBy: row.requested_by,
  requestedAt: isoOf(row.requested_at),
  ...(row.decided_by === null ? {} : { decidedBy: row.decided_by }),
  ...(row.decided_at === null ? {} : { decidedAt: isoOf(row.decided_at) }),
  ...(row.ready_at === null ? {} : { readyAt: isoOf(row.ready_at) }),
  ...(row.expires_at === null ? {} : { expiresAt: isoOf(row.expires_at) }),
});

const isoOf = (ms: number | null): string => (ms === null ? '' : new Date(ms).toISOString());
