/**
 * What was derived from what, by ids: how an erasure finds everything that still says what it ends.
 *
 * People and conversations are in the scope of what was derived from them, so they take it along by one key. Two things
 * do not follow from a key and stand in rows: which memories were derived from a memory (`memory_sources`), and slots of
 * versions that are older than the person or conversation they came to belong to (`tied_slots`).
 */
import type { Slot } from '../keys/slot.ts';
import { insertRows, rowsWhere, type ReadSql, type Tx } from '../store/store.ts';
import type { Vault } from './vault.ts';

/** Values in one statement. */
const LIST_MAX = 500;

/** The memories and all that was derived from them, over any number of steps. The given ones come first. */
export async function withDerived(
  sql: ReadSql,
  organization: string,
  ids: readonly string[],
): Promise<readonly string[]> {
  const found = new Set(ids);
  const any = await sql
    .selectFrom('memory_sources')
    .select('memory')
    .where('organization', '=', organization)
    .limit(1)
    .executeTakeFirst();
  if (any === undefined) return [...found];
  for (let next = [...found]; next.length > 0;) {
    const derived: string[] = [];
    for (const sources of chunks(next)) {
      const rows = await sql
        .selectFrom('memory_sources')
        .select('memory')
        .where('organization', '=', organization)
        .where('source', 'in', sources)
        .execute();
      for (const { memory } of rows) {
        if (found.has(memory)) continue;
        found.add(memory);
        derived.push(memory);
      }
    }
    next = derived;
  }
  return [...found];
}

export async function recordSources(
  tx: Tx,
  vault: Vault,
  derived: readonly { readonly memory: string; readonly sources: readonly string[] }[],
): Promise<void> {
  const owner = { organization: vault.organization.id, vault: vault.id, change: tx.change };
  const rows = derived.flatMap(({ memory, sources }) =>
    sources.map((source) => ({ memory, source, ...owner })),
  );
  if (rows.length > 0) await insertRows(tx.sql, 'memory_sources', rows);
}

/** All slots that ever opened a version of these memories: their own, kept, archived and superseded. */
async function slotsOf(sql: ReadSql, ids: readonly string[]): Promise<readonly Slot[]> {
  const slots = new Set<Slot>();
  for (const part of chunks(ids)) {
    for (const table of ['memory_versions', 'archived_versions', 'superseded_slots'] as const) {
      const rows = await sql.selectFrom(table).select('slot').where('memory', 'in', part).execute();
      for (const { slot } of rows) slots.add(slot as Slot);
    }
  }
  return [...slots];
}

/** Slots that are destroyed along with this one. */
export async function tiedTo(sql: ReadSql, slot: Slot): Promise<readonly Slot[]> {
  const rows = await rowsWhere(sql, 'tied_slots', ['slot'], { equal: { tied_to: slot } });
  return rows.map((row) => row.slot as Slot);
}

/**
 * A memory has come to belong to a person or a conversation: what it was before, and what was derived from that, is
 * destroyed along with them from now on.
 */
export async function tie(tx: Tx, vault: Vault, memory: string, to: readonly Slot[]): Promise<void> {
  if (to.length === 0) return;
  const memories = await withDerived(tx.sql, vault.organization.id, [memory]);
  const slots = await slotsOf(tx.sql, memories);
  const owner = { organization: vault.organization.id, vault: vault.id, memory, change: tx.change };
  const rows = to.flatMap((tied_to) => slots.map((slot) => ({ tied_to, slot, ...owner })));
  for (const part of chunks(rows))
    await tx.sql
      .insertInto('tied_slots')
      .values(part)
      .onConflict((conflict) => conflict.columns(['tied_to', 'slot']).doNothing())
      .execute();
}

export function* chunks<T>(values: readonly T[], size: number = LIST_MAX): Generator<T[]> {
  for (let at = 0; at < values.length; at += size) yield values.slice(at, at + size);
}
