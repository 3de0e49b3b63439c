/**
 * A segment: what an index holds of the records of one leaf page of slots, as bytes that the caller seals.
 *
 * In it is each record's own: its fields, its terms and its vector. Not in it is anything that came from elsewhere or
 * from what was removed: no neighbours, no frequencies, lengths or averages over the vault, no unused room. So the cover
 * is exactly the slots of its records, and context and statistics are made anew when it is loaded.
 * The order of records is by slot, that of terms by their bytes and that of names by the first record that has them,
 * whatever came and went before.
 *
 *     offset  size  field (integers of the head big-endian, all others and all numbers little-endian)
 *          0     4  "SRSG"
 *          4     1  version: 4
 *          5     1  metric: 0 cosine, 1 dot, 2 euclidean
 *          6     2  dimensions, 0 while the vault has no vector
 *          8     4  leaf
 *         12     4  analyzer and language that made the terms (analyzer.ts)
 *         16     4  n: records
 *         20     4  t: different terms
 *         24     4  p: terms of all records, each once for a record
 *         28    16  a, b, c, d: bytes of ids, names, records and terms
 *         44     1  w: bytes of a count, 1, 2 or 4
 *         45     3  zeros
 *         48   48n  columns: at f64 (NaN: none), createdAt f64, and u32: end of the id and of the record, conversation and
 *                   speaker (places among the names, from 1; 0: none), form of the vector, index in the leaf, whether it
 *                   expires, and number of its words
 *              8t   columns: end of the term, and where its records end among the p
 *         (2 + w)p  for each term its records u16 in rising order; then, for all of these, how often they hold it
 *                a  ids
 *                b  names of conversations and speakers, each once: a JSON list
 *                c  records, each a JSON list of text, metadata, subject, kind, updatedAt, expiresAt, version,
 *                   visibility, derivedFrom
 *                d  terms in the order of their bytes
 *                   the rows, then the numbers, each in the order of the records
 *
 * A vector has form 0 (none), 1 (numbers, under cosine scaled to length 1), 2 (a row with 2 low bits) or 3 (with 8). A row
 * is the vector rotated by public signs and rounded by itself (kernel/assembly/rows.ts), as it lies in memory, so that
 * loading copies it:
 *
 *          0     4  scale f32: what one unit of a code is worth
 *          4     4  sum i32 of the high bytes
 *          8     4  length f32 of the vector
 *         12     4  zeros
 *         16     4  under Euclid minus half its square f32, zeros otherwise
 *         20     q  high bytes i8; q is the dimensions, rounded up to a multiple of 64
 *       20+q        low bits: two or eight for each number (two: those of number i of each 64 are in byte i mod 16)
 */
import { encodeUtf8, u16, u32, type Bytes } from '../bytes/encoding.ts';
import { LEAF_SLOTS } from '../keys/slot.ts';
import type { TermCounts } from './postings.ts';
import { wordsIn } from './text-index.ts';
import type { HeldRecord, Metric } from './types.ts';
import { lowBitsOf } from './vectors/coded-vectors.ts';
import { paddedLength } from './vectors/rows.ts';
import type { StoredVector } from './vectors/vector-index.ts';

export interface SegmentRow {
  readonly slot: number;
  readonly record: HeldRecord;
  readonly counts: TermCounts;
  readonly vector: StoredVector | null;
}

export interface SegmentContent {
  readonly leaf: number;
  readonly metric: Metric;
  readonly dimensions: number | null;
  readonly analyzerVersion: number;
  /** Ascending by slot; each is taken when its turn comes, and only once. */
  readonly rows: Iterable<SegmentRow>;
}

export const SEGMENT_MAGIC = 'SRSG';
export const SEGMENT_VERSION = 4;
export const SEGMENT_METRICS: readonly Metric[] = ['cosine', 'dot', 'euclidean'];
export const SEGMENT_HEAD_BYTES = 48;
/** The forms of vectors by their numbers: none, numbers, and rows with so many low bits. */
export const VECTOR_FORMS = [null, 'numbers', 2, 8] as const;
export type VectorForm = (typeof VECTOR_FORMS)[number];

export type CountWidth = 1 | 2 | 4;
const COUNTS = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array } as const;

/** What is done in one step, less than a millisecond of it: so many rows, characters of theirs, terms, records of terms, or bytes. */
const STEP = { rows: 32, characters: 65_536, terms: 1024, pairs: 16_384, bytes: 524_288 } as const;

