/**
 * The real listener under slowhttptest and h2load: slow clients are cut within the limits, many are served or told to wait,
 * and somebody who asks as always is answered all the while and afterwards.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { verifies } from '../../src/assurance/testing/verifies.ts';
import { initDeployment } from '../../src/deployment.ts';
import { LISTENER_LIMITS } from '../../src/http/listener.ts';
import { silentLog } from '../../src/http/request-log.ts';
import { settingsOf, temporaryFolder } from '../deployment.ts';
import { ServerProcess } from '../server-process.ts';
import { attackSlowly, keptConnections, readSlowTable, type Slowness } from '../slow-clients.ts';
import { lacks, runTool } from '../tools.ts';

const CONNECTIONS = 60;
const SLOWNESSES: readonly Slowness[] = ['headers', 'body', 'read'];
const ASK_EVERY_MS = 200;
/** The look that was surely before the tool ended and closed its side. */
const BEFORE_THE_END = -5;
/** For the machine, and for a tool that looks once a second. */
const SLACK_S = 4;

interface Target {
  readonly url: string;
  readonly apiKey: string;
  readonly ca: Buffer;
  readonly folder: string;
}

async function limitedServer(t: TestContext): Promise<Target> {
  const folder = await temporaryFolder(t);
  const directory = join(folder, 'data');
  const settings = settingsOf({ tls: 'on' });
  const { apiKey, ca } = await initDeployment(directory, settings, { log: silentLog });
  const server = await ServerProcess.start(directory, {
    variables: { STRONGROOM_TLS: 'on', STRONGROOM_RATE_LIMIT: 'on', STRONGROOM_LOG_LEVEL: 'silent' },
  });
  t.after(() => server.end('SIGTERM'));
  return { url: server.url, apiKey, ca: await readFile(ca ?? ''), folder };
}

/** The status of a request on a connection of its own; 0: none within the time. */
function statusOf({ url, ca, apiKey }: Target): Promise<number> {
  return new Promise((resolve) => {
    const options = {
      ca,
      agent: false as const,
      timeout: 5_000,
      headers: { authorization: `Bearer ${apiKey}` },
    };
    const req = request(`${url}/v1/vaults`, options, (res) => {
      res.resume();
      res.on('end', () => resolve(res.statusCode ?? 0));
    });
    req.on('timeout', () => req.destroy());
    req.on('error', () => resolve(0));
    req.end();
  });
}

/** Asks at a steady pace while the work goes on, and once more when it is done. */
async function askingMeanwhile<T>(
  target: Target,
  work: Promise<T>,
): Promise<{ result: T; statuses: readonly number[] }> {
  const asked: Promise<number>[] = [];
  const timer = setInterval(() => asked.push(statusOf(target)), ASK_EVERY_MS);
  const result = await work.finally(() => clearInterval(timer));
  asked.push(statusOf(target));
  return { result, statuses: await Promise.all(asked) };
}

/** Counts what is kept of the port's connections while the work goes on. */
async function lookingMeanwhile<T>(
  port: number,
  work: Promise<T>,
): Promise<{ result: T; kept: readonly number[] }> {
  const kept: number[] = [];
  const timer = setInterval(() => void keptConnections(port).then((count) => kept.push(count)), ASK_EVERY_MS);
  const result = await work.finally(() => clearInterval(timer));
  return { result, kept };
}

test('connections that send headers or bodies slowly are cut within the limits, and others are served meanwhile', async (t) => {
  verifies('NET-03');
  if (lacks(t, 'slowhttptest')) return;
  const target = await limitedServer(t);
  const { headersTimeoutMs, dawdling, checkIntervalMs } = LISTENER_LIMITS;
  const limitMs = {
    headers: headersTimeoutMs + checkIntervalMs,
    body: dawdling.windowMs + 2 * checkIntervalMs,
  };
  for (const slowness of ['headers', 'body'] as const) {
    const { result, statuses } = await askingMeanwhile(
      target,
      attackSlowly({ ...target, slowness, connections: CONNECTIONS, secondsMax: 30 }),
    );
    t.diagnostic(`slow ${slowness}: ${JSON.stringify(result)}, ${statuses.length} answers meanwhile`);
    assert.ok(result.connected > CONNECTIONS / 2, `slow ${slowness}: only ${result.connected} connected`);
    assert.ok((result.endedAfterS ?? Infinity) <= limitMs[slowness] / 1000 + SLACK_S, `slow ${slowness}`);
    assert.equal(result.unavailableS, 0);
    assert.ok(statuses.length > 20 && statuses.every((status) => status === 200), statuses.join());
  }
});

