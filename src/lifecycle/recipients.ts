/**
 * Who may hold a copy of what an erasure ended: whoever exported its vault, or read a copy out of the archive or an export
 * that is kept here, before it was asked for. What was taken away does not die, so those who took it have to be told. What
 * is kept here dies with its keys; it is named because its bytes stay until it ends.
 *
 * Found in the ledger, which says who and when and nothing of what was in it: the list is of those who may, not of those who do.
 */
import type { ErasureRecipient } from '@strongroom/client';
import type { OrganizationId } from '../ids.ts';
import type { LedgerEntry } from '../ledger/entry.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { ExportRow } from '../store/schema-exports.ts';
import type { ErasureRow } from '../store/schema.ts';
import type { Store } from '../store/store.ts';

export interface RecipientsParts {
  readonly store: Store;
  readonly ledger: Pick<Ledger, 'entries'>;
}

const PAGE_ENTRIES = 1000;
const WAYS = [
  ['export', 'memory.export'],
  ['archive', 'archive.read'],
  ['kept', 'export.read'],
] as const;

/** By way, principal and vault, who took it last first. Refusals took nothing. */
export async function recipientsOf(
  { store, ledger }: RecipientsParts,
  row: ErasureRow,
): Promise<readonly ErasureRecipient[]> {
  const organization = row.organization as OrganizationId;
  const requested = await vaultsOfRequests(store, organization);
  const vaultOf: Readonly<Record<ErasureRecipient['how'], (entry: LedgerEntry) => string | undefined>> = {
    export: ({ target }) => target,
    archive: ({ target }) => requested.get(target),
    kept: ({ targets }) => targets?.[0],
  };
  const found = new Map<string, ErasureRecipient>();
  for (const [how, action] of WAYS)
    for (let before: number | undefined; ;) {
      const query = { action, until: row.requested_at, before, limit: PAGE_ENTRIES };
      const { entries, next } = await ledger.entries(organization, query);
      for (const entry of entries) {
        const { principal, at, outcome } = entry;
        const vault = vaultOf[how](entry);
        if (outcome !== 'done' || isElsewhere(row, vault)) continue;
        const name = `${how} ${principal} ${vault}`;
        // Newest first: what is known already came later.
        if (!found.has(name))
          found.set(name, { how, principal, ...(vault === undefined ? {} : { vault }), lastAt: timeOf(at) });
      }
      if (next === null) break;
      before = next;
    }
  return [...found.values()].sort((left, right) => (left.lastAt < right.lastAt ? 1 : -1));
}

/** Exports kept here that were made before a moment and may hold boxes of what was erased, newest first. */
export function exportsBefore(store: Store, row: ErasureRow, moment: number): Promise<readonly ExportRow[]> {
  return store.read(row.organization as OrganizationId, (db) => {
    const all = db
      .selectFrom('exports')
      .selectAll()
      .where('organization', '=', row.organization)
      .where('created_at', '<=', moment)
      .orderBy('id', 'desc');
    return (row.vault === null ? all : all.where('vault', '=', row.vault)).execute();
  });
}

/** A person may have been in any vault; what is not known to lie elsewhere may have been this one. */
const isElsewhere = (row: ErasureRow, vault: string | undefined): boolean =>
  row.vault !== null && vault !== undefined && vault !== row.vault;

async function vaultsOfRequests(
  store: Store,
  organization: OrganizationId,
): Promise<ReadonlyMap<string, string>> {
  const rows = await store.read(organization, (db) =>
    db.selectFrom('archive_requests').select(['id', 'vault']).execute(),
  );
  return new Map(rows.map(({ id, vault }) => [id, vault]));
}

const timeOf = (at: LedgerEntry['at']): string => new Date(at).toISOString();
