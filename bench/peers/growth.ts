/** How a search's time grows with the vectors: the index over few of them and over many, asked in turns, in a process each. */
import { median } from '../figures.ts';
import { start, warmUp, type Contest } from './library.ts';

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
  const [fewMs, manyMs, ratios]: [number[], number[], number[]] = [[], [], []];
  for (let round = 0; round < rounds; round++) {
    const small = await few.ask('pass', options.few.knob);
    const large = await many.ask('pass', options.many.knob);
    fewMs.push(small.p50Ms);
    manyMs.push(large.p50Ms);
    ratios.push(large.p50Ms / small.p50Ms);
  }
  await few.end();
  await many.end();
  log(`growth, ${kind}: p50 ${ratios.map((ratio) => ratio.toFixed(2)).join(' ')} times as long`);
  return {
    kind,
    rounds,
    fewMs: median(fewMs),
    manyMs: median(manyMs),
    ratio: median(ratios),
    lowest: Math.min(...ratios),
    highest: Math.max(...ratios),
  };
}

async function built({ setFolder, knob }: Met, folder: string): Promise<Contest> {
  const contest = await start('strongroom', { setFolder, folder });
  await contest.ask('build', setFolder);
  await warmUp(contest, knob);
  return contest;
}
