/**
 * The rows as Kysely sees them: one interface per table, the same on both engines.
 *
 * The tables themselves (DDL, keys, annotations) are data in `migrations/`; `schema.test.ts` holds these types and that
 * data equal, column by column. Text, integers (milliseconds, counts, slots) and bytes only. What a customer typed
 * stands here only inside a `…_box`.
 *
 * Ids, slots and bytes are plain here; the capability that owns a table brands them as it reads.
 * Every row carries `change`, the number of the job that last wrote it; a table with `organization` is a tenant table.
 */
import type { OrganizationId } from '../ids.ts';
import type { ExportsDatabase } from './schema-exports.ts';
import type { RetentionDatabase } from './schema-retention.ts';

export interface Database extends RetentionDatabase, ExportsDatabase {
  meta: MetaRow;
  store_head: StoreHeadRow;
  epochs: EpochRow;
  keyring_head: KeyringHeadRow;
  key_requests: KeyRequestRow;
  leaves: LeafRow;
  service_slots: ServiceSlotRow;
  organizations: OrganizationRow;
  projects: ProjectRow;
  vaults: VaultRow;
  vault_search: VaultSearchRow;
  subjects: SubjectRow;
  conversations: ConversationRow;
  memories: MemoryRow;
  memory_versions: MemoryVersionRow;
  superseded_slots: SupersededSlotRow;
  segments: SegmentRow;
  api_keys: ApiKeyRow;
  idempotency: IdempotencyRow;
  erasures: ErasureRow;
  memory_sources: MemorySourceRow;
  tied_slots: TiedSlotRow;
  tombstone_sets: TombstoneSetRow;
  tombstones: TombstoneRow;
  ledger_heads: LedgerHeadRow;
  ledger_entries: LedgerEntryRow;
  ledger_targets: LedgerTargetRow;
  ledger_tiles: LedgerTileRow;
  ledger_checkpoints: LedgerCheckpointRow;
  backups: BackupRow;
  drills: DrillRow;
  removed_rows: RemovedRowRow;
  signing_keys: SigningKeyRow;
  rotations: RotationRow;
  rewinds: RewindRow;
}

export type TableName = keyof Database;

interface Changed {
  change: number;
}

interface Owned extends Changed {
  organization: string;
}

/** A log belongs to an organization or to the deployment: both columns then say 'deployment'. */
export type LogId = OrganizationId | 'deployment';

interface Logged extends Changed {
  organization: LogId;
  log: LogId;
}

export interface MetaRow extends Changed {
  name: string;
  value: Uint8Array;
}

export interface StoreHeadRow extends Changed {
  id: 1;
}

export interface EpochRow extends Changed {
  epoch: number;
  file_id: Uint8Array;
  state: 'prepared' | 'complete';
  at: number;
}

export interface KeyringHeadRow extends Changed {
  id: 1;
  epoch: number;
  file_id: Uint8Array;
}

export interface KeyRequestRow extends Changed {
  id: string;
  /** Slots as u64s, one after the other. */
  slots: Uint8Array;
  reason: string;
  state: 'hidden' | 'destroyed';
  epoch: number;
  requested_at: number;
  destroyed_at: number | null;
  /** JSON arrays of replica names. */
  confirmed: string;
  missing: string;
}

export interface LeafRow extends Changed {
  leaf: number;
  /** A vault, an organization, or 'deployment' for service slots. */
  owner: string;
  node: string;
  /** The first index of the leaf that was not yet handed out. */
  next: number;
}

export interface ServiceSlotRow extends Changed {
  name: string;
  slot: number;
  created_at: number;
}

export interface OrganizationRow extends Owned {
  id: string;
  slot: number;
  state: string;
  name_box: Uint8Array;
  version: number;
  created_at: number;
  updated_at: number;
}

export interface ProjectRow extends Owned {
  id: string;
  slot: number;
  state: string;
  name_box: Uint8Array;
  version: number;
  created_at: number;
  updated_at: number;
}

