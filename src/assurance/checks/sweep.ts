/**
 * The sweep over all routes: each is driven as its owner, without a key, with a wrong one, with one that may not, and with
 * input that is wrong in several ways. Then every answer is held against what was declared, and against the ledger: one
 * entry for each request of a known key, and it says who, what, when, from where, why and with what outcome.
 */
import type { LedgerEntry } from '@strongroom/client';
import { ask, codeOf, type Ask, type Reply } from '../ask.ts';
import { withVault } from '../canary-vault.ts';
import { defineCheck, judged } from '../check.ts';
import { requestFor, sweepKeys, type Stage } from '../drive.ts';
import { INJECTED_ADDRESS } from '../inject-fetch.ts';
import { replaced } from '../replaced.ts';
import type { World } from '../world.ts';
import { isAction } from '../../ledger/actions.ts';
import type { Principal } from '../../http/parts.ts';
import type { Route } from '../../http/route.ts';

const PURPOSE = 'sweep';

/** Who asks, or what is wrong with what is asked. */
type Variant =
  | 'granted'
  | 'no key'
  | 'wrong key'
  | 'powerless key'
  | 'unknown parameter'
  | 'not JSON'
  | 'wrong body'
  | 'too deep';

interface Answered {
  readonly route: Route;
  readonly variant: Variant;
  /** The key that asked; null where none was known. */
  readonly principal: string | null;
  readonly reply: Reply;
}

interface Sweep {
  readonly answers: readonly Answered[];
  readonly undriven: readonly string[];
  readonly entries: ReadonlyMap<string, readonly LedgerEntry[]>;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly isSecure: boolean;
}

export const sweepCheck = defineCheck<Sweep>({
  name: 'sweep',
  place: 'live',
  observe: sweep,
  judges: {
    'AUD-01': (sweep) => {
      const known = sweep.answers.filter(({ principal }) => principal !== null);
      const faults = [
        ...drivenFaults(sweep),
        ...known.flatMap((answered) => entryFaults(answered, sweep)),
        ...sweep.answers
          .filter(({ route }) => !isAction(route.action))
          .map(({ route }) => `${route.name} has no action`),
      ];
      const reads = known.filter(({ route }) => route.method === 'GET').length;
      const refused = known.filter(({ reply }) => reply.status >= 400).length;
      return judged(known.length, faults, {
        requests: known.length,
        reads,
        refused,
        routes: routesIn(sweep),
      });
    },
    'NET-04': (sweep) => {
      const faults = [
        ...drivenFaults(sweep),
        ...sweep.answers.flatMap((answered) => answerFaults(answered, sweep)),
      ];
      const malformed = sweep.answers.filter(({ variant }) => MALFORMED.has(variant)).length;
      return judged(sweep.answers.length, faults, {
        answers: sweep.answers.length,
        malformed,
        routes: routesIn(sweep),
      });
    },
    'ACC-05': (sweep) => {
      const strangers = sweep.answers.filter(
        ({ variant }) => variant === 'no key' || variant === 'wrong key',
      );
      const faults = [...drivenFaults(sweep), ...strangers.flatMap(strangerFaults)];
      return judged(strangers.length, faults, { requests: strangers.length, routes: routesIn(sweep) });
    },
  },
  sabotages: [
    {
      name: 'silent-reads',
      breaks: 'Nothing is written down of a memory that is read.',
      turns: ['AUD-01'],
      change: {
        ledger: (real) =>
          replaced(real, {
            append: (tx, draft) => {
              if (draft.action !== 'memory.get') real.append(tx, draft);
            },
          }),
      },
    },
    {
      name: 'silent-refusals',
      breaks: 'Nothing is written down of what is refused.',
      turns: ['AUD-01'],
      change: {
        parts: (real) => ({
          ...real,
          records: replaced(real.records, {
            record: (context, deed) => {
              if (deed.outcome === undefined || deed.outcome === 'done')
                return real.records.record(context, deed);
              context.recorded = true;
              return Promise.resolve();
            },
          }),
        }),
      },
    },
    {
      name: 'double-entries',
      breaks: 'A search is written down twice.',
      turns: ['AUD-01'],
      change: {
        ledger: (real) =>
          replaced(real, {
            append: (tx, draft) => {
              real.append(tx, draft);
              if (draft.action === 'memory.search') real.append(tx, draft);
            },
          }),
      },
    },
    {
      name: 'traces-in-answers',
      breaks: 'Refusals show where in the program they were thrown.',
      turns: ['NET-04'],
      change: {
        app: (app) => {
          app.addHook('onSend', (_, reply, payload, done) => {
            const isText = reply.statusCode >= 400 && typeof payload === 'string';
            void reply.removeHeader('content-length');
            done(
              null,
              isText
                ? payload.replace(/\}$/, `,"stack":${JSON.stringify(String(new Error('x').stack))}}`)
                : payload,
            );
          });
        },
      },
    },
    {
      name: 'no-policy',
      breaks: 'Answers carry no content security policy.',
      turns: ['NET-04'],
      change: {
        app: (app) => {
          app.addHook('onSend', (_, reply, payload, done) => {
            void reply.removeHeader('content-security-policy');
            done(null, payload);
          });
        },
      },
    },
    {
      name: 'open-door',
      breaks: 'Whoever shows a wrong key is taken for the last one who showed a right one.',
      turns: ['ACC-05'],
      change: {
        parts: (real) => {
          let last: Principal | null = null;
          return {
            ...real,
            access: replaced(real.access, {
              authenticate: async (apiKey, address) => {
                try {
                  last = await real.access.authenticate(apiKey, address);
                } catch (error) {
                  if (last === null) throw error;
                }
                return last;
              },
            }),
          };
        },
      },
    },
  ],
});

