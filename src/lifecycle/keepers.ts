/** What keeps an erasure that nobody has asked for yet: the same that would refuse it, told by the dry run. */
import type { OrganizationId, VaultId } from '../ids.ts';
import type { Slot } from '../keys/slot.ts';
import type { ReadSql } from '../store/store.ts';
import type { Ending } from '../vaults/deletion-guard.ts';
import { chunks, tiedTo } from '../vaults/derivations.ts';
import type { HoldGuard } from './hold-guard.ts';

export interface Planned {
  /** Null where single memories end, which are looked at one by one. */
  readonly ending: Ending | null;
  readonly memories: readonly Placed[];
  /** Of the person or the conversation, with which more may end. */
  readonly tied: Slot | null;
}

interface Placed {
  readonly id: string;
  readonly vault: VaultId;
}

const KEEPERS_SHOWN_MAX = 100;

/** Ids of holds, and a word for a statute, each once. */
export async function keepersOf(
  sql: ReadSql,
  guard: Pick<HoldGuard, 'keeps'>,
  organization: OrganizationId,
  { ending, memories, tied }: Planned,
): Promise<string[]> {
  const along = tied === null ? [] : await tiedMemories(sql, tied);
  const endings: Ending[] = ending === null ? [] : [ending];
  for (const [vault, own] of Map.groupBy([...memories, ...along], (memory) => memory.vault))
    endings.push({ kind: 'memories', vault, memories: own.map(({ id }) => id) });
  const kept = new Set<string>();
  for (const one of endings) for (const by of await guard.keeps(sql, organization, one)) kept.add(by);
  return [...kept].slice(0, KEEPERS_SHOWN_MAX);
}

/** Memories of which something is destroyed along with the person or the conversation. */
async function tiedMemories(sql: ReadSql, to: Slot): Promise<readonly Placed[]> {
  const found = new Map<string, VaultId>();
  for (const part of chunks(await tiedTo(sql, to)))
    for (const table of ['memory_versions', 'archived_versions'] as const) {
      const rows = await sql
        .selectFrom(table)
        .select(['memory', 'vault'])
        .where('slot', 'in', part)
        .execute();
      for (const { memory, vault } of rows) found.set(memory, vault as VaultId);
    }
  return Array.from(found, ([id, vault]) => ({ id, vault }));
}
