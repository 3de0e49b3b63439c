/**
 * What people delete is gone, by each of the ways in which they can ask for it: from every answer, from the index, with all
 * that was derived from it, and at once; and its twin, which nobody deleted, is found throughout.
 */
import type { ErasureTarget, Memory, Strongroom, VaultHandle } from '@strongroom/client';
import { StrongroomError } from '../../errors.ts';
import type { HttpParts } from '../../http/parts.ts';
import { canaryEnd, canaryVector, canaryWord, withVault } from '../canary-vault.ts';
import { defineCheck, judged } from '../check.ts';
import { replaced } from '../replaced.ts';
import type { Tenant, World } from '../world.ts';

const DIMENSIONS = 16;
const WAYS = ['delete', 'memory', 'filter', 'conversation', 'subject', 'vault'] as const;

type Way = (typeof WAYS)[number];

export interface Forgotten {
  readonly way: Way;
  /** Whether the canary was there before, by every way of looking. */
  readonly wasThere: boolean;
  /** Ways of looking that still show the canary, or what was derived from it. */
  readonly shows: readonly string[];
  /** Ways of looking that lost the twin. */
  readonly lost: readonly string[];
  /** From the request to its answer. */
  readonly delayMs: number;
  readonly counted: number | null;
  readonly removed: number | null;
}

export const forgettingCheck = defineCheck<readonly Forgotten[]>({
  name: 'forgetting',
  place: 'live',
  observe: async (world) => {
    const tenant = await world.tenant(0);
    const seen: Forgotten[] = [];
    for (const way of WAYS) seen.push(await forget(world, tenant, way));
    return seen;
  },
  judges: {
    'RET-01': (seen, { seconds = 0 }) => {
      const faults = seen.flatMap(({ way, wasThere, shows, lost, delayMs, counted, removed }) => [
        ...(wasThere ? [] : [`by ${way}: the canary was not there before, so nothing was learnt`]),
        ...shows.map((where) => `by ${way}: ${where} still shows what was deleted`),
        ...lost.map((where) => `by ${way}: ${where} lost what nobody deleted`),
        ...(delayMs <= seconds * 1000 ? [] : [`by ${way}: it took ${Math.round(delayMs)} ms`]),
        ...(counted === removed ? [] : [`by ${way}: ${counted} were announced and ${removed} removed`]),
      ]);
      const slowest = Math.max(0, ...seen.map(({ delayMs }) => delayMs));
      return judged(seen.length, faults, { ways: seen.length, delayMs: Math.round(slowest) });
    },
  },
  sabotages: [
    {
      name: 'index-keeps',
      breaks: 'A search shows what it has shown before.',
      turns: ['RET-01'],
      change: { parts: (real) => ({ ...real, memories: remembering(real.memories) }) },
    },
    {
      name: 'derived-left',
      breaks: 'Nothing is known of what was derived from what.',
      turns: ['RET-01'],
      change: {
        parts: (real) => ({
          ...real,
          memories: replaced(real.memories, {
            addMemory: (context, vault, { derivedFrom: _, ...input }) =>
              real.memories.addMemory(context, vault, input),
          }),
        }),
      },
    },
    {
      name: 'exports-remember',
      breaks: 'An export that is kept shows for ever what it has shown once.',
      turns: ['RET-01'],
      change: { parts: (real) => ({ ...real, exports: unforgetting(real.exports) }) },
    },
    {
      name: 'empty-lists',
      breaks: 'A list leaves out what nobody deleted.',
      turns: ['RET-01'],
      change: {
        parts: (real) => ({
          ...real,
          memories: replaced(real.memories, {
            listMemories: async (context, vault, query) => ({
              ...(await real.memories.listMemories(context, vault, query)),
              memories: [],
            }),
          }),
        }),
      },
    },
  ],
});

interface Canary {
  readonly word: string;
  readonly vector: readonly number[];
}

interface Place {
  readonly world: World;
  readonly client: Strongroom;
  readonly vault: VaultHandle;
}

function forget(world: World, tenant: Tenant, way: Way): Promise<Forgotten> {
  const { client } = tenant;
  if (way === 'vault') return forgetVault(world, client);
  return withVault(world, tenant, {}, async (vault, id) => {
    const place = { world, client, vault };
    const canary = await sow(place, canaryWord(world));
    const twin = await sow(place, canaryWord(world));
    const before = await ways(place, canary);
    const target = targetOf(way, id, canary);
    const plan = way === 'delete' ? null : await client.erasures.plan(target);
    const since = performance.now();
    let erasure: string | null = null;
    if (plan === null) await vault.delete(canary.memory, { mode: 'erase' });
    else {
      const { confirm } = plan;
      erasure = (await client.erasures.request({ target, reason: 'a canary', confirm })).id;
    }
    const delayMs = performance.now() - since;
    const after = await ways(place, canary);
    const kept = await ways(place, twin);
    return {
      way,
      wasThere: before.length === LOOKS.length,
      shows: after,
      lost: LOOKS.filter((look) => !kept.includes(look)),
      delayMs,
      counted: plan?.count ?? null,
      removed: erasure === null ? null : await removedBy(client, erasure),
    };
  });
}

