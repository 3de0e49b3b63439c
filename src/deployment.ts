/** A deployment from outside: made, served, examined. What the local commands call; each holds the directory's lock. */
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { KeyInput, NewKey, RotationInput, RotationKeys, RotationResult } from '@strongroom/client';
import type { RequestContext } from './access/context.ts';
import { organizationScope } from './access/organizations.ts';
import { decodeBase64, encodeHex } from './bytes/encoding.ts';
import { Closing } from './closing.ts';
import { isLoopback, type Settings } from './config.ts';
import { examine, type Finding } from './doctor.ts';
import { HOUR_MS } from './durations.ts';
import { realEnvironment, type Environment } from './environment.ts';
import { StrongroomError } from './errors.ts';
import { checkExposure, listen, renewSecureContext, type TlsMaterial } from './http/listener.ts';
import { LogFiles } from './http/log-files.ts';
import { createLog, errorFields, type Log } from './http/request-log.ts';
import { buildServer } from './http/server.ts';
import { ensureLocalTls } from './http/tls.ts';
import { httpParts } from './http-parts.ts';
import { Housekeeping } from './housekeeping.ts';
import type { OrganizationId } from './ids.ts';
import { initialise, isInitialised, requireWhole } from './initialise.ts';
import { parseVkey } from './ledger/note.ts';
import { ROTATION_KEYS } from './lifecycle/rotations.ts';
import { verifyExport, type TrustedKey } from './ledger/verify-export.ts';
import { verifyStore } from './ledger/verify-store.ts';
import { SYSTEM } from './store/store.ts';
import { VerificationSchedule, type ScheduleParts } from './assurance/schedule.ts';
import { LogTap } from './assurance/log-tap.ts';
import { VERSION } from './version.ts';
import { assuranceOf, listenerOf, liveWorlds, scratchWorlds, type Served } from './worlds.ts';
import { openStrongroom, type OpenStrongroom, type Strongroom, type Substitutes } from './strongroom.ts';

/** What a client needs to reach a deployment. */
export interface Reach {
  readonly url: string;
  /** Path of the CA certificate that clients trust; null where the server's own certificate is a public one, or TLS is off. */
  readonly ca: string | null;
}

export interface RunningServer extends Reach {
  /** Finishes what is under way and closes everything. */
  close(): Promise<void>;
}

export interface ServeOptions {
  readonly environment?: Environment;
  readonly log?: Log;
  readonly substitutes?: Substitutes;
  readonly onFatal?: (error: unknown) => void;
}

export { isInitialised } from './initialise.ts';
export { backUp, commit, drill, keystore, recover, restore } from './recover.ts';

export async function initDeployment(
  directory: string,
  settings: Settings,
  options: ServeOptions = {},
): Promise<Reach & { readonly apiKey: string }> {
  checkExposure(settings.host, settings.tls === 'on');
  const apiKey = await initialise(openOptions(directory, settings, options));
  if (settings.tls === 'on') await tlsOf(directory, settings, options);
  return { ...reachOf(directory, settings, settings.port), apiKey };
}

/** Serves until closed. Refuses weak state before the port is open. */
export async function serve(
  directory: string,
  settings: Settings,
  options: ServeOptions = {},
): Promise<RunningServer> {
  const { environment = realEnvironment } = options;
  const files = options.log === undefined ? logFilesOf(directory, settings, environment) : null;
  const log = new LogTap(options.log ?? defaultLog(settings, files));
  const opening = openOptions(directory, settings, { ...options, log });
  // What can be refused without touching anything is refused first.
  checkExposure(settings.host, settings.tls === 'on');
  await requireDirectory(directory);
  const open = await openStrongroom(opening);
  try {
    await requireWhole(open.store);
    const tls = settings.tls === 'on' ? await tlsOf(directory, settings, options) : null;
    let served: Served | null = null;
    const assurance = assuranceOf({
      open,
      settings,
      environment,
      version: VERSION,
      openLive: liveWorlds(() => requireServed(served)),
      openScratch: scratchWorlds({
        settings,
        environment: options.environment ?? realEnvironment,
        version: VERSION,
      }),
    });
    const parts = httpParts(open, log, assurance);
    const app = buildServer(parts, {
      environment,
      log,
      host: settings.host,
      tls,
      tlsMinimum: settings.tlsMinimum,
      rateLimit: settings.rateLimit,
      requirePurpose: settings.requirePurpose === 'on',
      version: VERSION,
    });
    const port = await listen(app, settings.host, settings.port);
    const listener = {
      ...listenerOf(settings.host, port, null),
      isSecure: tls !== null,
      ca: await authorityOf(directory, settings),
    };
    served = { open, parts, app, directory, settings, environment, tap: log, listener };
    await recordSystem(open, 'server.start');
    const onError = (error: unknown): void =>
      log.error(errorFields(new StrongroomError('internal', { cause: error })), 'housekeeping failed');
    const schedule = open.restoring === null ? scheduleOf(settings, { open, assurance, log, onError }) : null;
    const housekeeping =
      open.restoring === null
        ? new Housekeeping({
            open,
            clock: environment.clock,
            pruneLogs: () => files?.prune(),
            verify: () => schedule?.tick(),
            renewTls: async () => {
              if (tls !== null)
                renewSecureContext(app, await tlsOf(directory, settings, options), settings.tlsMinimum);
            },
            onError,
          })
        : null;
    return {
      ...reachOf(directory, settings, port),
      close: () => {
        const closing = new Closing();
        closing.add(() => Promise.resolve(files?.close()));
        closing.add(() => open.close());
        closing.add(() => recordSystem(open, 'server.stop'));
        if (housekeeping !== null) closing.add(() => housekeeping.close());
        closing.add(() => app.close());
        closing.add(() => schedule?.close() ?? Promise.resolve(assurance.stop()));
        return closing.run();
      },
    };
  } catch (error) {
    await open.close();
    throw error;
  }
}

