/** `/v1/archive/requests`. */
import { z } from 'zod';
import { LIMITS } from '../limits.ts';
import { archiveRequest, archiveRequestInput, archiveRequestPage } from './archive-schemas.ts';
import { memoryPage } from './memory-schemas.ts';
import type { Archive } from './parts.ts';
import { defineRoute, type Route } from './route.ts';
import { noAnswer, noBody, nothing } from './schema-parts.ts';
import { pageQuery } from './vault-schemas.ts';

const url = '/v1/archive/requests';
const params = z.strictObject({ request: z.string() });

export const archiveRoutes = (archive: Archive): readonly Route[] => [
  defineRoute({
    name: 'requestArchive',
    method: 'POST',
    url,
    action: 'archive.request',
    summary: 'Ask for a copy of what lies in the archive',
    params: nothing,
    query: nothing,
    body: archiveRequestInput,
    answer: archiveRequest,
    status: 201,
    headersOf: ({ id }) => ({ location: `${url}/${id}` }),
    run: (context, { body }) => archive.requestArchive(context, body),
  }),
  defineRoute({
    name: 'listArchiveRequests',
    method: 'GET',
    url,
    action: 'archive.list',
    summary: 'List what was asked of the archive, newest first',
    params: nothing,
    query: pageQuery,
    body: noBody,
    answer: archiveRequestPage,
    status: 200,
    run: (context, { query }) =>
      archive.listRequests(context, { ...query, limit: query.limit ?? LIMITS.listDefault }),
  }),
  defineRoute({
    name: 'getArchiveRequest',
    method: 'GET',
    url: `${url}/:request`,
    action: 'archive.get',
    summary: 'Get an archive request',
    params,
    query: nothing,
    body: noBody,
    answer: archiveRequest,
    status: 200,
    run: (context, { params }) => archive.getRequest(context, params.request),
  }),
  defineRoute({
    name: 'approveArchiveRequest',
    method: 'POST',
    url: `${url}/:request/approve`,
    action: 'archive.approve',
    summary: "Approve somebody else's archive request: its copy is ready after the wait",
    params,
    query: nothing,
    body: noBody,
    answer: archiveRequest,
    status: 200,
    run: (context, { params }) => archive.approveRequest(context, params.request),
  }),
  defineRoute({
    name: 'refuseArchiveRequest',
    method: 'DELETE',
    url: `${url}/:request`,
    action: 'archive.refuse',
    summary: 'Refuse an archive request or take it back; a copy that is there ends',
    params,
    query: nothing,
    body: noBody,
    answer: noAnswer,
    status: 204,
    run: (context, { params }) => archive.refuseRequest(context, params.request),
  }),
  defineRoute({
    name: 'readArchiveCopy',
    method: 'GET',
    url: `${url}/:request/memories`,
    action: 'archive.read',
    summary: 'The memories that were asked for, once they are ready and until the copy expires',
    params,
    query: pageQuery,
    body: noBody,
    answer: memoryPage,
    status: 200,
    conflicts: true,
    run: (context, { params, query }) =>
      archive.readRequest(context, params.request, { ...query, limit: query.limit ?? LIMITS.listDefault }),
  }),
];
