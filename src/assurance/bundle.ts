/**
 * A verification as a bundle that stands alone: anyone can tell, offline, that it is the one whose digest was recorded.
 *
 *     head      the bundle without `results`, `sabotages` and `evidence`
 *     digests   "head", each claim's id, and "sabotages" if there are any → SHA-256 (hex) of that part's canonical JSON
 *     digest    SHA-256 (hex) of the canonical JSON of `digests`: the fact `digest` of the ledger entry
 *     evidence  digests, digest, and the entry: its number, leaf, proof (c2sp.org/tlog-proof) and the log's verifier key
 *
 * Each part has a digest of its own, so that an altered one can be named. The key in a bundle is the bundle's own word:
 * compare it with the one you know the log by.
 */
import type { Verification, VerificationEvidence } from '@strongroom/client';
import { canonicalBytes, type Json } from '../bytes/canonical-json.ts';
import { decodeBase64, encodeHex } from '../bytes/encoding.ts';
import { sha256 } from '../crypto/hash.ts';
import { StrongroomError } from '../errors.ts';
import { parseLeaf } from '../ledger/entry.ts';
import { parseVkey } from '../ledger/note.ts';
import { verifyProof } from '../ledger/proof.ts';

export type Unproven = Omit<Verification, 'evidence'>;
export type Digests = Readonly<Record<string, string>>;

export interface BundleReport {
  readonly id: string;
  readonly verifierKey: string;
  /** Empty: every part is what was recorded. */
  readonly faults: readonly string[];
}

export function digestsOf(verification: Unproven): Digests {
  const { results, sabotages, ...rest } = verification;
  const { evidence: _evidence, ...head } = rest as typeof rest & { evidence?: unknown };
  return {
    head: digestOf(head),
    ...Object.fromEntries(results.map((result) => [result.id, digestOf(result)])),
    ...(sabotages === undefined ? {} : { sabotages: digestOf(sabotages) }),
  };
}

/** SHA-256 in hex of a value's canonical JSON. */
export const digestOf = (value: unknown): string =>
  // Once through JSON: what is absent and what is undefined are the same there.
  encodeHex(sha256(canonicalBytes(JSON.parse(JSON.stringify(value)) as Json)));

/** Names every part of the bundle that is not what was recorded; throws `request.invalid` for what is no bundle. */
export function verifyBundle(value: unknown): BundleReport {
  const bundle = parseBundle(value);
  const { evidence } = bundle;
  return {
    id: bundle.id,
    verifierKey: evidence.verifierKey,
    faults: [...partFaults(bundle, evidence), ...entryFaults(bundle.id, evidence)],
  };
}

function partFaults(bundle: Verification, { digests, digest }: VerificationEvidence): string[] {
  const own = digestsOf(bundle);
  const altered = Object.entries(own).flatMap(([part, hash]) =>
    digests[part] === hash ? [] : [`${part} is not what was recorded`],
  );
  const gone = Object.keys(digests).flatMap((part) => (part in own ? [] : [`${part} is missing`]));
  const list = digestOf(digests) === digest ? [] : ['the list of digests is not the one that was recorded'];
  return [...altered, ...gone, ...list];
}

function entryFaults(id: string, { leaf, proof, verifierKey, digest, n }: VerificationEvidence): string[] {
  try {
    const bytes = decodeBase64(leaf);
    verifyProof(proof, bytes, parseVkey(verifierKey));
    const entry = parseLeaf(bytes);
    const isOwn = entry.action === 'verification.run' && entry.target === id && entry.n === n;
    if (!isOwn) return ['the ledger entry is of something else'];
    return entry.facts?.['digest'] === digest ? [] : ['the ledger entry records another digest'];
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof StrongroomError)) throw error;
    return [`the proof does not hold: ${error.message}`];
  }
}

function parseBundle(value: unknown): Verification {
  const bundle = value as Partial<Verification> | null;
  const { evidence } = bundle ?? {};
  const texts = [bundle?.id, evidence?.leaf, evidence?.proof, evidence?.verifierKey, evidence?.digest];
  const isWhole =
    Array.isArray(bundle?.results) &&
    typeof evidence?.digests === 'object' &&
    texts.every((text) => typeof text === 'string');
  if (!isWhole) throw new StrongroomError('request.invalid', 'this is not the bundle of a verification');
  return bundle as Verification;
}
