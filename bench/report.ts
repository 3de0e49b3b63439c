/** The figures of a run as tables, and as JSON with every round. */
import { writeFile } from 'node:fs/promises';
import { arch, cpus, loadavg, platform } from 'node:os';
import type { Cold, Sealing } from './cold-process.ts';
import { reportErasure, type ErasureFigures } from './erasure.ts';
import { median, rounded } from './figures.ts';
import type { Measured, SearchMode } from './load-process.ts';
import type { Exposure } from './unprotected.ts';

/** One round on one side; `serverCpuMs` is the processor time of all the server's threads meanwhile. */
export type Round = Measured & { readonly serverCpuMs: number };

export type Kind = 'protected' | Exposure;

export type Rounds = { readonly [K in Kind]: Round[] };

export interface ColdFigures {
  readonly withSegments: readonly Cold[];
  readonly withoutSegments: readonly Cold[];
  readonly sealing: readonly Sealing[];
}

export interface Figures {
  /** What stands above the tables: sizes and conditions. */
  readonly conditions: string;
  readonly batchSize: number;
  readonly adds: Rounds;
  readonly searches: Readonly<Record<SearchMode, Rounds>>;
  readonly cold: ColdFigures;
  readonly peakMb: number;
  readonly erasure: ErasureFigures;
}

export async function report(figures: Figures, jsonFile: string | undefined): Promise<void> {
  const { adds, searches, cold, batchSize, conditions, peakMb } = figures;
  const machine = {
    date: new Date().toISOString(),
    node: process.version,
    system: `${platform()} ${arch()}`,
    cores: cpus().length,
    cpu: cpus()[0]?.model ?? '',
    load: loadavg().map((load) => load.toFixed(1)),
  };
  const bySearch = Object.entries(searches);
  const work = [
    workRow('add', adds, batchSize),
    ...bySearch.map(([mode, found]) => workRow(`search, ${mode}`, found, 1)),
  ];
  const protection = [
    protectionRow('add', adds),
    ...bySearch.map(([mode, found]) => protectionRow(`search, ${mode}`, found)),
  ];
  const openings = [
    openingRow('with segments', cold.withSegments),
    openingRow('without', cold.withoutSegments),
  ];
  const sealing = {
    'seals / s': rounded(median(cold.sealing.map(({ sealsPerSecond }) => sealsPerSecond))),
    'opens / s': rounded(median(cold.sealing.map(({ opensPerSecond }) => opensPerSecond))),
  };
  const { date, node, system, cores, cpu, load } = machine;
  console.log(`${date}, Node ${node}, ${system}, ${cores} × ${cpu}, load ${load.join(' ')}\n${conditions}`);
  console.table(work);
  console.log('Rates divided by those of a server without sealing and ledger (at least 0.5 wanted):');
  console.table(protection);
  console.log('Cold opening of the vault:');
  console.table(openings);
  console.log('Record keys with their two boxes, text and vector, in one thread:');
  console.table([sealing]);
  console.log(`Largest resident size of the protected server: ${Math.round(peakMb)} MB`);
  reportErasure(figures.erasure);
  if (jsonFile === undefined) return;
  const all = {
    machine,
    conditions,
    work,
    protection,
    openings,
    sealing,
    peakMb,
    erasure: figures.erasure,
    rounds: { adds, searches, cold },
  };
  await writeFile(jsonFile, `${JSON.stringify(all, null, 2)}\n`);
}

function workRow(what: string, { protected: measured }: Rounds, unit: number) {
  const of = (figure: (round: Round) => number): number => rounded(median(measured.map(figure)));
  return {
    what,
    'per second': of(({ requests, seconds }) => (requests * unit) / seconds),
    'p50 ms': of(({ p50Ms }) => p50Ms),
    'p95 ms': of(({ p95Ms }) => p95Ms),
    'server CPU ms': of(({ serverCpuMs, requests }) => serverCpuMs / requests),
    'client CPU ms': of(({ cpuMs, requests }) => cpuMs / requests),
    'request KB': of(({ requestBytes }) => requestBytes / 1024),
  };
}

/** Rates of the same round are divided, then the median is taken. */
function protectionRow(what: string, { protected: whole, open, bare }: Rounds) {
  const rate = ({ requests, seconds }: Round): number => requests / seconds;
  const cpu = ({ requests, serverCpuMs }: Round): number => serverCpuMs / requests;
  const ratios = (others: readonly Round[]) =>
    whole.map((round, at) => rate(round) / rate(others[at] as Round));
  return {
    what,
    'to open': rounded(median(ratios(open))),
    'to bare': rounded(median(ratios(bare))),
    'to bare, lowest': rounded(Math.min(...ratios(bare))),
    highest: rounded(Math.max(...ratios(bare))),
    'CPU ms, protected': rounded(median(whole.map(cpu))),
    open: rounded(median(open.map(cpu))),
    bare: rounded(median(bare.map(cpu))),
  };
}

function openingRow(what: string, openings: readonly Cold[]) {
  const of = (figure: (cold: Cold) => number): number => rounded(median(openings.map(figure)));
  return {
    what,
    memories: of(({ memories }) => memories),
    segments: of(({ segments }) => segments),
    'deployment ms': of(({ deploymentMs }) => deploymentMs),
    'vault ms': of(({ vaultMs }) => vaultMs),
    'first search ms': of(({ searchMs }) => searchMs),
  };
}