export interface VaultRow extends Owned {
  id: string;
  project: string;
  slot: number;
  state: string;
  dimensions: number | null;
  metric: string;
  deletion_mode: string;
  deletion_days: number;
  /** 0 or 1. */
  history: number;
  environment: string;
  tombstones: string | null;
  name_box: Uint8Array;
  version: number;
  created_at: number;
  updated_at: number;
  deleted_at: number | null;
}

/** A vault without a row has the defaults. */
export interface VaultSearchRow extends Owned {
  vault: string;
  language: string;
  /** JSON: the weights of the list by text and of the list by vector. */
  weights: string;
  /** The model its vectors come from, by the name the deployment knows it under. */
  embedder: string | null;
}

export interface SubjectRow extends Owned {
  id: string;
  slot: number;
  state: string;
  name_box: Uint8Array;
  created_at: number;
}

export interface ConversationRow extends Owned {
  id: string;
  vault: string;
  slot: number;
  state: string;
  name_box: Uint8Array;
  created_at: number;
}

export interface MemoryRow extends Owned {
  id: string;
  vault: string;
  /**
   * `archived`: found by its id and in lists, its boxes lie in an archive. `review`: what was erased once came back and waits
   * for a person's word.
   */
  state: 'live' | 'trashed' | 'archived' | 'review';
  version: number;
  subject: string | null;
  conversation: string | null;
  expires_at: number | null;
  created_at: number;
  updated_at: number;
  trashed_at: number | null;
}

export interface MemoryVersionRow extends Owned {
  memory: string;
  version: number;
  vault: string;
  slot: number;
  /** JSON: [[role, slot], …]. */
  scope: string;
  author: string;
  body_box: Uint8Array;
  vector_box: Uint8Array | null;
  created_at: number;
}

export interface SupersededSlotRow extends Owned {
  slot: number;
  vault: string;
  memory: string;
  version: number;
  due_at: number;
}

export interface SegmentRow extends Owned {
  id: string;
  vault: string;
  leaf: number;
  slot: number;
  state: string;
  epoch: number;
  through_change: number;
  /** The name of a blob. */
  blob: string;
  /** JSON: every slot whose content went into it. */
  cover: string;
  created_at: number;
}

export interface ApiKeyRow extends Owned {
  id: string;
  slot: number;
  state: 'active' | 'revoked';
  environment: string;
  /** The key as one who acts: survives its rotations; free text of its ledger entries is sealed under it. */
  principal_slot: number;
  /** A keyed one-way hash, sealed: both die with the credential's own slot, `slot`, which revocation and rotation destroy. */
  hash_box: Uint8Array;
  /** The service slot of the pepper that the hash is sealed under. */
  pepper_slot: number;
  settings_box: Uint8Array;
  expires_at: number | null;
  created_at: number;
  revoked_at: number | null;
}

export interface IdempotencyRow extends Owned {
  id: string;
  principal: string;
  digest: Uint8Array;
  /** The name of the service slot of this period: when it dies, all digests and answers of the period die. */
  period: string;
  status: number;
  response_box: Uint8Array | null;
  created_at: number;
}

export interface LedgerHeadRow extends Logged {
  size: number;
  frontier: Uint8Array;
  generation: number;
}

export interface LedgerEntryRow extends Logged {
  n: number;
  leaf: Uint8Array;
  box: Uint8Array | null;
  at: number;
  principal: string;
  action: string;
}

export interface LedgerTargetRow extends Logged {
  target: string;
  n: number;
}

export interface LedgerTileRow extends Logged {
  level: number;
  tile: number;
  hashes: Uint8Array;
}

export interface LedgerCheckpointRow extends Logged {
  size: number;
  note: string;
  at: number;
}

export interface BackupRow extends Changed {
  id: string;
  kind: 'full' | 'incremental' | 'log';
  state: 'writing' | 'complete';
  slot: number;
  /** What it adds lies between these two change numbers; a full one begins at 0. */
  from_change: number;
  to_change: number;
  /** Of the ledger: a restore begins a new one, and with it a new chain of backups. */
  generation: number;
  started_at: number;
  /** The moment it shows. */
  taken_at: number;
  finished_at: number | null;
  size: number;
  row_count: number;
  /** SHA-256 of the manifest, hex. */
  manifest: string | null;
  /** Names of the places that hold it whole, as JSON. */
  places: string;
}