/** Null where the setting `verifyEveryHours` is off. */
function scheduleOf(
  { verifyEveryHours }: Settings,
  { open, ...parts }: Pick<ScheduleParts, 'assurance' | 'log' | 'onError'> & { readonly open: Strongroom },
): VerificationSchedule | null {
  if (verifyEveryHours === 'off') return null;
  const { store, ledger } = open;
  return new VerificationSchedule({
    ...parts,
    everyMs: verifyEveryHours * HOUR_MS,
    isHealthy: () => store.health.ok && ledger.health.ok,
  });
}

function requireServed(served: Served | null): Served {
  if (served === null) throw new StrongroomError('internal', 'the server does not listen yet');
  return served;
}

/** What clients of the local certificate trust; null where the server's own is a public one. */
async function authorityOf(directory: string, settings: Settings): Promise<string | null> {
  const { ca } = reachOf(directory, settings, 0);
  return ca === null ? null : readFile(ca, 'utf8');
}

/** Makes a key in a stopped deployment, for whoever has lost all of theirs. */
export function createKey(directory: string, settings: Settings, input: KeyInput): Promise<NewKey> {
  return opened(directory, settings, async (open) => {
    const organization = await open.organizations.get(await onlyOrganization(open));
    const context: RequestContext = {
      requestId: open.newId('request'),
      principal: {
        id: 'system',
        organization: organization.id,
        environment: 'production',
        scope: organizationScope(organization),
        grants: [{ actions: ['*'], vaults: ['*'] }],
        networks: [],
        expiresAt: null,
      },
      organization: organization.id,
      purpose: null,
      address: null,
      recorded: false,
    };
    const scopes = input.scopes ?? [{ actions: ['*'], vaults: ['*'] }];
    return open.apiKeys.create(context, { ...input, scopes });
  });
}

/** Replaces keys of a stopped deployment. */
export function runRotation(
  directory: string,
  settings: Settings,
  { keys = ROTATION_KEYS, retired = 'keep' }: RotationInput,
): Promise<RotationResult> {
  return opened(directory, settings, async ({ rotations }) => {
    const done = await rotations.run(keys, { cause: 'command', atOnce: retired === 'destroy' });
    return { rotations: [...done] };
  });
}

export const listRotations = (directory: string, settings: Settings): Promise<RotationKeys> =>
  opened(directory, settings, async ({ rotations }) => ({ keys: [...(await rotations.ages())] }));

/** Says that the machine's clock is right; from the next start on things end by it. */
export async function trustClock(
  directory: string,
  settings: Settings,
  options: ServeOptions = {},
): Promise<{ readonly now: string }> {
  const confirm = async ({ time }: Strongroom): Promise<{ readonly now: string }> => {
    await time.confirm();
    return { now: new Date(time.now()).toISOString() };
  };
  return opened(directory, settings, confirm, options);
}

/** Looks for what weakens a deployment; opens it to see that it opens, or asks the server that has it open. */
export const doctor = (directory: string, settings: Settings): Promise<readonly Finding[]> =>
  examine({
    directory,
    settings,
    reach: reachOf(directory, settings, settings.port),
    opened: (work) => opened(directory, settings, work),
  });

export type LedgerSource =
  | { readonly data: string; readonly settings: Settings }
  | { readonly export: string; readonly vkey?: string };

export interface VerifiedLog {
  readonly log: string;
  readonly size: number;
  readonly rootHash: string;
  readonly broken: { readonly n: number | null; readonly reason: string } | null;
}

/** Computes every log anew, from a stopped data directory or from an export. */
export async function verifyLedger(source: LedgerSource): Promise<readonly VerifiedLog[]> {
  if ('export' in source) return verifyExportFile(source.export, trustedKey(source.vkey));
  return opened(source.data, source.settings, async (open) => {
    const report = await verifyStore(open.store, (log) => open.ledger.verifierKeys(log));
    return report.logs.map(({ log, size, root }) => ({
      log,
      size,
      rootHash: hexOf(root),
      broken: firstFault(report.faults.filter((fault) => fault.log === log)),
    }));
  });
}

