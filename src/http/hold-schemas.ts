/** What legal holds look like on the wire; held equal to the client's types by a test. */
import { z } from 'zod';
import { LIMITS } from '../limits.ts';
import { label, memoryId, schemaNotes } from './schema-parts.ts';

const target = z
  .strictObject({
    subject: label.optional(),
    vault: label.optional(),
    conversation: label.optional(),
    memories: z.array(memoryId).min(1).max(LIMITS.holdMemoriesMax).optional(),
    organization: z.literal(true).optional(),
  })
  .superRefine((one, context) => {
    const { subject, vault, conversation, memories, organization } = one;
    const wholes = [subject, vault, organization].filter((part) => part !== undefined).length;
    const parts = [conversation, memories].filter((part) => part !== undefined).length;
    if (wholes !== 1)
      context.addIssue({ code: 'custom', message: 'names one of `subject`, `vault` and `organization`' });
    else if (parts > 1 || (parts === 1 && vault === undefined))
      context.addIssue({
        code: 'custom',
        message: '`conversation` or `memories` goes together with `vault`, and one of them at a time',
      });
  });

export const holdInput = z.strictObject({ name: label, reason: label.optional(), target });

export const hold = z.object({
  id: z.string(),
  name: z.string().optional(),
  reason: z.string().optional(),
  kind: z.enum(['memories', 'conversation', 'subject', 'vault', 'organization']),
  target: z.object({
    subject: z.string().optional(),
    vault: z.string().optional(),
    conversation: z.string().optional(),
    memories: z.array(z.string()).optional(),
  }),
  state: z.enum(['active', 'released']),
  placedBy: z.string(),
  createdAt: z.string(),
  releasedAt: z.string().optional(),
});

export const holdPage = z.object({ holds: z.array(hold), next: z.string().nullable() });

schemaNotes.add(hold, { id: 'Hold' });
