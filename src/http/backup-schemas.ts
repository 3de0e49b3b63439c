/** What backups and drills look like on the wire; held equal to the client's types by a test. */
import { z } from 'zod';
import { LIMITS } from '../limits.ts';
import { queryLimit, schemaNotes, time } from './schema-parts.ts';

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

const counts = z.object({
  unchanged: z.int(),
  returned: z.int(),
  changed: z.int(),
  missing: z.int(),
  newer: z.int(),
  kept: z.int(),
  gone: z.int(),
  over: z.int(),
  left: z.int(),
});

export const rewindInput = z.strictObject({
  at: time.optional(),
  confirm: z.string().max(LIMITS.cursorCharactersMax).optional(),
});

export const rewind = z.object({
  id: z.string().nullable(),
  vault: z.string(),
  state: z.enum(['planned', 'running', 'done', 'failed']),
  backup: z.string(),
  at: z.string(),
  plannedAt: z.string(),
  startedAt: z.string().nullable(),
  finishedAt: z.string().nullable(),
  undoAt: z.string().nullable(),
  counts,
  confirm: z.string().optional(),
  expiresAt: z.string().optional(),
});

export const rewindPage = z.object({ rewinds: z.array(rewind) });

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
schemaNotes.add(rewind, { id: 'Rewind' });
