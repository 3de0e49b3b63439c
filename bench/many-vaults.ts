/**
 * Many small vaults on one server: what each costs to make, to open, to save, in memory while its index is open, and how
 * fast searches are that go from one to the next.
 *
 *     node --conditions=source --expose-gc bench/many-vaults.ts [VAULTS] [DIMENSIONS] [SEARCH MEMORY IN MIB]
 *
 * Three processes, one after the other: one makes the vaults, one opens them from their records, one from their segments. A
 * process's growth says little by itself, because an opening leaves memory that open vaults use again: look at its size as well.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSettings } from '../src/config.ts';
import { realEnvironment } from '../src/environment.ts';
import { silentLog } from '../src/http/request-log.ts';
import { StrongroomError } from '../src/errors.ts';
import { initialise } from '../src/initialise.ts';
import { openStrongroom, type OpenStrongroom, type Strongroom } from '../src/strongroom.ts';
import type { Vault } from '../src/vaults/vault.ts';
import { systemContext } from '../test/afterwards.ts';
import { Corpus } from './corpus.ts';

const MEMORIES = 10;
const AT_ONCE = 32;
const ROUNDS = 2;
const MIB = 2 ** 20;
const [count = '10000', dimensions = '64', searchMemory = '2048', phase = 'all', given = ''] =
  process.argv.slice(2);
const names = Array.from({ length: Number(count) }, (_, number) => `small ${number}`);

if (phase === 'all') await runAll();
else await runPhase(phase === 'make' ? make : search);

async function runAll(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-vaults-'));
  try {
    for (const next of ['make', 'from records', 'from segments']) {
      const own = [fileURLToPath(import.meta.url), count, dimensions, searchMemory, next, folder];
      const { status } = spawnSync(process.execPath, [...process.execArgv, ...own], { stdio: 'inherit' });
      if (status !== 0) throw new Error(`${next}: ended with ${status}`);
    }
    console.log(`on disk: ${((await sizeOf(folder)) / 1024 / Number(count)).toFixed(1)} KiB for each`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function runPhase(work: (open: Strongroom, vectorOf: () => number[]) => Promise<void>): Promise<void> {
  const options: OpenStrongroom = {
    directory: join(given, 'data'),
    settings: parseSettings(`{"tls":"off","rateLimit":"off","searchMemory":${searchMemory}}`, {}),
    environment: realEnvironment,
    log: silentLog,
    onFatal: (error) => {
      throw error;
    },
  };
  if (work === make) await initialise(options);
  const started = performance.now();
  const open = await openStrongroom(options);
  if (work !== make) console.log(`the deployment opened in ${seconds(performance.now() - started)}`);
  const corpus = new Corpus(5);
  try {
    await work(open, () => corpus.vector().slice(0, Number(dimensions)));
    if (phase === 'make') for (const vault of await vaultsOf(open)) await open.indexes.drop(vault);
    else await timed('saved', () => open.indexes.saveAll());
  } finally {
    await open.close();
  }
}

async function make(open: Strongroom, vectorOf: () => number[]): Promise<void> {
  const context = await systemContext(open);
  const corpus = new Corpus(6);
  await timed('made and filled', () =>
    each(async (name) => {
      const requestId = open.newId('request');
      await patiently(() =>
        open.vaults.createVault({ ...context, requestId }, { name, dimensions: Number(dimensions) }),
      );
      const memories = Array.from({ length: MEMORIES }, () => ({ text: corpus.text(), vector: vectorOf() }));
      await patiently(() => open.memories.addMemories({ ...context, requestId }, name, memories));
    }),
  );
}

async function search(open: Strongroom, vectorOf: () => number[]): Promise<void> {
  const context = await systemContext(open);
  const corpus = new Corpus(7);
  const before = memory();
  for (let round = 0; round < ROUNDS; round++) {
    let found = 0;
    await timed(round === 0 ? `searched, each opened ${phase}` : 'searched again', () =>
      each(async (name) => {
        const input = { query: corpus.query(), vector: vectorOf(), mode: 'hybrid' as const, limit: 5 };
        const requestId = open.newId('request');
        const { results } = await open.memories.searchMemories({ ...context, requestId }, name, input);
        if (results.length === 5) found++;
      }),
    );
    const { size, bytes } = open.indexes;
    const after = memory();
    const grown = after - before;
    console.log(
      `  ${found} of ${count} answered; ${size} indexes are open, ${(bytes / 1024 / size).toFixed(1)} KiB each by their own account; ` +
        `the process grew by ${(grown / MIB).toFixed(0)} MiB to ${(after / MIB).toFixed(0)} MiB`,
    );
  }
}

async function vaultsOf(open: Strongroom): Promise<readonly Vault[]> {
  const { organization } = await systemContext(open);
  const found = await Promise.all(names.map((name) => open.vaults.find(organization, name)));
  return found.filter((vault) => vault !== null);
}

function memory(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss();
}

async function sizeOf(folder: string): Promise<number> {
  const files = await readdir(folder, { recursive: true });
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(folder, file))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function timed(what: string, work: () => Promise<void>): Promise<void> {
  const started = performance.now();
  await work();
  const ms = performance.now() - started;
  console.log(
    `${count} vaults of ${MEMORIES} memories, ${what}: ${seconds(ms)}, ${(ms / Number(count)).toFixed(2)} ms for each`,
  );
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** New vaults need new pages of keys, which are made while others wait. */
async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StrongroomError) || error.code !== 'busy') throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** So many at a time. */
async function each(work: (name: string) => Promise<void>): Promise<void> {
  const waiting = names.values();
  const lane = async (): Promise<void> => {
    for (const name of waiting) await work(name);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}
