/**
 * A piece of a backup, before it is encrypted: records one after the other. Each piece says again of which table its rows
 * are, so that any of them can be read without the others (docs/format.md).
 *
 *     piece   = "SRBP" ‖ 1 ‖ record*
 *     record  = kind u8 ‖ length u32 ‖ content
 *     kind 1  table: JSON {"table", "columns": [[name, type] …]}; rows follow
 *     kind 2  row of that table (src/store/row-bytes.ts)
 *     kind 3  removed: JSON [table, [key values] …] (src/store/row-key.ts)
 *     kind 4  blob: length of the name u8 ‖ name ‖ bytes, sealed as they lie
 */
import { concat, encodeUtf8, type Bytes } from '../bytes/encoding.ts';
import { roomBefore } from '../crypto/cobblestone.ts';
import { StrongroomError } from '../errors.ts';
import type { SqlValue } from '../store/connection.ts';
import { ROW_HEAD_BYTES, ROW_MARK, rowsOf, type RowBlock } from '../store/row-bytes.ts';
import { decodeKeyValue, encodeKeyValue, type KeyValue } from '../store/row-key.ts';
import { COLUMN_TYPES, type ColumnType } from '../store/table.ts';

const MAGIC = concat(encodeUtf8('SRBP'), Uint8Array.of(1));
const RECORD_HEAD_BYTES = ROW_HEAD_BYTES;
const KIND = { table: 1, row: ROW_MARK, removed: 3, blob: 4 } as const;

/** What a piece holds at most, unless one record alone is longer: the memory of a few that are under way bothers no collector. */
export const PIECE_BYTES = 4 * 1024 * 1024;

export interface TableHead {
  readonly table: string;
  readonly columns: readonly (readonly [name: string, type: ColumnType])[];
}

export type PieceRecord =
  | { readonly kind: 'rows'; readonly head: TableHead; readonly rows: readonly Buffer[] }
  | { readonly kind: 'removed'; readonly table: string; readonly keys: readonly (readonly SqlValue[])[] }
  | { readonly kind: 'blob'; readonly name: string; readonly bytes: Uint8Array };

/** A piece that is full, and how many rows are in it. Before its bytes lies the room that encrypting them in their place takes. */
export interface FullPiece {
  readonly bytes: Bytes;
  readonly rows: number;
}

/** Lays records into pieces; each that is full is given back by the call that filled it. */
export class PieceWriter {
  readonly #sizeMax: number;
  /** The memory of the piece, from behind the room before it. */
  #buffer: Bytes;
  #spare: ArrayBuffer | null = null;
  #at = 0;
  #rows = 0;
  #head: Uint8Array | null = null;

  constructor(sizeMax = PIECE_BYTES) {
    this.#sizeMax = sizeMax;
    this.#buffer = this.#memory(Math.min(sizeMax, 64 * 1024));
  }

  /** Memory of a piece that nobody needs any more: memory that is new has to be found and cleared. */
  reuse(spare: ArrayBuffer | null): void {
    this.#spare = spare;
  }

  table(head: TableHead): FullPiece[] {
    this.#head = encodeUtf8(JSON.stringify({ table: head.table, columns: head.columns }));
    return this.#add(KIND.table, this.#head, true);
  }

