/**
 * The sweep over all routes: each is driven as its owner, without a key, with a wrong one, with those that may do less and
 * with one of another tenant, and with input that is wrong in many ways. Every answer is kept with who asked.
 */
import type { LedgerEntry } from '@strongroom/client';
import { EXEMPT_ROUTES } from '../../http/server.ts';
import type { Route } from '../../http/route.ts';
import { ACTIONS, isReadAction, type Action } from '../../ledger/actions.ts';
import { ask, type Ask, type Reply } from '../ask.ts';
import { withVault } from '../canary-vault.ts';
import { requestFor, type Stage } from '../drive.ts';
import type { Strangers, Tenant, World } from '../world.ts';
import { fuzz } from './fuzz.ts';

/** Who asks, or what is wrong with what is asked. */
export type Variant =
  | 'granted'
  | 'HEAD'
  | 'no key'
  | 'wrong key'
  | 'powerless key'
  | 'reader key'
  | 'foreign key'
  | 'other method'
  | 'unknown parameter'
  | 'not JSON'
  | 'wrong body'
  | 'too deep'
  | 'fuzzed';

export interface Answered {
  readonly route: Route;
  /** What whoever may ask is answered: the route's own status, or that what it needs is turned off. */
  readonly status: number;
  readonly variant: Variant;
  /** What exactly was sent, where that was left to chance. */
  readonly what: string;
  readonly method: string;
  readonly body: unknown;
  /** The key that asked; null where nobody was let in. */
  readonly principal: string | null;
  readonly reply: Reply;
}

export interface Sweep {
  readonly answers: readonly Answered[];
  /** Paths that are no route, as somebody without a key and as one with. */
  readonly nowhere: readonly Reply[];
  /** What needs no key, and leaves no entry. */
  readonly open: readonly { readonly path: string; readonly reply: Reply }[];
  readonly undriven: readonly string[];
  /** Registered with the server, and neither in the catalogue of routes nor exempt. */
  readonly unlisted: readonly string[];
  /** Entries of both tenants since the beginning, by request. */
  readonly entries: ReadonlyMap<string, readonly LedgerEntry[]>;
  readonly strangers: Strangers;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly isSecure: boolean;
  readonly purpose: string;
}

/** Of each route; another run sends others. */
const FUZZED = 6;

export async function sweepAll(world: World): Promise<Sweep> {
  const startedMs = world.clock.now();
  const [tenant, stranger] = [await world.tenant(0), await world.tenant(1)];
  const strangersSince = await world.countStrangers();
  return withVault(world, tenant, {}, async (_, vault) => {
    const askers = await makeAskers({ world, tenant, vault }, stranger);
    const driven = await driveAll(askers);
    const nowhere = [
      await ask(world, { method: 'GET', path: '/v1/nothing' }),
      await ask(world, { method: 'GET', path: '/v1/nothing', apiKey: tenant.apiKey }),
    ];
    const open = [];
    for (const path of EXEMPT_ROUTES) open.push({ path, reply: await ask(world, { method: 'GET', path }) });
    const strangers = await strangersSince();
    const after = new Date(startedMs).toISOString();
    const entries: LedgerEntry[] = [];
    for (const { client } of [tenant, stranger])
      entries.push(...(await Array.fromAsync(client.ledger.listAll({ after, limit: 1000 }))));
    return {
      ...driven,
      nowhere,
      open,
      unlisted: unlistedOf(world),
      strangers,
      entries: Map.groupBy(entries, ({ request }) => request),
      startedMs,
      endedMs: world.clock.now(),
      isSecure: world.listener?.isSecure ?? false,
      purpose: world.purpose,
    };
  });
}

interface Asker {
  readonly id: string;
  readonly apiKey: string;
}

interface Askers {
  readonly stage: Stage;
  readonly owner: Asker;
  /** May do nothing that any route does. */
  readonly powerless: Asker;
  readonly reader: Asker;
  /** May do everything in another organization. */
  readonly foreign: Asker;
}

async function makeAskers(stage: Stage, stranger: Tenant): Promise<Askers> {
  const { keyId, apiKey, client } = stage.tenant;
  const make = (name: string, actions: string[]): Promise<Asker> =>
    client.keys.create({ name: `canary ${name}`, scopes: [{ actions, vaults: ['*'] }] });
  const reads = (Object.keys(ACTIONS) as Action[]).filter((action) => isReadAction(action));
  return {
    stage,
    owner: { id: keyId, apiKey },
    powerless: await make('without power', ['backup.restore']),
    reader: await make('that reads', reads),
    foreign: { id: stranger.keyId, apiKey: stranger.apiKey },
  };
}

