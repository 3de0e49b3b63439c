/**
 * What the server needs of the rest: ports, in the client's types, so that it can be tested without keys and store.
 *
 * Every function is handed parsed, validated input. `RequestContext.recorded` is set by the function that made the
 * request's ledger entry durable; the server records what nobody recorded, before it answers.
 *
 * Faults of a `StrongroomError` that a part throws are shown as they are: their paths are JSON Pointers into the body.
 */
import type {
  ArchiveRequest,
  ArchiveRequestInput,
  ArchiveRequestPage,
  Backup,
  BackupInput,
  BackupPage,
  BackupStatus,
  Drill,
  DrillPage,
  Certificate,
  CertificateKey,
  Erasure,
  Export,
  ExportInput,
  ExportPage,
  EntryRetention,
  ErasureInput,
  ErasureListQuery,
  ErasurePage,
  ErasurePlan,
  ErasureRecipients,
  HealthCode,
  Hold,
  HoldInput,
  HoldPage,
  Key,
  KeyInput,
  KeyPage,
  LedgerCheckpoint,
  LedgerConsistency,
  LedgerKeys,
  LedgerPage,
  LedgerProof,
  LedgerQuery,
  LogRetention,
  MemoriesAdded,
  Memory,
  MemoryHistory,
  MemoryInput,
  MemoryListQuery,
  MemoryPage,
  MemoryPatch,
  NewKey,
  RetentionExplanation,
  RetentionPolicyInput,
  RetentionPolicyView,
  RetentionSimulation,
  RotationInput,
  RotationKeys,
  RotationResult,
  Rewind,
  RewindInput,
  RewindPage,
  SearchInput,
  SearchResults,
  Vault,
  VaultInput,
  VaultListQuery,
  VaultPage,
  VaultPatch,
  VerificationEvent,
  VerificationInput,
} from '@strongroom/client';
import type { Principal, RequestContext } from '../access/context.ts';
import type { Deed } from '../access/recorder.ts';
import type { Secret } from '../bytes/secret.ts';
import type { ErrorCode } from '../errors.ts';
import type { Action } from '../ledger/actions.ts';

export type { Principal, RequestContext } from '../access/context.ts';
export type { Deed } from '../access/recorder.ts';

