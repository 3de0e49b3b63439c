/**
 * What it costs until nothing of the erased opens, in the time of durable commits of the same store, and how the keys'
 * state grows: docs/performance.md explains the figures. Part of `npm run bench`; by itself:
 *
 *     node --conditions=source bench/erasure.ts [--json FILE]
 *
 * The clock starts when the erasure is asked for. Nothing of it opens once the second barrier of its epoch is past (the
 * older root is overwritten, synced and read back as zeros on every replica); by the time of the answer the keyring has
 * also been opened anew from the disk, and the outcome is recorded.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { slotOf, type Slot } from '../src/keys/slot.ts';
import { SYSTEM } from '../src/store/store.ts';
import type { Strongroom } from '../src/strongroom.ts';
import { measureErasing, reportErasing, type ErasingFigures } from './erasing.ts';
import { median, rounded } from './figures.ts';
import { growth, perErasure, type Grown, type Traffic } from './key-state.ts';
import { watchedDeployment } from './watched-deployment.ts';

const SLOTS = 1_000_000;
const BATCH_SLOTS = 20_000;
const MANY = 10_000;
const COMMITS = 100;
const TRIES = 5;
const WARM_UP = 100;

/** What is erased, by the slots that end it. */
interface Case {
  readonly what: string;
  /** So many commits' time at most is wanted. */
  readonly wanted: number;
  readonly tries: number;
  /** Those of one try. */
  readonly slots: (attempt: number) => readonly Slot[];
}

interface Measured {
  readonly closedMs: number;
  readonly answeredMs: number;
  readonly stallMs: number;
}

export interface ErasureRow {
  readonly what: string;
  readonly slots: number;
  readonly 'commits until nothing opens': number;
  readonly wanted: number;
  readonly ms: number;
  readonly 'ms until answered': number;
  readonly 'longest stall ms': number;
}

export interface ErasureFigures {
  readonly commitMs: number;
  readonly rows: readonly ErasureRow[];
  readonly growth: readonly Grown[];
  readonly traffic: readonly Traffic[];
  readonly erasing: ErasingFigures;
}

export async function measureErasure(folder: string): Promise<ErasureFigures> {
  const { open, points } = await watchedDeployment(folder, 'erasure');
  try {
    const leaves = await allot(open, SLOTS);
    const rows: ErasureRow[] = [];
    const samples: { row: Case; measured: Measured[]; commits: number[] }[] = [];
    // A server that has run for a while, not the first erasure of its life.
    for (let attempt = 0; attempt < WARM_UP; attempt++)
      await measure(open, [slotOf(leaves[1] ?? 0, attempt)], points);
    await commitTimes(open, COMMITS);
    for (const row of casesOf(leaves)) {
      const measured: Measured[] = [];
      const commits: number[] = [];
      for (let attempt = 0; attempt < row.tries; attempt++) {
        commits.push(...(await commitTimes(open, Math.ceil(COMMITS / row.tries))));
        measured.push(await measure(open, row.slots(attempt), points));
      }
      samples.push({ row, measured, commits });
    }
    const commitMs = median(samples.flatMap(({ commits }) => commits));
    for (const { row, measured, commits } of samples) {
      const closed = median(measured.map(({ closedMs }) => closedMs));
      rows.push({
        what: row.what,
        slots: row.slots(0).length,
        // Of the commits that were made in turns with these: what else the machine does changes from minute to minute.
        'commits until nothing opens': rounded(closed / median(commits)),
        wanted: row.wanted,
        ms: rounded(closed),
        'ms until answered': rounded(median(measured.map(({ answeredMs }) => answeredMs))),
        'longest stall ms': rounded(Math.max(...measured.map(({ stallMs }) => stallMs))),
      });
    }
    return {
      commitMs,
      rows,
      growth: await growth(join(folder, 'growth')),
      traffic: await perErasure(join(folder, 'traffic')),
      erasing: await measureErasing(folder),
    };
  } finally {
    await open.close();
  }
}

