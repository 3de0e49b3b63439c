/**
 * A memory whose boxes lie in the archive, as its rows still show it: ids, times and whom it is about; and its kind, which
 * is sealed beside them because a rule may name it. What it says comes back only through an archive request.
 */
import { decodeUtf8, encodeUtf8 } from '../bytes/encoding.ts';
import type { SealedBox } from '../crypto/seal.ts';
import { StrongroomError } from '../errors.ts';
import type { RecordBoxes, RecordSealer } from '../keys/record-sealer.ts';
import type { Slot } from '../keys/slot.ts';
import type { MemoryField } from '../search/filter.ts';
import type { ArchivedVersionRow } from '../store/schema-retention.ts';
import type { ReadSql } from '../store/store.ts';
import { decodeScope, isReadable, MEMORY_COLUMNS, type JoinedRow, type OpenedMemory } from './memory-row.ts';
import type { Vault } from './vault.ts';

type Place = Pick<Vault, 'id' | 'organization'>;
type Anchor = Pick<ArchivedVersionRow, 'memory' | 'version' | 'slot' | 'scope'>;

export type ArchivedRow = Omit<JoinedRow, 'body_box' | 'vector_box'> & {
  readonly kind_box: Uint8Array | null;
  readonly archived_at: number;
};

/** What is known of an archived memory without a copy out of the archive. */
export const ARCHIVED_FIELDS: ReadonlySet<MemoryField> = new Set([
  'id',
  'subject',
  'conversation',
  'kind',
  'createdAt',
  'updatedAt',
  'expiresAt',
] as const);

/** Archived memories of a vault with their current version. */
export const selectArchived = (sql: ReadSql, vault: Pick<Vault, 'id'>) =>
  sql
    .selectFrom('memories')
    .innerJoin('archived_versions', (join) =>
      join
        .onRef('archived_versions.memory', '=', 'memories.id')
        .onRef('archived_versions.version', '=', 'memories.version'),
    )
    .innerJoin('archives', (join) => join.onRef('archives.id', '=', 'archived_versions.archive'))
    .where('memories.vault', '=', vault.id)
    .where('memories.state', '=', 'archived')
    .select([
      ...MEMORY_COLUMNS,
      'memories.version',
      'archived_versions.slot',
      'archived_versions.scope',
      'archived_versions.kind_box',
      'archives.created_at as archived_at',
    ]);

export function sealKind(sealer: RecordSealer, vault: Place, anchor: Anchor, kind: string): SealedBox {
  return boxesOf(sealer, vault, anchor).seal('kind_box', encodeUtf8(kind));
}

/** With nothing but its kind to say. Throws `erased` where a key is gone. */
export function openArchived(sealer: RecordSealer, vault: Place, row: ArchivedRow): OpenedMemory {
  const { kind_box, ...rest } = row;
  const anchor = { memory: row.id, version: row.version, slot: row.slot, scope: row.scope };
  const boxes = boxesOf(sealer, vault, anchor);
  const kind = kind_box === null ? {} : { kind: decodeUtf8(boxes.open('kind_box', kind_box)) };
  return { row: { ...rest, body_box: new Uint8Array(0) }, body: kind, vector: null };
}

/** The same; null where a key of it is gone. */
export function matchArchived(sealer: RecordSealer, vault: Vault, row: ArchivedRow): OpenedMemory | null {
  try {
    if (!isReadable(sealer, vault, row)) return null;
    return openArchived(sealer, vault, row);
  } catch (error) {
    if (error instanceof StrongroomError && error.code === 'erased') return null;
    throw error;
  }
}

/** What is asked of a memory before it is trashed or erased, wherever its boxes lie. */
export type FoundRow = Pick<JoinedRow, 'id' | 'state' | 'version' | 'subject'>;

export async function requireRow(sql: ReadSql, vault: Pick<Vault, 'id'>, id: string): Promise<FoundRow> {
  const row = await sql
    .selectFrom('memories')
    .select(['id', 'state', 'version', 'subject'])
    .where('id', '=', id)
    .where('vault', '=', vault.id)
    .executeTakeFirst();
  if (row === undefined) throw new StrongroomError('not_found');
  return row;
}

const boxesOf = (sealer: RecordSealer, vault: Place, anchor: Anchor): RecordBoxes =>
  sealer.at({
    table: 'archived_versions',
    organization: vault.organization.id,
    vault: vault.id,
    id: anchor.memory,
    version: anchor.version,
    own: anchor.slot as Slot,
    scope: decodeScope(anchor.scope),
  });
