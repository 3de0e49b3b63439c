/**
 * The configuration: JSON at `DATA/config.json`, each setting also as `STRONGROOM_…` (camelCase becomes UPPER_SNAKE),
 * which wins. What is not known, or not of its form, refuses to start: a misspelt setting that protects something
 * must not pass for one that is set.
 */
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { z } from 'zod';
import { Secret } from './bytes/secret.ts';
import { StrongroomError, type Fault } from './errors.ts';
import { LIMITS } from './limits.ts';

const port = z.coerce.number().int().min(0).max(65535);
const list = z.union([
  z.array(z.string().min(1)),
  z.string().transform((text) => text.split(',').filter((part) => part !== '')),
]);
const toggle = z.enum(['on', 'off']);
const days = (least: number, most: number) => z.coerce.number().int().min(least).max(most);

/** Less often, and results would be stale before they are renewed. */
const VERIFY_HOURS_MAX = 24;

const schema = z.strictObject({
  /** Address to listen on. */
  host: z.string().min(1).default('127.0.0.1'),
  port: port.default(8443),
  /** `off` serves plain HTTP, on a loopback address only. */
  tls: toggle.default('on'),
  /** The lowest TLS version taken; `1.2` is the named exception for old clients. */
  tlsMinimum: z.enum(['1.2', '1.3']).default('1.3'),
  /** PEM files of an own certificate chain and key; without them a local CA makes one. */
  tlsCertificate: z.string().optional(),
  tlsKey: z.string().optional(),
  /** Host names and addresses the local certificate is for, beside localhost. */
  names: list.default([]),
  /** `sqlite`, or the URL of a PostgreSQL database. */
  database: z
    .string()
    .regex(/^(sqlite|postgres(ql)?:\/\/.+)$/, 'sqlite, or a postgres:// URL')
    .default('sqlite'),
  /** URL of the role that owns the tables, where the schema has to be made; PostgreSQL only. */
  databaseOwner: z
    .string()
    .regex(/^postgres(ql)?:\/\/.+$/, 'a postgres:// URL')
    .optional(),
  /** Folders of the keystore's replicas; by default two under the data directory. */
  keystores: list.default([]),
  /**
   * Folders that backups go to, the second as a copy in another place; `LOCATION=FOLDER` says where it is. By default one
   * under the data directory; `off` makes none.
   */
  backups: list.default([]),
  /** Locations that backups may lie in; none given: any. */
  backupLocations: list.default([]),
  /** Minutes after which what changed is carried off. */
  backupMinutes: z.coerce.number().int().min(1).max(60).default(5),
  /** `off` on a loopback address only, for benchmarks. */
  rateLimit: toggle.default('on'),
  /** Search worker threads. */
  searchWorkers: z.coerce.number().int().min(1).max(64).default(1),
  /** The part of the true nearest vectors that a search in a large vault finds, on the average. */
  searchRecall: z.coerce.number().min(0.5).max(0.9999).default(0.99),
  /** Mebibytes that open search indexes may take together, about; vaults that rested longest are closed above it. */
  searchMemory: z.coerce.number().int().min(64).default(2048),
  /** Whether every request must carry a purpose. */
  requirePurpose: toggle.default('off'),
  /** Days beyond which no memory is kept, whatever it says of itself or a policy says; a legal hold and a statutory minimum do. */
  retentionCapDays: z.coerce.number().int().min(1).max(36_525).optional(),
  /** A folder for the application log, one file a day; without it the log goes to stderr, and keeping it is the platform's. */
  logFolder: z.string().min(1).optional(),
  /** Days for which files of the application log are kept. */
  logDays: z.coerce.number().int().min(1).max(90).default(90),
  /** How often the server verifies its claims by itself; results keep for 26 hours. */
  verifyEveryHours: z
    .union([z.literal('off'), z.coerce.number().int().min(1).max(VERIFY_HOURS_MAX)])
    .default(VERIFY_HOURS_MAX),
  /** How many days the key that signs the ledger is used before another replaces it. */
  rotateLedgerDays: days(1, 730).default(365),
  /** The same for the pepper of API keys, list cursors and the files beside the keystore's root. */
  rotateServiceDays: days(1, 365).default(90),
  /** How many days a replaced key is kept for the backups from before: no shorter than these are kept themselves. */
  retiredKeyDays: days(30, 3650).default(35),
  /** The service that makes vectors for vaults that ask for it: `openai` (and what speaks as it does), `local`, or none. */
  embedder: z.enum(['none', 'openai', 'local']).default('none'),
  /** Of `openai` the base (`https://…/v1`), of `local` the endpoint itself. */
  embedderUrl: z.string().optional(),
  /** What vaults name it by, and what the service is asked for. */
  embedderModel: z
    .string()
    .regex(/^[\x21-\x7e]{1,200}$/, 'a name without spaces')
    .optional(),
  embedderDimensions: z.coerce.number().int().min(LIMITS.dimensionsMin).max(LIMITS.dimensionsMax).optional(),
  embedderApiKey: z
    .string()
    .regex(/^[\x21-\x7e]{8,1000}$/, 'at least 8 characters, without spaces')
    .transform((text) => new Secret(text))
    .optional(),
  /** `private`: on this machine or in a network of one's own, and only there; else on the internet, over TLS, and only there. */
  embedderNetwork: z.enum(['public', 'private']).default('public'),
  /** PEM file of the authority that certifies it, instead of the platform's. */
  embedderCa: z.string().optional(),
  /** Of each text so many characters are sent: most models read some 8,000 tokens. */
  embedderCharacters: z.coerce.number().int().min(1).max(LIMITS.textBytesMax).default(8000),
  /** What the application log says; by default `info`, and `warn` where a person watches (`start`). */
  logLevel: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).optional(),
});

