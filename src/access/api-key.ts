/**
 * The text of an API key, which its owner holds and nobody else does:
 *
 *     sr_<environment>_<id 26><secret 52><checksum 7>
 *
 * id and secret (32 random bytes) are Crockford base32, lower case; the checksum is the CRC-32 of all before it, so
 * that a mistyped or truncated key is told apart from a wrong one without asking the store, and secret scanners can
 * recognise a real key. Whoever knows a key's format learns nothing about another key.
 */
import { crc32 } from 'node:zlib';
import { encodeUtf8, u32, type Bytes } from '../bytes/encoding.ts';
import { Secret } from '../bytes/secret.ts';
import type { Random } from '../environment.ts';
import { encodeCrockford, isId, type KeyId } from '../ids.ts';

export const ENVIRONMENTS = ['production', 'staging', 'development'] as const;
export type KeyEnvironment = (typeof ENVIRONMENTS)[number];

const ID_LENGTH = 26;
const SECRET_BYTES = 32;
const SECRET_LENGTH = 52;
const CHECKSUM_LENGTH = 7;
const FORM = /^sr_(production|staging|development)_([0-9a-hjkmnp-tv-z]{85})$/;

export interface ApiKeyParts {
  readonly environment: KeyEnvironment;
  readonly id: KeyId;
  /** What is hashed; never stored. */
  readonly secret: Bytes;
}

/** Makes the text of a new key for `id`. */
export function createApiKey(environment: KeyEnvironment, id: KeyId, random: Random): Secret {
  const body = `sr_${environment}_${id.slice(4)}${encodeCrockford(random(SECRET_BYTES))}`;
  return new Secret(body + checksum(body));
}

/** The parts of a key, or null for any text that is not one: wrong form, wrong checksum. */
export function matchApiKey(token: Secret): ApiKeyParts | null {
  const text = token.reveal();
  const [, environment, rest] = FORM.exec(text) ?? [];
  if (environment === undefined || rest === undefined) return null;
  const body = text.slice(0, -CHECKSUM_LENGTH);
  if (checksum(body) !== text.slice(-CHECKSUM_LENGTH)) return null;
  const id = `key_${rest.slice(0, ID_LENGTH)}`;
  if (!isId('key', id)) return null;
  const secret = encodeUtf8(rest.slice(ID_LENGTH, ID_LENGTH + SECRET_LENGTH));
  return { environment: environment as KeyEnvironment, id, secret };
}

const checksum = (body: string): string => encodeCrockford(u32(crc32(body)));
