/**
 * Strongroom's server with everything on (HTTPS, authentication, sealing, ledger) beside Chroma's server with nothing of it (HTTP,
 * no authentication, in the clear), asked by the same process in turns.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Child } from '../child.ts';
import { median } from '../figures.ts';
import type { ServerQuestions } from '../server-process.ts';
import type { AskingQuestions, Target } from './asking-process.ts';
import { Chroma } from './chroma.ts';
import type { Pass } from './contestant.ts';

export interface ServedOptions {
  readonly setFolder: string;
  readonly folder: string;
  readonly rounds: number;
  readonly seconds: number;
  /** So many memories are added once searches were measured, for whoever opens the deployment afterwards. */
  readonly more: number;
  readonly log: (line: string) => void;
}

export const VAULT = 'peers';

/** The deployment that a run leaves behind. */
export const deploymentIn = (folder: string): string => join(folder, 'strongroom');

export interface ServedSide {
  readonly name: string;
  readonly knob: string;
  readonly recall: number;
  readonly addsPerSecond: number;
  /** One at a time. */
  readonly p50Ms: number;
  readonly p95Ms: number;
  /** So many at a time. */
  readonly perSecond: number;
  readonly p50BusyMs: number;
}

export interface ServedFigures {
  readonly ours: ServedSide;
  readonly chroma: ServedSide;
  readonly reached: boolean;
  readonly perSecondRatio: number;
  /** One at a time, and many. */
  readonly p50Ratio: number;
  readonly p50BusyRatio: number;
  readonly addRatio: number;
}

export const SERVED = { batchSize: 100, addsInFlight: 4, searchesInFlight: 8 } as const;
/** The first is Chroma's default. */
const EXPANSIONS = [100, 200, 400, 800, 1600];
const RECALL_MAX = 0.999;

type Asking = Child<AskingQuestions>;

export async function compareServers(options: ServedOptions): Promise<ServedFigures> {
  const { setFolder, folder, log } = options;
  await mkdir(folder, { recursive: true });
  const logFile = join(folder, 'log');
  const server = new Child<ServerQuestions>(
    './server-process.ts',
    [deploymentIn(folder), 'protected'],
    logFile,
  );
  const chroma = await Chroma.start(folder);
  const asking = new Child<AskingQuestions>('./peers/asking-process.ts', [setFolder], logFile);
  try {
    const { url, ca, apiKey } = await server.ask('open', null);
    const ours: Target = { kind: 'strongroom', url, ca, apiKey };
    await asking.ask('open', { target: ours, vault: VAULT });
    const collection = await chroma.collection('bench', { space: 'cosine' });
    const theirs: Target = { kind: 'chroma', url: chroma.url, collection };
    const added = await addBoth(asking, { ours, theirs }, log);
    const enough = Math.min((await asked(asking, ours)).recall, RECALL_MAX);
    const tuned = await tune(asking, { chroma, theirs, collection }, { enough, log });
    const rounds = await searchBoth(asking, { ours, theirs }, options);
    await fill(asking, ours, options);
    const figures = figuresOf(rounds, added);
    const version = await chroma.version();
    return {
      ...figures,
      ours: { ...figures.ours, name: 'Strongroom', knob: '' },
      chroma: { ...figures.chroma, name: `Chroma ${version}`, knob: `ef ${tuned.expansion}` },
      reached: tuned.reached,
    };
  } finally {
    await asking.end();
    await chroma.close();
    await server.ask('close', null).catch(() => undefined);
    await server.end();
  }
}

interface Targets {
  readonly ours: Target;
  readonly theirs: Target;
}

interface Added {
  readonly ours: number;
  readonly theirs: number;
}

async function addBoth(
  asking: Asking,
  { ours, theirs }: Targets,
  log: (line: string) => void,
): Promise<Added> {
  const add = async (target: Target): Promise<number> => {
    const { batchSize, addsInFlight: inFlight } = SERVED;
    const { perSecond, batchP50Ms } = await asking.ask('add', { target, batchSize, inFlight, most: null });
    log(`${target.kind}: ${Math.round(perSecond)} added per second, a batch in ${batchP50Ms.toFixed(0)} ms`);
    return perSecond;
  };
  return { ours: await add(ours), theirs: await add(theirs) };
}

