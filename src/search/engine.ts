/**
 * The index of one vault, inside its worker: records, text and vectors under one numbering.
 *
 * Invariants: a record that was removed, replaced, has expired or does not pass the filter is never answered; a refused
 * addition changes nothing; the answer depends on the records held and the request, not on how they came. One exception: among the
 * vectors of a large vault, neighbours are found up to the recall that was set, and which of them are missed may differ.
 */
import { StrongroomError, type Fault } from '../errors.ts';
import { LEAF_SLOTS } from '../keys/slot.ts';
import { LIMITS } from '../limits.ts';
import { analyzerVersionOf, type Analyzer } from './analyzer.ts';
import { isExpired, NO_RULES, shortestMs } from './expiry.ts';
import { matchesFilter } from './filter.ts';
import { decodeSegment, encodeSegment, type SegmentRow } from './segment.ts';
import { fuseLists, type RankedList } from './fusion.ts';
import { RANKING, ScoreRoom, TextIndex, type TermCounts } from './text-index.ts';
import { parseTextQuery, queryFaults, type TextQuery } from './text-query.ts';
import { Threads } from './threads.ts';
import { Top, type Scored } from './top.ts';
import type {
  HeldRecord,
  Hit,
  IndexedRecord,
  LoadedSegment,
  SearchRequest,
  SearchWeights,
  Segment,
  VaultSettings,
  VaultStats,
} from './types.ts';
import type { VectorRoom } from './vectors/room.ts';
import { VectorIndex } from './vectors/vector-index.ts';

/** What the vaults of a worker share. */
export interface EngineRoom {
  readonly analyzer: Analyzer;
  readonly scores: ScoreRoom;
  readonly vectors: VectorRoom;
}

/** The part of the true neighbours that a search in a large vault finds, on the average, unless the vault says otherwise. */
const RECALL = 0.99;
/** How deep each list is looked at, at least. */
const FUSION_DEPTH_MIN = 100;

interface Held {
  readonly slot: number;
  readonly record: HeldRecord;
}

export class Engine {
  readonly #settings: VaultSettings;
  readonly #held: (Held | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #numbers = new Map<string, number>();
  /** Documents of each leaf page. */
  readonly #leaves = new Map<number, Set<number>>();
  readonly #threads: Threads;
  readonly #text: TextIndex;
  readonly #analyzerVersion: number;
  readonly #vectors: VectorIndex;
  /** Records that will expire. */
  #expiring = 0;

