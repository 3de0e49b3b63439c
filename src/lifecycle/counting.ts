/** How many memories an erasure would end: counted before it is asked for, so that somebody can think again. */
import { setImmediate as turn } from 'node:timers/promises';
import type { OrganizationId } from '../ids.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { Slot } from '../keys/slot.ts';
import type { Store } from '../store/store.ts';
import { deadScopes } from '../vaults/living.ts';
import { decodeScope } from '../vaults/memory-row.ts';

const PAGE_ROWS = 1000;

/** Of the organization's living memories, archived ones too, those whose key contains the slot. */
export async function countUnder(
  { store, keyring }: { readonly store: Store; readonly keyring: Keyring },
  organization: OrganizationId,
  slot: Slot,
): Promise<number> {
  const isDead = deadScopes(keyring);
  const contains = new Map<string, boolean>();
  let count = 0;
  for (const table of ['memory_versions', 'archived_versions'] as const)
    for (let after: string | null = ''; after !== null;) {
      const rows: readonly Versioned[] = await pageOf(store, organization, { table, after });
      after = rows.at(-1)?.id ?? null;
      for (const { slot: own, scope } of rows) {
        const isUnder = contains.get(scope) ?? decodeScope(scope).some(([, part]) => part === slot);
        contains.set(scope, isUnder);
        if (isUnder && !isDead(scope) && !keyring.isErased(own as Slot)) count++;
      }
      await turn();
    }
  return count;
}

interface Versioned {
  readonly id: string;
  readonly slot: number;
  readonly scope: string;
}

interface Page {
  readonly table: 'memory_versions' | 'archived_versions';
  readonly after: string;
}

/** Current versions in the order of their memories. */
const pageOf = (
  store: Store,
  organization: OrganizationId,
  { table, after }: Page,
): Promise<readonly Versioned[]> =>
  store.read(organization, (db) =>
    db
      .selectFrom('memories')
      .innerJoin(
        (from) =>
          from
            .selectFrom(table)
            .select(['memory', 'version', 'slot', 'scope'])
            .where('organization', '=', organization)
            .as('versions'),
        (join) =>
          join
            .onRef('versions.memory', '=', 'memories.id')
            .onRef('versions.version', '=', 'memories.version'),
      )
      .select(['memories.id', 'versions.slot', 'versions.scope'])
      .where('memories.id', '>', after)
      .orderBy('memories.id')
      .limit(PAGE_ROWS)
      .execute(),
  );