/** The twin of a vault is another vault. */
async function forgetVault(world: World, client: Strongroom): Promise<Forgotten> {
  const make = async (): Promise<Place> => {
    const { id } = await client.vaults.create({ name: canaryWord(world), deletion: { mode: 'immediate' } });
    return { world, client, vault: client.vault(id) };
  };
  const place = await make();
  const other = await make();
  const canary = await sow(place, canaryWord(world));
  const twin = await sow(other, canaryWord(world));
  const before = await ways(place, canary);
  const target = { vault: place.vault.vault };
  const { count } = await client.erasures.plan(target);
  const since = performance.now();
  const { id } = await client.erasures.request({ target, reason: 'a canary' });
  const delayMs = performance.now() - since;
  const after = await ways(place, canary);
  const kept = await ways(other, twin);
  await client.vaults.delete(other.vault.vault);
  return {
    way: 'vault',
    wasThere: before.length === LOOKS.length,
    shows: after,
    lost: LOOKS.filter((look) => !kept.includes(look)),
    delayMs,
    counted: count,
    removed: await removedBy(client, id),
  };
}

interface Sown extends Canary {
  readonly memory: string;
  readonly derived: string;
  /** Kept by the server, with both in it. */
  readonly exported: string;
}

async function sow({ world, client, vault }: Place, word: string): Promise<Sown> {
  const expiresAt = canaryEnd(world);
  const canary: Canary = { word, vector: canaryVector(world, DIMENSIONS) };
  const about = { subject: `subject ${word}`, conversation: `conversation ${word}`, kind: `kind ${word}` };
  const { id } = await vault.add({
    text: `it says ${word}`,
    vector: [...canary.vector],
    ...about,
    expiresAt,
  });
  const derived = await vault.add({ text: `derived: ${word}`, derivedFrom: [id], expiresAt });
  const { id: exported } = await client.exports.create(vault.vault, { expiresInDays: 1 });
  return { ...canary, memory: id, derived: derived.id, exported };
}

function targetOf(way: Way, vault: string, { word, memory }: Sown): ErasureTarget {
  if (way === 'memory') return { memory };
  if (way === 'filter') return { vault, filter: { kind: `kind ${word}` } };
  if (way === 'conversation') return { vault, conversation: `conversation ${word}` };
  return { subject: `subject ${word}` };
}

const LOOKS = [
  'get',
  'get of what was derived',
  'search by words',
  'search by vector',
  'list',
  'export',
  'an export that is kept',
];

/** Ways of looking that show the canary. */
async function ways({ client, vault }: Place, canary: Sown): Promise<string[]> {
  const isIn = (memories: readonly { id: string; text?: string }[]): boolean =>
    memories.some(({ id, text }) => id === canary.memory || text?.includes(canary.word) === true);
  const shows: Record<string, () => Promise<boolean>> = {
    get: async () => isIn([await vault.get(canary.memory)]),
    'get of what was derived': async () => isIn([await vault.get(canary.derived)]),
    'search by words': async () => isIn(await vault.search(canary.word)),
    'search by vector': async () => isIn(await vault.search({ vector: [...canary.vector], limit: 1 })),
    list: async () => isIn((await vault.list({ limit: 100 })).memories),
    export: async () => isIn(await Array.fromAsync(vault.export())),
    'an export that is kept': async () =>
      isIn(await Array.fromAsync(client.exports.memories(canary.exported))),
  };
  const found: string[] = [];
  for (const look of LOOKS) {
    try {
      if ((await shows[look]?.()) === true) found.push(look);
    } catch (error) {
      if (!(error instanceof StrongroomError) || error.status !== 404) throw error;
    }
  }
  return found;
}

const LOOKS_AT_PROGRESS = 400;

/** How many memories went, once their rows have; null where they do not go. */
async function removedBy(client: Strongroom, id: string): Promise<number | null> {
  for (let looks = 0; looks < LOOKS_AT_PROGRESS; looks++) {
    const { state, removed } = await client.erasures.get(id);
    if (state === 'purged') return removed;
  }
  return null;
}

/** Answers of earlier searches are laid over later ones. */
function remembering(real: HttpParts['memories']): HttpParts['memories'] {
  const known = new Map<string, Awaited<ReturnType<HttpParts['memories']['searchMemories']>>>();
  return replaced(real, {
    searchMemories: async (context, vault, input) => {
      const question = JSON.stringify([vault, input]);
      const answer = known.get(question) ?? (await real.searchMemories(context, vault, input));
      known.set(question, answer);
      context.recorded = false;
      return answer;
    },
  });
}

/** What an export has shown is shown again. */
function unforgetting(real: HttpParts['exports']): HttpParts['exports'] {
  const known = new Map<string, Memory[]>();
  return replaced(real, {
    async *readExport(context, id, query) {
      const shown = await Array.fromAsync(real.readExport(context, id, query)).catch(() => []);
      known.set(id, known.get(id) ?? shown);
      yield* known.get(id) ?? [];
    },
  });
}
