/**
 * A segment: what an index holds of the records of one leaf page of slots, as bytes that the caller seals.
 *
 * In it is each record's own: its fields, its terms and its vector. Not in it is anything that came from elsewhere or
 * from what was removed: no neighbours, no frequencies, lengths or averages over the vault, no unused room. So the cover
 * is exactly the slots of its records, and context and statistics are made anew when it is loaded.
 * The order is by slot, whatever the order of additions.
 *
 *     offset  size  field (integers big-endian)
 *          0     4  "SRSG"
 *          4     1  version: 3
 *          5     1  metric: 0 cosine, 1 dot, 2 euclidean
 *          6     2  dimensions, 0 while the vault has no vector
 *          8     4  leaf
 *         12     4  analyzer and language that made the terms (analyzer.ts)
 *         16     4  a: bytes of the records
 *         20     4  b: bytes of the terms
 *         24     4  c: bytes of the counts
 *         28     a  records, a JSON list; each a list of index in the leaf, id, text, metadata, subject, conversation,
 *                   speaker, kind, at, createdAt, updatedAt, expiresAt, version, visibility, derivedFrom, and 0
 *                   without a vector, 1 with one of numbers, 2 with one in a row with 2 low bits, 3 with 8
 *       28+a     b  terms, a JSON list of strings, each once
 *     28+a+b     c  counts, u32: for each record how many different terms it has, and for each of them its place in
 *                   the list of terms and how often it occurs
 *   28+a+b+c        the rows, then the numbers, each in the order of the records; little-endian
 *
 * Numbers are float32, under cosine scaled to length 1. A row is the vector rotated by public signs and rounded by itself
 * (kernel/assembly/rows.ts), as it lies in memory, so that it is only copied:
 *
 *          0     4  scale f32: what one unit of a code is worth
 *          4     4  sum i32 of the high bytes
 *          8     4  length f32 of the vector
 *         12     8  zeros
 *         20     p  high bytes i8; p is the dimensions, rounded up to a multiple of 64
 *       20+p        low bits: two or eight for each number (two: those of number i of each 64 are in byte i mod 16)
 */
import { concat, decodeUtf8, encodeUtf8, u16, u32, view, type Bytes } from '../bytes/encoding.ts';
import { StrongroomError } from '../errors.ts';
import { LEAF_SLOTS } from '../keys/slot.ts';
import type { TermCounts } from './text-index.ts';
import type { HeldRecord, JsonObject, Metric } from './types.ts';
import { lowBitsOf } from './vectors/coded-vectors.ts';
import { paddedLength, rowBytesFor } from './vectors/rows.ts';
import { firstNotFinite, type StoredVector } from './vectors/vector-index.ts';

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

const MAGIC = 'SRSG';
const VERSION = 3;
const METRICS: readonly Metric[] = ['cosine', 'dot', 'euclidean'];
const HEADER_BYTES = 28;
const FLOAT_BYTES = 4;
/** The forms of vectors by their numbers in a record: none, numbers, and rows with so many low bits. */
const FORMS = [null, 'numbers', 2, 8] as const;
type Form = (typeof FORMS)[number];

export function encodeSegment(content: SegmentContent): Bytes {
  const { leaf, metric, dimensions, analyzerVersion, rows } = content;
  const records = encodeUtf8(JSON.stringify(rows.map((row) => fieldsOf(row, dimensions ?? 0))));
  const places = new Map<string, number>();
  const counts = rows.flatMap((row) => [row.counts.size, ...pairsOf(row.counts, places)]);
  const terms = encodeUtf8(JSON.stringify([...places.keys()]));
  const header = concat(
    encodeUtf8(MAGIC),
    Uint8Array.of(VERSION, METRICS.indexOf(metric)),
    u16(dimensions ?? 0),
    ...[leaf, analyzerVersion, records.length, terms.length, counts.length * 4].map(u32),
  );
  return concat(header, records, terms, encodeCounts(counts), ...vectorBytes(rows));
}