export type Settings = z.output<typeof schema>;
export type SettingsInput = z.input<typeof schema>;

/** Names the client and the command line read from the same environment. */
const CLIENT_VARIABLES = new Set([
  'STRONGROOM_URL',
  'STRONGROOM_API_KEY',
  'STRONGROOM_CA',
  'STRONGROOM_DATA',
]);
const PREFIX = 'STRONGROOM_';
const DEFAULT_KEYSTORES = ['keystore/a', 'keystore/b'];

/**
 * Reads the settings from the text of the file (null: no file) and the environment's variables.
 * Throws `config.invalid` that names every setting at fault.
 */
export function parseSettings(
  file: string | null,
  variables: Readonly<Record<string, string | undefined>>,
): Settings {
  const input = { ...settingsFromFile(file), ...settingsFromVariables(variables) };
  const parsed = schema.safeParse(input);
  if (!parsed.success) throw invalid(parsed.error.issues.map(faultOf));
  const settings = parsed.data;
  const faults = contradictions(settings);
  if (faults.length > 0) throw invalid(faults);
  return settings;
}

/** Where the replicas of the keystore lie for a data directory; each is called by its path as it was set. */
export const keystorePlaces = (
  settings: Settings,
  dataDirectory: string,
): readonly { readonly name: string; readonly folder: string }[] =>
  (settings.keystores.length > 0 ? settings.keystores : DEFAULT_KEYSTORES).map((name) => ({
    name,
    folder: resolve(dataDirectory, name),
  }));

const DEFAULT_BACKUPS = ['backups'];
const BACKUPS_OFF = 'off';

/** Where backups lie for a data directory: the first is written, the second is its copy. */
export const backupFolders = (
  settings: Pick<Settings, 'backups'>,
  dataDirectory: string,
): readonly { readonly name: string; readonly location: string | null; readonly folder: string }[] => {
  const { backups } = settings;
  if (backups.length === 1 && backups[0] === BACKUPS_OFF) return [];
  return (backups.length > 0 ? backups : DEFAULT_BACKUPS).map((name) => {
    const [, location = null, path = name] = /^([a-z0-9-]+)=(.+)$/.exec(name) ?? [];
    return { name, location, folder: resolve(dataDirectory, path) };
  });
};

export function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true;
  return isIP(host) === 4 && host.startsWith('127.');
}

