/** How a search's time grows with the vectors: the index over few of them and over many, asked in turns, in a process each. */
import { median } from '../figures.ts';
import { inTurns, start, warmUp, type Turned } from './library.ts';

export interface Growth {
  readonly kind: string;
  readonly rounds: number;
  /** Medians over rounds. */
  readonly fewMs: number;
  readonly manyMs: number;
  /** The median over rounds: the p50 among many divided by that among few. */
  readonly ratio: number;
  readonly lowest: number;
  readonly highest: number;
}

/** Growth is measured between these. */
export const FEW = 50_000;
export const MANY = 200_000;

/** A set that was met as a library, and what was turned there so that enough is found. */
export interface Met {
  readonly setFolder: string;
  readonly knob: number;
}

export interface GrowthOptions {
  readonly kind: string;
  readonly few: Met;
  readonly many: Met;
  readonly folder: string;
  readonly rounds: number;
  readonly log: (line: string) => void;
}

export async function measureGrowth(options: GrowthOptions): Promise<Growth> {
  const { kind, rounds, log } = options;
  const few = await built(options.few, options.folder);
  const many = await built(options.many, options.folder);
  const passes = await inTurns(few, many, rounds);
  await few.contest.end();
  await many.contest.end();
  const ratios = passes.map(([small, large]) => large.p50Ms / small.p50Ms);
  log(`growth, ${kind}: p50 ${ratios.map((ratio) => ratio.toFixed(2)).join(' ')} times as long`);
  return {
    kind,
    rounds,
    fewMs: median(passes.map(([small]) => small.p50Ms)),
    manyMs: median(passes.map(([, large]) => large.p50Ms)),
    ratio: median(ratios),
    lowest: Math.min(...ratios),
    highest: Math.max(...ratios),
  };
}

async function built({ setFolder, knob }: Met, folder: string): Promise<Turned> {
  const contest = await start('strongroom', { setFolder, folder });
  await contest.ask('build', setFolder);
  await warmUp(contest, knob);
  return { contest, knob };
}
