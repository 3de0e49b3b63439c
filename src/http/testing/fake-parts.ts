/** Parts for the server's tests: they note every call and answer the least that is right. */
import assert from 'node:assert/strict';
import type {
  ArchiveRequest,
  Backup,
  Drill,
  EntryRetention,
  LogRetention,
  Erasure,
  Export,
  Rewind,
  Hold,
  Key,
  Memory,
  NewKey,
  Problem,
  RetentionExplanation,
  RetentionPolicyView,
  Vault,
  Verification,
} from '@strongroom/client';
import { ERRORS, isErrorCode, StrongroomError } from '../../errors.ts';
import { createIdSource } from '../../ids.ts';
import { realEnvironment, type Environment } from '../../environment.ts';
import { LIMITS } from '../../limits.ts';
import type {
  AnonymousRefusal,
  Deed,
  HttpParts,
  IdempotencyAnswer,
  Principal,
  RequestContext,
} from '../parts.ts';
import { buildServer, type HttpOptions } from '../server.ts';
import { silentLog } from '../request-log.ts';

const newId = createIdSource(realEnvironment.clock, realEnvironment.random);

export const GOOD_KEY = 'sr_test_good';
export const OTHER_KEY = 'sr_test_other';
export const VAULT_ID = newId('vault');
export const MEMORY_ID = newId('memory');
export const KEY_ID = newId('key');
export const REQUEST_ID = newId('archiveRequest');
export const HOLD_ID = newId('hold');
/** Ids of another organization's things: well-formed, and not there for the caller. */
export const FOREIGN_VAULT = newId('vault');
export const FOREIGN_MEMORY = newId('memory');

const AT = '2026-05-07T10:00:00.000Z';

export const memory: Memory = {
  id: MEMORY_ID,
  text: 'the cat sat',
  visibility: 'vault',
  version: 3,
  createdAt: AT,
  updatedAt: AT,
};
export const vault: Vault = {
  id: VAULT_ID,
  name: 'default',
  project: newId('project'),
  dimensions: null,
  metric: 'cosine',
  deletion: { mode: 'trash', days: 30 },
  history: false,
  tombstones: 'off',
  environment: 'production',
  language: 'auto',
  weights: { text: 1, vector: 1 },
  embedder: null,
  version: 2,
  createdAt: AT,
  updatedAt: AT,
};
const key: Key = {
  id: KEY_ID,
  name: 'ci',
  environment: 'production',
  scopes: [{ actions: ['*'], vaults: ['*'] }],
  networks: [],
  state: 'active',
  createdAt: AT,
};
const NO_CLASS = { days: null, archiveAfterDays: null, minimumDays: null };
const retentionPolicy: RetentionPolicyView = {
  memories: NO_CLASS,
  conversations: NO_CLASS,
  kinds: [],
  archive: { waitHours: 12, copyHours: 72 },
  capDays: null,
  logs: { ledgerYears: 7, securityMonths: 12, applicationDays: null },
  version: 1,
};
const LOG_RETENTION: LogRetention = { class: 'application', days: null, at: AT, file: null, endsAt: null };
const ENTRY_RETENTION: EntryRetention = {
  entry: 7,
  class: 'ledger',
  at: AT,
  keptUntil: AT,
  endsAt: AT,
  details: 'none',
};
const explanation: RetentionExplanation = {
  memory: MEMORY_ID,
  state: 'live',
  rule: 'none',
  endsAt: null,
  hiddenAt: null,
  archivesAt: null,
  considered: [],
  trash: [],
  holds: [],
};
const hold: Hold = {
  id: HOLD_ID,
  name: 'a case',
  kind: 'vault',
  target: { vault: VAULT_ID },
  state: 'active',
  placedBy: KEY_ID,
  createdAt: AT,
};
const archiveRequest: ArchiveRequest = {
  id: REQUEST_ID,
  vault: VAULT_ID,
  memories: [MEMORY_ID],
  reason: 'a question',
  state: 'requested',
  requestedBy: KEY_ID,
  requestedAt: AT,
};
export const EXPORT_ID = newId('export');
const keptExport: Export = {
  id: EXPORT_ID,
  vault: VAULT_ID,
  state: 'ready',
  memories: 1,
  sizeBytes: 1,
  madeBy: KEY_ID,
  createdAt: AT,
  expiresAt: AT,
};
export const ERASURE_ID = newId('erasure');
const erasure: Erasure = {
  id: ERASURE_ID,
  kind: 'vault',
  state: 'destroyed',
  target: VAULT_ID,
  vault: VAULT_ID,
  cause: 'request',
  requestedBy: KEY_ID,
  requestedAt: AT,
  removed: 0,
  keys: 1,
};
const newKey: NewKey = { ...key, apiKey: 'sr_test_secret' };

