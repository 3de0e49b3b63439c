/** The rows of migration 0003: policies, holds and the archive. */
interface Owned {
  change: number;
  organization: string;
}

export interface RetentionDatabase {
  retention_policies: RetentionPolicyRow;
  holds: HoldRow;
  hold_memories: HoldMemoryRow;
  held_versions: HeldVersionRow;
  archives: ArchiveRow;
  archived_versions: ArchivedVersionRow;
  archive_requests: ArchiveRequestRow;
  archive_request_memories: ArchiveRequestMemoryRow;
}

export interface RetentionPolicyRow extends Owned {
  id: string;
  /** Null: the organization's own, which holds wherever a vault says nothing else. */
  vault: string | null;
  slot: number;
  memories_days: number | null;
  memories_archive_days: number | null;
  memories_minimum_days: number | null;
  conversations_days: number | null;
  conversations_archive_days: number | null;
  conversations_minimum_days: number | null;
  archive_wait_hours: number | null;
  archive_copy_hours: number | null;
  /** JSON: [[kind, days], …]: kinds are words of the customer's. */
  kinds_box: Uint8Array | null;
  version: number;
  updated_at: number;
}

export interface HoldRow extends Owned {
  id: string;
  state: 'active' | 'released';
  kind: 'memories' | 'conversation' | 'subject' | 'vault' | 'organization';
  /** Where memories and conversations lie. */
  vault: string | null;
  /** The id of the subject, conversation or vault; memories stand in `hold_memories`. */
  target: string | null;
  /** Null, as the box, where a restore brought the hold back from beside the root: what it was called is lost. */
  slot: number | null;
  about_box: Uint8Array | null;
  placed_by: string;
  created_at: number;
  released_at: number | null;
}

export interface HoldMemoryRow extends Owned {
  hold: string;
  memory: string;
}

/** A version that would have been superseded and was kept because a hold asked for it. */
export interface HeldVersionRow extends Owned {
  memory: string;
  version: number;
  vault: string;
}

export interface ArchiveRow extends Owned {
  id: string;
  vault: string;
  slot: number;
  state: 'building' | 'live';
  blob: string;
  /** Versions in the blob; with fewer rows of `archived_versions` than that it holds what has ended since. */
  records: number;
  created_at: number;
}

/** A version of a memory whose boxes lie in an archive; the row of the memory stays. */
export interface ArchivedVersionRow extends Owned {
  memory: string;
  version: number;
  vault: string;
  slot: number;
  /** JSON: [[role, slot], …]. */
  scope: string;
  author: string;
  archive: string;
  /** The kind, which a rule may name, of the current version. */
  kind_box: Uint8Array | null;
  created_at: number;
}

export interface ArchiveRequestRow extends Owned {
  id: string;
  vault: string;
  state: 'requested' | 'approved' | 'ready' | 'refused' | 'expired';
  slot: number;
  about_box: Uint8Array;
  requested_by: string;
  decided_by: string | null;
  requested_at: number;
  decided_at: number | null;
  ready_at: number | null;
  copied_at: number | null;
  expires_at: number | null;
  /** The copy's own slot and blob, while there is one. */
  copy_slot: number | null;
  blob: string | null;
}

export interface ArchiveRequestMemoryRow extends Owned {
  request: string;
  memory: string;
}
