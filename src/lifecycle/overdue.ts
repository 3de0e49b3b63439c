/**
 * By how much anything outlives its time: looked for afresh in the tables, by the clock itself and by nothing that the chores
 * remember. What a hold or a statute keeps is not overdue.
 */
import type { Organization } from '../access/organizations.ts';
import { DAY_MS } from '../durations.ts';
import type { Clock } from '../environment.ts';
import type { OrganizationId } from '../ids.ts';
import { LEDGER_KEPT_S } from '../store/migrations/0002-ledger-pruning.ts';
import { SYSTEM, type Store } from '../store/store.ts';
import type { RetentionRules } from '../vaults/retention.ts';
import { allVaults, dueMemories, vaultsWithTrash, type DueParts } from './due-memories.ts';
import type { HoldGuard } from './hold-guard.ts';

export interface OverdueParts extends DueParts {
  readonly store: Store;
  readonly retention: RetentionRules;
  readonly guard: Pick<HoldGuard, 'keeping'>;
  readonly clock: Clock;
}

/** The age beyond its time of what is most overdue, in milliseconds; 0 where nothing is. */
export async function overdueMs(parts: OverdueParts): Promise<number> {
  const now = parts.clock.now();
  const memories = await memoriesOverdue(parts, now);
  const rows = await rowsOverdue(parts, now);
  return Math.max(0, memories, ...rows);
}

async function memoriesOverdue(parts: OverdueParts, now: number): Promise<number> {
  const { store, guard, retention } = parts;
  const keeping = ({ id }: Organization, ids: readonly string[]) =>
    store.read(id, (db) => guard.keeping(db, id, ids));
  let most = 0;
  for await (const vault of allVaults(parts)) {
    const rules = await retention.of(vault);
    for await (const page of dueMemories(parts, vault, { rules, now, isThorough: true })) {
      const by = await keeping(
        vault.organization,
        page.map(({ id }) => id),
      );
      for (const { id, at } of page) if (!by.has(id)) most = Math.max(most, now - at);
    }
  }
  for await (const vault of vaultsWithTrash(parts)) {
    const trashed = await store.read(vault.organization.id, (db) =>
      db
        .selectFrom('memories')
        .select(['id', 'trashed_at'])
        .where('vault', '=', vault.id)
        .where('state', '=', 'trashed')
        .where('trashed_at', '<=', now - vault.deletion.days * DAY_MS)
        .execute(),
    );
    const by = await keeping(
      vault.organization,
      trashed.map(({ id }) => id),
    );
    for (const { id, trashed_at } of trashed)
      if (!by.has(id)) most = Math.max(most, now - (trashed_at ?? now) - vault.deletion.days * DAY_MS);
  }
  return most;
}

/** Everything else that has a due date. */
async function rowsOverdue({ store, guard }: OverdueParts, now: number): Promise<readonly number[]> {
  return store.read(SYSTEM, async (db) => {
    const superseded = await db
      .selectFrom('superseded_slots')
      .select(['organization', 'vault', 'memory', 'due_at'])
      .where('due_at', '<=', now)
      .execute();
    const late: number[] = [];
    for (const [organization, rows] of Map.groupBy(superseded, (row) => row.organization as OrganizationId)) {
      const kept = await guard.keeping(db, organization, [...new Set(rows.map(({ memory }) => memory))]);
      for (const { memory, due_at } of rows) if (!kept.has(memory)) late.push(now - due_at);
    }
    const copies = await db
      .selectFrom('archive_requests')
      .select('expires_at')
      .where('state', 'in', ['approved', 'ready'])
      .where('expires_at', '<=', now)
      .execute();
    const exports = await db
      .selectFrom('exports')
      .select('expires_at')
      .where('state', '=', 'ready')
      .where('expires_at', '<=', now)
      .execute();
    const entry = await db
      .selectFrom('ledger_entries')
      .select('at')
      .where('at', '<', now - LEDGER_KEPT_S * 1000 - DAY_MS)
      .where('action', '!=', '')
      .orderBy('at')
      .limit(1)
      .executeTakeFirst();
    return [
      ...late,
      ...[...copies, ...exports].map(({ expires_at }) => now - (expires_at ?? now)),
      ...(entry === undefined ? [] : [now - entry.at - LEDGER_KEPT_S * 1000]),
    ];
  });
}
