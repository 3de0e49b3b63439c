/**
 * What goes over the wire, written by hand. The server's schemas are held equal to these types by a type-level test.
 *
 * Times are ISO 8601 in UTC ("2026-05-07T10:00:00.000Z"). Ids, versions and times of record are the server's; in a
 * `…Input` they do not occur. A vector is an array of finite float32 numbers, 2 to 4,096 of them.
 */
import type { Export } from './export-types.ts';

export type JsonValue = null | boolean | number | string | JsonValue[] | { [name: string]: JsonValue };
export type JsonObject = { [name: string]: JsonValue };

export type Metric = 'cosine' | 'dot' | 'euclidean';
export type VaultEnvironment = 'production' | 'staging' | 'development';

/** What happens to an addition that was erased from the vault before: nothing, refused, or kept aside for a person to say. */
export type TombstoneSetting = 'off' | 'refuse' | 'review';

/**
 * The language of a vault's texts, for what counts as the same word: `auto` tells it from each text, `none` compares
 * words as they stand.
 */
export type Language =
  | 'auto'
  | 'none'
  | 'ar'
  | 'ca'
  | 'cs'
  | 'da'
  | 'de'
  | 'en'
  | 'es'
  | 'eu'
  | 'fi'
  | 'fr'
  | 'ga'
  | 'hu'
  | 'hy'
  | 'it'
  | 'nl'
  | 'no'
  | 'pt'
  | 'ro'
  | 'ru'
  | 'sl'
  | 'sv'
  | 'ta'
  | 'tr';

/** How much the list by text and the list by vector count in a hybrid search: 0 to 1,000 each, not both 0. */
export interface SearchWeights {
  text: number;
  vector: number;
}

export interface DeletionSetting {
  mode: 'trash' | 'immediate';
  /** Days in the trash before erasure, 1 to 30. */
  days: number;
}

export interface VaultInput {
  name: string;
  dimensions?: number | undefined;
  metric?: Metric | undefined;
  deletion?: { mode?: 'trash' | 'immediate' | undefined; days?: number | undefined } | undefined;
  history?: boolean | undefined;
  tombstones?: TombstoneSetting | undefined;
  environment?: VaultEnvironment | undefined;
  /** `auto` by default. */
  language?: Language | undefined;
  /** 1 each by default. */
  weights?: SearchWeights | undefined;
  /** The server's embedding model that makes the vectors nobody brings; null, the default: none is asked. */
  embedder?: string | null | undefined;
}

export interface VaultPatch {
  name?: string | undefined;
  deletion?: { mode?: 'trash' | 'immediate' | undefined; days?: number | undefined } | undefined;
  history?: boolean | undefined;
  tombstones?: TombstoneSetting | undefined;
  /** Another language has the vault's index made anew. */
  language?: Language | undefined;
  weights?: SearchWeights | undefined;
  /** Concerns what is added from now on: vectors that are there stay. */
  embedder?: string | null | undefined;
}

export interface Vault {
  id: string;
  name: string;
  project: string;
  dimensions: number | null;
  metric: Metric;
  deletion: DeletionSetting;
  history: boolean;
  tombstones: TombstoneSetting;
  environment: VaultEnvironment;
  language: Language;
  weights: SearchWeights;
  embedder: string | null;
  version: number;
  createdAt: string;
  updatedAt: string;
  /** Of one in the trash: since when, and when it ends by itself, unless something in it is held. */
  trashedAt?: string;
  endsAt?: string;
}

export interface VaultListQuery {
  limit?: number | undefined;
  cursor?: string | undefined;
  /** `live` by default. */
  state?: 'live' | 'trashed' | undefined;
}

export interface VaultPage {
  vaults: Vault[];
  next: string | null;
}

export interface MessageInput {
  role: string;
  content: string;
  name?: string | undefined;
  at?: string | undefined;
}

/** A vector as it travels: its numbers, or base64 of them as little-endian float32, a quarter as long and read many times faster. */
export type SentVector = number[] | string;

