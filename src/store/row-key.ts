/** Values of a row's key as JSON, in `removed_rows` and in backups: bytes are an object with their base64. */
import { decodeBase64, encodeBase64 } from '../bytes/encoding.ts';
import { StrongroomError } from '../errors.ts';
import type { SqlValue } from './connection.ts';

export type KeyValue = string | number | { readonly base64: string };

export function encodeKeyValue(value: unknown): KeyValue {
  if (value instanceof Uint8Array) return { base64: encodeBase64(value) };
  if (typeof value === 'string' || typeof value === 'number') return value;
  throw new StrongroomError('internal', `no value of a key: ${typeof value}`);
}

export const decodeKeyValue = (value: KeyValue): SqlValue =>
  typeof value === 'object' ? decodeBase64(value.base64) : value;
