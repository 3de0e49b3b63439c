/**
 * Keys at their ends: one that is revoked or rotated is refused from the moment the answer is there, and one that is
 * confined to a vault, an action, an environment or a network reaches nothing beyond.
 */
import { ask, codeOf } from '../ask.ts';
import { withVault } from '../canary-vault.ts';
import { defineCheck, judged } from '../check.ts';
import { requestFor, type Stage } from '../drive.ts';
import { INJECTED_ADDRESS } from '../inject-fetch.ts';
import { replaced } from '../replaced.ts';
import type { KeyInput } from '@strongroom/client';
import type { Principal } from '../../http/parts.ts';
import type { Route } from '../../http/route.ts';

/** Addresses for documentation (RFC 5737): nobody asks from there. */
const ELSEWHERE = '203.0.113.0/24';
const HERE = `${INJECTED_ADDRESS}/32`;
const GIVEN_UP_MS = 1_200;
const EVERYTHING = [{ actions: ['*'], vaults: ['*'] }];

interface Ended {
  readonly how: 'revoked' | 'rotated';
  readonly worked: boolean;
  /** Until the first refusal; null: none came. */
  readonly delayMs: number | null;
  /** Routes that the dead key still reached. */
  readonly reached: readonly string[];
  readonly asked: number;
}

interface Confined {
  readonly confinement: string;
  /** What it may do, and did. */
  readonly works: boolean;
  readonly escaped: readonly string[];
  readonly asked: number;
}

interface KeysSeen {
  readonly ended: readonly Ended[];
  readonly confined: readonly Confined[];
}

export const keysCheck = defineCheck<KeysSeen>({
  name: 'keys',
  place: 'live',
  observe: async (world) => {
    const tenant = await world.tenant(0);
    return withVault(world, tenant, {}, (_, vault) =>
      withVault(world, tenant, {}, async (__, other) => {
        const stage: Stage = { world, tenant, vault };
        const ended = [await endOf(stage, 'revoked'), await endOf(stage, 'rotated')];
        const confined = await confine(stage, other);
        return { ended, confined };
      }),
    );
  },
  judges: {
    'KEY-03': ({ ended }, { milliseconds = 0 }) => {
      const faults = ended.flatMap(({ how, worked, delayMs, reached }) => [
        ...(worked ? [] : [`the key did not work before it was ${how}, so nothing was learnt`]),
        ...(delayMs === null || delayMs > milliseconds
          ? [`a ${how} key was still taken after ${delayMs ?? GIVEN_UP_MS} ms`]
          : []),
        ...reached.map((route) => `a ${how} key reached ${route}`),
      ]);
      const slowest = ended.reduce((most, { delayMs }) => Math.max(most, delayMs ?? GIVEN_UP_MS), 0);
      const asked = ended.reduce((sum, each) => sum + each.asked, 0);
      return judged(asked, faults, { delayMs: Math.round(slowest * 10) / 10, requests: asked, nodes: 1 });
    },
    'KEY-04': ({ confined }) => {
      const faults = confined.flatMap(({ confinement, works, escaped }) => [
        ...(works ? [] : [`a key confined to ${confinement} could not do what it may`]),
        ...escaped.map((what) => `a key confined to ${confinement}: ${what}`),
      ]);
      const asked = confined.reduce((sum, each) => sum + each.asked, 0);
      return judged(asked, faults, { requests: asked, confinements: confined.length });
    },
  },
  sabotages: [
    {
      name: 'remembered-keys',
      breaks: 'A key that signed in once is remembered for ever.',
      turns: ['KEY-03'],
      change: {
        parts: (real) => {
          const known = new Map<string, Principal>();
          return {
            ...real,
            access: replaced(real.access, {
              authenticate: async (apiKey, address) => {
                const text = apiKey.reveal();
                const principal = known.get(text) ?? (await real.access.authenticate(apiKey, address));
                known.set(text, principal);
                return principal;
              },
            }),
          };
        },
      },
    },
    {
      name: 'vaults-unbound',
      breaks: 'The vaults that a key is confined to are not looked at.',
      turns: ['KEY-04'],
      change: {
        parts: (real) => ({
          ...real,
          access: replaced(real.access, {
            authenticate: async (apiKey, address) => {
              const principal = await real.access.authenticate(apiKey, address);
              return {
                ...principal,
                grants: principal.grants.map(({ actions }) => ({ actions, vaults: ['*'] })),
              };
            },
          }),
        }),
      },
    },
    {
      name: 'wide-keys',
      breaks: 'Every key may do everything.',
      turns: ['KEY-04'],
      change: {
        parts: (real) => ({
          ...real,
          access: replaced(real.access, {
            authenticate: async (apiKey, address) => {
              const principal = await real.access.authenticate(apiKey, address);
              return { ...principal, environment: 'production', grants: [{ actions: ['*'], vaults: ['*'] }] };
            },
          }),
        }),
      },
    },
  ],
});

