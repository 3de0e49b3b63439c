/**
 * What the server does in a second, and what its protection costs: docs/performance.md explains the figures.
 *
 *     npm run bench -- [--json FILE] [--rounds N] [--seconds S] [--profile FOLDER]
 *
 * Two servers run side by side, one whole and one without sealing and ledger, each in a process of its own; a third
 * process asks them over HTTPS, in turns, so that whatever else the machine does meets both. Medians of the rounds.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { arch, cpus, platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Child } from './child.ts';
import type { Cold, ColdQuestions, Sealing } from './cold-process.ts';
import { DIMENSIONS } from './corpus.ts';
import { median, rounded } from './figures.ts';
import type { LoadQuestions, Measured, SearchMode } from './load-process.ts';
import type { Reach, ServerQuestions } from './server-process.ts';

const VAULT = 'memories';
const BATCH_SIZE = 100;
const MEMORIES = 10_000;
const ADDS_IN_FLIGHT = 4;
const SEARCHES_IN_FLIGHT = 8;
const LIMIT = 10;
const WARM_UP_BATCHES = 10;
const WARM_UP_SECONDS = 1;
const COLD_OPENINGS = 3;
const MODES: readonly SearchMode[] = ['text', 'vector', 'hybrid'];
const KINDS = ['protected', 'bare'] as const;

type Kind = (typeof KINDS)[number];

interface Side {
  readonly kind: Kind;
  readonly directory: string;
  readonly server: Child<ServerQuestions>;
  readonly reach: Reach;
}

/** One round on one side; `serverCpuMs` is the processor time of all the server's threads meanwhile. */
type Round = Measured & { readonly serverCpuMs: number };

type Rounds = { readonly [K in Kind]: Round[] };

const { values: flags } = parseArgs({
  options: {
    json: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    profile: { type: 'string' },
  },
});
const rounds = Number(flags.rounds);
const seconds = Number(flags.seconds);
const profileFolder = flags.profile;

