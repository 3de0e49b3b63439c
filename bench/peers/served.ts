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
  /** By how many were asked at a time, in the order of `SERVED.searchesInFlight`. */
  readonly searches: readonly Searches[];
}

export interface Searches {
  readonly inFlight: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
}

export interface ServedFigures {
  readonly ours: ServedSide;
  readonly chroma: ServedSide;
  readonly reached: boolean;
  /** Of the rates at as many at a time as give each side its highest. */
  readonly perSecondRatio: number;
  /** Ours to theirs, by how many were asked at a time. */
  readonly ratios: readonly { readonly inFlight: number; readonly perSecond: number; readonly p50: number }[];
  readonly addRatio: number;
}

export const SERVED = { batchSize: 100, addsInFlight: 4, searchesInFlight: [1, 8, 64] } as const;
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

/** A pass for each number at a time. */
type Round = readonly Pass[];

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
  const measure = async (target: Target): Promise<Round> => {
    const passes: Pass[] = [];
    for (const inFlight of SERVED.searchesInFlight)
      passes.push(await asking.ask('search', { target, inFlight, seconds: inFlight === 1 ? null : seconds }));
    return passes;
  };
  for (let round = 0; round < rounds; round++) {
    const [a, b] = [await measure(ours), await measure(theirs)];
    found.ours.push(a);
    found.theirs.push(b);
    log(`  round ${round + 1}: Strongroom ${passesText(a)}; Chroma ${passesText(b)}`);
  }
  return found;
}

const passesText = (passes: Round): string =>
  passes
    .map(({ perSecond, p50Ms }, at) => {
      const inFlight = SERVED.searchesInFlight[at] ?? 0;
      return `${inFlight} at a time ${Math.round(perSecond)}/s p50 ${p50Ms.toFixed(2)} ms`;
    })
    .join(', ');

type Nameless = Omit<ServedSide, 'name' | 'knob'>;

function figuresOf(
  { ours, theirs }: Rounds,
  added: Added,
): Omit<ServedFigures, 'ours' | 'chroma' | 'reached'> & { ours: Nameless; chroma: Nameless } {
  const ratio = (of: (round: Round) => number): number =>
    median(ours.map((round, at) => of(round) / of(theirs[at] ?? [])));
  return {
    ours: sideOf(ours, added.ours),
    chroma: sideOf(theirs, added.theirs),
    perSecondRatio: ratio((round) => Math.max(...round.map(({ perSecond }) => perSecond))),
    ratios: SERVED.searchesInFlight.map((inFlight, at) => ({
      inFlight,
      perSecond: ratio((round) => round[at]?.perSecond ?? Number.NaN),
      p50: ratio((round) => round[at]?.p50Ms ?? Number.NaN),
    })),
    addRatio: added.ours / added.theirs,
  };
}

function sideOf(rounds: readonly Round[], addsPerSecond: number): Nameless {
  const of = (at: number, figure: (pass: Pass) => number): number =>
    median(rounds.flatMap((round) => round.slice(at, at + 1).map(figure)));
  return {
    addsPerSecond,
    recall: of(0, ({ recall }) => recall),
    searches: SERVED.searchesInFlight.map((inFlight, at) => ({
      inFlight,
      perSecond: of(at, ({ perSecond }) => perSecond),
      p50Ms: of(at, ({ p50Ms }) => p50Ms),
      p95Ms: of(at, ({ p95Ms }) => p95Ms),
    })),
  };
}
