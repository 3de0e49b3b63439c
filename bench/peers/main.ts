/**
 * Strongroom beside other engines, on the same vectors in the same run.
 *
 *     npm run peers -- [--vectors FOLDER | --vectors GENERATOR] [--sets 50000x200,200000x1] [--dimensions N] [--queries N] [--seed N]
 *                      [--recall R] [--peers a,b,…] [--rounds N] [--seconds S] [--conversations LOCOMO]
 *                      [--library off] [--served off] [--opening off] [--words off]
 *                      [--label NAME] [--write docs/performance.md] [--json FILE [--resume]]
 *     npm run peers -- --full        # all four sets of vectors: 50,000 and 200,000, with 200 clusters and with none
 *
 * A set is a number of vectors and of clusters. As libraries, in one thread each: usearch, zvec, lancedb-rq, lancedb-hnsw,
 * sqlite-vec. Over HTTP on the first set, beside Chroma's server; then that deployment is filled up to 100,000 memories and opened cold.
 * Of sets that were met in both sizes it is then measured how p50 grows. Last come all aims, with what was measured. With --write
 * the tables and plots go into the document. With --resume what the file holds already counts as measured, for whoever takes the
 * sets one by one. Peers are installed in this folder and nowhere else.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PACKAGES } from './contestants.ts';
import { FEW, MANY, measureGrowth, type Growth, type Met } from './growth.ts';
import { compareLibraries } from './library.ts';
import { marksOf, type Everything } from './marks.ts';
import { measureOpening } from './opening.ts';
import { machine, markdownOf, marksTable, writeMarks, writeRun, type Run } from './report.ts';
import { compareServers, deploymentIn, VAULT } from './served.ts';
import { NEIGHBOURS, exists, prepareSet, readSet } from './sets.ts';
import { measureWords } from './words.ts';

const FULL = '50000x200,50000x1,200000x200,200000x1';
const OPENED = 100_000;

const { values: flags } = parseArgs({
  options: {
    vectors: { type: 'string' },
    sets: { type: 'string' },
    full: { type: 'boolean', default: false },
    dimensions: { type: 'string', default: '768' },
    queries: { type: 'string', default: '300' },
    seed: { type: 'string', default: '12345' },
    recall: { type: 'string', default: '0.99' },
    peers: { type: 'string', default: Object.keys(PACKAGES).join(',') },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    conversations: { type: 'string' },
    library: { type: 'string', default: 'on' },
    served: { type: 'string', default: 'on' },
    opening: { type: 'string', default: 'on' },
    words: { type: 'string', default: 'on' },
    label: { type: 'string' },
    write: { type: 'string' },
    json: { type: 'string' },
    resume: { type: 'boolean', default: false },
  },
});

const peers = flags.peers.split(',').filter((name) => name !== '');
const unknown = peers.find((name) => !Object.hasOwn(PACKAGES, name));
if (unknown !== undefined) throw new RangeError(`no such peer: ${unknown}`);
const sets = (flags.sets ?? (flags.full ? FULL : '50000x200')).split(',').map(parseSet);
const log = (line: string): void => console.log(`${new Date().toISOString().slice(11, 19)}  ${line}`);

const folder = await mkdtemp(join(tmpdir(), 'strongroom-peers-run-'));
try {
  const before = await measuredBefore();
  const runs: Run[] = [...before.runs];
  const met: Compared[] = [];
  let { opening } = before;
  for (const [at, set] of sets.entries()) {
    const isFirst = at === 0;
    const compared = await compare(set, isFirst);
    const { run } = compared;
    met.push(compared);
    replace(runs, run);
    console.log(`\n${markdownOf(run, null)}\n`);
    if (isFirst && run.served !== null && flags.opening !== 'off')
      opening = await measureOpening(deploymentIn(folder), VAULT, log);
    if (flags.write !== undefined)
      await writeRun(runs.find(({ label }) => label === run.label) ?? run, flags.write);
  }
  const growths = [...before.growth, ...(await measureGrowths(met))];
  const growth = [...new Map(growths.map((each) => [each.kind, each])).values()];
  const words = flags.words === 'off' ? before.words : await measureWords(flags.conversations ?? null, log);
  const marks = marksOf({ runs, growth, opening, words });
  console.log(`\n${marksTable(marks)}\n`);
  if (flags.write !== undefined) await writeMarks(marks, flags.write);
  if (flags.json !== undefined)
    await writeFile(flags.json, `${JSON.stringify({ runs, growth, opening, words, marks }, null, 2)}\n`);
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function measuredBefore(): Promise<Everything> {
  const file = flags.json;
  if (!flags.resume || file === undefined || !(await exists(file)))
    return { runs: [], growth: [], opening: null, words: null };
  return JSON.parse(await readFile(file, 'utf8')) as Everything;
}

/** A part that was left out this time stays as it was measured before. */
function replace(runs: Run[], run: Run): void {
  const at = runs.findIndex(({ label }) => label === run.label);
  const old = runs[at];
  if (old === undefined) runs.push(run);
  else runs[at] = { ...run, library: run.library ?? old.library, served: run.served ?? old.served };
}

