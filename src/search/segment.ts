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
import { concat, encodeUtf8, u16, u32, type Bytes } from '../bytes/encoding.ts';
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
  /** Ascending by slot. */
  readonly rows: readonly SegmentRow[];
}

export const SEGMENT_MAGIC = 'SRSG';
export const SEGMENT_VERSION = 4;
export const SEGMENT_METRICS: readonly Metric[] = ['cosine', 'dot', 'euclidean'];
export const SEGMENT_HEAD_BYTES = 48;
/** The forms of vectors by their numbers: none, numbers, and rows with so many low bits. */
export const VECTOR_FORMS = [null, 'numbers', 2, 8] as const;
export type VectorForm = (typeof VECTOR_FORMS)[number];

export function encodeSegment(content: SegmentContent): Bytes {
  const { leaf, metric, dimensions, analyzerVersion, rows } = content;
  const names = new Places();
  const ids = rows.map(({ record }) => encodeUtf8(record.id));
  const records = rows.map(({ record }) => encodeUtf8(JSON.stringify(fieldsOf(record))));
  const terms = termsOf(rows);
  const width = widthFor(terms.counts);
  const columns = encodeColumns(content, ids, records, names);
  const texts = [
    concat(...ids),
    encodeUtf8(JSON.stringify(names.list)),
    concat(...records),
    concat(...terms.names),
  ];
  const numbers = [leaf, analyzerVersion, rows.length, terms.names.length, terms.counts.length];
  return concat(
    encodeUtf8(SEGMENT_MAGIC),
    Uint8Array.of(SEGMENT_VERSION, SEGMENT_METRICS.indexOf(metric)),
    u16(dimensions ?? 0),
    ...[...numbers, ...texts.map(({ length }) => length)].map(u32),
    Uint8Array.of(width, 0, 0, 0),
    columns,
    bytesOf(endsOf(terms.names)),
    bytesOf(Uint32Array.from(terms.ends)),
    bytesOf(Uint16Array.from(terms.rows)),
    bytesOf(COUNTS[width].from(terms.counts)),
    ...texts,
    ...vectorBytes(rows),
  );
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

export type CountWidth = 1 | 2 | 4;
const COUNTS = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array } as const;

function widthFor(counts: readonly number[]): CountWidth {
  const most = counts.reduce((largest, count) => Math.max(largest, count), 0);
  return most < 2 ** 8 ? 1 : most < 2 ** 16 ? 2 : 4;
}

const fieldsOf = (record: HeldRecord): readonly unknown[] => {
  const { text, metadata, subject, kind, updatedAt, expiresAt, version, visibility, derivedFrom } = record;
  return [text, metadata, subject, kind, updatedAt, expiresAt, version, visibility, derivedFrom];
};

function encodeColumns(
  { rows, dimensions }: SegmentContent,
  ids: readonly Uint8Array[],
  records: readonly Uint8Array[],
  names: Places,
): Bytes {
  const moments = [
    Float64Array.from(rows, ({ record }) => record.at ?? Number.NaN),
    Float64Array.from(rows, ({ record }) => record.createdAt),
  ];
  const wholes = [
    rows.map(({ record }) => names.ofAny(record.conversation)),
    rows.map(({ record }) => names.ofAny(record.speaker)),
    rows.map(({ vector }) => VECTOR_FORMS.indexOf(formOf(vector, dimensions ?? 0))),
    rows.map(({ slot }) => slot % LEAF_SLOTS),
    rows.map(({ record }) => Number(record.expiresAt !== null)),
    rows.map(({ counts }) => wordsIn(counts)),
  ];
  const columns = [endsOf(ids), endsOf(records), ...wholes.map((column) => Uint32Array.from(column))];
  return concat(...[...moments, ...columns].map(bytesOf));
}

function endsOf(parts: readonly Uint8Array[]): Uint32Array {
  let end = 0;
  return Uint32Array.from(parts, ({ length }) => (end += length));
}

/** By term instead of by record. */
function termsOf(rows: readonly SegmentRow[]): {
  readonly names: readonly Uint8Array[];
  readonly ends: readonly number[];
  readonly rows: readonly number[];
  readonly counts: readonly number[];
} {
  const found = new Map<string, number[]>();
  rows.forEach(({ counts }, row) => {
    for (const [term, count] of counts) {
      const pairs = found.get(term);
      if (pairs === undefined) found.set(term, [row, count]);
      else pairs.push(row, count);
    }
  });
  // In the order of records it could tell in which order a removed one held its terms.
  const terms = Array.from(found, ([name, pairs]) => ({ name: Buffer.from(name), pairs }));
  terms.sort((a, b) => Buffer.compare(a.name, b.name));
  let end = 0;
  return {
    names: terms.map(({ name }) => name),
    ends: terms.map(({ pairs }) => (end += pairs.length / 2)),
    rows: terms.flatMap(({ pairs }) => pairs.filter((_, at) => at % 2 === 0)),
    counts: terms.flatMap(({ pairs }) => pairs.filter((_, at) => at % 2 === 1)),
  };
}

function formOf(vector: StoredVector | null, dimensions: number): VectorForm {
  if (vector === null || vector.form === 'numbers') return vector?.form ?? null;
  return lowBitsOf(vector.bytes, paddedLength(dimensions));
}

function vectorBytes(rows: readonly SegmentRow[]): readonly Uint8Array[] {
  const vectors = rows.flatMap(({ vector }) => (vector === null ? [] : [vector]));
  return [
    ...vectors.flatMap((vector) => (vector.form === 'row' ? [vector.bytes] : [])),
    ...vectors.flatMap((vector) => (vector.form === 'numbers' ? [bytesOf(vector.numbers)] : [])),
  ];
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);
