/**
 * How long logs are kept, on a scratch instance whose clock is first set back: the ledger, and in it what was refused, is
 * whole for its years and shrinks to hashes after them, with no number missing; files of the application log stay for their
 * days. The database is asked itself whether it lets an entry end sooner.
 */
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { DAY_MS, YEAR_MS } from '../../durations.ts';
import { ask } from '../ask.ts';
import { defineCheck, judged, type Judgement } from '../check.ts';
import { replaced } from '../replaced.ts';
import type { Insides, World } from '../world.ts';
import { SYSTEM } from '../../store/store.ts';

const HASH_BYTES = 32;
/** Back by so much, so that the database's own clock agrees that what is written now is old. */
const BACK_MS = 8 * YEAR_MS;
const REFUSALS = 3;

interface Counted {
  readonly entries: number;
  readonly pruned: number;
  readonly missing: number;
}

interface LogsSeen {
  /** Of the entries that were written so long ago, before and after their years were over. */
  readonly within: Counted;
  readonly beyond: Counted;
  /** Refusals among them that were still whole after a year. */
  readonly refusalsAfterYear: number;
  /** Entries that are younger and had shrunk all the same. */
  readonly young: number;
  readonly prunedTooSoon: boolean;
  readonly proof: boolean;
  readonly listed: number;
  /** Days of files of the application log that were there within their time and beyond it; null: it is not kept here. */
  readonly files: { readonly within: number; readonly beyond: number } | null;
}

export const logsCheck = defineCheck<LogsSeen>({
  name: 'logs',
  place: 'scratch',
  observe: async (world) => {
    const { insides } = world;
    if (insides === null) throw new RangeError('the clock is turned from the inside');
    const startedMs = world.clock.now();
    insides.turnClock(-BACK_MS);
    try {
      return await watch(world, insides);
    } finally {
      insides.turnClock(Math.max(0, startedMs - world.clock.now()));
    }
  },
  judges: {
    'RET-07': (seen, { days = 90, years = 7 }): Judgement => {
      const { within, beyond, refusalsAfterYear, young, prunedTooSoon, proof, listed, files } = seen;
      const faults = [
        ...(within.entries > 0 && within.pruned === 0
          ? []
          : [`${within.pruned} of ${within.entries} entries had shrunk before ${years} years`]),
        ...(beyond.pruned === beyond.entries
          ? []
          : [`${beyond.entries - beyond.pruned} entries were whole after ${years} years`]),
        ...(within.missing + beyond.missing === 0 ? [] : ['numbers of entries are missing']),
        ...(refusalsAfterYear >= REFUSALS ? [] : ['refusals were not kept for a year']),
        ...(young === 0 ? [] : [`${young} younger entries had shrunk`]),
        ...(prunedTooSoon ? ['the database lets an entry of today shrink'] : []),
        ...(proof ? [] : ['what was pruned can no longer be proven']),
        ...(listed === 0 ? [] : [`${listed} rows still list what was pruned`]),
        ...(files === null || files.within > 0 ? [] : [`the application log was gone within ${days} days`]),
        ...(files === null || files.beyond === 0 ? [] : [`the application log was there after ${days} days`]),
      ];
      const judgement = judged(beyond.entries, faults, { pruned: beyond.pruned });
      if (files !== null || judgement.verdict === 'fail') return judgement;
      const missing = `the application log: without the setting logFolder it goes to the platform, and keeping it for ${days} days is the platform's`;
      return { ...judgement, verdict: 'partial', missing };
    },
  },
  sabotages: [
    {
      name: 'nothing-pruned',
      breaks: 'The database refuses to let anything end, however old.',
      turns: ['RET-07'],
      change: {
        parts: (real, { directory }) => {
          inDatabase(directory, [
            "create trigger nothing_ends before update on ledger_entries begin select raise(abort, 'never'); end",
          ]);
          return real;
        },
      },
    },
    {
      name: 'pruned-at-will',
      breaks: 'The database lets an entry of any age shrink.',
      turns: ['RET-07'],
      change: {
        parts: (real, { directory }) => {
          inDatabase(directory, ['drop trigger ledger_entries_no_update']);
          return real;
        },
      },
    },
    {
      name: 'no-chores',
      breaks: 'Nothing that is over is ever ended.',
      turns: ['RET-07'],
      change: { scheduler: (real) => replaced(real, { run: () => Promise.resolve() }) },
    },
  ],
});