/** Of each kind of vectors that was met in both numbers. */
async function measureGrowths(met: readonly Compared[]): Promise<readonly Growth[]> {
  const found: Growth[] = [];
  const of = (kind: string, count: number): Met | null => {
    const compared = met.find(({ run }) => run.kind === kind && run.count === count);
    return compared?.run.library
      ? { setFolder: compared.setFolder, knob: compared.run.library.ours.chosen.knob }
      : null;
  };
  for (const kind of new Set(met.map(({ run }) => run.kind))) {
    const [few, many] = [of(kind, FEW), of(kind, MANY)];
    if (few !== null && many !== null)
      found.push(await measureGrowth({ kind, few, many, folder, rounds: number('rounds'), log }));
  }
  return found;
}

interface Compared {
  readonly setFolder: string;
  readonly run: Run;
}

async function compare(wanted: { count: number; clusters: number }, isFirst: boolean): Promise<Compared> {
  const { clusters } = wanted;
  log('vectors');
  const setFolder = await prepareSet({
    ...wanted,
    dimensions: number('dimensions'),
    queries: number('queries'),
    seed: number('seed'),
    source: flags.vectors ?? null,
  });
  const set = await readSet(setFolder);
  const count = set.base.length / set.dimensions;
  const kind = flags.label ?? (clusters === 1 ? 'no clusters' : `${clusters} clusters`);
  const title = `${count.toLocaleString('en')} × ${set.dimensions}, ${kind}`;
  log(`${title}, from ${setFolder}`);
  const rounds = number('rounds');
  const library =
    flags.library === 'off'
      ? null
      : await compareLibraries({ setFolder, folder, peers, recall: number('recall'), rounds, log });
  const isServed = isFirst && flags.served !== 'off';
  const served = !isServed ? null : await serve(setFolder, count);
  const label = [...(flags.label === undefined ? [clusters] : [flags.label]), count, set.dimensions].join(
    '-',
  );
  const queries = set.truth.length / NEIGHBOURS;
  const { dimensions } = set;
  const run = { label, title, kind, count, dimensions, machine: machine(), queries, rounds, library, served };
  return { setFolder, run };
}

async function serve(setFolder: string, count: number): Promise<Run['served']> {
  const more = flags.opening === 'off' ? 0 : Math.max(0, OPENED - count);
  const options = { setFolder, folder, rounds: number('rounds'), seconds: number('seconds'), more, log };
  try {
    return await compareServers(options);
  } catch (error) {
    // What was measured before is not thrown away because a peer does not start here.
    log(`servers: left out, ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}

function parseSet(text: string): { count: number; clusters: number } {
  const [count, clusters] = /^(\d+)x(\d+)$/.exec(text)?.slice(1).map(Number) ?? [];
  if (!count || !clusters) throw new RangeError(`--sets: ${text} is not like 50000x200`);
  return { count, clusters };
}

function number(name: 'dimensions' | 'queries' | 'seed' | 'recall' | 'rounds' | 'seconds'): number {
  const value = Number(flags[name]);
  if (!Number.isFinite(value) || value <= 0) throw new RangeError(`--${name}: not a number above 0`);
  return value;
}
