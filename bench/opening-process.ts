/** What a fresh process needs to open one vault: `opening-process.ts DIRECTORY [QUESTIONS]`, a file of float32 vectors. Nothing is warm but the system's file cache. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSettings } from '../src/config.ts';
import { realEnvironment } from '../src/environment.ts';
import { openStrongroom, type Strongroom } from '../src/strongroom.ts';
import { SYSTEM } from '../src/store/store.ts';
import type { OrganizationId } from '../src/ids.ts';
import { answerParent } from './child.ts';
import { Corpus, DIMENSIONS } from './corpus.ts';

export interface Opening {
  readonly memories: number;
  readonly segments: number;
  readonly megabytes: number;
  /** Until the vault's index has all of it, and until it has answered a first question by vector, then one by text. */
  readonly filledMs: number;
  readonly vectorMs: number;
  readonly textMs: number;
  /** Processor time of all threads until the first answer. */
  readonly cpuMs: number;
  /** Until nothing was left to do for the index, counted from the opening, while it was searched without a pause. */
  readonly settledMs: number;
  /** Searches by vector from the opening on, one at a time: by when they began, and once all was done. */
  readonly searches: readonly SearchTimes[];
  /** What AES-256-GCM alone takes for as many bytes in pieces of the same sizes; median of several rounds. */
  readonly gcmMs: number;
}

export interface SearchTimes {
  /** Milliseconds from the opening; null: once nothing was left to do. */
  readonly untilMs: number | null;
  readonly count: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
}

export interface OpeningQuestions {
  readonly open: { takes: { readonly withSegments: boolean }; answers: Opening };
  readonly close: { takes: null; answers: null };
}

const GCM_ROUNDS = 7;
const REST_MS = 1500;
const WINDOWS_MS = [250, 500, 1000, 2000, 4000, 8000];
const CALM_SEARCHES = 500;
const CORPUS_QUESTIONS = 200;
const [directory = '', questions] = process.argv.slice(2);
let open: Strongroom | null = null;

answerParent<OpeningQuestions>({
  open: async ({ withSegments }) => {
    open = await openStrongroom({
      directory,
      settings: parseSettings('{"tls":"off","rateLimit":"off"}', {}),
      environment: realEnvironment,
      log: { info: () => undefined, error: (fields, message) => console.error(message, fields) },
      onFatal: (error) => {
        throw error;
      },
    });
    return measure(open, withSegments);
  },
  close: async () => {
    await open?.close();
    return null;
  },
});

async function measure({ store, vaults, indexes }: Strongroom, withSegments: boolean): Promise<Opening> {
  const organization = await store.read(SYSTEM, (db) =>
    db.selectFrom('organizations').select('id').executeTakeFirstOrThrow(),
  );
  const vault = await vaults.find(organization.id as OrganizationId, 'default');
  if (vault === null) throw new Error('there is no vault');
  const rows = await store.read(vault.organization.id, (db) =>
    db.selectFrom('segments').select('blob').where('vault', '=', vault.id).execute(),
  );
  if (!withSegments)
    await store.write(vault.organization.id, (tx) =>
      tx.sql.deleteFrom('segments').where('vault', '=', vault.id).execute(),
    );
  const sizes: number[] = [];
  for (const { blob } of rows) sizes.push((await stat(join(directory, 'blobs', blob))).size);
  const gcmBefore = gcmTimes(sizes);
  const corpus = new Corpus(7);
  const vector = Float32Array.from(corpus.vector());
  // What the deployment does by itself after it was opened is not what is measured.
  await new Promise((resolve) => setTimeout(resolve, REST_MS));
  const cpu = process.cpuUsage();
  const started = performance.now();
  const index = await indexes.of(vault);
  const filled = performance.now();
  await index.search({ vector, mode: 'vector', limit: 10, now: Date.now() });
  const { user, system } = process.cpuUsage(cpu);
  const byVector = performance.now();
  await index.search({ query: corpus.query(), mode: 'text', limit: 10, now: Date.now() });
  const byText = performance.now();
  const vectors =
    questions === undefined
      ? Float32Array.from(Array.from({ length: CORPUS_QUESTIONS }, () => corpus.vector()).flat())
      : new Float32Array((await readFile(questions)).buffer);
  let asked = 0;
  const ask = (): Promise<unknown> => {
    const from = (asked++ * DIMENSIONS) % vectors.length;
    const own = vectors.slice(from, from + DIMENSIONS);
    return index.search({ vector: own, mode: 'vector', limit: 10, now: Date.now() });
  };
  const searches: SearchTimes[] = [];
  for (const untilMs of WINDOWS_MS) {
    const times: number[] = [];
    while (performance.now() - started < untilMs && !(await index.stats()).isSettled) {
      const begun = performance.now();
      await ask();
      times.push(performance.now() - begun);
    }
    if (times.length > 0) searches.push(timesOf(untilMs, times));
  }
  while (!(await index.stats()).isSettled) await ask();
  const settled = performance.now();
  const calm: number[] = [];
  for (let n = 0; n < CALM_SEARCHES; n++) {
    const begun = performance.now();
    await ask();
    calm.push(performance.now() - begun);
  }
  searches.push(timesOf(null, calm));
  const { records } = await index.stats();
  const gcm = [...gcmBefore, ...gcmTimes(sizes)].sort((a, b) => a - b);
  return {
    memories: records,
    segments: rows.length,
    megabytes: sizes.reduce((sum, size) => sum + size, 0) / 1e6,
    filledMs: filled - started,
    vectorMs: byVector - filled,
    textMs: byText - byVector,
    settledMs: settled - started,
    searches,
    cpuMs: (user + system) / 1000,
    gcmMs: gcm[Math.floor(gcm.length / 2)] ?? 0,
  };
}

function timesOf(untilMs: number | null, times: readonly number[]): SearchTimes {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (part: number): number => sorted[Math.floor(sorted.length * part)] ?? 0;
  return { untilMs, count: times.length, p50Ms: at(0.5), p95Ms: at(0.95) };
}

/** Each piece decrypted into memory of its own, as a program must that keeps what it has opened. */
function gcmTimes(sizes: readonly number[]): readonly number[] {
  const key = randomBytes(32);
  const sealed = sizes.map((size) => {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    const box = Buffer.concat([cipher.update(Buffer.alloc(size, 1)), cipher.final()]);
    return { nonce, box, tag: cipher.getAuthTag() };
  });
  return Array.from({ length: GCM_ROUNDS }, () => {
    const opened: Buffer[] = [];
    const started = performance.now();
    for (const { nonce, box, tag } of sealed) {
      const decipher = createDecipheriv('aes-256-gcm', key, nonce);
      decipher.setAuthTag(tag);
      opened.push(decipher.update(box));
      decipher.final();
    }
    return performance.now() - started;
  });
}
