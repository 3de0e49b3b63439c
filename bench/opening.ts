/**
 * Opening a vault from its sealed segments, against AES-256-GCM alone on as many bytes in the same process.
 *
 *     node --conditions=source bench/opening.ts [MEMORIES] [ROUNDS] [FOLDER]
 *
 * FOLDER has base.f32 and query.f32, vectors of 768 numbers; without it they are made up. The last line is from the records, without segments.
 */
import { mkdtemp, open as openFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseSettings } from '../src/config.ts';
import { realEnvironment } from '../src/environment.ts';
import { silentLog } from '../src/http/request-log.ts';
import { initialise } from '../src/initialise.ts';
import { openStrongroom, type OpenStrongroom } from '../src/strongroom.ts';
import { systemContext } from '../test/afterwards.ts';
import { Child } from './child.ts';
import { Corpus, DIMENSIONS } from './corpus.ts';
import type { Opening, OpeningQuestions } from './opening-process.ts';

const BATCH = 500;
const [count = '100000', rounds = '5', source] = process.argv.slice(2);

const folder = await mkdtemp(join(tmpdir(), 'strongroom-opening-'));
const directory = join(folder, 'data');
try {
  await fill(Number(count));
  for (let round = 0; round < Number(rounds); round++) print('segments', await openOnce(true));
  print('records', await openOnce(false));
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function openOnce(withSegments: boolean): Promise<Opening> {
  const child = new Child<OpeningQuestions>(
    './opening-process.ts',
    source === undefined ? [directory] : [directory, join(source, 'query.f32')],
    join(folder, 'errors.log'),
  );
  try {
    const opening = await child.ask('open', { withSegments });
    await child.ask('close', null);
    return opening;
  } finally {
    await child.end();
  }
}

function print(from: string, opening: Opening): void {
  const { memories, segments, megabytes, filledMs, vectorMs, textMs, settledMs, cpuMs, gcmMs, searches } =
    opening;
  const ms = (value: number): string => `${value.toFixed(1)} ms`;
  console.log(
    `${from}: ${memories} memories, ${segments} segments, ${megabytes.toFixed(1)} MB; filled in ${ms(filledMs)}, then ` +
      `by vector ${ms(vectorMs)}, by text ${ms(textMs)} (${ms(cpuMs)} of processor); all settled after ${ms(settledMs)} of searching; AES-256-GCM alone ${ms(gcmMs)} ` +
      `(${(megabytes / gcmMs).toFixed(2)} GB/s); ratio ${(gcmMs / filledMs).toFixed(2)}, with the first answer ${(gcmMs / (filledMs + vectorMs)).toFixed(2)}`,
  );
  for (const { untilMs, count, p50Ms, p95Ms } of searches)
    console.log(
      `  by vector ${untilMs === null ? 'once settled' : `until ${untilMs} ms`}: ${count} searches, p50 ${p50Ms.toFixed(2)}, p95 ${p95Ms.toFixed(2)} ms`,
    );
}

async function fill(memories: number): Promise<void> {
  const options: OpenStrongroom = {
    directory,
    settings: parseSettings('{"tls":"off","rateLimit":"off"}', {}),
    environment: realEnvironment,
    log: silentLog,
    onFatal: (error) => {
      throw error;
    },
  };
  await initialise(options);
  const open = await openStrongroom(options);
  const context = await systemContext(open);
  const corpus = new Corpus(3);
  const vectors = source === undefined ? null : await openFile(join(source, 'base.f32'));
  const vectorAt = async (): Promise<number[]> => {
    if (vectors === null) return corpus.vector();
    const numbers = new Float32Array(DIMENSIONS);
    await vectors.read(new Uint8Array(numbers.buffer));
    return Array.from(numbers);
  };
  try {
    await open.memories.searchMemories(context, 'default', { query: 'anything', limit: 1 });
    for (let done = 0; done < memories; done += BATCH) {
      const batch = [];
      for (let i = 0; i < Math.min(BATCH, memories - done); i++)
        batch.push({ text: corpus.text(), vector: await vectorAt() });
      await open.memories.addMemories(context, 'default', batch);
    }
  } finally {
    await vectors?.close();
    await open.close();
  }
}
