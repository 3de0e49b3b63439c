/**
 * A row as bytes, the same whichever engine it comes from and goes to (docs/format.md):
 *
 *     row  = head ‖ 0a ‖ bytes columns, one after the other, in the order of the columns
 *     head = JSON array of the columns' values in their order: texts, integers, null; of a bytes column its length
 *
 * JSON as written here has no line feed, so the first one ends the head. Boxes are carried as they are sealed.
 */
import { StrongroomError } from '../errors.ts';
import type { SqlValue } from './connection.ts';
import type { ColumnType } from './table.ts';

const LINE_FEED = 0x0a;

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
