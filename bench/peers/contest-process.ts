/** One engine in a process of its own, with nothing else in memory but the vectors: `contest-process.ts NAME SET FOLDER`. */
import { readFile } from 'node:fs/promises';
import { answerParent } from '../child.ts';
import { quantile } from '../figures.ts';
import type { ContestQuestions, Pass } from './contestant.ts';
import { CONTESTANTS, PACKAGES } from './contestants.ts';
import { NEIGHBOURS, readSet, recallOf, vectorAt } from './sets.ts';

const [name = '', setFolder = '', folder = ''] = process.argv.slice(2);
const open = CONTESTANTS[name];
if (open === undefined) throw new RangeError(`no such contestant: ${name}`);
const contestant = await open();
const set = await readSet(setFolder);

answerParent<ContestQuestions>({
  build: async () => {
    const count = set.base.length / set.dimensions;
    globalThis.gc?.();
    const before = process.memoryUsage.rss();
    const started = performance.now();
    await contestant.build(set, folder);
    const seconds = (performance.now() - started) / 1000;
    globalThis.gc?.();
    const { knob, knobs, storage } = contestant;
    return {
      name: contestant.name,
      knob,
      knobs: [...knobs],
      storage,
      version: await versionOf(name),
      addsPerSecond: count / seconds,
      bytesPerVector: (process.memoryUsage.rss() - before) / count,
      indexBytesPerVector: contestant.indexBytes === undefined ? null : contestant.indexBytes() / count,
    };
  },
  pass: async (knob) => {
    await contestant.tune(knob);
    return pass();
  },
});

/** A tenth of the queries warm up. */
async function pass(): Promise<Pass> {
  const count = set.truth.length / NEIGHBOURS;
  for (let query = 0; query < count / 10; query++) await contestant.search(vectorAt(set, set.queries, query));
  const times: number[] = [];
  let recall = 0;
  const started = performance.now();
  for (let query = 0; query < count; query++) {
    const vector = vectorAt(set, set.queries, query);
    const before = performance.now();
    const answer = contestant.search(vector);
    // Who answers at once is not made to wait for a turn of the event loop.
    const found = answer instanceof Promise ? await answer : answer;
    times.push(performance.now() - before);
    recall += recallOf(set, query, found);
  }
  const seconds = (performance.now() - started) / 1000;
  return {
    recall: recall / count,
    p50Ms: quantile(times, 0.5),
    p95Ms: quantile(times, 0.95),
    perSecond: count / seconds,
  };
}

async function versionOf(contestantName: string): Promise<string> {
  const from = PACKAGES[contestantName];
  const file =
    from === undefined
      ? new URL('../../package.json', import.meta.url)
      : new URL(`./node_modules/${from}/package.json`, import.meta.url);
  const { version } = JSON.parse(await readFile(file, 'utf8')) as { version: string };
  return version;
}
