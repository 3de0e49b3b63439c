/**
 * Strongroom beside other engines, on the same vectors in the same run.
 *
 *     npm run peers -- [--vectors FOLDER | --vectors GENERATOR] [--count N] [--dimensions N] [--clusters N] [--queries N] [--seed N]
 *                      [--recall R] [--peers a,b,…] [--rounds N] [--library off] [--served off] [--seconds S]
 *                      [--label NAME] [--write docs/performance.md] [--json FILE]
 *
 * As libraries, in one thread each: usearch, zvec, lancedb-rq, lancedb-hnsw, sqlite-vec. Over HTTP, beside Chroma's server.
 * With --write the tables and a plot go into the document. Peers are installed in this folder and nowhere else.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PACKAGES } from './contestants.ts';
import { compareLibraries } from './library.ts';
import { markdownOf, writeRun, type Run } from './report.ts';
import { compareServers } from './served.ts';
import { NEIGHBOURS, prepareSet, readSet } from './sets.ts';

const { values: flags } = parseArgs({
  options: {
    vectors: { type: 'string' },
    generator: { type: 'string' },
    count: { type: 'string', default: '50000' },
    dimensions: { type: 'string', default: '768' },
    clusters: { type: 'string', default: '200' },
    queries: { type: 'string', default: '300' },
    seed: { type: 'string', default: '12345' },
    recall: { type: 'string', default: '0.99' },
    peers: { type: 'string', default: Object.keys(PACKAGES).join(',') },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    library: { type: 'string', default: 'on' },
    served: { type: 'string', default: 'on' },
    label: { type: 'string' },
    write: { type: 'string' },
    json: { type: 'string' },
  },
});

const wanted = {
  count: number('count'),
  dimensions: number('dimensions'),
  queries: number('queries'),
  clusters: number('clusters'),
  seed: number('seed'),
  source: flags.vectors ?? flags.generator ?? null,
};
const peers = flags.peers.split(',').filter((name) => name !== '');
const unknown = peers.find((name) => !Object.hasOwn(PACKAGES, name));
if (unknown !== undefined) throw new RangeError(`no such peer: ${unknown}`);
const log = (line: string): void => console.log(`${new Date().toISOString().slice(11, 19)}  ${line}`);

log('vectors');
const setFolder = await prepareSet(wanted);
const set = await readSet(setFolder);
const count = set.base.length / set.dimensions;
const queries = set.truth.length / NEIGHBOURS;
const clusters = wanted.clusters === 1 ? 'no clusters' : `${wanted.clusters} clusters`;
const title = `${count.toLocaleString('en')} vectors of ${set.dimensions} numbers, ${flags.label ?? clusters}`;
log(`${title}, from ${setFolder}`);

const folder = await mkdtemp(join(tmpdir(), 'strongroom-peers-run-'));
try {
  const rounds = number('rounds');
  const library =
    flags.library === 'off'
      ? null
      : await compareLibraries({
          setFolder,
          folder,
          peers,
          recall: number('recall'),
          rounds,
          log,
        });
  const served =
    flags.served === 'off'
      ? null
      : await compareServers({
          setFolder,
          folder: join(folder, 'served'),
          rounds,
          seconds: number('seconds'),
          log,
        }).catch((error: unknown) => {
          // What was measured before is not thrown away because a peer does not start here.
          log(`servers: left out, ${error instanceof Error ? error.message : String(error)}`);
          return null;
        });
  const label = flags.label ?? [count, set.dimensions, wanted.clusters].join('-');
  const run: Run = { label, title, count, queries, rounds, library, served };
  console.log(`\n${markdownOf(run, null)}\n`);
  if (flags.write !== undefined) await writeRun(run, flags.write);
  if (flags.json !== undefined) await writeFile(flags.json, `${JSON.stringify(run, null, 2)}\n`);
} finally {
  await rm(folder, { recursive: true, force: true });
}

function number(
  name: 'count' | 'dimensions' | 'queries' | 'clusters' | 'seed' | 'recall' | 'rounds' | 'seconds',
): number {
  const value = Number(flags[name]);
  if (!Number.isFinite(value) || value <= 0) throw new RangeError(`--${name}: not a number above 0`);
  return value;
}