const VERIFICATION: Verification = {
  id: newId('verification'),
  deployment: 'strongroom/00',
  build: 'strongroom-0.0.0',
  startedAt: AT,
  finishedAt: AT,
  ran: [],
  results: [],
  evidence: { digests: {}, digest: '00', n: 0, leaf: 'e30=', proof: 'a proof', verifierKey: 'key' },
};

const BACKUP: Backup = {
  id: newId('backup'),
  kind: 'full',
  takenAt: AT,
  finishedAt: AT,
  sizeBytes: 1,
  rows: 1,
  copies: 1,
  manifest: '00',
};
const REWIND: Rewind = {
  id: newId('rewind'),
  vault: VAULT_ID,
  state: 'done',
  backup: newId('backup'),
  at: AT,
  plannedAt: AT,
  startedAt: AT,
  finishedAt: AT,
  undoAt: AT,
  counts: {
    unchanged: 1,
    returned: 0,
    changed: 0,
    missing: 0,
    newer: 0,
    kept: 0,
    gone: 0,
    over: 0,
    left: 0,
  },
};

const DRILL: Drill = {
  id: newId('drill'),
  backup: BACKUP.id,
  state: 'passed',
  startedAt: AT,
  recoverySeconds: 1,
  lossSeconds: 1,
  rows: 1,
  opened: 1,
  faultCount: 0,
  faults: [],
};
const BACKUP_STATUS = {
  backups: 1,
  oldestAt: AT,
  fullAt: AT,
  incrementalAt: AT,
  recoverableAt: AT,
  lossSeconds: 1,
  places: [{ location: null, allowed: true, reachable: true, newestAt: AT, missing: 0 }],
  drill: DRILL,
};

export interface Fake {
  readonly parts: HttpParts;
  /** Names of the capabilities' functions, in the order called. */
  readonly calls: { name: string; context: RequestContext; input: readonly unknown[] }[];
  readonly deeds: { context: RequestContext; deed: Deed }[];
  readonly refusals: AnonymousRefusal[];
  /** Whether the capabilities record by themselves, as the real ones do. */
  recordsItself: boolean;
  /** Whether the ledger can be written to. */
  ledgerWorks: boolean;
  /** Thrown by the next call of a capability. */
  failure: Error | null;
  authentications: number;
}

