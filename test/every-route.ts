/**
 * Every operation of the API with a request that is granted, so that a test can put the same question to all of them
 * and a new route that nobody thought of makes it fail.
 */
import type { HttpParts } from '../src/http/parts.ts';
import { routesOf } from '../src/http/server.ts';
import type { Route } from '../src/http/route.ts';
import { idOf, type Answer, type Call, type TestDeployment } from './deployment.ts';

export const ROUTES: readonly Pick<Route, 'name' | 'method' | 'url' | 'action'>[] = routesOf({} as HttpParts);

/** A request that would be granted. */
export interface Request {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
}

type Maker = (deployment: TestDeployment) => Promise<Request> | Request;

const VAULT = '/v1/vaults/default';
let made = 0;

const newMemory = async (deployment: TestDeployment): Promise<string> =>
  idOf(
    await deployment.must('POST', `${VAULT}/memories`, {
      body: { text: `memory ${made++}`, subject: 'ann' },
    }),
  );
const newVault = async (deployment: TestDeployment): Promise<string> =>
  idOf(await deployment.must('POST', '/v1/vaults', { body: { name: `vault ${made++}` } }));
const newErasure = async (deployment: TestDeployment): Promise<string> => {
  const target = { memory: await newMemory(deployment) };
  return idOf(await deployment.must('POST', '/v1/erasures', { body: { target, reason: 'asked for' } }));
};
/** What was erased and came back to a vault that holds it for review. */
const onReview = async (deployment: TestDeployment): Promise<string> => {
  const vault = `/v1/vaults/${idOf(
    await deployment.must('POST', '/v1/vaults', { body: { name: `vault ${made++}`, tombstones: 'review' } }),
  )}/memories`;
  const body = { text: `again ${made++}` };
  await deployment.must(
    'DELETE',
    `${vault}/${idOf(await deployment.must('POST', vault, { body }))}?mode=erase`,
  );
  return `${vault}/${idOf(await deployment.must('POST', vault, { body }))}`;
};
const newKey = async (deployment: TestDeployment): Promise<string> =>
  idOf(await deployment.must('POST', '/v1/keys', { body: { name: `key ${made++}` } }));

const newHold = async (deployment: TestDeployment): Promise<string> =>
  idOf(
    await deployment.must('POST', '/v1/holds', {
      body: { name: `case ${made++}`, target: { vault: await newVault(deployment) } },
    }),
  );

/** Asked for by a key of its own, because nobody approves what they asked for. */
const newRequest = async (deployment: TestDeployment): Promise<string> => {
  const asker = await deployment.must('POST', '/v1/keys', {
    body: { name: `asker ${made++}`, scopes: [{ actions: ['archive.*'], vaults: ['*'] }] },
  });
  const memories = [await newMemory(deployment)];
  return idOf(
    await deployment.must('POST', '/v1/archive/requests', {
      key: String(asker.json['apiKey']),
      body: { vault: 'default', memories, reason: 'a question' },
    }),
  );
};

/** In a vault of its own, which keeps only so many. */
const newExport = async (deployment: TestDeployment): Promise<string> => {
  const path = `/v1/vaults/${await newVault(deployment)}`;
  await deployment.must('POST', `${path}/memories`, { body: { text: `memory ${made++}` } });
  return `/v1/exports/${idOf(await deployment.must('POST', `${path}/exports`, { body: {} }))}`;
};

const get = (path: string): Request => ({ method: 'GET', path });
const onMemory = async (deployment: TestDeployment): Promise<string> =>
  `${VAULT}/memories/${await newMemory(deployment)}`;

