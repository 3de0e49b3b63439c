/**
 * Retention on a scratch instance, by a clock that is turned: a policy that is set takes effect at the next question, what
 * lies in the trash comes back for as long as it was promised and no longer, and nothing outlives its time.
 */
import type { RetentionExplanation } from '@strongroom/client';
import { DAY_MS } from '../../durations.ts';
import { canaryVector, canaryWord, withVault } from '../canary-vault.ts';
import { ask } from '../ask.ts';
import { defineCheck, judged } from '../check.ts';
import { replaced } from '../replaced.ts';
import type { Insides, Tenant, World } from '../world.ts';
import { SYSTEM } from '../../store/store.ts';
import type { Slot } from '../../keys/slot.ts';
import { NO_RETENTION } from '../../vaults/retention.ts';
import { hasSlot, type SlotRanges } from '../../vaults/slot-ranges.ts';

const DIMENSIONS = 8;

/** In how many kinds of answers a memory was. */
type Answers = readonly string[];

interface Policied {
  /** Before the policy, after it: of the old canary, and of a young one that must stay. */
  readonly before: Answers;
  readonly after: Answers;
  readonly young: Answers;
  readonly explained: RetentionExplanation['rule'];
  /** Rows with content of the old canary and of the young one, after the sweep. */
  readonly oldRows: number;
  readonly youngRows: number;
}

interface Trashed {
  readonly seenWhileTrashed: Answers;
  /** Whether it came back within its time, and whole. */
  readonly isRestored: boolean;
  readonly daysInTrash: number;
  /** The status of a restore after its time. */
  readonly restoreAfter: number;
  readonly rowsAfter: number;
}

interface Outlived {
  /** Of everything with an end that was put there, what is still there so many days after. */
  readonly left: readonly string[];
  readonly looked: number;
  readonly gaugeDays: number;
}

interface Kept {
  readonly policied: Policied;
  readonly trashed: Trashed;
  readonly outlived: Outlived;
}

export const retentionCheck = defineCheck<Kept>({
  name: 'retention',
  place: 'scratch',
  observe: async (world) => {
    const { insides } = world;
    if (insides === null) throw new RangeError('the clock is turned from the inside');
    const tenant = await world.tenant(0);
    return withVault(world, tenant, { deletion: { mode: 'trash' } }, async (_, vault) => {
      const stage: Stage = { world, tenant, insides, vault };
      return {
        trashed: await watchTrash(stage),
        policied: await watchPolicy(stage),
        outlived: await watchEnds(stage),
      };
    });
  },
  judges: {
    'RET-02': ({ trashed }, { days = 30 }) => {
      const { seenWhileTrashed, isRestored, daysInTrash, restoreAfter, rowsAfter } = trashed;
      const faults = [
        ...seenWhileTrashed.map((answer) => `what lay in the trash was still answered by ${answer}`),
        ...(isRestored ? [] : ['what lay in the trash did not come back within its time']),
        ...(daysInTrash <= days ? [] : [`the trash keeps for ${daysInTrash} days`]),
        ...(restoreAfter === 404 ? [] : [`a restore after its time answered ${restoreAfter}`]),
        ...(rowsAfter === 0 ? [] : [`${rowsAfter} rows of it were left after its time`]),
      ];
      return judged(5, faults, { daysInTrash });
    },
    'RET-05': ({ policied }) => {
      const { before, after, young, explained, oldRows, youngRows } = policied;
      const faults = [
        ...(before.length === ANSWERS
          ? []
          : ['a canary was not in every answer before, so nothing was learnt']),
        ...after.map((answer) => `after the policy was set, ${answer} still answered what it ended`),
        ...(young.length === ANSWERS ? [] : ['the policy took along what is younger']),
        ...(explained === 'vault' ? [] : [`explain names the rule ${explained}`]),
        ...(oldRows === 0 ? [] : [`${oldRows} rows of what expired were left after the sweep`]),
        ...(youngRows > 0 ? [] : ['the sweep took along what is younger']),
      ];
      return judged(before.length + after.length + young.length, faults, { answers: before.length });
    },
    'RET-06': ({ outlived }, { days = 7 }) => {
      const { left, looked, gaugeDays } = outlived;
      const faults = [
        ...left.map((what) => `${what} was there ${days} days after its end`),
        ...(gaugeDays <= days ? [] : [`the server itself says that something is ${gaugeDays} days overdue`]),
      ];
      return judged(looked, faults, { overdueDays: gaugeDays });
    },
  },
  sabotages: [
    {
      name: 'no-rules',
      breaks: 'Answers do not ask for the policy: what it ends stays in them until the sweep.',
      turns: ['RET-05'],
      change: {
        // The chores ask the policies themselves: only answers are left without.
        retention: () => NO_RETENTION,
      },
    },
    {
      name: 'open-trash',
      breaks: 'What was trashed can still be read.',
      turns: ['RET-02'],
      change: {
        parts: (real) => {
          const seen = new Map<string, Awaited<ReturnType<typeof real.memories.getMemory>>>();
          return {
            ...real,
            memories: replaced(real.memories, {
              getMemory: async (context, place, query) => {
                try {
                  const memory = await real.memories.getMemory(context, place, query);
                  seen.set(place.memory, memory);
                  return memory;
                } catch (error) {
                  const memory = seen.get(place.memory);
                  const trashed = await real.memories.listMemories(context, place.vault, {
                    state: 'trashed',
                    limit: 100,
                  });
                  if (memory === undefined || !trashed.memories.some(({ id }) => id === place.memory))
                    throw error;
                  return memory;
                }
              },
            }),
          };
        },
      },
    },
    {
      name: 'no-sweep',
      breaks: 'Nothing that is over is ever ended.',
      turns: ['RET-02', 'RET-05', 'RET-06'],
      change: { scheduler: (real) => replaced(real, { run: () => Promise.resolve() }) },
    },
  ],
});

