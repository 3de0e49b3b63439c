/**
 * What a backup and a restore of 100,000 memories cost, against copying and encrypting the same database with the tools that
 * everybody has: `sqlite3 FILE .backup` and `openssl enc -aes-256-ctr`, in the same run and in turns.
 *
 *     node --conditions=source bench/recovery-process.ts [memories] [rounds]
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
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
import { median } from './figures.ts';

const run = promisify(execFile);
const BATCH = 1000;
const CHANGED = 1000;
const SMALLER = 4;

export interface RecoveryFigures {
  readonly memories: number;
  readonly databaseMb: number;
  /** In milliseconds, a round each; what stands at one place was measured in turns. */
  readonly peers: readonly number[];
  readonly backups: readonly number[];
  readonly restores: readonly number[];
  readonly openings: readonly number[];
  readonly nothings: readonly number[];
  /** The same change, carried off from a store of a fourth of the size and from the whole one. */
  readonly increments: { readonly small: readonly number[]; readonly large: readonly number[] };
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
  const source = join(options.directory, 'strongroom.db');
  await initialise(options);
  const open = await openStrongroom(options);
  const backups: number[] = [];
  const peers: number[] = [];
  const nothings: number[] = [];
  let increments: RecoveryFigures['increments'];
  try {
    await fill(open, memories / SMALLER);
    await open.backups.create('full');
    const small = await incrementsOf(open, rounds);
    await fill(open, memories - memories / SMALLER - rounds * CHANGED);
    await open.backups.create('log');
    increments = { small, large: await incrementsOf(open, rounds) };
    const copy = join(folder, 'peer');
    for (let round = 0; round < rounds; round++) {
      await removeOlder(options.directory, copy);
      peers.push(await timed(() => peer(source, copy)));
      await removeOlder(options.directory, copy);
      backups.push(await timed(() => open.backups.create('full')));
      nothings.push(await timed(() => open.backups.create('log')));
    }
  } finally {
    await open.close();
  }
  const { size } = await stat(source);
  const { restores, openings } = await restoresOf(folder, options, rounds);
  const measured = { peers, backups, nothings, increments, restores, openings };
  return { memories, databaseMb: size / 1e6, ...measured };
}

async function incrementsOf(open: Strongroom, rounds: number): Promise<readonly number[]> {
  const increments: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await fill(open, CHANGED);
    increments.push(await timed(() => open.backups.create('log')));
  }
  return increments;
}

async function restoresOf(
  folder: string,
  { directory: source }: OpenStrongroom,
  rounds: number,
): Promise<Pick<RecoveryFigures, 'restores' | 'openings'>> {
  const restores: number[] = [];
  const openings: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const directory = join(folder, `restored-${round}`);
    const restored = optionsFor(directory);
    await mkdir(directory);
    await run('cp', ['-r', join(source, 'keystore'), join(directory, 'keystore')]);
    const order = { from: join(source, 'backups'), at: null, skipDamaged: false };
    restores.push(await timed(() => restoreBackup(restored, { ...order, onProgress: () => undefined })));
    openings.push(
      await timed(async () => {
        const copy = await openStrongroom(restored);
        await copy.close();
      }),
    );
    await rm(directory, { recursive: true });
  }
  return { restores, openings };
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

/**
 * Takes away what both have written before, so that each finds as much memory for the file cache that is in use already: on a
 * virtual machine a page that was never touched costs several times as much to write.
 */
async function removeOlder(directory: string, copy: string): Promise<void> {
  const backups = join(directory, 'backups');
  for (const name of await readdir(backups))
    if (name.startsWith('bkp_')) await rm(join(backups, name), { recursive: true });
  for (const path of [copy, `${copy}.enc`]) await rm(path, { force: true });
}

async function peer(source: string, copy: string): Promise<void> {
  await run('sqlite3', [source, `.backup ${copy}`]);
  await run('sh', ['-c', `openssl enc -aes-256-ctr -pbkdf2 -pass pass:peer < ${copy} > ${copy}.enc`]);
}

/** Begins with nothing waiting to be written: what one leaves in the file cache, another's sync would pay for. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  await run('sync');
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Figures of the same round are divided, then the median is taken. */
const ratio = (figures: readonly number[], of: readonly number[]): number =>
  median(figures.map((figure, at) => figure / (of[at] ?? Number.NaN)));

export function recoveryText(figures: RecoveryFigures): string {
  const { memories, databaseMb, peers, backups, restores, openings, nothings, increments } = figures;
  const line = (what: string, ms: readonly number[], more = ''): string =>
    `  ${what.padEnd(52)} ${String(Math.round(median(ms))).padStart(6)} ms   ${more}`.trimEnd();
  const times = (value: number): string => `${value.toFixed(2)} times`;
  return [
    `recovery: ${memories} memories of 768 dimensions, a database of ${Math.round(databaseMb)} MB; medians of ${peers.length} rounds`,
    line('sqlite3 FILE .backup, then openssl enc -aes-256-ctr', peers),
    line('full backup', backups, `${times(ratio(peers, backups))} as fast (at least 1 wanted)`),
    line('restore of it', restores, `${times(ratio(restores, backups))} the backup (at most 2 wanted)`),
    line('opening what was restored, dead rows sought', openings),
    line(`${CHANGED} memories more, store of ${memories / SMALLER}`, increments.small),
    line(
      `${CHANGED} memories more, store of ${memories}`,
      increments.large,
      `${times(ratio(increments.large, increments.small))} that of a store of a fourth (1 would follow the change alone)`,
    ),
    line('nothing', nothings),
    '',
  ].join('\n');
}