/** At least one of `text`, `vector` and `messages`; `messages` becomes a memory each and excludes `text` and `vector`. */
export interface MemoryInput {
  text?: string | undefined;
  messages?: MessageInput[] | undefined;
  vector?: SentVector | undefined;
  metadata?: JsonObject | undefined;
  subject?: string | undefined;
  conversation?: string | undefined;
  speaker?: string | undefined;
  at?: string | undefined;
  kind?: string | undefined;
  expiresAt?: string | null | undefined;
  derivedFrom?: string[] | undefined;
  /** Who in the organization may see it: everybody who may read the vault. */
  visibility?: 'vault' | undefined;
  /** False keeps the text from the vault's embedder: the memory has the vector that comes with it, or none. */
  embed?: boolean | undefined;
}

/** What is absent stays; `null` removes. A patch makes a new version. */
export interface MemoryPatch {
  text?: string | null | undefined;
  vector?: SentVector | null | undefined;
  metadata?: JsonObject | null | undefined;
  subject?: string | null | undefined;
  conversation?: string | null | undefined;
  speaker?: string | null | undefined;
  at?: string | null | undefined;
  kind?: string | null | undefined;
  expiresAt?: string | null | undefined;
  visibility?: 'vault' | undefined;
  /** False keeps a new text from the vault's embedder; the old text's vector goes. */
  embed?: boolean | undefined;
}

export interface Memory {
  id: string;
  text?: string;
  /** Only with `include=vector`. */
  vector?: number[];
  metadata?: JsonObject;
  subject?: string;
  conversation?: string;
  speaker?: string;
  at?: string;
  kind?: string;
  expiresAt?: string;
  derivedFrom?: string[];
  visibility: string;
  version: number;
  createdAt: string;
  updatedAt: string;
  /** Present while the memory lies in the trash. */
  trashedAt?: string;
  /** Present where it lies in the archive: what it says comes back through an archive request. */
  archivedAt?: string;
  /** Present where it was erased before and waits to be approved or rejected; until then nothing finds it. */
  review?: 'pending';
}

export interface MemoryPage {
  memories: Memory[];
  next: string | null;
}

/** A version of a memory; `author` is the principal (`key_…`) who made it. */
export type MemoryVersion = Memory & { author: string };

/** Newest first. */
export interface MemoryHistory {
  versions: MemoryVersion[];
}

/** The body of an addition: one memory, one conversation, or up to 1,000 memories in one durable commit. */
export type MemoriesInput = MemoryInput & { memories?: MemoryInput[] | undefined };

/** What an addition of many answers, in the order given. */
export interface MemoriesAdded {
  memories: { id: string; review?: 'pending' }[];
}

export interface MemoryListQuery {
  limit?: number | undefined;
  cursor?: string | undefined;
  filter?: JsonObject | undefined;
  include?: 'vector' | undefined;
  /** `live` by default. `review`: what was erased before and waits for a decision. */
  state?: 'live' | 'trashed' | 'archived' | 'review' | undefined;
}

export interface SearchInput {
  /**
   * Words, or a question. `"in quotes"` stands for an exact phrase: alone it must be held, beside other words it comes
   * first. `begin*` stands for every word that begins so. Dates ("last May") and names of speakers count too.
   */
  query?: string | undefined;
  vector?: SentVector | undefined;
  limit?: number | undefined;
  filter?: JsonObject | undefined;
  /**
   * By default what the request allows: `hybrid` with query and vector, else the one given. In a vault with an embedder
   * a query is embedded where no vector comes with it, unless the mode is `text` or vectors have the weight 0.
   */
  mode?: 'text' | 'vector' | 'hybrid' | undefined;
  /** For mode `hybrid`, instead of the vault's: a list's n-th counts weight / (60 + n). */
  weights?: SearchWeights | undefined;
  include?: 'vector' | undefined;
}

export type SearchResult = Memory & { score: number };

export interface SearchResults {
  results: SearchResult[];
}

