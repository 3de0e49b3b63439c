/**
 * What searches feel while a vault's segments are written anew, because a memory of each was erased: at once, as when a
 * server stops, and at leisure, as a running one does it every hour. What they feel of the end of a conversation that has
 * memories all over the vault; and those of another vault, while this one is read from its records, without segments.
 *
 *     node --conditions=source bench/saving.ts [MEMORIES] [ROUNDS] [FOLDER]
 *
 * FOLDER has base.f32 and query.f32, vectors of 768 numbers; without it they are made up. Each search is the whole of one, ledger
 * and sync included, but for HTTP; the next is asked when it is answered.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { realTimer } from '../src/timer.ts';
import { Leisure } from '../src/vaults/leisure.ts';
import { systemContext } from '../test/afterwards.ts';
import { DIMENSIONS, Corpus } from './corpus.ts';
import { quantile } from './figures.ts';
import { loadVectors, makeVectors } from './vector-sets.ts';
import { watchedDeployment } from './watched-deployment.ts';

const BATCH = 500;
const CALM_MS = 8000;
/** A memory of each leaf page, and then some. */
const ERASED_EVERY = 2000;

const OTHER = 'other';
const OTHER_MEMORIES = 5000;
const TALKS = 500;
const talk = (number: number): string => `talk ${number % TALKS}`;
const ERASED_TALKS = 3;
const AFTERWARDS_MS = 2000;

const [count = '50000', rounds = '3', source] = process.argv.slice(2);
const memories = Number(count);
const { base, queries } =
  source === undefined ? makeVectors('clusters', memories, DIMENSIONS) : await loadVectors(source);
const vectorOf = (numbers: Float32Array, row: number): number[] =>
  Array.from(numbers.subarray(row * DIMENSIONS, (row + 1) * DIMENSIONS));

const folder = await mkdtemp(join(tmpdir(), 'strongroom-saving-'));
try {
  await run();
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function run(): Promise<void> {
  const { open } = await watchedDeployment(folder, 'data');
  try {
    const context = await systemContext(open);
    const corpus = new Corpus(5);
    const vault = await open.vaults.find(context.organization, 'default');
    if (vault === null) throw new Error('no vault');
    const fill = async (name: string, count: number): Promise<string[]> => {
      const ids: string[] = [];
      for (let from = 0; from < count; from += BATCH) {
        const batch = Array.from({ length: Math.min(BATCH, count - from) }, (_, i) => ({
          text: corpus.text(),
          conversation: talk(from + i),
          vector: vectorOf(base, from + i),
        }));
        const added = await open.memories.addMemories(context, name, batch);
        ids.push(...added.memories.map(({ id }) => id));
      }
      return ids;
    };
    const ids = await fill('default', memories);
    await open.store.write(context.organization, (tx) => open.vaults.create(tx, vault, { name: OTHER }));
    await fill(OTHER, Math.min(memories, OTHER_MEMORIES));
    const requests = Array.from({ length: 200 }, (_, row) => ({
      mode: 'vector' as const,
      vector: vectorOf(queries, row),
      limit: 10,
    }));
    let asked = 0;
    const search = async (name: string): Promise<number> => {
      const request = requests[asked++ % requests.length] as (typeof requests)[number];
      const started = performance.now();
      await open.memories.searchMemories(context, name, request);
      return performance.now() - started;
    };
    const searchUntil = async (over: () => boolean, name = 'default'): Promise<number[]> => {
      const times: number[] = [];
      while (!over()) times.push(await search(name));
      return times;
    };
    const searchFor = (ms: number, name = 'default'): Promise<number[]> => {
      const end = performance.now() + ms;
      return searchUntil(() => performance.now() >= end, name);
    };
    const eraseSome = async (): Promise<void> => {
      for (let at = 0; at < ids.length; at += ERASED_EVERY)
        for (const memory of ids.splice(at, 1))
          await open.memories.deleteMemory(context, { vault: 'default', memory }, 'erase', null);
    };
    await searchFor(2 * CALM_MS);
    await open.indexes.saveAll();
    for (let round = 0; round < Number(rounds); round++) {
      const calm = await searchFor(CALM_MS);
      print('nothing is written', calm, calm, null);
      for (const leisure of [null, new Leisure({ timer: realTimer, elapsed: () => performance.now() })]) {
        await eraseSome();
        let isSaved = false;
        const started = performance.now();
        const saving = open.indexes.saveAll(leisure).finally(() => (isSaved = true));
        const times = await searchUntil(() => isSaved);
        await saving;
        print(leisure === null ? 'at once' : 'at leisure', times, calm, performance.now() - started);
      }
    }
    for (let number = 0; number < ERASED_TALKS; number++) {
      const calm = await searchFor(CALM_MS);
      const target = { vault: 'default', conversation: talk(number) };
      const erasing = open.erasureRequests.request(context, { target, reason: 'measured' });
      const times = await searchFor(AFTERWARDS_MS);
      await erasing;
      print(`a conversation of ${Math.ceil(memories / TALKS)} memories is erased`, times, calm, null);
      await open.indexes.saveAll();
    }
    await searchFor(CALM_MS, OTHER);
    for (let round = 0; round < Number(rounds); round++) {
      const calm = await searchFor(CALM_MS, OTHER);
      await open.segments.discard(vault.id);
      await open.indexes.drop(vault);
      let isFull = false;
      const started = performance.now();
      const filling = open.indexes.of(vault).finally(() => (isFull = true));
      const times = await searchUntil(() => isFull, OTHER);
      await filling;
      print('another vault is read from its records', times, calm, performance.now() - started);
      await searchFor(CALM_MS, OTHER);
    }
  } finally {
    await open.close();
  }
}

function print(what: string, times: readonly number[], calm: readonly number[], tookMs: number | null): void {
  const at = (part: number): string => quantile(times, part).toFixed(2);
  const ratio = (quantile(times, 0.95) / quantile(calm, 0.95)).toFixed(2);
  const took = tookMs === null ? '' : `, in ${(tookMs / 1000).toFixed(1)} s`;
  console.log(
    `${what}${took}: ${times.length} searches, p50 ${at(0.5)}, p95 ${at(0.95)} (${ratio} of calm), p99 ${at(0.99)}, longest ${at(1)} ms`,
  );
}
