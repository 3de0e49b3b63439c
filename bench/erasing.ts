/**
 * Erasures of real memories, from the asking: what goes along is looked for, holds are asked, the record is written, and then
 * the keys die. In the time of durable commits of the same store; nothing of it opens once the second barrier of the epoch is
 * past. Rows are removed after that and counted apart.
 *
 * In turns an erasure follows a row of commits without a pause, and comes alone, after one, as do the commits that it is then
 * compared with: whatever comes alone finds caches cold and threads asleep.
 */
import { setTimeout } from 'node:timers/promises';
import type { RequestContext } from '../src/access/context.ts';
import type { OrganizationId } from '../src/ids.ts';
import { SYSTEM } from '../src/store/store.ts';
import type { Strongroom } from '../src/strongroom.ts';
import type { Begun } from '../src/vaults/eraser.ts';
import { median, rounded } from './figures.ts';
import { watchedDeployment } from './watched-deployment.ts';

const BATCH = 1000;
const MANY = 10_000;
const ROUNDS = 4;
const OF_ONE_PERSON = Number(process.env['STRONGROOM_BENCH_PERSON'] ?? 100_000);
const SMALLER_PEOPLE = 15;
const SINGLE = 40;
/** Before each erasure: such as come alone, and such as follow each other. */
const COMMITS_ALONE = 5;
const COMMITS_IN_A_ROW = 20;
const PAUSE_MS = 20;
const LARGE_PEOPLE = 4;
const BY = { principal: 'system', cause: 'request' } as const;

export interface ErasingRow {
  readonly what: string;
  readonly memories: number;
  readonly 'commits, in a row': number;
  readonly 'commits, alone': number;
  readonly wanted: number;
  readonly 'ms, in a row': number;
  readonly 'ms, alone': number;
  readonly 'ms until its rows are gone': number;
}

export interface ErasingFigures {
  readonly commitMs: { readonly inARow: number; readonly alone: number };
  readonly rows: readonly ErasingRow[];
}

interface Stage {
  readonly open: Strongroom;
  readonly organization: OrganizationId;
  readonly points: ReadonlyMap<string, number>;
}

export async function measureErasing(folder: string): Promise<ErasingFigures> {
  const { open, points } = await watchedDeployment(folder, 'erasing');
  try {
    const organization = (await open.organizations.first()) ?? ('' as OrganizationId);
    const stage: Stage = { open, organization, points };
    const rows = [
      await single(stage),
      await several(stage, '10,000 memories in one range', 150, (ids) => ids.slice(0, MANY)),
      await several(stage, '10,000 memories scattered', 500, (ids) => ids.filter((_, at) => at % 5 === 0)),
      await vault(stage),
      ...(await people(stage)),
    ];
    return {
      commitMs: {
        inARow: median(rows.flatMap(({ inARow }) => inARow.commits)),
        alone: median(rows.flatMap(({ alone }) => alone.commits)),
      },
      rows: rows.map(({ what, memories, wanted, inARow, alone, purged }) => ({
        what,
        memories,
        // Of the commits that were made in turns with these: what else the machine does changes from minute to minute.
        'commits, in a row': rounded(median(inARow.closed) / median(inARow.commits)),
        'commits, alone': rounded(median(alone.closed) / median(alone.commits)),
        wanted,
        'ms, in a row': rounded(median(inARow.closed)),
        'ms, alone': rounded(median(alone.closed)),
        'ms until its rows are gone': rounded(median(purged)),
      })),
    };
  } finally {
    await open.close();
  }
}

interface Sample {
  readonly what: string;
  readonly memories: number;
  readonly wanted: number;
  readonly inARow: Times;
  readonly alone: Times;
  readonly purged: number[];
}

interface Times {
  /** Until nothing of it opens. */
  readonly closed: number[];
  readonly commits: number[];
}

const sampleOf = (what: string, memories: number, wanted: number): Sample => ({
  what,
  memories,
  wanted,
  inARow: { closed: [], commits: [] },
  alone: { closed: [], commits: [] },
  purged: [],
});

async function single(stage: Stage): Promise<Sample> {
  const sample = sampleOf('one memory', 1, 10);
  const ids = await fill(stage, 'single', 5 * BATCH);
  for (let at = 0; at < SINGLE; at++)
    await time(stage, sample, memoriesOf(stage, 'single', [ids[at * 97] ?? '']));
  return sample;
}

async function several(
  stage: Stage,
  what: string,
  wanted: number,
  choose: (ids: readonly string[]) => readonly string[],
): Promise<Sample> {
  const sample = sampleOf(what, MANY, wanted);
  const isScattered = what.endsWith('scattered');
  for (let round = 0; round < ROUNDS; round++) {
    const name = `${isScattered ? 'scattered' : 'range'}-${round}`;
    const ids = await fill(stage, name, isScattered ? 5 * MANY : MANY);
    await time(stage, sample, memoriesOf(stage, name, choose(ids)));
  }
  return sample;
}

