/** What policies, explanations and simulations look like on the wire; held equal to the client's types by a test. */
import { z } from 'zod';
import { LIMITS } from '../limits.ts';
import { label, schemaNotes } from './schema-parts.ts';

const days = z.int().min(1).max(LIMITS.retentionDaysMax);

const classInput = z.strictObject({
  days: days.nullable().optional(),
  archiveAfterDays: days.nullable().optional(),
  minimumDays: days.nullable().optional(),
});
const kind = z.strictObject({ kind: label, days });

export const retentionPolicyInput = z.strictObject({
  memories: classInput.optional(),
  conversations: classInput.optional(),
  kinds: z.array(kind).max(LIMITS.retentionKindsMax).optional(),
  archive: z
    .strictObject({
      waitHours: z.int().min(0).max(LIMITS.archiveWaitHoursMax).optional(),
      copyHours: z.int().min(1).max(LIMITS.archiveCopyHoursMax).optional(),
    })
    .optional(),
});

const classView = z.object({
  days: z.int().nullable(),
  archiveAfterDays: z.int().nullable(),
  minimumDays: z.int().nullable(),
});

export const retentionPolicy = z.object({
  id: z.string().optional(),
  vault: z.string().optional(),
  memories: classView,
  conversations: classView,
  kinds: z.array(z.object({ kind: z.string(), days: z.int() })),
  archive: z.object({ waitHours: z.int(), copyHours: z.int() }),
  capDays: z.int().nullable(),
  logs: z.object({
    ledgerYears: z.int(),
    securityMonths: z.int(),
    applicationDays: z.int().nullable(),
  }),
  version: z.int(),
  updatedAt: z.string().optional(),
});

const rule = z.enum(['hold', 'minimum', 'erasure', 'item', 'vault', 'organization', 'cap', 'none']);

export const retentionExplanation = z.object({
  memory: z.string(),
  state: z.enum(['live', 'trashed', 'archived', 'review']),
  rule,
  endsAt: z.string().nullable(),
  hiddenAt: z.string().nullable(),
  archivesAt: z.string().nullable(),
  considered: z.array(z.object({ rule, applies: z.boolean(), at: z.string().nullable() })),
  holds: z.array(z.string()),
  trash: z.array(
    z.object({
      of: z.enum(['memory', 'vault']),
      at: z.string(),
      endsAt: z.string().nullable(),
      keptBy: z.array(z.string()),
    }),
  ),
});

export const entryRetention = z.object({
  entry: z.int(),
  class: z.enum(['ledger', 'security']),
  at: z.string(),
  keptUntil: z.string(),
  endsAt: z.string(),
  details: z.enum(['kept', 'none', 'erased']),
});

export const logRetentionQuery = z.strictObject({
  at: z
    .union([z.iso.datetime({ offset: true }), z.iso.date()], {
      error: 'is neither a date-time with its offset (RFC 3339) nor a day',
    })
    .optional(),
});

export const logRetention = z.object({
  class: z.literal('application'),
  days: z.int().nullable(),
  at: z.string(),
  file: z.string().nullable(),
  endsAt: z.string().nullable(),
});

const effect = z.object({
  vault: z.string(),
  class: z.enum(['memories', 'conversations']),
  count: z.int(),
  memories: z.array(z.string()),
});

export const retentionSimulation = z.object({
  removes: z.array(effect),
  keeps: z.array(effect),
  archives: z.array(effect),
  looked: z.int(),
});

schemaNotes.add(retentionPolicy, { id: 'RetentionPolicy' });
schemaNotes.add(retentionExplanation, { id: 'RetentionExplanation' });
