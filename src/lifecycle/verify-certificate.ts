/**
 * Checks a certificate offline (docs/format.md says what each member means). Nothing is believed before the signature
 * holds; after it, what the certificate says must agree with itself and with the ledger's entry that it shows.
 * `scripts/verify-certificate.mjs` does the same without any of this code.
 */
import { z } from 'zod';
import { canonicalJson, type Json } from '../bytes/canonical-json.ts';
import {
  concat,
  decodeBase64,
  decodeBase64Url,
  decodeUtf8,
  encodeHex,
  encodeUtf8,
  type Bytes,
} from '../bytes/encoding.ts';
import { sha256 } from '../crypto/hash.ts';
import { parseLeaf } from '../ledger/entry.ts';
import { parseVkey } from '../ledger/note.ts';
import { verifyProof } from '../ledger/proof.ts';
import { PREDICATE_TYPE, STATEMENT } from './certificate.ts';
import { openEnvelope, STATEMENT_TYPE } from './envelope.ts';
import { digestOfRanges } from './slot-digest.ts';

const time = z.iso.datetime();
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().nonnegative();
const names = z.array(z.string());

const statement = z.strictObject({
  _type: z.literal(STATEMENT),
  subject: z.tuple([z.strictObject({ name: z.string(), digest: z.strictObject({ sha256: hash }) })]),
  predicateType: z.literal(PREDICATE_TYPE),
  predicate: z.strictObject({
    deployment: z.string(),
    erasure: z.strictObject({
      id: z.string(),
      organization: z.string(),
      kind: z.string(),
      target: z.string(),
      vault: z.string().nullable(),
      cause: z.string(),
      requestedAt: time,
      hiddenAt: time,
      destroyedAt: time,
    }),
    requester: hash.nullable(),
    keys: z.strictObject({
      epoch: count,
      ranges: z.array(z.tuple([count, count])),
      count,
      digest: hash,
    }),
    keystore: z.strictObject({
      replicas: z
        .array(
          z.strictObject({
            name: z.string(),
            provider: z.string(),
            strength: z.string(),
            fileSystem: z.string(),
            keepsOverwritten: z.boolean(),
          }),
        )
        .min(1),
      dropped: z.array(z.strictObject({ name: z.string(), how: z.enum(['wiped', 'lost']), at: time })),
    }),
    verification: z.strictObject({
      at: time,
      reopenedCold: names,
      rootsReadBackAsZeros: names,
      answeredErased: count,
    }),
    finalAt: time,
    lastCiphertextUntil: time,
    notProven: names,
    ledger: z.strictObject({
      log: z.string(),
      verifierKey: z.string(),
      n: count,
      leaf: z.string(),
      proof: z.string(),
    }),
  }),
});

export type Statement = z.output<typeof statement>;

export interface CertificateReport {
  /** What it says; null where nothing of it can be believed. */
  readonly statement: Statement | null;
  /** What is wrong, one each; empty where it holds. */
  readonly faults: readonly string[];
  /** Whether it is the one of the given nonce and requester; null where none was given. */
  readonly isRequesters: boolean | null;
}

export interface Expected {
  /** The verifier key of the deployment's certificates, as text. */
  readonly key: string;
  /** Base64url, as it was sent with the request. */
  readonly nonce?: string | undefined;
  readonly requester?: string | undefined;
}

/** Throws a RangeError where the expected key is none. */
export function verifyCertificate(text: string, expected: Expected): CertificateReport {
  const { publicKey } = parseVkey(expected.key);
  let known: Statement;
  try {
    known = openStatement(text, publicKey);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { statement: null, faults: [error.message], isRequesters: null };
  }
  const faults = CHECKS.flatMap((check) => {
    try {
      return check(known);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return [error.message];
    }
  });
  return { statement: known, faults, isRequesters: matchRequester(known, expected) };
}

/** The statement in an envelope signed by that key; a RangeError says what is wrong with it. */
export function openStatement(text: string, publicKey: Bytes): Statement {
  const payload = decodeUtf8(openEnvelope(text, STATEMENT_TYPE, publicKey));
  const value: unknown = JSON.parse(payload);
  const parsed = statement.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new RangeError(`the statement: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
  }
  if (canonicalJson(value as Json) !== payload) throw new RangeError('the statement is not in its one form');
  return parsed.data;
}

const CHECKS: readonly ((statement: Statement) => string[])[] = [
  ({ subject: [subject], predicate: { erasure, ledger } }) => [
    ...(subject.name === erasure.id ? [] : ['the subject is another erasure']),
    ...(subject.digest.sha256 === encodeHex(sha256(decodeBase64(ledger.leaf)))
      ? []
      : ['the subject’s digest is not that of the ledger’s entry']),
  ],
  ({ predicate: { keys, verification } }) => {
    const slots: number[] = [];
    for (const [at, [first, last]] of keys.ranges.entries()) {
      const before = keys.ranges[at - 1]?.[1] ?? -2;
      if (first > last || first <= before + 1)
        throw new RangeError('the ranges of keys are not in their one form');
      for (let slot = first; slot <= last; slot++) slots.push(slot);
    }
    return [
      ...(slots.length === keys.count ? [] : ['the ranges hold another number of keys']),
      ...(digestOfRanges(slots) === keys.digest ? [] : ['the digest of the ranges is another']),
      ...(verification.answeredErased === keys.count ? [] : ['not every key answered `erased`']),
    ];
  },
  ({ predicate: { erasure, keys, ledger } }) => {
    const entry = parseLeaf(decodeBase64(ledger.leaf));
    const { facts = {} } = entry;
    const isIt =
      entry.action === 'erasure.complete' &&
      entry.outcome === 'done' &&
      entry.target === erasure.id &&
      entry.log === ledger.log &&
      ledger.log === erasure.organization &&
      entry.n === ledger.n;
    return [
      ...(isIt ? [] : ['the ledger’s entry is about something else']),
      ...(facts['digest'] === keys.digest && facts['slots'] === keys.count
        ? []
        : ['the ledger’s entry names other keys']),
      ...(facts['kind'] === erasure.kind && facts['epoch'] === keys.epoch
        ? []
        : ['the ledger’s entry names another kind or epoch']),
    ];
  },
  ({ predicate: { deployment, ledger } }) => {
    const key = parseVkey(ledger.verifierKey);
    const checkpoint = verifyProof(ledger.proof, decodeBase64(ledger.leaf), key);
    return checkpoint.origin === `${deployment}/${ledger.log}` ? [] : ['the proof is of another log'];
  },
  ({ predicate: { erasure, keystore, verification, ...rest } }) => {
    const { requestedAt, hiddenAt, destroyedAt } = erasure;
    const all = [requestedAt, hiddenAt, destroyedAt, rest.finalAt, rest.lastCiphertextUntil];
    const inOrder = all.every((at, index) => index === 0 || (all[index - 1] ?? '') <= at);
    const replicas = keystore.replicas.map(({ name }) => name).join('\n');
    const seen = [verification.reopenedCold, verification.rootsReadBackAsZeros];
    return [
      ...(inOrder && destroyedAt <= verification.at ? [] : ['the times are not in order']),
      ...(seen.every((list) => list.join('\n') === replicas) ? [] : ['not every replica was verified']),
    ];
  },
];

function matchRequester({ predicate }: Statement, { nonce, requester }: Expected): boolean | null {
  if (nonce === undefined || requester === undefined) return null;
  return predicate.requester === encodeHex(sha256(concat(decodeBase64Url(nonce), encodeUtf8(requester))));
}
