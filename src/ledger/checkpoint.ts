/**
 * Checkpoints (c2sp.org/tlog-checkpoint v1): the signed statement "this log had this root at this size".
 *
 *     text = origin ‖ newline ‖ size in decimal ‖ newline ‖ base64(root hash 32) ‖ newline
 *
 * The origin names one log and is also the name of the key that signs it. A log never signs two checkpoints of which
 * one is not the beginning of the other. Extension lines of other logs are read and passed over; ours has none.
 */
import { decodeBase64, encodeBase64, type Bytes } from '../bytes/encoding.ts';
import { HASH_BYTES } from '../crypto/hash.ts';
import type { SigningKey } from '../crypto/signature.ts';
import { openNote, signNote, type VerifierKey } from './note.ts';

export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Bytes;
}

export const encodeCheckpoint = ({ origin, size, root }: Checkpoint): string =>
  `${origin}\n${size}\n${encodeBase64(root)}\n`;

/** Throws a RangeError on any other text than that of a checkpoint. */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin, size, root, ...extensions] = text.split('\n');
  if (!origin || size === undefined || root === undefined || extensions.pop() !== '') {
    throw new RangeError('not the text of a checkpoint');
  }
  if (extensions.includes('')) throw new RangeError('an extension line is empty');
  return { origin, size: parseDecimal(size), root: parseHash(root) };
}

export const signCheckpoint = (checkpoint: Checkpoint, signer: SigningKey): string =>
  signNote(encodeCheckpoint(checkpoint), checkpoint.origin, signer);

/** The checkpoint in a note signed by that log's key; a RangeError if it is not, or speaks for another log. */
export function openCheckpoint(note: string, key: VerifierKey): Checkpoint {
  const text = openNote(note, [key]);
  if (text === null) throw new RangeError(`not signed by ${key.name}`);
  const checkpoint = parseCheckpoint(text);
  if (checkpoint.origin !== key.name)
    throw new RangeError(`a checkpoint of ${checkpoint.origin}, not of ${key.name}`);
  return checkpoint;
}

/** The same under the newest of several keys that signed it, oldest first, with that key's place among them. */
export function openCheckpointBy(
  note: string,
  keys: readonly VerifierKey[],
): { readonly checkpoint: Checkpoint; readonly signer: number } {
  for (let signer = keys.length - 1; signer >= 0; signer--) {
    const key = keys[signer];
    if (key !== undefined && openNote(note, [key]) !== null)
      return { checkpoint: openCheckpoint(note, key), signer };
  }
  throw new RangeError(`not signed by a key of ${keys[0]?.name ?? 'the log'} that is known`);
}

/** A decimal number without leading zeros. */
export function parseDecimal(text: string): number {
  const value = Number(text);
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(text) || !Number.isSafeInteger(value))
    throw new RangeError('not a number');
  return value;
}

export function parseHash(base64: string): Bytes {
  const hash = decodeBase64(base64);
  if (hash.length !== HASH_BYTES) throw new RangeError('not a hash');
  return hash;
}
