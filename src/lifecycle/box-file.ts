/**
 * Boxes of memories as they lay in the database, still sealed under their own record keys, laid into one run of bytes: what
 * an archive, a copy out of archives and a piece of an export hold. So an erasure of a memory, a person, a conversation or a
 * vault reaches them wherever copies lie. Around it is the file encryption of crypto/cobblestone.ts.
 *
 *     offset  size  field (integers big-endian)
 *          0     4  magic, by the kind of file
 *          4     1  version: 1
 *          5     4  n: bytes of the list
 *          9     n  list, JSON: the form's own fields, bytes of the body's box, of the vector's, each; 0 for no vector
 *        9+n        the boxes, one after the other, in the order of the list
 */
import { concat, decodeUtf8, encodeUtf8, u32, view, type Bytes } from '../bytes/encoding.ts';
import { StrongroomError } from '../errors.ts';

export interface Boxes {
  readonly body: Uint8Array;
  readonly vector: Uint8Array | null;
}

/** What a file says of each version beside its boxes. */
export type Fields = readonly (string | number | null)[];

/** A kind of such file. */
export interface BoxForm<Version extends Boxes> {
  /** Four letters. */
  readonly magic: string;
  /** For the message about a damaged one: `an archive`. */
  readonly what: string;
  readonly fieldsOf: (version: Version) => Fields;
  /** Of what we wrote ourselves. */
  readonly versionOf: (fields: Fields, boxes: Boxes) => Version;
}

const VERSION = 1;
const HEADER_BYTES = 9;

export function encodeBoxes<Version extends Boxes>(
  { magic, fieldsOf }: BoxForm<Version>,
  versions: readonly Version[],
): Bytes {
  const list = versions.map((each) => [...fieldsOf(each), each.body.length, each.vector?.length ?? 0]);
  const bytes = encodeUtf8(JSON.stringify(list));
  const boxes = versions.flatMap(({ body, vector }) => (vector === null ? [body] : [body, vector]));
  return concat(encodeUtf8(magic), Uint8Array.of(VERSION), u32(bytes.length), bytes, ...boxes);
}

/** Throws `box.damaged` on bytes that no `encodeBoxes` of that form has made. */
export function decodeBoxes<Version extends Boxes>(
  { magic, what, versionOf }: BoxForm<Version>,
  bytes: Uint8Array,
): readonly Version[] {
  const buffer = view(bytes);
  if (bytes.length < HEADER_BYTES || buffer.toString('latin1', 0, 4) !== magic || bytes[4] !== VERSION)
    throw damaged(what, 'it begins as something else');
  const end = HEADER_BYTES + buffer.readUInt32BE(5);
  if (end > bytes.length) throw damaged(what, 'cut short');
  let at = end;
  const take = (length: number): Uint8Array => {
    const box = bytes.slice(at, at + length);
    if (box.length !== length) throw damaged(what, 'cut short');
    at += length;
    return box;
  };
  const versions = listIn(what, bytes.subarray(HEADER_BYTES, end)).map((listed): Version => {
    const [bodyBytes, vectorBytes] = listed.slice(-2) as [number, number];
    const body = take(bodyBytes);
    return versionOf(listed.slice(0, -2), { body, vector: vectorBytes === 0 ? null : take(vectorBytes) });
  });
  if (at !== bytes.length) throw damaged(what, 'bytes too many');
  return versions;
}

/** What we wrote ourselves and the cipher has authenticated: the form is ours, damage is not to be guessed at. */
function listIn(what: string, bytes: Uint8Array): readonly Fields[] {
  try {
    return JSON.parse(decodeUtf8(bytes)) as readonly Fields[];
  } catch (cause) {
    throw damaged(what, 'its list is not JSON', cause);
  }
}

const damaged = (what: string, how: string, cause?: unknown): StrongroomError =>
  new StrongroomError('box.damaged', {
    detail: `${what} is damaged: ${how}`,
    ...(cause === undefined ? {} : { cause }),
  });