/** The same vectors once more, as often as needed. */
async function fill(asking: Asking, target: Target, { more }: ServedOptions): Promise<void> {
  const { batchSize, addsInFlight: inFlight } = SERVED;
  for (let rest = more; rest > 0;) {
    const { added } = await asking.ask('add', { target, batchSize, inFlight, most: rest });
    rest -= added;
  }
}

async function tune(
  asking: Asking,
  { chroma, theirs, collection }: { chroma: Chroma; theirs: Target; collection: string },
  { enough, log }: { enough: number; log: (line: string) => void },
): Promise<{ expansion: number; reached: boolean }> {
  for (const expansion of EXPANSIONS) {
    await chroma.tune(collection, expansion);
    const { recall, p50Ms } = await asked(asking, theirs);
    log(`  Chroma  ef ${expansion}  recall ${recall.toFixed(4)}  p50 ${p50Ms.toFixed(2)} ms`);
    if (recall >= enough) return { expansion, reached: true };
  }
  return { expansion: EXPANSIONS.at(-1) ?? 0, reached: false };
}

const asked = (asking: Asking, target: Target): Promise<Pass> =>
  asking.ask('search', { target, inFlight: 1, seconds: null });

interface Round {
  readonly alone: Pass;
  readonly busy: Pass;
}

interface Rounds {
  readonly ours: readonly Round[];
  readonly theirs: readonly Round[];
}

async function searchBoth(
  asking: Asking,
  { ours, theirs }: Targets,
  { rounds, seconds, log }: ServedOptions,
): Promise<Rounds> {
  const found: { ours: Round[]; theirs: Round[] } = { ours: [], theirs: [] };
  const measure = async (target: Target): Promise<Round> => ({
    alone: await asked(asking, target),
    busy: await asking.ask('search', { target, inFlight: SERVED.searchesInFlight, seconds }),
  });
  for (let round = 0; round < rounds; round++) {
    const [a, b] = [await measure(ours), await measure(theirs)];
    found.ours.push(a);
    found.theirs.push(b);
    log(
      `  round ${round + 1}: Strongroom ${Math.round(a.busy.perSecond)}/s, p50 ${a.alone.p50Ms.toFixed(2)} ms; ` +
        `Chroma ${Math.round(b.busy.perSecond)}/s, p50 ${b.alone.p50Ms.toFixed(2)} ms`,
    );
  }
  return found;
}

type Nameless = Omit<ServedSide, 'name' | 'knob'>;

function figuresOf(
  { ours, theirs }: Rounds,
  added: Added,
): Omit<ServedFigures, 'ours' | 'chroma' | 'reached'> & { ours: Nameless; chroma: Nameless } {
  const ratio = (of: (round: Round) => number): number =>
    median(ours.map((round, at) => of(round) / of(theirs[at] as Round)));
  return {
    ours: sideOf(ours, added.ours),
    chroma: sideOf(theirs, added.theirs),
    perSecondRatio: ratio(({ busy }) => busy.perSecond),
    p50Ratio: ratio(({ alone }) => alone.p50Ms),
    p50BusyRatio: ratio(({ busy }) => busy.p50Ms),
    addRatio: added.ours / added.theirs,
  };
}

function sideOf(rounds: readonly Round[], addsPerSecond: number): Nameless {
  const of = (figure: (round: Round) => number): number => median(rounds.map(figure));
  return {
    addsPerSecond,
    recall: of(({ alone }) => alone.recall),
    p50Ms: of(({ alone }) => alone.p50Ms),
    p95Ms: of(({ alone }) => alone.p95Ms),
    perSecond: of(({ busy }) => busy.perSecond),
    p50BusyMs: of(({ busy }) => busy.p50Ms),
  };
}
