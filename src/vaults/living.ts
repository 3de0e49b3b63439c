/** Which of some memories are still there: what another erasure has ended already is not ended, nor counted, again. */
import type { VaultId } from '../ids.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { Slot } from '../keys/slot.ts';
import type { MemoryVersionRow } from '../store/schema.ts';
import { rowsWhere, type ReadSql } from '../store/store.ts';
import { chunks } from './derivations.ts';
import { decodeScope } from './memory-row.ts';

export interface LivingMemory {
  readonly id: string;
  readonly vault: VaultId;
  /** Of every version of it: kept, archived or superseded. */
  readonly slots: readonly Slot[];
}

type Version = Pick<MemoryVersionRow, 'memory' | 'vault' | 'version' | 'slot' | 'scope'>;

/** One pass over the versions, because an erasure of ten thousand waits for it. */
export async function livingOf(
  sql: ReadSql,
  keyring: Pick<Keyring, 'isErased' | 'erasedAmong'>,
  ids: readonly string[],
): Promise<readonly LivingMemory[]> {
  const isDead = deadScopes(keyring);
  const isErased = keyring.erasedAmong();
  const tables = await tablesWithVersions(sql);
  const living = new Map<string, Found>();
  for (const part of chunks(ids, LIST_MAX)) {
    const found = await versionsOf(sql, tables, part);
    for (const [id, memory] of found)
      if (!isErased(memory.newest.slot as Slot) && !isDead(memory.newest.scope)) living.set(id, memory);
  }
  const replaced = [...living.values()].filter(({ newest, slots }) => newest.version > slots.length);
  const ofReplaced = replaced.map(({ id }) => id);
  for (const part of chunks(ofReplaced, LIST_MAX)) {
    const rows = await rowsWhere(sql, 'superseded_slots', ['memory', 'slot'], {
      among: { column: 'memory', values: part },
    });
    for (const { memory, slot } of rows) living.get(memory)?.slots.push(slot as Slot);
  }
  return [...living.values()];
}

interface Found extends LivingMemory {
  readonly slots: Slot[];
  newest: Version;
}

/** So many at a time: a list has to be held as text. */
const LIST_MAX = 10_000;

const VERSION = ['memory', 'vault', 'version', 'slot', 'scope'] as const;

type VersionTable = 'memory_versions' | 'archived_versions';

/** Most have no archive. */
async function tablesWithVersions(sql: ReadSql): Promise<readonly VersionTable[]> {
  const archived = await sql.selectFrom('archived_versions').select('memory').limit(1).executeTakeFirst();
  return archived === undefined ? ['memory_versions'] : ['memory_versions', 'archived_versions'];
}

async function versionsOf(
  sql: ReadSql,
  tables: readonly VersionTable[],
  ids: readonly string[],
): Promise<ReadonlyMap<string, Found>> {
  const found = new Map<string, Found>();
  for (const table of tables) {
    const rows: readonly Version[] = await rowsWhere(sql, table, VERSION, {
      among: { column: 'memory', values: ids },
    });
    for (const row of rows) {
      const known = found.get(row.memory);
      if (known === undefined) found.set(row.memory, foundAs(row));
      else {
        known.slots.push(row.slot as Slot);
        if (row.version > known.newest.version) known.newest = row;
      }
    }
  }
  return found;
}

const foundAs = (row: Version): Found => ({
  id: row.memory,
  vault: row.vault as VaultId,
  slots: [row.slot as Slot],
  newest: row,
});

/** Whether any slot of a scope, as it stands in a row, is dead; asked once for each scope. */
export function deadScopes(keyring: Pick<Keyring, 'isErased'>): (scope: string) => boolean {
  const known = new Map<string, boolean>();
  return (scope) => {
    const said = known.get(scope) ?? decodeScope(scope).some(([, slot]) => keyring.isErased(slot));
    known.set(scope, said);
    return said;
  };
}
