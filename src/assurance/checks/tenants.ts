/**
 * Two tenants with the same names, the same words and vectors that are near, and two vaults of one of them: what one asks
 * for with the ids of the other must be answered exactly like what does not exist, and nothing of it may come along.
 */
import { encodeHex } from '../../bytes/encoding.ts';
import { ask, codeOf, type Reply } from '../ask.ts';
import { canaryEnd, canaryVector, withVault } from '../canary-vault.ts';
import { defineCheck, judged } from '../check.ts';
import { replaced } from '../replaced.ts';
import type { RequestContext } from '../../http/parts.ts';
import type { Route } from '../../http/route.ts';
import { createIdSource } from '../../ids.ts';
import type { Tenant, World } from '../world.ts';
import type { LedgerPage, VaultHandle } from '@strongroom/client';

const DIMENSIONS = 16;
const MEMORIES = 8;
const TEXT = 'The quarterly figures are kept in the green binder.';

interface Compared {
  readonly what: string;
  /** Null: answered as what does not exist is answered. */
  readonly difference: string | null;
}

interface Met {
  readonly compared: readonly Compared[];
  /** Foreign ids that came along in answers, by where. */
  readonly leaked: readonly string[];
  readonly answers: number;
  /** What a vault showed of another of the same tenant. */
  readonly crossed: readonly string[];
  readonly crossings: number;
  /** Whether the second vault still held everything after the first was deleted. */
  readonly isIntact: boolean;
  readonly control: boolean;
}

export const tenantsCheck = defineCheck<Met>({
  name: 'tenants',
  place: 'live',
  observe: meet,
  judges: {
    'TEN-01': ({ compared, leaked, answers, control }) => {
      const faults = [
        ...(control ? [] : ['the owner does not find what is looked for, so nothing was learnt']),
        ...compared.flatMap(({ what, difference }) =>
          difference === null ? [] : [`${what}: ${difference}`],
        ),
        ...leaked.map((where) => `${where} shows what is another tenant's`),
      ];
      return judged(Math.min(compared.length, answers), faults, { comparisons: compared.length, answers });
    },
    'TEN-02': ({ crossed, crossings, isIntact, control }) => {
      const faults = [
        ...(control ? [] : ['the vault does not show what is in it, so nothing was learnt']),
        ...crossed,
        ...(isIntact ? [] : ['deleting one vault took away from another']),
      ];
      return judged(crossings, faults, { crossings });
    },
  },
  sabotages: [
    {
      name: 'any-tenant',
      breaks: 'What the asking tenant does not have is looked for as the tenant who asked before.',
      turns: ['TEN-01'],
      change: {
        parts: (real) => {
          const askers = new Map<string, RequestContext>();
          return {
            ...real,
            access: replaced(real.access, {
              authorize: (context) => Promise.resolve(void askers.set(context.organization, context)),
            }),
            memories: replaced(real.memories, {
              getMemory: async (context, place, query) => {
                try {
                  return await real.memories.getMemory(context, place, query);
                } catch (error) {
                  const other = [...askers.values()].find(
                    ({ organization }) => organization !== context.organization,
                  );
                  if (other === undefined) throw error;
                  return await real.memories.getMemory(other, place, query);
                }
              },
            }),
          };
        },
      },
    },
    {
      name: 'any-vault',
      breaks: 'A memory is answered whichever vault of the tenant it is asked of.',
      turns: ['TEN-02'],
      change: {
        parts: (real) => {
          const vaultOf = new Map<string, string>();
          return {
            ...real,
            memories: replaced(real.memories, {
              addMemories: async (context, vault, inputs) => {
                const added = await real.memories.addMemories(context, vault, inputs);
                for (const { id } of added.memories) vaultOf.set(context.organization + id, vault);
                return added;
              },
              getMemory: (context, place, query) => {
                const vault = vaultOf.get(context.organization + place.memory) ?? place.vault;
                return real.memories.getMemory(context, { ...place, vault }, query);
              },
            }),
          };
        },
      },
    },
  ],
});

/** What one tenant has. */
interface Held {
  readonly tenant: Tenant;
  readonly vault: VaultHandle;
  readonly vaultId: string;
  readonly memories: readonly string[];
  readonly vector: readonly number[];
}

