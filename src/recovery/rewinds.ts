/**
 * A vault is taken back to a moment, in the running deployment: what changed since says again what it said, what lay in the
 * trash is live again, what came later goes to the trash. A dry run counts first and gives a word to confirm it with.
 *
 * Invariants: nothing is done that was not counted (what is written after the dry run is left as it is); before anything is
 * changed a backup is made, so that the way back is open; each page is one transaction with its entry. A crash in
 * between is taken up when the store is opened, before anybody is served.
 *
 * Fault points: `rewind.begin`, `rewind.read`, `rewind.page`, `rewind.end`.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Rewind, RewindInput, RewindPage } from '@strongroom/client';
import type { RequestContext } from '../access/context.ts';
import type { Cursors, ListBinding } from '../access/cursors.ts';
import type { Recorder } from '../access/recorder.ts';
import { MINUTE_MS } from '../durations.ts';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { NewId, OrganizationId, RewindId } from '../ids.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { Facts } from '../ledger/entry.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { LIMITS } from '../limits.ts';
import type { RewindRow } from '../store/schema.ts';
import { insertRows, SYSTEM, type Store, type Tx } from '../store/store.ts';
import { invalid } from '../vaults/memory-input.ts';
import type { Vaults } from '../vaults/vaults.ts';
import type { Vault } from '../vaults/vault.ts';
import type { Backups } from './backups.ts';
import { PastVault } from './past-vault.ts';
import {
  countColumns,
  countOf,
  countsOfRow,
  NO_COUNTS,
  resumedCounts,
  type RewindCounts,
} from './rewind-counts.ts';
import { RewindSteps, type RewindStepsParts, type StepOrder, type StepOutcome } from './rewind-steps.ts';

export interface RewindsParts extends RewindStepsParts {
  readonly store: Store;
  readonly keyring: Keyring;
  readonly ledger: Ledger;
  readonly recorder: Recorder;
  readonly cursors: Cursors;
  readonly vaults: Vaults;
  readonly backups: Backups;
  /** An empty folder for as long as `work` lasts. */
  readonly scratch: <T>(work: (folder: string) => Promise<T>) => Promise<T>;
  readonly newId: NewId;
  readonly environment: Environment;
}

/** What a dry run found, as it is confirmed. */
interface Plan {
  readonly backup: string;
  readonly takenAt: number;
  readonly plannedAt: number;
}

/** Told of each page, and what has come of it so far. */
type OnPage = (tx: Tx, outcome: StepOutcome, counts: RewindCounts) => Promise<void>;

const PAGE_ROWS = 200;

export class Rewinds {
  readonly #parts: RewindsParts;
  readonly #steps: RewindSteps;
  /** One at a time. */
  #tail: Promise<unknown> = Promise.resolve();

  constructor(parts: RewindsParts) {
    this.#parts = parts;
    this.#steps = new RewindSteps(parts);
  }

  /** Without `confirm` it only counts. */
  async rewindVault(context: RequestContext, reference: string, input: RewindInput): Promise<Rewind> {
    const vault = await this.#parts.vaults.reach(context, 'vault.rewind', reference);
    if (!this.#parts.backups.isOn) throw new StrongroomError('conflict', 'backups are off: set `backups`');
    return this.#inTurn(() =>
      input.confirm === undefined
        ? this.#plan(context, vault, input.at)
        : this.#confirmed(context, vault, input.confirm),
    );
  }

  /** Newest first: what was done, and how far what is under way has come. */
  async listRewinds(
    context: RequestContext,
    reference: string,
    { limit }: { readonly limit: number },
  ): Promise<RewindPage> {
    const { vaults, store, recorder } = this.#parts;
    const vault = await vaults.reach(context, 'rewind.list', reference);
    const rows = await store.read(vault.organization.id, (db) =>
      db
        .selectFrom('rewinds')
        .selectAll()
        .where('vault', '=', vault.id)
        .orderBy('id', 'desc')
        .limit(limit)
        .execute(),
    );
    await recorder.record(context, { action: 'rewind.list', target: vault.id, count: rows.length });
    return { rewinds: rows.map(rewindView) };
  }