export interface DrillRow extends Changed {
  id: string;
  backup: string;
  state: 'passed' | 'failed';
  started_at: number;
  duration_ms: number;
  /** How old the newest recoverable moment was. */
  lost_ms: number;
  row_count: number;
  opened: number;
  faults: number;
}

/** Rows that are gone, so that a backup of changes can say so. */
export interface RemovedRowRow extends Changed {
  relation: string;
  /** The key's values, as JSON. */
  row_key: string;
}

export interface SigningKeyRow extends Changed {
  role: 'ledger' | 'certificates';
  /** From 1; the highest one signs. */
  generation: number;
  public_key: Uint8Array;
  /** A signed note; null for the first key. */
  introduction: string | null;
  since: number;
  until: number | null;
}

export interface RotationRow extends Changed {
  id: string;
  what: 'root' | 'keystore' | 'ledger' | 'api-keys' | 'cursors' | 'backups' | 'certificates';
  state: 'begun' | 'switched' | 'kept' | 'ended';
  cause: 'command' | 'schedule' | 'restore';
  /** Null where there is no slot to replace: the keystore's own keys. */
  old_slot: number | null;
  new_slot: number | null;
  started_at: number;
  switched_at: number | null;
  /** When the old key is to be destroyed. */
  due_at: number | null;
  ended_at: number | null;
}

/** A vault that was taken back to a moment, or is on its way there. */
export interface RewindRow extends Owned {
  id: string;
  vault: string;
  /** `failed`: it cannot be finished any more; what is done stays. */
  state: 'running' | 'done' | 'failed';
  asked_by: string;
  /** The backup that shows the moment. */
  backup: string;
  taken_at: number;
  /** When the dry run was done: what was written later is left as it is. */
  planned_at: number;
  /** The moment of the backup that was made before anything was changed. */
  undo_at: number;
  started_at: number;
  finished_at: number | null;
  /** How many memories; src/recovery/rewind-counts.ts says what each means. */
  unchanged: number;
  returned: number;
  changed: number;
  missing: number;
  newer: number;
  kept: number;
  gone: number;
  over: number;
  left_alone: number;
}

export interface ErasureRow extends Owned {
  /** Also the id of its row in `key_requests`, which holds the slots. */
  id: string;
  kind: 'memories' | 'conversation' | 'subject' | 'vault' | 'organization';
  /** Where the target lies; null for people and organizations. */
  vault: string | null;
  /** Our own id of what is erased: of several memories, their vault's. */
  target: string;
  /** What brought it about. */
  cause: 'request' | 'delete' | 'expiry' | 'trash' | 'rejection';
  state: 'requested' | 'hidden' | 'destroyed' | 'purged' | 'cancelled';
  requested_by: string;
  /** SHA-256(nonce ‖ requester's id) in hex; the nonce is not kept. */
  requester: string | null;
  /** By which the API key that closed an organization still reads this row when the organization is gone. */
  receipt: Uint8Array | null;
  requested_at: number;
  /** The end of a grace period. */
  due_at: number | null;
  hidden_at: number | null;
  destroyed_at: number | null;
  purged_at: number | null;
  /** How many keys. */
  slots: number;
  /** How many memories it ends, where that was known when it was asked for. */
  counted: number | null;
  /** Of how many memories the rows have been removed so far. */
  removed: number;
  /** As it was signed. */
  certificate: string | null;
}

/** `memory` was derived from `source`. */
export interface MemorySourceRow extends Owned {
  memory: string;
  source: string;
  vault: string;
}

/** `slot` is no longer needed when `tied_to` dies, and is not derived with it: it is destroyed along. */
export interface TiedSlotRow extends Owned {
  tied_to: number;
  slot: number;
  vault: string;
  memory: string;
}

/** Digests under one slot, which ends on a day that is known from the start. */
export interface TombstoneSetRow extends Owned {
  id: string;
  vault: string;
  slot: number;
  opened_at: number;
  ends_at: number;
}

export interface TombstoneRow extends Owned {
  tombstone_set: string;
  digest: Uint8Array;
  vault: string;
}