async function meet(world: World): Promise<Met> {
  const [owner, stranger] = [await world.tenant(0), await world.tenant(1)];
  const vector = canaryVector(world, DIMENSIONS);
  return withVault(world, owner, {}, (mine, mineId) =>
    withVault(world, stranger, {}, async (theirs, theirsId) => {
      const held = await fill(world, { tenant: owner, vault: mine, vaultId: mineId, vector });
      const own = await fill(world, { tenant: stranger, vault: theirs, vaultId: theirsId, vector });
      const compared = await compareAll(world, held, own);
      const { leaked, answers } = await leaks(world, held, own);
      const found = await held.vault.search({ query: TEXT, vector, limit: 50 });
      const between = await cross(world, held);
      return {
        compared,
        leaked,
        answers,
        control: found.length >= MEMORIES && between.control,
        ...between.seen,
      };
    }),
  );
}

async function fill(world: World, of: Omit<Held, 'memories'>): Promise<Held> {
  const expiresAt = canaryEnd(world);
  const memories = Array.from({ length: MEMORIES }, (_, at) => ({
    text: `${TEXT} (${at})`,
    vector: of.vector.map((value, axis) => Math.fround(value + (axis === at ? 0.001 : 0))),
    subject: 'ann',
    expiresAt,
  }));
  const added = await of.vault.addMany(memories);
  return { ...of, memories: added.map(({ id }) => id) };
}

/** Every route that takes an id, asked by the stranger: once with the owner's ids, once with ids of nothing. */
async function compareAll(world: World, held: Held, own: Held): Promise<readonly Compared[]> {
  const newId = createIdSource(world.clock, world.random);
  const compared: Compared[] = [];
  const key = await held.tenant.client.keys.create({ name: 'canary of the owner' });
  const theirs = { vault: held.vaultId, memory: held.memories[0] ?? '', key: key.id };
  const nothing = { vault: newId('vault'), memory: newId('memory'), key: newId('key') };
  // The stranger's own vault with the owner's memory in the path: only the memory is foreign.
  const inOwnVault = { ...theirs, vault: own.vaultId };
  const nothingInOwnVault = { ...nothing, vault: own.vaultId };
  for (const route of world.routes) {
    if (!/:(vault|memory|key)/.test(route.url)) continue;
    const pairs = [
      ['foreign ids', theirs, nothing],
      ...(route.url.includes(':memory')
        ? [['a foreign memory in an own vault', inOwnVault, nothingInOwnVault] as const]
        : []),
    ] as const;
    for (const [what, foreign, absent] of pairs) {
      const [left, right] = [await send(world, route, own, foreign), await send(world, route, own, absent)];
      compared.push({ what: `${route.name} with ${what}`, difference: differenceOf(left, right) });
    }
  }
  await held.tenant.client.keys.revoke(key.id);
  return compared;
}

const BODIES: Readonly<Record<string, unknown>> = {
  addMemories: { text: 'a canary' },
  updateMemory: { text: 'another' },
  updateVault: { history: true },
  searchMemories: { query: TEXT },
  listMemoriesByBody: { limit: 5 },
};

function send(
  world: World,
  route: Route,
  { tenant }: Held,
  ids: Readonly<Record<string, string>>,
): Promise<Reply> {
  const path = route.url.replaceAll(/:(\w+)/g, (_, name: string) => ids[name] ?? '');
  const body = BODIES[route.name];
  // The last is what a confused proxy might add: it must mean nothing.
  const headers = { 'x-organization': tenant.organization, 'x-tenant-id': ids['vault'] ?? '' };
  return ask(world, {
    method: route.method,
    path,
    apiKey: tenant.apiKey,
    headers,
    ...(body === undefined ? {} : { body }),
  });
}

function differenceOf(foreign: Reply, absent: Reply): string | null {
  if (foreign.status !== 404) return `answered ${foreign.status} ${codeOf(foreign)}`;
  if (foreign.text !== absent.text) return 'the body differs from that for what does not exist';
  const names = ['content-type', 'content-length', 'etag', 'location'];
  const differing = names.filter((name) => foreign.header(name) !== absent.header(name));
  return differing.length === 0 ? null : `the headers differ: ${differing.join(', ')}`;
}

