/** What rotations look like on the wire; held equal to the client's types by a test. */
import { z } from 'zod';
import { schemaNotes } from './schema-parts.ts';

const rotationKey = z.enum(['root', 'keystore', 'ledger', 'api-keys', 'cursors', 'backups', 'certificates']);

export const rotationInput = z.strictObject({
  keys: z.array(rotationKey).max(rotationKey.options.length).optional(),
  retired: z.enum(['keep', 'destroy']).optional(),
});

const rotationKeyAge = z.object({
  key: rotationKey,
  since: z.string(),
  daysMax: z.int(),
  rotateBy: z.string(),
  retired: z.array(z.object({ since: z.string(), destroyBy: z.string().nullable() })),
});

export const rotationKeys = z.object({ keys: z.array(rotationKeyAge) });

export const rotation = z.object({
  id: z.string(),
  key: rotationKey,
  state: z.enum(['kept', 'ended']),
  startedAt: z.string(),
  destroyBy: z.string().nullable(),
  endedAt: z.string().nullable(),
});

export const rotationResult = z.object({ rotations: z.array(rotation) });

schemaNotes.add(rotation, { id: 'Rotation' });
schemaNotes.add(rotationKeyAge, { id: 'RotationKeyAge' });
