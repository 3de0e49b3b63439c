/**
 * The keys that sign a deployment's logs, one after the other, and how a stranger who knows one of them comes to know
 * the others.
 *
 *     introduction = a signed note (note.ts) under the deployment's name, of this text:
 *       strongroom/signing-key/1
 *       <name of the deployment>
 *       <generation of the new key, decimal>
 *       <base64 of the public key before it, 32>
 *       <base64 of the new public key, 32>
 *
 * It is signed by both keys. Whoever trusts the older one follows its signature to the newer; whoever trusts the newer
 * one learns from it which key was the older. Where the older was lost, only the newer signs: that line is followed
 * backwards alone. A log says in a `ledger.rekey` entry from where on the older key signs nothing any more.
 */
import { encodeBase64, type Bytes } from '../bytes/encoding.ts';
import { isEqual } from '../bytes/equal.ts';
import type { SigningKey } from '../crypto/signature.ts';
import { cosign, openNote, signNote, verifierKey, type VerifierKey } from './note.ts';

/** A key as it is told to others, oldest first. */
export interface PublishedKey {
  /** From 1. */
  readonly generation: number;
  readonly publicKey: Bytes;
  /** Null for the first one. */
  readonly introduction: string | null;
}

interface Introduced {
  readonly deployment: string;
  readonly generation: number;
  readonly previous: Bytes;
  readonly publicKey: Bytes;
}

/** The note by which `next` follows the key `previous`; the private part of that is null where it was lost. */
export function introduce(
  of: Pick<Introduced, 'deployment' | 'generation' | 'previous'>,
  next: SigningKey,
  previous: SigningKey | null,
): string {
  const text = introductionText({ ...of, publicKey: next.publicKey });
  const note = signNote(text, of.deployment, next);
  return previous === null ? note : cosign(note, of.deployment, previous);
}

const introductionText = ({ deployment, generation, previous, publicKey }: Introduced): string =>
  `strongroom/signing-key/1\n${deployment}\n${generation}\n${encodeBase64(previous)}\n${encodeBase64(publicKey)}\n`;

/** Whether `signer` said that `next` follows the key before it. */
function isIntroducedBy(
  signer: Bytes,
  deployment: string,
  previous: PublishedKey,
  next: PublishedKey,
): boolean {
  if (next.introduction === null || next.generation !== previous.generation + 1) return false;
  const { generation, publicKey } = next;
  const expected = introductionText({ deployment, generation, previous: previous.publicKey, publicKey });
  try {
    return openNote(next.introduction, [verifierKey(deployment, signer)]) === expected;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/**
 * Those of the keys to which introductions lead from the one that is trusted, oldest first; that one alone where it is
 * not among them.
 */
export function followKeys(
  deployment: string,
  keys: readonly PublishedKey[],
  trusted: Bytes,
): readonly PublishedKey[] {
  const at = keys.findIndex(({ publicKey }) => isEqual(publicKey, trusted));
  const start = keys[at];
  if (start === undefined) return [{ generation: 0, publicKey: trusted, introduction: null }];
  const followed = [start];
  for (let next = at; next > 0; next--) {
    const [older, newer] = [keys[next - 1], keys[next]];
    if (!older || !newer || !isIntroducedBy(newer.publicKey, deployment, older, newer)) break;
    followed.unshift(older);
  }
  for (let next = at + 1; next < keys.length; next++) {
    const [older, newer] = [keys[next - 1], keys[next]];
    if (!older || !newer || !isIntroducedBy(older.publicKey, deployment, older, newer)) break;
    followed.push(newer);
  }
  return followed;
}

/** The same keys as those of one log, whose origin is their name. */
export const verifierKeysOf = (
  deployment: string,
  log: string,
  keys: readonly PublishedKey[],
): readonly VerifierKey[] => keys.map(({ publicKey }) => verifierKey(`${deployment}/${log}`, publicKey));