export function fakeParts(): Fake {
  const fake: Fake = {
    parts: {} as HttpParts,
    calls: [],
    deeds: [],
    refusals: [],
    recordsItself: true,
    ledgerWorks: true,
    failure: null,
    authentications: 0,
  };
  const did = async <T>(
    name: string,
    context: RequestContext,
    input: readonly unknown[],
    result: T,
  ): Promise<T> => {
    fake.calls.push({ name, context, input });
    await Promise.resolve();
    if (fake.failure !== null) throw fake.failure;
    context.recorded = fake.recordsItself;
    return result;
  };
  const parts: HttpParts = {
    access: fakeAccess(fake, did),
    vaults: {
      createVault: (context, ...input) => did('createVault', context, input, vault),
      listVaults: (context, ...input) => did('listVaults', context, input, { vaults: [vault], next: null }),
      getVault: (context, ...input) => did('getVault', context, input, vault),
      updateVault: (context, ...input) => did('updateVault', context, input, vault),
      deleteVault: (context, ...input) => did('deleteVault', context, input, 'done' as const),
      restoreVault: (context, ...input) => did('restoreVault', context, input, vault),
    },
    memories: fakeMemories(did),
    retention: {
      getRetention: (context, ...input) => did('getRetention', context, input, retentionPolicy),
      setRetention: (context, ...input) => did('setRetention', context, input, retentionPolicy),
      simulateRetention: (context, ...input) =>
        did('simulateRetention', context, input, { removes: [], keeps: [], archives: [], looked: 0 }),
      explainRetention: (context, ...input) => did('explainRetention', context, input, explanation),
      explainEntry: (context, ...input) => did('explainEntry', context, input, ENTRY_RETENTION),
      explainLog: (context, ...input) => did('explainLog', context, input, LOG_RETENTION),
    },
    holds: {
      placeHold: (context, ...input) => did('placeHold', context, input, hold),
      listHolds: (context, ...input) => did('listHolds', context, input, { holds: [hold], next: null }),
      getHold: (context, ...input) => did('getHold', context, input, hold),
      releaseHold: (context, ...input) => did('releaseHold', context, input, undefined),
      listHeld: (context, ...input) => did('listHeld', context, input, { memories: [memory], next: null }),
    },
    archive: {
      requestArchive: (context, ...input) => did('requestArchive', context, input, archiveRequest),
      listRequests: (context, ...input) =>
        did('listRequests', context, input, { requests: [archiveRequest], next: null }),
      getRequest: (context, ...input) => did('getRequest', context, input, archiveRequest),
      approveRequest: (context, ...input) => did('approveRequest', context, input, archiveRequest),
      refuseRequest: (context, ...input) => did('refuseRequest', context, input, undefined),
      readRequest: (context, ...input) =>
        did('readRequest', context, input, { memories: [memory], next: null }),
    },
    exports: fakeExports(did),
    erasures: {
      request: (context, ...input) => did('requestErasure', context, input, erasure),
      list: (context, ...input) => did('listErasures', context, input, { erasures: [erasure], next: null }),
      get: (context, ...input) => did('getErasure', context, input, erasure),
      cancel: (context, ...input) => did('cancelErasure', context, input, erasure),
      recipients: (context, ...input) =>
        did('erasureRecipients', context, input, { recipients: [], exports: [] }),
      certificate: (context, ...input) =>
        did('getCertificate', context, input, { certificate: 'signed', verifierKey: 'key' }),
      certificateKey: (context, ...input) =>
        did('certificateKey', context, input, { verifierKey: 'key', keys: [] }),
    },
    ledger: fakeLedger(did),
    rotations: fakeRotations(did),
    verifications: {
      async *verify(context, ...input) {
        yield { type: 'verification', verification: await did('verify', context, input, VERIFICATION) };
      },
    },
    backups: {
      createBackup: (context, ...input) => did('createBackup', context, input, BACKUP),
      listBackups: (context, ...input) =>
        did('listBackups', context, input, { backups: [BACKUP], next: null }),
      backupStatus: (context, ...input) => did('backupStatus', context, input, BACKUP_STATUS),
      runDrill: (context, ...input) => did('runDrill', context, input, DRILL),
      listDrills: (context, ...input) => did('listDrills', context, input, { drills: [DRILL] }),
      rewindVault: (context, ...input) => did('rewindVault', context, input, REWIND),
      listRewinds: (context, ...input) => did('listRewinds', context, input, { rewinds: [REWIND] }),
    },
    health: {
      live: () => Promise.resolve([{ name: 'process', ok: true }]),
      ready: () => Promise.resolve([{ name: 'ledger', ok: fake.ledgerWorks, detail: 'last entry written' }]),
      gauges: () =>
        Promise.resolve([
          { name: 'strongroom_open_vaults', help: 'Vaults whose index is in memory.', value: 1 },
        ]),
    },
    records: {
      record: (context, deed) => {
        if (!fake.ledgerWorks) return Promise.reject(new Error('disk full'));
        fake.deeds.push({ context, deed });
        context.recorded = true;
        return Promise.resolve();
      },
      countAnonymous: (refusal) => void fake.refusals.push(refusal),
    },
    idempotency: fakeIdempotency(),
  };
  Object.assign(fake.parts, parts);
  return fake;
}