interface Stage {
  readonly world: World;
  readonly tenant: Tenant;
  readonly insides: Insides;
  readonly vault: string;
}

/** get, list, export, history and search. */
const ANSWERS = 5;

async function answersWith({ tenant, vault }: Stage, id: string, word: string): Promise<Answers> {
  const { memories } = tenant.client;
  const found: string[] = [];
  const isIn = (all: readonly { id: string }[]): boolean => all.some((one) => one.id === id);
  if (await works(() => memories.get(vault, id))) found.push('get');
  if (isIn(await Array.fromAsync(memories.listAll(vault)))) found.push('list');
  if (isIn(await Array.fromAsync(memories.export(vault)))) found.push('export');
  if (await works(() => memories.history(vault, id))) found.push('history');
  if (isIn(await memories.search(vault, word))) found.push('search');
  return found;
}

async function works(call: () => Promise<unknown>): Promise<boolean> {
  try {
    await call();
    return true;
  } catch {
    return false;
  }
}

async function watchPolicy(stage: Stage): Promise<Policied> {
  const { world, tenant, insides, vault } = stage;
  const { client } = tenant;
  const [word, other] = [canaryWord(world), canaryWord(world)];
  const old = (
    await client.memories.add(vault, { text: `old ${word}`, vector: canaryVector(world, DIMENSIONS) })
  ).id;
  insides.turnClock(2 * DAY_MS);
  const young = (await client.memories.add(vault, { text: `young ${other}` })).id;
  const before = await answersWith(stage, old, word);
  await client.retention.set({ memories: { days: 1 } }, vault);
  const after = await answersWith(stage, old, word);
  const explained = await client.retention.explain(vault, old);
  const stays = await answersWith(stage, young, other);
  await insides.sweep();
  const rows = { old: await rowsOf(insides, old), young: await rowsOf(insides, young) };
  await client.retention.set({}, vault);
  return {
    before,
    after,
    young: stays,
    explained: explained.rule,
    oldRows: rows.old,
    youngRows: rows.young,
  };
}

async function watchTrash(stage: Stage): Promise<Trashed> {
  const { world, tenant, insides, vault } = stage;
  const { memories, vaults } = tenant.client;
  const word = canaryWord(world);
  const { id } = await memories.add(vault, { text: word });
  await works(() => memories.get(vault, id));
  await memories.delete(vault, id, { mode: 'trash' });
  const seenWhileTrashed = await answersWith(stage, id, word);
  const { days } = (await vaults.get(vault)).deletion;
  insides.turnClock((days - 1) * DAY_MS);
  await insides.sweep();
  const restored = await memories.restore(vault, id).catch(() => null);
  const isRestored = restored?.text === word && (await works(() => memories.get(vault, id)));
  await memories.delete(vault, id, { mode: 'trash' });
  insides.turnClock((days + 1) * DAY_MS);
  await insides.sweep();
  const path = `/v1/vaults/${vault}/memories/${id}/restore`;
  const { status } = await ask(world, { method: 'POST', path, apiKey: tenant.apiKey });
  return {
    seenWhileTrashed,
    isRestored,
    daysInTrash: days,
    restoreAfter: status,
    rowsAfter: await rowsOf(insides, id),
  };
}