/** One of these; ids of ours, or your own names of people and conversations. Vaults by id or name. */
export interface ErasureTarget {
  memory?: string | undefined;
  /** Everything about a person, in all vaults of the organization. */
  subject?: string | undefined;
  conversation?: string | undefined;
  filter?: JsonObject | undefined;
  /**
   * With `memory`, `conversation` or `filter`: where it lies. Alone: the vault with everything in it, also one in the trash:
   * by its id, or by the name it had and `confirm`.
   */
  vault?: string | undefined;
  /** Your own organization's id: all of it, after a grace period. */
  organization?: string | undefined;
}

export interface ErasureInput {
  target: ErasureTarget;
  /** Why: kept in the ledger, and outlives what is erased. Do not name the person in it. Needed unless `dryRun`. */
  reason?: string | undefined;
  /** Says how many memories would go, and gives what confirms it; nothing is erased. */
  dryRun?: boolean | undefined;
  /** Of a dry run with the same target. Needed for a filter, and to close an organization without a grace period. */
  confirm?: string | undefined;
  /** 16 to 64 random bytes, base64url: with `requester` they make the certificate recognisable to you alone. Not kept. */
  nonce?: string | undefined;
  /** Whom the certificate is for; by default the id of the API key. Not kept. */
  requester?: string | undefined;
  /** For an organization: days until it is erased, at most 14, which is the default; 0 asks for `confirm`. */
  graceDays?: number | undefined;
}

export type ErasureState = 'requested' | 'hidden' | 'destroyed' | 'purged' | 'cancelled';

/**
 * `requested`: a grace period runs. `hidden`: nothing opens it any more. `destroyed`: no replica of the keystore can derive
 * its keys. `purged`: its rows are removed too.
 */
export interface Erasure {
  id: string;
  kind: 'memories' | 'conversation' | 'subject' | 'vault' | 'organization';
  state: ErasureState;
  /** Our id of what is erased; of several memories, their vault's. */
  target: string;
  vault?: string;
  cause: 'request' | 'delete' | 'expiry' | 'trash' | 'rejection';
  requestedBy: string;
  requestedAt: string;
  dueAt?: string;
  hiddenAt?: string;
  destroyedAt?: string;
  purgedAt?: string;
  /** Of memories, with those derived from them: known at once for memories, for everything else when they are removed. */
  count?: number;
  /** Of memories whose rows are removed so far. */
  removed: number;
  /** How many keys were asked to be destroyed. */
  keys: number;
}

export interface ErasurePlan {
  /** Holds, and `a statutory minimum`, that keep any part of it: as long as they do, all of it is refused. */
  keptBy?: string[];
  dryRun: true;
  kind: Erasure['kind'];
  /** Of memories that would go, those derived from them included. */
  count: number;
  /** Memories in the archive that the filter could not be asked of, because it asks for what they say: they stay. */
  unasked?: number;
  confirm: string;
  expiresAt: string;
}

export interface ErasureListQuery {
  limit?: number | undefined;
  cursor?: string | undefined;
  state?: ErasureState | undefined;
}

export interface ErasurePage {
  erasures: Erasure[];
  next: string | null;
}

export interface Certificate {
  /** A signed envelope (DSSE) of an in-toto statement, byte for byte as it is verified. Keep it as it comes. */
  certificate: string;
  /** The verifier key it was signed with: compare it with the one you know. */
  verifierKey: string;
}

/** Somebody who took a copy away before the erasure, which is theirs to end. */
export interface ErasureRecipient {
  /** An export of a vault, a copy out of its archive, or an export that is kept on the server. */
  how: 'export' | 'archive' | 'kept';
  /** The key that did it. */
  principal: string;
  vault?: string;
  lastAt: string;
}

export interface ErasureRecipients {
  recipients: ErasureRecipient[];
  /** Kept on the server and made before: nothing of what was erased opens in them. */
  exports: Export[];
}

export interface CertificateKey {
  /** The verifier key of what is signed from now on. */
  verifierKey: string;
  /** Every key that has signed certificates, oldest first: whoever knows one follows introductions to the others. */
  keys: LedgerKey[];
}