type Did = <T>(name: string, context: RequestContext, input: readonly unknown[], result: T) => Promise<T>;

function fakeAccess(fake: Fake, did: Did): HttpParts['access'] {
  const principal: Principal = {
    id: KEY_ID,
    organization: newId('organization'),
    environment: 'production',
    scope: [],
    grants: [{ actions: ['*'], vaults: ['*'] }],
    networks: [],
    expiresAt: null,
  };
  const other: Principal = { ...principal, id: newId('key') };
  return {
    authenticate: (apiKey) => {
      fake.authentications++;
      if (apiKey.reveal() === GOOD_KEY) return Promise.resolve(principal);
      if (apiKey.reveal() === OTHER_KEY) return Promise.resolve(other);
      return Promise.reject(
        new StrongroomError(apiKey.reveal() === 'sr_test_old' ? 'auth.expired' : 'auth.invalid'),
      );
    },
    authorize: (_, action, name) => {
      if (name === FOREIGN_VAULT || name === 'absent')
        return Promise.reject(new StrongroomError('not_found', `no vault ${name}`));
      if (name === 'closed')
        return Promise.reject(new StrongroomError('access.refused', `${action} is not granted`));
      return Promise.resolve();
    },
    createKey: (context, ...input) => did('createKey', context, input, newKey),
    listKeys: (context, ...input) => did('listKeys', context, input, { keys: [key], next: null }),
    rotateKey: (context, ...input) => did('rotateKey', context, input, newKey),
    revokeKey: (context, ...input) => did('revokeKey', context, input, undefined),
  };
}

function fakeMemories(did: Did): HttpParts['memories'] {
  return {
    addMemory: (context, ...input) => did('addMemory', context, input, memory),
    approveMemory: (context, ...input) => did('approveMemory', context, input, memory),
    rejectMemory: (context, ...input) => did('rejectMemory', context, input, 'done' as const),
    addMemories: (context, ...input) => did('addMemories', context, input, { memories: [{ id: MEMORY_ID }] }),
    listMemories: (context, ...input) =>
      did('listMemories', context, input, { memories: [memory], next: null }),
    getMemory: async (context, place, query) => {
      const found = await did('getMemory', context, [place, query], memory);
      if (place.memory !== MEMORY_ID) throw new StrongroomError('not_found', `no memory ${place.memory}`);
      return found;
    },
    updateMemory: (context, ...input) => did('updateMemory', context, input, memory),
    deleteMemory: (context, ...input) => did('deleteMemory', context, input, 'done' as const),
    restoreMemory: (context, ...input) => did('restoreMemory', context, input, memory),
    memoryHistory: (context, ...input) =>
      did('memoryHistory', context, input, { versions: [{ ...memory, author: KEY_ID }] }),
    async *exportMemories(context, ...input) {
      await did('exportMemories', context, input, null);
      for (let index = 0; index < 3; index++) yield memory;
    },
    searchMemories: (context, ...input) =>
      did('searchMemories', context, input, { results: [{ ...memory, score: 0.5 }] }),
  };
}

function fakeExports(did: Did): HttpParts['exports'] {
  return {
    createExport: (context, ...input) => did('createExport', context, input, keptExport),
    listExports: (context, ...input) =>
      did('listExports', context, input, { exports: [keptExport], next: null }),
    getExport: (context, ...input) => did('getExport', context, input, keptExport),
    async *readExport(context, ...input) {
      await did('readExport', context, input, null);
      yield memory;
    },
    deleteExport: (context, ...input) => did('deleteExport', context, input, undefined),
  };
}