async function driveAll(askers: Askers): Promise<Pick<Sweep, 'answers' | 'undriven'>> {
  const { world } = askers.stage;
  const answers: Answered[] = [];
  const undriven: string[] = [];
  for (const route of world.routes) {
    for (const make of variantsOf(route, askers)) {
      const request = await requestFor(route, askers.stage);
      if (request === null) {
        undriven.push(route.name);
        break;
      }
      for (const { variant, what, principal, request: sent } of make(request)) {
        const reply = await ask(world, sent);
        const status = statusOf(route, world);
        answers.push({
          route,
          status,
          variant,
          what,
          method: sent.method,
          body: sent.body,
          principal,
          reply,
        });
      }
    }
  }
  return { answers, undriven };
}

const OF_BACKUPS: ReadonlySet<Action> = new Set([
  'backup.create',
  'backup.list',
  'backup.drill',
  'vault.rewind',
]);
const CONFLICT = 409;

const statusOf = ({ action, status }: Route, { backsUp }: World): number =>
  !backsUp && OF_BACKUPS.has(action) ? CONFLICT : status;

interface Sent {
  readonly variant: Variant;
  readonly what: string;
  readonly principal: string | null;
  readonly request: Ask;
}

type Make = (granted: Ask) => readonly Sent[];

/** A method that no route of the URL has. */
const absentMethod = ({ url }: Route, { routes }: World): string =>
  ['PUT', 'PATCH', 'DELETE', 'POST'].find(
    (method) => !routes.some((route) => route.url === url && route.method === method),
  ) ?? 'TRACE';

function variantsOf(route: Route, { stage, owner, powerless, reader, foreign }: Askers): readonly Make[] {
  const { world, tenant } = stage;
  const one =
    (variant: Variant, principal: string | null, change: (granted: Ask) => Ask): Make =>
    (granted) => [{ variant, what: '', principal, request: change(granted) }];
  const by = (variant: Variant, { id, apiKey }: Asker): Make =>
    one(variant, id, (granted) => ({ ...granted, apiKey }));
  const own = (variant: Variant, change: (granted: Ask) => Ask): Make =>
    one(variant, owner.id, (granted) => ({ ...change(granted), apiKey: owner.apiKey }));
  const all = [
    by('granted', owner),
    one('no key', null, (granted) => granted),
    one('wrong key', null, (granted) => ({ ...granted, apiKey: otherSecret(owner.apiKey) })),
    by('powerless key', powerless),
    by('reader key', reader),
    by('foreign key', foreign),
    one('other method', null, (granted) => ({ ...granted, method: absentMethod(route, world) })),
    own('unknown parameter', (granted) => ({
      ...granted,
      path: `${granted.path}${granted.path.includes('?') ? '&' : '?'}organization=${tenant.organization}`,
    })),
    ((granted) =>
      fuzz({ ...granted, apiKey: owner.apiKey }, FUZZED, world.random).map(({ what, request }) => ({
        variant: 'fuzzed',
        what,
        principal: owner.id,
        request,
      }))) satisfies Make,
  ];
  if (route.method === 'GET')
    return route.answerType === 'application/json'
      ? [...all, own('HEAD', (granted) => ({ ...granted, method: 'HEAD' }))]
      : all;
  if (route.method === 'DELETE') return all;
  const deep = `${'['.repeat(40)}${']'.repeat(40)}`;
  return [
    ...all,
    own('not JSON', (granted) => ({ ...granted, raw: '{"text": ' })),
    own('wrong body', (granted) => ({
      ...granted,
      body: { organization: tenant.organization, text: { a: [] } },
    })),
    own('too deep', (granted) => ({ ...granted, raw: `{"metadata": ${deep}}` })),
  ];
}

/** A key of the right form for the same id, whose secret is another: its end is that of no key. */
const otherSecret = (apiKey: string): string =>
  apiKey.slice(0, -10) + (apiKey.endsWith('z') ? 'y' : 'z').repeat(10);

/** What the server answers, as it was registered, and nobody listed. */
function unlistedOf({ routes, registered }: World): readonly string[] {
  const listed = new Set(routes.map(({ method, url }) => `${method} ${url}`));
  const exempt: readonly string[] = EXEMPT_ROUTES;
  return registered.filter((each) => {
    const [method = '', url = ''] = each.split(' ');
    // A HEAD is the GET of the same URL, with its action and its entry.
    return !exempt.includes(url) && !listed.has(`${method === 'HEAD' ? 'GET' : method} ${url}`);
  });
}