/**
 * Makes a segment in steps between which others may have their turn: what waits for all of a large one waits for a tenth of
 * a second. Small ones take one step.
 */
export function* segmentSteps(content: SegmentContent): Generator<undefined, Bytes> {
  const { leaf, metric, dimensions, analyzerVersion } = content;
  const columns = new Columns(dimensions);
  let [rows, characters] = [0, 0];
  for (const row of content.rows) {
    columns.add(row);
    characters += row.record.text.length;
    if (++rows < STEP.rows && characters < STEP.characters) continue;
    rows = characters = 0;
    yield;
  }
  const terms = yield* termColumns(columns.terms, columns.pairs);
  const width = widthFor(columns.mostOften);
  const names = encodeUtf8(JSON.stringify(columns.names.list));
  const texts = [columns.ids.bytes, names, columns.records.bytes, terms.names.bytes];
  const numbers = [leaf, analyzerVersion, columns.rows, terms.ends.length, columns.pairs];
  return yield* joined([
    encodeUtf8(SEGMENT_MAGIC),
    Uint8Array.of(SEGMENT_VERSION, SEGMENT_METRICS.indexOf(metric)),
    u16(dimensions ?? 0),
    ...[...numbers, ...texts.map(({ length }) => length)].map(u32),
    Uint8Array.of(width, 0, 0, 0),
    ...columns.all.map(bytesOf),
    bytesOf(Uint32Array.from(terms.names.ends)),
    bytesOf(terms.ends),
    bytesOf(terms.rows),
    bytesOf(COUNTS[width].from(terms.counts)),
    ...texts,
    ...columns.vectors,
  ]);
}

