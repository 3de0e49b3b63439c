/**
 * The end of ledger entries: after seven years a leaf shrinks to its hash, what lists it goes, and the slot of its month's
 * free text dies. The tree stays as it is, so every proof and checkpoint verifies on. The database itself refuses to do it
 * any sooner (migration 0003).
 */
import { HASH_BYTES } from '../crypto/hash.ts';
import { DAY_MS } from '../durations.ts';
import type { Slot } from '../keys/slot.ts';
import type { Destruction } from '../store/destruction.ts';
import { LEDGER_KEPT_S } from '../store/migrations/0002-ledger-pruning.ts';
import { serviceSlots } from '../store/slots.ts';
import { SYSTEM, type Store } from '../store/store.ts';
import { DEPLOYMENT_LOG, type LogId } from './entry.ts';
import type { Ledger } from './ledger.ts';
import { isPeriodBefore } from './periods.ts';

export interface LedgerPruningParts {
  readonly store: Store;
  readonly ledger: Pick<Ledger, 'append'>;
  readonly destruction: Pick<Destruction, 'order' | 'carryOut'>;
}

const KEPT_MS = LEDGER_KEPT_S * 1000;
/** The database's clock must say so as well: a day later it does. */
const SLACK_MS = DAY_MS;
/** Entries in one transaction: others wait for it. */
const PAGE_ENTRIES = 500;

export class LedgerPruning {
  readonly #parts: LedgerPruningParts;

  constructor(parts: LedgerPruningParts) {
    this.#parts = parts;
  }

  async run(now: number): Promise<void> {
    const before = now - KEPT_MS - SLACK_MS;
    const logs = await this.#parts.store.read(SYSTEM, (db) =>
      db.selectFrom('ledger_heads').select('log').orderBy('log').execute(),
    );
    for (const { log } of logs) await this.#pruneLog(log, before);
    await this.#endPeriods(before);
  }

  async #pruneLog(log: LogId, before: number): Promise<void> {
    let count = 0;
    let last = -1;
    for (;;) {
      const from = last;
      const pruned = await this.#prunePage(log, before, from);
      if (pruned.length === 0) break;
      count += pruned.length;
      last = pruned.at(-1) ?? last;
    }
    if (count === 0) return;
    const { store, ledger } = this.#parts;
    await store.write(SYSTEM, (tx) => {
      const entry = { principal: 'system', outcome: 'done', request: '', scope: [] } as const;
      ledger.append(tx, { ...entry, action: 'ledger.prune', target: log, count, facts: { through: last } });
      return Promise.resolve();
    });
  }

  /** Numbers of the entries that shrank: what is pruned already has no action any more. */
  #prunePage(log: LogId, before: number, after: number): Promise<readonly number[]> {
    const scope = log === DEPLOYMENT_LOG ? SYSTEM : log;
    return this.#parts.store.write(scope, async (tx) => {
      const rows = await tx.sql
        .selectFrom('ledger_entries')
        .select(['n', 'leaf'])
        .where('log', '=', log)
        .where('at', '<', before)
        .where('n', '>', after)
        .where('action', '!=', '')
        .orderBy('n')
        .limit(PAGE_ENTRIES)
        .execute();
      for (const { n, leaf } of rows) {
        const hash = leaf.slice(0, HASH_BYTES);
        await tx.sql
          .updateTable('ledger_entries')
          .set({ leaf: hash, box: null, principal: '', action: '', change: tx.change })
          .where('log', '=', log)
          .where('n', '=', n)
          .execute();
        await tx.sql.deleteFrom('ledger_targets').where('log', '=', log).where('n', '=', n).execute();
      }
      return rows.map(({ n }) => n);
    });
  }

  /** All free text of a month that is wholly over dies with one slot. */
  async #endPeriods(before: number): Promise<void> {
    const slots = await this.#parts.store.read(SYSTEM, (db) => serviceSlots(db));
    for (const [name, slot] of slots) if (isPeriodBefore(name, before)) await this.#endPeriod(name, slot);
  }

  async #endPeriod(name: string, slot: Slot): Promise<void> {
    const { store, destruction } = this.#parts;
    const order = await store.write(SYSTEM, async (tx) => {
      await tx.sql.deleteFrom('service_slots').where('name', '=', name).execute();
      return destruction.order(tx, [slot], 'ledger.period');
    });
    await destruction.carryOut(order);
  }
}