/** One of each thing that has an end, then seven days beyond the last of them, then what the tables still hold. */
async function watchEnds(stage: Stage): Promise<Outlived> {
  const { world, tenant, insides, vault } = stage;
  const { client } = tenant;
  const expiresAt = new Date(world.clock.now() + DAY_MS).toISOString();
  const add = async (more: object): Promise<string> =>
    (await client.memories.add(vault, { text: canaryWord(world), ...more })).id;
  await client.retention.set({ conversations: { days: 2 }, kinds: [{ kind: 'rumour', days: 3 }] }, vault);
  const ended = new Map([
    [await add({ expiresAt }), 'a memory with an end of its own'],
    [await add({ conversation: 'a canary' }), 'a memory of a conversation'],
    [await add({ kind: 'rumour' }), 'a memory of a kind with a rule'],
  ]);
  const trashed = await add({});
  await client.memories.delete(vault, trashed, { mode: 'trash' });
  ended.set(trashed, 'a memory in the trash');
  const changed = await add({});
  await client.memories.update(vault, changed, { text: canaryWord(world) });
  await client.memories.search(vault, 'canary');
  await world.flush();
  const slots = await slotsOf(insides, [...ended.keys()]);
  const { days } = (await client.vaults.get(vault)).deletion;
  insides.turnClock((days + 7) * DAY_MS);
  await insides.sweep();
  const left: string[] = [];
  for (const [id, what] of ended) if ((await rowsOf(insides, id)) > 0) left.push(what);
  left.push(...(await leftOver(insides, changed, slots)));
  const gaugeDays = await overdueGauge(world);
  await client.memories.delete(vault, changed, { mode: 'erase' });
  await client.retention.set({}, vault);
  return { left, looked: ended.size + slots.length + 1, gaugeDays };
}

const slotsOf = ({ store }: Insides, ids: readonly string[]): Promise<readonly Slot[]> =>
  store.read(SYSTEM, async (db) => {
    const rows = await db
      .selectFrom('memory_versions')
      .select('slot')
      .where('memory', 'in', [...ids])
      .execute();
    return rows.map(({ slot }) => slot as Slot);
  });

/** Keys of what has ended, parts of the index made of it, and versions whose time is over. */
async function leftOver(
  { store, keyring }: Insides,
  changed: string,
  slots: readonly Slot[],
): Promise<readonly string[]> {
  const { superseded, segments } = await store.read(SYSTEM, async (db) => ({
    superseded: await db
      .selectFrom('superseded_slots')
      .select('slot')
      .where('memory', '=', changed)
      .execute(),
    segments: await db.selectFrom('segments').select(['slot', 'cover']).execute(),
  }));
  const living = segments.filter(({ slot }) => !keyring.isErased(slot as Slot));
  const covering = living.filter(({ cover }) => {
    const ranges = JSON.parse(cover) as SlotRanges;
    return slots.some((slot) => hasSlot(ranges, slot));
  });
  return [
    ...superseded.map(() => 'a version that was replaced'),
    ...slots.filter((slot) => !keyring.isErased(slot)).map(() => 'a key of what has ended'),
    ...covering.map(() => 'a part of the index'),
  ];
}

const rowsOf = async ({ store }: Insides, id: string): Promise<number> =>
  store.read(SYSTEM, async (db) => {
    const rows = await db.selectFrom('memories').select('id').where('id', '=', id).execute();
    const boxes = await db.selectFrom('memory_versions').select('memory').where('memory', '=', id).execute();
    return rows.length + boxes.length;
  });

async function overdueGauge(world: World): Promise<number> {
  const { text } = await ask(world, { method: 'GET', path: '/metrics' });
  const seconds = /^strongroom_retention_overdue_seconds (\d+)/m.exec(text)?.[1];
  return seconds === undefined ? Infinity : Number(seconds) / 86_400;
}
