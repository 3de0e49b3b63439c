/** How many memories an erasure would end: counted before it is asked for, so that somebody can think again. */
import { setImmediate as turn } from 'node:timers/promises';
import type { OrganizationId } from '../ids.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { Slot } from '../keys/slot.ts';
import { rowsWhere, type Store } from '../store/store.ts';
import { deadScopes } from '../vaults/living.ts';
import { decodeScope } from '../vaults/memory-row.ts';
import { memoryPages } from '../vaults/memory-walk.ts';

const PAGE_ROWS = 1000;

export interface Under {
  readonly organization: OrganizationId;
  /** Where all of it lies; null: in any vault. */
  readonly vault: string | null;
  readonly slot: Slot;
}

/** Of the living memories, archived ones too, those whose key contains the slot. */
export async function countUnder(
  { store, keyring }: { readonly store: Store; readonly keyring: Keyring },
  { organization, vault, slot }: Under,
): Promise<number> {
  const isDead = deadScopes(keyring);
  const contains = new Map<string, boolean>();
  // A memory that is changed meanwhile is met twice.
  const counted = new Set<string>();
  const walk = { vault, pageRows: PAGE_ROWS };
  for await (const page of memoryPages((work) => store.read(organization, work), walk)) {
    const current = new Map(page.map(({ id, version }) => [id, version]));
    const ids = [...current.keys()];
    for (const table of ['memory_versions', 'archived_versions'] as const) {
      const rows = await store.read(organization, (db) =>
        rowsWhere(db, table, ['memory', 'version', 'slot', 'scope'], {
          among: { column: 'memory', values: ids },
        }),
      );
      for (const { memory, version, slot: own, scope } of rows) {
        if (version !== current.get(memory)) continue;
        const isUnder = contains.get(scope) ?? decodeScope(scope).some(([, part]) => part === slot);
        contains.set(scope, isUnder);
        if (isUnder && !isDead(scope) && !keyring.isErased(own as Slot)) counted.add(memory);
      }
    }
    await turn();
  }
  return counted.size;
}