test('of connections that read their answers slowly nothing is kept beyond the limits, not even by the system', async (t) => {
  verifies('NET-03');
  if (lacks(t, 'slowhttptest')) return;
  const target = await limitedServer(t);
  const port = Number(new URL(target.url).port);
  const secondsMax =
    (LISTENER_LIMITS.keepAliveTimeoutMs + 2 * LISTENER_LIMITS.checkIntervalMs) / 1000 + SLACK_S;
  const attack = attackSlowly({ ...target, slowness: 'read', connections: CONNECTIONS, secondsMax });
  const kept: number[] = [];
  const timer = setInterval(() => void keptConnections(port).then((count) => kept.push(count)), ASK_EVERY_MS);
  const { result, statuses } = await askingMeanwhile(
    target,
    attack.finally(() => clearInterval(timer)),
  );
  t.diagnostic(
    `slow read: ${JSON.stringify(result)}, at most ${Math.max(...kept)} kept, ${kept.at(BEFORE_THE_END)} at last`,
  );
  assert.ok(Math.max(...kept) > CONNECTIONS / 2);
  // The tool itself goes on, with what had arrived at its side; one may be its probe, one the neighbour's.
  assert.ok((kept.at(BEFORE_THE_END) ?? Infinity) <= 3, kept.join());
  assert.equal(result.unavailableS, 0);
  assert.ok(statuses.length > 20 && statuses.every((status) => status === 200), statuses.join());
});

test('a listener without time-outs keeps slow clients, and the same reading says so', async (t) => {
  if (lacks(t, 'slowhttptest')) return;
  const { folder } = await limitedServer(t);
  const [cert, key] = await Promise.all(
    ['server.pem', 'server.key'].map((name) => readFile(join(folder, 'data/tls', name))),
  );
  const patient = createServer({ cert, key, headersTimeout: 0, requestTimeout: 0 }, (req, res) => {
    req.resume();
    if (req.method === 'GET') res.end('x'.repeat(100_000));
  });
  const url = await urlOf(t, patient);
  for (const slowness of SLOWNESSES) {
    const attack = attackSlowly({ url, folder, slowness, connections: 10, secondsMax: 8 });
    const { result, kept } = await lookingMeanwhile(Number(new URL(url).port), attack);
    assert.equal(result.endedAfterS, null, slowness);
    assert.ok((kept.at(BEFORE_THE_END) ?? 0) > 5, kept.join());
  }
  const gone = readSlowTable('Seconds,Closed,Pending,Connected,Service Available\n0,0,0,5,0\n1,5,0,0,5\n', 8);
  assert.deepEqual(gone, { connected: 5, endedAfterS: 1, unavailableS: 1 });
});

async function urlOf(t: TestContext, server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('fifty clients that never stop are served up to the budget, then told to wait, and nobody else notices', async (t) => {
  verifies('NET-03');
  if (lacks(t, 'h2load')) return;
  const target = await limitedServer(t);
  const neighbour = { ...target, apiKey: await anotherKey(target) };
  const { result, statuses } = await askingMeanwhile(neighbour, loadFrom(target, 6_000));
  t.diagnostic(`${JSON.stringify(result)}, ${statuses.length} answers meanwhile`);
  assert.equal(result.errored + result.timedOut + result['5xx'], 0);
  assert.equal(result['2xx'] + result['4xx'], 6_000);
  assert.ok(result['2xx'] >= 1_900 && result['4xx'] > 0, 'the budget is used, and no more');
  assert.ok(
    statuses.every((status) => status === 200),
    statuses.join(),
  );
});

type Loaded = Readonly<Record<'errored' | 'timedOut' | '2xx' | '4xx' | '5xx', number>>;

async function loadFrom({ url, apiKey }: Target, requests: number): Promise<Loaded> {
  const args = ['--h1', '-c', '50', '-n', String(requests), '-H', `authorization: Bearer ${apiKey}`];
  const { code, out, err } = await runTool('h2load', [...args, `${url}/v1/vaults`]);
  assert.equal(code, 0, err);
  const number = (pattern: RegExp): number => Number(pattern.exec(out)?.[1] ?? assert.fail(out));
  return {
    errored: number(/(\d+) errored/),
    timedOut: number(/(\d+) timeout/),
    '2xx': number(/(\d+) 2xx/),
    '4xx': number(/(\d+) 4xx/),
    '5xx': number(/(\d+) 5xx/),
  };
}

function anotherKey({ url, ca, apiKey }: Target): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' };
    const req = request(`${url}/v1/keys`, { method: 'POST', ca, agent: false, headers }, (res) => {
      let text = '';
      res.on('data', (chunk) => (text += String(chunk)));
      res.on('end', () => resolve((JSON.parse(text) as { apiKey: string }).apiKey));
    });
    req.on('error', reject);
    req.end('{"name":"neighbour"}');
  });
}