export interface KeyScope {
  /** Actions of the catalogue, with `*` for a whole noun (`memory.*`) or all (`*`). */
  actions: string[];
  /** Ids or names of vaults, or `*`. */
  vaults: string[];
}

export interface KeyInput {
  name: string;
  environment?: VaultEnvironment | undefined;
  scopes?: KeyScope[] | undefined;
  /** CIDR ranges the key may be used from; absent or empty: any. */
  networks?: string[] | undefined;
  expiresAt?: string | null | undefined;
}

export interface Key {
  id: string;
  name: string;
  environment: VaultEnvironment;
  scopes: KeyScope[];
  networks: string[];
  state: 'active' | 'revoked';
  createdAt: string;
  expiresAt?: string;
  revokedAt?: string;
}

/** Shown once, when made or rotated: the server keeps only a keyed hash. */
export interface NewKey extends Key {
  apiKey: string;
}

export interface KeyPage {
  keys: Key[];
  next: string | null;
}

export interface LedgerQuery {
  limit?: number | undefined;
  cursor?: string | undefined;
  principal?: string | undefined;
  action?: string | undefined;
  target?: string | undefined;
  /** The caller's own id of a person; found through the directory of subjects. */
  subject?: string | undefined;
  after?: string | undefined;
  before?: string | undefined;
}

export interface LedgerEntry {
  n: number;
  at: string;
  principal: string;
  action: string;
  target: string;
  targets?: string[];
  outcome: 'done' | 'refused' | 'failed';
  code?: string;
  count?: number;
  request: string;
  purpose?: string;
  address?: string;
  /** The hashed bytes (canonical JSON), base64, and their RFC 6962 leaf hash, hex. */
  leaf: string;
  leafHash: string;
}

export interface LedgerPage {
  entries: LedgerEntry[];
  next: string | null;
}

export interface LedgerCheckpoint {
  log: string;
  size: number;
  rootHash: string;
  /** A C2SP tlog-checkpoint in a signed note. */
  note: string;
  /** The verifier key of the note (C2SP signed-note "vkey"). */
  verifierKey: string;
}

export interface LedgerProof {
  n: number;
  size: number;
  leafHash: string;
  rootHash: string;
  /** Hashes from the leaf to the root, hex (RFC 6962, 2.1.1). */
  path: string[];
  /** The same as a C2SP tlog-proof with its checkpoint. */
  proof: string;
}

export interface LedgerConsistency {
  from: number;
  size: number;
  /** What the log's root was at `from`: compare it with that of the checkpoint you kept. */
  fromRootHash: string;
  rootHash: string;
  /** Hashes that lead from one root to the other, hex (RFC 6962, 2.1.2). */
  path: string[];
  /** The same with the checkpoint of `size`, as witnesses take it (C2SP tlog-witness, add-checkpoint). */
  proof: string;
}

/** `keystore.away`: a replica of the keystore cannot be reached, and erasures wait for it. */
export type HealthCode = 'keystore.away';

/** `degraded`: requests are served (200), and an operator is needed all the same; `failing`: they are not (503). */
export interface Health {
  status: 'ok' | 'degraded' | 'failing';
  checks: { name: string; status: 'ok' | 'degraded' | 'failing'; code?: HealthCode; detail?: string }[];
}

/** `pass` alone means held. `stale`: too old, of another build, or never checked. */
export type ClaimVerdict = 'pass' | 'fail' | 'error' | 'stale' | 'partial' | 'not_claimed';

/** Ids of requirements that a claim supports. */
export interface ClaimSupports {
  soc2: string[];
  iso27001: string[];
  gdpr: string[];
  hipaa: string[];
  ccpa: string[];
}

