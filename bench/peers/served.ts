/**
 * Strongroom's server with authentication, sealing and ledger, over HTTPS and over plain HTTP as Chroma's, beside Chroma's server with
 * nothing of it (no authentication, in the clear), asked by the same process in turns.
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

/** As it is by default, and as it may be on a loopback address only, behind whatever speaks TLS there. */
export const SCHEMES = ['HTTPS', 'HTTP'] as const;

/** Strongroom's, with its figures divided by Chroma's. */
export interface OwnServed extends ServedSide {
  readonly scheme: (typeof SCHEMES)[number];
  /** Of the rates at as many at a time as give each side its highest. */
  readonly perSecondRatio: number;
  /** By how many were asked at a time. */
  readonly ratios: readonly { readonly inFlight: number; readonly perSecond: number; readonly p50: number }[];
  readonly addRatio: number;
}

export interface ServedFigures {
  /** In the order of `SCHEMES`. */
  readonly ours: readonly OwnServed[];
  readonly chroma: ServedSide;
  readonly reached: boolean;
}

export const SERVED = { batchSize: 100, addsInFlight: 4, searchesInFlight: [1, 8, 64] } as const;
/** Each server is asked for so long before the first round: what compiles its code while it runs has done so by then. */
const WARM_UP_SECONDS = 8;
/** The first is Chroma's default. */
const EXPANSIONS = [100, 200, 400, 800, 1600];
const RECALL_MAX = 0.999;

type Asking = Child<AskingQuestions>;

export async function compareServers(options: ServedOptions): Promise<ServedFigures> {
  const { setFolder, folder, log } = options;
  await mkdir(folder, { recursive: true });
  const logFile = join(folder, 'log');
  // First, because it may fail: then nothing else runs yet.
  const chroma = await Chroma.start(folder);
  const servers = SCHEMES.map((scheme) => {
    const place =
      scheme === 'HTTPS'
        ? [deploymentIn(folder), 'protected']
        : [join(folder, 'plain'), 'protected', 'plain'];
    return new Child<ServerQuestions>('./server-process.ts', place, logFile);
  });
  const asking = new Child<AskingQuestions>('./peers/asking-process.ts', [setFolder], logFile);
  try {
    const ours: Target[] = [];
    for (const server of servers) {
      const target: Target = { kind: 'strongroom', ...(await server.ask('open', null)) };
      await asking.ask('open', { target, vault: VAULT });
      ours.push(target);
    }
    const collection = await chroma.collection('bench', { space: 'cosine' });
    const theirs: Target = { kind: 'chroma', url: chroma.url, collection };
    const added = await addToAll(asking, { ours, theirs }, log);
    const recalls: number[] = [];
    for (const target of ours) recalls.push((await asked(asking, target)).recall);
    const enough = Math.min(...recalls, RECALL_MAX);
    const tuned = await tune(asking, { chroma, theirs, collection }, { enough, log });
    const rounds = await searchAll(asking, { ours, theirs }, options);
    await fill(asking, ours[0] as Target, options);
    const version = await chroma.version();
    return {
      ...figuresOf(rounds, added, { name: `Chroma ${version}`, knob: `ef ${tuned.expansion}` }),
      reached: tuned.reached,
    };
  } finally {
    await asking.end();
    await chroma.close();
    for (const server of servers) {
      await server.ask('close', null).catch(() => undefined);
      await server.end();
    }
  }
}

interface Targets {
  readonly ours: readonly Target[];
  readonly theirs: Target;
}

/** Additions per second. */
interface Added {
  readonly ours: readonly number[];
  readonly theirs: number;
}

async function addToAll(
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
  const rates: number[] = [];
  for (const target of ours) rates.push(await add(target));
  return { ours: rates, theirs: await add(theirs) };
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
  /** By scheme. */
  readonly ours: readonly (readonly Round[])[];
  readonly theirs: readonly Round[];
}

async function searchAll(
  asking: Asking,
  { ours, theirs }: Targets,
  { rounds, seconds, log }: ServedOptions,
): Promise<Rounds> {
  const inFlight = SERVED.searchesInFlight.at(-1) ?? 1;
  for (const target of [...ours, theirs])
    await asking.ask('search', { target, inFlight, seconds: WARM_UP_SECONDS });
  const found = { ours: ours.map((): Round[] => []), theirs: [] as Round[] };
  const measure = async (target: Target): Promise<Round> => {
    const passes: Pass[] = [];
    for (const inFlight of SERVED.searchesInFlight)
      passes.push(await asking.ask('search', { target, inFlight, seconds: inFlight === 1 ? null : seconds }));
    return passes;
  };
  for (let round = 0; round < rounds; round++) {
    log(`  round ${round + 1}`);
    for (const [at, target] of ours.entries()) {
      const passes = await measure(target);
      found.ours[at]?.push(passes);
      log(`    Strongroom over ${SCHEMES[at]}: ${passesText(passes)}`);
    }
    const passes = await measure(theirs);
    found.theirs.push(passes);
    log(`    Chroma: ${passesText(passes)}`);
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

type Name = Pick<ServedSide, 'name' | 'knob'>;

function figuresOf(
  { ours, theirs }: Rounds,
  added: Added,
  name: Name,
): Pick<ServedFigures, 'ours' | 'chroma'> {
  return {
    ours: ours.map((rounds, scheme) => {
      const ratio = (of: (round: Round) => number): number =>
        median(rounds.map((round, at) => of(round) / of(theirs[at] ?? [])));
      const addsPerSecond = added.ours[scheme] ?? Number.NaN;
      return {
        ...sideOf(rounds, addsPerSecond, { name: 'Strongroom', knob: '' }),
        scheme: SCHEMES[scheme] ?? 'HTTPS',
        perSecondRatio: ratio((round) => Math.max(...round.map(({ perSecond }) => perSecond))),
        ratios: SERVED.searchesInFlight.map((inFlight, at) => ({
          inFlight,
          perSecond: ratio((round) => round[at]?.perSecond ?? Number.NaN),
          p50: ratio((round) => round[at]?.p50Ms ?? Number.NaN),
        })),
        addRatio: addsPerSecond / added.theirs,
      };
    }),
    chroma: sideOf(theirs, added.theirs, name),
  };
}

function sideOf(rounds: readonly Round[], addsPerSecond: number, name: Name): ServedSide {
  const of = (at: number, figure: (pass: Pass) => number): number =>
    median(rounds.flatMap((round) => round.slice(at, at + 1).map(figure)));
  return {
    ...name,
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
