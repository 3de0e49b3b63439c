/** What memories, lists of them and searches look like on the wire; held equal to the client's types by a test. */
import { z } from 'zod';
import { LIMITS } from '../limits.ts';
import {
  answeredVector,
  cursor,
  filter,
  include,
  label,
  limit,
  memoryId,
  metadata,
  queryFilter,
  queryLimit,
  schemaNotes,
  textUpTo,
  time,
  vector,
  weights,
} from './schema-parts.ts';

const text = textUpTo(LIMITS.textBytesMax);

export const messageInput = z.strictObject({
  role: label,
  content: text,
  name: label.optional(),
  at: time.optional(),
});

const EMBED_NOTE = 'False keeps the text from the embedder of the vault.';

const memoryFields = z.strictObject({
  text: text.optional(),
  messages: z.array(messageInput).min(1).max(LIMITS.batchMemoriesMax).optional(),
  vector: vector.optional(),
  metadata: metadata.optional(),
  subject: label.optional(),
  conversation: label.optional(),
  speaker: label.optional(),
  at: time.optional(),
  kind: label.optional(),
  expiresAt: time.nullable().optional(),
  derivedFrom: z.array(memoryId).max(LIMITS.derivedFromMax).optional(),
  // Nothing else is enforced yet, so nothing else is taken.
  visibility: z.literal('vault').optional(),
  embed: z.boolean().register(schemaNotes, { description: EMBED_NOTE }).optional(),
});

type MemoryFields = z.output<typeof memoryFields>;

export const memoryInput = memoryFields.superRefine(checkContent);

/** One memory, one conversation, or many: told apart by what is there. */
export const memoriesInput = memoryFields
  .extend({ memories: z.array(memoryInput).min(1).max(LIMITS.batchMemoriesMax).optional() })
  .superRefine((input, context) => {
    if (input.memories === undefined) {
      checkContent(input, context);
      return;
    }
    for (const name of Object.keys(input)) {
      if (name !== 'memories')
        context.addIssue({ code: 'custom', path: [name], message: 'does not go together with `memories`' });
    }
    const count = input.memories.reduce((sum, memory) => sum + (memory.messages?.length ?? 1), 0);
    if (count > LIMITS.batchMemoriesMax)
      context.addIssue({
        code: 'custom',
        path: ['memories'],
        message: `makes more than ${LIMITS.batchMemoriesMax} memories`,
      });
  });

export const memoryPatch = z
  .strictObject({
    text: text.nullable().optional(),
    vector: vector.nullable().optional(),
    metadata: metadata.nullable().optional(),
    subject: label.nullable().optional(),
    conversation: label.nullable().optional(),
    speaker: label.nullable().optional(),
    at: time.nullable().optional(),
    kind: label.nullable().optional(),
    expiresAt: time.nullable().optional(),
    visibility: z.literal('vault').optional(),
    embed: z.boolean().register(schemaNotes, { description: EMBED_NOTE }).optional(),
  })
  .refine((patch) => Object.keys(patch).some((name) => name !== 'embed'), {
    error: 'must change something',
  });

export const memory = z.object({
  id: z.string(),
  text: z.string().optional(),
  vector: answeredVector.optional(),
  metadata: z.custom<z.output<typeof metadata>>().register(schemaNotes, { type: 'object' }).optional(),
  subject: z.string().optional(),
  conversation: z.string().optional(),
  speaker: z.string().optional(),
  at: z.string().optional(),
  kind: z.string().optional(),
  expiresAt: z.string().optional(),
  derivedFrom: z.array(z.string()).optional(),
  visibility: z.string(),
  version: z.int(),
  createdAt: z.string(),
  updatedAt: z.string(),
  trashedAt: z.string().optional(),
  archivedAt: z.string().optional(),
  review: z.literal('pending').optional(),
});

export const memoriesAdded = z.object({
  memories: z.array(z.object({ id: z.string(), review: z.literal('pending').optional() })),
});
export const memoryPage = z.object({ memories: z.array(memory), next: z.string().nullable() });
export const memoryHistory = z.object({ versions: z.array(memory.extend({ author: z.string() })) });

const state = z.enum(['live', 'trashed', 'archived', 'review']);

export const memoryListInput = z.strictObject({
  limit: limit.optional(),
  cursor: cursor.optional(),
  filter: filter.optional(),
  include: include.optional(),
  state: state.optional(),
});

export const memoryListQuery = z.strictObject({
  limit: queryLimit.optional(),
  cursor: cursor.optional(),
  filter: queryFilter.optional(),
  include: include.optional(),
  state: state.optional(),
});

const QUERY_NOTE =
  'Words, or a question. "in quotes": an exact phrase; alone it must be held, beside other words it comes first. ' +
  'begin*: every word that begins so. Dates and names of speakers count too. ';

export const searchInput = z
  .strictObject({
    query: textUpTo(LIMITS.queryBytesMax, QUERY_NOTE).optional(),
    vector: vector.optional(),
    limit: z.int().min(1).max(LIMITS.searchMax).optional(),
    filter: filter.optional(),
    mode: z.enum(['text', 'vector', 'hybrid']).optional(),
    weights: weights.optional(),
    include: include.optional(),
  })
  .superRefine(({ query, vector, mode, weights }, context) => {
    if (query === undefined && vector === undefined)
      context.addIssue({ code: 'custom', message: 'needs `query`, `vector` or both' });
    if (query === undefined && (mode === 'text' || mode === 'hybrid'))
      context.addIssue({ code: 'custom', path: ['query'], message: `is needed in mode ${mode}` });
    // A query can stand in for the vector where the vault has an embedder; the schema does not know the vault.
    if (weights !== undefined && mode !== undefined && mode !== 'hybrid')
      context.addIssue({ code: 'custom', path: ['weights'], message: `say nothing in mode ${mode}` });
  });

export const searchResults = z.object({ results: z.array(memory.extend({ score: z.number() })) });

schemaNotes.add(memory, { id: 'Memory' });

function checkContent(input: MemoryFields, context: z.core.$RefinementCtx): void {
  const { text, messages, vector } = input;
  if (messages === undefined) {
    if (text === undefined && vector === undefined)
      context.addIssue({ code: 'custom', message: 'needs `text`, `vector` or `messages`' });
    return;
  }
  for (const name of ['text', 'vector', 'speaker', 'at'] as const) {
    if (input[name] !== undefined)
      context.addIssue({ code: 'custom', path: [name], message: 'does not go together with `messages`' });
  }
}
