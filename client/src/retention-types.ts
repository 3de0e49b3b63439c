/** How long things are kept, what must be kept, and the archive, as they go over the wire. See `types.ts`. */

/** A class of memories: those in conversations, and all others. Days count from creation; null: nothing is said. */
export interface RetentionClass {
  days: number | null;
  archiveAfterDays: number | null;
  /** A statutory minimum: nothing of the class may end sooner, whoever asks. The organization's alone. */
  minimumDays: number | null;
}

export interface RetentionClassInput {
  days?: number | null | undefined;
  archiveAfterDays?: number | null | undefined;
  minimumDays?: number | null | undefined;
}

export interface RetentionKind {
  /** A memory's `kind`, as its writer says it. */
  kind: string;
  days: number;
}

/** A whole policy: what it does not name has no rule. `conversations` without `days` follow `memories`. */
export interface RetentionPolicyInput {
  memories?: RetentionClassInput | undefined;
  conversations?: RetentionClassInput | undefined;
  kinds?: RetentionKind[] | undefined;
  /** The organization's alone. `waitHours`: 0 to 48, by default 12. */
  archive?: { waitHours?: number | undefined; copyHours?: number | undefined } | undefined;
}

export interface RetentionPolicyView {
  /** Absent while nobody has set one. */
  id?: string;
  /** Absent in the organization's own. */
  vault?: string;
  memories: RetentionClass;
  conversations: RetentionClass;
  kinds: RetentionKind[];
  archive: { waitHours: number; copyHours: number };
  /** The deployment's own bound. */
  capDays: number | null;
  /** What the product keeps of itself; `applicationDays` is null where the log goes to the platform. */
  logs: { ledgerYears: number; securityMonths: number; applicationDays: number | null };
  version: number;
  updatedAt?: string;
}

/** In the fixed order in which they are asked. */
export type RetentionRuleName =
  | 'hold'
  | 'minimum'
  | 'erasure'
  | 'item'
  | 'vault'
  | 'organization'
  | 'cap'
  | 'none';

export interface RetentionExplanation {
  memory: string;
  /** `review`: it was erased once, came back, and waits for a decision. */
  state: 'live' | 'trashed' | 'archived' | 'review';
  /** The rule that decides. */
  rule: RetentionRuleName;
  /** When its keys may be destroyed; null: not by itself, or not while it is held. */
  endsAt: string | null;
  /** When it leaves every answer. */
  hiddenAt: string | null;
  /** When it moves to the archive. */
  archivesAt: string | null;
  /** Every rule in its order, with what it says of this memory. */
  considered: { rule: RetentionRuleName; applies: boolean; at: string | null }[];
  /** Holds that keep it. */
  holds: string[];
  /** The trash that it lies in: its own, its vault's, or both; the rule for it is `erasure`. */
  trash: RetentionTrash[];
}

export interface RetentionTrash {
  of: 'memory' | 'vault';
  at: string;
  /** When that ends it; null: not as long as something is kept that would end along. */
  endsAt: string | null;
  /** What keeps it: ids of holds, and a word for a statute. */
  keptBy: string[];
}

/** How long an entry of the ledger is kept. */
export interface EntryRetention {
  entry: number;
  /** A refusal belongs to the security log, which is part of the ledger. */
  class: 'ledger' | 'security';
  at: string;
  /** What its class promises: seven years, or twelve months for a refusal. */
  keptUntil: string;
  /** From here on nothing is left of it but its hash in the tree. */
  endsAt: string;
  /** Its free text, which also ends with whoever it is about: there, never given, or erased. */
  details: 'kept' | 'none' | 'erased';
}

/** How long a line of the application log is kept. */
export interface LogRetention {
  class: 'application';
  /** Null where the log goes to the platform, which then keeps it or not. */
  days: number | null;
  at: string;
  /** The file of that day (UTC), in the server's folder of logs. */
  file: string | null;
  /** The file is removed within an hour of this moment, as a whole. */
  endsAt: string | null;
}

export interface RetentionEffect {
  vault: string;
  class: 'memories' | 'conversations';
  count: number;
  /** The first of them. */
  memories: string[];
}

/** What a policy would do to what is there, before it does. */
export interface RetentionSimulation {
  /** Would leave every answer at once and be destroyed. */
  removes: RetentionEffect[];
  /** Would leave every answer and be kept all the same: under a hold or a statutory minimum. */
  keeps: RetentionEffect[];
  /** Would move to the archive. */
  archives: RetentionEffect[];
  /** Memories looked at. */
  looked: number;
}

/** What is held: exactly one of a subject, a vault, a conversation of a vault, memories of a vault, the organization. */
export interface HoldTarget {
  subject?: string | undefined;
  vault?: string | undefined;
  conversation?: string | undefined;
  memories?: string[] | undefined;
  organization?: true | undefined;
}

export interface HoldInput {
  name: string;
  reason?: string | undefined;
  target: HoldTarget;
}

/** Names are gone where a restore brought the hold back. */
export interface Hold {
  id: string;
  name?: string;
  reason?: string;
  kind: 'memories' | 'conversation' | 'subject' | 'vault' | 'organization';
  target: { subject?: string; vault?: string; conversation?: string; memories?: string[] };
  state: 'active' | 'released';
  placedBy: string;
  createdAt: string;
  releasedAt?: string;
}

export interface HoldPage {
  holds: Hold[];
  next: string | null;
}

export interface ArchiveRequestInput {
  vault: string;
  memories: string[];
  reason: string;
}

export interface ArchiveRequest {
  id: string;
  vault: string;
  memories: string[];
  reason: string;
  state: 'requested' | 'approved' | 'ready' | 'refused' | 'expired';
  requestedBy: string;
  requestedAt: string;
  decidedBy?: string;
  decidedAt?: string;
  /** When the copy can be read, and when it ends. */
  readyAt?: string;
  expiresAt?: string;
}

export interface ArchiveRequestPage {
  requests: ArchiveRequest[];
  next: string | null;
}
