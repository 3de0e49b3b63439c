/** Finding entries by who, what, on what and when; newest first, in pages. */
import type { ReadSql } from '../store/store.ts';
import type { Action } from './actions.ts';
import type { LogId } from './entry.ts';

export interface EntryQuery {
  readonly principal?: string | undefined;
  readonly action?: Action | undefined;
  /** The id of anything an entry is on: a vault, a memory, a person (`sub_…`), a key. */
  readonly target?: string | undefined;
  /** Milliseconds, inclusive. */
  readonly since?: number | undefined;
  /** Milliseconds, exclusive. */
  readonly until?: number | undefined;
  /** Only entries with lower numbers: the `next` of the page before. */
  readonly before?: number | undefined;
  readonly limit: number;
}

export interface EntryRow {
  readonly n: number;
  readonly leaf: Uint8Array;
  readonly box: Uint8Array | null;
}

export async function findEntries(sql: ReadSql, log: LogId, query: EntryQuery): Promise<readonly EntryRow[]> {
  const { principal, action, target, since, until, before, limit } = query;
  let rows = sql.selectFrom('ledger_entries').select(['n', 'leaf', 'box']).where('log', '=', log);
  if (principal !== undefined) rows = rows.where('principal', '=', principal);
  if (action !== undefined) rows = rows.where('action', '=', action);
  if (since !== undefined) rows = rows.where('at', '>=', since);
  if (until !== undefined) rows = rows.where('at', '<', until);
  if (before !== undefined) rows = rows.where('n', '<', before);
  if (target !== undefined) {
    rows = rows.where('n', 'in', (from) =>
      from.selectFrom('ledger_targets').select('n').where('log', '=', log).where('target', '=', target),
    );
  }
  return rows.orderBy('n', 'desc').limit(limit).execute();
}

export async function findEntry(sql: ReadSql, log: LogId, n: number): Promise<EntryRow | null> {
  const row = sql
    .selectFrom('ledger_entries')
    .select(['n', 'leaf', 'box'])
    .where('log', '=', log)
    .where('n', '=', n);
  return (await row.executeTakeFirst()) ?? null;
}
