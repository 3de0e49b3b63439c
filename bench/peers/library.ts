/**
 * The engines as libraries, one thread each, on the same vectors in the same run. Each peer is turned up until it finds as much as
 * Strongroom; then both are asked in turns, so that whatever else the machine does meets both.
 */
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { Child } from '../child.ts';
import { median } from '../figures.ts';
import type { Built, ContestQuestions, Pass } from './contestant.ts';

export interface Point extends Pass {
  readonly knob: number;
}

export interface LibraryFigures {
  readonly ours: Built & { readonly curve: readonly Point[]; readonly chosen: Point };
  readonly peers: readonly PeerFigures[];
}

export interface PeerFigures extends Built {
  readonly curve: readonly Point[];
  /** The first that found enough, or the most thorough. */
  readonly chosen: Point;
  readonly reached: boolean;
  /** Medians over rounds: Strongroom's divided by the peer's of the same round. */
  readonly p50Ratio: number;
  readonly addRatio: number;
}

export interface LibraryOptions {
  readonly setFolder: string;
  readonly folder: string;
  readonly peers: readonly string[];
  readonly recall: number;
  readonly rounds: number;
  readonly log: (line: string) => void;
}

/** The first passes meet code that is not compiled yet. */
const WARM_UP_PASSES = 3;
const WARM_UP_MS = 2000;
/** More than this no graph is asked to find. */
const RECALL_MAX = 0.999;

type Contest = Child<ContestQuestions>;

export async function compareLibraries(options: LibraryOptions): Promise<LibraryFigures> {
  const { peers, log, recall } = options;
  const own = await start('strongroom', options);
  const built = await own.ask('build', options.setFolder);
  log(buildLine(built));
  await warmUp(own, recall);
  const curve: Point[] = [];
  for (const knob of built.knobs) curve.push(await measured(own, knob, built, options));
  const chosen = cheapest(curve, recall);
  const found: PeerFigures[] = [];
  const passes: Pass[] = [];
  for (const name of peers) {
    const peer = await start(name, options);
    try {
      found.push(await comparePeer({ own, peer, built, chosen, passes }, options));
    } catch (error) {
      log(`${name}: left out, ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`);
    }
    await peer.end();
  }
  await own.end();
  return { ours: { ...built, curve, chosen: { ...chosen, ...medianOf(passes, chosen) } }, peers: found };
}

/** The least setting that finds enough, as peers are given theirs; else the one that finds most. */
function cheapest(curve: readonly Point[], recall: number): Point {
  const sorted = curve.toSorted((a, b) => a.knob - b.knob);
  const found = sorted.find((point) => point.recall >= recall) ?? sorted.at(-1);
  if (found === undefined) throw new RangeError('nothing was measured');
  return found;
}

interface Pair {
  readonly own: Contest;
  readonly peer: Contest;
  readonly built: Built;
  readonly chosen: Point;
  /** Ours of all rounds, for the figures that are shown. */
  readonly passes: Pass[];
}

async function comparePeer(
  { own, peer, built, chosen, passes }: Pair,
  options: LibraryOptions,
): Promise<PeerFigures> {
  const theirs = await peer.ask('build', options.setFolder);
  options.log(buildLine(theirs));
  const enough = Math.min(chosen.recall, RECALL_MAX);
  await warmUp(peer, theirs.knobs[0] ?? 1);
  const curve: Point[] = [];
  for (const knob of theirs.knobs) {
    const point = await measured(peer, knob, theirs, options);
    curve.push(point);
    if (point.recall >= enough) break;
  }
  const reaching = curve.find(({ recall }) => recall >= enough);
  const last = reaching ?? curve.at(-1);
  if (last === undefined) throw new RangeError('nothing was measured');
  const rounds = await inTurns(
    { contest: own, knob: chosen.knob },
    { contest: peer, knob: last.knob },
    options.rounds,
  );
  passes.push(...rounds.map(([ours]) => ours));
  const ratios = rounds.map(([ours, other]) => ours.p50Ms / other.p50Ms);
  const p50Ratio = median(ratios);
  const addRatio = built.addsPerSecond / theirs.addsPerSecond;
  options.log(
    `  p50 ratio Strongroom / ${theirs.name} ${p50Ratio.toFixed(2)} (rounds ${ratios.map((ratio) => ratio.toFixed(2)).join(' ')}), ` +
      `adds ${addRatio.toFixed(1)} times as many`,
  );
  const others = rounds.map(([, other]) => other);
  const shown = { ...last, ...medianOf(others, last) };
  return { ...theirs, curve, chosen: shown, reached: reaching !== undefined, p50Ratio, addRatio };
}

/** One that was built, and what is turned there. */
export interface Turned {
  readonly contest: Contest;
  readonly knob: number;
}

/** What each of two gave, round by round: what else the machine does is in both. */
export async function inTurns(
  one: Turned,
  other: Turned,
  rounds: number,
): Promise<readonly (readonly [Pass, Pass])[]> {
  const passes: [Pass, Pass][] = [];
  for (let round = 0; round < rounds; round++)
    passes.push([await one.contest.ask('pass', one.knob), await other.contest.ask('pass', other.knob)]);
  return passes;
}

export async function start(
  name: string,
  { setFolder, folder }: Pick<LibraryOptions, 'setFolder' | 'folder'>,
): Promise<Contest> {
  // Of its own for each set: an engine may find its files there.
  const own = await mkdtemp(join(folder, `${name}-`));
  return new Child<ContestQuestions>('./peers/contest-process.ts', [name, setFolder, own], join(own, 'log'));
}

async function measured(
  contest: Contest,
  knob: number,
  built: Built,
  { log }: LibraryOptions,
): Promise<Point> {
  const pass = await contest.ask('pass', knob);
  const { recall, p50Ms, p95Ms, perSecond } = pass;
  log(
    `  ${built.name}  ${built.knob} ${knob}  recall ${recall.toFixed(4)}  p50 ${p50Ms.toFixed(3)} ms  p95 ${p95Ms.toFixed(3)} ms  ${Math.round(perSecond)}/s`,
  );
  return { knob, ...pass };
}

export async function warmUp(contest: Contest, knob: number): Promise<void> {
  const started = performance.now();
  for (let pass = 0; pass < WARM_UP_PASSES && performance.now() - started < WARM_UP_MS; pass++)
    await contest.ask('pass', knob);
}

/** The medians of several passes; the one that is there where there are none. */
const medianOf = (passes: readonly Pass[], otherwise: Pass): Pass =>
  passes.length === 0
    ? otherwise
    : {
        recall: median(passes.map(({ recall }) => recall)),
        p50Ms: median(passes.map(({ p50Ms }) => p50Ms)),
        p95Ms: median(passes.map(({ p95Ms }) => p95Ms)),
        perSecond: median(passes.map(({ perSecond }) => perSecond)),
      };

const buildLine = ({ name, version, addsPerSecond, bytesPerVector }: Built): string =>
  `${name} ${version}: ${Math.round(addsPerSecond)} added and indexed per second, ${Math.round(bytesPerVector)} bytes for each`;
