/** `/v1/vaults`. */
import { z } from 'zod';
import { LIMITS } from '../limits.ts';
import type { Vaults } from './parts.ts';
import { defineRoute, type AnswerHeaders, type Route } from './route.ts';
import { noBody, nothing } from './schema-parts.ts';
import { vault, vaultInput, vaultListQuery, vaultPage, vaultPatch } from './vault-schemas.ts';

const url = '/v1/vaults/:vault';
const params = z.strictObject({ vault: z.string() });
const headersOf = ({ version }: { version: number }): AnswerHeaders => ({ version });

export const vaultRoutes = (vaults: Vaults): readonly Route[] => [
  defineRoute({
    name: 'createVault',
    method: 'POST',
    url: '/v1/vaults',
    action: 'vault.create',
    summary: 'Make a vault',
    params: nothing,
    query: nothing,
    body: vaultInput,
    answer: vault,
    status: 201,
    headersOf: ({ id, version }) => ({ version, location: `/v1/vaults/${id}` }),
    run: (context, { body }) => vaults.createVault(context, body),
  }),
  defineRoute({
    name: 'listVaults',
    method: 'GET',
    url: '/v1/vaults',
    action: 'vault.list',
    summary: 'List the vaults, or those in the trash, newest first',
    params: nothing,
    query: vaultListQuery,
    body: noBody,
    answer: vaultPage,
    status: 200,
    run: (context, { query }) =>
      vaults.listVaults(context, { ...query, limit: query.limit ?? LIMITS.listDefault }),
  }),
  defineRoute({
    name: 'getVault',
    method: 'GET',
    url,
    action: 'vault.get',
    summary: 'Get a vault by id or name',
    params,
    query: nothing,
    body: noBody,
    answer: vault,
    status: 200,
    headersOf,
    run: (context, { params }) => vaults.getVault(context, params.vault),
  }),
  defineRoute({
    name: 'updateVault',
    method: 'PATCH',
    url,
    action: 'vault.update',
    summary: 'Change settings of a vault',
    params,
    query: nothing,
    body: vaultPatch,
    answer: vault,
    status: 200,
    conditional: true,
    headersOf,
    run: (context, { params, body, expected }) => vaults.updateVault(context, params.vault, body, expected),
  }),
  defineRoute({
    name: 'deleteVault',
    method: 'DELETE',
    url,
    action: 'vault.delete',
    summary:
      'Put a vault with everything in it into the trash, from which it can be taken back for its number of days; in an `immediate` vault erase it',
    params,
    query: nothing,
    body: noBody,
    answer: z.enum(['done', 'accepted']),
    status: 204,
    isAccepted: (answer) => answer === 'accepted',
    conditional: true,
    run: (context, { params, expected }) => vaults.deleteVault(context, params.vault, expected),
  }),
  defineRoute({
    name: 'restoreVault',
    method: 'POST',
    url: `${url}/restore`,
    action: 'vault.restore',
    summary: 'Take a vault out of the trash, by its id or the name it had',
    params,
    query: nothing,
    body: noBody,
    answer: vault,
    status: 200,
    headersOf,
    run: (context, { params }) => vaults.restoreVault(context, params.vault),
  }),
];
