/** `/v1/vaults/{vault}/memories`. */
import type { MemoriesInput, Memory } from '@strongroom/client';
import { z } from 'zod';
import { StrongroomError } from '../errors.ts';
import { isId } from '../ids.ts';
import { LIMITS } from '../limits.ts';
import {
  memoriesAdded,
  memoriesInput,
  memory,
  memoryHistory,
  memoryListInput,
  memoryListQuery,
  memoryPage,
  memoryPatch,
} from './memory-schemas.ts';
import type { Memories, MemoryPlace, RequestContext } from './parts.ts';
import { defineRoute, defineStream, type AnswerHeaders, type Route } from './route.ts';
import { include, noBody, nothing } from './schema-parts.ts';

const url = '/v1/vaults/:vault/memories';
const inVault = z.strictObject({ vault: z.string() });
const oneMemory = z.strictObject({ vault: z.string(), memory: z.string() });
const includeQuery = z.strictObject({ include: include.optional() });
const deleteQuery = z.strictObject({ mode: z.enum(['trash', 'erase']).optional() });
const added = z.union([memoriesAdded, memory]);

export const memoryRoutes = (memories: Memories): readonly Route[] => [
  ...collectionRoutes(memories),
  ...singleRoutes(memories),
];

const collectionRoutes = (memories: Memories): readonly Route[] => [
  defineRoute({
    name: 'addMemories',
    method: 'POST',
    url,
    action: 'memory.add',
    summary: 'Add one memory, a conversation, or up to 1,000 memories in one durable commit',
    params: inVault,
    query: nothing,
    body: memoriesInput,
    answer: added,
    status: 201,
    headersOf: (answer) => ('memories' in answer ? {} : { version: answer.version }),
    run: (context, { params, body }) => add(memories, context, params.vault, body),
  }),
  defineRoute({
    name: 'listMemories',
    method: 'GET',
    url,
    action: 'memory.list',
    summary: 'List memories, newest first',
    params: inVault,
    query: memoryListQuery,
    body: noBody,
    answer: memoryPage,
    status: 200,
    run: (context, { params, query }) =>
      memories.listMemories(context, params.vault, { ...query, limit: query.limit ?? LIMITS.listDefault }),
  }),
  defineRoute({
    name: 'listMemoriesByBody',
    method: 'POST',
    url: `${url}/list`,
    action: 'memory.list',
    summary: 'List memories by a filter that should not stand in a URL',
    params: inVault,
    query: nothing,
    body: memoryListInput,
    answer: memoryPage,
    status: 200,
    run: (context, { params, body }) =>
      memories.listMemories(context, params.vault, { ...body, limit: body.limit ?? LIMITS.listDefault }),
  }),
  defineStream(
    {
      name: 'exportMemories',
      url: `${url}/export`,
      action: 'memory.export',
      summary: 'All memories of a vault as JSON Lines',
      params: inVault,
      query: includeQuery,
      answer: memory,
      lines: (context, { params, query }) => linesOf(memories.exportMemories(context, params.vault, query)),
    },
    noBody,
  ),
];

const singleRoutes = (memories: Memories): readonly Route[] => [
  defineRoute({
    name: 'getMemory',
    method: 'GET',
    url: `${url}/:memory`,
    action: 'memory.get',
    summary: 'Get a memory',
    params: oneMemory,
    query: includeQuery,
    body: noBody,
    answer: memory,
    status: 200,
    headersOf,
    run: (context, { params, query }) => memories.getMemory(context, placeOf(params), query),
  }),
  defineRoute({
    name: 'updateMemory',
    method: 'PATCH',
    url: `${url}/:memory`,
    action: 'memory.update',
    summary: 'Change a memory: a new version of it',
    params: oneMemory,
    query: nothing,
    body: memoryPatch,
    answer: memory,
    status: 200,
    conditional: true,
    headersOf,
    run: (context, { params, body, expected }) =>
      memories.updateMemory(context, placeOf(params), body, expected),
  }),
  defineRoute({
    name: 'deleteMemory',
    method: 'DELETE',
    url: `${url}/:memory`,
    action: 'memory.delete',
    summary: "Delete a memory, in the vault's own way unless `mode` says how",
    params: oneMemory,
    query: deleteQuery,
    body: noBody,
    answer: z.enum(['done', 'accepted']),
    status: 204,
    isAccepted: (answer) => answer === 'accepted',
    conditional: true,
    run: (context, { params, query, expected }) =>
      memories.deleteMemory(context, placeOf(params), query.mode ?? null, expected),
  }),
  defineRoute({
    name: 'restoreMemory',
    method: 'POST',
    url: `${url}/:memory/restore`,
    action: 'memory.restore',
    summary: 'Take a memory out of the trash',
    params: oneMemory,
    query: nothing,
    body: noBody,
    answer: memory,
    status: 200,
    headersOf,
    run: (context, { params }) => memories.restoreMemory(context, placeOf(params)),
  }),
  defineRoute({
    name: 'approveMemory',
    method: 'POST',
    url: `${url}/:memory/approve`,
    action: 'memory.approve',
    summary: 'Let a memory stay that was erased before and came back',
    params: oneMemory,
    query: nothing,
    body: noBody,
    answer: memory,
    status: 200,
    headersOf,
    run: (context, { params }) => memories.approveMemory(context, placeOf(params)),
  }),
  defineRoute({
    name: 'rejectMemory',
    method: 'POST',
    url: `${url}/:memory/reject`,
    action: 'memory.reject',
    summary: 'Erase again a memory that was erased before and came back',
    params: oneMemory,
    query: nothing,
    body: noBody,
    answer: z.enum(['done', 'accepted']),
    status: 204,
    isAccepted: (answer) => answer === 'accepted',
    run: (context, { params }) => memories.rejectMemory(context, placeOf(params)),
  }),
  defineRoute({
    name: 'memoryHistory',
    method: 'GET',
    url: `${url}/:memory/history`,
    action: 'memory.history',
    summary: 'The versions of a memory, newest first, where the vault keeps them',
    params: oneMemory,
    query: includeQuery,
    body: noBody,
    answer: memoryHistory,
    status: 200,
    run: (context, { params, query }) => memories.memoryHistory(context, placeOf(params), query),
  }),
];

function headersOf({ version }: { version: number }): AnswerHeaders {
  return { version };
}

/** One memory answers itself; a conversation and a batch answer the ids of what became of them. */
function add(memories: Memories, context: RequestContext, vault: string, body: MemoriesInput) {
  const { memories: batch, ...one } = body;
  if (batch !== undefined) return memories.addMemories(context, vault, batch);
  return one.messages === undefined
    ? memories.addMemory(context, vault, one)
    : memories.addMemories(context, vault, [one]);
}

/** What is not an id is the id of nothing. */
function placeOf({ vault, memory }: MemoryPlace): MemoryPlace {
  if (!isId('memory', memory)) throw new StrongroomError('not_found');
  return { vault, memory };
}

/** Each checked against what is published. */
export async function* linesOf(memories: AsyncIterable<Memory>): AsyncIterable<string> {
  for await (const each of memories) yield `${JSON.stringify(memory.parse(each))}\n`;
}
