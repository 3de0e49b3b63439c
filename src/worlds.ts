/**
 * The worlds that checks look at: this very server, through its routes and in organizations reserved for canaries, and a
 * scratch instance of the same build and configuration in a folder of its own, which a sabotage may break.
 *
 * A scratch instance differs where it must: it listens on a loopback port that the system chooses, its store is SQLite
 * and its keystore lies in its own folder, so that no check ever touches what belongs to somebody.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Strongroom as Client } from '@strongroom/client';
import type { FastifyInstance } from 'fastify';
import { Assurance } from './assurance/assurance.ts';
import { CHECKS } from './assurance/checks.ts';
import { withParameters } from './assurance/claim.ts';
import { INJECTED_URL, injectFetch } from './assurance/inject-fetch.ts';
import { LogTap } from './assurance/log-tap.ts';
import { CLAIMS } from './assurance/table/claims.ts';
import type {
  Listener,
  LiveWorld,
  OpenLive,
  OpenScratch,
  Sabotaged,
  ScratchWorld,
  Tenant,
  World,
} from './assurance/world.ts';
import { writtenFiles } from './assurance/written-files.ts';
import { decodeUtf8, encodeUtf8 } from './bytes/encoding.ts';
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
import type { OrganizationId } from './ids.ts';
import { SYSTEM } from './store/store.ts';
import { deploymentName, openStrongroom, type Strongroom, type Substitutes } from './strongroom.ts';

/** What verification needs of the composition root; the server itself exists only later. */
export interface Assured {
  readonly open: Strongroom;
  readonly settings: Settings;
  readonly environment: Environment;
  readonly version: string;
  readonly openLive: OpenLive;
  readonly openScratch: OpenScratch;
}

const RESERVED_NAME = 'canary';
const RESERVED_MARK = 'canary/';
/** A check reads the whole log of a reserved organization; one that has grown longer is given up for a new one. */
const RESERVED_ENTRIES_MAX = 20_000;

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
    claims: CLAIMS.map((claim) =>
      claim.id === 'CRY-03' ? withParameters(claim, { version: Number(settings.tlsMinimum) }) : claim,
    ),
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
    const folder = await mkdtemp(join(tmpdir(), 'strongroom-scratch-'));
    try {
      return await openScratch(folder, options, change);
    } catch (error) {
      await removed(folder);
      throw error;
    }
  };

async function openScratch(
  folder: string,
  { settings: own, environment: real, version }: ScratchOptions,
  change: Sabotaged,
): Promise<ScratchWorld> {
  const directory = join(folder, 'data');
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
  const open = await openStrongroom({ ...opening, substitutes });
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
      await open.scheduler.run();
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
    const insides = { store, keyring, breakLedger, turnClock, sweep };
    const close = async (): Promise<void> => {
      await end().catch(() => undefined);
      await app.close();
      // A sabotaged instance may not be able to close in order, and nothing of it is kept.
      await open.close().catch(() => undefined);
      logFiles?.close();
      await removed(folder);
    };
    return { ...world, place: 'scratch', insides, close };
  } catch (error) {
    await open.close().catch(() => undefined);
    throw error;
  }
}

function substitutesIn({ sealer, ledger, cipher, guard, retention, scheduler }: Sabotaged): Substitutes {
  return {
    ...(sealer === undefined ? {} : { sealer }),
    ...(ledger === undefined ? {} : { ledger }),
    ...(cipher === undefined ? {} : { cipher }),
    ...(guard === undefined ? {} : { guard }),
    ...(retention === undefined ? {} : { retention }),
    ...(scheduler === undefined ? {} : { scheduler }),
  };
}

