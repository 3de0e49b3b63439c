/**
 * The JSON Canonicalization Scheme (RFC 8785): one byte string for one value, to be hashed, signed and used as
 * associated data. Members are sorted by UTF-16 code units, numbers and strings are written as ECMAScript writes them.
 *
 * Refuses (RangeError) what has no single form: numbers that are not finite, lone surrogates, undefined members,
 * and everything that is not plain data.
 */
import { encodeUtf8, type Bytes } from './encoding.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

export const canonicalBytes = (value: Json): Bytes => encodeUtf8(canonicalJson(value));

export function canonicalJson(value: Json): string {
  switch (typeof value) {
    case 'boolean':
      return value ? 'true' : 'false';
    case 'number':
      if (!Number.isFinite(value)) throw new RangeError(`no canonical form for ${value}`);
      return JSON.stringify(value);
    case 'string':
      return canonicalString(value);
    case 'object':
      if (value === null) return 'null';
      return isArray(value) ? canonicalArray(value) : canonicalObject(value);
    default:
      throw new RangeError(`no canonical form for ${typeof value}`);
  }
}

/** Nothing in it is escaped: most strings are ids, names and base64, and asking is cheaper than writing them anew. */
const PLAIN = /^[ !#-[\]-~]*$/;

function canonicalString(value: string): string {
  if (PLAIN.test(value)) return `"${value}"`;
  if (!value.isWellFormed()) throw new RangeError('no canonical form for a lone surrogate');
  return JSON.stringify(value);
}

function canonicalArray(value: readonly Json[]): string {
  let text = '[';
  // By number, which meets holes as undefined.
  for (let at = 0; at < value.length; at++) text += (at === 0 ? '' : ',') + canonicalJson(value[at] as Json);
  return `${text}]`;
}

function canonicalObject(value: { readonly [name: string]: Json }): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null)
    throw new RangeError('no canonical form for a class instance');
  let text = '{';
  for (const name of Object.keys(value).sort())
    text += `${text.length === 1 ? '' : ','}${canonicalString(name)}:${canonicalJson(value[name] as Json)}`;
  return `${text}}`;
}

const isArray = (value: Json): value is readonly Json[] => Array.isArray(value);
