/** `/v1/keys`. A key's secret is answered once and kept nowhere, not even for a repeated request. */
import { z } from 'zod';
import { StrongroomError } from '../errors.ts';
import { isId } from '../ids.ts';
import { LIMITS } from '../limits.ts';
import { keyInput, keyPage, newKey } from './key-schemas.ts';
import type { Access } from './parts.ts';
import { defineRoute, type Route } from './route.ts';
import { noAnswer, noBody, nothing } from './schema-parts.ts';
import { pageQuery } from './vault-schemas.ts';

const params = z.strictObject({ key: z.string() });

export const keyRoutes = (access: Access): readonly Route[] => [
  defineRoute({
    name: 'createKey',
    method: 'POST',
    url: '/v1/keys',
    action: 'key.create',
    summary: 'Make an API key; its secret is shown in this answer only',
    params: nothing,
    query: nothing,
    body: keyInput,
    answer: newKey,
    status: 201,
    secret: true,
    run: (context, { body }) => access.createKey(context, body),
  }),
  defineRoute({
    name: 'listKeys',
    method: 'GET',
    url: '/v1/keys',
    action: 'key.list',
    summary: 'List the API keys, without their secrets',
    params: nothing,
    query: pageQuery,
    body: noBody,
    answer: keyPage,
    status: 200,
    run: (context, { query }) =>
      access.listKeys(context, { ...query, limit: query.limit ?? LIMITS.listDefault }),
  }),
  defineRoute({
    name: 'rotateKey',
    method: 'POST',
    url: '/v1/keys/:key/rotate',
    action: 'key.rotate',
    summary: 'Give an API key a new secret; it is shown in this answer only',
    params,
    query: nothing,
    body: noBody,
    answer: newKey,
    status: 201,
    secret: true,
    run: (context, { params }) => access.rotateKey(context, idOf(params.key)),
  }),
  defineRoute({
    name: 'revokeKey',
    method: 'DELETE',
    url: '/v1/keys/:key',
    action: 'key.revoke',
    summary: 'Revoke an API key at once',
    params,
    query: nothing,
    body: noBody,
    answer: noAnswer,
    status: 204,
    run: (context, { params }) => access.revokeKey(context, idOf(params.key)),
  }),
];

/** What is not an id is the id of nothing. */
function idOf(text: string): string {
  if (!isId('key', text)) throw new StrongroomError('not_found');
  return text;
}
