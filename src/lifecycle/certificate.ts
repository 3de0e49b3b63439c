/**
 * What a certificate of an erasure says (docs/format.md): an in-toto Statement v1 whose predicate names keys by number, the
 * keystore they were in, and the ledger's entry of their destruction with its proof. Nothing in it is about a person:
 * ids of ours, numbers, times, and a hash that only who knows the nonce can match.
 */
import { canonicalBytes, type Json } from '../bytes/canonical-json.ts';
import type { Bytes } from '../bytes/encoding.ts';
import type { ErasureRow } from '../store/schema.ts';
import type { SlotRanges } from '../vaults/slot-ranges.ts';

export const STATEMENT = 'https://in-toto.io/Statement/v1';
export const PREDICATE_TYPE = 'urn:strongroom:erasure-certificate:1';

/** A replica of the keystore as it was when the keys were destroyed. */
export interface ReplicaFacts {
  readonly name: string;
  readonly provider: 'file';
  /** How it forgets: `overwritten`: the one cell that held the old root was overwritten in place and read back as zeros. */
  readonly strength: 'overwritten';
  /** As the operating system names it; `unknown` where it does not say. */
  readonly fileSystem: string;
  /** Whether that file system is known to keep what was overwritten. */
  readonly keepsOverwritten: boolean;
}

export interface DroppedFacts {
  readonly name: string;
  readonly how: 'wiped' | 'lost';
  readonly at: string;
}

export interface CertificateFacts {
  readonly deployment: string;
  readonly row: ErasureRow;
  readonly slots: { readonly ranges: SlotRanges; readonly count: number; readonly digest: string };
  readonly epoch: number;
  readonly replicas: readonly ReplicaFacts[];
  readonly dropped: readonly DroppedFacts[];
  readonly verifiedAt: number;
  readonly copiesUntil: number;
  readonly ledger: {
    readonly log: string;
    readonly verifierKey: string;
    readonly n: number;
    /** Base64. */
    readonly leaf: string;
    /** SHA-256 of the leaf, hexadecimal. */
    readonly leafDigest: string;
    readonly proof: string;
  };
}

/** What somebody might believe after reading it, and should not. */
export const NOT_PROVEN: readonly string[] = [
  'that nobody copied the keystore, or the memory of the process, before the erasure',
  'that the medium under a replica kept no earlier version of an overwritten block (flash cells, snapshots, copy-on-write)',
  'that copies made elsewhere of what was shown or exported before are gone',
  'how many records there were, or what they said',
  'that the ledger let go of sealed details about who was erased: it keeps them for seven years, and nothing opens them',
];

export const encodeStatement = (facts: CertificateFacts): Bytes =>
  canonicalBytes(statementOf(facts) as unknown as Json);

function statementOf(facts: CertificateFacts) {
  const { row, slots, ledger } = facts;
  return {
    _type: STATEMENT,
    subject: [{ name: row.id, digest: { sha256: ledger.leafDigest } }],
    predicateType: PREDICATE_TYPE,
    predicate: {
      deployment: facts.deployment,
      erasure: {
        id: row.id,
        organization: row.organization,
        kind: row.kind,
        target: row.target,
        vault: row.vault,
        cause: row.cause,
        requestedAt: isoTime(row.requested_at),
        hiddenAt: isoTime(row.hidden_at ?? row.requested_at),
        destroyedAt: isoTime(row.destroyed_at ?? row.requested_at),
      },
      requester: row.requester,
      keys: { epoch: facts.epoch, ...slots },
      keystore: { replicas: facts.replicas, dropped: facts.dropped },
      verification: {
        at: isoTime(facts.verifiedAt),
        // In the epoch itself, before it was called complete.
        reopenedCold: facts.replicas.map(({ name }) => name),
        rootsReadBackAsZeros: facts.replicas.map(({ name }) => name),
        answeredErased: slots.count,
      },
      finalAt: isoTime(row.destroyed_at ?? row.requested_at),
      lastCiphertextUntil: isoTime(facts.copiesUntil),
      notProven: NOT_PROVEN,
      ledger: {
        log: ledger.log,
        verifierKey: ledger.verifierKey,
        n: ledger.n,
        leaf: ledger.leaf,
        proof: ledger.proof,
      },
    },
  };
}

const isoTime = (ms: number): string => new Date(ms).toISOString();
