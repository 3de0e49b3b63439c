/**
 * Whether the server needs anybody else: every route is driven on a scratch instance that no model provider is set up for, its
 * hourly chores are done and its index is written, and every attempt to reach the outside meanwhile is heard.
 */
import { ask } from '../ask.ts';
import { canaryEnd, withVault } from '../canary-vault.ts';
import { defineCheck, judged } from '../check.ts';
import { requestFor } from '../drive.ts';
import { hearOutside } from '../outside-tap.ts';
import { knock } from '../probe.ts';
import { replaced } from '../replaced.ts';
import type { World } from '../world.ts';

interface Alone {
  /** The routes that were driven, with the status they answered. */
  readonly driven: readonly (readonly [string, number])[];
  readonly undriven: readonly string[];
  readonly attempts: readonly string[];
}

/** Set aside for documents (RFC 5737): nobody is there. */
const NOBODY = { host: '192.0.2.1', port: 443 };

export const egressCheck = defineCheck<Alone>({
  name: 'egress',
  place: 'scratch',
  observe: async (world) => {
    const { result, attempts } = await hearOutside(() => driveAll(world));
    return { ...result, attempts };
  },
  judges: {
    'LLM-08': ({ driven, undriven, attempts }) => {
      const faults = [
        ...undriven.map((route) => `${route} was not driven`),
        ...driven.flatMap(([route, status]) => (status < 400 ? [] : [`${route} answered ${status}`])),
        ...[...new Set(attempts)].map((attempt) => `reached for the outside: ${attempt}`),
      ];
      return judged(driven.length, faults, { requests: driven.length, outside: attempts.length });
    },
  },
  sabotages: [
    {
      name: 'call-home',
      breaks: 'Each search tells somebody outside.',
      turns: ['LLM-08'],
      change: {
        parts: (real) => ({
          ...real,
          memories: replaced(real.memories, {
            searchMemories: (context, vault, input) => {
              knock(NOBODY);
              return real.memories.searchMemories(context, vault, input);
            },
          }),
        }),
      },
    },
  ],
});

async function driveAll(world: World): Promise<Omit<Alone, 'attempts'>> {
  const tenant = await world.tenant(0);
  return withVault(world, tenant, {}, async (handle, vault) => {
    const stage = { world, tenant, vault };
    const driven: [string, number][] = [];
    const undriven: string[] = [];
    await handle.add({ text: 'a canary', vector: [1, 0], expiresAt: canaryEnd(world) });
    for (const route of world.routes) {
      const request = await requestFor(route, stage);
      if (request === null) undriven.push(route.name);
      else driven.push([route.name, (await ask(world, { ...request, apiKey: tenant.apiKey })).status]);
    }
    await world.flush();
    await world.insides?.sweep();
    return { driven, undriven };
  });
}
