/** What a verification looks like on the wire; held equal to the client's types by a test. */
import { z } from 'zod';
import { schemaNotes } from './schema-parts.ts';

const CLAIMS_MAX = 200;
const claimId = z.string().regex(/^[A-Z]{3}-[0-9]{2}$/, 'is not the id of a claim: CRY-01 is one');
const family = z.string().regex(/^[A-Z]{3}$/, 'is not a family of claims: CRY is one');
const words = z.array(z.string());
const measured = z.record(z.string(), z.union([z.number(), z.string()]));

export const verificationInput = z.strictObject({
  claims: z.array(claimId).max(CLAIMS_MAX).optional(),
  families: z.array(family).min(1, 'must not be empty').max(CLAIMS_MAX).optional(),
  sabotage: claimId.optional(),
});

export const claimResult = z.object({
  id: z.string(),
  family: z.string(),
  sentence: z.string(),
  verdict: z.enum(['pass', 'fail', 'error', 'stale', 'partial', 'not_claimed']),
  held: z.boolean(),
  method: z.string(),
  supports: z.object({ soc2: words, iso27001: words, gdpr: words, hipaa: words, ccpa: words }),
  parameters: z.record(z.string(), z.number()),
  faults: words,
  reason: z.string().optional(),
  missing: z.string().optional(),
  notProven: z.string().optional(),
  mend: z.string().optional(),
  freshHours: z.number().optional(),
  checkedAt: z.string().optional(),
  ageSeconds: z.number().optional(),
  place: z.enum(['live', 'scratch', 'both']).optional(),
  covered: z.number().optional(),
  measured: measured.optional(),
});

const sabotageOutcome = z.object({
  check: z.string(),
  name: z.string(),
  breaks: z.string(),
  expected: words,
  turned: words,
  caught: z.boolean(),
  faults: words,
});

export const verification = z.object({
  id: z.string(),
  deployment: z.string(),
  build: z.string(),
  startedAt: z.string(),
  finishedAt: z.string(),
  ran: words,
  results: z.array(claimResult),
  sabotages: z.array(sabotageOutcome).optional(),
  evidence: z.object({
    digests: z.record(z.string(), z.string()),
    digest: z.string(),
    n: z.int(),
    leaf: z.string(),
    proof: z.string(),
    verifierKey: z.string(),
  }),
});

schemaNotes.add(claimResult, { id: 'ClaimResult' });