/** Places are spread so that no try touches what another has erased. */
const casesOf = (leaves: readonly number[]): readonly Case[] => {
  const at = (number: number): Slot => slotOf(leaves[Math.floor(number / 4096)] ?? 0, number % 4096);
  const range = (from: number): readonly Slot[] =>
    Array.from({ length: MANY }, (_, index) => at(from + index));
  const half = SLOTS / 2;
  return [
    { what: 'one memory', wanted: 10, tries: 60, slots: (attempt) => [at(attempt * 61)] },
    {
      what: 'a subject with 100,000 memories',
      wanted: 12,
      tries: 60,
      slots: (attempt) => [at(20_000 + attempt * 7)],
    },
    {
      what: 'a whole vault, by its own slot',
      wanted: 150,
      tries: 60,
      slots: (attempt) => [at(30_000 + attempt)],
    },
    {
      what: '10,000 memories in one range',
      wanted: 150,
      tries: TRIES,
      slots: (attempt) => range(50_000 + attempt * 20_000),
    },
    {
      what: '10,000 memories scattered in 500,000',
      wanted: 500,
      tries: TRIES,
      slots: (attempt) =>
        Array.from({ length: MANY }, (_, index) => at(half + index * (half / MANY) + attempt * 9)),
    },
  ];
};

/** Slots as a vault takes them; answers the leaves that they fill. */
async function allot({ store, slots, keyring }: Strongroom, count: number): Promise<readonly number[]> {
  const leaves = new Set<number>();
  for (let taken = 0; taken < count;) {
    try {
      const some = await store.write(SYSTEM, (tx) =>
        slots.take(tx, 'vlt_bench', Math.min(BATCH_SLOTS, count - taken)),
      );
      for (const slot of some) leaves.add(Math.floor(slot / 4096));
      taken += some.length;
    } catch (error) {
      if ((error as { code?: string }).code !== 'busy') throw error;
      await settled(keyring);
    }
  }
  await settled(keyring);
  return [...leaves];
}

/** Until no epoch runs any more, what follows the answer included. */
const settled = (keyring: Strongroom['keyring']): Promise<void> =>
  keyring.withEpochs(() => Promise.resolve());

/** One row changed, durably. */
async function commitTimes({ store }: Strongroom, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let made = 0; made < count; made++) {
    const since = performance.now();
    await store.write(SYSTEM, (tx) =>
      tx.sql.updateTable('meta').set({ change: tx.change }).where('name', '=', 'initialised').execute(),
    );
    times.push(performance.now() - since);
  }
  return times;
}

async function measure(
  { destruction, keyring }: Strongroom,
  slots: readonly Slot[],
  points: ReadonlyMap<string, number>,
): Promise<Measured> {
  await settled(keyring);
  const loop = new Loop();
  const since = performance.now();
  await destruction.now(slots, 'bench');
  const answeredMs = performance.now() - since;
  const closedMs = (points.get('epoch.reopen') ?? Number.NaN) - since;
  await settled(keyring);
  return { closedMs, answeredMs, stallMs: loop.end() };
}

/** The longest time in which nothing else had its turn. */
class Loop {
  #longest = 0;
  #isOn = true;

  constructor() {
    void this.#run();
  }

  end(): number {
    this.#isOn = false;
    return this.#longest;
  }

  async #run(): Promise<void> {
    let last = performance.now();
    while (this.#isOn) {
      await nextTurn();
      const now = performance.now();
      this.#longest = Math.max(this.#longest, now - last);
      last = now;
    }
  }
}

export function reportErasure({ commitMs, rows, growth: grown, traffic, erasing }: ErasureFigures): void {
  console.log(
    `Erasure, in the time of one durable commit of the same store (median ${rounded(commitMs)} ms):`,
  );
  console.table(rows);
  reportErasing(erasing);
  console.log('State of the keys while more and more of 102,400 slots are erased, scattered:');
  console.table(grown);
  console.log('Written by the keystore for one erasure, in each of two replicas:');
  console.table(traffic);
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { json: { type: 'string' } } });
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-bench-'));
  try {
    const figures = await measureErasure(folder);
    reportErasure(figures);
    if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(figures, null, 2)}\n`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
