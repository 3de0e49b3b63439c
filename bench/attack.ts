/**
 * "Under attack": how much longer a well-behaved neighbour waits while somebody floods the server, for each kind of flood.
 *
 * One server as it is by default, with its limits on; the neighbour and the attacker each in a process of their own and at
 * addresses of their own; each flood comes from an address, and with a key, that the server has not met, because who was fined for one
 * would not be let in for the next. For each kind the neighbour is timed in peace and then under the flood, in turns, several
 * times; what counts is the median of the ratios of its 95th percentiles.
 */
import { writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { Child } from './child.ts';
import { median, rounded } from './figures.ts';
import type { Flooded, FloodKind, FloodQuestions } from './flood-process.ts';
import type { NeighbourQuestions, Waits } from './neighbour-process.ts';
import type { ServerQuestions } from './server-process.ts';

/** What each sends, and how much of it. */
const KINDS: Readonly<Record<FloodKind, string>> = {
  nothing: 'the neighbour alone, twice',
  'slow headers': '500 connections wanted, a header a second on each',
  'slow bodies': '500 connections wanted, with a good key, a byte a second on each',
  'slow readers': '500 connections wanted, five answers of 100 KB asked on each and none read',
  'many connections': '500 a second, held idle',
  'broken handshakes': '800 a second: noise, TLS 1.2, and hellos that are not followed up',
  'finished handshakes': '300 a second, hung up at once',
  'oversized, announced': '200 a second with a good key, each on a connection of its own',
  'oversized, not announced': '4 at a time with a good key, as fast as they are taken',
  'oversized, without a key': '4 at a time, as fast as they are taken',
  'headers too large': '200 a second of 40 KB, each on a connection of its own',
  'compressed bombs': '150 a second with a good key, each of 16 MB',
  'too many requests': '2,000 a second without a key',
  'pipelined requests': '20 times a second 1,000 at once, without a key',
};

const MEMORIES = 1_000;
const PAUSE_MS = 300;

export interface AttackRound {
  readonly kind: FloodKind;
  readonly calm: { readonly kept: Waits; readonly anew: Waits };
  readonly under: { readonly kept: Waits; readonly anew: Waits };
  readonly flooded: Flooded;
  /** Processor time of all the server's threads, for the neighbour alone and with the attacker. */
  readonly cpuMs: { readonly calm: number; readonly under: number };
}

export interface AttackOptions {
  readonly directory: string;
  readonly log: string;
  readonly rounds: number;
  readonly seconds: number;
  /** Only the kinds whose names hold one of these, between commas. */
  readonly kinds: string;
  /** For a profile of the server's main thread under each flood; undefined: none. */
  readonly profileFolder: string | undefined;
}

export async function attackRounds({
  directory,
  log,
  rounds,
  seconds,
  kinds,
  profileFolder,
}: AttackOptions): Promise<readonly AttackRound[]> {
  const server = new Child<ServerQuestions>('./server-process.ts', [directory, 'limited'], log);
  const neighbour = new Child<NeighbourQuestions>('./neighbour-process.ts', [], log);
  const attacker = new Child<FloodQuestions>('./flood-process.ts', [], log);
  const reach = await server.ask('open', null);
  await neighbour.ask('fill', { reach, memories: MEMORIES });
  const wanted = (Object.keys(KINDS) as FloodKind[]).filter((kind) =>
    kinds.split(',').some((part) => kind.includes(part)),
  );
  await neighbour.ask('ask', { reach, seconds });
  const found: AttackRound[] = [];
  for (let round = 0; round < rounds; round++)
    for (const [number, kind] of wanted.entries()) {
      const hostile = { ...reach, apiKey: await neighbour.ask('newKey', reach) };
      const from = `127.66.${round}.${number + 1}`;
      const start = await server.ask('usage', null);
      const calm = await neighbour.ask('ask', { reach, seconds });
      if (profileFolder !== undefined) await server.ask('startProfile', null);
      const before = await server.ask('usage', null);
      const [flooded, under] = await Promise.all([
        attacker.ask('flood', { reach: hostile, kind, seconds, from }),
        neighbour.ask('ask', { reach, seconds }),
      ]);
      const after = await server.ask('usage', null);
      if (profileFolder !== undefined)
        await server.ask('stopProfile', join(profileFolder, `${kind.replaceAll(/\W+/g, '-')}.cpuprofile`));
      const cpuMs = { calm: before.cpuMs - start.cpuMs, under: after.cpuMs - before.cpuMs };
      found.push({ kind, calm, under, flooded, cpuMs });
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  await neighbour.end();
  await attacker.end();
  await server.ask('close', null);
  await server.end();
  return found;
}

/** Ratios first, then what was going on. */
export async function reportAttacks(
  rounds: readonly AttackRound[],
  jsonFile: string | undefined,
): Promise<void> {
  const kinds = [...new Set(rounds.map(({ kind }) => kind))];
  const tables = kinds.map((kind) => attackRow(rounds.filter((round) => round.kind === kind)));
  console.log(
    `Under attack, load ${loadavg()
      .map((load) => load.toFixed(1))
      .join(' ')}: the neighbour's 95th percentile divided by that in peace (at most 2 wanted), medians`,
  );
  console.table(tables.map(({ ratios }) => ratios));
  console.log('What was sent and answered, and the seconds of processor time it took:');
  console.table(tables.map(({ traffic }) => traffic));
  for (const [kind, what] of Object.entries(KINDS)) console.log(`  ${kind}: ${what}`);
  if (jsonFile !== undefined) await writeFile(jsonFile, `${JSON.stringify({ tables, rounds }, null, 2)}\n`);
}

function attackRow(of: readonly AttackRound[]) {
  const middle = (figure: (round: AttackRound) => number): number => rounded(median(of.map(figure)));
  const ratiosOf = of.map(({ calm, under }) => under.kept.p95Ms / calm.kept.p95Ms);
  const flood = of[0]?.kind ?? '';
  return {
    ratios: {
      flood,
      'p95 ×': rounded(median(ratiosOf)),
      lowest: rounded(Math.min(...ratiosOf)),
      highest: rounded(Math.max(...ratiosOf)),
      'in peace ms': middle(({ calm }) => calm.kept.p95Ms),
      'under attack ms': middle(({ under }) => under.kept.p95Ms),
      'p50 ×': middle(({ calm, under }) => under.kept.p50Ms / calm.kept.p50Ms),
      'new connections, p95 ×': middle(({ calm, under }) => under.anew.p95Ms / calm.anew.p95Ms),
      failed: of.reduce((sum, { under }) => sum + under.kept.failed + under.anew.failed, 0),
    },
    traffic: {
      flood,
      connections: middle(({ flooded }) => flooded.connections),
      stood: middle(({ flooded }) => flooded.stood),
      requests: middle(({ flooded }) => flooded.requests),
      answers: answersOf(of.map(({ flooded }) => flooded)),
      'server, in peace': middle(({ cpuMs }) => cpuMs.calm / 1000),
      'under attack': middle(({ cpuMs }) => cpuMs.under / 1000),
      attacker: middle(({ flooded }) => flooded.cpuMs / 1000),
    },
  };
}

const answersOf = (floods: readonly Flooded[]): string => {
  const statuses = new Set(floods.flatMap(({ answers }) => Object.keys(answers)));
  return [...statuses]
    .sort()
    .map((status) => `${status}: ${rounded(median(floods.map(({ answers }) => answers[status] ?? 0)))}`)
    .join(', ');
};
