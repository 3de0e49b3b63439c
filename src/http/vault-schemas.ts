/** What vaults look like on the wire; held equal to the client's types by a test. */
import { z } from 'zod';
import { LIMITS } from '../limits.ts';
import { LANGUAGES } from '../search/languages.ts';
import { cursor, label, queryLimit, schemaNotes, vaultName, weights } from './schema-parts.ts';

export const environment = z.enum(['production', 'staging', 'development']);
const metric = z.enum(['cosine', 'dot', 'euclidean']);
const days = z.int().min(1).max(LIMITS.trashDaysMax);
const tombstones = z.enum(['off', 'refuse', 'review']);
const deletionMode = z.enum(['trash', 'immediate']);
const language = z.enum(LANGUAGES).register(schemaNotes, {
  description:
    'What counts as the same word: in the language of each text (auto), in one, or as words stand (none).',
});
const embedder = label.nullable().register(schemaNotes, {
  description: 'The embedding model of the server that makes the vectors nobody brings; null: none is asked.',
});
const deletionInput = z.strictObject({ mode: deletionMode.optional(), days: days.optional() });

export const vaultInput = z.strictObject({
  name: vaultName,
  dimensions: z.int().min(LIMITS.dimensionsMin).max(LIMITS.dimensionsMax).optional(),
  metric: metric.optional(),
  deletion: deletionInput.optional(),
  history: z.boolean().optional(),
  tombstones: tombstones.optional(),
  environment: environment.optional(),
  language: language.optional(),
  weights: weights.optional(),
  embedder: embedder.optional(),
});

export const vaultPatch = z
  .strictObject({
    name: vaultName.optional(),
    deletion: deletionInput.optional(),
    history: z.boolean().optional(),
    tombstones: tombstones.optional(),
    language: language.optional(),
    weights: weights.optional(),
    embedder: embedder.optional(),
  })
  .refine((patch) => Object.keys(patch).length > 0, { error: 'must change something' });

export const vault = z.object({
  id: z.string(),
  name: z.string(),
  project: z.string(),
  dimensions: z.int().nullable(),
  metric,
  deletion: z.object({ mode: deletionMode, days: z.int() }),
  history: z.boolean(),
  tombstones,
  environment,
  language,
  weights,
  embedder: z.string().nullable(),
  version: z.int(),
  createdAt: z.string(),
  updatedAt: z.string(),
  trashedAt: z.string().optional(),
  endsAt: z.string().optional(),
});

export const vaultPage = z.object({ vaults: z.array(vault), next: z.string().nullable() });

export const vaultListQuery = z.strictObject({
  limit: queryLimit.optional(),
  cursor: cursor.optional(),
  state: z.enum(['live', 'trashed']).optional(),
});

export const pageQuery = z.strictObject({ limit: queryLimit.optional(), cursor: cursor.optional() });

schemaNotes.add(vault, { id: 'Vault' });
