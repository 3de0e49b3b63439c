/**
 * Many small vaults in one process: what each of them costs in memory while its index is open, and how fast searches are
 * that go from one to the next.
 *
 *     node --conditions=source --expose-gc bench/many-vaults.ts [VAULTS] [DIMENSIONS] [SEARCH MEMORY IN MIB]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseSettings } from '../src/config.ts';
import { realEnvironment } from '../src/environment.ts';
import { silentLog } from '../src/http/request-log.ts';
import { StrongroomError } from '../src/errors.ts';
import { initialise } from '../src/initialise.ts';
import { openStrongroom, type OpenStrongroom } from '../src/strongroom.ts';
import { systemContext } from '../test/afterwards.ts';
import { Corpus } from './corpus.ts';

const MEMORIES = 10;
const AT_ONCE = 32;
const ROUNDS = 2;
const [count = '10000', dimensions = '768', searchMemory = '2048'] = process.argv.slice(2);

const folder = await mkdtemp(join(tmpdir(), 'strongroom-vaults-'));
const options: OpenStrongroom = {
  directory: join(folder, 'data'),
  settings: parseSettings(`{"tls":"off","rateLimit":"off","searchMemory":${searchMemory}}`, {}),
  environment: realEnvironment,
  log: silentLog,
  onFatal: (error) => {
    throw error;
  },
};
try {
  await initialise(options);
  const open = await openStrongroom(options);
  try {
    await run(open);
  } finally {
    await open.close();
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function run(open: Awaited<ReturnType<typeof openStrongroom>>): Promise<void> {
  const context = await systemContext(open);
  const corpus = new Corpus(5);
  const vectorOf = (): number[] => corpus.vector().slice(0, Number(dimensions));
  const numbers = Array.from({ length: Number(count) }, (_, number) => number);
  const names = numbers.map((number) => `small ${number}`);
  await timed('made and filled', () =>
    each(names, async (name) => {
      const requestId = open.newId('request');
      await patiently(() =>
        open.vaults.createVault({ ...context, requestId }, { name, dimensions: Number(dimensions) }),
      );
      const memories = Array.from({ length: MEMORIES }, () => ({ text: corpus.text(), vector: vectorOf() }));
      await patiently(() => open.memories.addMemories({ ...context, requestId }, name, memories));
    }),
  );
  for (const { id } of await vaultsOf()) await open.indexes.drop({ id });
  const before = memory();
  for (let round = 0; round < ROUNDS; round++) {
    let found = 0;
    await timed(round === 0 ? 'searched, each opened' : 'searched again', () =>
      each(names, async (name) => {
        const input = { query: corpus.query(), vector: vectorOf(), mode: 'hybrid' as const, limit: 5 };
        const requestId = open.newId('request');
        const { results } = await open.memories.searchMemories({ ...context, requestId }, name, input);
        if (results.length === 5) found++;
      }),
    );
    const bytes = memory() - before;
    console.log(
      `  ${found} of ${count} answered; ${open.indexes.size} indexes are open, ${(open.indexes.bytes / 2 ** 20).toFixed(0)} MiB by their ` +
        `own account; the process grew by ${(bytes / 2 ** 20).toFixed(0)} MiB, ${(bytes / 1024 / open.indexes.size).toFixed(1)} KiB for each`,
    );
  }

  async function vaultsOf(): Promise<readonly { readonly id: never }[]> {
    const all: { readonly id: never }[] = [];
    for (const name of names) {
      const vault = await open.vaults.find(context.organization, name);
      if (vault !== null) all.push(vault as never);
    }
    return all;
  }
}

function memory(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss();
}

async function timed(what: string, work: () => Promise<void>): Promise<void> {
  const started = performance.now();
  await work();
  const ms = performance.now() - started;
  console.log(
    `${count} vaults of ${MEMORIES} memories, ${what}: ${(ms / 1000).toFixed(1)} s, ${(ms / Number(count)).toFixed(2)} ms for each`,
  );
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
async function each(names: readonly string[], work: (name: string) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let at = next++; at < names.length; at = next++) await work(names[at] as string);
    }),
  );
}
