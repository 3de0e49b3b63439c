/**
 * A request for every route that would be granted, so that the same question can be put to all of them. A route that is not
 * here makes the checks that sweep over the routes fail: nothing new goes unexamined.
 */
import { encodeHex } from '../bytes/encoding.ts';
import { canaryEnd } from './canary-vault.ts';
import type { Route } from '../http/route.ts';
import { ask, type Ask } from './ask.ts';
import type { Tenant, World } from './world.ts';

/** Where a sweep takes place: one reserved tenant, one vault of it. */
export interface Stage {
  readonly world: World;
  readonly tenant: Tenant;
  readonly vault: string;
}

type Request = Pick<Ask, 'method' | 'path' | 'body'>;

const name = ({ world }: Stage): string => `canary ${encodeHex(world.random(8))}`;
/** Of vaults that end with the sweep. */
const PASSING = 'canary passing ';
const passing = ({ world }: Stage): string => `${PASSING}${encodeHex(world.random(8))}`;
const inVault = ({ vault }: Stage, rest = ''): string => `/v1/vaults/${vault}${rest}`;
const get = (path: string): Request => ({ method: 'GET', path });

const newMemory = async ({ world, tenant, vault }: Stage): Promise<string> =>
  (await tenant.client.vault(vault).add({ text: 'a canary', expiresAt: canaryEnd(world) })).id;
const onMemory = async (stage: Stage, rest = ''): Promise<string> =>
  inVault(stage, `/memories/${await newMemory(stage)}${rest}`);
const newVault = async (stage: Stage): Promise<string> =>
  (await stage.tenant.client.vaults.create({ name: name(stage), deletion: { mode: 'immediate' } })).id;
/** What was erased and came back to a vault that holds it for review. */
const onReview = async (stage: Stage): Promise<string> => {
  const { client } = stage.tenant;
  const settings = { deletion: { mode: 'immediate' }, tombstones: 'review' } as const;
  const vault = client.vault((await client.vaults.create({ name: passing(stage), ...settings })).id);
  const text = name(stage);
  await vault.delete((await vault.add(text)).id);
  return `/v1/vaults/${vault.vault}/memories/${(await vault.add(text)).id}`;
};
const newErasure = async (stage: Stage): Promise<string> => {
  const target = { memory: await newMemory(stage) };
  return (await stage.tenant.client.erasures.request({ target, reason: 'a canary' })).id;
};
/** May do nothing anywhere, so that one that is left over is worth nothing. */
const newKey = async (stage: Stage): Promise<string> =>
  (await stage.tenant.client.keys.create({ name: name(stage), ...POWERLESS })).id;

/** On a vault with nothing in it, of a tenant of our own. */
const newHold = async (stage: Stage): Promise<string> =>
  (await stage.tenant.client.holds.place({ name: name(stage), target: { vault: await newVault(stage) } })).id;

/** Of a vault of its own, which keeps only so many. */
const newExport = async (stage: Stage): Promise<string> =>
  `/v1/exports/${(await stage.tenant.client.exports.create(await newVault(stage))).id}`;

/** Asked for by a key of its own, because nobody approves what they asked for. */
const newRequest = async (stage: Stage): Promise<string> => {
  const { world, tenant, vault } = stage;
  const scopes = [{ actions: ['archive.request'], vaults: ['*'] }];
  const asker = await tenant.client.keys.create({ name: name(stage), scopes });
  const asked = await ask(world, {
    method: 'POST',
    path: '/v1/archive/requests',
    body: { vault, memories: [await newMemory(stage)], reason: 'a canary' },
    apiKey: asker.apiKey,
  });
  return String(asked.json?.['id']);
};

const POWERLESS = { scopes: [{ actions: ['backup.restore'], vaults: ['*'] }] };

