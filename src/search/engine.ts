/**
 * The index of one vault, inside its worker: records, text and vectors under one numbering.
 *
 * Invariants: a record that was removed, replaced, has expired or does not pass the filter is never answered; a refused
 * addition changes nothing; the answer depends on the records held and the request, not on how they came. One exception: among the
 * vectors of a large vault, neighbours are found up to the recall that was set, and which of them are missed may differ.
 */
import { StrongroomError, type Fault } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import { analyzerVersionOf, type Analyzer } from './analyzer.ts';
import { expiryOf, isExpired, NO_RULES, shortestMs } from './expiry.ts';
import { matchesFilter } from './filter.ts';
import { fuseLists, type RankedList } from './fusion.ts';
import type { TermCounts } from './postings.ts';
import { RANKING } from './ranking.ts';
import { ScoreRoom, TextIndex, type Asking } from './text-index.ts';
import { parseTextQuery, queryFaults, type TextQuery } from './text-query.ts';
import { momentOf, Threads } from './threads.ts';
import { RecordTable } from './record-table.ts';
import { encodeSegment, segmentSteps, type SegmentContent, type SegmentRow } from './segment.ts';
import { SegmentPart } from './segment-part.ts';
import { shownResult } from './shown.ts';
import { Top, type Scored } from './top.ts';
import type {
  Forgotten,
  HeldRecord,
  Hit,
  IndexedRecord,
  LoadedSegment,
  SearchRequest,
  SearchWeights,
  Segment,
  SegmentStep,
  VaultSettings,
  VaultStats,
  WrittenHits,
} from './types.ts';
import type { VectorRoom } from './vectors/room.ts';
import { VectorIndex } from './vectors/vector-index.ts';

/** What the vaults of a worker share. */
export interface EngineRoom {
  readonly analyzer: Analyzer;
  readonly scores: ScoreRoom;
  readonly vectors: VectorRoom;
}

/** An index as bytes. Plain, so they stay in memory. */
export interface Resting {
  readonly dimensions: number | null;
  readonly leaves: readonly {
    readonly leaf: number;
    readonly bytes: Uint8Array<ArrayBuffer>;
    /** Whether the leaf page is another than that of its sealed segment. */
    readonly isChanged: boolean;
  }[];
}

/** Segments that may be half made; of more the oldest has been forgotten about. */
const WRITING_MAX = 4;
/** The objects and the smallest tables of an index without a record. */
const ENGINE_BYTES = 16 * 1024;
/** The part of the true neighbours that a search in a large vault finds, on the average, unless the vault says otherwise. */
const RECALL = 0.99;
/** How deep each list is looked at, at least. */
const FUSION_DEPTH_MIN = 100;

export class Engine {
  readonly #settings: VaultSettings;
  readonly #records = new RecordTable((document) => this.#leave(document));
  readonly #threads: Threads;
  readonly #text: TextIndex;
  readonly #analyzerVersion: number;
  readonly #vectors: VectorIndex;
  /** Segments that are half made, by the number under which each was begun. */
  readonly #writing = new Map<number, Generator<undefined, Segment>>();
  #begun = 0;
  #isSettled = true;
  /** Records that will expire. */
  #expiring = 0;

