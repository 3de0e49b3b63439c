/** The figures of one run as Markdown, and where they go in the documents. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { arch, cpus, loadavg, platform, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { rounded } from '../figures.ts';
import type { LibraryFigures, PeerFigures } from './library.ts';
import type { Mark } from './marks.ts';
import { plotSvg } from './plot.ts';
import { SERVED, type ServedFigures, type ServedSide } from './served.ts';

export interface Run {
  /** Names the run in the documents: letters, digits and dashes. */
  readonly label: string;
  readonly title: string;
  /** What the vectors are like, whatever their number. */
  readonly kind: string;
  readonly count: number;
  readonly dimensions: number;
  /** When and where it was measured, and what else the machine had to do. */
  readonly machine: string;
  readonly queries: number;
  readonly rounds: number;
  readonly library: LibraryFigures | null;
  readonly served: ServedFigures | null;
}

/** When and where, and what else the machine has had to do in the last one, five and fifteen minutes. */
export function machine(): string {
  const [cpu] = cpus();
  const load = loadavg().map((each) => each.toFixed(1));
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  return `${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${platform()} ${arch()}, ${cpus().length} × ${cpu?.model.trim() ?? ''}, ${memory}, load ${load.join(' ')}`;
}

export function markdownOf(run: Run, figure: string | null): string {
  return [
    `### ${run.title}`,
    `${run.machine}. ${run.queries} queries; ratios are medians of ${run.rounds} rounds in turns.`,
    ...(run.library === null ? [] : [libraryTable(run.library)]),
    ...(figure === null ? [] : [`![recall against queries per second](${figure})`]),
    ...(run.served === null ? [] : [servedTable(run.served)]),
  ].join('\n\n');
}

export const marksTable = (marks: readonly Mark[]): string =>
  table(
    ['what', 'measured on', 'aim', 'measured', ''],
    marks.map(({ what, where, aim, measured, isReached }) => [
      what,
      where,
      aim,
      measured,
      isReached ? 'reached' : '**missed**',
    ]),
  );

/** Puts the marks of all runs into the document, above what they come from. */
export const writeMarks = (marks: readonly Mark[], document: string): Promise<void> =>
  writeBetween('marks', `### What was aimed at\n\n${marksTable(marks)}`, document);

/** Puts the run into the document, and its plot beside it. */
export async function writeRun(run: Run, document: string): Promise<void> {
  const figure = run.library === null ? null : `figures/peers-${run.label}.svg`;
  if (run.library !== null && figure !== null) {
    const file = join(dirname(document), figure);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, plotSvg(run.title, linesOf(run.library)));
  }
  await writeBetween(run.label, markdownOf(run, figure), document);
}

/** Between marks of its own, which the document has or gets at its end. */
async function writeBetween(label: string, markdown: string, document: string): Promise<void> {
  const text = await readFile(document, 'utf8');
  const [from, to] = [`<!-- peers: ${label} -->`, `<!-- end of peers: ${label} -->`];
  const section = `${from}\n\n${markdown}\n\n${to}`;
  const [start, end] = [text.indexOf(from), text.indexOf(to)];
  const isThere = start >= 0 && end > start;
  const next = isThere
    ? text.slice(0, start) + section + text.slice(end + to.length)
    : `${text.trimEnd()}\n\n${section}\n`;
  await writeFile(document, next);
}

const linesOf = ({ ours, peers }: LibraryFigures) => [
  { name: ours.name, points: ours.curve, isOurs: true },
  ...peers.map(({ name, curve }) => ({ name, points: curve, isOurs: false })),
];

function libraryTable({ ours, peers }: LibraryFigures): string {
  const { chosen } = ours;
  return table(
    [
      'engine',
      'setting',
      'recall@10',
      'p50 ms',
      'p95 ms',
      'queries/s',
      'added and indexed/s',
      'memory each, bytes',
      'p50, ours to its',
      'adds, ours to its',
      'data',
    ],
    [
      [
        `**${ours.name}**`,
        `${ours.knob} ${chosen.knob}`,
        chosen.recall.toFixed(4),
        ...[
          chosen.p50Ms,
          chosen.p95Ms,
          chosen.perSecond,
          ours.addsPerSecond,
          ours.indexBytesPerVector ?? ours.bytesPerVector,
        ].map(shown),
        '',
        '',
        ours.storage,
      ],
      ...peers.map(peerRow),
    ],
  );
}

const peerRow = (peer: PeerFigures): readonly string[] => [
  `${peer.name} ${peer.version}`,
  `${peer.knob} ${peer.chosen.knob}${peer.reached ? '' : ' (the most)'}`,
  peer.chosen.recall.toFixed(4),
  ...[
    peer.chosen.p50Ms,
    peer.chosen.p95Ms,
    peer.chosen.perSecond,
    peer.addsPerSecond,
    peer.bytesPerVector,
  ].map(shown),
  peer.p50Ratio.toFixed(2),
  peer.addRatio.toFixed(1),
  peer.storage,
];

function servedTable({ ours, chroma, reached }: ServedFigures): string {
  const rows = (side: ServedSide, how: string): readonly (readonly string[])[] =>
    side.searches.map(({ inFlight, perSecond, p50Ms, p95Ms }, at) => [
      ...(at === 0
        ? [`${side.name}, ${how}`, side.knob, side.recall.toFixed(4), shown(side.addsPerSecond)]
        : ['', '', '', '']),
      String(inFlight),
      ...[perSecond, p50Ms, p95Ms].map(shown),
    ]);
  const head = [
    'server',
    'setting',
    'recall@10',
    'durable adds/s',
    'at a time',
    'queries/s',
    'p50 ms',
    'p95 ms',
  ];
  const all = [
    ...ours.flatMap((side) => rows(side, `${side.scheme}, authenticated, sealed, in the ledger`)),
    ...rows(chroma, `HTTP, open, in the clear${reached ? '' : ' (recall not reached)'}`),
    ...ours.flatMap(({ scheme, ratios, addRatio }) =>
      ratios.map(({ inFlight, perSecond, p50 }, at) => [
        at === 0 ? `ratio over ${scheme}` : '',
        '',
        '',
        at === 0 ? addRatio.toFixed(2) : '',
        String(inFlight),
        perSecond.toFixed(2),
        p50.toFixed(2),
        '',
      ]),
    ),
  ];
  const { batchSize, addsInFlight } = SERVED;
  const best = ours.map(({ scheme, perSecondRatio }) => `${perSecondRatio.toFixed(2)} over ${scheme}`);
  return `${table(head, all)}\n\nBatches of ${batchSize}, ${addsInFlight} in flight. Each at as many at a time as give it its highest rate, times the queries per second: ${best.join(', ')}.`;
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

const shown = (value: number): string => rounded(value).toLocaleString('en', { maximumFractionDigits: 3 });
