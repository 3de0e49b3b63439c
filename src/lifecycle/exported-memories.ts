/** Memories on their way into an export, and out of it as far as they may still be shown. */
import type { LiveMemoriesParts } from '../vaults/live-memories.ts';
import { MEMORY_COLUMNS, matchMemory, type JoinedRow, type OpenedMemory } from '../vaults/memory-row.ts';
import { isOver } from '../vaults/retention.ts';
import type { Vault } from '../vaults/vault.ts';
import type { ExportedVersion } from './export-file.ts';

export const exportedVersion = (row: JoinedRow): ExportedVersion => ({
  memory: row.id,
  version: row.version,
  slot: row.slot,
  scope: row.scope,
  subject: row.subject,
  conversation: row.conversation,
  writtenAt: row.updated_at,
  body: row.body_box,
  vector: row.vector_box ?? null,
});

/** Of what an export holds, the memories that live and have not come to their end, as they were when they were exported. */
export async function shownOf(
  { store, sealer, retention, clock }: LiveMemoriesParts,
  vault: Vault,
  versions: readonly ExportedVersion[],
): Promise<readonly OpenedMemory[]> {
  const current = await store.read(vault.organization.id, (db) =>
    db
      .selectFrom('memories')
      .select([...MEMORY_COLUMNS])
      .where('vault', '=', vault.id)
      .where('state', '=', 'live')
      .where(
        'id',
        'in',
        versions.map(({ memory }) => memory),
      )
      .execute(),
  );
  const byId = new Map(current.map((row) => [row.id, row]));
  const rules = await retention.of(vault);
  return versions.flatMap((version) => {
    const row = byId.get(version.memory);
    const opened = row === undefined ? null : matchMemory(sealer, vault, joinedRow(row, version));
    return opened === null || isOver(rules, opened, clock.now()) ? [] : [opened];
  });
}

/** A memory as it was when it was exported; when it ends is asked of it as it is. */
const joinedRow = (
  row: Pick<JoinedRow, 'id' | 'state' | 'expires_at' | 'created_at' | 'trashed_at'>,
  held: ExportedVersion,
): JoinedRow => ({
  ...row,
  version: held.version,
  slot: held.slot,
  scope: held.scope,
  subject: held.subject,
  conversation: held.conversation,
  updated_at: held.writtenAt,
  body_box: held.body,
  vector_box: held.vector,
});