  /** A block is laid in as it is: its rows are records already. */
  rows(block: RowBlock): FullPiece[] {
    if (this.#at > 0 && this.#at + block.bytes.length <= this.#sizeMax) {
      this.#append(block.bytes, block.count);
      return [];
    }
    const full: FullPiece[] = [];
    for (const [from, to] of rowsOf(block)) {
      full.push(...this.#makeRoom(to - from, false));
      this.#append(block.bytes.subarray(from, to), 1);
    }
    return full;
  }

  removed(table: string, keys: readonly (readonly SqlValue[])[]): FullPiece[] {
    const encoded = keys.map((values) => values.map(encodeKeyValue));
    return this.#add(KIND.removed, encodeUtf8(JSON.stringify([table, ...encoded])), true);
  }

  blob(name: string, bytes: Uint8Array): FullPiece[] {
    const label = encodeUtf8(name);
    return this.#add(KIND.blob, concat(Uint8Array.of(label.length), label, bytes), true);
  }

  /** What is left; at least one piece, also of a backup in which nothing changed. */
  end(): FullPiece {
    if (this.#at === 0) this.#begin();
    return this.#take();
  }

  #add(kind: number, content: Uint8Array, isHead: boolean): FullPiece[] {
    const full = this.#makeRoom(RECORD_HEAD_BYTES + content.length, isHead);
    this.#write(kind, content);
    return full;
  }

  /** Begins another piece where this one cannot take so many bytes more. */
  #makeRoom(bytes: number, isHead: boolean): FullPiece[] {
    const full: FullPiece[] = [];
    if (this.#at > MAGIC.length && this.#at + bytes > this.#sizeMax) full.push(this.#take());
    if (this.#at > 0) return full;
    this.#begin();
    if (!isHead && this.#head !== null) this.#write(KIND.table, this.#head);
    return full;
  }

  #append(records: Uint8Array, rows: number): void {
    this.#reserve(records.length);
    this.#buffer.set(records, this.#at);
    this.#at += records.length;
    this.#rows += rows;
  }

  #begin(): void {
    this.#reserve(MAGIC.length);
    this.#buffer.set(MAGIC);
    this.#at = MAGIC.length;
  }

  #write(kind: number, content: Uint8Array): void {
    this.#reserve(RECORD_HEAD_BYTES + content.length);
    const { length } = content;
    this.#buffer[this.#at] = kind;
    this.#buffer[this.#at + 1] = length >>> 24;
    this.#buffer[this.#at + 2] = length >>> 16;
    this.#buffer[this.#at + 3] = length >>> 8;
    this.#buffer[this.#at + 4] = length;
    this.#buffer.set(content, this.#at + RECORD_HEAD_BYTES);
    this.#at += RECORD_HEAD_BYTES + length;
  }

  #reserve(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = this.#memory(Math.max(needed, Math.min(this.#sizeMax, this.#buffer.length * 4)));
    larger.set(this.#buffer.subarray(0, this.#at));
    this.#buffer = larger;
  }

  /** The buffer goes with the piece; the next one gets its own. */
  #take(): FullPiece {
    const piece = { bytes: this.#buffer.subarray(0, this.#at), rows: this.#rows };
    this.#buffer = this.#memory(Math.min(this.#sizeMax, this.#buffer.length));
    this.#at = 0;
    this.#rows = 0;
    return piece;
  }

  #memory(bytes: number): Bytes {
    const room = roomBefore(this.#sizeMax);
    const spare = this.#spare;
    this.#spare = null;
    const fits = spare !== null && spare.byteLength >= room + bytes;
    return new Uint8Array(fits ? spare : new ArrayBuffer(room + bytes)).subarray(room);
  }
}

/** Rows are given in batches of one table. Throws `box.damaged` on what is no piece. */
export function* readPiece(piece: Uint8Array): Generator<PieceRecord> {
  const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.length);
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw damaged('it is no piece of a backup');
  let head: TableHead | null = null;
  let rows: Buffer[] = [];
  for (let at = MAGIC.length; at < bytes.length;) {
    if (at + RECORD_HEAD_BYTES > bytes.length) throw damaged('a record is cut');
    const kind = bytes[at];
    const end = at + RECORD_HEAD_BYTES + bytes.readUInt32BE(at + 1);
    if (end > bytes.length) throw damaged('a record is cut');
    const content = bytes.subarray(at + RECORD_HEAD_BYTES, end);
    at = end;
    if (kind === KIND.row) {
      if (head === null) throw damaged('a row of no table');
      rows.push(content);
      continue;
    }
    if (head !== null && rows.length > 0) yield { kind: 'rows', head, rows };
    rows = [];
    if (kind === KIND.table) head = parseHead(content);
    else if (kind === KIND.removed) yield parseRemoved(content);
    else if (kind === KIND.blob) yield parseBlob(content);
    else throw damaged(`records of kind ${kind} are not known`);
  }
  if (head !== null && rows.length > 0) yield { kind: 'rows', head, rows };
}

function parseHead(content: Buffer): TableHead {
  const { table, columns } = JSON.parse(content.toString('utf8')) as TableHead;
  if (typeof table !== 'string' || !Array.isArray(columns)) throw damaged('a table without its columns');
  for (const [, type] of columns) if (!COLUMN_TYPES.includes(type)) throw damaged(`no type: ${type}`);
  return { table, columns };
}

function parseRemoved(content: Buffer): PieceRecord {
  const [table, ...keys] = JSON.parse(content.toString('utf8')) as [string, ...KeyValue[][]];
  return { kind: 'removed', table, keys: keys.map((values) => values.map(decodeKeyValue)) };
}

function parseBlob(content: Buffer): PieceRecord {
  const end = 1 + (content[0] ?? 0);
  return { kind: 'blob', name: content.toString('utf8', 1, end), bytes: content.subarray(end) };
}

const damaged = (detail: string): StrongroomError => new StrongroomError('box.damaged', { detail });
