/**
 * Legal holds on a scratch instance: a canary under each kind of hold against every path that ends content, the chores by a
 * turned clock included; then released, and gone.
 */
import type { ErasureTarget, HoldTarget } from '@strongroom/client';
import { DAY_MS, HOUR_MS } from '../../durations.ts';
import { ask, codeOf } from '../ask.ts';
import { canaryWord } from '../canary-vault.ts';
import { defineCheck, judged } from '../check.ts';
import { replaced } from '../replaced.ts';
import type { Insides, Tenant, World } from '../world.ts';
import { SYSTEM } from '../../store/store.ts';
import { NO_GUARD } from '../../vaults/deletion-guard.ts';

interface Watched {
  readonly kind: string;
  /** Paths that were not refused with `held`. */
  readonly open: readonly string[];
  readonly tried: number;
  /** What is left of the canaries after the chores: all, while held; none, once released. */
  readonly leftWhileHeld: number;
  readonly leftAfterRelease: number;
  readonly placed: number;
  /** Whether it stands in the list, in the explanation, and shows what it keeps. */
  readonly isListed: boolean;
  readonly isExplained: boolean;
  readonly shown: number;
}

export const holdsCheck = defineCheck<readonly Watched[]>({
  name: 'holds',
  place: 'scratch',
  observe: async (world) => {
    const { insides } = world;
    if (insides === null) throw new RangeError('the clock is turned from the inside');
    const tenant = await world.tenant(0);
    const seen: Watched[] = [];
    for (const kind of KINDS) seen.push(await watch({ world, tenant, insides }, kind));
    return seen;
  },
  judges: {
    'RET-10': (seen) => {
      const faults = seen.flatMap((one) => [
        ...one.open.map((path) => `a hold on ${one.kind} does not stop ${path}`),
        ...(one.leftWhileHeld === one.placed
          ? []
          : [
              `of ${one.placed} canaries under a hold on ${one.kind} ${one.leftWhileHeld} survived the chores`,
            ]),
        ...(one.leftAfterRelease === 0
          ? []
          : [`${one.leftAfterRelease} canaries outlived the release of a hold on ${one.kind}`]),
        ...(one.isListed ? [] : [`a hold on ${one.kind} is not listed`]),
        ...(one.isExplained ? [] : [`no explanation names a hold on ${one.kind}`]),
        ...(one.shown === one.placed
          ? []
          : [`a hold on ${one.kind} shows ${one.shown} of ${one.placed} memories`]),
      ]);
      return judged(
        seen.reduce((sum, { tried }) => sum + tried, 0),
        faults,
        { kinds: seen.length },
      );
    },
  },
  sabotages: [
    {
      name: 'no-guard',
      breaks: 'Nobody is asked before something is deleted.',
      turns: ['RET-10'],
      change: { guard: () => NO_GUARD },
    },
    {
      name: 'careless-chores',
      breaks: 'Of single memories, which is what the chores end, nobody asks whether they are held.',
      turns: ['RET-10'],
      change: {
        guard: (real) =>
          replaced(real, {
            require: (tx, ending) =>
              ending.kind === 'memories' ? Promise.resolve() : real.require(tx, ending),
            released: (_tx, _vault, memories) => Promise.resolve(memories),
          }),
      },
    },
    {
      name: 'no-release',
      breaks: 'A hold that is released holds on.',
      turns: ['RET-10'],
      change: {
        parts: (real) => ({
          ...real,
          holds: replaced(real.holds, { releaseHold: () => Promise.resolve() }),
        }),
      },
    },
    {
      name: 'silent-hold',
      breaks: 'Holds are in force and are shown to nobody.',
      turns: ['RET-10'],
      change: {
        parts: (real) => ({
          ...real,
          holds: replaced(real.holds, { listHolds: () => Promise.resolve({ holds: [], next: null }) }),
        }),
      },
    },
  ],
});

interface Stage {
  readonly world: World;
  readonly tenant: Tenant;
  readonly insides: Insides;
}

/** By what is held: a canary is about that subject, in that conversation, in that vault. */
const KINDS = ['memories', 'conversation', 'subject', 'vault', 'organization'] as const;

const targetOf = (kind: (typeof KINDS)[number], vault: string, name: string, ids: string[]): HoldTarget =>
  ({
    memories: { vault, memories: ids },
    conversation: { vault, conversation: name },
    subject: { subject: name },
    vault: { vault },
    organization: { organization: true } as const,
  })[kind];

