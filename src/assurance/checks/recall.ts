/**
 * What is added is found again: canaries among noise that speaks of the same things, asked for by words, by a vector that
 * is near and by both, and asked for in another vault, where none may be found.
 */
import type { SearchQuery, VaultHandle } from '@strongroom/client';
import { canaryEnd, canaryVector, canaryWord, withVault } from '../canary-vault.ts';
import { defineCheck, judged } from '../check.ts';
import { replaced } from '../replaced.ts';
import type { World } from '../world.ts';

const CANARIES = 16;
const NOISE = 120;
const DIMENSIONS = 32;
/** How far a query's vector lies from that of what it asks for; random ones are about 1.4 apart. */
const DISTANCE = 0.35;
const FOUND_WITHIN = 5;
const MODES = ['text', 'vector', 'hybrid'] as const;

type Mode = (typeof MODES)[number];

interface Canary {
  readonly text: string;
  readonly question: string;
  readonly vector: readonly number[];
}

interface Asked {
  readonly mode: Mode;
  readonly found: boolean;
  /** Ids answered by another vault that are not its own. */
  readonly leaked: number;
}

const THINGS = [
  'tea',
  'the window seat',
  'early trains',
  'quiet rooms',
  'long walks',
  'green ink',
  'cold soup',
  'jazz',
];
const PLACES = [
  'the harbour office',
  'the northern branch',
  'the workshop',
  'the archive',
  'the garden house',
];

export const recallCheck = defineCheck<readonly Asked[]>({
  name: 'recall',
  place: 'live',
  observe: async (world) => {
    const tenant = await world.tenant(0);
    const settings = { dimensions: DIMENSIONS };
    return withVault(world, tenant, settings, (vault) =>
      withVault(world, tenant, settings, (other) => ask(world, vault, other)),
    );
  },
  judges: {
    'FUN-01': (asked, { percent }) => {
      const faults: string[] = [];
      const measured: Record<string, number> = {};
      for (const mode of MODES) {
        const own = asked.filter((each) => each.mode === mode);
        const found = Math.floor((100 * own.filter((each) => each.found).length) / Math.max(1, own.length));
        measured[`${mode}Percent`] = found;
        if (found < (percent ?? 100))
          faults.push(`by ${mode}, ${found} % were found among the first ${FOUND_WITHIN}`);
      }
      const leaked = asked.reduce((sum, each) => sum + each.leaked, 0);
      if (leaked > 0) faults.push(`${leaked} memories were found in a vault that they are not in`);
      return judged(asked.length, faults, measured);
    },
  },
  sabotages: [
    {
      name: 'half-blind-search',
      breaks: 'Search answers every other result only.',
      turns: ['FUN-01'],
      change: {
        parts: (real) => ({
          ...real,
          memories: replaced(real.memories, {
            searchMemories: async (context, vault, input) => {
              const { results } = await real.memories.searchMemories(context, vault, input);
              return { results: results.filter((_, at) => at % 2 === 1) };
            },
          }),
        }),
      },
    },
    {
      name: 'vault-ignored',
      breaks: 'A search looks into the first vault that was ever searched.',
      turns: ['FUN-01'],
      change: {
        parts: (real) => {
          let first: string | null = null;
          return {
            ...real,
            memories: replaced(real.memories, {
              searchMemories: (context, vault, input) =>
                real.memories.searchMemories(context, (first ??= vault), input),
            }),
          };
        },
      },
    },
  ],
});

async function ask(world: World, vault: VaultHandle, other: VaultHandle): Promise<readonly Asked[]> {
  const expiresAt = canaryEnd(world);
  const canaries = Array.from({ length: CANARIES }, (_, at) => canaryOf(world, at));
  const noise = Array.from({ length: NOISE }, (_, at) => canaryOf(world, at));
  const added = await vault.addMany(
    [...noise, ...canaries].map(({ text, vector }) => ({ text, vector, expiresAt })),
  );
  const ids = new Set(added.map(({ id }) => id));
  const wanted = added.slice(NOISE);
  await other.addMany(noise.slice(0, CANARIES).map(({ text, vector }) => ({ text, vector, expiresAt })));
  const asked: Asked[] = [];
  for (const [at, canary] of canaries.entries()) {
    for (const mode of MODES) {
      const query = queryOf(world, canary, mode);
      const results = await vault.search(query);
      const found = results.some(({ id }) => id === wanted[at]?.id);
      const elsewhere = await other.search(query);
      asked.push({ mode, found, leaked: elsewhere.filter(({ id }) => ids.has(id)).length });
    }
  }
  return asked;
}

function canaryOf(world: World, at: number): Canary {
  const name = canaryWord(world);
  const thing = THINGS[at % THINGS.length];
  const place = PLACES[at % PLACES.length];
  return {
    text: `When ${name} comes to ${place}, nothing pleases more than ${thing}.`,
    question: `what pleases ${name} at ${place}?`,
    vector: canaryVector(world, DIMENSIONS),
  };
}

function queryOf(world: World, { question, vector }: Canary, mode: Mode): SearchQuery {
  const away = canaryVector(world, DIMENSIONS);
  const near = vector.map((value, at) => Math.fround(value + DISTANCE * (away[at] ?? 0)));
  return {
    mode,
    limit: FOUND_WITHIN,
    ...(mode === 'vector' ? {} : { query: question }),
    ...(mode === 'text' ? {} : { vector: near }),
  };
}