const REQUESTS: Readonly<Record<string, (stage: Stage) => Promise<Request> | Request>> = {
  createVault: (stage) => ({ method: 'POST', path: '/v1/vaults', body: { name: name(stage) } }),
  listVaults: () => get('/v1/vaults'),
  getVault: (stage) => get(inVault(stage)),
  updateVault: (stage) => ({ method: 'PATCH', path: inVault(stage), body: { history: true } }),
  deleteVault: async (stage) => ({ method: 'DELETE', path: `/v1/vaults/${await newVault(stage)}` }),
  addMemories: (stage) => ({
    method: 'POST',
    path: inVault(stage, '/memories'),
    body: { text: 'a canary', expiresAt: canaryEnd(stage.world) },
  }),
  listMemories: (stage) => get(inVault(stage, '/memories')),
  listMemoriesByBody: (stage) => ({
    method: 'POST',
    path: inVault(stage, '/memories/list'),
    body: { limit: 5 },
  }),
  exportMemories: (stage) => get(inVault(stage, '/memories/export')),
  getMemory: async (stage) => get(await onMemory(stage)),
  updateMemory: async (stage) => ({
    method: 'PATCH',
    path: await onMemory(stage),
    body: { text: 'another' },
  }),
  deleteMemory: async (stage) => ({ method: 'DELETE', path: await onMemory(stage, '?mode=trash') }),
  restoreMemory: async (stage) => {
    const path = await onMemory(stage);
    await stage.tenant.client.memories.delete(stage.vault, path.split('/').at(-1) ?? '', { mode: 'trash' });
    return { method: 'POST', path: `${path}/restore` };
  },
  memoryHistory: async (stage) => get(await onMemory(stage, '/history')),
  searchMemories: (stage) => ({ method: 'POST', path: inVault(stage, '/search'), body: { query: 'canary' } }),
  getRetention: () => get('/v1/retention'),
  // A century: nothing that lies here ends by it.
  setRetention: () => ({ method: 'PUT', path: '/v1/retention', body: { memories: { days: 36_525 } } }),
  simulateRetention: () => ({ method: 'POST', path: '/v1/retention/simulate', body: {} }),
  getVaultRetention: (stage) => get(inVault(stage, '/retention')),
  setVaultRetention: (stage) => ({
    method: 'PUT',
    path: inVault(stage, '/retention'),
    body: { memories: { days: 36_525 } },
  }),
  simulateVaultRetention: (stage) => ({
    method: 'POST',
    path: inVault(stage, '/retention/simulate'),
    body: {},
  }),
  explainLog: () => get('/v1/retention/log'),
  explainEntry: () => get('/v1/ledger/entries/0/retention'),
  explainRetention: async (stage) => get(await onMemory(stage, '/retention')),
  placeHold: async (stage) => ({
    method: 'POST',
    path: '/v1/holds',
    body: { name: name(stage), target: { vault: await newVault(stage) } },
  }),
  listHolds: () => get('/v1/holds?limit=5'),
  getHold: async (stage) => get(`/v1/holds/${await newHold(stage)}`),
  listHeld: async (stage) => get(`/v1/holds/${await newHold(stage)}/memories`),
  releaseHold: async (stage) => ({ method: 'DELETE', path: `/v1/holds/${await newHold(stage)}` }),
  requestArchive: async (stage) => ({
    method: 'POST',
    path: '/v1/archive/requests',
    body: { vault: stage.vault, memories: [await newMemory(stage)], reason: 'a canary' },
  }),
  listArchiveRequests: () => get('/v1/archive/requests?limit=5'),
  getArchiveRequest: async (stage) => get(`/v1/archive/requests/${await newRequest(stage)}`),
  approveArchiveRequest: async (stage) => ({
    method: 'POST',
    path: `/v1/archive/requests/${await newRequest(stage)}/approve`,
  }),
  refuseArchiveRequest: async (stage) => ({
    method: 'DELETE',
    path: `/v1/archive/requests/${await newRequest(stage)}`,
  }),
  readArchiveCopy: async (stage) => {
    const { client } = stage.tenant;
    const id = await newRequest(stage);
    await client.retention.set({ archive: { waitHours: 0, copyHours: 1 } });
    await client.archive.approve(id);
    return get(`/v1/archive/requests/${id}/memories`);
  },
  createExport: async (stage) => ({
    method: 'POST',
    path: `/v1/vaults/${await newVault(stage)}/exports`,
    body: { expiresInDays: 1 },
  }),
  listExports: (stage) => get(inVault(stage, '/exports')),
  getExport: async (stage) => get(await newExport(stage)),
  readExport: async (stage) => get(`${await newExport(stage)}/memories`),
  deleteExport: async (stage) => ({ method: 'DELETE', path: await newExport(stage) }),
  approveMemory: async (stage) => ({ method: 'POST', path: `${await onReview(stage)}/approve` }),
  rejectMemory: async (stage) => ({ method: 'POST', path: `${await onReview(stage)}/reject` }),
  restoreVault: async (stage) => {
    const { client } = stage.tenant;
    const { id } = await client.vaults.create({ name: passing(stage), deletion: { days: 1 } });
    await client.vaults.delete(id);
    return { method: 'POST', path: `/v1/vaults/${id}/restore` };
  },
  requestErasure: async (stage) => ({
    method: 'POST',
    path: '/v1/erasures',
    body: { target: { memory: await newMemory(stage) }, reason: 'a canary' },
  }),
  listErasures: () => get('/v1/erasures?limit=5'),
  getErasure: async (stage) => get(`/v1/erasures/${await newErasure(stage)}`),
  // Taken back already, so that the reserved organization stays open; what is taken back once may be again.
  cancelErasure: async ({ tenant: { client, organization } }) => {
    // What a sweep put on hold keeps the organization as well.
    for await (const hold of client.holds.listAll())
      if (hold.state === 'active') await client.holds.release(hold.id);
    const { id } = await client.erasures.request({ target: { organization }, reason: 'a canary' });
    await client.erasures.cancel(id);
    return { method: 'POST', path: `/v1/erasures/${id}/cancel` };
  },
  getCertificate: async (stage) => get(`/v1/erasures/${await newErasure(stage)}/certificate`),
  erasureRecipients: async (stage) => get(`/v1/erasures/${await newErasure(stage)}/recipients`),
  certificateKey: () => get('/v1/certificate-key'),
  createKey: (stage) => ({ method: 'POST', path: '/v1/keys', body: { name: name(stage), ...POWERLESS } }),
  listKeys: () => get('/v1/keys'),
  rotateKey: async (stage) => ({ method: 'POST', path: `/v1/keys/${await newKey(stage)}/rotate` }),
  revokeKey: async (stage) => ({ method: 'DELETE', path: `/v1/keys/${await newKey(stage)}` }),
  listLedgerEntries: () => get('/v1/ledger?limit=5'),
  ledgerCheckpoint: () => get('/v1/ledger/checkpoint'),
  proveLedgerEntry: () => get('/v1/ledger/entries/0/proof'),
  ledgerKeys: () => get('/v1/ledger/keys'),
  proveLedgerConsistency: () => get('/v1/ledger/consistency?from=1'),
  exportLedger: () => get('/v1/ledger/export'),
  listRotations: () => get('/v1/rotations'),
  // Replaces nothing: the keys are not the reserved organization's.
  runRotation: () => ({ method: 'POST', path: '/v1/rotations', body: { keys: [] } }),
  // Runs nothing: it shows how the claims stand.
  runVerification: () => ({ method: 'POST', path: '/v1/verifications', body: { claims: [] } }),
  createBackup: () => ({ method: 'POST', path: '/v1/backups', body: { kind: 'log' } }),
  listBackups: () => get('/v1/backups?limit=5'),
  backupStatus: () => get('/v1/backups/status'),
  runDrill: () => ({ method: 'POST', path: '/v1/drills' }),
  listDrills: () => get('/v1/drills?limit=5'),
  // Only counts.
  rewindVault: async (stage) => {
    if (stage.world.backsUp) await stage.tenant.client.backups.create({ kind: 'log' });
    return { method: 'POST', path: inVault(stage, '/rewind'), body: {} };
  },
  listRewinds: (stage) => get(inVault(stage, '/rewinds?limit=5')),
};

/** A request for the route that its owner would be granted; null for a route that nobody thought of here. */
export async function requestFor(route: Pick<Route, 'name'>, stage: Stage): Promise<Request | null> {
  const make = REQUESTS[route.name];
  return make === undefined ? null : make(stage);
}