export interface ClaimResult {
  id: string;
  family: string;
  /** The promise, with its parameters filled in. */
  sentence: string;
  verdict: ClaimVerdict;
  held: boolean;
  /** T: exercised, E: observed, A: attested, I: inherited; `*`: only where a profile applies. */
  method: string;
  supports: ClaimSupports;
  parameters: Record<string, number>;
  /** What is wrong, or what kept the check from its end. */
  faults: string[];
  /** Why it is not claimed, or stale. */
  reason?: string;
  /** The half of a partial claim that nothing checks. */
  missing?: string;
  /** What a pass does not prove. */
  notProven?: string;
  /** What would mend a failure. */
  mend?: string;
  /** Hours after which a result is stale. */
  freshHours?: number;
  checkedAt?: string;
  ageSeconds?: number;
  /** On the running server, on a scratch instance of the same build, or both. */
  place?: 'live' | 'scratch' | 'both';
  /** How many things were looked at. */
  covered?: number;
  measured?: Record<string, number | string>;
}

/** Nothing given: every claim. An empty list of claims runs nothing and answers how all stand. */
export interface VerificationInput {
  claims?: string[] | undefined;
  families?: string[] | undefined;
  /** Instead: breaks a scratch instance so that the checks of this claim must turn red. */
  sabotage?: string | undefined;
}

/** What a check said of a server that was broken on purpose. */
export interface SabotageOutcome {
  check: string;
  name: string;
  breaks: string;
  /** Claims that had to turn red, and those that did. */
  expected: string[];
  turned: string[];
  caught: boolean;
  faults: string[];
}

/** The ledger entry that recorded the digest of the verification, and the proof that it did. */
export interface VerificationEvidence {
  /** SHA-256 (hex) of each part's canonical JSON, by its name. */
  digests: Record<string, string>;
  /** SHA-256 (hex) of the canonical JSON of `digests`. */
  digest: string;
  n: number;
  /** The entry's leaf, base64. */
  leaf: string;
  /** A C2SP tlog-proof with its checkpoint. */
  proof: string;
  verifierKey: string;
}

export interface Verification {
  id: string;
  deployment: string;
  build: string;
  startedAt: string;
  finishedAt: string;
  /** Claims whose checks ran now; the others show their last result. */
  ran: string[];
  results: ClaimResult[];
  sabotages?: SabotageOutcome[];
  evidence: VerificationEvidence;
}

export type VerificationEvent =
  | {
      type: 'progress';
      check: string;
      place: 'live' | 'scratch';
      number: number;
      of: number;
      claims: string[];
    }
  | { type: 'verification'; verification: Verification };

/** How far a backup has come; the last is the whole result. */
export type BackupEvent =
  | { type: 'progress'; rows: number; bytes: number }
  | { type: 'backup'; backup: Backup };

/** How far a drill has come; the last is the whole result. */
export type DrillEvent = { type: 'progress'; pieces: number; of: number } | { type: 'drill'; drill: Drill };

export type BackupKind = 'full' | 'incremental' | 'log';

export interface BackupInput {
  /** Default: incremental. `log`: what changed since the last one of any kind. */
  kind?: BackupKind | undefined;
}

export interface Backup {
  id: string;
  kind: BackupKind;
  /** The moment it shows. */
  takenAt: string;
  finishedAt: string;
  sizeBytes: number;
  rows: number;
  /** How many places hold it whole. */
  copies: number;
  /** SHA-256 of its manifest, hex. */
  manifest: string;
}

export interface BackupPage {
  backups: Backup[];
  next: string | null;
}

export interface BackupStatus {
  backups: number;
  oldestAt: string | null;
  /** When the newest full one was taken, and the newest of any but the continuous kind. */
  fullAt: string | null;
  incrementalAt: string | null;
  /** The newest moment that could be restored; `lossSeconds` ago, or now where nothing has changed since. */
  recoverableAt: string | null;
  lossSeconds: number | null;
  places: {
    location: string | null;
    /** Whether the location is one of those that are set, where any are. */
    allowed: boolean;
    reachable: boolean;
    newestAt: string | null;
    /** Backups that it lacks. */
    missing: number;
  }[];
  drill: Drill | null;
}

