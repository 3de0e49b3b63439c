/** Which of some memories are still there: what another erasure has ended already is not ended, nor counted, again. */
import type { VaultId } from '../ids.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { Slot } from '../keys/slot.ts';
import type { MemoryVersionRow } from '../store/schema.ts';
import type { ReadSql } from '../store/store.ts';
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
  const living = new Map<string, { id: string; vault: VaultId; slots: Slot[] }>();
  const replaced: string[] = [];
  for (const part of chunks(ids)) {
    for (const [id, versions] of await versionsOf(sql, tables, part)) {
      const newest = newestOf(versions);
      if (isErased(newest.slot as Slot) || isDead(newest.scope)) continue;
      const slots = versions.map(({ slot }) => slot as Slot);
      living.set(id, { id, vault: newest.vault as VaultId, slots });
      if (newest.version > versions.length) replaced.push(id);
    }
  }
  for (const part of chunks(replaced)) {
    const rows = await sql
      .selectFrom('superseded_slots')
      .select(['memory', 'slot'])
      .where('memory', 'in', part)
      .execute();
    for (const { memory, slot } of rows) living.get(memory)?.slots.push(slot as Slot);
  }
  return [...living.values()];
}

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
): Promise<ReadonlyMap<string, readonly Version[]>> {
  const versions = new Map<string, Version[]>();
  for (const table of tables) {
    const rows: readonly Version[] = await sql
      .selectFrom(table)
      .select(['memory', 'vault', 'version', 'slot', 'scope'])
      .where('memory', 'in', ids)
      .execute();
    for (const row of rows) {
      const known = versions.get(row.memory);
      if (known === undefined) versions.set(row.memory, [row]);
      else known.push(row);
    }
  }
  return versions;
}

const newestOf = (versions: readonly Version[]): Version =>
  versions.reduce((newest, version) => (version.version > newest.version ? version : newest));

/** Whether any slot of a scope, as it stands in a row, is dead; asked once for each scope. */
export function deadScopes(keyring: Pick<Keyring, 'isErased'>): (scope: string) => boolean {
  const known = new Map<string, boolean>();
  return (scope) => {
    const said = known.get(scope) ?? decodeScope(scope).some(([, slot]) => keyring.isErased(slot));
    known.set(scope, said);
    return said;
  };
}
