/** What is done to a piece as a whole, here or on another thread: encrypted and hashed, or held against its hash and opened. */
import { createHash } from 'node:crypto';
import type { Bytes } from '../bytes/encoding.ts';
import { giveBack } from '../bytes/give-back.ts';
import { decryptWhole, encryptWhole, type CobblestoneKey } from '../crypto/cobblestone.ts';
import { StrongroomError } from '../errors.ts';

export type PieceJob =
  | {
      readonly kind: 'seal';
      readonly to: CobblestoneKey;
      readonly salt: Bytes;
      readonly plaintext: Uint8Array;
    }
  | { readonly kind: 'open'; readonly from: CobblestoneKey; readonly sha256: string; readonly piece: Bytes };

export type PieceAnswer =
  /** The piece, or its plaintext. */
  | { readonly bytes: Bytes; readonly sha256: string }
  /** Why it does not open. */
  | { readonly fault: string };

export function runPieceJob(job: PieceJob): PieceAnswer {
  if (job.kind === 'seal') {
    const bytes = encryptWhole(job.to, job.plaintext, () => job.salt);
    giveBack(job.plaintext);
    return { bytes, sha256: digestOf(bytes) };
  }
  const sha256 = digestOf(job.piece);
  if (sha256 !== job.sha256) return { fault: 'it is not the piece that was written' };
  try {
    const bytes = decryptWhole(job.from, job.piece);
    giveBack(job.piece);
    return { bytes, sha256 };
  } catch (error) {
    if (!(error instanceof StrongroomError)) throw error;
    return { fault: error.message };
  }
}

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