/** A restore into a place of its own, compared with what was written down. */
export interface Drill {
  id: string;
  backup: string;
  state: 'passed' | 'failed';
  startedAt: string;
  /** How long it took, and how much would have been lost. */
  recoverySeconds: number;
  lossSeconds: number;
  rows: number;
  /** Records of the sample that opened. */
  opened: number;
  faultCount: number;
  /** The first of them, where the drill has just run. */
  faults: string[];
}

export interface RewindInput {
  /** The newest moment up to this; default: the newest there is. */
  at?: string | undefined;
  /** What a dry run has given: without it there is a dry run. */
  confirm?: string | undefined;
}

/** A vault that is taken back to a moment, or would be. */
export interface Rewind {
  /** Null of a dry run. */
  id: string | null;
  vault: string;
  state: 'planned' | 'running' | 'done' | 'failed';
  /** The backup that shows the moment. */
  backup: string;
  at: string;
  /** What is written after this is left as it is. */
  plannedAt: string;
  startedAt: string | null;
  finishedAt: string | null;
  /** A rewind to this moment undoes it. */
  undoAt: string | null;
  /** How many memories. */
  counts: {
    unchanged: number;
    /** Out of the trash again. */
    returned: number;
    /** Say again what they said. */
    changed: number;
    /** Had no row any more and are put back. */
    missing: number;
    /** Came later: into the trash. */
    newer: number;
    /** Came later and are kept by a hold or a statute. */
    kept: number;
    /** Destroyed since: nothing brings them back. */
    gone: number;
    /** Their time is over. */
    over: number;
    /** Left as they are: written after the dry run, for one. */
    left: number;
  };
  /** Of a dry run: what confirms it, until then. */
  confirm?: string | undefined;
  expiresAt?: string | undefined;
}

export interface RewindPage {
  rewinds: Rewind[];
}

export interface DrillPage {
  drills: Drill[];
}

/** Where `path` points into, when it is not the body. */
export type FaultPlace = 'path' | 'query' | 'header';

/** A problem document (RFC 9457); `code` is one of the error table's. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail?: string;
  instance?: string;
  errors?: { path: string; message: string; in?: FaultPlace }[];
}
export type * from './export-types.ts';
export type * from './retention-types.ts';

/**
 * The keys of the service that replace each other: the keystore's root with all its pages, the keys of the files beside
 * it, the key that signs the ledger, the one that hashes of API keys lie under, that of list cursors, and those that
 * sign the manifests of backups and certificates of erasure.
 */
export type RotationKey =
  | 'root'
  | 'keystore'
  | 'ledger'
  | 'api-keys'
  | 'cursors'
  | 'backups'
  | 'certificates';

export interface RotationKeyAge {
  key: RotationKey;
  since: string;
  /** It is replaced by itself before it is older. */
  daysMax: number;
  rotateBy: string;
  /** Older keys that are not destroyed yet, because backups from before need them. */
  retired: { since: string; destroyBy: string | null }[];
}

export interface RotationKeys {
  keys: RotationKeyAge[];
}

export interface RotationInput {
  /** All of them, unless named; an empty list replaces nothing. */
  keys?: readonly RotationKey[] | undefined;
  /** `destroy` ends the old keys at once: backups from before then need new API keys. Default `keep`. */
  retired?: 'keep' | 'destroy' | undefined;
}

export interface Rotation {
  id: string;
  key: RotationKey;
  /** `kept`: the new key is in use, and the old one waits for its end; `ended`: the old one is destroyed. */
  state: 'kept' | 'ended';
  startedAt: string;
  destroyBy: string | null;
  endedAt: string | null;
}

export interface RotationResult {
  rotations: Rotation[];
}

/** A key that signs the organization's ledger, or certificates of erasure, or has done so. */
export interface LedgerKey {
  /** From 1; the highest one signs. */
  generation: number;
  /** C2SP signed-note verifier key: `NAME+ID+KEY`. */
  verifierKey: string;
  since: string;
  /** Null while it signs. */
  until: string | null;
  /** A note signed by this key and the one before it, by which whoever trusts either comes to know the other. */
  introduction: string | null;
}

export interface LedgerKeys {
  log: string;
  keys: LedgerKey[];
}
