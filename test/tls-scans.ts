/**
 * What two programs of other people say about a TLS listener, and what of it is a fault: sslscan, which asks for every
 * protocol, cipher and group by itself, and testssl.sh, which tries the known attacks.
 *
 * Both are read so that silence is a fault too: a tool that could not connect has found nothing wrong.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runTool } from './tools.ts';

export interface Expected {
  /** The only versions of TLS that may be offered. */
  readonly versions: readonly string[];
  /** Names that the certificate must be for. */
  readonly names: readonly string[];
}

const STRENGTH_MIN = 128;
/** Of TLS 1.2: forward secrecy and authenticated encryption. */
const GOOD_12 = /^ECDHE-(?:ECDSA|RSA)-(?:AES\d+-GCM-SHA\d+|CHACHA20-POLY1305)$/;

export async function scanWithSslscan(port: number, expected: Expected): Promise<string[]> {
  const { code, out, err } = await runTool('sslscan', ['--xml=-', `localhost:${port}`]);
  assert.equal(code, 0, err);
  return sslscanFaults(out, expected);
}

export function sslscanFaults(xml: string, { versions, names }: Expected): string[] {
  const protocols = elements(xml, 'protocol');
  const ciphers = elements(xml, 'cipher');
  const groups = elements(xml, 'group');
  const [certificate = ''] = /<certificate [\s\S]*?<\/certificate>/.exec(xml) ?? [];
  const [altnames = ''] = /(?<=<altnames><!\[CDATA\[).*?(?=\]\])/.exec(certificate) ?? [];
  const offered = protocols
    .filter(({ enabled }) => enabled === '1')
    .map(({ type = '', version = '' }) => `${type} ${version}`);
  return [
    ...(protocols.length >= 6 ? [] : ['the versions were not tried']),
    ...offered.filter((version) => !versions.includes(version)).map((version) => `${version} is offered`),
    ...versions.filter((version) => !offered.includes(version)).map((version) => `${version} is not offered`),
    ...(ciphers.length > 0 ? [] : ['no cipher was found']),
    ...ciphers
      .filter(({ sslversion = '', cipher = '' }) => sslversion !== 'TLSv1.3' && !GOOD_12.test(cipher))
      .map(({ cipher }) => `${cipher} is offered`),
    ...(groups.length > 0 ? [] : ['no group was found']),
    ...[...ciphers, ...groups]
      .filter(({ bits }) => !(Number(bits) >= STRENGTH_MIN))
      .map(({ cipher, name, bits }) => `${cipher ?? name} has ${bits} bits`),
    // A client chooses these to make the server compute.
    ...groups.filter(({ name = '' }) => name.startsWith('ffdhe')).map(({ name }) => `${name} is offered`),
    ...elements(xml, 'heartbleed')
      .filter(({ vulnerable }) => vulnerable !== '0')
      .map(({ sslversion }) => `heartbleed in ${sslversion}`),
    ...elements(xml, 'renegotiation')
      .filter(({ supported }) => supported !== '0')
      .map(() => 'a client may renegotiate'),
    ...(certificate.includes('<expired>false</expired>') ? [] : ['the certificate is not valid now']),
    ...(/<signature-algorithm>ecdsa-with-SHA(?:256|384)</.test(certificate)
      ? []
      : ['the certificate is not signed with ECDSA']),
    ...names.filter((name) => !altnames.includes(name)).map((name) => `the certificate is not for ${name}`),
  ];
}

/** The attributes of every element of that name. */
function elements(xml: string, name: string): Readonly<Record<string, string>>[] {
  return Array.from(xml.matchAll(new RegExp(`<${name} ([^>]*)/>`, 'g')), ([, attributes = '']) =>
    Object.fromEntries(Array.from(attributes.matchAll(/(\w+)="([^"]*)"/g), ([, key, value]) => [key, value])),
  );
}

interface Finding {
  readonly id: string;
  readonly severity: string;
  readonly finding: string;
}

/** Versions, kinds of ciphers, forward secrecy, preferences, the certificate, headers, and all the attacks it knows. */
const WHOLE = ['-p', '-s', '-f', '-P', '-S', '-h', '-U'];
/** Enough to name a listener that offers what is old. */
export const SHORT = ['-p', '-s', '-S'];

/** What it finds on a deployment with a local authority, and why that is no fault. */
const EXPECTED_FINDINGS = [
  // Of the tool's own OpenSSL.
  'engine_problem',
  // A local authority publishes no revocations: a certificate that must go is replaced together with the authority.
  'cert_revocation',
  // The loopback address has no name in the DNS.
  'DNS_CAArecord',
];
const ATTACKS = [
  'heartbleed',
  'CCS',
  'ticketbleed',
  'ROBOT',
  'secure_renego',
  'secure_client_renego',
  'CRIME_TLS',
  'BREACH',
  'POODLE_SSL',
  'fallback_SCSV',
  'FREAK',
  'DROWN',
  'LOGJAM',
  'BEAST',
  'LUCKY13',
  'RC4',
];

export interface TestsslRun extends Expected {
  readonly port: number;
  /** PEM file of the authority, and a folder for the findings. */
  readonly authority: string;
  readonly folder: string;
  readonly checks?: readonly string[];
}

/** How often the tool may say that it could not connect for a check, which is no finding about the listener. */
const TRIES = 3;

export async function scanWithTestssl(run: TestsslRun): Promise<string[]> {
  const { checks = WHOLE } = run;
  let findings: readonly Finding[] = [];
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    findings = await testsslFindings(run, checks, `findings-${run.port}-${attempt}.json`);
    if (!findings.some(({ finding }) => finding.endsWith('because of connect problem'))) break;
  }
  return testsslFaults(findings, run, checks === WHOLE);
}

async function testsslFindings(
  run: TestsslRun,
  checks: readonly string[],
  name: string,
): Promise<readonly Finding[]> {
  const file = join(run.folder, name);
  const options = ['--quiet', '--color', '0', '--warnings', 'batch', '--jsonfile', file];
  await runTool('testssl', [...options, '--add-ca', run.authority, ...checks, `localhost:${run.port}`], {
    timeoutMs: 240_000,
  });
  return JSON.parse(await readFile(file, 'utf8')) as Finding[];
}

export function testsslFaults(
  findings: readonly Finding[],
  { versions }: Pick<Expected, 'versions'>,
  isWhole = true,
): string[] {
  const of = (id: string): string => findings.find((each) => each.id === id)?.finding ?? 'not tried';
  const wanted = (version: string): boolean => versions.includes(`tls ${version}`);
  return [
    ...findings
      .filter(({ severity, id }) => !['OK', 'INFO'].includes(severity) && !EXPECTED_FINDINGS.includes(id))
      .map(({ severity, id, finding }) => `${severity} ${id}: ${finding}`),
    ...(
      [
        ['1.0', 'TLS1'],
        ['1.1', 'TLS1_1'],
        ['1.2', 'TLS1_2'],
        ['1.3', 'TLS1_3'],
      ] as const
    )
      .filter(([version, id]) => of(id).startsWith('offered') !== wanted(version) || of(id) === 'not tried')
      .map(([version, id]) => `TLS ${version}: ${of(id)}`),
    ...(of('cert_chain_of_trust') === 'passed.' ? [] : [`the chain of trust: ${of('cert_chain_of_trust')}`]),
    ...(isWhole ? ATTACKS : [])
      .filter((id) => !/^(?:not vulnerable|no |only |TLS 1\.3|supported|Server|not supported)/i.test(of(id)))
      .map((id) => `${id}: ${of(id)}`),
  ];
}