function settingsFromFile(file: string | null): Record<string, unknown> {
  if (file === null) return {};
  let value: unknown;
  try {
    value = JSON.parse(file);
  } catch (cause) {
    throw new StrongroomError('config.invalid', { detail: 'config.json is not well-formed JSON', cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new StrongroomError('config.invalid', 'config.json must hold one JSON object');
  return { ...value };
}

function settingsFromVariables(
  variables: Readonly<Record<string, string | undefined>>,
): Record<string, unknown> {
  const settings: Record<string, unknown> = {};
  for (const [variable, value] of Object.entries(variables)) {
    if (!variable.startsWith(PREFIX) || value === undefined || CLIENT_VARIABLES.has(variable)) continue;
    const name = variable
      .slice(PREFIX.length)
      .toLowerCase()
      .replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
    if (!Object.hasOwn(schema.shape, name)) throw invalid([{ path: variable, message: 'unknown setting' }]);
    settings[name] = value;
  }
  return settings;
}

function contradictions(settings: Settings): Fault[] {
  const faults: Fault[] = [];
  if ((settings.tlsCertificate === undefined) !== (settings.tlsKey === undefined))
    faults.push({ path: 'tlsCertificate', message: 'tlsCertificate and tlsKey belong together' });
  if (settings.rateLimit === 'off' && !isLoopback(settings.host))
    faults.push({ path: 'rateLimit', message: '`off` is allowed on a loopback address only' });
  if (settings.keystores.length === 1)
    faults.push({ path: 'keystores', message: 'at least two replicas, or none for the default' });
  if (new Set(settings.keystores).size !== settings.keystores.length)
    faults.push({ path: 'keystores', message: 'two replicas in one folder are one replica' });
  faults.push(...backupFaults(settings), ...embedderFaults(settings));
  return faults;
}

function backupFaults(settings: Settings): Fault[] {
  const places = backupFolders(settings, '/');
  const faults: Fault[] = [];
  const say = (message: string): void => void faults.push({ path: 'backups', message });
  if (places.length > 2) say('one place, or two');
  if (places.length === 2 && places[0]?.folder === places[1]?.folder)
    say('two copies in one place are one copy');
  const outside = places.filter(
    ({ location }) =>
      settings.backupLocations.length > 0 && !settings.backupLocations.includes(location ?? ''),
  );
  for (const { name } of outside) say(`${name} is in none of the locations in backupLocations`);
  return faults;
}

/** So long an entry of the ledger may name a host. */
const HOST_CHARACTERS_MAX = 200;

function embedderFaults(settings: Settings): readonly Fault[] {
  const { embedder, embedderUrl, embedderModel, embedderApiKey, embedderNetwork } = settings;
  if (embedder === 'none') return unusedFaults(settings);
  const faults: Fault[] = [];
  const say = (path: string, message: string): void => void faults.push({ path, message });
  if (embedderModel === undefined) say('embedderModel', `is needed with the embedder ${embedder}`);
  if (embedderUrl === undefined) say('embedderUrl', `is needed with the embedder ${embedder}`);
  else if (!isEndpoint(embedderUrl)) say('embedderUrl', 'an http(s):// URL without name, password and query');
  else if (embedderNetwork === 'public' && !embedderUrl.startsWith('https://'))
    say('embedderUrl', 'https:// only; plain HTTP needs `embedderNetwork: private`');
  if (embedder === 'local' && embedderNetwork === 'public')
    say('embedderNetwork', 'a local endpoint needs `private`');
  if (embedder === 'openai' && embedderNetwork === 'public' && embedderApiKey === undefined)
    say('embedderApiKey', 'is needed for a service on the internet');
  if (embedderApiKey?.equals(new Secret('embedderApiKey')) === true) say('embedderApiKey', 'is its own name');
  return faults;
}

/** What would have no effect must not pass for what is set. */
const unusedFaults = (settings: Settings): readonly Fault[] =>
  (['embedderUrl', 'embedderModel', 'embedderDimensions', 'embedderApiKey', 'embedderCa'] as const)
    .filter((name) => settings[name] !== undefined)
    .map((name) => ({ path: name, message: 'says nothing while `embedder` is `none`' }));

function isEndpoint(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) return false;
  const { username, password, search, hash, host } = url;
  return username + password + search + hash === '' && host.length <= HOST_CHARACTERS_MAX;
}

function faultOf(issue: z.core.$ZodIssue): Fault {
  if (issue.code === 'unrecognized_keys') return { path: issue.keys.join(', '), message: 'unknown setting' };
  return { path: issue.path.join('.'), message: issue.message };
}

function invalid(faults: readonly Fault[]): StrongroomError {
  const detail = faults.map(({ path, message }) => `${path}: ${message}`).join('; ');
  return new StrongroomError('config.invalid', { detail, faults });
}
