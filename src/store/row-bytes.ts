/**
 * A row as bytes, the same whichever engine it comes from and goes to (docs/format.md):
 *
 *     row  = head ‖ 0a ‖ bytes columns, one after the other, in the order of the columns
 *     head = JSON array of the columns' values in their order: texts, integers, null; of a bytes column its length
 *
 * JSON as written here has no line feed, so the first one ends the head. Boxes are carried as they are sealed.
 *
 * Many rows together are a block, which an engine may put together by itself:
 *
 *     block = (02 ‖ length of the row u32 ‖ row)*
 */
import { StrongroomError } from '../errors.ts';
import type { SqlValue } from './connection.ts';
import type { ColumnType } from './table.ts';

const LINE_FEED = 0x0a;
/** Before each row of a block; the kind of a row among the records of a backup's piece. */
export const ROW_MARK = 2;
export const ROW_HEAD_BYTES = 5;

export interface RowBlock {
  readonly bytes: Uint8Array;
  readonly count: number;
}

export function blockOf(rows: readonly Uint8Array[]): RowBlock {
  const size = rows.reduce((sum, row) => sum + ROW_HEAD_BYTES + row.length, 0);
  const bytes = Buffer.allocUnsafeSlow(size);
  let at = 0;
  for (const row of rows) {
    at = bytes.writeUInt32BE(row.length, bytes.writeUInt8(ROW_MARK, at));
    bytes.set(row, at);
    at += row.length;
  }
  return { bytes, count: rows.length };
}

/** Where each row of a block begins and ends, its mark and length included. */
export function* rowsOf({ bytes }: RowBlock): Generator<readonly [from: number, to: number]> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length;) {
    const end = at + ROW_HEAD_BYTES + view.getUint32(at + 1);
    yield [at, end];
    at = end;
  }
}

export function encodeRow(values: readonly SqlValue[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const head = values.map((value) => {
    if (!(value instanceof Uint8Array)) return value;
    parts.push(value);
    return value.length;
  });
  return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`, 'utf8'), ...parts]);
}

/** The values of a row with columns of these types. Bytes are views of what was given. Throws `box.damaged`. */
export function decodeRow(row: Buffer, types: readonly ColumnType[]): SqlValue[] {
  const end = row.indexOf(LINE_FEED);
  if (end < 0) throw damaged('a row has no head');
  const values: unknown = JSON.parse(row.toString('utf8', 0, end));
  if (!Array.isArray(values) || values.length !== types.length)
    throw damaged('a row has other columns than its table');
  let at = end + 1;
  for (let column = 0; column < types.length; column++) {
    const value: unknown = values[column];
    if (types[column] !== 'bytes' || value === null) continue;
    if (!Number.isSafeInteger(value)) throw damaged('bytes without a length');
    const length = value as number;
    values[column] = row.subarray(at, at + length);
    at += length;
  }
  if (at !== row.length) throw damaged('a row is longer or shorter than it says');
  return values as SqlValue[];
}

const damaged = (detail: string): StrongroomError => new StrongroomError('box.damaged', { detail });
