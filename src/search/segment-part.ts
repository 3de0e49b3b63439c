/**
 * A segment's bytes as they are read: what an index needs at once as columns, the records themselves only when asked for.
 * Only `rows` look into the bytes that were given; all else is a copy.
 *
 * Whoever holds the bytes has opened their seal, so they are what was written. What would still reach outside them
 * (lengths, places, numbers that are not finite) is refused at once; a record is checked when it is read.
 */
import { decodeUtf8, view } from '../bytes/encoding.ts';
import { firstNotFinite } from '../bytes/floats.ts';
import { StrongroomError } from '../errors.ts';
import { LEAF_SLOTS } from '../keys/slot.ts';
import {
  SEGMENT_HEAD_BYTES,
  SEGMENT_MAGIC,
  SEGMENT_METRICS,
  SEGMENT_VERSION,
  VECTOR_FORMS,
  type CountWidth,
} from './segment.ts';
import { TermPart, type Counts } from './term-part.ts';
import type { HeldRecord, JsonObject, Metric } from './types.ts';
import { paddedLength, rowBytesFor, type LowBits } from './vectors/rows.ts';

/** Rows of one kind, one behind the other, and which records they belong to. */
export interface RowColumn {
  readonly lowBits: LowBits;
  /** Ascending. */
  readonly records: Uint32Array;
  readonly bytes: Uint8Array;
}

export interface NumbersColumn {
  readonly records: readonly number[];
  readonly vectors: readonly Float32Array[];
}

export class SegmentPart {
  readonly leaf: number;
  readonly metric: Metric;
  readonly dimensions: number | null;
  readonly analyzerVersion: number;
  /** Records. */
  readonly count: number;
  readonly slots: Float64Array;
  readonly at: Float64Array;
  readonly createdAt: Float64Array;
  readonly expires: Uint32Array;
  readonly terms: TermPart;
  readonly rows: readonly RowColumn[];
  readonly numbers: NumbersColumn;
  readonly #names: readonly string[];
  readonly #conversations: Uint32Array;
  readonly #speakers: Uint32Array;
  readonly #idEnds: Uint32Array;
  readonly #ids: Buffer;
  readonly #recordEnds: Uint32Array;
  readonly #records: Buffer;

  /** Throws `box.damaged` on bytes that no `encodeSegment` has made. */
  static open(bytes: Uint8Array): SegmentPart {
    try {
      return new SegmentPart(bytes);
    } catch (cause) {
      throw damaged(cause);
    }
  }

