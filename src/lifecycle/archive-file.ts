/**
 * What an archive holds: the boxes of versions as they lay in the database, still sealed under their own record keys. So an
 * erasure of a memory, a person, a conversation or a vault reaches it wherever copies of the archive lie. Around it is the
 * file encryption of crypto/cobblestone.ts under the archive's own slot.
 *
 *     offset  size  field (integers big-endian)
 *          0     4  "SRAR"
 *          4     1  version: 1
 *          5     4  n: bytes of the list
 *          9     n  list, JSON: [memory, version, slot, scope, author, created at, bytes of the body's box, of the vector's] each;
 *                   0 for no vector
 *        9+n        the boxes, one after the other, in the order of the list
 */
import { concat, decodeUtf8, encodeUtf8, u32, view, type Bytes } from '../bytes/encoding.ts';
import { StrongroomError } from '../errors.ts';

export interface ArchivedVersion {
  readonly memory: string;
  readonly version: number;
  readonly slot: number;
  /** As `encodeScope` gives it. */
  readonly scope: string;
  readonly author: string;
  readonly createdAt: number;
  readonly body: Uint8Array;
  readonly vector: Uint8Array | null;
}

type Listed = readonly [string, number, number, string, string, number, number, number];

const MAGIC = 'SRAR';
const VERSION = 1;
const HEADER_BYTES = 9;

export function encodeArchive(versions: readonly ArchivedVersion[]): Bytes {
  const list = versions.map((each): Listed => [
    each.memory,
    each.version,
    each.slot,
    each.scope,
    each.author,
    each.createdAt,
    each.body.length,
    each.vector?.length ?? 0,
  ]);
  const bytes = encodeUtf8(JSON.stringify(list));
  const boxes = versions.flatMap(({ body, vector }) => (vector === null ? [body] : [body, vector]));
  return concat(encodeUtf8(MAGIC), Uint8Array.of(VERSION), u32(bytes.length), bytes, ...boxes);
}

/** Throws `box.damaged` on bytes that no `encodeArchive` has made. */
export function decodeArchive(bytes: Uint8Array): readonly ArchivedVersion[] {
  const buffer = view(bytes);
  if (bytes.length < HEADER_BYTES || buffer.toString('latin1', 0, 4) !== MAGIC || bytes[4] !== VERSION)
    throw damaged('no archive');
  const end = HEADER_BYTES + buffer.readUInt32BE(5);
  if (end > bytes.length) throw damaged('cut short');
  let at = end;
  const take = (length: number): Uint8Array => {
    const box = bytes.slice(at, at + length);
    if (box.length !== length) throw damaged('cut short');
    at += length;
    return box;
  };
  const versions = listIn(bytes.subarray(HEADER_BYTES, end)).map(
    ([memory, version, slot, scope, author, createdAt, bodyBytes, vectorBytes]): ArchivedVersion => ({
      memory,
      version,
      slot,
      scope,
      author,
      createdAt,
      body: take(bodyBytes),
      vector: vectorBytes === 0 ? null : take(vectorBytes),
    }),
  );
  if (at !== bytes.length) throw damaged('bytes too many');
  return versions;
}

/** What we wrote ourselves and the cipher has authenticated: the form is ours, damage is not to be guessed at. */
function listIn(bytes: Uint8Array): readonly Listed[] {
  try {
    return JSON.parse(decodeUtf8(bytes)) as readonly Listed[];
  } catch (cause) {
    throw damaged('its list is not JSON', cause);
  }
}

const damaged = (what: string, cause?: unknown): StrongroomError =>
  new StrongroomError('box.damaged', {
    detail: `an archive is damaged: ${what}`,
    ...(cause === undefined ? {} : { cause }),
  });
