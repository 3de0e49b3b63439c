/**
 * Floods and abusive clients, against the listener of a scratch instance: more requests than anybody may send, bodies that are
 * too large or would burst, headers that never end, bytes that are no HTTP; and a neighbour that meanwhile asks as always, each
 * time on a connection of its own.
 */
import { ask } from '../ask.ts';
import { defineCheck, judged } from '../check.ts';
import { send, type Exchange } from '../probe.ts';
import type { Listener, Tenant, World } from '../world.ts';

const FLOODING = 30;
/** On each connection, without waiting for an answer. */
const IN_A_ROW = 30;
const NEIGHBOUR = 60;
/** A little longer than the listener waits for headers or for a body to get on, and looks. */
const SLOW_MS = 17_000;
const CONNECTIONS = 20;
const BODIES = 10;

interface Abuse {
  readonly what: string;
  /** Status that must be answered; null: the connection must just end. */
  readonly expected: number | null;
  readonly exchange: Exchange;
}

interface Flooded {
  readonly limited: number;
  readonly withoutRetryAfter: number;
  readonly flood: number;
  readonly neighbour: readonly { readonly status: number; readonly ms: number }[];
  readonly abuses: readonly Abuse[];
  readonly compressed: number;
  /** Slow connections that the server ended, of how many. */
  readonly slowEnded: number;
  readonly slow: number;
}

export const floodCheck = defineCheck<Flooded>({
  name: 'flood',
  place: 'scratch',
  observe: flood,
  judges: {
    'NET-03': (seen, { milliseconds = 0 }) => {
      const times = seen.neighbour.map(({ ms }) => ms).sort((left, right) => left - right);
      const p95 = Math.ceil(times[Math.floor(times.length * 0.95)] ?? Number.MAX_SAFE_INTEGER);
      const faults = [
        ...(seen.limited > 0 ? [] : [`${seen.flood} requests at once were all let through`]),
        ...(seen.withoutRetryAfter === 0 ? [] : ['a refusal does not say when to come again']),
        ...(seen.neighbour.every(({ status }) => status === 200)
          ? []
          : ['a neighbour was refused meanwhile']),
        ...(p95 <= milliseconds ? [] : [`a neighbour waited ${p95} ms (95th percentile)`]),
        ...(seen.compressed === 415 ? [] : [`a compressed body was answered ${seen.compressed}`]),
        ...seen.abuses.flatMap(abuseFaults),
        ...(seen.slowEnded === seen.slow
          ? []
          : [`${seen.slow - seen.slowEnded} slow connections were kept open`]),
      ];
      const covered = Math.min(seen.flood, seen.neighbour.length, seen.abuses.length, seen.slow);
      return judged(covered, faults, {
        limited: seen.limited,
        flood: seen.flood,
        neighbourP95Ms: p95,
        slow: seen.slow,
      });
    },
  },
  sabotages: [
    {
      name: 'no-budget',
      breaks: 'Nobody has a budget of requests.',
      turns: ['NET-03'],
      change: { rateLimit: 'off' },
    },
    {
      name: 'endless-patience',
      breaks: 'The listener waits for ever.',
      turns: ['NET-03'],
      change: {
        app: (app) => {
          app.server.headersTimeout = 0;
          app.server.requestTimeout = 0;
          app.server.keepAliveTimeout = 0;
        },
      },
    },
  ],
});

