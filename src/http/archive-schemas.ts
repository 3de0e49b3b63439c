/** What archive requests look like on the wire; held equal to the client's types by a test. */
import { z } from 'zod';
import { LIMITS } from '../limits.ts';
import { label, memoryId, schemaNotes } from './schema-parts.ts';

export const archiveRequestInput = z.strictObject({
  vault: label,
  memories: z.array(memoryId).min(1).max(LIMITS.archiveMemoriesMax),
  reason: label,
});

export const archiveRequest = z.object({
  id: z.string(),
  vault: z.string(),
  memories: z.array(z.string()),
  reason: z.string(),
  state: z.enum(['requested', 'approved', 'ready', 'refused', 'expired']),
  requestedBy: z.string(),
  requestedAt: z.string(),
  decidedBy: z.string().optional(),
  decidedAt: z.string().optional(),
  readyAt: z.string().optional(),
  expiresAt: z.string().optional(),
});

export const archiveRequestPage = z.object({
  requests: z.array(archiveRequest),
  next: z.string().nullable(),
});

schemaNotes.add(archiveRequest, { id: 'ArchiveRequest' });