function fakeLedger(did: Did): HttpParts['ledger'] {
  return {
    listEntries: (context, ...input) => did('listEntries', context, input, { entries: [], next: null }),
    checkpoint: (context) =>
      did('checkpoint', context, [], {
        log: 'org',
        size: 1,
        rootHash: '00',
        note: 'note',
        verifierKey: 'key',
      }),
    verifierKeys: (context) => did('verifierKeys', context, [], { log: 'org', keys: [] }),
    proof: (context, n, size) =>
      did('proof', context, [n, size], { n, size: 1, leafHash: '00', rootHash: '00', path: [], proof: '' }),
    consistency: (context, from, size) =>
      did('consistency', context, [from, size], {
        from,
        size: 1,
        fromRootHash: '00',
        rootHash: '00',
        path: [],
        proof: '',
      }),
    async *exportLedger(context) {
      await did('exportLedger', context, [], null);
      yield '{"n":0}\n';
      yield '{"n":1}\n';
    },
  };
}

function fakeRotations(did: Did): HttpParts['rotations'] {
  return {
    listRotations: (context) => did('listRotations', context, [], { keys: [] }),
    runRotation: (context, input) => did('runRotation', context, [input], { rotations: [] }),
  };
}

function fakeIdempotency(): HttpParts['idempotency'] {
  const kept = new Map<string, { fingerprint: string; answer: IdempotencyAnswer | null }>();
  return {
    begin: (context, key, fingerprint) => {
      const name = `${context.principal.id} ${key}`;
      const print = Buffer.from(fingerprint).toString('hex');
      const held = kept.get(name);
      if (held !== undefined) {
        if (held.fingerprint !== print || held.answer === null)
          return Promise.reject(new StrongroomError('idempotency.conflict'));
        return Promise.resolve(held.answer);
      }
      kept.set(name, { fingerprint: print, answer: null });
      const claim = {
        complete: (response: {
          status: number;
          headers: Readonly<Record<string, string>>;
          body: string | null;
        }) => {
          kept.set(name, { fingerprint: print, answer: { kind: 'replay', response } });
          return Promise.resolve();
        },
        abandon: () => {
          kept.delete(name);
          return Promise.resolve();
        },
      };
      return Promise.resolve({ kind: 'proceed', claim });
    },
  };
}

/** A server over fakes, its clock in the test's hands. */
export function fakeServer(changes: Partial<HttpOptions> = {}) {
  const fake = fakeParts();
  const clock = { ms: 1_800_000_000_000 };
  const environment: Environment = { ...realEnvironment, clock: { now: () => clock.ms } };
  const app = buildServer(fake.parts, {
    environment,
    log: silentLog,
    host: '127.0.0.1',
    tls: null,
    tlsMinimum: '1.3',
    rateLimit: 'off',
    requirePurpose: false,
    version: '0.0.0',
    ...changes,
  });
  return { app, fake, clock };
}

export const asGood = { authorization: `Bearer ${GOOD_KEY}` } as const;

/** A memory of so many kilobytes of vector, for measurements. */
export const vectorOf = (length: number): number[] =>
  Array.from({ length: Math.min(length, LIMITS.dimensionsMax) }, (_, index) =>
    Math.fround(Math.sin(index + 1)),
  );

/** The problem document of an answer, after checking that it is one. */
export function problemIn(response: {
  statusCode: number;
  headers: Record<string, unknown>;
  body: string;
}): Problem {
  assert.match(String(response.headers['content-type']), /^application\/problem\+json/);
  const problem = JSON.parse(response.body) as Problem;
  assert.ok(isErrorCode(problem.code), `unknown code ${problem.code}`);
  assert.equal(problem.status, response.statusCode);
  assert.equal(ERRORS[problem.code].status, response.statusCode);
  return problem;
}