/** `limit` is always given; `cursor` only after the first page. */
export interface PageRequest {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** The version of an `If-Match` header; null: any. A version that is not the current one is `version.mismatch`. */
export type ExpectedVersion = number | null;

export interface Access {
  /** Throws `auth.invalid`, `auth.expired` or `access.network`. */
  authenticate(apiKey: Secret, address: string | null): Promise<Principal>;
  /**
   * Throws `access.refused`, and for a vault that is not there or another tenant's `not_found`.
   * `vault` is what stands in the path: an id or a name; null where the route has none. Runs before the body is read.
   */
  authorize(context: RequestContext, action: Action, vault: string | null): Promise<void>;
  createKey(context: RequestContext, input: KeyInput): Promise<NewKey>;
  listKeys(context: RequestContext, page: PageRequest): Promise<KeyPage>;
  rotateKey(context: RequestContext, key: Key['id']): Promise<NewKey>;
  revokeKey(context: RequestContext, key: Key['id']): Promise<void>;
}

/** `vault` is an id or a name, as it stands in the path. */
export interface Vaults {
  createVault(context: RequestContext, input: VaultInput): Promise<Vault>;
  listVaults(context: RequestContext, query: VaultListQuery & PageRequest): Promise<VaultPage>;
  getVault(context: RequestContext, vault: string): Promise<Vault>;
  updateVault(
    context: RequestContext,
    vault: string,
    patch: VaultPatch,
    expected: ExpectedVersion,
  ): Promise<Vault>;
  /** Into the trash, or for good. `accepted`: hidden, and erased as soon as every replica of the keystore can be reached. */
  deleteVault(
    context: RequestContext,
    vault: string,
    expected: ExpectedVersion,
  ): Promise<'done' | 'accepted'>;
  /** Out of the trash, by its id or the name it had. */
  restoreVault(context: RequestContext, vault: string): Promise<Vault>;
}

/** Where a memory is: the vault by id or name, the memory by id. */
export interface MemoryPlace {
  readonly vault: string;
  readonly memory: string;
}

export type Include = { readonly include?: 'vector' | undefined };

export interface Memories {
  /** One memory (never `messages`); answers it whole, without its vector. */
  addMemory(context: RequestContext, vault: string, input: MemoryInput): Promise<Memory>;
  /** Many, in one durable commit; an input with `messages` becomes a memory each. Ids in the order given. */
  addMemories(context: RequestContext, vault: string, inputs: readonly MemoryInput[]): Promise<MemoriesAdded>;
  listMemories(
    context: RequestContext,
    vault: string,
    query: MemoryListQuery & PageRequest,
  ): Promise<MemoryPage>;
  getMemory(context: RequestContext, place: MemoryPlace, query: Include): Promise<Memory>;
  updateMemory(
    context: RequestContext,
    place: MemoryPlace,
    patch: MemoryPatch,
    expected: ExpectedVersion,
  ): Promise<Memory>;
  /** `mode` null: the vault's own. `accepted`: hidden, and erased as soon as every replica of the keystore can be reached. */
  deleteMemory(
    context: RequestContext,
    place: MemoryPlace,
    mode: 'trash' | 'erase' | null,
    expected: ExpectedVersion,
  ): Promise<'done' | 'accepted'>;
  restoreMemory(context: RequestContext, place: MemoryPlace): Promise<Memory>;
  /** What was erased before and came back: from now on a memory like any other, or erased again. */
  approveMemory(context: RequestContext, place: MemoryPlace): Promise<Memory>;
  rejectMemory(context: RequestContext, place: MemoryPlace): Promise<'done' | 'accepted'>;
  memoryHistory(context: RequestContext, place: MemoryPlace, query: Include): Promise<MemoryHistory>;
  /** The entry of the export is durable before the first memory comes out. */
  exportMemories(context: RequestContext, vault: string, query: Include): AsyncIterable<Memory>;
  searchMemories(
    context: RequestContext,
    vault: string,
    input: SearchInput & { limit: number },
  ): Promise<SearchResults>;
}

/** `vault` null: the organization's own policy. */
export interface Retention {
  getRetention(context: RequestContext, vault: string | null): Promise<RetentionPolicyView>;
  /** Replaces the policy whole. */
  setRetention(
    context: RequestContext,
    vault: string | null,
    input: RetentionPolicyInput,
    expected: ExpectedVersion,
  ): Promise<RetentionPolicyView>;
  simulateRetention(
    context: RequestContext,
    vault: string | null,
    input: RetentionPolicyInput,
  ): Promise<RetentionSimulation>;
  explainRetention(context: RequestContext, place: MemoryPlace): Promise<RetentionExplanation>;
  explainEntry(context: RequestContext, n: number): Promise<EntryRetention>;
  /** `at` null: of a line that is written now. */
  explainLog(context: RequestContext, at: number | null): Promise<LogRetention>;
}

export interface Holds {
  placeHold(context: RequestContext, input: HoldInput): Promise<Hold>;
  listHolds(context: RequestContext, page: PageRequest): Promise<HoldPage>;
  getHold(context: RequestContext, hold: string): Promise<Hold>;
  releaseHold(context: RequestContext, hold: string): Promise<void>;
  /** Also what has expired, lies in the trash or in the archive. */
  listHeld(context: RequestContext, hold: string, page: PageRequest): Promise<MemoryPage>;
}

export interface Archive {
  requestArchive(context: RequestContext, input: ArchiveRequestInput): Promise<ArchiveRequest>;
  listRequests(context: RequestContext, page: PageRequest): Promise<ArchiveRequestPage>;
  getRequest(context: RequestContext, request: string): Promise<ArchiveRequest>;
  /** Throws `access.refused` for one's own. */
  approveRequest(context: RequestContext, request: string): Promise<ArchiveRequest>;
  refuseRequest(context: RequestContext, request: string): Promise<void>;
  /** Throws `conflict` before it is ready, after it has expired, and without approval. */
  readRequest(context: RequestContext, request: string, page: PageRequest): Promise<MemoryPage>;
}

export interface Exports {
  /** Resolves once it is ready. Throws `conflict` beyond what a vault, or an export, may hold. */
  createExport(
    context: RequestContext,
    vault: string,
    input: ExportInput,
    onProgress?: (memories: number) => void,
  ): Promise<Export>;
  listExports(context: RequestContext, vault: string, page: PageRequest): Promise<ExportPage>;
  getExport(context: RequestContext, id: string): Promise<Export>;
  /** Throws `conflict` for one that is not ready or has ended. The entry is durable before the first memory comes out. */
  readExport(context: RequestContext, id: string, query: Include): AsyncIterable<Memory>;
  /** Throws `conflict` for one that is not ready. */
  deleteExport(context: RequestContext, id: string): Promise<void>;
}

export interface Erasures {
  /** Durable and hidden when this resolves, or (a dry run) only counted. */
  request(context: RequestContext, input: ErasureInput): Promise<Erasure | ErasurePlan>;
  list(context: RequestContext, query: ErasureListQuery & PageRequest): Promise<ErasurePage>;
  get(context: RequestContext, erasure: string): Promise<Erasure>;
  /** Throws `conflict` for one that is under way. */
  cancel(context: RequestContext, erasure: string): Promise<Erasure>;
  /** Who took copies away before it was asked for. */
  recipients(context: RequestContext, erasure: string): Promise<ErasureRecipients>;
  /** Throws `certificate.pending` while a replica of the keystore has yet to forget. */
  certificate(context: RequestContext, erasure: string): Promise<Certificate>;
  certificateKey(context: RequestContext): Promise<CertificateKey>;
}

export interface LedgerReads {
  listEntries(context: RequestContext, query: LedgerQuery & PageRequest): Promise<LedgerPage>;
  checkpoint(context: RequestContext): Promise<LedgerCheckpoint>;
  verifierKeys(context: RequestContext): Promise<LedgerKeys>;
  /** Of entry `n` in the tree of `size` entries; null: of today's size. */
  proof(context: RequestContext, n: number, size: number | null): Promise<LedgerProof>;
  /** Of the tree of `from` entries as the beginning of that of `size`; null: of today's. */
  consistency(context: RequestContext, from: number, size: number | null): Promise<LedgerConsistency>;
  /** Lines of the ledger's own export format, each with its newline; the entry of the export is durable before the first. */
  exportLedger(context: RequestContext): AsyncIterable<string>;
}

export interface Rotations {
  listRotations(context: RequestContext): Promise<RotationKeys>;
  /** Throws `access.refused` for any organization but the one that the deployment was made with. */
  runRotation(context: RequestContext, input: RotationInput): Promise<RotationResult>;
}

export interface Verifications {
  /**
   * Runs checks and tells how they go; the last event is the result. The entry of the request is durable before the first
   * event, that of the result before the last. Throws `request.invalid` for a claim that is not in the table and `busy`
   * while another verification runs.
   */
  verify(context: RequestContext, input: VerificationInput): AsyncIterable<VerificationEvent>;
}

export interface HealthCheck {
  readonly name: string;
  readonly ok: boolean;
  /** It works, and something that it should have is not there. */
  readonly degraded?: HealthCode;
  /** Content-free: anybody may read it. */
  readonly detail?: string;
}

export interface HealthReads {
  /** Whether the process must be restarted. */
  live(): Promise<readonly HealthCheck[]>;
  /** Whether requests may be sent here: store, ledger, keystore. */
  ready(): Promise<readonly HealthCheck[]>;
  /** Further figures for `/metrics`, content-free. */
  gauges?(): Promise<readonly Gauge[]>;
}

export interface Gauge {
  /** `strongroom_…`, with its unit last. */
  readonly name: string;
  readonly help: string;
  /** Words and ids of ours. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface AnonymousRefusal {
  readonly address: string;
  /** `GET /v1/vaults/{vault}`; `GET unmatched` for what is not a route. */
  readonly route: string;
  readonly code: ErrorCode;
}

export interface Records {
  /** Makes the entry of a refusal, a failure or an unrecorded success durable and sets `context.recorded`. */
  record(context: RequestContext, deed: Deed): Promise<void>;
  /** Counted per address, route, code and minute in the deployment's log. Must not throw and must not wait. */
  countAnonymous(refusal: AnonymousRefusal): void;
}

/** An answer kept for a repeated request. */
export interface KeptResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON text; null where the answer had no body, or one that may be shown once only. */
  readonly body: string | null;
}