  constructor(settings: VaultSettings, room: EngineRoom) {
    this.#settings = settings;
    this.#threads = new Threads((document) => this.#recordOf(document));
    const language = settings.language ?? 'auto';
    this.#analyzerVersion = analyzerVersionOf(language);
    this.#text = new TextIndex({
      analyzer: room.analyzer,
      threads: this.#threads,
      room: room.scores,
      language,
      textOf: (document) => this.#recordOf(document).text,
    });
    this.#vectors = new VectorIndex(room.vectors, settings.metric, settings.dimensions);
  }

  /** Throws `request.invalid` with a fault for each bad vector (`/records/3/vector`), and then has added none. */
  add(records: readonly IndexedRecord[]): void {
    this.#checkVectors(records);
    this.#reserve(records);
    for (const { slot, vector, ...record } of records) {
      const document = this.#enter(slot, record, this.#text.countTerms(record.text));
      if (vector !== null) this.#vectors.add(document, vector);
    }
  }

  /** Ids that are not held are passed over. */
  remove(ids: readonly string[]): void {
    for (const id of ids) {
      const document = this.#numbers.get(id);
      if (document !== undefined) this.#leave(document);
    }
  }

  search(request: SearchRequest): readonly Hit[] {
    const { query, vector, limit, filter, mode, now, rules = NO_RULES } = request;
    const asked = query === undefined || mode === 'vector' ? null : parseTextQuery(query);
    const faults = this.#faultsOf(request, asked);
    if (faults.length > 0) throw new StrongroomError('request.invalid', { faults });
    const keeps = (document: number): boolean => {
      const record = this.#recordOf(document);
      if (isExpired(rules, record, now)) return false;
      if (filter !== undefined && !matchesFilter(filter, record)) return false;
      return asked?.isExact !== true || asked.phrases.every((phrase) => phrase.isIn(record.text));
    };
    const tieOf = (a: number, b: number): boolean => this.#comesFirst(a, b);
    const { text: textWeight, vector: vectorWeight } = weightsOf(request);
    const depth = mode === 'hybrid' ? Math.max(limit, FUSION_DEPTH_MIN) : limit;
    const canExpire = this.#expiring > 0 || shortestMs(rules) !== null;
    const isOpen = filter === undefined && !canExpire && asked?.isExact !== true;
    const lists: RankedList[] = [];
    if (asked !== null && textWeight > 0)
      lists.push({ weight: textWeight, best: this.#searchText(asked, now, depth, keeps) });
    if (mode !== 'text' && vector !== undefined && vectorWeight > 0)
      lists.push({ weight: vectorWeight, best: this.#searchVectors(vector, depth, isOpen ? null : keeps) });
    const best = mode === 'hybrid' ? fuseLists(lists, limit, tieOf) : (lists[0]?.best ?? []);
    return best.map(({ row, score }): Hit => {
      const record = this.#recordOf(row);
      return request.withRecords === true ? { id: record.id, score, record } : { id: record.id, score };
    });
  }

  /** Does a bounded part of the work that keeps searches fast; false when there is none. */
  work(): boolean {
    return this.#vectors.work();
  }

  stats(): VaultStats {
    // A record's strings and its object: two bytes for a character at worst, and some 300 bytes around them.
    let recordBytes = 0;
    for (const held of this.#held) if (held !== undefined) recordBytes += held.record.text.length * 2 + 300;
    return {
      records: this.#numbers.size,
      vectors: this.#vectors.size,
      dimensions: this.#vectors.dimensions,
      vectorBytes: this.#vectors.bytes,
      textBytes: this.#text.bytes,
      recordBytes,
    };
  }

  leaves(): readonly number[] {
    return [...this.#leaves.keys()].sort((a, b) => a - b);
  }

  exportSegment(leaf: number): Segment {
    const rows = [...(this.#leaves.get(leaf) ?? [])]
      .map((document) => this.#rowOf(document))
      .sort((a, b) => a.slot - b.slot);
    const bytes = encodeSegment({
      leaf,
      metric: this.#settings.metric,
      dimensions: this.#vectors.dimensions,
      analyzerVersion: this.#analyzerVersion,
      rows,
    });
    return { leaf, bytes, cover: coverOf(rows) };
  }

  /** Throws `box.damaged` on bytes that are no segment of a vault like this one, and then has loaded nothing. */
  loadSegment(bytes: Uint8Array): LoadedSegment {
    const { metric, dimensions, analyzerVersion, rows } = decodeSegment(bytes);
    const own = this.#vectors.dimensions;
    if (metric !== this.#settings.metric || (dimensions !== null && own !== null && dimensions !== own))
      throw new StrongroomError('box.damaged', { detail: 'the segment is not one of this vault' });
    const vectors = rows.flatMap(({ vector }) => (vector === null ? [] : [vector]));
    const [row] = vectors.flatMap((vector) => (vector.form === 'row' ? [vector.bytes] : []));
    if (dimensions !== null && vectors.length > 0) this.#vectors.reserve(vectors.length, dimensions, row);
    const isCurrent = analyzerVersion === this.#analyzerVersion;
    for (const { slot, record, counts, vector } of rows) {
      const document = this.#enter(slot, record, isCurrent ? counts : this.#text.countTerms(record.text));
      if (vector !== null) this.#vectors.restore(document, vector);
    }
    return { cover: coverOf(rows), isCurrent };
  }

  close(): void {
    this.#vectors.close();
  }

  #checkVectors(records: readonly IndexedRecord[]): void {
    const faults: Fault[] = [];
    let dimensions = this.#vectors.dimensions;
    records.forEach(({ vector }, at) => {
      if (vector === null) return;
      const fault = this.#vectors.check(vector, `/records/${at}/vector`, dimensions);
      if (fault === null) dimensions ??= vector.length;
      else faults.push(fault);
    });
    if (faults.length > 0) throw new StrongroomError('request.invalid', { faults });
  }

  #reserve(given: readonly IndexedRecord[]): void {
    const vectors = given.flatMap(({ vector }) => (vector === null ? [] : [vector]));
    if (vectors[0] !== undefined) this.#vectors.reserve(vectors.length, vectors[0].length);
  }

  #faultsOf({ query, vector, limit, mode }: SearchRequest, asked: TextQuery | null): readonly Fault[] {
    const faults: Fault[] = asked === null ? [] : [...queryFaults(asked)];
    if (!Number.isInteger(limit) || limit < 1 || limit > LIMITS.searchMax)
      faults.push({ path: '/limit', message: `must be a whole number from 1 to ${LIMITS.searchMax}` });
    if (mode !== 'vector' && query === undefined)
      faults.push({ path: '/query', message: `is needed in mode ${mode}` });
    if (mode === 'text') return faults;
    if (vector === undefined) faults.push({ path: '/vector', message: `is needed in mode ${mode}` });
    const fault = vector === undefined ? null : this.#vectors.check(vector, '/vector');
    return fault === null ? faults : [...faults, fault];
  }

  #searchVectors(
    vector: Float32Array,
    limit: number,
    keeps: ((document: number) => boolean) | null,
  ): readonly Scored[] {
    const { recall = RECALL } = this.#settings;
    return this.#vectors.search(vector, { limit, recall, keeps, tieOf: (a, b) => this.#comesFirst(a, b) });
  }

  #searchText(
    query: TextQuery,
    now: number,
    limit: number,
    keeps: (document: number) => boolean,
  ): readonly Scored[] {
    const documents = this.#held.length;
    try {
      const scores = this.#text.score(query, now, documents);
      const top = new Top(limit, (a, b) => this.#comesFirst(a, b));
      for (let document = 0; document < documents; document++) {
        const own = scores[document] as number;
        if (own <= 0) continue;
        const score = own + this.#phraseScore(query, document);
        if (score >= top.floor && keeps(document)) top.push(document, score);
      }
      return top.list();
    } finally {
      this.#text.release(documents);
    }
  }

  /** What the document has for the phrases it holds. An exact question needs no more than that all are held. */
  #phraseScore({ phrases, isExact }: TextQuery, document: number): number {
    if (isExact || phrases.length === 0) return 0;
    const { text } = this.#recordOf(document);
    return phrases.reduce((sum, phrase) => sum + (phrase.isIn(text) ? RANKING.phrase : 0), 0);
  }

  /** Of two equal scores the newer id comes first. */
  #comesFirst(a: number, b: number): boolean {
    return this.#recordOf(a).id > this.#recordOf(b).id;
  }

  #enter(slot: number, record: HeldRecord, counts: TermCounts): number {
    const old = this.#numbers.get(record.id);
    if (old !== undefined) this.#leave(old);
    const document = this.#free.pop() ?? this.#held.length;
    this.#held[document] = { slot, record };
    if (record.expiresAt !== null) this.#expiring++;
    this.#numbers.set(record.id, document);
    const leaf = Math.floor(slot / LEAF_SLOTS);
    const documents = this.#leaves.get(leaf) ?? new Set();
    this.#leaves.set(leaf, documents.add(document));
    this.#threads.add(document);
    this.#text.add(document, { counts, speaker: record.speaker, at: record.at });
    return document;
  }

  #leave(document: number): void {
    const { slot, record } = this.#heldAt(document);
    this.#text.remove(document);
    this.#threads.remove(document);
    this.#vectors.remove(document);
    const leaf = Math.floor(slot / LEAF_SLOTS);
    const documents = this.#leaves.get(leaf);
    documents?.delete(document);
    if (documents?.size === 0) this.#leaves.delete(leaf);
    this.#numbers.delete(record.id);
    if (record.expiresAt !== null) this.#expiring--;
    this.#held[document] = undefined;
    this.#free.push(document);
  }

  #rowOf(document: number): SegmentRow {
    const { slot, record } = this.#heldAt(document);
    return { slot, record, counts: this.#text.countsOf(document), vector: this.#vectors.stored(document) };
  }

  #recordOf(document: number): HeldRecord {
    return this.#heldAt(document).record;
  }

  #heldAt(document: number): Held {
    const held = this.#held[document];
    if (held === undefined) throw new RangeError(`document ${document} is not held`);
    return held;
  }
}

/** A list that counts for nothing is not looked at. */
const weightsOf = ({ mode, weights }: SearchRequest): SearchWeights =>
  (mode === 'hybrid' ? weights : undefined) ?? { text: 1, vector: 1 };

const coverOf = (rows: readonly SegmentRow[]): readonly number[] => rows.map(({ slot }) => slot);