const folder = await mkdtemp(join(tmpdir(), 'strongroom-bench-'));
const logFile = join(folder, 'servers.log');
try {
  if (profileFolder !== undefined) await mkdir(profileFolder, { recursive: true });
  await run();
} catch (error) {
  console.error(await readFile(logFile, 'utf8').catch(() => ''));
  throw error;
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function run(): Promise<void> {
  const load = new Child<LoadQuestions>('./load-process.ts', [], logFile);
  const sides = await Promise.all(KINDS.map(startSide));
  for (const { reach } of sides)
    await load.ask('createVault', { reach, name: VAULT, dimensions: DIMENSIONS });
  await warmUp(load, sides);
  const adds = await addRounds(load, sides);
  const searches = await searchRounds(load, sides);
  const peakMb = (await sides[0]?.server.ask('usage', null))?.peakMb ?? 0;
  await load.end();
  for (const { server } of sides) {
    await server.ask('close', null);
    await server.end();
  }
  const cold = await coldRounds(sides[0]?.directory ?? '');
  await report({ adds, searches, cold, peakMb });
}

async function startSide(kind: Kind): Promise<Side> {
  const directory = join(folder, kind);
  const server = new Child<ServerQuestions>('./server-process.ts', [directory, kind], logFile);
  return { kind, directory, server, reach: await server.ask('open', null) };
}

/** Opens the indexes too, so that additions go into them as they do in a vault that is in use. */
async function warmUp(load: Child<LoadQuestions>, sides: readonly Side[]): Promise<void> {
  for (const { reach } of sides) {
    await load.ask('createVault', { reach, name: 'warm-up', dimensions: DIMENSIONS });
    await load.ask('add', { ...addLoad(99), reach, vault: 'warm-up', batches: WARM_UP_BATCHES });
    for (const mode of MODES)
      await load.ask('search', {
        ...searchLoad(mode, 99),
        reach,
        vault: 'warm-up',
        seconds: WARM_UP_SECONDS,
      });
    await load.ask('search', { ...searchLoad('text', 99), reach, seconds: 0.1 });
  }
}

async function addRounds(load: Child<LoadQuestions>, sides: readonly Side[]): Promise<Rounds> {
  const found: Rounds = { protected: [], bare: [] };
  for (let round = 0; round < rounds; round++)
    for (const side of inTurn(sides, round))
      found[side.kind].push(
        await timed(side, 'add', () => load.ask('add', { ...addLoad(round + 1), reach: side.reach })),
      );
  return found;
}

async function searchRounds(
  load: Child<LoadQuestions>,
  sides: readonly Side[],
): Promise<Record<SearchMode, Rounds>> {
  const found: Record<SearchMode, Rounds> = {
    text: { protected: [], bare: [] },
    vector: { protected: [], bare: [] },
    hybrid: { protected: [], bare: [] },
  };
  for (let round = 0; round < rounds; round++)
    for (const mode of MODES)
      for (const side of inTurn(sides, round))
        found[mode][side.kind].push(
          await timed(side, mode, () =>
            load.ask('search', { ...searchLoad(mode, round + 101), reach: side.reach }),
          ),
        );
  return found;
}

/** Who goes first alternates. */
const inTurn = (sides: readonly Side[], round: number): readonly Side[] =>
  round % 2 === 0 ? sides : sides.toReversed();

const addLoad = (seed: number) => ({
  vault: VAULT,
  batches: Math.ceil(MEMORIES / BATCH_SIZE / rounds),
  batchSize: BATCH_SIZE,
  inFlight: ADDS_IN_FLIGHT,
  seed,
});

const searchLoad = (mode: SearchMode, seed: number) => ({
  vault: VAULT,
  mode,
  seconds,
  inFlight: SEARCHES_IN_FLIGHT,
  limit: LIMIT,
  seed,
});

async function timed(side: Side, name: string, work: () => Promise<Measured>): Promise<Round> {
  const { server, kind } = side;
  if (profileFolder !== undefined) await server.ask('startProfile', null);
  const before = await server.ask('usage', null);
  const measured = await work();
  const after = await server.ask('usage', null);
  if (profileFolder !== undefined)
    await server.ask('stopProfile', join(profileFolder, `${name}-${kind}.cpuprofile`));
  return { ...measured, serverCpuMs: after.cpuMs - before.cpuMs };
}

interface ColdFigures {
  readonly withSegments: readonly Cold[];
  readonly withoutSegments: readonly Cold[];
  readonly sealing: readonly Sealing[];
}

async function coldRounds(directory: string): Promise<ColdFigures> {
  const withSegments: Cold[] = [];
  const withoutSegments: Cold[] = [];
  const sealing: Sealing[] = [];
  for (let opening = 0; opening < COLD_OPENINGS * 2; opening++) {
    const hasSegments = opening < COLD_OPENINGS;
    const child = new Child<ColdQuestions>('./cold-process.ts', [directory, VAULT], logFile);
    const cold = await child.ask('open', { withSegments: hasSegments });
    (hasSegments ? withSegments : withoutSegments).push(cold);
    if (hasSegments) sealing.push(await child.ask('seal', { seconds: 1 }));
    await child.ask('close', null);
    await child.end();
  }
  return { withSegments, withoutSegments, sealing };
}

interface Figures {
  readonly adds: Rounds;
  readonly searches: Record<SearchMode, Rounds>;
  readonly cold: ColdFigures;
  readonly peakMb: number;
}

async function report({ adds, searches, cold, peakMb }: Figures): Promise<void> {
  const machine = {
    date: new Date().toISOString(),
    node: process.version,
    system: `${platform()} ${arch()}`,
    cores: cpus().length,
    cpu: cpus()[0]?.model ?? '',
  };
  const work = [
    workRow(`add, batches of ${BATCH_SIZE}, ${ADDS_IN_FLIGHT} in flight`, adds, BATCH_SIZE),
    ...MODES.map((mode) => workRow(`search, ${mode}, ${SEARCHES_IN_FLIGHT} in flight`, searches[mode], 1)),
  ];
  const protection = [ratioRow('add', adds), ...MODES.map((mode) => ratioRow(`search, ${mode}`, searches[mode]))];
  const alone = [
    openingRow('cold open, with segments', cold.withSegments),
    openingRow('cold open, without', cold.withoutSegments),
  ];
  const sealing = {
    'seals / s': rounded(median(cold.sealing.map(({ sealsPerSecond }) => sealsPerSecond))),
    'opens / s': rounded(median(cold.sealing.map(({ opensPerSecond }) => opensPerSecond))),
  };
  console.log(
    `${machine.date}, Node ${machine.node}, ${machine.system}, ${machine.cores} cores of ${machine.cpu}`,
  );
  console.log(
    `${MEMORIES} memories of ${DIMENSIONS} numbers and 200 bytes, HTTPS, ${rounds} rounds, medians; ` +
      `server, search worker and load generator share the cores`,
  );
  console.table(work);
  console.log('The cost of protection: rates divided by those without sealing and ledger (at least 0.5 wanted)');
  console.table(protection);
  console.table(alone);
  console.log('Keys and boxes of a memory (text and vector) in one thread');
  console.table([sealing]);
  console.log(`peak memory of the protected server: ${Math.round(peakMb)} MB`);
  if (flags.json !== undefined) {
    const raw = { machine, work, protection, alone, sealing, peakMb, rounds: { adds, searches, cold } };
    await writeFile(flags.json, `${JSON.stringify(raw, null, 2)}\n`);
  }
}

function workRow(what: string, { protected: measured }: Rounds, unit: number) {
  const of = (figure: (round: Round) => number): number => rounded(median(measured.map(figure)));
  return {
    what,
    'per second': of(({ requests, seconds }) => (requests * unit) / seconds),
    'p50 ms': of(({ p50Ms }) => p50Ms),
    'p95 ms': of(({ p95Ms }) => p95Ms),
    'server CPU ms': of(({ serverCpuMs, requests }) => serverCpuMs / requests),
    'client CPU ms': of(({ cpuMs, requests }) => cpuMs / requests),
    'request KB': of(({ requestBytes }) => requestBytes / 1024),
  };
}

/** Rates of neighbouring rounds are divided, then the median is taken. */
function ratioRow(what: string, { protected: whole, bare }: Rounds) {
  const rate = ({ requests, seconds }: Round): number => requests / seconds;
  const cpu = ({ requests, serverCpuMs }: Round): number => serverCpuMs / requests;
  const ratios = whole.map((round, at) => rate(round) / rate(bare[at] as Round));
  return {
    what,
    'ratio of rates': rounded(median(ratios)),
    lowest: rounded(Math.min(...ratios)),
    'server CPU ms, protected': rounded(median(whole.map(cpu))),
    'server CPU ms, bare': rounded(median(bare.map(cpu))),
  };
}

function openingRow(what: string, openings: readonly Cold[]) {
  const of = (figure: (cold: Cold) => number): number => rounded(median(openings.map(figure)));
  return {
    what,
    memories: of(({ memories }) => memories),
    segments: of(({ segments }) => segments),
    'deployment ms': of(({ deploymentMs }) => deploymentMs),
    'vault ms': of(({ vaultMs }) => vaultMs),
    'first search ms': of(({ searchMs }) => searchMs),
  };
}