/** All steps at once. */
export function encodeSegment(content: SegmentContent): Bytes {
  const steps = segmentSteps(content);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** The rows by column, and their terms with the records that hold them. */
class Columns {
  readonly ids = new Texts();
  readonly records = new Texts();
  readonly names = new Places();
  /** For each term a record and how often it holds it, one pair after the other. */
  readonly terms = new Map<string, number[]>();
  rows = 0;
  pairs = 0;
  mostOften = 0;
  readonly #padded: number;
  readonly #moments: [number[], number[]] = [[], []];
  readonly #wholes: [number[], number[], number[], number[], number[], number[]] = [[], [], [], [], [], []];
  readonly #vectorRows: Uint8Array[] = [];
  readonly #vectorNumbers: Uint8Array[] = [];

  constructor(dimensions: number | null) {
    this.#padded = paddedLength(dimensions ?? 0);
  }

  get all(): readonly (Float64Array | Uint32Array)[] {
    const wholes = [this.ids.ends, this.records.ends, ...this.#wholes];
    return [
      ...this.#moments.map((column) => Float64Array.from(column)),
      ...wholes.map((column) => Uint32Array.from(column)),
    ];
  }

  get vectors(): readonly Uint8Array[] {
    return [...this.#vectorRows, ...this.#vectorNumbers];
  }

  add({ slot, record, counts, vector }: SegmentRow): void {
    const [ats, createdAts] = this.#moments;
    const [conversations, speakers, forms, indexes, expires, words] = this.#wholes;
    this.ids.add(record.id);
    this.records.add(JSON.stringify(fieldsOf(record)));
    ats.push(record.at ?? Number.NaN);
    createdAts.push(record.createdAt);
    conversations.push(this.names.ofAny(record.conversation));
    speakers.push(this.names.ofAny(record.speaker));
    forms.push(VECTOR_FORMS.indexOf(this.#keep(vector)));
    indexes.push(slot % LEAF_SLOTS);
    expires.push(Number(record.expiresAt !== null));
    words.push(wordsIn(counts));
    for (const [term, count] of counts) {
      const pairs = this.terms.get(term);
      if (pairs === undefined) this.terms.set(term, [this.rows, count]);
      else pairs.push(this.rows, count);
      if (count > this.mostOften) this.mostOften = count;
    }
    this.pairs += counts.size;
    this.rows++;
  }

  #keep(vector: StoredVector | null): VectorForm {
    if (vector === null) return null;
    if (vector.form === 'numbers') {
      this.#vectorNumbers.push(bytesOf(vector.numbers));
      return 'numbers';
    }
    this.#vectorRows.push(vector.bytes);
    return lowBitsOf(vector.bytes, this.#padded);
  }
}

/** Strings, each once, in the order in which they were asked for. */
class Places {
  readonly list: string[] = [];
  readonly #places = new Map<string, number>();

  of(name: string): number {
    const known = this.#places.get(name);
    if (known !== undefined) return known;
    this.#places.set(name, this.list.length);
    return this.list.push(name) - 1;
  }

  /** From 1; 0 for none. */
  ofAny(name: string | null): number {
    return name === null ? 0 : this.of(name) + 1;
  }
}

/** No character of UTF-16 takes more bytes in UTF-8. */
const CHARACTER_BYTES_MAX = 3;

/** Strings as UTF-8, one behind the other. */
class Texts {
  /** Where each ends. */
  readonly ends: number[] = [];
  #room = Buffer.alloc(0);
  #length = 0;

  get bytes(): Uint8Array {
    return this.#room.subarray(0, this.#length);
  }

  add(text: string): void {
    const needed = this.#length + CHARACTER_BYTES_MAX * text.length;
    if (needed > this.#room.length) {
      const larger = Buffer.alloc(2 * needed);
      this.#room.copy(larger, 0, 0, this.#length);
      this.#room = larger;
    }
    this.#length += this.#room.write(text, this.#length);
    this.ends.push(this.#length);
  }
}

function widthFor(most: number): CountWidth {
  return most < 2 ** 8 ? 1 : most < 2 ** 16 ? 2 : 4;
}

const fieldsOf = (record: HeldRecord): readonly unknown[] => {
  const { text, metadata, subject, kind, updatedAt, expiresAt, version, visibility, derivedFrom } = record;
  return [text, metadata, subject, kind, updatedAt, expiresAt, version, visibility, derivedFrom];
};

interface TermColumns {
  readonly names: Texts;
  readonly ends: Uint32Array;
  readonly rows: Uint16Array;
  readonly counts: Uint32Array;
}

/** By term instead of by record. In the order of records it could tell in which order a removed one held its terms. */
function* termColumns(
  terms: ReadonlyMap<string, readonly number[]>,
  count: number,
): Generator<undefined, TermColumns> {
  const names = new Texts();
  const ends = new Uint32Array(terms.size);
  const [rows, counts] = [new Uint16Array(count), new Uint32Array(count)];
  let [term, end, stepEnd] = [0, 0, STEP.pairs];
  for (const name of yield* inOrder([...terms.keys()])) {
    const pairs = terms.get(name) as readonly number[];
    for (let at = 0; at < pairs.length; at += 2) {
      rows[end] = pairs[at] as number;
      counts[end++] = pairs[at + 1] as number;
    }
    names.add(name);
    ends[term++] = end;
    if (end < stepEnd) continue;
    stepEnd = end + STEP.pairs;
    yield;
  }
  return { names, ends, rows, counts };
}

/** Names in the order of their bytes: some are sorted at a time, then merged. */
function* inOrder(names: readonly string[]): Generator<undefined, readonly string[]> {
  let runs: (readonly string[])[] = [];
  for (let from = 0; from < names.length; from += STEP.terms) {
    if (from > 0) yield;
    runs.push(names.slice(from, from + STEP.terms).sort(byBytes));
  }
  while (runs.length > 1) {
    const merged: (readonly string[])[] = [];
    for (let at = 0; at < runs.length; at += 2)
      merged.push(yield* mergedOf(runs[at] as readonly string[], runs[at + 1] ?? []));
    runs = merged;
  }
  return runs[0] ?? [];
}

function* mergedOf(a: readonly string[], b: readonly string[]): Generator<undefined, readonly string[]> {
  const merged: string[] = [];
  let [i, j] = [0, 0];
  while (i < a.length && j < b.length) {
    merged.push(byBytes(a[i] as string, b[j] as string) < 0 ? (a[i++] as string) : (b[j++] as string));
    if (merged.length % STEP.terms === 0) yield;
  }
  return merged.concat(a.slice(i), b.slice(j));
}

/** The order of two strings' UTF-8. */
function byBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [one, other] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (one !== other) return bytesFirst(one) - bytesFirst(other);
  }
  return a.length - b.length;
}

/** Pairs of surrogates stand for characters that come after all others. */
const bytesFirst = (unit: number): number =>
  unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800;

function* joined(parts: readonly Uint8Array[]): Generator<undefined, Bytes> {
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let [end, stepEnd] = [0, STEP.bytes];
  for (const part of parts) {
    out.set(part, end);
    end += part.length;
    if (end < stepEnd) continue;
    stepEnd = end + STEP.bytes;
    yield;
  }
  return out;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);
