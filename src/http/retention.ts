/** `/v1/retention`, and the same below a vault; `…/memories/{memory}/retention` and `…/entries/{n}/retention` explain. */
import { z } from 'zod';
import { entryNumberOf } from './ledger.ts';
import type { Retention } from './parts.ts';
import { defineRoute, type AnswerHeaders, type Route } from './route.ts';
import { noBody, nothing } from './schema-parts.ts';
import {
  entryRetention,
  logRetention,
  logRetentionQuery,
  retentionExplanation,
  retentionPolicy,
  retentionPolicyInput,
  retentionSimulation,
} from './retention-schemas.ts';

const inVault = z.strictObject({ vault: z.string() });
const oneMemory = z.strictObject({ vault: z.string(), memory: z.string() });
const headersOf = ({ version }: { version: number }): AnswerHeaders => ({ version });

export const retentionRoutes = (retention: Retention): readonly Route[] => [
  ...organizationRoutes(retention),
  ...vaultRoutes(retention),
  defineRoute({
    name: 'explainRetention',
    method: 'GET',
    url: '/v1/vaults/:vault/memories/:memory/retention',
    action: 'retention.explain',
    summary: 'Which rule decides about a memory, all that were asked, and when it ends',
    params: oneMemory,
    query: nothing,
    body: noBody,
    answer: retentionExplanation,
    status: 200,
    run: (context, { params }) => retention.explainRetention(context, params),
  }),
  defineRoute({
    name: 'explainEntry',
    method: 'GET',
    url: '/v1/ledger/entries/:n/retention',
    action: 'retention.explain',
    summary: 'Until when an entry of the ledger is kept, refusals included',
    params: z.strictObject({ n: z.string() }),
    query: nothing,
    body: noBody,
    answer: entryRetention,
    status: 200,
    run: (context, { params }) => retention.explainEntry(context, entryNumberOf(params.n)),
  }),
  defineRoute({
    name: 'explainLog',
    method: 'GET',
    url: '/v1/retention/log',
    action: 'retention.explain',
    summary: 'Until when a line of the application log is kept, by when it was written',
    params: nothing,
    query: logRetentionQuery,
    body: noBody,
    answer: logRetention,
    status: 200,
    run: (context, { query }) =>
      retention.explainLog(context, query.at === undefined ? null : Date.parse(query.at)),
  }),
];

const organizationRoutes = (retention: Retention): readonly Route[] => [
  defineRoute({
    name: 'getRetention',
    method: 'GET',
    url: '/v1/retention',
    action: 'retention.get',
    summary: 'How long the organization keeps things',
    params: nothing,
    query: nothing,
    body: noBody,
    answer: retentionPolicy,
    status: 200,
    headersOf,
    run: (context) => retention.getRetention(context, null),
  }),
  defineRoute({
    name: 'setRetention',
    method: 'PUT',
    url: '/v1/retention',
    action: 'retention.update',
    summary: 'Set how long the organization keeps things: the whole policy, in force at once',
    params: nothing,
    query: nothing,
    body: retentionPolicyInput,
    answer: retentionPolicy,
    status: 200,
    conditional: true,
    headersOf,
    run: (context, { body, expected }) => retention.setRetention(context, null, body, expected),
  }),
  defineRoute({
    name: 'simulateRetention',
    method: 'POST',
    url: '/v1/retention/simulate',
    action: 'retention.simulate',
    summary: 'What a policy of the organization would remove, before it does',
    params: nothing,
    query: nothing,
    body: retentionPolicyInput,
    answer: retentionSimulation,
    status: 200,
    run: (context, { body }) => retention.simulateRetention(context, null, body),
  }),
];

const vaultRoutes = (retention: Retention): readonly Route[] => [
  defineRoute({
    name: 'getVaultRetention',
    method: 'GET',
    url: '/v1/vaults/:vault/retention',
    action: 'retention.get',
    summary: "How long a vault keeps things, where it says more than its organization's policy",
    params: inVault,
    query: nothing,
    body: noBody,
    answer: retentionPolicy,
    status: 200,
    headersOf,
    run: (context, { params }) => retention.getRetention(context, params.vault),
  }),
  defineRoute({
    name: 'setVaultRetention',
    method: 'PUT',
    url: '/v1/vaults/:vault/retention',
    action: 'retention.update',
    summary: 'Set how long a vault keeps things: the whole policy, in force at once',
    params: inVault,
    query: nothing,
    body: retentionPolicyInput,
    answer: retentionPolicy,
    status: 200,
    conditional: true,
    headersOf,
    run: (context, { params, body, expected }) =>
      retention.setRetention(context, params.vault, body, expected),
  }),
  defineRoute({
    name: 'simulateVaultRetention',
    method: 'POST',
    url: '/v1/vaults/:vault/retention/simulate',
    action: 'retention.simulate',
    summary: 'What a policy of a vault would remove, before it does',
    params: inVault,
    query: nothing,
    body: retentionPolicyInput,
    answer: retentionSimulation,
    status: 200,
    run: (context, { params, body }) => retention.simulateRetention(context, params.vault, body),
  }),
];