async function watch(world: World, insides: Insides): Promise<LogsSeen> {
  const tenant = await world.tenant(0);
  const { client, organization } = tenant;
  const first = await sizeOf(insides, organization);
  const atMs = world.clock.now();
  for (let count = 0; count < REFUSALS; count++)
    await ask(world, { method: 'GET', path: '/v1/vaults/nowhere', apiKey: tenant.apiKey });
  await client.vaults.list();
  const range = { organization, from: first, to: await sizeOf(insides, organization) };
  const today = await filesOf(world, atMs);
  insides.turnClock(89 * DAY_MS);
  await sweep(insides);
  const fileWithin = await filesOf(world, atMs);
  insides.turnClock(366 * DAY_MS - 89 * DAY_MS);
  await sweep(insides);
  const fileBeyond = await filesOf(world, atMs);
  const refusalsAfterYear = await refusalsIn(insides, range);
  insides.turnClock(7 * YEAR_MS - 367 * DAY_MS);
  await sweep(insides);
  const within = await countIn(insides, range);
  insides.turnClock(BACK_MS - 7 * YEAR_MS + DAY_MS);
  await sweep(insides);
  const beyond = await countIn(insides, range);
  // An entry of today, which may not shrink.
  await client.vaults.list();
  const size = await sizeOf(insides, organization);
  const rest = await countIn(insides, { organization, from: range.to, to: size });
  return {
    within,
    beyond,
    refusalsAfterYear,
    young:
      rest.pruned - (await oldIn(insides, { organization, from: range.to, to: size }, world.clock.now())),
    prunedTooSoon: await letsShrink(insides, organization, size - 1),
    proof: (await client.ledger.proof(range.from).catch(() => null)) !== null,
    listed: await listedIn(insides, range),
    files: today === 0 ? null : { within: fileWithin, beyond: fileBeyond },
  };
}

/** What a chore could not do shows in what is left. */
const sweep = (insides: Insides): Promise<void> => insides.sweep().catch(() => undefined);

interface Range {
  readonly organization: string;
  readonly from: number;
  readonly to: number;
}

const sizeOf = async ({ store }: Insides, log: string): Promise<number> =>
  store.read(SYSTEM, async (db) => {
    const row = await db
      .selectFrom('ledger_heads')
      .select('size')
      .where('log', '=', log as never)
      .executeTakeFirst();
    return row?.size ?? 0;
  });

const rowsIn = ({ store }: Insides, { organization, from, to }: Range) =>
  store.read(SYSTEM, (db) =>
    db
      .selectFrom('ledger_entries')
      .select(['n', 'leaf', 'at'])
      .where('log', '=', organization as never)
      .where('n', '>=', from)
      .where('n', '<', to)
      .orderBy('n')
      .execute(),
  );

async function countIn(insides: Insides, range: Range): Promise<Counted> {
  const rows = await rowsIn(insides, range);
  const pruned = rows.filter(({ leaf }) => leaf.length === HASH_BYTES).length;
  return { entries: rows.length, pruned, missing: range.to - range.from - rows.length };
}

const refusalsIn = async (insides: Insides, range: Range): Promise<number> =>
  (await rowsIn(insides, range)).filter(({ leaf }) => Buffer.from(leaf).includes('"outcome":"refused"'))
    .length;

/** Entries that are old enough to have shrunk. */
const oldIn = async (insides: Insides, range: Range, now: number): Promise<number> =>
  (await rowsIn(insides, range)).filter(
    ({ at, leaf }) => leaf.length === HASH_BYTES && at < now - 7 * YEAR_MS,
  ).length;

const listedIn = async ({ store }: Insides, { organization, from, to }: Range): Promise<number> =>
  store.read(SYSTEM, async (db) => {
    const rows = await db
      .selectFrom('ledger_targets')
      .select('n')
      .where('log', '=', organization as never)
      .where('n', '>=', from)
      .where('n', '<', to)
      .execute();
    return rows.length;
  });

/** Tries in a job that is thrown away whatever comes of it. */
async function letsShrink({ store }: Insides, log: string, n: number): Promise<boolean> {
  const undo = new RangeError('undone');
  const tried = await store
    .write(SYSTEM, async (tx) => {
      const row = await tx.sql
        .selectFrom('ledger_entries')
        .select('leaf')
        .where('log', '=', log as never)
        .where('n', '=', n)
        .executeTakeFirstOrThrow();
      await tx.sql
        .updateTable('ledger_entries')
        .set({ leaf: row.leaf.slice(0, HASH_BYTES), box: null, principal: '', action: '', change: tx.change })
        .where('log', '=', log as never)
        .where('n', '=', n)
        .execute();
      throw undo;
    })
    .catch((error: unknown) => error);
  return tried === undo;
}

/** Files of the application log of that day. */
async function filesOf(world: World, atMs: number): Promise<number> {
  const day = new Date(atMs).toISOString().slice(0, 'yyyy-mm-dd'.length);
  const names = new Set<string>();
  for await (const { name } of world.written(0, 0))
    if (name.includes(`strongroom-${day}.jsonl`)) names.add(name);
  return names.size;
}

function inDatabase(directory: string, statements: readonly string[]): void {
  const database = new DatabaseSync(join(directory, 'strongroom.db'));
  for (const statement of statements) database.exec(statement);
  database.close();
}
