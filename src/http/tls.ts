/**
 * The deployment's own certificates, so that TLS works from the first start: a local authority that clients trust by
 * its file, and the server's certificate under it.
 *
 *     tls/ca.pem       what clients are given          tls/ca.key       0600; signs renewals
 *     tls/server.pem   the server's certificate        tls/server.key   0600
 *
 * Invariants: the authority can vouch for the deployment's own names only, so its key, which lies beside the server's, is
 * worth no more than the server's; files are written whole (rename) and keys are never readable by others. The CA stays
 * as long as it covers the names and lasts; the server's certificate is made anew when less than 30 days are left.
 */
import { createPrivateKey, generateKeyPairSync, X509Certificate, type KeyObject } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { encodeHex } from '../bytes/encoding.ts';
import { DAY_MS, HOUR_MS } from '../durations.ts';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { makeAuthority, makeServerCertificate, type Validity } from './certificate.ts';
import type { TlsMaterial } from './listener.ts';

const AUTHORITY_DAYS = 3_650;
/** Browsers take no more than 398. */
const SERVER_DAYS = 397;
export const RENEWAL_DAYS = 30;

/** Every certificate is for these beside the configured names. */
const LOCAL_NAMES = ['localhost', '127.0.0.1', '::1'];
const DNS_NAME = /^(?=.{1,253}$)(?:(?!-)[a-z0-9-]{1,63}(?<!-)\.)*(?!-)[a-z0-9-]{1,63}(?<!-)$/;

export interface LocalTls extends TlsMaterial {
  /** PEM: what clients trust. */
  readonly authority: string;
  /** What was made by this call: a new authority must be given to the clients again. */
  readonly made: 'nothing' | 'certificate' | 'authority';
  readonly expiresMs: number;
}

type TlsEnvironment = Pick<Environment, 'clock' | 'random'>;

/** Makes what is missing, outdated or for other names; returns what to serve with. `directory` is `DATA/tls`. */
export async function ensureLocalTls(
  directory: string,
  names: readonly string[],
  environment: TlsEnvironment,
): Promise<LocalTls> {
  const wanted = allNames(names);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const now = environment.clock.now();
  const held = await readPair(directory, 'ca');
  if (held === null || !isGoodFor(held, held, wanted, now)) {
    const authority = makeAuthorityPair(wanted, environment);
    // The authority first: killed in between, the next start finds a server certificate that is not under it.
    await writePair(directory, 'ca', authority);
    return makeServer(directory, authority, wanted, environment, 'authority');
  }
  const server = await readPair(directory, 'server');
  if (server !== null && isGoodFor(server, held, wanted, now)) return localTls(server, held, 'nothing');
  return makeServer(directory, held, wanted, environment, 'certificate');
}

interface Pair {
  readonly certificate: X509Certificate;
  readonly key: KeyObject;
}

async function makeServer(
  directory: string,
  authority: Pair,
  names: readonly string[],
  environment: TlsEnvironment,
  made: LocalTls['made'],
): Promise<LocalTls> {
  const server = makeServerPair(authority, names, environment);
  await writePair(directory, 'server', server);
  return localTls(server, authority, made);
}

const localTls = (server: Pair, authority: Pair, made: LocalTls['made']): LocalTls => ({
  certificate: server.certificate.toString(),
  key: privatePem(server.key),
  authority: authority.certificate.toString(),
  made,
  expiresMs: server.certificate.validToDate.getTime(),
});

function makeAuthorityPair(names: readonly string[], { clock, random }: TlsEnvironment): Pair {
  const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  // Named apart, so that a client that trusts two deployments can tell them apart.
  const subject = `Strongroom local CA ${encodeHex(random(4))}`;
  const request = { subject, names, validity: validity(clock.now(), AUTHORITY_DAYS), key };
  return { certificate: new X509Certificate(makeAuthority(request, random)), key };
}

function makeServerPair(authority: Pair, names: readonly string[], { clock, random }: TlsEnvironment): Pair {
  const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const now = clock.now();
  const authorityDays = Math.floor((authority.certificate.validToDate.getTime() - now) / DAY_MS);
  const request = {
    subject: 'Strongroom',
    names,
    validity: validity(now, Math.min(SERVER_DAYS, authorityDays)),
    key,
  };
  const issuer = { subject: authority.certificate.subject.replace(/^CN=/, ''), key: authority.key };
  return { certificate: new X509Certificate(makeServerCertificate(request, issuer, random)), key };
}

/** An hour back, for clocks that differ. */
const validity = (now: number, days: number): Validity => ({
  fromMs: now - HOUR_MS,
  toMs: now + days * DAY_MS,
});

/** Whether the pair belongs together, is signed by `authority`, covers all `names`, and has 30 days left. */
function isGoodFor(
  { certificate, key }: Pair,
  authority: Pair,
  names: readonly string[],
  now: number,
): boolean {
  const daysLeft = (certificate.validToDate.getTime() - now) / DAY_MS;
  if (daysLeft < RENEWAL_DAYS || certificate.validFromDate.getTime() > now) return false;
  if (!certificate.checkPrivateKey(key) || !certificate.verify(authority.certificate.publicKey)) return false;
  return names.every(
    (name) => (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined,
  );
}

function allNames(names: readonly string[]): string[] {
  const plain = names.map((name) => name.toLowerCase());
  for (const name of plain) {
    if (isIP(name) === 0 && !DNS_NAME.test(name))
      throw new StrongroomError('config.invalid', `names: ${name} is neither a host name nor an address`);
  }
  return Array.from(new Set([...LOCAL_NAMES, ...plain]));
}

/** Null if either file is missing or is not what it should be: then both are made anew. */
async function readPair(directory: string, name: string): Promise<Pair | null> {
  const [certificate, key] = await Promise.all([
    readIfThere(join(directory, `${name}.pem`)),
    readIfThere(join(directory, `${name}.key`)),
  ]);
  if (certificate === null || key === null) return null;
  try {
    return { certificate: new X509Certificate(certificate), key: createPrivateKey(key) };
  } catch {
    // Torn or foreign: nothing depends on these files that a new pair would not mend.
    return null;
  }
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null;
    throw new StrongroomError('config.invalid', { detail: `${path} cannot be read`, cause });
  }
}

/** The key first: a certificate on disk always has its key beside it, or is replaced. */
async function writePair(directory: string, name: string, { certificate, key }: Pair): Promise<void> {
  await writeWhole(join(directory, `${name}.key`), privatePem(key), 0o600);
  await writeWhole(join(directory, `${name}.pem`), certificate.toString(), 0o644);
}

async function writeWhole(path: string, text: string, mode: number): Promise<void> {
  const file = await open(`${path}.new`, 'w', mode);
  try {
    // The mode above is cut by the umask and does not apply to a file that was left behind.
    await file.chmod(mode);
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
}

const privatePem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' });
