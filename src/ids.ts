/**
 * Ids: a prefix that says of what, and a UUIDv7 (RFC 9562) as 26 characters of Crockford base32, lower case.
 * Ids of one source sort in the order they were made, also within a millisecond.
 */
import type { Bytes } from './bytes/encoding.ts';
import type { Clock, Random } from './environment.ts';

export const ID_PREFIXES = {
  organization: 'org',
  project: 'prj',
  vault: 'vlt',
  memory: 'mem',
  subject: 'sub',
  conversation: 'cnv',
  user: 'usr',
  key: 'key',
  erasure: 'era',
  segment: 'seg',
  request: 'req',
  verification: 'ver',
  policy: 'pol',
  hold: 'hld',
  archive: 'arc',
  archiveRequest: 'arq',
  export: 'exp',
  backup: 'bkp',
  drill: 'drl',
  rotation: 'rot',
  rewind: 'rwd',
  tombstones: 'tmb',
} as const;

export type IdKind = keyof typeof ID_PREFIXES;
export type Id<K extends IdKind = IdKind> = `${(typeof ID_PREFIXES)[K]}_${string}`;
export type OrganizationId = Id<'organization'>;
export type ProjectId = Id<'project'>;
export type VaultId = Id<'vault'>;
export type MemoryId = Id<'memory'>;
export type SubjectId = Id<'subject'>;
export type ConversationId = Id<'conversation'>;
export type KeyId = Id<'key'>;
export type ExportId = Id<'export'>;
export type HoldId = Id<'hold'>;
export type BackupId = Id<'backup'>;
export type DrillId = Id<'drill'>;
export type RewindId = Id<'rewind'>;
export type ErasureId = Id<'erasure'>;

export type NewId = <K extends IdKind>(kind: K) => Id<K>;

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const CHARACTERS = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/;

/** Whether `text` is an id of that kind in its one form. */
export const isId = <K extends IdKind>(kind: K, text: string): text is Id<K> =>
  text.length === 30 && text.startsWith(`${ID_PREFIXES[kind]}_`) && CHARACTERS.test(text.slice(4));

/** What ids made before that moment come before, in the order of text. */
export const idBefore = <K extends IdKind>(kind: K, ms: number): Id<K> =>
  `${ID_PREFIXES[kind]}_${encodeCrockford128(BigInt(Math.max(0, Math.floor(ms))) << 80n)}` as Id<K>;
/** When an id was made, in milliseconds. */
export function idTime(id: Id): number {
  const text = id.slice(id.indexOf('_') + 1);
  let bits = 0n;
  for (const character of text) bits = (bits << 5n) | BigInt(ALPHABET.indexOf(character));
  return Number(bits >> 80n);
}

export function createIdSource(clock: Clock, random: Random): NewId {
  let lastMs = -1;
  // 74 random bits; counted up within a millisecond, so that ids stay unique and ordered (RFC 9562, 6.2, method 2).
  let tail = 0n;
  return <K extends IdKind>(kind: K): Id<K> => {
    const now = clock.now();
    if (now > lastMs) {
      lastMs = now;
      tail = bigFrom(random(10)) & ((1n << 73n) - 1n);
    } else {
      tail += 1n;
    }
    const high = (BigInt(lastMs) << 16n) | 0x7000n | (tail >> 62n);
    const low = (0b10n << 62n) | (tail & ((1n << 62n) - 1n));
    return `${ID_PREFIXES[kind]}_${encodeCrockford128((high << 64n) | low)}` as Id<K>;
  };
}

function encodeCrockford128(value: bigint): string {
  let text = ALPHABET[Number((value >> 125n) & 31n)] as string;
  // Five characters at a time, because large integers are slow.
  for (let shift = 100n; shift >= 0n; shift -= 25n) {
    const part = Number((value >> shift) & 0x1ff_ffffn);
    for (let down = 20; down >= 0; down -= 5) text += ALPHABET[(part >> down) & 31];
  }
  return text;
}

/** Bytes as Crockford base32, lower case, first bit first; the last character is filled with zero bits. */
export function encodeCrockford(bytes: Uint8Array): string {
  let text = '';
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(held >> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return bits === 0 ? text : text + ALPHABET[(held << (5 - bits)) & 31];
}

function bigFrom(bytes: Bytes): bigint {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value;
}
