/**
 * The worlds that checks look at: this very server, through its routes and in organizations reserved for canaries, and a
 * scratch instance of the same build and configuration in a folder of its own, which a sabotage may break.
 *
 * A scratch instance differs where it must: it listens on a loopback port that the system chooses, its store is SQLite
 * and its keystore lies in its own folder, so that no check ever touches what belongs to somebody.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Strongroom as Client } from '@strongroom/client';
import type { FastifyInstance } from 'fastify';
import { Assurance } from './assurance/assurance.ts';
import type { Values } from './assurance/check.ts';
import { CHECKS } from './assurance/checks.ts';
import { withParameters } from './assurance/claim.ts';
import { INJECTED_ADDRESS, INJECTED_URL, injectFetch } from './assurance/inject-fetch.ts';
import { logHeads } from './assurance/log-heads.ts';
import { LogTap } from './assurance/log-tap.ts';
import { clear, reserve } from './assurance/reserved.ts';
import { makeScratchFolder, removeScratchFolder, SCRATCH_DATA } from './assurance/scratch-folder.ts';
import { countStrangers } from './assurance/strangers.ts';
import { CLAIMS } from './assurance/table/claims.ts';
import type {
  Listener,
  LiveWorld,
  OpenLive,
  OpenScratch,
  Recovery,
  Sabotaged,
  ScratchWorld,
  Tenant,
  World,
} from './assurance/world.ts';
import { writtenFiles } from './assurance/written-files.ts';
import { keystorePlaces, type Settings } from './config.ts';
import type { Environment, FaultPoint } from './environment.ts';
import { StrongroomError } from './errors.ts';
import { listen } from './http/listener.ts';
import type { HttpParts } from './http/parts.ts';
import { LogFiles } from './http/log-files.ts';
import { createLog, silentLog } from './http/request-log.ts';
import { buildServer, routesOf } from './http/server.ts';
import { ensureLocalTls, type LocalTls } from './http/tls.ts';
import { httpParts } from './http-parts.ts';
import { initialise } from './initialise.ts';
import { returnTombstones } from './lifecycle/tombstone-return.ts';
import { dropDeadRows } from './recovery/dead-rows.ts';
import { layOut } from './recovery/lay-out.ts';
import { openStore } from './store/open-store.ts';
import type { Store } from './store/store.ts';
import { deploymentName } from './composition/base.ts';
import { openStrongroom, type Strongroom, type Substitutes } from './strongroom.ts';

/** What verification needs of the composition root; the server itself exists only later. */
export interface Assured {
  readonly open: Strongroom;
  readonly settings: Settings;
  readonly environment: Environment;
  readonly version: string;
  readonly openLive: OpenLive;
  readonly openScratch: OpenScratch;
}

export function assuranceOf({
  open,
  settings,
  environment,
  version,
  openLive,
  openScratch,
}: Assured): Assurance {
  const tls = settings.tls === 'on' ? `tls${settings.tlsMinimum}` : 'plain';
  return new Assurance({
    // The named exception is a parameter of the claim, and its floor bounds it.
    claims: CLAIMS.map((claim) => {
      const values = configured(settings)[claim.id];
      return values === undefined ? claim : withParameters(claim, values);
    }),
    checks: CHECKS,
    openLive,
    openScratch,
    access: open.access,
    recorder: open.recorder,
    store: open.store,
    ledger: open.ledger,
    clock: environment.clock,
    newId: open.newId,
    deployment: deploymentName(open.keyring.deployment),
    build: `strongroom-${version}+${open.store.engine}.${tls}.rate-${settings.rateLimit}`,
  });
}

const configured = (settings: Settings): Readonly<Partial<Record<string, Values>>> => ({
  'CRY-03': { version: Number(settings.tlsMinimum) },
  'CRY-04': { ledgerDays: settings.rotateLedgerDays, serviceDays: settings.rotateServiceDays },
});

/** What serves: the parts that are open, and the server over them. */
export interface Served {
  readonly open: Strongroom;
  readonly parts: HttpParts;
  readonly app: FastifyInstance;
  readonly directory: string;
  readonly settings: Settings;
  readonly environment: Environment;
  readonly tap: LogTap;
  readonly listener: Listener | null;
}

/** This server, seen by a client of the reserved organizations. */
export const liveWorlds =
  (served: () => Served): OpenLive =>
  (purpose) => {
    const { world, end } = worldOf(served(), purpose);
    return Promise.resolve({ ...world, place: 'live', insides: null, close: end } satisfies LiveWorld);
  };