async function endOf({ world, tenant, vault }: Stage, how: Ended['how']): Promise<Ended> {
  const { client } = tenant;
  const { id, apiKey } = await client.keys.create({ name: `canary to be ${how}`, scopes: EVERYTHING });
  const paths = [
    '/v1/vaults',
    `/v1/vaults/${vault}`,
    `/v1/vaults/${vault}/memories`,
    '/v1/keys',
    '/v1/ledger',
  ];
  const use = async (path: string): Promise<number> =>
    (await ask(world, { method: 'GET', path, apiKey })).status;
  // Whatever could remember the key has seen it.
  const before = await Promise.all(paths.map(use));
  if (how === 'revoked') await client.keys.revoke(id);
  else await client.keys.rotate(id);
  const since = performance.now();
  let delayMs: number | null = null;
  let asked = before.length;
  while (delayMs === null && performance.now() - since < GIVEN_UP_MS) {
    asked++;
    // A request that was begun at once and refused was refused at once, however long the answer took.
    const begun = performance.now() - since;
    if ((await use('/v1/vaults')) === 401) delayMs = begun;
  }
  const after = await Promise.all(paths.map(use));
  const reached = paths.filter((_, at) => after[at] !== 401);
  return {
    how,
    worked: before.every((status) => status === 200),
    delayMs,
    reached,
    asked: asked + after.length,
  };
}

/** What a key is confined to, and what that leaves it. */
interface Confinement {
  readonly name: string;
  readonly input: Omit<KeyInput, 'name'>;
  readonly allows: (route: Route, vault: string) => boolean;
  /** What must work, or a refusal would prove nothing; with another key where this one can do nothing at all. */
  readonly control: { readonly path: string; readonly input?: Omit<KeyInput, 'name'> };
}

async function confine(stage: Stage, other: string): Promise<readonly Confined[]> {
  const { world, tenant, vault } = stage;
  return withVault(world, tenant, { environment: 'development' }, async (_, development) => {
    const confined: Confined[] = [];
    const stages = [stage, { ...stage, vault: other }].map((each) => ({ stage: each, made: new Map() }));
    for (const confinement of confinementsOf(vault, development))
      confined.push(await confinedTo(confinement, stages));
    return confined;
  });
}

function confinementsOf(vault: string, development: string): readonly Confinement[] {
  const memories = (of: string): string => `/v1/vaults/${of}/memories`;
  const isOfVault = ({ url }: Route): boolean => url.includes(':vault');
  const isOwn = (route: Route, asked: string): boolean => !isOfVault(route) || asked === vault;
  const reads = ['memory.list', 'memory.get', 'memory.search', 'vault.get'];
  return [
    {
      name: 'an action',
      input: { scopes: [{ actions: ['memory.list'], vaults: ['*'] }] },
      allows: ({ action }) => action === 'memory.list',
      control: { path: memories(vault) },
    },
    {
      name: 'a vault',
      input: { scopes: [{ actions: ['memory.*'], vaults: [vault] }] },
      allows: (route, asked) => route.action.startsWith('memory.') && isOwn(route, asked),
      control: { path: memories(vault) },
    },
    {
      name: 'reading a vault',
      input: { scopes: [{ actions: reads, vaults: [vault] }] },
      allows: (route, asked) => reads.includes(route.action) && isOwn(route, asked),
      control: { path: memories(vault) },
    },
    {
      name: 'an environment',
      input: { environment: 'development', scopes: EVERYTHING },
      allows: (route) => !isOfVault(route),
      control: { path: memories(development) },
    },
    {
      name: 'a network',
      input: { networks: [ELSEWHERE], scopes: EVERYTHING },
      allows: () => false,
      control: { path: memories(vault), input: { networks: [HERE], scopes: EVERYTHING } },
    },
  ];
}

/** What was refused is as it was: the same request is put to the next key. */
interface Prepared {
  readonly stage: Stage;
  readonly made: Map<string, Awaited<ReturnType<typeof requestFor>>>;
}

/** Drives every route, in each of the vaults; whatever the confinement does not leave must be refused. */
async function confinedTo(
  { name, input, allows, control }: Confinement,
  stages: readonly Prepared[],
): Promise<Confined> {
  const [{ stage: { world, tenant } } = none()] = stages;
  const make = async (of: Omit<KeyInput, 'name'>): Promise<string> =>
    (await tenant.client.keys.create({ name: `canary confined to ${name}`, ...of })).apiKey;
  const apiKey = await make(input);
  const controlKey = control.input === undefined ? apiKey : await make(control.input);
  const { status } = await ask(world, { method: 'GET', path: control.path, apiKey: controlKey });
  const escaped: string[] = [];
  let asked = 0;
  for (const { stage, made } of stages)
    for (const route of world.routes) {
      if (allows(route, stage.vault)) continue;
      const request = made.get(route.name) ?? (await requestFor(route, stage));
      made.set(route.name, request);
      if (request === null) continue;
      asked++;
      const reply = await ask(world, { ...request, apiKey });
      if (reply.status !== 403 && reply.status !== 404)
        escaped.push(`${route.name} answered ${reply.status} ${codeOf(reply)}`);
    }
  return { confinement: name, works: status === 200, escaped, asked };
}

function none(): never {
  throw new RangeError('there is no vault to ask in');
}