/** What must be its own is; the rest is as it is configured. */
const scratchSettings = ({
  databaseOwner: _owner,
  tlsCertificate: _certificate,
  tlsKey: _key,
  ...settings
}: Settings): Settings => ({
  ...settings,
  host: '127.0.0.1',
  port: 0,
  database: 'sqlite',
  keystores: [],
  searchWorkers: 1,
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

const removed = (folder: string): Promise<void> =>
  rm(folder, { recursive: true, force: true, maxRetries: 3 });

/** A world over what serves, and how it ends: the reserved keys that it made are revoked. */
function worldOf(served: Served, purpose: string) {
  const { open, parts, app, directory, settings, environment, tap, listener } = served;
  const heard = tap.listen();
  const tenants = new Map<number, Promise<Tenant>>();
  const fetch = injectFetch(app);
  const keystores = keystorePlaces(settings, directory).map(({ folder }) => folder);
  const folders = [directory, ...keystores.filter((folder) => !folder.startsWith(`${directory}/`))];
  const makeTenant = async (number: number): Promise<Tenant> => {
    const { organization, keyId, apiKey } = await reserve(open, number);
    const client = new Client({ url: INJECTED_URL, apiKey, fetch, purpose, retries: 0, timeoutMs: 60_000 });
    return { organization, keyId, apiKey, client };
  };
  const world: Omit<World, 'place' | 'insides'> = {
    engine: open.store.engine,
    url: INJECTED_URL,
    fetch,
    routes: routesOf(parts),
    listener,
    clock: environment.clock,
    random: environment.random,
    tenant: (number) => {
      const known = tenants.get(number) ?? makeTenant(number);
      tenants.set(number, known);
      return known;
    },
    flush: () => open.indexes.saveAll(),
    written: (sinceMs, overlap) => writtenFiles(folders, sinceMs, overlap),
    logged: () => heard.lines,
  };
  const end = async (): Promise<void> => {
    heard.end();
    for (const tenant of tenants.values()) {
      const { client, keyId } = await tenant;
      await client.keys.revoke(keyId);
    }
  };
  return { world, end };
}

/** A key of the reserved organization with that number, which is made and marked when it is first needed. */
async function reserve(
  open: Strongroom,
  number: number,
): Promise<Pick<Tenant, 'organization' | 'keyId' | 'apiKey'>> {
  const { store, ledger, organizations, apiKeys } = open;
  const id = (await reserved(open, number)) ?? (await found(open, number));
  const organization = await organizations.get(id);
  const key = await store.write(id, async (tx) => {
    const key = await apiKeys.createFirst(tx, organization, 'verification');
    const made = { principal: 'system', outcome: 'done', request: '', scope: [] } as const;
    ledger.append(tx, { ...made, action: 'key.create', target: key.id });
    return key;
  });
  return { organization: id, keyId: key.id, apiKey: key.apiKey };
}

async function reserved({ store, ledger }: Strongroom, number: number): Promise<OrganizationId | null> {
  const row = await store.read(SYSTEM, (db) =>
    db.selectFrom('meta').select('value').where('name', '=', `${RESERVED_MARK}${number}`).executeTakeFirst(),
  );
  if (row === undefined) return null;
  const id = decodeUtf8(row.value) as OrganizationId;
  const { size } = await ledger.head(id);
  return size > RESERVED_ENTRIES_MAX ? null : id;
}

async function found(
  { store, ledger, organizations, newId }: Strongroom,
  number: number,
): Promise<OrganizationId> {
  const id = newId('organization');
  await store.write(id, async (tx) => {
    const organization = await organizations.create(tx, id, RESERVED_NAME);
    const project = await organizations.createProject(tx, organization, RESERVED_NAME);
    const made = { principal: 'system', outcome: 'done', request: '', scope: [] } as const;
    ledger.append(tx, { ...made, action: 'organization.create', target: id });
    ledger.append(tx, { ...made, action: 'project.create', target: project });
  });
  // A crash before this leaves an empty organization that nobody has a key to.
  await store.write(SYSTEM, async (tx) => {
    const value = encodeUtf8(id);
    const { change } = tx;
    await tx.sql
      .insertInto('meta')
      .values({ name: `${RESERVED_MARK}${number}`, value, change })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ value, change }))
      .execute();
  });
  return id;
}