export interface ScratchOptions {
  readonly settings: Settings;
  readonly environment: Environment;
  readonly version: string;
}

export const scratchWorlds =
  (options: ScratchOptions): OpenScratch =>
  async (change) => {
    const folder = await makeScratchFolder(options.environment.clock.now());
    try {
      return await openScratch(folder, options, change);
    } catch (error) {
      await removeScratchFolder(folder);
      throw error;
    }
  };

async function openScratch(
  folder: string,
  { settings: own, environment: real, version }: ScratchOptions,
  change: Sabotaged,
): Promise<ScratchWorld> {
  const directory = join(folder, SCRATCH_DATA);
  const settings = scratchSettings(own);
  let isLedgerBroken = false;
  const fault: FaultPoint = (name) => {
    if (isLedgerBroken && name.startsWith('ledger.'))
      throw new RangeError('no space left, as far as a check is concerned');
    real.fault(name);
  };
  let aheadMs = 0;
  const clock = { now: () => real.clock.now() + aheadMs };
  const turnClock = (ms: number): void => {
    aheadMs += ms;
  };
  const environment: Environment = { ...real, clock, fault };
  const breakLedger = (isBroken: boolean): void => {
    isLedgerBroken = isBroken;
  };
  // As it is configured: files of its own, or nothing that is kept.
  const logFiles =
    settings.logFolder === undefined
      ? null
      : new LogFiles({ folder: join(directory, 'logs'), days: settings.logDays, clock });
  const tap = new LogTap(logFiles === null ? silentLog : createLog('info', logFiles));
  const onFatal = (error: unknown): void => tap.error({ code: 'fatal' }, String(error));
  const substitutes = substitutesIn(change);
  const opening = { directory, settings, environment, log: tap, onFatal };
  await initialise({ ...opening, environment: real });
  const open = await openStrongroom({
    ...opening,
    environment: { ...environment, clock: change.clock?.(clock) ?? clock },
    substitutes,
  });
  try {
    const noWorld = () =>
      Promise.reject(new StrongroomError('internal', 'a scratch instance makes no other'));
    const assurance = assuranceOf({
      open,
      settings,
      environment,
      version,
      openLive: noWorld,
      openScratch: noWorld,
    });
    const { store, keyring } = open;
    const sweep = async (): Promise<void> => {
      logFiles?.prune();
      await open.lifecycle.run();
      await open.erasures.settled();
    };
    const within = { store, keyring, directory, log: (text: string) => tap.info({ text }, 'request') };
    const whole = httpParts(open, tap, assurance);
    const parts = change.parts?.(whole, within) ?? whole;
    const tls = settings.tls === 'on' ? await ensureLocalTls(join(directory, 'tls'), [], real) : null;
    const app = buildServer(parts, {
      environment,
      log: tap,
      host: settings.host,
      tls,
      tlsMinimum: change.tlsMinimum ?? settings.tlsMinimum,
      rateLimit: change.rateLimit ?? settings.rateLimit,
      requirePurpose: settings.requirePurpose === 'on',
      version,
    });
    change.app?.(app);
    const listener = listenerOf(settings.host, await listen(app, settings.host, 0), tls);
    const served = { open, parts, app, directory, settings, environment, tap, listener };
    const { world, end } = worldOf(served, 'verification on a scratch instance');
    const recovery = recoveryOf(open, join(folder, 'restored'), environment);
    const { rotations } = open;
    const insides = { store, keyring, breakLedger, turnClock, recovery, sweep, rotations };
    const close = async (): Promise<void> => {
      await end().catch(() => undefined);
      await app.close();
      // A sabotaged instance may not be able to close in order, and nothing of it is kept.
      await open.close().catch(() => undefined);
      logFiles?.close();
      await removeScratchFolder(folder);
    };
    return { ...world, place: 'scratch', insides, close };
  } catch (error) {
    await open.close().catch(() => undefined);
    throw error;
  }
}

function substitutesIn(change: Sabotaged): Substitutes {
  const { sealer, ledger, backups, cipher, guard, retention, scheduler, rotation, destruction } = change;
  return {
    ...(sealer === undefined ? {} : { sealer }),
    ...(ledger === undefined ? {} : { ledger }),
    ...(backups === undefined ? {} : { backups }),
    ...(cipher === undefined ? {} : { cipher }),
    ...(guard === undefined ? {} : { guard }),
    ...(retention === undefined ? {} : { retention }),
    ...(destruction === undefined ? {} : { destruction }),
    ...(scheduler === undefined ? {} : { scheduler }),
    ...(rotation === undefined ? {} : { rotation }),
  };
}

