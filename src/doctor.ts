/**
 * What weakens a deployment: found by opening it, by asking the server that has it open, and by looking at where its
 * keystore lies.
 */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Strongroom as Client, type RotationKeyAge } from '@strongroom/client';
import { createNodeFetch, readCa } from '@strongroom/client/node';
import { backupFolders, isLoopback, keystorePlaces, type Settings } from './config.ts';
import { realEnvironment } from './environment.ts';
import { StrongroomError } from './errors.ts';
import { fileSystemOf } from './keys/file-system.ts';
import { keystoreHealth, waitingText, type KeystoreHealth } from './keystore-health.ts';
import type { Strongroom } from './strongroom.ts';

export interface Finding {
  readonly name: string;
  readonly status: 'ok' | 'warning' | 'failing';
  readonly detail: string;
  readonly advice?: string;
}

export interface Patient {
  readonly directory: string;
  readonly settings: Settings;
  /** Where a server of this directory listens, as far as its settings say. */
  readonly reach: { readonly url: string; readonly ca: string | null };
  readonly opened: (work: (open: Strongroom) => Promise<void>) => Promise<void>;
}

export async function examine(patient: Patient): Promise<readonly Finding[]> {
  const { directory, settings } = patient;
  const findings: Finding[] = [...(await openOf(patient))];
  const replicas = keystorePlaces(settings, directory).map(({ folder }) => folder);
  const devices = await Promise.all(
    replicas.map((path) =>
      stat(path).then(
        (found) => found.dev,
        () => null,
      ),
    ),
  );
  if (replicas.some((path) => resolve(path).startsWith(`${resolve(directory)}/`)))
    findings.push({
      name: 'keystore place',
      status: 'warning',
      detail: 'a replica lies under the data directory',
      advice:
        'A copy of the folder is then a copy of the keys. Set `keystores` to folders that backups leave out.',
    });
  if (new Set(devices).size < replicas.length)
    findings.push({
      name: 'keystore disks',
      status: 'warning',
      detail: 'replicas share a disk',
      advice: 'One disk lost is then every key lost. Put a replica on another disk.',
    });
  for (const path of replicas) findings.push(await fileSystemFinding(path));
  findings.push(...backupFindings(directory, settings));
  findings.push({ name: 'outside', status: 'ok', detail: outsideOf(settings) });
  if (!isLoopback(settings.host) && settings.tlsMinimum === '1.2')
    findings.push({ name: 'tls', status: 'warning', detail: 'TLS 1.2 is allowed by the setting tlsMinimum' });
  return findings;
}

/** What leaves this server, and where to. */
const outsideOf = ({ embedder, embedderUrl, embedderModel }: Settings): string =>
  embedder === 'none'
    ? 'nothing is sent anywhere'
    : `texts of vaults with the embedder ${embedderModel} go to ${URL.parse(embedderUrl ?? '')?.host}`;

async function openOf(patient: Patient): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  try {
    await patient.opened(async (open) => {
      findings.push({ name: 'opens', status: 'ok', detail: `keyring at epoch ${open.keyring.epoch}` });
      for (const { replica, what } of open.keyring.findings)
        findings.push({ name: 'keystore', status: 'warning', detail: `${replica}: ${what}` });
      findings.push(...awayFindings(await keystoreHealth(open)));
      findings.push(...keyFindings(await open.rotations.ages(), realEnvironment.clock.now()));
    });
    return findings;
  } catch (error) {
    if (!(error instanceof StrongroomError)) throw error;
    if (error.code === 'data.in_use') return askServer(patient);
    return [{ name: 'opens', status: 'failing', detail: `${error.code}: ${error.message}` }];
  }
}

/** Replicas without which no erasure is done. */
const awayFindings = (health: KeystoreHealth): readonly Finding[] =>
  health.away.map((name) => ({
    name: 'keystore replicas',
    status: 'warning',
    detail: `${name} is away: ${waitingText(health)} for it`,
    advice: `Bring it back. If it is gone for good: strongroom keystore lost ${name} --reason WHY`,
  }));