export type IdempotencyAnswer =
  | { readonly kind: 'replay'; readonly response: KeptResponse }
  | { readonly kind: 'proceed'; readonly claim: IdempotencyClaim };

export interface IdempotencyClaim {
  /** Keeps the answer. A failure here must not undo or deny what was done: it is the part's to log. */
  complete(response: KeptResponse): Promise<void>;
  /** The request failed and left nothing behind: the same key may be tried again. */
  abandon(): Promise<void>;
}

export interface Idempotency {
  /**
   * Claims `key` for the principal of `context`. `fingerprint` is the SHA-256 of method, path, query and body: a digest of
   * content, so it is kept sealed only. Throws `idempotency.conflict` for another fingerprint, another action or target (`of`), or a
   * request still under way.
   */
  begin(
    context: RequestContext,
    key: string,
    fingerprint: Uint8Array,
    of: { readonly action: Action; readonly target: string },
  ): Promise<IdempotencyAnswer>;
}

/** How far a backup has come. */
export interface Written {
  readonly rows: number;
  readonly bytes: number;
}

/** How far a drill has come. */
export interface Read {
  readonly pieces: number;
  readonly of: number;
}

/** Of the whole deployment. */
export interface Backups {
  createBackup(
    context: RequestContext,
    input: BackupInput,
    onProgress?: (progress: Written) => void,
  ): Promise<Backup>;
  listBackups(context: RequestContext, page: PageRequest): Promise<BackupPage>;
  backupStatus(context: RequestContext): Promise<BackupStatus>;
  runDrill(context: RequestContext, onProgress?: (progress: Read) => void): Promise<Drill>;
  listDrills(context: RequestContext, page: { readonly limit: number }): Promise<DrillPage>;
  rewindVault(context: RequestContext, vault: string, input: RewindInput): Promise<Rewind>;
  listRewinds(context: RequestContext, vault: string, page: { readonly limit: number }): Promise<RewindPage>;
}

export interface HttpParts {
  readonly access: Access;
  readonly vaults: Vaults;
  readonly memories: Memories;
  readonly retention: Retention;
  readonly holds: Holds;
  readonly archive: Archive;
  readonly exports: Exports;
  readonly erasures: Erasures;
  readonly ledger: LedgerReads;
  readonly verifications: Verifications;
  readonly backups: Backups;
  readonly rotations: Rotations;
  readonly health: HealthReads;
  readonly records: Records;
  readonly idempotency: Idempotency;
}