const recoveryOf = (open: Strongroom, folder: string, environment: Environment): Recovery => ({
  backups: open.backups,
  drills: open.drills,
  tend: async () => {
    await open.backups.tick();
    await open.backups.expire();
  },
  restored: (work) =>
    laidOutIn(open, folder, environment, async (store) => {
      const { keyring, newId } = open;
      const now = environment.clock.now();
      await returnTombstones({ store, keyring, newId, now });
      await dropDeadRows({ store, keyring, now });
      return work(store);
    }),
  laidOut: (work) => laidOutIn(open, folder, environment, work),
});

async function laidOutIn<T>(
  { backups, keyring }: Strongroom,
  directory: string,
  environment: Environment,
  work: (store: Store) => Promise<T>,
): Promise<T> {
  const [place] = backups.places;
  if (place === undefined) throw new StrongroomError('not_found', 'there is no place for backups');
  const target = { engine: 'sqlite', directory } as const;
  const { fault } = environment;
  await mkdir(directory, { recursive: true });
  try {
    await layOut({
      place: place.blobs,
      keys: keyring,
      target,
      replaces: null,
      blobs: null,
      witnessed: keyring.witnessedBackup,
      at: null,
      skipDamaged: false,
      fault,
      onProgress: () => undefined,
    });
    const store = await openStore(target, environment, () => undefined);
    try {
      return await work(store);
    } finally {
      await store.close();
    }
  } finally {
    await removeScratchFolder(directory);
  }
}

/** What must be its own is; the rest is as it is configured. */
const scratchSettings = ({
  databaseOwner: _owner,
  tlsCertificate: _certificate,
  tlsKey: _key,
  embedderUrl: _url,
  embedderModel: _model,
  embedderDimensions: _dimensions,
  embedderApiKey: _apiKey,
  embedderCa: _authority,
  ...settings
}: Settings): Settings => ({
  ...settings,
  host: '127.0.0.1',
  port: 0,
  database: 'sqlite',
  keystores: [],
  backups: ['first=backups', 'second=backups-copy'],
  backupLocations: ['first', 'second'],
  searchWorkers: 1,
  // What checks write is sent to nobody.
  embedder: 'none',
  embedderNetwork: 'public',
});

export const listenerOf = (
  host: string,
  port: number,
  tls: Pick<LocalTls, 'authority'> | null,
): Listener => ({
  host,
  port,
  isSecure: tls !== null,
  ca: tls?.authority ?? null,
});

/** A world over what serves, and how it ends: its canaries are taken away and its keys revoked. */
function worldOf(served: Served, purpose: string) {
  const { open, parts, app, directory, settings, environment, tap, listener } = served;
  const heard = tap.listen();
  const tenants = new Map<number, Promise<Tenant>>();
  const fetch = injectFetch(app);
  const keystores = keystorePlaces(settings, directory).map(({ folder }) => folder);
  const folders = [directory, ...keystores.filter((folder) => !folder.startsWith(`${directory}/`))];
  const makeTenant = async (number: number): Promise<Tenant> => {
    const reserved = await reserve(open, number, purpose);
    const { apiKey } = reserved;
    const client = new Client({ url: INJECTED_URL, apiKey, fetch, purpose, retries: 0, timeoutMs: 60_000 });
    const tenant = { ...reserved, client };
    // What a verification left behind that was interrupted.
    await clear(tenant);
    return tenant;
  };
  const world: Omit<World, 'place' | 'insides'> = {
    engine: open.store.engine,
    url: INJECTED_URL,
    fetch,
    routes: routesOf(parts),
    registered: [...app.registered].flatMap(([path, methods]) =>
      [...methods].map((method) => `${method} ${path}`),
    ),
    purpose,
    logHeads: () => logHeads(open),
    countStrangers: () => countStrangers(open, INJECTED_ADDRESS),
    listener,
    clock: environment.clock,
    random: environment.random,
    tenant: (number) => {
      const known = tenants.get(number) ?? makeTenant(number);
      tenants.set(number, known);
      return known;
    },
    backsUp: open.backups.isOn,
    flush: () => open.indexes.saveAll(),
    written: (sinceMs, overlap) => writtenFiles(folders, sinceMs, overlap),
    logged: () => heard.lines,
  };
  const end = async (): Promise<void> => {
    heard.end();
    for (const made of tenants.values()) {
      const tenant = await made;
      await clear(tenant);
      await tenant.client.keys.revoke(tenant.keyId);
    }
  };
  return { world, forget: () => heard.end(), end };
}
