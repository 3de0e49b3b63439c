/** `/v1/ledger`: who did what, and the proofs that nothing of it was changed. */
import { z } from 'zod';
import { StrongroomError } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import {
  consistencyQuery,
  ledgerCheckpoint,
  ledgerConsistency,
  ledgerKeys,
  ledgerPage,
  ledgerProof,
  ledgerQuery,
  proofQuery,
} from './ledger-schemas.ts';
import type { LedgerReads } from './parts.ts';
import { defineRoute, defineStream, type Route } from './route.ts';
import { noBody, nothing } from './schema-parts.ts';

const ENTRY_NUMBER = /^(?:0|[1-9]\d{0,14})$/;

export const ledgerRoutes = (ledger: LedgerReads): readonly Route[] => [
  defineRoute({
    name: 'listLedgerEntries',
    method: 'GET',
    url: '/v1/ledger',
    action: 'ledger.read',
    summary: 'Look up entries by principal, action, target, subject and time, newest first',
    params: nothing,
    query: ledgerQuery,
    body: noBody,
    answer: ledgerPage,
    status: 200,
    run: (context, { query }) =>
      ledger.listEntries(context, { ...query, limit: query.limit ?? LIMITS.listDefault }),
  }),
  defineRoute({
    name: 'ledgerCheckpoint',
    method: 'GET',
    url: '/v1/ledger/checkpoint',
    action: 'ledger.checkpoint',
    summary: 'The signed size and root hash of the log (C2SP tlog-checkpoint)',
    params: nothing,
    query: nothing,
    body: noBody,
    answer: ledgerCheckpoint,
    status: 200,
    run: (context) => ledger.checkpoint(context),
  }),
  defineRoute({
    name: 'ledgerKeys',
    method: 'GET',
    url: '/v1/ledger/keys',
    action: 'ledger.keys',
    summary: 'The verifier keys of the log, that of today and those before it (C2SP signed-note)',
    params: nothing,
    query: nothing,
    body: noBody,
    answer: ledgerKeys,
    status: 200,
    run: (context) => ledger.verifierKeys(context),
  }),
  defineRoute({
    name: 'proveLedgerEntry',
    method: 'GET',
    url: '/v1/ledger/entries/:n/proof',
    action: 'ledger.proof',
    summary: 'That an entry is in the log (RFC 6962, C2SP tlog-proof)',
    params: z.strictObject({ n: z.string() }),
    query: proofQuery,
    body: noBody,
    answer: ledgerProof,
    status: 200,
    run: (context, { params, query }) => ledger.proof(context, entryNumberOf(params.n), query.size ?? null),
  }),
  defineRoute({
    name: 'proveLedgerConsistency',
    method: 'GET',
    url: '/v1/ledger/consistency',
    action: 'ledger.proof',
    summary: 'That the log only grew since it had so many entries (RFC 6962, C2SP tlog-witness)',
    params: nothing,
    query: consistencyQuery,
    body: noBody,
    answer: ledgerConsistency,
    status: 200,
    run: (context, { query }) => ledger.consistency(context, query.from, query.size ?? null),
  }),
  defineStream(
    {
      name: 'exportLedger',
      url: '/v1/ledger/export',
      action: 'ledger.export',
      summary: 'The whole log as JSON Lines, to be verified elsewhere',
      params: nothing,
      query: nothing,
      answer: z.looseObject({}),
      lines: (context) => ledger.exportLedger(context),
    },
    noBody,
  ),
];

/** What is not a number is the number of nothing. */
export function entryNumberOf(text: string): number {
  if (!ENTRY_NUMBER.test(text)) throw new StrongroomError('not_found');
  return Number(text);
}
