/** `/openapi.json`: OpenAPI 3.1, generated from the very schemas that validate. */
import swagger from '@fastify/swagger';
import type { FastifyInstance, FastifySchema } from 'fastify';
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { ERRORS, type ErrorCode } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import { problem } from './health-schemas.ts';
import { PROBLEM_TYPE } from './problem.ts';
import { isWrite, type Route } from './route.ts';
import { noBody, nothing, schemaNotes } from './schema-parts.ts';

/** Registered before any route, so that it sees them all. */
export function addOpenApi(app: FastifyInstance, version: string): void {
  void app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Strongroom',
        version,
        description:
          'Memory for AI agents: sealed at rest, erasable by key destruction, every action in a ledger.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: { securitySchemes: { apiKey: { type: 'http', scheme: 'bearer' } } },
      security: [{ apiKey: [] }],
    },
    transform: createJsonSchemaTransform({ schemaRegistry: schemaNotes, skipList: [] }),
    transformObject: createJsonSchemaTransformObject({ schemaRegistry: schemaNotes }),
  });
}

/** Encrypting so much costs several times what refusing somebody does, and nobody needs it twice. */
const WEIGHT = 5;

export function addOpenApiRoute(app: FastifyInstance): void {
  // Kept as bytes: anybody may ask for it, and it is long.
  let bytes: Buffer | null = null;
  const document = (): Buffer => (bytes ??= Buffer.from(JSON.stringify(app.swagger())));
  // Making it takes a while, which should not be the first caller's, nor that of whoever asks for something else then.
  app.server.once('listening', () => setImmediate(document));
  const response = {
    200: { description: 'OpenAPI 3.1', content: { 'application/json': { schema: z.looseObject({}) } } },
  };
  app.get(
    '/openapi.json',
    {
      config: { pattern: '/openapi.json', weight: WEIGHT },
      schema: { operationId: 'openapi', summary: 'This document', security: [], response },
    },
    (_, reply) => reply.type('application/json; charset=utf-8').send(document()),
  );
}

/** What a route may answer beside what it is for. */
export function declaredErrors(route: Route): readonly number[] {
  const statuses = new Set([400, 401, 403, 429, 431, 500, 503]);
  if (route.url.includes(':')) statuses.add(404);
  if (isWrite(route) || route.action === 'erasure.certificate') statuses.add(404).add(409);
  if (route.conflicts === true) statuses.add(409);
  if (route.conditional) statuses.add(412);
  if (route.method !== 'GET') statuses.add(408).add(413).add(415);
  return [...statuses].sort((a, b) => a - b);
}

/** Every status that a route may answer. */
export const declaredStatuses = (route: Route): readonly number[] => [
  route.status,
  ...route.also,
  ...declaredErrors(route),
];

export function documentationOf(route: Route): FastifySchema {
  const { name, summary, action, params, query, body, answer, status, answerType } = route;
  const response: Record<number, unknown> = {
    [status]:
      status === 204
        ? z.void().register(schemaNotes, { description: 'Done' })
        : { description: 'Done', content: { [answerType]: { schema: answer } } },
  };
  for (const other of route.also)
    response[other] =
      status === 204
        ? z.void().register(schemaNotes, { description: 'Accepted: it will be done' })
        : { description: 'Done', content: { [answerType]: { schema: answer } } };
  for (const error of declaredErrors(route))
    response[error] = { description: titlesOf(error), content: { [PROBLEM_TYPE]: { schema: problem } } };
  return {
    operationId: name,
    summary,
    tags: [action.slice(0, action.indexOf('.'))],
    ...(params === nothing ? {} : { params }),
    ...(query === nothing ? {} : { querystring: query }),
    ...(body === noBody ? {} : { body }),
    headers: headersOf(route),
    response,
  };
}

const titlesOf = (status: number): string =>
  (Object.keys(ERRORS) as ErrorCode[])
    .filter(
      (code) =>
        !code.startsWith('server.') &&
        ERRORS[code].status === status &&
        (status !== 500 || code === 'internal'),
    )
    .map((code) => `\`${code}\`: ${ERRORS[code].title}`)
    .join('. ');

function headersOf(route: Route): z.ZodType {
  const text = (max: number, description: string) =>
    z.string().max(max).register(schemaNotes, { description }).optional();
  return z.object({
    'strongroom-purpose': text(LIMITS.purposeCharactersMax, 'Why this is done; kept in the ledger.'),
    ...(isWrite(route)
      ? {
          'idempotency-key': text(
            LIMITS.idempotencyKeyCharactersMax,
            'The same key does the same thing once.',
          ),
        }
      : {}),
    ...(route.conditional ? { 'if-match': text(100, 'Only if this is still the version (ETag).') } : {}),
  });
}
