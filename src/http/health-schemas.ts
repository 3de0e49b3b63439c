/** What health and problem documents look like on the wire; held equal to the client's types by a test. */
import { z } from 'zod';
import { schemaNotes } from './schema-parts.ts';

const status = z.enum(['ok', 'degraded', 'failing']);

export const health = z.object({
  status,
  checks: z.array(
    z.object({
      name: z.string(),
      status,
      code: z.enum(['keystore.away']).optional(),
      detail: z.string().optional(),
    }),
  ),
});

/** RFC 9457. */
export const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string().optional(),
  instance: z.string().optional(),
  errors: z
    .array(
      z.object({ path: z.string(), message: z.string(), in: z.enum(['path', 'query', 'header']).optional() }),
    )
    .optional(),
});

schemaNotes.add(problem, { id: 'Problem' });