  /** What an id stands for now, for a request that is repeated; null where it is gone. */
  async current(context: RequestContext, id: string): Promise<{ version: number; body: unknown } | null> {
    const row = await this.#parts.store.read(context.organization, (db) =>
      db.selectFrom('rewinds').selectAll().where('id', '=', id).executeTakeFirst(),
    );
    return row === undefined ? null : { version: 1, body: rewindView(row) };
  }

  /** Takes up what a crash interrupted. */
  async resume(): Promise<void> {
    await this.#inTurn(async () => {
      const rows = await this.#parts.store.read(SYSTEM, (db) =>
        db.selectFrom('rewinds').selectAll().where('state', '=', 'running').orderBy('id').execute(),
      );
      for (const row of rows) await this.#resumeOne(row);
    });
  }

  async close(): Promise<void> {
    await this.#tail;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(work);
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  async #plan(context: RequestContext, vault: Vault, at: string | undefined): Promise<Rewind> {
    const { cursors, recorder, environment } = this.#parts;
    const plannedAt = environment.clock.now();
    const until = at === undefined ? null : Date.parse(at);
    if (until !== null && until > plannedAt) throw invalid('/at', 'lies in the future');
    return this.#withPast(vault, until, async (past) => {
      const order = { vault, past, plannedAt, author: context.principal.id, isDry: true };
      const counts = await this.#walk(order, NO_COUNTS, () => Promise.resolve());
      const { backup, takenAt } = past;
      const expiresAt = plannedAt + LIMITS.rewindConfirmMinutes * MINUTE_MS;
      const plan: Plan & { expiresAt: number } = { backup, takenAt, plannedAt, expiresAt };
      const confirm = cursors.seal(bindingOf(context, vault), JSON.stringify(plan));
      const facts = { mode: 'plan', backup, takenAt };
      await recorder.record(context, { action: 'vault.rewind', target: vault.id, facts });
      return {
        id: null,
        vault: vault.id,
        state: 'planned',
        backup,
        at: isoTime(takenAt),
        plannedAt: isoTime(plannedAt),
        startedAt: null,
        finishedAt: null,
        undoAt: null,
        counts,
        confirm,
        expiresAt: isoTime(expiresAt),
      };
    });
  }

  async #confirmed(context: RequestContext, vault: Vault, confirm: string): Promise<Rewind> {
    const { recorder, backups, newId, environment } = this.#parts;
    const { backup, takenAt, plannedAt } = this.#openPlan(context, vault, confirm);
    // The way back: a rewind to this moment.
    const undo = await backups.create('log');
    const id: RewindId = newId('rewind');
    environment.fault('rewind.begin');
    const row = await recorder.write(context, async (tx) => {
      const running = await tx.sql
        .selectFrom('rewinds')
        .select('id')
        .where('vault', '=', vault.id)
        .where('state', '=', 'running')
        .executeTakeFirst();
      if (running !== undefined) throw new StrongroomError('conflict', `${running.id} is under way`);
      const row: RewindRow = {
        id,
        organization: vault.organization.id,
        vault: vault.id,
        state: 'running',
        asked_by: context.principal.id,
        backup,
        taken_at: takenAt,
        planned_at: plannedAt,
        undo_at: undo.taken_at,
        started_at: environment.clock.now(),
        finished_at: null,
        ...countColumns(NO_COUNTS),
        change: tx.change,
      };
      await insertRows(tx.sql, 'rewinds', [row]);
      const facts = { mode: 'run', backup, takenAt };
      return { result: row, deed: { action: 'vault.rewind', target: id, targets: [vault.id], facts } };
    });
    return rewindView(await this.#carryOut(vault, row, NO_COUNTS));
  }

  #openPlan(context: RequestContext, vault: Vault, confirm: string): Plan {
    let plan: Plan & { readonly expiresAt: number };
    try {
      plan = JSON.parse(
        this.#parts.cursors.open(bindingOf(context, vault), confirm) ?? 'null',
      ) as typeof plan;
    } catch (error) {
      if (error instanceof StrongroomError && error.code === 'cursor.invalid')
        throw invalid('/confirm', 'is not of a dry run of this vault by this API key');
      throw error;
    }
    if (plan.expiresAt < this.#parts.environment.clock.now())
      throw invalid('/confirm', 'has expired: do the dry run again');
    return plan;
  }

  async #resumeOne(row: RewindRow): Promise<void> {
    const { vaults } = this.#parts;
    const vault = await vaults.find(row.organization as OrganizationId, row.vault);
    // The vault went meanwhile, and with it what was to be done.
    if (vault === null) return void (await this.#end(row, 'failed', countsOfRow(row)));
    try {
      await this.#carryOut(vault, row, resumedCounts(countsOfRow(row)));
    } catch (error) {
      const isLost = error instanceof StrongroomError && LOST.has(error.code);
      if (!isLost) throw error;
      await this.#end(row, 'failed', countsOfRow(row));
    }
  }

  async #carryOut(vault: Vault, row: RewindRow, before: RewindCounts): Promise<RewindRow> {
    const { environment, ledger } = this.#parts;
    const counts = await this.#withPast(vault, row.taken_at, (past) => {
      const order = { vault, past, plannedAt: row.planned_at, author: row.asked_by, isDry: false };
      return this.#walk(order, before, async (tx, { touched }, counts) => {
        environment.fault('rewind.page');
        await tx.sql
          .updateTable('rewinds')
          .set({ ...countColumns(counts), change: tx.change })
          .where('id', '=', row.id)
          .execute();
        if (touched.length === 0) return;
        const entry = { ...BY_SYSTEM, action: 'vault.rewind', target: row.id } as const;
        ledger.append(tx, { ...entry, targets: [vault.id, ...touched], count: touched.length });
      });
    });
    environment.fault('rewind.end');
    return this.#end(row, 'done', counts);
  }

  #end(row: RewindRow, state: 'done' | 'failed', counts: RewindCounts): Promise<RewindRow> {
    const { store, ledger, environment } = this.#parts;
    return store.write(row.organization as OrganizationId, async (tx) => {
      const finished_at = environment.clock.now();
      const set = { state, finished_at, ...countColumns(counts), change: tx.change };
      await tx.sql.updateTable('rewinds').set(set).where('id', '=', row.id).execute();
      const facts: Facts = { mode: state, takenAt: row.taken_at, ...counts };
      const outcome = state === 'done' ? ({ outcome: 'done' } as const) : FAILED;
      const entry = { ...BY_SYSTEM, ...outcome, action: 'vault.rewind', target: row.id } as const;
      ledger.append(tx, { ...entry, targets: [row.vault], facts });
      return { ...row, ...set };
    });
  }

  /** From whichever place has it whole. */
  #withPast<T>(vault: Vault, at: number | null, work: (past: PastVault) => Promise<T>): Promise<T> {
    return this.#parts.scratch(async (folder) => {
      const past = await this.#openPast(vault, at, folder);
      try {
        return await work(past);
      } finally {
        await past.close();
      }
    });
  }

  async #openPast(vault: Vault, at: number | null, folder: string): Promise<PastVault> {
    const { backups, keyring, environment } = this.#parts;
    environment.fault('rewind.read');
    let failure: StrongroomError | undefined;
    for (const place of backups.places) {
      try {
        const witnessed = keyring.witnessedBackup;
        return await PastVault.open({ vault, at, place, keys: keyring, witnessed, folder, environment });
      } catch (error) {
        if (!(error instanceof StrongroomError)) throw error;
        failure ??= error;
      }
    }
    if (failure?.code === 'not_found') throw invalid('/at', failure.detail ?? 'no backup leads there');
    throw failure ?? new StrongroomError('conflict', 'no place for backups is set');
  }

  /** First what was there, then what was not. */
  async #walk(order: StepOrder, before: RewindCounts, onPage: OnPage): Promise<RewindCounts> {
    const { vault, past } = order;
    let counts = before;
    const add = async (work: (tx: Tx) => Promise<StepOutcome>): Promise<void> => {
      counts = await this.#page(order, counts, { work, onPage });
    };
    for (let after = ''; ;) {
      const rows = await past.page(after, PAGE_ROWS);
      const last = rows.at(-1);
      if (last === undefined) break;
      after = last.id;
      const page = rows.map((row) => this.#steps.open(vault, row));
      await add((tx) => this.#steps.back(tx, order, page));
    }
    for (let after = ''; ;) {
      const ids = await this.#liveAfter(vault, after);
      const last = ids.at(-1);
      if (last === undefined) return counts;
      after = last;
      const had = await past.had(ids);
      const strangers = ids.filter((id) => !had.has(id));
      if (strangers.length > 0) await add((tx) => this.#steps.forward(tx, order, strangers));
    }
  }

  async #page(
    { vault, isDry }: StepOrder,
    before: RewindCounts,
    { work, onPage }: { readonly work: (tx: Tx) => Promise<StepOutcome>; readonly onPage: OnPage },
  ): Promise<RewindCounts> {
    const { store, vaults, indexes, destruction } = this.#parts;
    await turn();
    await indexes.room(vault);
    const { counts, request } = await store.write(vault.organization.id, async (tx) => {
      // It may have been deleted since.
      await vaults.within(vault);
      const outcome = await work(tx);
      const counts = countOf(outcome.fates, before);
      if (!isDry) await onPage(tx, outcome, counts);
      return { counts, request: outcome.request };
    });
    if (request !== null) await destruction.carryOut(request);
    return counts;
  }

  #liveAfter(vault: Vault, after: string): Promise<readonly string[]> {
    return this.#parts.store.read(vault.organization.id, async (db) => {
      const rows = await db
        .selectFrom('memories')
        .select('id')
        .where('vault', '=', vault.id)
        .where('state', '=', 'live')
        .where('id', '>', after)
        .orderBy('id')
        .limit(PAGE_ROWS)
        .execute();
      return rows.map(({ id }) => id);
    });
  }
}

const BY_SYSTEM = { principal: 'system', outcome: 'done', request: '', scope: [] } as const;
const FAILED = { outcome: 'failed', code: 'not_found' } as const;
/** The backup that showed the moment is not there any more, or the vault is not. */
const LOST: ReadonlySet<string> = new Set(['request.invalid', 'not_found']);

const bindingOf = (context: RequestContext, vault: Vault): ListBinding => ({
  organization: context.organization,
  list: 'rewinds/confirm',
  vault: vault.id,
  query: { principal: context.principal.id },
});

const isoTime = (ms: number): string => new Date(ms).toISOString();

const rewindView = (row: RewindRow): Rewind => ({
  id: row.id,
  vault: row.vault,
  state: row.state,
  backup: row.backup,
  at: isoTime(row.taken_at),
  plannedAt: isoTime(row.planned_at),
  startedAt: isoTime(row.started_at),
  finishedAt: row.finished_at === null ? null : isoTime(row.finished_at),
  undoAt: isoTime(row.undo_at),
  counts: countsOfRow(row),
});