/** What the stranger sees where they may look: nothing of it may be the owner's. */
async function leaks(world: World, held: Held, own: Held): Promise<{ leaked: string[]; answers: number }> {
  const { client } = own.tenant;
  const { vault, vector } = own;
  const seen: Readonly<Record<string, unknown>> = {
    search: await vault.search({ query: TEXT, vector, limit: 50 }),
    'search by text': await vault.search({ query: TEXT, limit: 50 }),
    'search by vector': await vault.search({ vector, limit: 50 }),
    'search by person': await vault.search({ query: TEXT, filter: { subject: 'ann' }, limit: 50 }),
    list: await vault.list({ limit: 100 }),
    export: await Array.fromAsync(vault.export()),
    'list of vaults': await Array.fromAsync(client.vaults.listAll()),
    'list of keys': await Array.fromAsync(client.keys.listAll()),
    ledger: entriesOfOthers(await client.ledger.list({ limit: 1000 }), own),
    'ledger by person': entriesOfOthers(await client.ledger.list({ subject: 'ann', limit: 1000 }), own),
    'ledger by foreign target': entriesOfOthers(await client.ledger.list({ target: held.vaultId }), own),
  };
  const foreign = [held.vaultId, held.tenant.organization, held.tenant.keyId, ...held.memories];
  const leaked = Object.entries(seen).flatMap(([where, answer]) => {
    const text = JSON.stringify(answer);
    return foreign.some((id) => text.includes(id)) ? [where] : [];
  });
  return { leaked, answers: Object.keys(seen).length };
}

/** The stranger's own refusals name what the stranger asked for. */
const entriesOfOthers = ({ entries }: LedgerPage, { tenant }: Held): unknown =>
  entries.filter(({ principal }) => principal !== tenant.keyId);

interface Crossing {
  readonly seen: Pick<Met, 'crossed' | 'crossings' | 'isIntact'>;
  readonly control: boolean;
}

/** Two vaults of one tenant: nothing of the first through the second; the first deleted, the second whole. */
async function cross(world: World, held: Held): Promise<Crossing> {
  const { tenant } = held;
  return withVault(world, tenant, {}, async (second, secondId) => {
    const own = await fill(world, { tenant, vault: second, vaultId: secondId, vector: held.vector });
    const crossed: string[] = [];
    const [memory = ''] = held.memories;
    const paths = [`/memories/${memory}`, `/memories/${memory}/history`];
    for (const path of paths) {
      const reply = await ask(world, {
        method: 'GET',
        path: `/v1/vaults/${secondId}${path}`,
        apiKey: tenant.apiKey,
      });
      if (reply.status !== 404)
        crossed.push(`a memory of one vault is answered by another (${reply.status})`);
    }
    const filters = [
      undefined,
      { subject: 'ann' },
      { OR: [{ subject: 'ann' }, { NOT: [{ subject: 'ann' }] }] },
    ];
    for (const filter of filters) {
      const results = await second.search({
        query: TEXT,
        vector: held.vector,
        limit: 100,
        ...(filter ? { filter } : {}),
      });
      if (results.some(({ id }) => held.memories.includes(id)))
        crossed.push('a search finds what is in another vault');
      if (results.length === 0) crossed.push('a search finds nothing, so nothing was learnt');
    }
    await tenant.client.vaults.delete(await firstOf(world, tenant));
    const left = await Array.fromAsync(second.listAll());
    const found = await second.search({ query: TEXT, limit: 100 });
    const isIntact = left.length === MEMORIES && found.length === MEMORIES;
    return {
      seen: { crossed, crossings: paths.length + filters.length, isIntact },
      control: (await second.get(own.memories[0] ?? '')).subject === 'ann',
    };
  });
}

/** A third vault with the same words, to be deleted. */
async function firstOf(world: World, tenant: Tenant): Promise<string> {
  const { id } = await tenant.client.vaults.create({ name: `canary ${encodeHex(world.random(8))}` });
  await tenant.client.vault(id).add({ text: TEXT, subject: 'ann', expiresAt: canaryEnd(world) });
  return id;
}
