/**
 * What the server does in a second, and what its protection costs: docs/performance.md explains the figures.
 *
 *     npm run bench -- [--only work|attack] [--flood NAME,NAME] [--json FILE] [--rounds N] [--seconds S] [--profile FOLDER]
 *
 * Three servers run side by side, one whole and two without sealing and ledger (unprotected.ts), each in a process of its
 * own; another process asks them over HTTPS, in turns, so that whatever else the machine does meets all. Medians.
 */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { attackRounds, reportAttacks } from './attack.ts';
import { Child } from './child.ts';
import type { Cold, ColdQuestions, Sealing } from './cold-process.ts';
import { DIMENSIONS } from './corpus.ts';
import type { LoadQuestions, Measured, SearchMode } from './load-process.ts';
import { recoveryFigures, recoveryText } from './recovery.ts';
import { measureErasure } from './erasure.ts';
import { report, type ColdFigures, type Kind, type Round, type Rounds } from './report.ts';
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
const RECOVERED_MEMORIES = 100_000;
const RECOVERY_ROUNDS = 3;
const SEALING_SECONDS = 1;
const ATTACK_ROUNDS = 3;
const ATTACK_SECONDS = 2;
const MODES: readonly SearchMode[] = ['text', 'vector', 'hybrid'];
const KINDS: readonly Kind[] = ['protected', 'open', 'bare'];

interface Side {
  readonly kind: Kind;
  readonly directory: string;
  readonly server: Child<ServerQuestions>;
  readonly reach: Reach;
}

const { values: flags } = parseArgs({
  options: {
    json: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    profile: { type: 'string' },
    only: { type: 'string' },
    flood: { type: 'string' },
  },
});
const rounds = Number(flags.rounds ?? 5);
const seconds = Number(flags.seconds ?? 1.5);
const profileFolder = flags.profile;

const folder = await mkdtemp(join(tmpdir(), 'strongroom-bench-'));
const logFile = join(folder, 'servers.log');
try {
  if (profileFolder !== undefined) await mkdir(profileFolder, { recursive: true });
  const { only } = flags;
  if (only !== undefined && only !== 'work' && only !== 'attack')
    throw new RangeError('--only work, or --only attack');
  if (only !== 'attack') await run();
  if (only !== 'work') await attack(only === 'attack' ? flags.json : undefined);
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
  const conditions =
    `${MEMORIES} memories of ${DIMENSIONS} numbers and 200 bytes of text; HTTPS; batches of ${BATCH_SIZE}, ` +
    `${ADDS_IN_FLIGHT} in flight; searches for ${LIMIT}, ${SEARCHES_IN_FLIGHT} in flight; ${rounds} rounds, medians; ` +
    `server, search worker and load generator share the cores`;
  const erasure = await measureErasure(folder);
  await report({ conditions, batchSize: BATCH_SIZE, adds, searches, cold, peakMb, erasure }, flags.json);
  console.log(recoveryText(await recoveryFigures(RECOVERED_MEMORIES, RECOVERY_ROUNDS)));
}

async function attack(jsonFile: string | undefined): Promise<void> {
  const found = await attackRounds({
    directory: join(folder, 'attacked'),
    log: logFile,
    rounds: Number(flags.rounds ?? ATTACK_ROUNDS),
    seconds: Number(flags.seconds ?? ATTACK_SECONDS),
    kinds: flags.flood ?? '',
    profileFolder,
  });
  await reportAttacks(found, jsonFile);
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
  const found: Rounds = { protected: [], open: [], bare: [] };
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
    text: { protected: [], open: [], bare: [] },
    vector: { protected: [], open: [], bare: [] },
    hybrid: { protected: [], open: [], bare: [] },
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

/** Each goes first as often as the others. */
function inTurn(sides: readonly Side[], round: number): readonly Side[] {
  const first = round % sides.length;
  return [...sides.slice(first), ...sides.slice(0, first)];
}

function addLoad(seed: number) {
  return {
    vault: VAULT,
    batches: Math.ceil(MEMORIES / BATCH_SIZE / rounds),
    batchSize: BATCH_SIZE,
    inFlight: ADDS_IN_FLIGHT,
    seed,
  };
}

function searchLoad(mode: SearchMode, seed: number) {
  return {
    vault: VAULT,
    mode,
    seconds,
    inFlight: SEARCHES_IN_FLIGHT,
    limit: LIMIT,
    seed,
  };
}

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

async function coldRounds(directory: string): Promise<ColdFigures> {
  const withSegments: Cold[] = [];
  const withoutSegments: Cold[] = [];
  const sealing: Sealing[] = [];
  for (let opening = 0; opening < COLD_OPENINGS * 2; opening++) {
    const hasSegments = opening < COLD_OPENINGS;
    const child = new Child<ColdQuestions>('./cold-process.ts', [directory, VAULT], logFile);
    const cold = await child.ask('open', { withSegments: hasSegments });
    (hasSegments ? withSegments : withoutSegments).push(cold);
    if (hasSegments) sealing.push(await child.ask('seal', { seconds: SEALING_SECONDS }));
    await child.ask('close', null);
    await child.end();
  }
  return { withSegments, withoutSegments, sealing };
}