/** By operation; each makes what its request needs. */
const GRANTED: Readonly<Record<string, Maker>> = {
  createVault: () => ({ method: 'POST', path: '/v1/vaults', body: { name: `vault ${made++}` } }),
  listVaults: () => get('/v1/vaults'),
  getVault: () => get(VAULT),
  updateVault: async (deployment) => ({
    method: 'PATCH',
    path: `/v1/vaults/${await newVault(deployment)}`,
    body: { history: true },
  }),
  deleteVault: async (deployment) => ({ method: 'DELETE', path: `/v1/vaults/${await newVault(deployment)}` }),
  addMemories: () => ({
    method: 'POST',
    path: `${VAULT}/memories`,
    body: { text: `memory ${made++}`, subject: 'ann' },
  }),
  listMemories: () => get(`${VAULT}/memories`),
  listMemoriesByBody: () => ({
    method: 'POST',
    path: `${VAULT}/memories/list`,
    body: { filter: { text: { contains: 'memory' } } },
  }),
  exportMemories: () => get(`${VAULT}/memories/export`),
  getMemory: async (deployment) => get(await onMemory(deployment)),
  updateMemory: async (deployment) => ({
    method: 'PATCH',
    path: await onMemory(deployment),
    body: { text: 'changed' },
  }),
  deleteMemory: async (deployment) => ({
    method: 'DELETE',
    path: `${await onMemory(deployment)}?mode=erase`,
  }),
  restoreMemory: async (deployment) => {
    const path = await onMemory(deployment);
    await deployment.must('DELETE', path);
    return { method: 'POST', path: `${path}/restore` };
  },
  memoryHistory: async (deployment) => get(`${await onMemory(deployment)}/history`),
  searchMemories: () => ({ method: 'POST', path: `${VAULT}/search`, body: { query: 'memory' } }),
  getRetention: () => get('/v1/retention'),
  setRetention: () => ({ method: 'PUT', path: '/v1/retention', body: { memories: { days: 3650 } } }),
  simulateRetention: () => ({
    method: 'POST',
    path: '/v1/retention/simulate',
    body: { memories: { days: 1 } },
  }),
  getVaultRetention: () => get(`${VAULT}/retention`),
  setVaultRetention: () => ({
    method: 'PUT',
    path: `${VAULT}/retention`,
    body: { memories: { days: 3650 } },
  }),
  simulateVaultRetention: () => ({
    method: 'POST',
    path: `${VAULT}/retention/simulate`,
    body: { memories: { days: 1 } },
  }),
  explainLog: () => get('/v1/retention/log?at=2026-05-07'),
  explainEntry: () => get('/v1/ledger/entries/0/retention'),
  explainRetention: async (deployment) => get(`${await onMemory(deployment)}/retention`),
  placeHold: async (deployment) => ({
    method: 'POST',
    path: '/v1/holds',
    body: { name: `case ${made++}`, target: { vault: await newVault(deployment) } },
  }),
  listHolds: () => get('/v1/holds'),
  getHold: async (deployment) => get(`/v1/holds/${await newHold(deployment)}`),
  listHeld: async (deployment) => get(`/v1/holds/${await newHold(deployment)}/memories`),
  releaseHold: async (deployment) => ({ method: 'DELETE', path: `/v1/holds/${await newHold(deployment)}` }),
  requestArchive: async (deployment) => ({
    method: 'POST',
    path: '/v1/archive/requests',
    body: { vault: 'default', memories: [await newMemory(deployment)], reason: 'a question' },
  }),
  listArchiveRequests: () => get('/v1/archive/requests'),
  getArchiveRequest: async (deployment) => get(`/v1/archive/requests/${await newRequest(deployment)}`),
  approveArchiveRequest: async (deployment) => ({
    method: 'POST',
    path: `/v1/archive/requests/${await newRequest(deployment)}/approve`,
  }),
  refuseArchiveRequest: async (deployment) => ({
    method: 'DELETE',
    path: `/v1/archive/requests/${await newRequest(deployment)}`,
  }),
  readArchiveCopy: async (deployment) => {
    const path = `/v1/archive/requests/${await newRequest(deployment)}`;
    await deployment.must('PUT', '/v1/retention', { body: { archive: { waitHours: 0 } } });
    await deployment.must('POST', `${path}/approve`);
    return get(`${path}/memories`);
  },
  createExport: () => ({ method: 'POST', path: `${VAULT}/exports`, body: { expiresInDays: 1 } }),
  listExports: () => get(`${VAULT}/exports`),
  getExport: async (deployment) => get(await newExport(deployment)),
  readExport: async (deployment) => get(`${await newExport(deployment)}/memories`),
  deleteExport: async (deployment) => ({ method: 'DELETE', path: await newExport(deployment) }),
  approveMemory: async (deployment) => ({ method: 'POST', path: `${await onReview(deployment)}/approve` }),
  rejectMemory: async (deployment) => ({ method: 'POST', path: `${await onReview(deployment)}/reject` }),
  restoreVault: async (deployment) => {
    const path = `/v1/vaults/${await newVault(deployment)}`;
    await deployment.must('DELETE', path);
    return { method: 'POST', path: `${path}/restore` };
  },
  requestErasure: async (deployment) => ({
    method: 'POST',
    path: '/v1/erasures',
    body: { target: { memory: await newMemory(deployment) }, reason: 'asked for' },
  }),
  listErasures: () => get('/v1/erasures?limit=5'),
  getErasure: async (deployment) => get(`/v1/erasures/${await newErasure(deployment)}`),
  // Taken back already, so that nothing else of a test meets an organization that is being closed.
  cancelErasure: async (deployment) => {
    const organization = (await deployment.must('GET', '/v1/ledger/checkpoint')).json['log'];
    const { holds } = (await deployment.must('GET', '/v1/holds?limit=1000')).json as unknown as {
      holds: { id: string; state: string }[];
    };
    for (const { id, state } of holds)
      if (state === 'active') await deployment.must('DELETE', `/v1/holds/${id}`);
    const asked = await deployment.must('POST', '/v1/erasures', {
      body: { target: { organization }, reason: 'asked for' },
    });
    const path = `/v1/erasures/${idOf(asked)}/cancel`;
    await deployment.must('POST', path);
    return { method: 'POST', path };
  },
  getCertificate: async (deployment) => get(`/v1/erasures/${await newErasure(deployment)}/certificate`),
  erasureRecipients: async (deployment) => get(`/v1/erasures/${await newErasure(deployment)}/recipients`),
  certificateKey: () => get('/v1/certificate-key'),
  createKey: () => ({ method: 'POST', path: '/v1/keys', body: { name: `key ${made++}` } }),
  listKeys: () => get('/v1/keys'),
  rotateKey: async (deployment) => ({ method: 'POST', path: `/v1/keys/${await newKey(deployment)}/rotate` }),
  revokeKey: async (deployment) => ({ method: 'DELETE', path: `/v1/keys/${await newKey(deployment)}` }),
  listLedgerEntries: () => get('/v1/ledger?limit=5'),
  ledgerCheckpoint: () => get('/v1/ledger/checkpoint'),
  proveLedgerEntry: () => get('/v1/ledger/entries/0/proof'),
  proveLedgerConsistency: () => get('/v1/ledger/consistency?from=1'),
  exportLedger: () => get('/v1/ledger/export'),
  ledgerKeys: () => get('/v1/ledger/keys'),
  listRotations: () => get('/v1/rotations'),
  runRotation: () => ({ method: 'POST', path: '/v1/rotations', body: { keys: ['cursors'] } }),
  runVerification: () => ({ method: 'POST', path: '/v1/verifications', body: { claims: [] } }),
  createBackup: () => ({ method: 'POST', path: '/v1/backups', body: { kind: 'log' } }),
  listBackups: () => get('/v1/backups'),
  backupStatus: () => get('/v1/backups/status'),
  runDrill: () => ({ method: 'POST', path: '/v1/drills' }),
  listDrills: () => get('/v1/drills'),
  rewindVault: async (deployment) => {
    await deployment.must('POST', '/v1/backups', { body: { kind: 'log' } });
    return { method: 'POST', path: `${VAULT}/rewind`, body: {} };
  },
  listRewinds: () => get(`${VAULT}/rewinds`),
};

/** A request that would be granted; throws for an operation that has none here. */
export async function granted(deployment: TestDeployment, name: string): Promise<Request> {
  const maker = GRANTED[name];
  if (maker === undefined) throw new Error(`no request is known for ${name}: add it to test/every-route.ts`);
  return maker(deployment);
}

export const ask = (
  deployment: TestDeployment,
  { method, path, body }: Request,
  call: Call = {},
): Promise<Answer> => deployment.call(method, path, { ...(body === undefined ? {} : { body }), ...call });