/** Wrong input, which must be refused by its schema or its form. */
const MALFORMED: ReadonlySet<Variant> = new Set(['unknown parameter', 'not JSON', 'wrong body', 'too deep']);

async function sweep(world: World): Promise<Sweep> {
  const startedMs = world.clock.now();
  const tenant = await world.tenant(0);
  return withVault(world, tenant, {}, async (_, vault) => {
    const stage: Stage = { world, tenant, vault };
    const powerless = await tenant.client.keys.create({
      name: 'canary without power',
      scopes: [{ actions: ['backup.restore'], vaults: ['*'] }],
    });
    const answers: Answered[] = [];
    const undriven: string[] = [];
    for (const route of world.routes) {
      for (const { variant, change, who } of variantsOf(route, stage, powerless)) {
        const request = await requestFor(route, stage);
        if (request === null) {
          undriven.push(route.name);
          break;
        }
        const headers = { 'strongroom-purpose': PURPOSE };
        const reply = await ask(world, change({ ...request, apiKey: tenant.apiKey, headers }));
        answers.push({ route, variant, principal: who, reply });
      }
    }
    const entries: LedgerEntry[] = [];
    for (const principal of [tenant.keyId, powerless.id])
      entries.push(...(await Array.fromAsync(tenant.client.ledger.listAll({ principal, limit: 1000 }))));
    await sweepKeys(stage);
    return {
      answers,
      undriven,
      entries: Map.groupBy(entries, ({ request }) => request),
      startedMs,
      endedMs: world.clock.now(),
      isSecure: world.listener?.isSecure ?? false,
    };
  });
}

interface Plan {
  readonly variant: Variant;
  readonly change: (ask: Ask) => Ask;
  readonly who: string | null;
}

function variantsOf(
  route: Route,
  { tenant }: Stage,
  powerless: { id: string; apiKey: string },
): readonly Plan[] {
  const own = tenant.keyId;
  const plan = (variant: Variant, who: string | null, change: Plan['change']): Plan => ({
    variant,
    who,
    change,
  });
  const wrong = otherSecret(tenant.apiKey);
  const all = [
    plan('granted', own, (request) => request),
    plan('no key', null, (request) => ({ ...request, apiKey: null })),
    plan('wrong key', null, (request) => ({ ...request, apiKey: wrong })),
    plan('powerless key', powerless.id, (request) => ({ ...request, apiKey: powerless.apiKey })),
    plan('unknown parameter', own, (request) => ({
      ...request,
      path: `${request.path}${request.path.includes('?') ? '&' : '?'}organization=${tenant.organization}`,
    })),
  ];
  if (route.method === 'GET' || route.method === 'DELETE') return all;
  const deep = `${'['.repeat(40)}${']'.repeat(40)}`;
  return [
    ...all,
    plan('not JSON', own, (request) => ({ ...request, raw: '{"text": ' })),
    plan('wrong body', own, (request) => ({
      ...request,
      body: { organization: tenant.organization, text: { a: [] } },
    })),
    plan('too deep', own, (request) => ({ ...request, raw: `{"metadata": ${deep}}` })),
  ];
}

/** A key of the right form for the same id, whose secret is another: its end is that of no key. */
const otherSecret = (apiKey: string): string =>
  apiKey.slice(0, -10) + (apiKey.endsWith('z') ? 'y' : 'z').repeat(10);

const drivenFaults = ({ undriven }: Sweep): string[] =>
  undriven.map((name) => `no request is known for ${name}`);

