/** The header fields of requests and answers that are the same for every route. */
import { StrongroomError } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import type { ExpectedVersion } from './parts.ts';

/** On every answer, also those that never reach a route. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** RFC 6797; one year. */
export const TRANSPORT_SECURITY = { 'strict-transport-security': 'max-age=31536000' } as const;

const BEARER = /^bearer +([\x21-\x7e]{1,512})$/i;
const ETAG = /^"(0|[1-9]\d{0,15})"$/;
const FOREIGN_ETAG = /^(?:W\/)?"[^"]*"$/;
const VISIBLE = /^[\x21-\x7e]+$/;

type HeaderValue = string | readonly string[] | undefined;

/** The API key of an `Authorization` header (RFC 6750); null if there is none in that form. */
export const matchBearer = (value: string | undefined): string | null =>
  BEARER.exec(value ?? '')?.[1] ?? null;

/** `If-Match` (RFC 9110, 13.1.1): one of our entity tags, or `*`. */
export function parseIfMatch(value: HeaderValue): ExpectedVersion {
  if (value === undefined || value === '*') return null;
  const version = typeof value === 'string' ? ETAG.exec(value)?.[1] : undefined;
  // Well-formed, but no tag that this server ever gave strongly: it matches nothing.
  if (version === undefined && typeof value === 'string' && FOREIGN_ETAG.test(value))
    throw new StrongroomError('version.mismatch');
  if (version === undefined) throw headerFault('If-Match', 'must be one entity tag as it came in ETag, or *');
  return Number(version);
}

export const entityTag = (version: number): string => `"${version}"`;

/** `Strongroom-Purpose`: why the caller acts; UTF-8, which Node hands over as Latin-1. */
export function parsePurpose(value: HeaderValue): string | null {
  if (value === undefined) return null;
  if (typeof value !== 'string') throw headerFault('Strongroom-Purpose', 'must be given once');
  const bytes = Buffer.from(value, 'latin1');
  const text = bytes.toString('utf8').trim();
  if (text === '') return null;
  if (!Buffer.from(bytes.toString('utf8'), 'utf8').equals(bytes))
    throw headerFault('Strongroom-Purpose', 'is not UTF-8');
  if (text.length > LIMITS.purposeCharactersMax)
    throw headerFault('Strongroom-Purpose', `is longer than ${LIMITS.purposeCharactersMax} characters`);
  return text;
}

export function parseIdempotencyKey(value: HeaderValue): string | null {
  if (value === undefined) return null;
  const max = LIMITS.idempotencyKeyCharactersMax;
  if (typeof value !== 'string' || value.length > max || !VISIBLE.test(value))
    throw headerFault('Idempotency-Key', `must be 1 to ${max} visible ASCII characters`);
  return value;
}

const headerFault = (name: string, message: string): StrongroomError =>
  new StrongroomError('request.invalid', {
    detail: `${name} ${message}`,
    faults: [{ path: `/${name.toLowerCase()}`, message, in: 'header' }],
  });