async function watch({ world, tenant, insides }: Stage, kind: (typeof KINDS)[number]): Promise<Watched> {
  const { client } = tenant;
  const input = { name: `canary ${canaryWord(world)}`, deletion: { mode: 'trash', days: 1 } } as const;
  const vault = (await client.vaults.create(input)).id;
  try {
    const handle = client.vault(vault);
    const name = canaryWord(world);
    const shared = { subject: name, conversation: name };
    const expiresAt = new Date(world.clock.now() + HOUR_MS).toISOString();
    const staying = (await handle.add({ text: canaryWord(world), ...shared })).id;
    const expiring = (await handle.add({ text: canaryWord(world), ...shared, expiresAt })).id;
    const trashed = (await handle.add({ text: canaryWord(world), ...shared })).id;
    const ids = [staying, expiring, trashed];
    await handle.delete(trashed, { mode: 'trash' });
    const hold = await client.holds.place({ name, target: targetOf(kind, vault, name, ids) });
    const { open, tried } = await tryPaths({ world, tenant, insides }, { vault, memory: staying, name });
    const explained = await client.retention.explain(vault, staying).catch(() => null);
    insides.turnClock(2 * DAY_MS);
    await insides.sweep();
    const leftWhileHeld = await countOf(insides, ids);
    const { holds } = await client.holds.list();
    // Where it held nothing, what it was about may be gone, and it with that.
    const kept = await client.holds.memories(hold.id).catch(() => ({ memories: [] }));
    const shown = kept.memories.filter(({ id }) => ids.includes(id)).length;
    await client.holds.release(hold.id).catch(() => undefined);
    await handle.delete(staying, { mode: 'erase' }).catch(() => undefined);
    await insides.sweep();
    return {
      kind,
      open,
      tried,
      leftWhileHeld,
      leftAfterRelease: await countOf(insides, ids),
      placed: ids.length,
      isListed: holds.some(({ id, state }) => id === hold.id && state === 'active'),
      isExplained: explained?.rule === 'hold' && explained.holds.includes(hold.id),
      shown,
    };
  } finally {
    // It is gone already where nothing held it.
    await client.vaults.delete(vault).catch(() => undefined);
  }
}

/** Every request that would end it; each must be refused as held. */
async function tryPaths(
  { world, tenant }: Stage,
  { vault, memory, name }: { readonly vault: string; readonly memory: string; readonly name: string },
): Promise<{ readonly open: readonly string[]; readonly tried: number }> {
  const { client, organization, apiKey } = tenant;
  const one = `/v1/vaults/${vault}/memories/${memory}`;
  const paths = [`${one}?mode=trash`, `${one}?mode=erase`, `/v1/vaults/${vault}`];
  const open: string[] = [];
  for (const path of paths) {
    const reply = await ask(world, { method: 'DELETE', path, apiKey });
    if (reply.status !== 409 || codeOf(reply) !== 'held')
      open.push(`DELETE ${path.replaceAll(/[a-z]{3}_\w+/g, '…')}`);
  }
  const targets: readonly ErasureTarget[] = [
    { memory },
    { vault, filter: { subject: name } },
    { subject: name },
    { vault, conversation: name },
    { vault },
    { organization },
  ];
  for (const target of targets) {
    const body = { target, reason: 'a canary', ...(await confirmed(client, target)) };
    const reply = await ask(world, { method: 'POST', path: '/v1/erasures', body, apiKey });
    if (reply.status === 409 && codeOf(reply) === 'held') continue;
    open.push(`the erasure of ${Object.keys(target).join(' and ')}`);
    // Nothing that comes after it could be asked in an organization that is being closed.
    if (target === targets.at(-1)) await client.erasures.cancel(String(reply.json?.['id'])).catch(() => null);
  }
  return { open, tried: paths.length + targets.length };
}

/** What confirms the erasure of what a filter keeps; a dry run ends nothing. */
async function confirmed(
  client: Stage['tenant']['client'],
  target: ErasureTarget,
): Promise<{ confirm?: string }> {
  if (target.filter === undefined) return {};
  const plan = await client.erasures.plan(target).catch(() => null);
  return plan === null ? {} : { confirm: plan.confirm };
}

/** Memories of which a box is left. */
const countOf = ({ store }: Insides, ids: readonly string[]): Promise<number> =>
  store.read(SYSTEM, async (db) => {
    const rows = await db
      .selectFrom('memory_versions')
      .select('memory')
      .distinct()
      .where('memory', 'in', [...ids])
      .execute();
    return rows.length;
  });
