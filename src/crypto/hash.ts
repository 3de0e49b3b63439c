/** SHA-256 (FIPS 180-4) of one or several byte strings laid end to end. */
import { createHash, hash } from 'node:crypto';
import type { Bytes } from '../bytes/encoding.ts';

export const HASH_BYTES = 32;

export function sha256(...parts: readonly Uint8Array[]): Bytes {
  // The one-shot form spares an object per hash; the ledger computes two for each entry.
  if (parts.length === 1) return new Uint8Array(hash('sha256', parts[0]!, 'buffer'));
  const running = createHash('sha256');
  for (const part of parts) running.update(part);
  return new Uint8Array(running.digest());
}
