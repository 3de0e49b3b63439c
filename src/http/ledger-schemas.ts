/** What the ledger looks like on the wire; held equal to the client's types by a test. */
import { z } from 'zod';
import { cursor, label, queryInteger, queryLimit, schemaNotes, time } from './schema-parts.ts';

export const ledgerQuery = z.strictObject({
  limit: queryLimit.optional(),
  cursor: cursor.optional(),
  principal: label.optional(),
  action: label.optional(),
  target: label.optional(),
  subject: label.optional(),
  after: time.optional(),
  before: time.optional(),
});

export const ledgerEntry = z.object({
  n: z.int(),
  at: z.string(),
  principal: z.string(),
  action: z.string(),
  target: z.string(),
  targets: z.array(z.string()).optional(),
  outcome: z.enum(['done', 'refused', 'failed']),
  code: z.string().optional(),
  count: z.int().optional(),
  request: z.string(),
  purpose: z.string().optional(),
  address: z.string().optional(),
  leaf: z.string(),
  leafHash: z.string(),
});

export const ledgerPage = z.object({ entries: z.array(ledgerEntry), next: z.string().nullable() });

export const ledgerCheckpoint = z.object({
  log: z.string(),
  size: z.int(),
  rootHash: z.string(),
  note: z.string(),
  verifierKey: z.string(),
});

export const ledgerKey = z.object({
  generation: z.int(),
  verifierKey: z.string(),
  since: z.string(),
  until: z.string().nullable(),
  introduction: z.string().nullable(),
});

export const ledgerKeys = z.object({ log: z.string(), keys: z.array(ledgerKey) });

export const proofQuery = z.strictObject({ size: queryInteger(1, Number.MAX_SAFE_INTEGER).optional() });

export const ledgerProof = z.object({
  n: z.int(),
  size: z.int(),
  leafHash: z.string(),
  rootHash: z.string(),
  path: z.array(z.string()),
  proof: z.string(),
});

export const consistencyQuery = z
  .strictObject({
    from: queryInteger(1, Number.MAX_SAFE_INTEGER),
    size: queryInteger(1, Number.MAX_SAFE_INTEGER).optional(),
  })
  .refine(({ from, size }) => size === undefined || from <= size, {
    path: ['from'],
    error: 'is more than size',
  });

export const ledgerConsistency = z.object({
  from: z.int(),
  size: z.int(),
  fromRootHash: z.string(),
  rootHash: z.string(),
  path: z.array(z.string()),
  proof: z.string(),
});

schemaNotes.add(ledgerEntry, { id: 'LedgerEntry' });