async function flood(world: World): Promise<Flooded> {
  const { listener } = world;
  if (listener === null) throw new RangeError('nothing listens');
  const tenant = await world.tenant(0);
  const slowly = (bytes: string): Promise<Exchange> =>
    send(listener, bytes, { isSecure: listener.isSecure, waitMs: SLOW_MS });
  const lines = `authorization: Bearer ${tenant.apiKey}\r\ncontent-type: application/json\r\ncontent-length: 1000`;
  const slow = [
    ...Array.from({ length: CONNECTIONS }, () => slowly('GET /v1/vaults HTTP/1.1\r\nhost: local')),
    ...Array.from({ length: BODIES }, () =>
      slowly(`POST /v1/vaults HTTP/1.1\r\nhost: local\r\n${lines}\r\n\r\n{`),
    ),
  ];
  const before = await askAsAlways(listener, tenant, 5);
  const abuses = await abuse(listener, tenant);
  const [replies, neighbour] = await Promise.all([
    overrun(listener),
    askAsAlways(listener, tenant, NEIGHBOUR),
  ]);
  const limited = replies.filter((reply) => statusOf(reply) === 429);
  const compressed = await ask(world, {
    method: 'POST',
    path: '/v1/vaults',
    apiKey: tenant.apiKey,
    headers: { 'content-encoding': 'gzip' },
    body: { name: 'x' },
  });
  const ended = (await Promise.all(slow)).filter(({ isEnded }) => isEnded);
  return {
    limited: limited.length,
    withoutRetryAfter: limited.filter((reply) => !/^retry-after: \d+\r$/im.test(reply)).length,
    flood: replies.length,
    neighbour: before.every(({ status }) => status === 200) ? neighbour : before,
    abuses,
    compressed: compressed.status,
    slowEnded: ended.length,
    slow: slow.length,
  };
}

/** More than an address may ask for, without a key; gives the answers. */
async function overrun(listener: Listener): Promise<readonly string[]> {
  const request = (lines: string): string => `GET /v1/vaults HTTP/1.1\r\nhost: localhost\r\n${lines}\r\n`;
  const bytes = request('').repeat(IN_A_ROW - 1) + request('connection: close\r\n');
  const { isSecure } = listener;
  const exchanges = await Promise.all(
    Array.from({ length: FLOODING }, () => send(listener, bytes, { isSecure })),
  );
  return exchanges.flatMap(({ answer }) =>
    answer.split(/(?=HTTP\/1\.1 \d{3} )/).filter((each) => each !== ''),
  );
}

async function askAsAlways(
  listener: Listener,
  { apiKey }: Tenant,
  count: number,
): Promise<Flooded['neighbour'][number][]> {
  const lines = `host: localhost\r\nauthorization: Bearer ${apiKey}\r\nconnection: close`;
  const seen: Flooded['neighbour'][number][] = [];
  while (seen.length < count) {
    const { isSecure } = listener;
    const { answer, ms } = await send(listener, `GET /v1/vaults HTTP/1.1\r\n${lines}\r\n\r\n`, { isSecure });
    seen.push({ status: statusOf(answer), ms });
  }
  return seen;
}

/** 0: there was no answer. */
const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);

async function abuse(listener: Listener, { apiKey }: Tenant): Promise<readonly Abuse[]> {
  const { isSecure } = listener;
  const head = (lines: string): string => `POST /v1/vaults HTTP/1.1\r\nhost: localhost\r\n${lines}\r\n\r\n`;
  const key = `authorization: Bearer ${apiKey}\r\ncontent-type: application/json`;
  const tries: readonly (readonly [string, number | null, string])[] = [
    ['a body that says it is too large', 413, head(`${key}\r\ncontent-length: 99999999`)],
    ['headers that are too large', 431, head(`x-long: ${'x'.repeat(40_000)}`)],
    ['a body without a key', 401, head('content-type: application/json\r\ncontent-length: 99999999')],
    ['what is no HTTP', 400, 'HELLO\r\n\r\n'],
    ['two lengths of one body', 400, head(`${key}\r\ncontent-length: 5\r\ntransfer-encoding: chunked`)],
  ];
  const abuses = await Promise.all(
    tries.map(async ([what, expected, bytes]) => ({
      what,
      expected,
      exchange: await send(listener, bytes, { isSecure, waitMs: 3_000 }),
    })),
  );
  if (!isSecure) return abuses;
  const exchange = await send(listener, '\u0016\u0003\u0001\u00ff\u00ff'.repeat(50), { isSecure: false });
  return [...abuses, { what: 'a broken handshake', expected: null, exchange }];
}

function abuseFaults({ what, expected, exchange }: Abuse): string[] {
  const { answer, isEnded } = exchange;
  if (expected === null) return isEnded ? [] : [`${what} kept its connection`];
  const status = statusOf(answer);
  return status === expected ? [] : [`${what} was answered ${status || 'nothing'}, not ${expected}`];
}