async function vault(stage: Stage): Promise<Sample> {
  const sample = sampleOf('a vault', 2 * MANY, 150);
  const { open, organization } = stage;
  for (let round = 0; round < ROUNDS; round++) {
    const name = `vault-${round}`;
    await fill(stage, name, 2 * MANY);
    await time(stage, sample, async () => {
      const found = await vaultNamed(open, organization, name);
      return open.store.write(organization, (tx) => open.erasures.vault(tx, BY, found));
    });
  }
  return sample;
}

/** Smaller ones first: a server that has run for a while, not the first person that it forgets. */
async function people(stage: Stage): Promise<readonly Sample[]> {
  const smaller = sampleOf('a person', BATCH, 12);
  for (let at = 0; at < SMALLER_PEOPLE; at++)
    await forget(stage, smaller, { name: `smaller-${at}`, memories: BATCH });
  const large = sampleOf('a person', OF_ONE_PERSON, 12);
  for (let at = 0; at < LARGE_PEOPLE; at++)
    await forget(stage, large, { name: `large-${at}`, memories: OF_ONE_PERSON });
  return [smaller, large];
}

async function forget(
  stage: Stage,
  sample: Sample,
  { name, memories }: { readonly name: string; readonly memories: number },
): Promise<void> {
  const { open, organization } = stage;
  await fill(stage, `vault-of-${name}`, memories, { subject: name });
  await time(stage, sample, async () => {
    const subject = (await open.people.subjects(organization)).withName(name);
    if (subject === undefined) throw new Error('the person is not there');
    const owner = await open.organizations.get(organization);
    return open.store.write(organization, (tx) => open.erasures.subject(tx, BY, owner, subject));
  });
}

const memoriesOf =
  ({ open, organization }: Stage, vault: string, ids: readonly string[]) =>
  async (): Promise<Begun> => {
    const found = await vaultNamed(open, organization, vault);
    return open.store.write(organization, (tx) => open.erasures.memories(tx, BY, found, ids));
  };

async function vaultNamed(open: Strongroom, organization: OrganizationId, name: string) {
  const vault = await open.vaults.find(organization, name);
  if (vault === null) throw new Error(`there is no vault ${name}`);
  return vault;
}

/** A vault of its own with so many memories. */
async function fill(
  { open, organization }: Stage,
  vault: string,
  count: number,
  more: { subject?: string } = {},
): Promise<readonly string[]> {
  await open.vaults.createVault(await contextOf(open, organization), { name: vault });
  const ids: string[] = [];
  while (ids.length < count) {
    const inputs = Array.from({ length: BATCH }, (_, at) => ({ text: `memory ${ids.length + at}`, ...more }));
    const added = await open.memories.addMemories(await contextOf(open, organization), vault, inputs);
    ids.push(...added.memories.map(({ id }) => id));
  }
  return ids;
}

/** The system as who acts, with every right; one request each. */
async function contextOf(open: Strongroom, organization: OrganizationId): Promise<RequestContext> {
  const { slot } = await open.organizations.get(organization);
  return {
    requestId: open.newId('request'),
    principal: {
      id: 'system',
      organization,
      environment: 'production',
      scope: [['organization', slot]],
      grants: [{ actions: ['*'], vaults: ['*'] }],
      networks: [],
      expiresAt: null,
    },
    organization,
    purpose: null,
    address: null,
    recorded: false,
  };
}

async function time(stage: Stage, sample: Sample, ask: () => Promise<Begun>): Promise<void> {
  const { open, points } = stage;
  const isAlone = sample.purged.length % 2 === 1;
  const { closed, commits } = isAlone ? sample.alone : sample.inARow;
  await idle(open);
  for (let made = 0; made < (isAlone ? COMMITS_ALONE : COMMITS_IN_A_ROW); made++) {
    if (isAlone) await setTimeout(PAUSE_MS);
    commits.push(await commitTime(open));
  }
  if (isAlone) await setTimeout(PAUSE_MS);
  const since = performance.now();
  const begun = await ask();
  await begun.finish();
  closed.push((points.get('epoch.reopen') ?? Number.NaN) - since);
  await open.erasures.settled();
  sample.purged.push(performance.now() - since);
}

/** Nothing is left to be done. */
async function idle({ erasures, keyring }: Strongroom): Promise<void> {
  await erasures.settled();
  await keyring.withEpochs(() => Promise.resolve());
}

async function commitTime({ store }: Strongroom): Promise<number> {
  const since = performance.now();
  await store.write(SYSTEM, (tx) =>
    tx.sql.updateTable('meta').set({ change: tx.change }).where('name', '=', 'initialised').execute(),
  );
  return performance.now() - since;
}

export function reportErasing({ commitMs, rows }: ErasingFigures): void {
  console.log(
    `Erasures of real memories, in the time of durable commits (median in a row ${rounded(commitMs.inARow)} ms, of one that comes alone ${rounded(commitMs.alone)} ms):`,
  );
  console.table(rows);
}
