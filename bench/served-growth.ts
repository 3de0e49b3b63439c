/**
 * How p50 grows with the number of vectors for whoever asks a server: one for each set, over plain HTTP with authentication,
 * sealing and ledger on, asked in turns.
 *
 *     node --max-semi-space-size=64 --conditions=source bench/served-growth.ts SMALLER LARGER [ROUNDS]
 *
 * Both are folders as the library contest makes them (`npm run peers`). The library alone is part of that contest.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from './child.ts';
import { median } from './figures.ts';
import type { AskingQuestions, Target } from './peers/asking-process.ts';
import type { ServerQuestions } from './server-process.ts';

const VAULT = 'growth';
const IN_FLIGHT = [1, 8];
const SECONDS = 3;
/** Until codes are made and compiled. */
const WARM_UP_SECONDS = 20;

interface Side {
  readonly server: Child<ServerQuestions>;
  readonly asking: Child<AskingQuestions>;
  readonly target: Target;
}

const [smaller, larger, rounds = '7'] = process.argv.slice(2);
if (smaller === undefined || larger === undefined) throw new Error('usage: served-growth.ts SMALLER LARGER');
const folder = await mkdtemp(join(tmpdir(), 'strongroom-growth-'));
try {
  await run([smaller, larger]);
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function run(sets: readonly [string, string]): Promise<void> {
  const sides: Side[] = [];
  try {
    for (const [at, set] of sets.entries()) sides.push(await start(`${at}`, set));
    const [small, large] = sides as [Side, Side];
    const p50 = async ({ asking, target }: Side, inFlight: number): Promise<number> =>
      (await asking.ask('search', { target, inFlight, seconds: SECONDS })).p50Ms;
    const times = IN_FLIGHT.map(() => ({ small: [] as number[], large: [] as number[] }));
    for (let round = 0; round < Number(rounds); round++)
      for (const [at, inFlight] of IN_FLIGHT.entries()) {
        times[at]?.small.push(await p50(small, inFlight));
        times[at]?.large.push(await p50(large, inFlight));
      }
    times.forEach(({ small: few, large: many }, at) => {
      const ratios = many.map((ms, round) => ms / (few[round] as number));
      console.log(
        `${IN_FLIGHT[at]} at a time: p50 ${median(few).toFixed(2)} and ${median(many).toFixed(2)} ms, ${median(ratios).toFixed(2)} times ` +
          `(${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)} in ${rounds} rounds)`,
      );
    });
  } finally {
    for (const { server, asking } of sides) {
      await asking.end();
      await server.ask('close', null).catch(() => undefined);
      await server.end();
    }
  }
}

async function start(name: string, set: string): Promise<Side> {
  const log = join(folder, 'log');
  const server = new Child<ServerQuestions>(
    './server-process.ts',
    [join(folder, name), 'protected', 'plain'],
    log,
  );
  const asking = new Child<AskingQuestions>('./peers/asking-process.ts', [set], log);
  const target: Target = { kind: 'strongroom', ...(await server.ask('open', null)) };
  await asking.ask('open', { target, vault: VAULT });
  const { added } = await asking.ask('add', { target, batchSize: 100, inFlight: 4, most: null });
  console.log(`${added} vectors of ${set} are in their vault`);
  await asking.ask('search', { target, inFlight: 8, seconds: WARM_UP_SECONDS });
  return { server, asking, target };
}
