/**
 * A proof that an entry is in a log, verifiable by anyone who knows the log's key (c2sp.org/tlog-proof v1).
 *
 *     c2sp.org/tlog-proof@v1
 *     extra <base64>                  optional, not authenticated; ours holds none
 *     index <n>
 *     <base64 hash>                   one per line, from the leaf's sibling up
 *                                     an empty line
 *     <signed checkpoint>
 */
import { decodeBase64, encodeBase64, type Bytes } from '../bytes/encoding.ts';
import { openCheckpoint, parseDecimal, parseHash, type Checkpoint } from './checkpoint.ts';
import { leafHash, verifyInclusion } from './merkle.ts';
import type { VerifierKey } from './note.ts';

const HEADER = 'c2sp.org/tlog-proof@v1';
/** A path has one hash per level, and no tree has more levels than a size has bits. */
const PATH_MAX = 64;

export interface LogProof {
  readonly extra?: Bytes;
  readonly n: number;
  readonly path: readonly Bytes[];
  /** The note, as it was signed. */
  readonly checkpoint: string;
}

export function encodeProof({ extra, n, path, checkpoint }: LogProof): string {
  const lines = [HEADER, ...(extra === undefined ? [] : [`extra ${encodeBase64(extra)}`]), `index ${n}`];
  return `${[...lines, ...path.map(encodeBase64)].join('\n')}\n\n${checkpoint}`;
}

/** Throws a RangeError on what is no proof. Nothing in it is verified yet. */
export function parseProof(text: string): LogProof {
  const end = text.indexOf('\n\n');
  const lines = text.slice(0, Math.max(end, 0)).split('\n');
  if (lines.shift() !== HEADER) throw new RangeError('not a proof');
  const extra =
    lines[0]?.startsWith('extra ') === true ? decodeBase64(lines.shift()!.slice('extra '.length)) : undefined;
  const index = lines.shift();
  if (index?.startsWith('index ') !== true || lines.length > PATH_MAX) throw new RangeError('not a proof');
  const proof = {
    n: parseDecimal(index.slice('index '.length)),
    path: lines.map(parseHash),
    checkpoint: text.slice(end + 2),
  };
  return extra === undefined ? proof : { extra, ...proof };
}

/** The checkpoint that covers the leaf, if the proof holds for it under that key; a RangeError otherwise. */
export function verifyProof(text: string, leaf: Uint8Array, key: VerifierKey): Checkpoint {
  const { n, path, checkpoint: note } = parseProof(text);
  const checkpoint = openCheckpoint(note, key);
  if (!verifyInclusion({ n, size: checkpoint.size, leafHash: leafHash(leaf), path }, checkpoint.root)) {
    throw new RangeError(`the proof does not show the entry at ${n} of ${checkpoint.origin}`);
  }
  return checkpoint;
}