  private constructor(bytes: Uint8Array) {
    const head = readHead(new Reader(bytes).bytes(SEGMENT_HEAD_BYTES));
    const length = ownLength(head);
    check(length <= bytes.length, 'cut short');
    const reader = new Reader(ownCopy(bytes.subarray(0, length)), SEGMENT_HEAD_BYTES);
    this.leaf = head.leaf;
    this.metric = head.metric;
    this.dimensions = head.dimensions === 0 ? null : head.dimensions;
    this.analyzerVersion = head.analyzerVersion;
    const { records: count } = head;
    this.count = count;
    this.at = reader.column(Float64Array, count);
    this.createdAt = reader.column(Float64Array, count);
    this.#idEnds = reader.column(Uint32Array, count);
    this.#recordEnds = reader.column(Uint32Array, count);
    this.#conversations = reader.column(Uint32Array, count);
    this.#speakers = reader.column(Uint32Array, count);
    const forms = reader.column(Uint32Array, count);
    const indexes = reader.column(Uint32Array, count);
    this.expires = reader.column(Uint32Array, count);
    const words = reader.column(Uint32Array, count);
    const [nameEnds, ends] = [reader.column(Uint32Array, head.terms), reader.column(Uint32Array, head.terms)];
    const rows = reader.column(Uint16Array, head.postings);
    const counts = reader.counts(head.width, head.postings);
    this.#ids = reader.bytes(head.idBytes);
    this.#names = reader.strings(head.nameBytes);
    this.#records = reader.bytes(head.recordBytes);
    const names = reader.bytes(head.termBytes);
    this.terms = new TermPart({ names, nameEnds, ends, rows, counts, words });
    check(this.terms.isSound(), 'terms of no records');
    this.slots = slotsOf(this.leaf, indexes);
    check(isBelow(indexes, LEAF_SLOTS), 'an index outside the leaf');
    check(isWhole(this.#idEnds, head.idBytes), 'ids of another length');
    check(isWhole(this.#recordEnds, head.recordBytes), 'records of another length');
    for (const places of [this.#conversations, this.#speakers])
      check(isBelow(places, this.#names.length + 1), 'a name that is not there');
    [this.rows, this.numbers] = readVectors(new Reader(bytes, length), forms, head.dimensions);
  }

  idOf(row: number): string {
    return this.#ids.toString('utf8', row === 0 ? 0 : this.#idEnds[row - 1], this.#idEnds[row]);
  }

  conversationOf(row: number): string | null {
    return this.#nameAt(this.#conversations[row]);
  }

  speakerOf(row: number): string | null {
    return this.#nameAt(this.#speakers[row]);
  }

  /** Throws `box.damaged` where there is no record. */
  record(row: number): HeldRecord {
    try {
      const list = JSON.parse(decodeUtf8(this.#bytesOf(row))) as unknown;
      return { ...this.#ownOf(row), ...parseRecord(list) };
    } catch (cause) {
      // The parser's own message quotes the text, which must not reach a log.
      throw damaged(cause instanceof SyntaxError ? new RangeError('not JSON') : cause);
    }
  }

  /** Leaves nothing of the record in memory. */
  wipe(row: number): void {
    this.#bytesOf(row).fill(0);
  }

  #ownOf(row: number): Pick<HeldRecord, 'id' | 'conversation' | 'speaker' | 'at' | 'createdAt'> {
    const at = this.at[row] as number;
    return {
      id: this.idOf(row),
      conversation: this.conversationOf(row),
      speaker: this.speakerOf(row),
      at: Number.isNaN(at) ? null : at,
      createdAt: this.createdAt[row] as number,
    };
  }

  #nameAt(place: number | undefined): string | null {
    return place === undefined || place === 0 ? null : (this.#names[place - 1] as string);
  }

  #bytesOf(row: number): Buffer {
    return this.#records.subarray(row === 0 ? 0 : this.#recordEnds[row - 1], this.#recordEnds[row]);
  }
}

const NO_VECTOR = VECTOR_FORMS.indexOf(null);
const NUMBERS = VECTOR_FORMS.indexOf('numbers');

/** From so many bytes on a segment counts as large. */
const LARGE_BYTES = 256 * 1024;

interface Head {
  readonly metric: Metric;
  readonly dimensions: number;
  readonly leaf: number;
  readonly analyzerVersion: number;
  readonly records: number;
  readonly terms: number;
  readonly postings: number;
  readonly idBytes: number;
  readonly nameBytes: number;
  readonly recordBytes: number;
  readonly termBytes: number;
  readonly width: CountWidth;
}

type Column = Uint8Array | Uint16Array | Uint32Array | Float64Array | Float32Array;

/** Up to here a segment is kept: what follows are rows and numbers, which lie elsewhere once they are taken in. */
function ownLength({ records, terms, postings, width, ...sizes }: Head): number {
  const columns = 48 * records + 8 * terms + (2 + width) * postings;
  return SEGMENT_HEAD_BYTES + columns + sizes.idBytes + sizes.nameBytes + sizes.recordBytes + sizes.termBytes;
}

/**
 * A copy in one piece. A large one lies in shared memory though nobody shares it: of other memory the garbage collector counts
 * every megabyte against a heap of a few, and marks it all five times while a hundred thousand memories are taken in.
 */
function ownCopy(bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  const isLarge = length > LARGE_BYTES;
  const own = isLarge ? new Uint8Array(new SharedArrayBuffer(length)) : new Uint8Array(length);
  // Not `set`, which goes word by word where memory is shared.
  view(bytes).copy(own);
  return own;
}

/** Takes one field after the other. */
class Reader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = view(bytes);
    this.#at = at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  bytes(length: number): Buffer {
    check(length <= this.left, 'cut short');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** Numbers as they lie; copied where they are not aligned. */
  column<T extends Column>(
    kind: {
      new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): T;
      readonly BYTES_PER_ELEMENT: number;
    },
    length: number,
  ): T {
    const bytes = this.bytes(length * kind.BYTES_PER_ELEMENT);
    return bytes.byteOffset % kind.BYTES_PER_ELEMENT === 0
      ? new kind(bytes.buffer, bytes.byteOffset, length)
      : new kind(new Uint8Array(bytes).buffer);
  }

  counts(width: CountWidth, length: number): Counts {
    if (width === 1) return this.column(Uint8Array, length);
    return width === 2 ? this.column(Uint16Array, length) : this.column(Uint32Array, length);
  }

  strings(bytes: number): readonly string[] {
    const list = parseJson(decodeUtf8(this.bytes(bytes)));
    if (!isStrings(list)) throw new RangeError('no list of strings');
    return list;
  }
}

function readHead(head: Buffer): Head {
  check(head.toString('latin1', 0, 4) === SEGMENT_MAGIC, 'no segment');
  check(head[4] === SEGMENT_VERSION, 'an unknown version');
  const metric = SEGMENT_METRICS[head[5] as number];
  if (metric === undefined) throw new RangeError('an unknown metric');
  const width = head[44];
  if (width !== 1 && width !== 2 && width !== 4) throw new RangeError('an unknown width of counts');
  check(head.readUIntBE(45, 3) === 0, 'an unknown field');
  const word = (at: number): number => head.readUInt32BE(at);
  return {
    metric,
    dimensions: head.readUInt16BE(6),
    leaf: word(8),
    analyzerVersion: word(12),
    records: word(16),
    terms: word(20),
    postings: word(24),
    idBytes: word(28),
    nameBytes: word(32),
    recordBytes: word(36),
    termBytes: word(40),
    width,
  };
}

function slotsOf(leaf: number, indexes: Uint32Array): Float64Array {
  const slots = new Float64Array(indexes.length);
  for (let i = 0; i < slots.length; i++) slots[i] = leaf * LEAF_SLOTS + (indexes[i] as number);
  return slots;
}

function isBelow(numbers: Uint32Array, limit: number): boolean {
  for (let i = 0; i < numbers.length; i++) if ((numbers[i] as number) >= limit) return false;
  return true;
}

/** Whether these are the ends of parts that follow each other and are so long together. */
function isWhole(ends: Uint32Array, length: number): boolean {
  let before = 0;
  for (let i = 0; i < ends.length; i++) {
    const end = ends[i] as number;
    if (end < before) return false;
    before = end;
  }
  return before === length;
}

function readVectors(
  reader: Reader,
  forms: Uint32Array,
  dimensions: number,
): [readonly RowColumn[], NumbersColumn] {
  check(isBelow(forms, VECTOR_FORMS.length), 'an unknown form of a vector');
  const { runs, numbered, count } = byForm(forms);
  check(count === 0 || dimensions > 0, 'vectors without dimensions');
  const rows = runs.map((run) => readRows(reader, run, dimensions));
  const vectors = numbered.map(() => reader.column(Float32Array, dimensions));
  check(reader.left === 0, 'vectors of another length');
  check(
    vectors.every((vector) => firstNotFinite(vector) < 0),
    'a vector that is not finite',
  );
  return [rows, { records: numbered, vectors }];
}

type Run = Omit<RowColumn, 'bytes'>;

/** Records with rows of one kind, one behind the other; those with numbers; and how many have any vector. */
function byForm(forms: Uint32Array): {
  readonly runs: readonly Run[];
  readonly numbered: readonly number[];
  readonly count: number;
} {
  const runs: Run[] = [];
  const numbered: number[] = [];
  const rows = new Uint32Array(forms.length);
  let [from, to, last] = [0, 0, 0];
  const close = (): void => {
    const lowBits = VECTOR_FORMS[last];
    if (lowBits === 2 || lowBits === 8) runs.push({ lowBits, records: rows.subarray(from, to) });
  };
  for (let record = 0; record < forms.length; record++) {
    const form = forms[record] as number;
    if (form === NO_VECTOR) continue;
    if (form === NUMBERS) {
      numbered.push(record);
      continue;
    }
    if (form !== last) {
      close();
      [from, last] = [to, form];
    }
    rows[to++] = record;
  }
  close();
  return { runs, numbered, count: to + numbered.length };
}

function readRows(reader: Reader, { lowBits, records }: Run, dimensions: number): RowColumn {
  const rowBytes = rowBytesFor(paddedLength(dimensions), lowBits);
  const bytes = reader.bytes(records.length * rowBytes);
  const heads = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; at += rowBytes) check(isHead(heads, at), 'no vector');
  return { lowBits, records, bytes };
}

/** The head of a row decides about every score. */
function isHead(heads: DataView, at: number): boolean {
  const scale = heads.getFloat32(at, true);
  const length = heads.getFloat32(at + 8, true);
  const base = heads.getFloat32(at + 16, true);
  return (
    scale >= 0 &&
    scale < Infinity &&
    length >= 0 &&
    length < Infinity &&
    base <= 0 &&
    base > -Infinity &&
    heads.getUint32(at + 12, true) === 0
  );
}

function parseRecord(
  list: unknown,
): Omit<HeldRecord, 'id' | 'conversation' | 'speaker' | 'at' | 'createdAt'> {
  if (!Array.isArray(list) || list.length !== 9) throw new RangeError('not a record');
  const [text, metadata, subject, kind, updatedAt, expiresAt, version, visibility, derivedFrom] =
    list as readonly unknown[];
  return {
    text: parse(text, isString),
    metadata: parse(metadata, orNull(isObject)),
    subject: parse(subject, orNull(isString)),
    kind: parse(kind, orNull(isString)),
    updatedAt: parse(updatedAt, isNumber),
    expiresAt: parse(expiresAt, orNull(isNumber)),
    version: parse(version, isNumber),
    visibility: parse(visibility, orNull(isString)),
    derivedFrom: parse(derivedFrom, orNull(isStrings)),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, which must not reach a log.
    throw new RangeError('not JSON');
  }
}

const damaged = (cause: unknown): StrongroomError =>
  new StrongroomError('box.damaged', { detail: 'a segment of the search index is damaged', cause });

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
