/**
 * What search is given and what it answers.
 *
 * An index lives in memory only and holds records that were opened elsewhere; it knows neither the database nor keys.
 * `slot` says which leaf page, and so which segment, a record belongs to.
 */
import type { JsonObject, Language, Metric, SearchWeights } from '@strongroom/client';
import type { ExpiryRules } from './expiry.ts';
import type { Filter } from './filter.ts';

export type { JsonObject, Language, Metric, SearchWeights };

/** What filters see of a memory. Times are milliseconds since 1970. */
export interface FilterableRecord {
  readonly id: string;
  readonly text: string;
  readonly metadata: JsonObject | null;
  readonly subject: string | null;
  readonly conversation: string | null;
  readonly speaker: string | null;
  readonly kind: string | null;
  /** When what the memory tells happened or was said. */
  readonly at: number | null;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly expiresAt: number | null;
}

/** A memory as the index holds it: whole but for its vector, so that a search can be answered from it. */
export interface HeldRecord extends FilterableRecord {
  readonly version: number;
  readonly visibility: string | null;
  readonly derivedFrom: readonly string[] | null;
}

/** A memory as the index takes it. An id that is held already is replaced. */
export interface IndexedRecord extends HeldRecord {
  /** Slot of the record's current version (leaf × 4,096 + index). */
  readonly slot: number;
  readonly vector: Float32Array | null;
}

export type SearchMode = 'text' | 'vector' | 'hybrid';

export interface SearchRequest {
  /** Needed in the modes `text` and `hybrid`. */
  readonly query?: string | undefined;
  /** Needed in the modes `vector` and `hybrid`. */
  readonly vector?: Float32Array | undefined;
  readonly limit: number;
  readonly filter?: Filter | undefined;
  readonly mode: SearchMode;
  /** How much each list counts in mode `hybrid`; 1 each by default. */
  readonly weights?: SearchWeights | undefined;
  /** The moment of asking: what expires at or before it is left out, and "last week" counts from it. */
  readonly now: number;
  /** How long memories are kept here; without it only their own ends count. */
  readonly rules?: ExpiryRules | undefined;
}

/** Higher is better. Equal scores come newest id first. */
export interface Hit {
  readonly id: string;
  readonly score: number;
}

/** What was found, written out where it is held: nobody on the way to whoever asked has to make objects of it. */
export interface WrittenHits {
  readonly count: number;
  /** The memories with their scores as they are shown, the best first: the JSON text of a list. */
  readonly text: string;
  /** The first moment at which one of them is over, by the rules that were asked with; null: none is by itself. */
  readonly until: number | null;
}

export interface VaultSettings {
  readonly id: string;
  readonly metric: Metric;
  /** Fixed by the first vector when null. */
  readonly dimensions: number | null;
  /** The part of the true neighbours that a search finds on the average, where not all vectors are compared. */
  readonly recall?: number;
  /** Of its texts; by default each text's own. */
  readonly language?: Language;
}

export interface VaultStats {
  /** One that two segments brought counts twice until ids are looked at. */
  readonly records: number;
  readonly vectors: number;
  readonly dimensions: number | null;
  /** Bytes of the WebAssembly arena the vault's vectors take. */
  readonly vectorBytes: number;
  /** Bytes of the text index: its typed arrays, and an estimate for its terms. */
  readonly textBytes: number;
  /** An estimate of what the records' own fields take. */
  readonly recordBytes: number;
  /** What it takes of the memory budget, about: all of that and its objects, or what it takes at rest if it is small. */
  readonly bytes: number;
  /** Whether nothing is left of the work between calls that keeps searches fast. */
  readonly isSettled: boolean;
}

/** One leaf page's part of an index, plain: sealing it is the caller's. */
export interface Segment {
  readonly leaf: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Every slot whose content went into the bytes in any way, ascending: the segment dies with any of them. */
  readonly cover: readonly number[];
}

/** What comes of a step in which a segment is made: the segment, or under which number to ask for the next step. */
export type SegmentStep = Segment | { readonly writing: number };

/** Of whom an index is to say nothing any more. */
export interface Forgotten {
  /** A person and a conversation, by name. */
  readonly subject: string | null;
  readonly conversation: string | null;
  /** Memories that may go along, by id. */
  readonly memories: readonly string[];
}

export interface LoadedSegment {
  /** False where its terms had to be made anew: by another analyzer or in another language. */
  readonly isCurrent: boolean;
}

/** What fills an index: from segments, from records, or both (later calls replace what earlier ones gave). */
export interface IndexFiller {
  add(records: readonly IndexedRecord[]): Promise<void>;
  remove(ids: readonly string[]): Promise<void>;
  /** Bytes in shared memory are not copied on their way: they may be written over once this has settled, and not before. */
  loadSegment(bytes: Uint8Array): Promise<LoadedSegment>;
}

/**
 * The index of one vault. Calls take effect in the order they are made: a search sees every addition and removal
 * called before it. Each rejects with a StrongroomError; `search.unavailable` says that the worker was lost and the
 * index is being filled anew.
 */
export interface VaultIndex extends IndexFiller {
  readonly vault: string;
  /**
   * Takes out what belongs to them and what may: memories do not say to whom they belong by what they were derived from. Answers the
   * ids of the latter; what stays of these has to be added again.
   */
  forget(forgotten: Forgotten): Promise<readonly string[]>;
  search(request: SearchRequest): Promise<readonly Hit[]>;
  answer(request: SearchRequest): Promise<WrittenHits>;
  stats(): Promise<VaultStats>;
  /** Leaf pages that hold a record of this index, ascending. */
  leaves(): Promise<readonly number[]>;
  /** Those among them that no longer are what their segment says, or have none. */
  changedLeaves(): Promise<readonly number[]>;
  exportSegment(leaf: number): Promise<Segment>;
  /** Gives the vault's memory back; every later call is refused. */
  close(): Promise<void>;
}

/** Called when a vault is opened, and again whenever its worker had to be replaced. */
export type Fill = (index: IndexFiller) => Promise<void>;

export interface SearchPool {
  /** Resolves once `fill` has. A vault that is open already is refused. */
  open(vault: VaultSettings, fill?: Fill): Promise<VaultIndex>;
  close(): Promise<void>;
}