/** Keys that should have been replaced by now, and replaced ones that should be gone. */
function keyFindings(ages: readonly RotationKeyAge[], nowMs: number): readonly Finding[] {
  const isPast = (time: string | null): boolean => time !== null && Date.parse(time) < nowMs;
  const late = ages.flatMap(({ key, rotateBy, retired }) => [
    ...(isPast(rotateBy) ? [`the ${key} key should have been replaced by ${rotateBy}`] : []),
    ...retired.flatMap(({ destroyBy }) =>
      isPast(destroyBy) ? [`the ${key} key before the one in use should be gone since ${destroyBy}`] : [],
    ),
  ]);
  return late.map((detail) => ({
    name: 'keys',
    status: 'warning',
    detail,
    advice: 'The server does that by itself within the hour; strongroom rotation run does it now.',
  }));
}

/** The directory is locked: whoever has it open tells how it is, without a key. */
async function askServer({ reach: { url, ca } }: Patient): Promise<readonly Finding[]> {
  const running: Finding = {
    name: 'server',
    status: 'ok',
    detail: 'another process has the directory open, so it is not opened here',
    advice: 'Stop it and run this again to look inside; strongroom verify checks the promises while it runs.',
  };
  const fetch = createNodeFetch({ ca: ca === null ? undefined : readCa(ca) });
  try {
    const { status, checks } = await new Client({ url, fetch, retries: 0, timeoutMs: 10_000 }).health();
    const unwell = checks.filter((check) => check.status !== 'ok');
    if (status === 'ok')
      return [running, { name: 'health', status: 'ok', detail: `${url} answers that it is well` }];
    return [
      running,
      ...unwell.map(({ name, status: how, detail = 'does not work' }) => ({
        name: 'health',
        status: how === 'degraded' ? ('warning' as const) : ('failing' as const),
        detail: `${name}: ${detail}`,
        advice:
          how === 'degraded'
            ? 'Everything else is served meanwhile. Bring it back; stop the server and run this again to see which.'
            : 'Nothing is done while it is so. The log of the server says more.',
      })),
    ];
  } catch (error) {
    if (!(error instanceof StrongroomError)) throw error;
    return [
      running,
      {
        name: 'health',
        status: 'warning',
        detail: `nothing answers at ${url} (${error.code})`,
        advice: 'If it was started with another --port or --host, set STRONGROOM_PORT and STRONGROOM_HOST.',
      },
    ];
  } finally {
    fetch.close();
  }
}

function backupFindings(directory: string, settings: Settings): readonly Finding[] {
  const places = backupFolders(settings, directory);
  const finding = (detail: string, advice: string): Finding => ({
    name: 'backups',
    status: 'warning',
    detail,
    advice,
  });
  if (places.length === 0) return [finding('none are made', 'Set `backups` to a folder elsewhere.')];
  const inside = places.filter(({ folder }) => folder.startsWith(`${resolve(directory)}/`));
  if (inside.length === places.length)
    return [
      finding(
        'they lie under the data directory',
        'What destroys it destroys them too. Set `backups` to a folder elsewhere.',
      ),
    ];
  return [{ name: 'backups', status: 'ok', detail: places.map(({ name }) => name).join(', ') }];
}

async function fileSystemFinding(path: string): Promise<Finding> {
  const found = await fileSystemOf(path);
  if (found === null)
    return { name: 'keystore file system', status: 'failing', detail: `${path} is missing` };
  if (!found.keepsOverwritten)
    return {
      name: 'keystore file system',
      status: 'ok',
      detail: `${path}: not on a file system known to keep what was overwritten`,
    };
  return {
    name: 'keystore file system',
    status: 'warning',
    detail: `${path} lies on ${found.name}, which may keep overwritten blocks`,
    advice: 'Put the keystore on a file system that overwrites in place (ext4, xfs).',
  };
}