/** Throws `box.damaged` on bytes that no `encodeSegment` has made. */
export function decodeSegment(bytes: Uint8Array): SegmentContent {
  try {
    return decode(view(bytes));
  } catch (cause) {
    throw new StrongroomError('box.damaged', { detail: 'a segment of the search index is damaged', cause });
  }
}

function fieldsOf({ slot, record, vector }: SegmentRow, dimensions: number): readonly unknown[] {
  const { id, text, metadata, subject, conversation, speaker, kind, at, createdAt, updatedAt, expiresAt } =
    record;
  const own = [id, text, metadata, subject, conversation, speaker, kind, at, createdAt, updatedAt, expiresAt];
  const { version, visibility, derivedFrom } = record;
  const form = FORMS.indexOf(formOf(vector, dimensions));
  return [slot % LEAF_SLOTS, ...own, version, visibility, derivedFrom, form];
}

function pairsOf(counts: TermCounts, places: Map<string, number>): readonly number[] {
  return Array.from(counts).flatMap(([term, count]) => {
    const place = places.get(term) ?? places.size;
    places.set(term, place);
    return [place, count];
  });
}

function encodeCounts(counts: readonly number[]): Bytes {
  const bytes = new Uint8Array(counts.length * 4);
  const out = view(bytes);
  counts.forEach((count, at) => out.writeUInt32BE(count, at * 4));
  return bytes;
}

