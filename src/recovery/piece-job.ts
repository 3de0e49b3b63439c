/** What is done to a piece as a whole, here or on another thread: encrypted and hashed, or held against its hash and opened. */
import { createHash } from 'node:crypto';
import type { Bytes } from '../bytes/encoding.ts';
import { giveBack } from '../bytes/give-back.ts';
import { decryptInPlace, encryptInPlace, roomBefore, type CobblestoneKey } from '../crypto/cobblestone.ts';
import { StrongroomError } from '../errors.ts';

export type PieceJob =
  | {
      readonly kind: 'seal';
      readonly to: CobblestoneKey;
      readonly salt: Bytes;
      /** Its memory becomes the piece's, where there is room before it. */
      readonly plaintext: Bytes;
    }
  | { readonly kind: 'open'; readonly from: CobblestoneKey; readonly sha256: string; readonly piece: Bytes };

export type PieceAnswer =
  /** The piece, or its plaintext. */
  | { readonly bytes: Bytes; readonly sha256: string }
  /** Why it does not open. */
  | { readonly fault: string };

export function runPieceJob(job: PieceJob): PieceAnswer {
  if (job.kind === 'seal') {
    const bytes = encryptInPlace(job.to, withRoom(job.plaintext), () => job.salt);
    return { bytes, sha256: digestOf(bytes) };
  }
  const sha256 = digestOf(job.piece);
  if (sha256 !== job.sha256) return { fault: 'it is not the piece that was written' };
  try {
    return { bytes: decryptInPlace(job.from, job.piece), sha256 };
  } catch (error) {
    if (!(error instanceof StrongroomError)) throw error;
    return { fault: error.message };
  }
}

/** A piece of one long record is longer than whoever laid it in made room for. */
function withRoom(plaintext: Bytes): Bytes {
  const room = roomBefore(plaintext.length);
  if (plaintext.byteOffset >= room) return plaintext;
  const moved = new Uint8Array(room + plaintext.length).subarray(room);
  moved.set(plaintext);
  giveBack(plaintext);
  return moved;
}

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
