/** What was aimed at, beside what was measured: one line for each aim, said to be missed where it is. */
import { FEW, MANY, type Growth } from './growth.ts';
import type { PeerFigures } from './library.ts';
import type { OpeningFigures } from './opening.ts';
import type { Run } from './report.ts';
import type { WordFigures } from './words.ts';

export interface Mark {
  readonly what: string;
  readonly where: string;
  readonly aim: string;
  readonly measured: string;
  readonly isReached: boolean;
}

export interface Everything {
  readonly runs: readonly Run[];
  readonly growth: readonly Growth[];
  readonly opening: OpeningFigures | null;
  readonly words: WordFigures | null;
}

const RECALL = 0.99;
/** Of a vector with so many numbers. */
const [DIMENSIONS, INDEX_BYTES] = [768, 1200];
const GROWTH = 2;

export function marksOf({ runs, growth, opening, words }: Everything): readonly Mark[] {
  return [
    ...runs.flatMap(libraryMarks),
    ...growth.map(growthMark),
    ...runs.flatMap(servedMarks),
    ...(opening === null ? [] : openingMarks(opening, runs)),
    ...(words === null ? [] : wordMarks(words)),
  ];
}

const atMost = (limit: number, value: number): Pick<Mark, 'aim' | 'measured' | 'isReached'> => ({
  aim: `at most ${limit}`,
  measured: shown(value),
  isReached: value <= limit,
});

const atLeast = (limit: number, value: number): Pick<Mark, 'aim' | 'measured' | 'isReached'> => ({
  aim: `at least ${limit}`,
  measured: shown(value),
  isReached: value >= limit,
});

const shown = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)));

function libraryMarks({ library, dimensions, title: where }: Run): readonly Mark[] {
  if (library === null) return [];
  const { ours, peers } = library;
  const peer = (name: string): PeerFigures | undefined => peers.find((each) => each.name === name);
  const [usearch, zvec] = [peer('usearch'), peer('zvec')];
  const bytes = ours.indexBytesPerVector;
  return [
    {
      what: 'recall@10 as a library',
      where,
      ...atLeast(RECALL, ours.chosen.recall),
      measured: ours.chosen.recall.toFixed(4),
    },
    ...(usearch === undefined
      ? []
      : [
          { what: 'p50, of usearch’s at the same recall', where, ...atMost(0.5, usearch.p50Ratio) },
          { what: 'adding and indexing, of usearch’s rate', where, ...atLeast(8, usearch.addRatio) },
        ]),
    ...(zvec === undefined
      ? []
      : [{ what: 'p50, of zvec’s at the same recall', where, ...atMost(0.35, zvec.p50Ratio) }]),
    ...(bytes === null || dimensions !== DIMENSIONS
      ? []
      : [{ what: 'bytes of the index for each vector', where, ...atMost(INDEX_BYTES, bytes) }]),
  ];
}

const growthMark = ({ kind, ratio, lowest, highest }: Growth): Mark => ({
  what: `p50 at ${MANY.toLocaleString('en')} in turns with ${FEW.toLocaleString('en')}, of that there`,
  where: kind,
  ...atMost(GROWTH, ratio),
  measured: `${shown(ratio)} (${shown(lowest)} to ${shown(highest)})`,
});

function servedMarks({ served, title: where }: Run): readonly Mark[] {
  if (served === null) return [];
  return served.ours.flatMap(({ scheme, recall, perSecondRatio, ratios, addRatio }) => [
    {
      what: `recall@10 over ${scheme}`,
      where,
      ...atLeast(RECALL, recall),
      measured: recall.toFixed(4),
    },
    {
      what: `queries per second over ${scheme}, of Chroma’s, each at its best`,
      where,
      ...atLeast(6, perSecondRatio),
    },
    ...ratios.map(({ inFlight, p50 }) => ({
      what: `p50 over ${scheme}, ${inFlight} at a time, of Chroma’s`,
      where,
      ...atMost(0.4, p50),
    })),
    { what: `durable additions over ${scheme}, of Chroma’s rate`, where, ...atLeast(3, addRatio) },
  ]);
}

function openingMarks(opening: OpeningFigures, runs: readonly Run[]): readonly Mark[] {
  const where = `${opening.memories.toLocaleString('en')} memories`;
  const rates = runs.flatMap(({ library }) => library?.peers ?? []).filter(({ name }) => name === 'usearch');
  const rate = rates[0]?.addsPerSecond;
  const aes = opening.openedBytesPerSecond / opening.aesBytesPerSecond;
  return [
    { what: 'opening from segments, of AES-256-GCM’s rate', where, ...atLeast(0.333, aes) },
    ...(rate === undefined
      ? []
      : [
          {
            what: 'rebuilding from records, of usearch’s rate from memory',
            where,
            ...atLeast(1, opening.rebuiltPerSecond / rate),
          },
        ]),
  ];
}

function wordMarks({ beside, locomo }: WordFigures): readonly Mark[] {
  const where = `${beside.memories.toLocaleString('en')} memories, ${beside.corpus}`;
  return [
    {
      what: 'text p50, of minisearch’s',
      where,
      ...atMost(0.5, beside.oursP50Ms / beside.peerP50Ms),
    },
    ...(locomo === null
      ? []
      : [
          {
            what: 'LoCoMo’s recall@10 without a model',
            where: `${locomo.questions} questions`,
            ...atLeast(0.78, locomo.recall),
            measured: locomo.recall.toFixed(4),
          },
        ]),
  ];
}