async function verifyExportFile(path: string, trusted: TrustedKey): Promise<readonly VerifiedLog[]> {
  const lines = createInterface({ input: createReadStream(path, 'utf8'), crlfDelay: Infinity });
  const report = await verifyExport(lines, trusted);
  const logs = report.logs.map(({ log, size, root, faults }) => ({
    log: log as string,
    size,
    rootHash: hexOf(root),
    broken: firstFault(faults),
  }));
  const { fileFault } = report;
  if (fileFault === null) return logs;
  const broken = { n: null, reason: `line ${fileFault.line}: ${fileFault.detail}` };
  return [...logs, { log: path, size: 0, rootHash: '', broken }];
}

/** The key the caller knows; without one the file's own, which proves only that the file is whole. */
function trustedKey(vkey: string | undefined): TrustedKey {
  if (vkey === undefined) return () => null;
  try {
    const key = parseVkey(vkey);
    return () => key;
  } catch (cause) {
    throw new StrongroomError('request.invalid', { detail: 'vkey: not a verifier key', cause });
  }
}

const hexOf = (base64: string): string => encodeHex(decodeBase64(base64));

const firstFault = (
  faults: readonly { n: number; kind: string; detail: string }[],
): VerifiedLog['broken'] => {
  const [first] = [...faults].sort((left, right) => left.n - right.n);
  return first === undefined ? null : { n: first.n, reason: `${first.kind}: ${first.detail}` };
};

async function opened<T>(
  directory: string,
  settings: Settings,
  work: (open: Strongroom) => Promise<T>,
  options: ServeOptions = {},
): Promise<T> {
  await requireDirectory(directory);
  const open = await openStrongroom(openOptions(directory, settings, options));
  try {
    await requireWhole(open.store);
    return await work(open);
  } finally {
    await open.close();
  }
}

const openOptions = (directory: string, settings: Settings, options: ServeOptions): OpenStrongroom => ({
  directory,
  settings,
  environment: options.environment ?? realEnvironment,
  log: options.log ?? defaultLog(settings),
  onFatal: options.onFatal ?? endProcess,
  ...(options.substitutes === undefined ? {} : { substitutes: options.substitutes }),
});

const defaultLog = (settings: Settings, files: LogFiles | null = null): Log =>
  createLog(settings.logLevel ?? 'info', files ?? process.stderr);

const logFilesOf = (directory: string, settings: Settings, { clock }: Environment): LogFiles | null =>
  settings.logFolder === undefined
    ? null
    : new LogFiles({ folder: resolve(directory, settings.logFolder), days: settings.logDays, clock });

/** After a failed write, or without the lock, nobody knows what is there: the next opening finds out, and this process writes no more. */
function endProcess(error: unknown): void {
  process.stderr.write(
    `strongroom: the process ends, because nothing may be written any more: ${String(error)}\n`,
  );
  // Not abort(): a core file would hold keys and everything that is open, outside of every erasure.
  process.kill(process.pid, 'SIGKILL');
}

async function requireDirectory(directory: string): Promise<void> {
  if (!(await isInitialised(directory)))
    throw new StrongroomError('data.missing', `${directory} holds no deployment: run init`);
}

async function tlsOf(directory: string, settings: Settings, options: ServeOptions): Promise<TlsMaterial> {
  const { tlsCertificate, tlsKey } = settings;
  if (tlsCertificate !== undefined && tlsKey !== undefined) {
    const [certificate, key] = await Promise.all(
      [tlsCertificate, tlsKey].map((path) => readFile(resolve(directory, path), 'utf8')),
    );
    if (certificate !== undefined && key !== undefined) return { certificate, key };
  }
  const names = isLoopback(settings.host) ? settings.names : [...settings.names, settings.host];
  return ensureLocalTls(join(directory, 'tls'), names, options.environment ?? realEnvironment);
}

function reachOf(directory: string, settings: Settings, port: number): Reach {
  const scheme = settings.tls === 'on' ? 'https' : 'http';
  const host = settings.host.includes(':') ? `[${settings.host}]` : settings.host;
  const isLocal = settings.tls === 'on' && settings.tlsCertificate === undefined;
  return {
    url: `${scheme}://${host}:${port}`,
    ca: isLocal ? join(resolve(directory), 'tls', 'ca.pem') : null,
  };
}

const recordSystem = (open: Strongroom, action: 'server.start' | 'server.stop'): Promise<void> =>
  open.store.write(SYSTEM, (tx) => {
    const entry = { principal: 'system', target: '', outcome: 'done', request: '', scope: [] } as const;
    open.ledger.append(tx, { ...entry, action });
    return Promise.resolve();
  });

async function onlyOrganization({ organizations }: Strongroom): Promise<OrganizationId> {
  const id = await organizations.first();
  if (id === null) throw new StrongroomError('data.missing', 'there is no organization');
  return id;
}
