/** `/v1/erasures`: content ended for good, and the certificates that say so. */
import type { Erasure, ErasurePlan } from '@strongroom/client';
import { z } from 'zod';
import { StrongroomError } from '../errors.ts';
import { isId } from '../ids.ts';
import { LIMITS } from '../limits.ts';
import {
  certificate,
  certificateKey,
  erasure,
  erasureInput,
  erasureListQuery,
  erasurePage,
  erasurePlan,
  erasureRecipients,
} from './erasure-schemas.ts';
import type { Erasures } from './parts.ts';
import { defineRoute, type Route } from './route.ts';
import { noBody, nothing } from './schema-parts.ts';

const params = z.strictObject({ erasure: z.string() });

export const erasureRoutes = (erasures: Erasures): readonly Route[] => [
  defineRoute({
    name: 'requestErasure',
    method: 'POST',
    url: '/v1/erasures',
    action: 'erasure.request',
    summary:
      'Erase memories with all that was derived from them, a person, a conversation, a vault or the organization; or (dryRun, answered 200) count what would go',
    params: nothing,
    query: nothing,
    body: erasureInput,
    answer: z.union([erasurePlan, erasure]),
    status: 202,
    statusOf: (answer) => ('dryRun' in answer ? 200 : 202),
    headersOf: (answer) => ('dryRun' in answer ? {} : { location: `/v1/erasures/${answer.id}` }),
    run: (context, { body }): Promise<Erasure | ErasurePlan> => erasures.request(context, body),
  }),
  defineRoute({
    name: 'listErasures',
    method: 'GET',
    url: '/v1/erasures',
    action: 'erasure.list',
    summary: 'List the erasures and how far they are, newest first',
    params: nothing,
    query: erasureListQuery,
    body: noBody,
    answer: erasurePage,
    status: 200,
    run: (context, { query }) =>
      erasures.list(context, { ...query, limit: query.limit ?? LIMITS.listDefault }),
  }),
  defineRoute({
    name: 'getErasure',
    method: 'GET',
    url: '/v1/erasures/:erasure',
    action: 'erasure.get',
    summary: 'How far an erasure is',
    params,
    query: nothing,
    body: noBody,
    answer: erasure,
    status: 200,
    run: (context, { params }) => erasures.get(context, idOf(params.erasure)),
  }),
  defineRoute({
    name: 'cancelErasure',
    method: 'POST',
    url: '/v1/erasures/:erasure/cancel',
    action: 'erasure.cancel',
    summary: 'Take back an erasure whose grace period still runs',
    params,
    query: nothing,
    body: noBody,
    answer: erasure,
    status: 200,
    run: (context, { params }) => erasures.cancel(context, idOf(params.erasure)),
  }),
  defineRoute({
    name: 'erasureRecipients',
    method: 'GET',
    url: '/v1/erasures/:erasure/recipients',
    action: 'erasure.get',
    summary: 'Who exported its vault, or read a copy out of the archive, before the erasure was asked for',
    params,
    query: nothing,
    body: noBody,
    answer: erasureRecipients,
    status: 200,
    run: (context, { params }) => erasures.recipients(context, idOf(params.erasure)),
  }),
  defineRoute({
    name: 'getCertificate',
    method: 'GET',
    url: '/v1/erasures/:erasure/certificate',
    action: 'erasure.certificate',
    summary: 'The signed certificate of an erasure, once no replica of the keystore can derive its keys',
    params,
    query: nothing,
    body: noBody,
    answer: certificate,
    status: 200,
    run: (context, { params }) => erasures.certificate(context, idOf(params.erasure)),
  }),
  defineRoute({
    name: 'certificateKey',
    method: 'GET',
    url: '/v1/certificate-key',
    action: 'erasure.certificate',
    summary: 'The key by which certificates of this deployment verify',
    params: nothing,
    query: nothing,
    body: noBody,
    answer: certificateKey,
    status: 200,
    run: (context) => erasures.certificateKey(context),
  }),
];

/** What is not an id is the id of nothing. */
function idOf(text: string): string {
  if (!isId('erasure', text)) throw new StrongroomError('not_found');
  return text;
}
