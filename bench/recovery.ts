/**
 * What a backup and a restore of 100,000 memories cost, against copying and encrypting the same database with the tools that
 * everybody has: `sqlite3 FILE .backup` and `openssl enc -aes-256-ctr`, in the same run and in turns.
 *
 *     node --conditions=source bench/recovery-process.ts [memories] [rounds]
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseSettings } from '../src/config.ts';
import { realEnvironment } from '../src/environment.ts';
import { silentLog } from '../src/http/request-log.ts';
import { initialise } from '../src/initialise.ts';
import { restoreBackup } from '../src/restoring.ts';
import { openStrongroom, type OpenStrongroom, type Strongroom } from '../src/strongroom.ts';
import { systemContext } from '../test/afterwards.ts';
import { Corpus } from './corpus.ts';

const run = promisify(execFile);
const BATCH = 1000;
const CHANGED = 1000;

export interface RecoveryFigures {
  readonly memories: number;
  readonly databaseMb: number;
  /** Medians, in milliseconds. */
  readonly peerMs: number;
  readonly backupMs: number;
  readonly restoreMs: number;
  readonly openMs: number;
  readonly incrementMs: number;
  readonly nothingMs: number;
}

export async function recoveryFigures(memories: number, rounds: number): Promise<RecoveryFigures> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-recovery-'));
  try {
    return await measure(folder, memories, rounds);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function measure(folder: string, memories: number, rounds: number): Promise<RecoveryFigures> {
  const options = optionsFor(join(folder, 'data'));
  await initialise(options);
  const open = await openStrongroom(options);
  const backups: number[] = [];
  const peers: number[] = [];
  const increments: number[] = [];
  const nothings: number[] = [];
  try {
    await fill(open, memories);
    const source = join(options.directory, 'strongroom.db');
    for (let round = 0; round < rounds; round++) {
      peers.push(await timed(() => peer(source, join(folder, 'peer'))));
      backups.push(await timed(() => open.backups.create('full')));
      nothings.push(await timed(() => open.backups.create('log')));
      await fill(open, CHANGED);
      increments.push(await timed(() => open.backups.create('log')));
    }
  } finally {
    await open.close();
  }
  const database = await stat(join(options.directory, 'strongroom.db'));
  const restores: number[] = [];
  const openings: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const directory = join(folder, `restored-${round}`);
    const restored = optionsFor(directory);
    await mkdir(directory);
    await run('cp', ['-r', join(options.directory, 'keystore'), join(directory, 'keystore')]);
    const order = { from: join(options.directory, 'backups'), at: null, skipDamaged: false };
    restores.push(await timed(() => restoreBackup(restored, { ...order, onProgress: () => undefined })));
    openings.push(
      await timed(async () => {
        const copy = await openStrongroom(restored);
        await copy.close();
      }),
    );
    await rm(directory, { recursive: true });
  }
  return {
    memories,
    databaseMb: database.size / 1e6,
    peerMs: median(peers),
    backupMs: median(backups),
    restoreMs: median(restores),
    openMs: median(openings),
    incrementMs: median(increments),
    nothingMs: median(nothings),
  };
}

const optionsFor = (directory: string): OpenStrongroom => ({
  directory,
  settings: parseSettings('{"tls":"off","rateLimit":"off"}', {}),
  environment: realEnvironment,
  log: silentLog,
  onFatal: (error) => {
    throw error;
  },
});

let seed = 1;

async function fill(open: Strongroom, memories: number): Promise<void> {
  const corpus = new Corpus(seed++);
  const context = await systemContext(open);
  for (let at = 0; at < memories; at += BATCH) {
    const inputs = Array.from({ length: Math.min(BATCH, memories - at) }, () => ({
      text: corpus.text(),
      vector: corpus.vector(),
    }));
    await open.memories.addMemories({ ...context, requestId: open.newId('request') }, 'default', inputs);
  }
}

async function peer(source: string, copy: string): Promise<void> {
  await rm(copy, { force: true });
  await run('sqlite3', [source, `.backup ${copy}`]);
  await run('sh', ['-c', `openssl enc -aes-256-ctr -pbkdf2 -pass pass:peer < ${copy} > ${copy}.enc`]);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

const median = (values: readonly number[]): number =>
  [...values].sort((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;

export function recoveryText(figures: RecoveryFigures): string {
  const ms = (value: number): string => `${Math.round(value)} ms`;
  const ratio = (value: number, of: number): string => `${(value / of).toFixed(2)}×`;
  const { peerMs, backupMs, restoreMs, openMs, incrementMs, nothingMs } = figures;
  return [
    `recovery: ${figures.memories} memories, a database of ${Math.round(figures.databaseMb)} MB`,
    `  sqlite3 .backup, then openssl enc -aes-256-ctr   ${ms(peerMs)}`,
    `  full backup                                      ${ms(backupMs)}   ${ratio(backupMs, peerMs)} of that`,
    `  restore                                          ${ms(restoreMs)}   ${ratio(restoreMs, backupMs)} of the backup`,
    `  opening what was restored, dead rows sought      ${ms(openMs)}`,
    `  backup of 1,000 memories more                    ${ms(incrementMs)}   ${ratio(incrementMs, backupMs)} of the full one`,
    `  backup of nothing                                ${ms(nothingMs)}`,
    '',
  ].join('\n');
}