function formOf(vector: StoredVector | null, dimensions: number): Form {
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

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

function decode(bytes: Buffer): SegmentContent {
  check(bytes.length >= HEADER_BYTES && bytes.toString('latin1', 0, 4) === MAGIC, 'no segment');
  check(bytes[4] === VERSION, 'an unknown version');
  const metric = METRICS[bytes[5] as number];
  if (metric === undefined) throw new RangeError('an unknown metric');
  const dimensions = bytes.readUInt16BE(6);
  const leaf = bytes.readUInt32BE(8);
  const analyzerVersion = bytes.readUInt32BE(12);
  const [a, b, c] = [bytes.readUInt32BE(16), bytes.readUInt32BE(20), bytes.readUInt32BE(24)];
  const ends = [HEADER_BYTES, HEADER_BYTES + a, HEADER_BYTES + a + b, HEADER_BYTES + a + b + c] as const;
  check(ends[3] <= bytes.length && c % 4 === 0, 'cut short');
  const fields = parseList(bytes.subarray(ends[0], ends[1]));
  const terms = parseList(bytes.subarray(ends[1], ends[2]));
  const counts = decodeCounts(bytes.subarray(ends[2], ends[3]), fields.length, terms);
  const parsed = fields.map((list) => parseRow(list, leaf));
  const forms = parsed.map(({ form }) => form);
  const vectors = decodeVectors(bytes.subarray(ends[3]), dimensions, forms);
  const rows = parsed.map(({ slot, record }, at): SegmentRow => ({
    slot,
    record,
    counts: counts[at] as TermCounts,
    vector: vectors[at] ?? null,
  }));
  return { leaf, metric, dimensions: dimensions === 0 ? null : dimensions, analyzerVersion, rows };
}

function parseRow(list: unknown, leaf: number): { slot: number; record: HeldRecord; form: Form } {
  if (!Array.isArray(list) || list.length !== 16) throw new RangeError('not a record');
  const [index, id, text, metadata, subject, conversation, speaker, kind] = list.slice(0, 8) as unknown[];
  const [at, createdAt, updatedAt, expiresAt, version, visibility, derivedFrom, formNumber] = list.slice(
    8,
  ) as unknown[];
  check(isNumber(index) && index >= 0 && index < LEAF_SLOTS, 'an index outside the leaf');
  const record: HeldRecord = {
    id: parse(id, isString),
    text: parse(text, isString),
    metadata: parse(metadata, orNull(isObject)),
    subject: parse(subject, orNull(isString)),
    conversation: parse(conversation, orNull(isString)),
    speaker: parse(speaker, orNull(isString)),
    kind: parse(kind, orNull(isString)),
    at: parse(at, orNull(isNumber)),
    createdAt: parse(createdAt, isNumber),
    updatedAt: parse(updatedAt, isNumber),
    expiresAt: parse(expiresAt, orNull(isNumber)),
    version: parse(version, isNumber),
    visibility: parse(visibility, orNull(isString)),
    derivedFrom: parse(derivedFrom, orNull(isStrings)),
  };
  const form = FORMS[Number(formNumber)];
  if (form === undefined) throw new RangeError('an unknown form of a vector');
  return { slot: leaf * LEAF_SLOTS + Number(index), record, form };
}

function decodeCounts(bytes: Buffer, records: number, terms: readonly unknown[]): readonly TermCounts[] {
  let at = 0;
  const next = (): number => {
    const value = bytes.readUInt32BE(at);
    at += 4;
    return value;
  };
  const all = Array.from({ length: records }, () => {
    const counts = new Map<string, number>();
    for (let left = next(); left > 0; left--) counts.set(parse(terms[next()], isString), next());
    return counts;
  });
  check(at === bytes.length, 'counts too many');
  return all;
}

function decodeVectors(
  bytes: Uint8Array,
  dimensions: number,
  forms: readonly Form[],
): readonly (StoredVector | null)[] {
  const padded = paddedLength(dimensions);
  const sizeOf = (form: Form): number =>
    form === null ? 0 : form === 'numbers' ? dimensions * FLOAT_BYTES : rowBytesFor(padded, form);
  const isRow = (form: Form): boolean => form === 2 || form === 8;
  let row = 0;
  let numbers = forms.reduce<number>((sum, form) => sum + (isRow(form) ? sizeOf(form) : 0), 0);
  const end = forms.reduce<number>((sum, form) => sum + sizeOf(form), 0);
  check(end === bytes.length && (end === 0 || dimensions > 0), 'vectors of another length');
  return forms.map((form): StoredVector | null => {
    if (form === null) return null;
    if (form !== 'numbers')
      return { form: 'row', bytes: parseVectorRow(bytes.subarray(row, (row += sizeOf(form)))) };
    const own = new Uint8Array(bytes.subarray(numbers, (numbers += sizeOf(form))));
    const vector = new Float32Array(own.buffer);
    check(firstNotFinite(vector) < 0, 'a vector that is not finite');
    return { form, numbers: vector };
  });
}

/** Its head decides about every score. */
function parseVectorRow(row: Uint8Array): Uint8Array {
  const head = view(row);
  const [scale, length] = [head.readFloatLE(0), head.readFloatLE(8)];
  check(Number.isFinite(scale) && Number.isFinite(length), 'a vector that is not finite');
  check(scale >= 0 && length >= 0 && head.readBigUInt64LE(12) === 0n, 'no vector');
  return row;
}

function parseList(bytes: Uint8Array): readonly unknown[] {
  const json = parseJson(decodeUtf8(bytes));
  if (!Array.isArray(json)) throw new RangeError('not a list');
  return json as readonly unknown[];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, which must not reach a log.
    throw new RangeError('not JSON');
  }
}

function check(holds: boolean, message: string): void {
  if (!holds) throw new RangeError(message);
}

function parse<T>(value: unknown, is: (value: unknown) => value is T): T {
  if (!is(value)) throw new RangeError('a field of another type');
  return value;
}

const isString = (value: unknown): value is string => typeof value === 'string';
const isNumber = (value: unknown): value is number => typeof value === 'number';
const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isStrings = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every(isString);
const orNull =
  <T>(is: (value: unknown) => value is T) =>
  (value: unknown): value is T | null =>
    value === null || is(value);
