/** What kept exports look like on the wire; held equal to the client's types by a test. */
import { z } from 'zod';
import { LIMITS } from '../limits.ts';
import { filter, schemaNotes } from './schema-parts.ts';

export const exportInput = z.strictObject({
  filter: filter.optional(),
  expiresInDays: z.int().min(1).max(LIMITS.exportDaysMax).optional(),
});

export const keptExport = z.object({
  id: z.string(),
  vault: z.string(),
  state: z.enum(['making', 'ready', 'failed', 'expired', 'withdrawn', 'lost']),
  memories: z.int(),
  sizeBytes: z.int(),
  madeBy: z.string(),
  createdAt: z.string(),
  expiresAt: z.string(),
  endedAt: z.string().optional(),
});

export const exportPage = z.object({ exports: z.array(keptExport), next: z.string().nullable() });

schemaNotes.add(keptExport, { id: 'Export' });
