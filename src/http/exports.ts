/** `/v1/vaults/{vault}/exports` and `/v1/exports`. */
import type { ExportEvent } from '@strongroom/client';
import { z } from 'zod';
import { LIMITS } from '../limits.ts';
import { reported, withEvents } from './event-lines.ts';
import { exportInput, exportPage, keptExport } from './export-schemas.ts';
import { linesOf } from './memories.ts';
import { memory } from './memory-schemas.ts';
import type { Exports } from './parts.ts';
import { defineRoute, defineStream, type Route } from './route.ts';
import { include, noAnswer, noBody, nothing } from './schema-parts.ts';
import { pageQuery } from './vault-schemas.ts';

const url = '/v1/vaults/:vault/exports';
const oneUrl = '/v1/exports/:export';
const inVault = z.strictObject({ vault: z.string() });
const params = z.strictObject({ export: z.string() });

export const exportRoutes = (exports: Exports): readonly Route[] => [
  withEvents(
    defineRoute({
      name: 'createExport',
      method: 'POST',
      url,
      action: 'export.create',
      summary:
        'Make an export that is kept here, sealed, for a stated time. JSON Lines with progress on request',
      params: inVault,
      query: nothing,
      body: exportInput,
      answer: keptExport,
      status: 201,
      headersOf: ({ id }) => ({ location: `/v1/exports/${id}` }),
      run: (context, { params, body }) => exports.createExport(context, params.vault, body),
    }),
    (context, { params, body }) =>
      reported<ExportEvent, ExportEvent>(async (report) => {
        const { vault } = inVault.parse(params);
        const tell = (memories: number): void => report({ type: 'progress', memories });
        const made = await exports.createExport(context, vault, exportInput.parse(body), tell);
        return { type: 'export', export: made };
      }),
  ),
  defineRoute({
    name: 'listExports',
    method: 'GET',
    url,
    action: 'export.list',
    summary: 'List the exports of a vault, newest first, those that have ended as well',
    params: inVault,
    query: pageQuery,
    body: noBody,
    answer: exportPage,
    status: 200,
    run: (context, { params, query }) =>
      exports.listExports(context, params.vault, { ...query, limit: query.limit ?? LIMITS.listDefault }),
  }),
  defineRoute({
    name: 'getExport',
    method: 'GET',
    url: oneUrl,
    action: 'export.get',
    summary: 'Get a kept export: how it stands, and not what it says',
    params,
    query: nothing,
    body: noBody,
    answer: keptExport,
    status: 200,
    run: (context, { params }) => exports.getExport(context, params.export),
  }),
  defineStream(
    {
      name: 'readExport',
      url: `${oneUrl}/memories`,
      action: 'export.read',
      summary: 'What a kept export holds and may still be shown, as JSON Lines',
      params,
      query: z.strictObject({ include: include.optional() }),
      answer: memory,
      conflicts: true,
      lines: (context, { params, query }) => linesOf(exports.readExport(context, params.export, query)),
    },
    noBody,
  ),
  defineRoute({
    name: 'deleteExport',
    method: 'DELETE',
    url: oneUrl,
    action: 'export.delete',
    summary: 'End a kept export before its time: its key is destroyed',
    params,
    query: nothing,
    body: noBody,
    answer: noAnswer,
    status: 204,
    run: (context, { params }) => exports.deleteExport(context, params.export),
  }),
];
