/** What backups and drills look like on the wire; held equal to the client's types by a test. */
import { z } from 'zod';
import { queryLimit, schemaNotes } from './schema-parts.ts';

const kind = z.enum(['full', 'incremental', 'log']);

export const backupInput = z.strictObject({ kind: kind.optional() });

export const backup = z.object({
  id: z.string(),
  kind,
  takenAt: z.string(),
  finishedAt: z.string(),
  sizeBytes: z.int(),
  rows: z.int(),
  copies: z.int(),
  manifest: z.string(),
});

export const backupPage = z.object({ backups: z.array(backup), next: z.string().nullable() });

export const drill = z.object({
  id: z.string(),
  backup: z.string(),
  state: z.enum(['passed', 'failed']),
  startedAt: z.string(),
  recoverySeconds: z.number(),
  lossSeconds: z.number(),
  rows: z.int(),
  opened: z.int(),
  faultCount: z.int(),
  faults: z.array(z.string()),
});

export const drillPage = z.object({ drills: z.array(drill) });
export const drillQuery = z.strictObject({ limit: queryLimit.optional() });

export const backupStatus = z.object({
  backups: z.int(),
  oldestAt: z.string().nullable(),
  fullAt: z.string().nullable(),
  incrementalAt: z.string().nullable(),
  recoverableAt: z.string().nullable(),
  lossSeconds: z.number().nullable(),
  places: z.array(
    z.object({
      location: z.string().nullable(),
      allowed: z.boolean(),
      reachable: z.boolean(),
      newestAt: z.string().nullable(),
      missing: z.int(),
    }),
  ),
  drill: drill.nullable(),
});

schemaNotes.add(backup, { id: 'Backup' });
schemaNotes.add(drill, { id: 'Drill' });
