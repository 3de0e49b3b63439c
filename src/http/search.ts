/** `/v1/vaults/{vault}/search`. */
import { z } from 'zod';
import { LIMITS } from '../limits.ts';
import { WrittenResults } from '../vaults/written-results.ts';
import { searchInput, searchResults } from './memory-schemas.ts';
import type { Memories } from './parts.ts';
import { defineRoute, type Route } from './route.ts';
import { nothing } from './schema-parts.ts';

export const searchRoutes = (memories: Memories): readonly Route[] => [
  defineRoute({
    name: 'searchMemories',
    method: 'POST',
    url: '/v1/vaults/:vault/search',
    action: 'memory.search',
    summary: 'Find memories by text, by vector or by both',
    params: z.strictObject({ vault: z.string() }),
    query: nothing,
    body: searchInput,
    answer: searchResults,
    status: 200,
    written: (found) => (found instanceof WrittenResults ? found.text : null),
    run: (context, { params, body }) =>
      memories.searchMemories(context, params.vault, { ...body, limit: body.limit ?? LIMITS.searchDefault }),
  }),
];
