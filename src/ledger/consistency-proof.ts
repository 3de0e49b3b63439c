/**
 * A proof that a log only grew: that the tree of a checkpoint somebody kept is the beginning of that of a newer one. The
 * form is that in which logs submit checkpoints to witnesses (c2sp.org/tlog-witness, "add-checkpoint"), so it can be
 * handed to one as it is.
 *
 *     old <size>                      of the tree that is known
 *     <base64 hash>                   one per line (RFC 6962, 2.1.2)
 *                                     an empty line
 *     <signed checkpoint>             of the newer tree
 *
 * The older root is not in it: who verifies takes it from the checkpoint they kept, or the proof shows nothing.
 */
import { encodeBase64, type Bytes } from '../bytes/encoding.ts';
import { openCheckpoint, parseDecimal, parseHash, type Checkpoint } from './checkpoint.ts';
import { verifyConsistency, type TreeHead } from './merkle.ts';
import type { VerifierKey } from './note.ts';

const PATH_MAX = 63;

export interface ConsistencyProof {
  readonly from: number;
  readonly path: readonly Bytes[];
  /** The note, as it was signed. */
  readonly checkpoint: string;
}

export const encodeConsistencyProof = ({ from, path, checkpoint }: ConsistencyProof): string =>
  `${[`old ${from}`, ...path.map(encodeBase64)].join('\n')}\n\n${checkpoint}`;

/** Throws a RangeError on what is no proof. Nothing in it is verified yet. */
export function parseConsistencyProof(text: string): ConsistencyProof {
  const end = text.indexOf('\n\n');
  const [old = '', ...lines] = text.slice(0, Math.max(end, 0)).split('\n');
  if (!old.startsWith('old ') || lines.length > PATH_MAX) throw new RangeError('not a proof of consistency');
  return {
    from: parseDecimal(old.slice('old '.length)),
    path: lines.map(parseHash),
    checkpoint: text.slice(end + 2),
  };
}

/** The newer checkpoint, if it is signed under that key and its tree begins with the known one; a RangeError otherwise. */
export function verifyConsistencyProof(text: string, known: TreeHead, key: VerifierKey): Checkpoint {
  const { from, path, checkpoint: note } = parseConsistencyProof(text);
  if (from !== known.size) throw new RangeError(`the proof begins at ${from}, not at ${known.size}`);
  const checkpoint = openCheckpoint(note, key);
  if (!verifyConsistency(known, checkpoint, path))
    throw new RangeError(
      `${checkpoint.origin} at ${checkpoint.size} does not begin with what it was at ${from}`,
    );
  return checkpoint;
}
