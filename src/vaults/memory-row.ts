/** A version of a memory as a row: how it is sealed, opened and shown. */
import type { Memory } from '@strongroom/client';
import { encodeFloats } from '../bytes/floats.ts';
import { isoTime } from '../bytes/iso-time.ts';
import type { SealedBox } from '../crypto/seal.ts';
import { StrongroomError } from '../errors.ts';
import type { MemoryId } from '../ids.ts';
import type { Scope } from '../keys/record-key.ts';
import type { RecordBoxes, RecordSealer } from '../keys/record-sealer.ts';
import type { Slot } from '../keys/slot.ts';
import type { IndexedRecord } from '../search/types.ts';
import type { MemoryRow, MemoryVersionRow } from '../store/schema.ts';
import { decodeBody, decodeVector, encodeBody, type MemoryBody } from './memory-content.ts';
import type { Conversation, Subject } from './people.ts';
import type { Names } from './directory.ts';
import type { Vault } from './vault.ts';

/** What decides the key of a version, and the place its boxes are bound to. */
export interface VersionAnchor {
  readonly id: MemoryId;
  readonly version: number;
  readonly vault: Vault;
  readonly slot: Slot;
  readonly scope: Scope;
}

/** The columns of a memory and of its current version, as they are read together. */
export type JoinedRow = Omit<MemoryRow, 'organization' | 'vault' | 'change'> &
  Pick<MemoryVersionRow, 'slot' | 'scope' | 'body_box'> &
  Partial<Pick<MemoryVersionRow, 'vector_box'>>;

export interface OpenedMemory {
  readonly row: JoinedRow;
  readonly body: MemoryBody;
  readonly vector: Float32Array | null;
}

/** The caller's names for the ids in rows. */
export interface NameLookup {
  readonly subjects: Names<Subject>;
  readonly conversations: Names<Conversation>;
}

export interface SealedVersion {
  readonly body_box: SealedBox;
  readonly vector_box: SealedBox | null;
}

export function sealVersion(
  sealer: RecordSealer,
  anchor: VersionAnchor,
  content: { readonly body: MemoryBody; readonly vector: Float32Array | null },
): SealedVersion {
  const boxes = boxesOf(sealer, anchor);
  const { body, vector } = content;
  return {
    body_box: boxes.seal('body_box', encodeBody(body)),
    vector_box: vector === null ? null : boxes.seal('vector_box', encodeFloats(vector)),
  };
}

/** Opens what the row carries; `box.damaged` names the memory that does not open, `erased` one whose key is gone. */
export function openMemory(sealer: RecordSealer, vault: Vault, row: JoinedRow): OpenedMemory {
  const boxes = boxesOf(sealer, anchorOf(vault, row));
  return {
    row,
    body: decodeBody(boxes.open('body_box', row.body_box)),
    vector: row.vector_box ? decodeVector(boxes.open('vector_box', row.vector_box)) : null,
  };
}

/** The same; null where a key of it is gone: what was erased is not there, whether or not its row still is. */
export function matchMemory(sealer: RecordSealer, vault: Vault, row: JoinedRow): OpenedMemory | null {
  try {
    return openMemory(sealer, vault, row);
  } catch (error) {
    if (error instanceof StrongroomError && error.code === 'erased') return null;
    throw error;
  }
}

/** Whether its keys can be derived, without opening it. */
export function isReadable(
  sealer: RecordSealer,
  vault: Vault,
  row: Pick<JoinedRow, 'id' | 'version' | 'slot' | 'scope'>,
): boolean {
  try {
    boxesOf(sealer, anchorOf(vault, row));
    return true;
  } catch (error) {
    if (error instanceof StrongroomError && error.code === 'erased') return false;
    throw error;
  }
}

export function memoryView(opened: OpenedMemory, names: NameLookup, withVector: boolean): Memory {
  const { row, body, vector } = opened;
  const subject = row.subject === null ? undefined : names.subjects.withId(row.subject)?.name;
  const conversation =
    row.conversation === null ? undefined : names.conversations.withId(row.conversation)?.name;
  return {
    id: row.id,
    ...(body.text === undefined ? {} : { text: body.text }),
    ...(withVector && vector !== null ? { vector: Array.from(vector) } : {}),
    ...(body.metadata === undefined ? {} : { metadata: body.metadata }),
    ...(subject === undefined ? {} : { subject }),
    ...(conversation === undefined ? {} : { conversation }),
    ...(body.speaker === undefined ? {} : { speaker: body.speaker }),
    ...(body.at === undefined ? {} : { at: isoTime(body.at) }),
    ...(body.kind === undefined ? {} : { kind: body.kind }),
    ...(row.expires_at === null ? {} : { expiresAt: isoTime(row.expires_at) }),
    ...(body.derivedFrom === undefined ? {} : { derivedFrom: [...body.derivedFrom] }),
    visibility: body.visibility ?? 'vault',
    version: row.version,
    createdAt: isoTime(row.created_at),
    updatedAt: isoTime(row.updated_at),
    ...(row.trashed_at === null ? {} : { trashedAt: isoTime(row.trashed_at) }),
    ...(row.state === 'review' ? { review: 'pending' as const } : {}),
  };
}

export const indexedRecord = (opened: OpenedMemory, names: NameLookup): IndexedRecord => ({
  id: opened.row.id,
  slot: opened.row.slot,
  text: opened.body.text ?? '',
  vector: opened.vector,
  metadata: opened.body.metadata ?? null,
  subject: opened.row.subject === null ? null : (names.subjects.withId(opened.row.subject)?.name ?? null),
  conversation:
    opened.row.conversation === null
      ? null
      : (names.conversations.withId(opened.row.conversation)?.name ?? null),
  speaker: opened.body.speaker ?? null,
  kind: opened.body.kind ?? null,
  at: opened.body.at ?? null,
  createdAt: opened.row.created_at,
  updatedAt: opened.row.updated_at,
  expiresAt: opened.row.expires_at,
  version: opened.row.version,
  visibility: opened.body.visibility ?? null,
  derivedFrom: opened.body.derivedFrom ?? null,
});

/** What is said of a memory beside its version. */
export const MEMORY_COLUMNS = [
  'memories.id',
  'memories.state',
  'memories.subject',
  'memories.conversation',
  'memories.expires_at',
  'memories.created_at',
  'memories.updated_at',
  'memories.trashed_at',
] as const;

export const anchorOf = (
  vault: Vault,
  row: Pick<JoinedRow, 'id' | 'version' | 'slot' | 'scope'>,
): VersionAnchor => ({
  id: row.id as MemoryId,
  version: row.version,
  vault,
  slot: row.slot as Slot,
  scope: decodeScope(row.scope),
});

export const encodeScope = (scope: Scope): string => JSON.stringify(scope);

export const decodeScope = (text: string): Scope => JSON.parse(text) as Scope;

const boxesOf = (sealer: RecordSealer, { id, version, vault, slot, scope }: VersionAnchor): RecordBoxes =>
  sealer.at({
    table: 'memory_versions',
    organization: vault.organization.id,
    vault: vault.id,
    id,
    version,
    own: slot,
    scope,
  });
