/** A plot of recall against queries per second, as SVG: one line for each engine, its points from fast to thorough. */

export interface Line {
  readonly name: string;
  readonly points: readonly { readonly recall: number; readonly perSecond: number }[];
  readonly isOurs: boolean;
}

const WIDTH = 720;
const HEIGHT = 420;
const MARGIN = { top: 44, right: 170, bottom: 52, left: 84 };
/** Distinguishable without colours too: each line has its own mark. */
const COLOURS = ['#0b5cad', '#b3541e', '#3d7a2a', '#7a3d8f', '#8a6d00', '#4d4d4d', '#00737a'];
const MARKS = ['●', '▲', '■', '◆', '▼', '✚', '★'];

interface Scale {
  readonly x: (recall: number) => number;
  readonly y: (perSecond: number) => number;
}

export function plotSvg(title: string, lines: readonly Line[]): string {
  const points = lines.flatMap((line) => line.points);
  const lowest = Math.min(...points.map(({ recall }) => recall), 0.95);
  const from = Math.max(0, Math.floor(lowest * 20) / 20);
  const rates = points.map(({ perSecond }) => perSecond);
  const [low, high] = [
    10 ** Math.floor(Math.log10(Math.min(...rates))),
    10 ** Math.ceil(Math.log10(Math.max(...rates))),
  ];
  const scale: Scale = {
    x: (recall) => MARGIN.left + ((recall - from) / (1 - from)) * (WIDTH - MARGIN.left - MARGIN.right),
    y: (rate) =>
      HEIGHT -
      MARGIN.bottom -
      (Math.log(rate / low) / Math.log(high / low)) * (HEIGHT - MARGIN.top - MARGIN.bottom),
  };
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text({ x: MARGIN.left, y: 24, anchor: 'start' }, title, ' font-size="14" font-weight="bold"'),
    ...recallAxis(from, scale),
    ...rateAxis([low, high], scale),
    ...lines.flatMap((line, at) => lineMarks(line, at, scale)),
    '</svg>',
    '',
  ].join('\n');
}

function recallAxis(from: number, { x }: Scale): readonly string[] {
  const bottom = HEIGHT - MARGIN.bottom;
  const step = (1 - from) / 5;
  const ticks = Array.from({ length: 6 }, (_, at) => from + at * step);
  return [
    ...ticks.map((tick) => rule([x(tick), MARGIN.top, x(tick), bottom])),
    ...ticks.map((tick) => text({ x: x(tick), y: bottom + 18, anchor: 'middle' }, tick.toFixed(2))),
    text({ x: (MARGIN.left + WIDTH - MARGIN.right) / 2, y: HEIGHT - 12, anchor: 'middle' }, 'recall@10'),
  ];
}

function rateAxis([low, high]: readonly [number, number], { y }: Scale): readonly string[] {
  const decades = Math.round(Math.log10(high / low));
  const ticks = Array.from({ length: decades + 1 }, (_, at) => low * 10 ** at);
  return [
    ...ticks.map((tick) => rule([MARGIN.left, y(tick), WIDTH - MARGIN.right, y(tick)])),
    ...ticks.map((tick) =>
      text({ x: MARGIN.left - 8, y: y(tick) + 4, anchor: 'end' }, tick.toLocaleString('en')),
    ),
    `<text x="16" y="${HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 16 ${HEIGHT / 2})">queries per second, one thread</text>`,
  ];
}

function lineMarks({ name, points, isOurs }: Line, at: number, { x, y }: Scale): readonly string[] {
  const colour = COLOURS[at % COLOURS.length] ?? '#000000';
  const mark = MARKS[at % MARKS.length] ?? '●';
  const sorted = points.toSorted((a, b) => a.recall - b.recall);
  const places = sorted.map(({ recall, perSecond }) => [x(recall), y(perSecond)] as const);
  const path = places.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(' ');
  const fill = ` fill="${colour}"`;
  const legendY = MARGIN.top + 14 + at * 20;
  const legendX = WIDTH - MARGIN.right + 16;
  return [
    `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="${isOurs ? 3 : 1.5}"/>`,
    ...places.map(([px, py]) => text({ x: px, y: py + 4, anchor: 'middle' }, mark, fill)),
    text({ x: legendX, y: legendY, anchor: 'middle' }, mark, fill),
    text({ x: legendX + 12, y: legendY, anchor: 'start' }, name, isOurs ? ' font-weight="bold"' : ''),
  ];
}

interface Place {
  readonly x: number;
  readonly y: number;
  readonly anchor: 'start' | 'middle' | 'end';
}

const text = ({ x, y, anchor }: Place, content: string, more = ''): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}"${more}>${escaped(content)}</text>`;

const rule = ([x1, y1, x2, y2]: readonly [number, number, number, number]): string =>
  `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="#d9d9d9"/>`;

const escaped = (content: string): string =>
  content.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