const routesIn = ({ answers }: Sweep): number => new Set(answers.map(({ route }) => route.name)).size;

function entryFaults(
  { route, variant, principal, reply }: Answered,
  { entries, startedMs, endedMs }: Sweep,
): string[] {
  const where = `${route.name}, ${variant}`;
  const found = entries.get(reply.header('x-request-id') ?? '') ?? [];
  const [entry] = found;
  if (entry === undefined || found.length !== 1) return [`${where}: ${found.length} entries`];
  const isDone = reply.status < 300;
  const expected = {
    principal,
    action: route.action,
    outcome: isDone ? 'done' : reply.status < 500 ? 'refused' : 'failed',
    code: isDone ? undefined : codeOf(reply),
    purpose: PURPOSE,
    address: INJECTED_ADDRESS,
  };
  const wrong = Object.entries(expected).flatMap(([name, value]) =>
    entry[name as keyof LedgerEntry] === value ? [] : [`${where}: ${name} is not what happened`],
  );
  const at = Date.parse(entry.at);
  const isTimed = at >= startedMs && at <= endedMs;
  const isPlaced = !isDone || /^[a-z]{3}_[0-9a-z]{26}$/.test(entry.target);
  return [
    ...wrong,
    ...(isTimed ? [] : [`${where}: the time is not that of the request`]),
    ...(isPlaced ? [] : [`${where}: the entry does not say on what`]),
  ];
}

const TRACE = /\n\s+at |\\n\s+at |node:internal|\.ts:\d+:\d+|\/node_modules\//;

function answerFaults({ route, variant, reply }: Answered, { isSecure }: Sweep): string[] {
  const where = `${route.name}, ${variant}`;
  const faults: string[] = [];
  if (reply.status >= 500) faults.push(`${where}: ${reply.status}`);
  if (variant === 'granted' && reply.status !== route.status)
    faults.push(`${where}: ${reply.status} ${codeOf(reply)}`);
  if (MALFORMED.has(variant) && (reply.status < 400 || reply.status >= 500))
    faults.push(`${where}: was not refused`);
  if (TRACE.test(reply.text)) faults.push(`${where}: the answer shows a stack trace`);
  if (reply.status >= 400 && !isProblem(reply)) faults.push(`${where}: the refusal is no problem document`);
  if (reply.status < 300 && !isDeclared(route, reply))
    faults.push(`${where}: the answer holds what is not declared`);
  return [...faults, ...headerFaults(reply, isSecure).map((fault) => `${where}: ${fault}`)];
}

const PROBLEM_MEMBERS = new Set(['type', 'title', 'status', 'code', 'detail', 'instance', 'errors']);

const isProblem = ({ json, header }: Reply): boolean =>
  header('content-type')?.includes('application/problem+json') === true &&
  json !== null &&
  typeof json['code'] === 'string' &&
  Object.keys(json).every((member) => PROBLEM_MEMBERS.has(member));

/** Parsing drops what is not declared: nothing may be dropped. Streams are declared as open objects. */
function isDeclared(route: Route, { json, text, header }: Reply): boolean {
  if (text === '' || header('content-type')?.includes('jsonl') === true) return true;
  const parsed = route.answer.safeParse(json);
  return parsed.success && JSON.stringify(sorted(parsed.data)) === JSON.stringify(sorted(json));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(entries.map(([name, each]) => [name, sorted(each)]));
}

const HEADERS: Readonly<Record<string, RegExp>> = {
  'cache-control': /^no-store$/,
  'content-security-policy': /^default-src 'none'/,
  'referrer-policy': /^no-referrer$/,
  'x-content-type-options': /^nosniff$/,
  'cross-origin-resource-policy': /^same-origin$/,
};

function headerFaults({ header }: Reply, isSecure: boolean): string[] {
  const missing = Object.entries(HEADERS).flatMap(([name, form]) =>
    form.test(header(name) ?? '') ? [] : [`the header ${name} is missing or weak`],
  );
  const isStrict = !isSecure || /max-age=\d{7,}/.test(header('strict-transport-security') ?? '');
  const told = ['server', 'x-powered-by'].filter((name) => header(name) !== null);
  return [
    ...missing,
    ...(isStrict ? [] : ['the header strict-transport-security is missing or weak']),
    ...told.map((name) => `the header ${name} tells what runs here`),
  ];
}

const strangerFaults = ({ route, variant, reply }: Answered): string[] =>
  reply.status === 401 && codeOf(reply).startsWith('auth.')
    ? []
    : [`${route.name}, ${variant}: answered ${reply.status} ${codeOf(reply)}`];
