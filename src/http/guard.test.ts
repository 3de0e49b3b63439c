import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect as connectPlain, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { realEnvironment } from '../environment.ts';
import { LISTENER_LIMITS, listen } from './listener.ts';
import { verifies } from '../assurance/testing/verifies.ts';
import { fakeServer, GOOD_KEY, VAULT_ID } from './testing/fake-parts.ts';
import { ensureLocalTls } from './tls.ts';

const MEBIBYTE = 1024 * 1024;
const GET = 'GET /v1/vaults HTTP/1.1\r\nhost: localhost\r\n';

async function running(t: TestContext, options: Parameters<typeof fakeServer>[0] = {}) {
  const server = fakeServer(options);
  const port = await listen(server.app, '127.0.0.1', 0);
  t.after(() => server.app.close());
  return { ...server, port };
}

/** What was received, and the end of it. */
function heard(socket: Socket): { text: string; readonly ended: Promise<unknown> } {
  const all = { text: '', ended: closeOf(socket) };
  socket.setEncoding('latin1');
  socket.on('data', (text: string) => (all.text += text));
  socket.on('error', () => undefined);
  return all;
}

/** However it closes. */
const closeOf = (socket: Socket): Promise<void> =>
  new Promise((resolve) => void socket.once('close', () => resolve()));

const from = (port: number, localAddress: string): Socket =>
  connectPlain({ port, host: '127.0.0.1', localAddress });

const connectionsOf = (server: { getConnections(done: (error: unknown, count: number) => void): unknown }) =>
  new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));

test('who asks a thousand things at once over TLS leaves no connection behind', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'strongroom-guard-'));
  t.after(() => rm(directory, { recursive: true }));
  const tls = await ensureLocalTls(directory, [], realEnvironment);
  const { app, port } = await running(t, { tls });
  const socket = connectTls({ port, host: '127.0.0.1', ca: tls.authority });
  const all = heard(socket);
  await once(socket, 'secureConnect');
  // Refused faster than they are sent out, at which Node's parser pauses and takes what follows for a fault.
  socket.write(`${GET}\r\n`.repeat(1_000));
  await all.ended;
  assert.match(all.text, /HTTP\/1\.1 400 /);
  while ((await connectionsOf(app.server)) > 0) await turn();
});

test('a body that is not wanted is read a little and no further, and its sender is hung up on', async (t) => {
  verifies('NET-03');
  const { app, port } = await running(t);
  const socket = from(port, '127.0.0.1');
  const [accepted] = (await once(app.server, 'connection')) as [Socket];
  const all = heard(socket);
  socket.write('POST /v1/vaults HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n');
  socket.write(`content-length: ${32 * MEBIBYTE}\r\n\r\n`);
  for (let sent = 0; sent < 31; sent++) socket.write(Buffer.alloc(MEBIBYTE));
  await all.ended;
  assert.match(all.text, /^HTTP\/1\.1 401 /);
  assert.ok(accepted.bytesRead < 2 * MEBIBYTE, `${accepted.bytesRead} bytes were read`);
});

test('who goes on beyond its budget has to connect again, and waits for that; a proxy of the machine does not', async (t) => {
  verifies('NET-03');
  const rateLimit = { perKey: { perSecond: 1, burst: 9 }, perAddress: { perSecond: 1, burst: 2 } };
  for (const [address, closes] of [
    ['127.0.0.2', true],
    ['127.0.0.1', false],
  ] as const) {
    const { port } = await running(t, { rateLimit });
    const socket = from(port, address);
    const all = heard(socket);
    for (let asked = 0; asked < 2; asked++) {
      socket.write(`${GET}\r\n`);
      await once(socket, 'data');
    }
    socket.write(`${GET}\r\n`);
    await once(socket, 'data');
    const last = all.text.slice(all.text.lastIndexOf('HTTP/1.1'));
    assert.match(last, /^HTTP\/1\.1 429 /);
    assert.equal(/^connection: close\r$/im.test(last), closes);
    if (closes) await all.ended;
    socket.destroy();
  }
});

test('a neighbour that opens too many connections at once has the last of them dropped', async (t) => {
  const { port } = await running(t);
  const { waitingMax, connections } = LISTENER_LIMITS.gate;
  const sockets = Array.from({ length: connections.burst + waitingMax + 40 }, () => {
    const socket = from(port, '127.0.0.3');
    heard(socket);
    return socket;
  });
  // Forty cannot be let in or wait, whichever they are.
  const dropped = await Promise.race([
    Promise.any(sockets.map(async (socket) => closeOf(socket).then(() => socket))),
    Promise.all(sockets.map(closeOf)).then(() => null),
  ]);
  assert.ok(dropped !== null);
  const neighbour = from(port, '127.0.0.4');
  neighbour.write(`${GET}\r\n`);
  await once(neighbour, 'data');
  assert.ok(sockets.some(({ destroyed }) => !destroyed));
  for (const socket of [...sockets, neighbour]) socket.destroy();
});

test('a body refused for its form or its size costs its key more than a request', async (t) => {
  verifies('NET-03');
  const rateLimit = { perKey: { perSecond: 1, burst: 50 }, perAddress: { perSecond: 1, burst: 50 } };
  const { app } = await running(t, { rateLimit });
  const ask = (headers: Record<string, string>) =>
    app.inject({
      method: 'POST',
      url: `/v1/vaults/${VAULT_ID}/memories`,
      payload: '{"text":"x"}',
      headers: { authorization: `Bearer ${GOOD_KEY}`, 'content-type': 'application/json', ...headers },
    });
  assert.equal((await ask({})).statusCode, 201);
  const before = Number((await ask({})).headers['ratelimit-remaining']);
  assert.equal((await ask({ 'content-encoding': 'gzip' })).statusCode, 415);
  const after = Number((await ask({})).headers['ratelimit-remaining']);
  assert.equal(before - after, 21);
});
