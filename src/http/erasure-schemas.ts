/** What erasures and certificates look like on the wire; held equal to the client's types by a test. */
import { z } from 'zod';
import { isId } from '../ids.ts';
import { LIMITS } from '../limits.ts';
import { keptExport } from './export-schemas.ts';
import { ledgerKey } from './ledger-schemas.ts';
import { cursor, filter, label, memoryId, queryLimit, schemaNotes } from './schema-parts.ts';

const organizationId = z
  .string()
  .refine((text): boolean => isId('organization', text), { error: 'is not the id of an organization' })
  .register(schemaNotes, { pattern: '^org_[0-7][0-9a-hjkmnp-tv-z]{25}$' });

/** Which members go together. */
const FORMS: readonly (readonly string[])[] = [
  ['memory'],
  ['memory', 'vault'],
  ['subject'],
  ['vault'],
  ['conversation', 'vault'],
  ['filter', 'vault'],
  ['organization'],
];

export const erasureTarget = z
  .strictObject({
    memory: memoryId.optional(),
    subject: label.optional(),
    conversation: label.optional(),
    filter: filter.optional(),
    vault: label.optional(),
    organization: organizationId.optional(),
  })
  .refine(
    (target) => {
      const named = Object.keys(target).sort().join();
      return FORMS.some((form) => form.join() === named);
    },
    {
      error:
        'must be one of: memory, subject, vault, organization, or vault with memory, conversation or filter',
    },
  );

const NONCE_CHARACTERS_MAX = Math.ceil((LIMITS.nonceBytesMax * 8) / 6);
const NONCE_CHARACTERS_MIN = Math.ceil((LIMITS.nonceBytesMin * 8) / 6);

export const erasureInput = z
  .strictObject({
    target: erasureTarget,
    reason: z.string().min(1, 'must not be empty').max(LIMITS.reasonCharactersMax).optional(),
    dryRun: z.boolean().optional(),
    confirm: cursor.optional(),
    nonce: z
      .string()
      .regex(/^[A-Za-z0-9_-]*$/, 'is not base64url')
      .min(NONCE_CHARACTERS_MIN)
      .max(NONCE_CHARACTERS_MAX)
      .refine((text) => text.length % 4 !== 1 && isCanonical(text), { error: 'is not base64url' })
      .optional(),
    requester: label.optional(),
    graceDays: z.int().min(LIMITS.closingDaysMin).max(LIMITS.closingDaysMax).optional(),
  })
  .superRefine(({ dryRun, reason, confirm }, context) => {
    if (dryRun !== true && reason === undefined)
      context.addIssue({ code: 'custom', path: ['reason'], message: 'is needed' });
    if (dryRun === true && confirm !== undefined)
      context.addIssue({ code: 'custom', path: ['confirm'], message: 'does not go together with `dryRun`' });
  });

export const erasureState = z.enum(['requested', 'hidden', 'destroyed', 'purged', 'cancelled']);
const kind = z.enum(['memories', 'conversation', 'subject', 'vault', 'organization']);

export const erasure = z.object({
  id: z.string(),
  kind,
  state: erasureState,
  target: z.string(),
  vault: z.string().optional(),
  cause: z.enum(['request', 'delete', 'expiry', 'trash', 'rejection']),
  requestedBy: z.string(),
  requestedAt: z.string(),
  dueAt: z.string().optional(),
  hiddenAt: z.string().optional(),
  destroyedAt: z.string().optional(),
  purgedAt: z.string().optional(),
  count: z.int().optional(),
  removed: z.int(),
  keys: z.int(),
});

export const erasurePlan = z.object({
  dryRun: z.literal(true),
  kind,
  count: z.int(),
  unasked: z.int().optional(),
  keptBy: z.array(z.string()).optional(),
  confirm: z.string(),
  expiresAt: z.string(),
});

export const erasureListQuery = z.strictObject({
  limit: queryLimit.optional(),
  cursor: cursor.optional(),
  state: erasureState.optional(),
});

export const erasurePage = z.object({ erasures: z.array(erasure), next: z.string().nullable() });

export const erasureRecipients = z.object({
  recipients: z.array(
    z.object({
      how: z.enum(['export', 'archive', 'kept']),
      principal: z.string(),
      vault: z.string().optional(),
      lastAt: z.string(),
    }),
  ),
  exports: z.array(keptExport),
});

export const certificate = z.object({ certificate: z.string(), verifierKey: z.string() });
export const certificateKey = z.object({ verifierKey: z.string(), keys: z.array(ledgerKey) });

schemaNotes.add(erasure, { id: 'Erasure' });

/** One text for one list of bytes: the bits that are left over are zero. */
const isCanonical = (text: string): boolean => Buffer.from(text, 'base64url').toString('base64url') === text;
