/** `/v1/holds`. */
import { z } from 'zod';
import { LIMITS } from '../limits.ts';
import { hold, holdInput, holdPage } from './hold-schemas.ts';
import { memoryPage } from './memory-schemas.ts';
import type { Holds } from './parts.ts';
import { defineRoute, type Route } from './route.ts';
import { noAnswer, noBody, nothing } from './schema-parts.ts';
import { pageQuery } from './vault-schemas.ts';

const params = z.strictObject({ hold: z.string() });

export const holdRoutes = (holds: Holds): readonly Route[] => [
  defineRoute({
    name: 'placeHold',
    method: 'POST',
    url: '/v1/holds',
    action: 'hold.place',
    summary: 'Place a legal hold: nothing that it keeps can be deleted by any path',
    params: nothing,
    query: nothing,
    body: holdInput,
    answer: hold,
    status: 201,
    headersOf: ({ id }) => ({ location: `/v1/holds/${id}` }),
    run: (context, { body }) => holds.placeHold(context, body),
  }),
  defineRoute({
    name: 'listHolds',
    method: 'GET',
    url: '/v1/holds',
    action: 'hold.list',
    summary: 'List the legal holds, newest first, the released ones as well',
    params: nothing,
    query: pageQuery,
    body: noBody,
    answer: holdPage,
    status: 200,
    run: (context, { query }) =>
      holds.listHolds(context, { ...query, limit: query.limit ?? LIMITS.listDefault }),
  }),
  defineRoute({
    name: 'getHold',
    method: 'GET',
    url: '/v1/holds/:hold',
    action: 'hold.get',
    summary: 'Get a legal hold',
    params,
    query: nothing,
    body: noBody,
    answer: hold,
    status: 200,
    run: (context, { params }) => holds.getHold(context, params.hold),
  }),
  defineRoute({
    name: 'listHeld',
    method: 'GET',
    url: '/v1/holds/:hold/memories',
    action: 'hold.read',
    summary: 'What a hold keeps, newest first: also what has expired, lies in the trash or in the archive',
    params,
    query: pageQuery,
    body: noBody,
    answer: memoryPage,
    status: 200,
    run: (context, { params, query }) =>
      holds.listHeld(context, params.hold, { ...query, limit: query.limit ?? LIMITS.listDefault }),
  }),
  defineRoute({
    name: 'releaseHold',
    method: 'DELETE',
    url: '/v1/holds/:hold',
    action: 'hold.release',
    summary: 'Release a legal hold: what only it kept ends where its time is over',
    params,
    query: nothing,
    body: noBody,
    answer: noAnswer,
    status: 204,
    run: (context, { params }) => holds.releaseHold(context, params.hold),
  }),
];
