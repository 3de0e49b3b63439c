/**
 * Who may hold a copy of what an erasure ended: whoever exported its vault, or read a copy out of the archive, before it was
 * asked for. What is made here dies with its keys; what was taken away does not, so those who took it have to be told.
 *
 * Found in the ledger, which says who and when and nothing of what was in it: the list is of those who may, not of those who do.
 */
import type { ErasureRecipient } from '@strongroom/client';
import type { OrganizationId } from '../ids.ts';
import type { LedgerEntry } from '../ledger/entry.ts';
import type { Ledger } from '../ledger/ledger.ts';
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
] as const;

/** By way, principal and vault, who took it last first. Refusals took nothing. */
export async function recipientsOf(
  { store, ledger }: RecipientsParts,
  row: ErasureRow,
): Promise<readonly ErasureRecipient[]> {
  const organization = row.organization as OrganizationId;
  const vaults = await vaultsOfRequests(store, organization);
  const found = new Map<string, ErasureRecipient>();
  for (const [how, action] of WAYS)
    for (let before: number | undefined; ;) {
      const query = { action, until: row.requested_at, before, limit: PAGE_ENTRIES };
      const { entries, next } = await ledger.entries(organization, query);
      for (const { principal, target, at, outcome } of entries) {
        const vault = how === 'export' ? target : vaults.get(target);
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
