/**
 * Exports that are kept here: what a vault said at a moment, for a stated time, and then no more.
 *
 *     making → ready → expired | withdrawn | lost          making → failed
 *
 * Invariants: an export has its slot and its row before its first byte; what it holds are the records' own boxes, so that an
 * erasure reaches it and every copy of it; no box of what was erased before is put into it; with its end its slot is
 * destroyed. What a crash left half-made has failed, and is not gone on with: whoever wants it asks again. What was erased,
 * trashed or is over since is not shown; what was changed is, as it was.
 *
 * A hold keeps what lies in the vault, whose copy an export is: it keeps no export from its end.
 *
 * Fault points: `export.registered`, `export.piece`, `export.written`, `export.ready`, `export.ended`.
 */
import type { Export as ExportView, ExportInput, ExportPage, Memory } from '@strongroom/client';
import type { RequestContext } from '../access/context.ts';
import type { Cursors } from '../access/cursors.ts';
import type { Recorder } from '../access/recorder.ts';
import { DAY_MS } from '../durations.ts';
import { Crash, type Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { isId, type ExportId, type NewId, type OrganizationId } from '../ids.ts';
import type { RecordSealer } from '../keys/record-sealer.ts';
import type { Slot } from '../keys/slot.ts';
import type { Action } from '../ledger/actions.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { LIMITS } from '../limits.ts';
import { parseFilter } from '../search/parse-filter.ts';
import type { Filter } from '../search/filter.ts';
import type { Destruction } from '../store/destruction.ts';
import type { ExportRow } from '../store/schema-exports.ts';
import type { SlotAllocator } from '../store/slots.ts';
import { SYSTEM, type Store, type Tx } from '../store/store.ts';
import { liveMemories } from '../vaults/live-memories.ts';
import { memoryView } from '../vaults/memory-row.ts';
import type { MemoryStore } from '../vaults/memory-store.ts';
import type { RetentionRules } from '../vaults/retention.ts';
import type { Vault } from '../vaults/vault.ts';
import type { Vaults } from '../vaults/vaults.ts';
import type { ExportedVersion } from './export-file.ts';
import { exportView } from './export-view.ts';
import { exportedVersion, shownOf } from './exported-memories.ts';
import type { ExportPieces } from './export-pieces.ts';

export interface ExportsParts {
  readonly store: Store;
  readonly sealer: RecordSealer;
  readonly slots: SlotAllocator;
  readonly recorder: Recorder;
  readonly ledger: Ledger;
  readonly cursors: Cursors;
  readonly vaults: Vaults;
  readonly rows: MemoryStore;
  readonly retention: RetentionRules;
  readonly pieces: ExportPieces;
  readonly destruction: Destruction;
  readonly newId: NewId;
  readonly environment: Environment;
}

/** What is over stays in the list for so long; the ledger has it for longer. */
const LISTED_MS = 90 * DAY_MS;
const LIVING = ['making', 'ready'] as const;
const BY_SYSTEM = { principal: 'system', outcome: 'done', request: '', scope: [] } as const;

/** What is asked for, by the id it gets. */
interface ExportOrder {
  readonly id: ExportId;
  readonly days: number;
  readonly filter: Filter | null;
  /** Told how many are in it, as it goes on. */
  readonly onProgress: (memories: number) => void;
}

export class Exports {
  readonly #parts: ExportsParts;
  /** Being made in this process: any other that is not finished was left by a crash. */
  readonly #making = new Map<string, Promise<unknown>>();
  #isClosing = false;

  constructor(parts: ExportsParts) {
    this.#parts = parts;
  }

  /** Resolves once it is ready. Throws `conflict` where the vault has as many as it may, or this one is too large. */
  async createExport(
    context: RequestContext,
    reference: string,
    input: ExportInput,
    onProgress: (memories: number) => void = () => undefined,
  ): Promise<ExportView> {
    const vault = await this.#parts.vaults.reach(context, 'export.create', reference);
    const filter = input.filter === undefined ? null : parseFilter(input.filter);
    const days = input.expiresInDays ?? LIMITS.exportDaysDefault;
    const id = this.#parts.newId('export');
    const made = this.#make(context, vault, { id, days, filter, onProgress });
    // Before its row can be seen: nobody takes it for what a crash left.
    this.#making.set(id, made);
    try {
      return exportView(await made);
    } finally {
      this.#making.delete(id);
    }
  }

  /** Newest first, those that have ended as well. */
  async listExports(
    context: RequestContext,
    reference: string,
    { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
  ): Promise<ExportPage> {
    const { vaults, cursors, store, recorder } = this.#parts;
    const vault = await vaults.reach(context, 'export.list', reference);
    const binding = { organization: context.organization, list: 'exports', vault: vault.id };
    const after = cursors.open(binding, cursor);
    const rows = await store.read(context.organization, (db) => {
      const all = db
        .selectFrom('exports')
        .selectAll()
        .where('vault', '=', vault.id)
        .orderBy('id', 'desc')
        .limit(limit + 1);
      return (after === null ? all : all.where('id', '<', after)).execute();
    });
    const { page, next } = cursors.page(binding, rows, limit);
    await recorder.record(context, { action: 'export.list', target: vault.id, count: page.length });
    return { exports: page.map(exportView), next };
  }

  async getExport(context: RequestContext, id: string): Promise<ExportView> {
    const { row } = await this.#reach(context, 'export.get', id);
    await this.#parts.recorder.record(context, { action: 'export.get', target: row.id });
    return exportView(row);
  }

  /** What it holds, oldest first. The entry is durable before the first one comes out. */
  async *readExport(
    context: RequestContext,
    id: string,
    query: { readonly include?: 'vector' | undefined },
  ): AsyncGenerator<Memory> {
    const { store, sealer, retention, pieces, recorder, rows, environment } = this.#parts;
    const { row, vault } = await this.#reach(context, 'export.read', id);
    requireReadable(row, this.#now());
    if (!(await pieces.areThere(row))) throw new StrongroomError('conflict', LOST);
    await recorder.record(context, { action: 'export.read', target: row.id, targets: [vault.id] });
    const live = { store, sealer, retention, clock: environment.clock };
    const names = await rows.names(vault);
    for await (const versions of pieces.read(vault, row))
      for (const opened of await shownOf(live, vault, versions))
        yield memoryView(opened, names, query.include === 'vector');
  }

  /** Ends it before its time. */
  async deleteExport(context: RequestContext, id: string): Promise<void> {
    const { recorder } = this.#parts;
    const { row } = await this.#reach(context, 'export.delete', id);
    const order = await recorder.write(context, async (tx) => ({
      result: await this.#end(tx, row.id, 'withdrawn', this.#now()),
      deed: { action: 'export.delete', target: row.id },
    }));
    await this.#carryOut(order);
  }

  /** For a request that is repeated. */
  async current(context: RequestContext, id: string): Promise<{ version: number; body: unknown } | null> {
    const row = await this.#find(context.organization, id);
    return row === null ? null : { version: 1, body: exportView(row) };
  }

  /** Ends what is over, lost or was left half-made by a crash, and forgets what has long ended. Throws what went wrong. */
  async tend(now: number): Promise<void> {
    const errors: unknown[] = [];
    const rows = await this.#parts.store.read(SYSTEM, (db) =>
      db.selectFrom('exports').selectAll().orderBy('id').execute(),
    );
    for (const row of rows) await this.#tendOne(row, now).catch((error: unknown) => errors.push(error));
    await this.#removeStrangers().catch((error: unknown) => errors.push(error));
    if (errors.length > 0) throw new AggregateError(errors, 'not every export could be tended');
  }

  /** What is being made is given up, and has failed. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await Promise.allSettled(this.#making.values());
  }

  async #make(context: RequestContext, vault: Vault, order: ExportOrder): Promise<ExportRow> {
    const row = await this.#register(context, vault, order);
    try {
      return await this.#fill(vault, row, order);
    } catch (error) {
      // What cannot be said now is said by the next run: nobody makes it any more.
      if (!(error instanceof Crash)) await this.#endItself(row, 'failed', this.#now()).catch(() => undefined);
      throw error;
    }
  }

  async #register(
    context: RequestContext,
    vault: Vault,
    { id, days }: Pick<ExportOrder, 'id' | 'days'>,
  ): Promise<ExportRow> {
    const { recorder, slots } = this.#parts;
    const now = this.#now();
    return recorder.write(context, async (tx) => {
      await requireRoom(tx, vault);
      const row: ExportRow = {
        id,
        organization: vault.organization.id,
        vault: vault.id,
        slot: await slots.takeOne(tx, vault.id),
        state: 'making',
        made_by: context.principal.id,
        pieces: 0,
        records: 0,
        size: 0,
        created_at: now,
        expires_at: now + days * DAY_MS,
        ended_at: null,
        change: tx.change,
      };
      await tx.sql.insertInto('exports').values(row).execute();
      return { result: row, deed: { action: 'export.create', target: id, targets: [vault.id] } };
    });
  }

  async #fill(vault: Vault, row: ExportRow, { filter, onProgress }: ExportOrder): Promise<ExportRow> {
    const { store, pieces, vaults, environment } = this.#parts;
    environment.fault('export.registered');
    const written = await pieces.write(vault, row, this.#versionsOf(vault, filter), onProgress);
    environment.fault('export.written');
    const ready = await store.write(vault.organization.id, async (tx) => {
      await vaults.within(vault);
      const change = { state: 'ready', ...written, change: tx.change } as const;
      await tx.sql.updateTable('exports').set(change).where('id', '=', row.id).execute();
      return { ...row, ...change };
    });
    environment.fault('export.ready');
    return ready;
  }

  async *#versionsOf(vault: Vault, filter: Filter | null): AsyncGenerator<ExportedVersion> {
    const { store, sealer, rows, retention, environment } = this.#parts;
    const live = { store, sealer, retention, clock: environment.clock };
    const names = await rows.names(vault);
    for await (const { row } of liveMemories(live, vault, { filter, names })) {
      if (this.#isClosing) throw new StrongroomError('busy', 'the server is being stopped');
      yield exportedVersion(row);
    }
  }

  async #tendOne(row: ExportRow, now: number): Promise<void> {
    if (row.state === 'making') {
      if (!this.#making.has(row.id)) await this.#endItself(row, 'failed', now);
    } else if (row.state !== 'ready') {
      if ((row.ended_at ?? row.expires_at) + LISTED_MS <= now) await this.#forget(row);
    } else if (row.expires_at <= now) await this.#endItself(row, 'expired', now);
    else if (!(await this.#parts.pieces.areThere(row))) await this.#endItself(row, 'lost', now);
  }

  async #endItself(row: ExportRow, state: 'expired' | 'lost' | 'failed', now: number): Promise<void> {
    const { store, ledger } = this.#parts;
    const order = await store.write(row.organization as OrganizationId, async (tx) => {
      const order = await this.#end(tx, row.id, state, now);
      const facts = { why: state };
      ledger.append(tx, { ...BY_SYSTEM, action: 'export.end', target: row.id, targets: [row.vault], facts });
      return order;
    });
    await this.#carryOut(order);
  }

  /** Throws `conflict` unless it is ready, or being made where that has failed. */
  async #end(tx: Tx, id: string, state: Exclude<ExportRow['state'], 'making' | 'ready'>, now: number) {
    const row = await tx.sql.selectFrom('exports').selectAll().where('id', '=', id).executeTakeFirst();
    if (row === undefined) throw new StrongroomError('not_found');
    if (row.state !== (state === 'failed' ? 'making' : 'ready'))
      throw new StrongroomError('conflict', `the export is ${row.state}`);
    const change = { state, ended_at: now, change: tx.change };
    await tx.sql.updateTable('exports').set(change).where('id', '=', id).execute();
    return this.#parts.destruction.order(tx, [row.slot as Slot], 'export');
  }

  async #carryOut(order: Awaited<ReturnType<Destruction['order']>>): Promise<void> {
    const { destruction, environment } = this.#parts;
    environment.fault('export.ended');
    await destruction.carryOut(order);
    await this.#removeStrangers();
  }

  async #forget({ id, organization }: ExportRow): Promise<void> {
    await this.#parts.store.write(organization as OrganizationId, (tx) =>
      tx.sql.deleteFrom('exports').where('id', '=', id).execute(),
    );
  }

  /** Bytes that belong to no export that lives. */
  async #removeStrangers(): Promise<void> {
    const { store, pieces } = this.#parts;
    // In this order: whoever writes a piece has its row before.
    const found = await pieces.list();
    if (found.size === 0) return;
    const rows = await store.read(SYSTEM, (db) =>
      db
        .selectFrom('exports')
        .select('id')
        .where('state', 'in', [...LIVING])
        .execute(),
    );
    for (const { id } of rows) found.delete(id);
    await pieces.remove(found);
  }

  async #reach(
    context: RequestContext,
    action: Action,
    id: string,
  ): Promise<{ readonly row: ExportRow; readonly vault: Vault }> {
    const row = await this.#find(context.organization, id);
    if (row === null) throw new StrongroomError('not_found');
    return { row, vault: await this.#parts.vaults.reach(context, action, row.vault) };
  }

  #now(): number {
    return this.#parts.environment.clock.now();
  }

  async #find(organization: OrganizationId, id: string): Promise<ExportRow | null> {
    if (!isId('export', id)) return null;
    const row = await this.#parts.store.read(organization, (db) =>
      db.selectFrom('exports').selectAll().where('id', '=', id).executeTakeFirst(),
    );
    return row ?? null;
  }
}

const LOST = 'its bytes are gone: they are in no backup, and can be made again from the vault';

async function requireRoom(tx: Tx, vault: Vault): Promise<void> {
  const kept = await tx.sql
    .selectFrom('exports')
    .select('id')
    .where('vault', '=', vault.id)
    .where('state', 'in', [...LIVING])
    .execute();
  if (kept.length >= LIMITS.exportsMax)
    throw new StrongroomError(
      'conflict',
      `a vault keeps at most ${LIMITS.exportsMax} exports: delete one, or wait for its end`,
    );
}

function requireReadable({ state, expires_at }: ExportRow, now: number): void {
  if (state !== 'ready')
    throw new StrongroomError('conflict', state === 'lost' ? LOST : `the export is ${state}`);
  if (expires_at <= now) throw new StrongroomError('conflict', 'the export has expired');
}