  constructor(settings: VaultSettings, room: EngineRoom) {
    this.#settings = settings;
    this.#threads = new Threads((document) => this.#records.idOf(document));
    const language = settings.language ?? 'auto';
    this.#analyzerVersion = analyzerVersionOf(language);
    this.#text = new TextIndex({
      analyzer: room.analyzer,
      threads: this.#threads,
      room: room.scores,
      language,
      textOf: (document) => this.#records.recordOf(document).text,
    });
    this.#vectors = new VectorIndex(room.vectors, settings.metric, settings.dimensions);
  }

  /** Throws `request.invalid` with a fault for each bad vector (`/records/3/vector`), and then has added none. */
  add(records: readonly IndexedRecord[]): void {
    this.#isSettled = false;
    this.#checkVectors(records);
    this.#reserve(records);
    for (const { slot, vector, ...record } of records) {
      const document = this.#enter(slot, record, this.#text.countTerms(record.text));
      if (vector !== null) this.#vectors.add(document, vector);
    }
  }

  /** How many records it holds, about: it does not look at ids for it. */
  get size(): number {
    return this.#records.inUse;
  }

  /** Ids that are not held are passed over. */
  remove(ids: readonly string[]): void {
    this.#isSettled = false;
    for (const id of ids) {
      const document = this.#records.documentOf(id);
      if (document !== undefined) this.#leave(document);
    }
  }

  /** Takes out what belongs to them and, by id in the answer, what may (types.ts). */
  forget({ subject, conversation, memories }: Forgotten): readonly string[] {
    const gone: string[] = [];
    const doubtful = new Set(memories);
    for (let document = 0; document < this.#records.end; document++) {
      if (!this.#records.has(document)) continue;
      const record = this.#records.recordOf(document);
      const isTheirs =
        (subject !== null && record.subject === subject) ||
        (conversation !== null && record.conversation === conversation);
      if (isTheirs) gone.push(record.id);
      else if (record.derivedFrom !== null) doubtful.add(record.id);
    }
    this.remove([...gone, ...doubtful]);
    return [...doubtful];
  }

  search(request: SearchRequest): readonly Hit[] {
    return this.#find(request).map(({ row, score }) => ({ id: this.#records.idOf(row), score }));
  }

  /** What `search` finds, as it is shown. */
  answer(request: SearchRequest): WrittenHits {
    const found = this.#find(request);
    const records = found.map(({ row }) => this.#records.recordOf(row));
    const ends = records.map((record) => expiryOf(request.rules ?? NO_RULES, record) ?? Infinity);
    const until = Math.min(...ends);
    return {
      count: found.length,
      text: JSON.stringify(found.map(({ score }, at) => shownResult(records[at] as HeldRecord, score))),
      until: until === Infinity ? null : until,
    };
  }

  #find(request: SearchRequest): readonly Scored[] {
    const { query, vector, limit, filter, mode, now, rules = NO_RULES } = request;
    const asked = query === undefined || mode === 'vector' ? null : parseTextQuery(query);
    const faults = this.#faultsOf(request, asked);
    if (faults.length > 0) throw new StrongroomError('request.invalid', { faults });
    const isOver = (document: number): boolean => isExpired(rules, this.#records.recordOf(document), now);
    const keeps = (document: number): boolean => {
      const record = this.#records.recordOf(document);
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
      lists.push({
        weight: textWeight,
        best: this.#searchText(asked, { now, isOver: canExpire ? isOver : null }, { limit: depth, keeps }),
      });
    if (mode !== 'text' && vector !== undefined && vectorWeight > 0)
      lists.push({ weight: vectorWeight, best: this.#searchVectors(vector, depth, isOpen ? null : keeps) });
    return mode === 'hybrid' ? fuseLists(lists, limit, tieOf) : (lists[0]?.best ?? []);
  }

  /**
   * Does a bounded part of the work that keeps searches fast; false when there is none. Vectors first: until it is done a search
   * by vector looks at all of them, while terms and records are taken in as they are asked for.
   */
  work(): boolean {
    this.#isSettled = !(this.#vectors.work() || this.#text.work() || this.#records.work());
    return !this.#isSettled;
  }

  stats(): VaultStats {
    const { inUse: size, textLength } = this.#records;
    const vectorBytes = this.#vectors.bytes;
    const textBytes = this.#text.bytes;
    // A record's strings and its object: two bytes for a character at worst, and some 300 bytes around them.
    const recordBytes = textLength * 2 + size * 300;
    return {
      records: size,
      vectors: this.#vectors.size,
      dimensions: this.#vectors.dimensions,
      vectorBytes,
      textBytes,
      recordBytes,
      bytes: ENGINE_BYTES + vectorBytes + textBytes + recordBytes,
      isSettled: this.#isSettled,
    };
  }

  leaves(): readonly number[] {
    return this.#records.leaves();
  }

  /** Leaf pages that are others than those of the segments they were loaded from, or last written to. */
  changedLeaves(): readonly number[] {
    return this.#records.changedLeaves();
  }

  /**
   * Makes a leaf page's segment, or begins to. It says what the index holds now: what comes or goes before it is finished may be in it
   * or not, and makes the leaf page another than its segment in any case.
   */
  beginSegment(leaf: number): SegmentStep {
    const writing = this.#begun++;
    this.#writing.set(writing, this.#segmentOf(leaf));
    for (const older of this.#writing.keys())
      if (this.#writing.size > WRITING_MAX) this.#writing.delete(older);
    return this.continueSegment(writing);
  }

  /** Does a little more; refuses what was not begun here. */
  continueSegment(writing: number): SegmentStep {
    const steps = this.#writing.get(writing);
    if (steps === undefined)
      throw new StrongroomError('search.unavailable', 'the segment was begun in an index that was closed');
    this.#writing.delete(writing);
    const step = steps.next();
    if (step.done === true) return step.value;
    this.#writing.set(writing, steps);
    return { writing };
  }

  exportSegment(leaf: number): Segment {
    let step = this.beginSegment(leaf);
    while ('writing' in step) step = this.continueSegment(step.writing);
    return step;
  }

  /** Whether a segment is half made. */
  get isWriting(): boolean {
    return this.#writing.size > 0;
  }

  /** All it holds, as bytes from which `wake` makes an equal one. */
  rest(): Resting {
    const changed = this.changedLeaves();
    const leaves = this.leaves().map((leaf) => ({
      leaf,
      bytes: encodeSegment(this.#contentOf(leaf)),
      isChanged: changed.includes(leaf),
    }));
    return { dimensions: this.#vectors.dimensions, leaves };
  }

  /** What it has not taken in yet of the bytes it takes in when asked for: there is no work between calls until something changes. */
  static wake(settings: VaultSettings, room: EngineRoom, { dimensions, leaves }: Resting): Engine {
    const engine = new Engine({ ...settings, dimensions }, room);
    for (const { leaf, bytes, isChanged } of leaves) {
      engine.loadSegment(bytes);
      engine.#records.settle(leaf, !isChanged);
    }
    engine.#isSettled = true;
    return engine;
  }

  /** Throws `box.damaged` on bytes that are no segment of a vault like this one, and then has loaded nothing. */
  loadSegment(bytes: Uint8Array): LoadedSegment {
    this.#isSettled = false;
    const part = SegmentPart.open(bytes);
    const { metric, dimensions } = part;
    const own = this.#vectors.dimensions;
    if (metric !== this.#settings.metric || (dimensions !== null && own !== null && dimensions !== own))
      throw new StrongroomError('box.damaged', { detail: 'the segment is not one of this vault' });
    this.#vectors.reserveSegment(part);
    const isCurrent = part.analyzerVersion === this.#analyzerVersion;
    // Whatever may still be refused comes before anything is taken.
    if (!isCurrent) for (let row = 0; row < part.count; row++) part.record(row);
    const first = this.#records.load(part, isCurrent);
    if (isCurrent) this.#text.load(first, part.terms);
    else this.#countAnew(first, part);
    this.#vectors.load(first, part);
    for (let row = 0; row < part.count; row++) this.#describe(first + row, part, row);
    return { isCurrent };
  }

  close(): void {
    this.#vectors.close();
  }

  *#segmentOf(leaf: number): Generator<undefined, Segment> {
    this.#records.settle(leaf);
    const cover: number[] = [];
    try {
      const bytes = yield* segmentSteps(this.#contentOf(leaf, cover));
      return { leaf, bytes, cover };
    } catch (error) {
      this.#records.settle(leaf, false);
      throw error;
    }
  }

  /** @param cover gets the slots of the rows that are taken. */
  #contentOf(leaf: number, cover: number[] = []): SegmentContent {
    return {
      leaf,
      metric: this.#settings.metric,
      dimensions: this.#vectors.dimensions,
      analyzerVersion: this.#analyzerVersion,
      rows: this.#rowsOf(leaf, cover),
    };
  }

  /** The leaf page's records, each as it is when it is taken; what is gone by then is left out. */
  *#rowsOf(leaf: number, cover: number[]): Generator<SegmentRow> {
    const documents = this.#records.documentsOf(leaf);
    const slots = documents.map((document) => this.#records.slotOf(document));
    for (const [at, document] of documents.entries()) {
      // The number may be another's by now.
      if (this.#records.slotOf(document) !== slots[at]) continue;
      const row = this.#rowOf(document);
      cover.push(row.slot);
      yield row;
    }
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
    this.#vectors.reserve(given.flatMap(({ vector }) => (vector === null ? [] : [vector])));
  }

  #faultsOf(request: SearchRequest, asked: TextQuery | null): readonly Fault[] {
    const { query, vector, limit, mode } = request;
    const faults: Fault[] = asked === null ? [] : [...queryFaults(asked)];
    if (!Number.isInteger(limit) || limit < 1 || limit > LIMITS.searchMax)
      faults.push({ path: '/limit', message: `must be a whole number from 1 to ${LIMITS.searchMax}` });
    if (mode !== 'vector' && query === undefined)
      faults.push({ path: '/query', message: `is needed in mode ${mode}` });
    if (mode === 'text') return faults;
    const isCompared = weightsOf(request).vector > 0;
    if (vector === undefined && isCompared)
      faults.push({ path: '/vector', message: `is needed in mode ${mode}` });
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
    asking: Omit<Asking, 'documents'>,
    { limit, keeps }: { readonly limit: number; keeps(this: void, document: number): boolean },
  ): readonly Scored[] {
    const documents = this.#records.end;
    try {
      const scores = this.#text.score(query, { ...asking, documents });
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
    const { text } = this.#records.recordOf(document);
    return phrases.reduce((sum, phrase) => sum + (phrase.isIn(text) ? RANKING.phrase : 0), 0);
  }

  /** Of two equal scores the newer id comes first. */
  #comesFirst(a: number, b: number): boolean {
    return this.#records.idOf(a) > this.#records.idOf(b);
  }

  #enter(slot: number, record: HeldRecord, counts: TermCounts): number {
    const old = this.#records.documentOf(record.id);
    if (old !== undefined) this.#leave(old);
    const document = this.#records.enter(slot, record);
    if (record.expiresAt !== null) this.#expiring++;
    this.#threads.add(document, record.conversation, momentOf(record));
    this.#text.add(document, { counts, speaker: record.speaker, at: record.at });
    return document;
  }

  #leave(document: number): void {
    const { conversation, expiresAt } = this.#records.recordOf(document);
    this.#text.remove(document);
    this.#threads.remove(document, conversation);
    this.#vectors.remove(document);
    this.#records.leave(document);
    if (expiresAt !== null) this.#expiring--;
  }

  /** Of terms that were made by another analyzer, or in another language, nothing is used. */
  #countAnew(first: number, part: SegmentPart): void {
    for (let row = 0; row < part.count; row++)
      this.#text.addTerms(first + row, this.#text.countTerms(part.record(row).text));
  }

  #describe(document: number, part: SegmentPart, row: number): void {
    const at = part.at[row] as number;
    const moment = Number.isNaN(at) ? (part.createdAt[row] as number) : at;
    if (part.expires[row] !== 0) this.#expiring++;
    this.#threads.add(document, part.conversationOf(row), moment);
    this.#text.describe(document, { speaker: part.speakerOf(row), at: Number.isNaN(at) ? null : at });
  }

  #rowOf(document: number): SegmentRow {
    return {
      slot: this.#records.slotOf(document),
      record: this.#records.recordOf(document),
      counts: this.#text.countsOf(document),
      vector: this.#vectors.stored(document),
    };
  }
}

/** A list that counts for nothing is not looked at. */
const weightsOf = ({ mode, weights }: SearchRequest): SearchWeights =>
  (mode === 'hybrid' ? weights : undefined) ?? { text: 1, vector: 1 };
