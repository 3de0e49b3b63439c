import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { test, type TestContext } from 'node:test';
import { isErrorCode } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import { asGood, fakeServer, GOOD_KEY, VAULT_ID } from './testing/fake-parts.ts';
import { answerClientError, listen, LISTENER_LIMITS } from './listener.ts';

async function running(t: TestContext) {
  const server = fakeServer();
  const port = await listen(server.app, '127.0.0.1', 0);
  t.after(() => server.app.close());
  return { ...server, port };
}

/** Sends bytes as they are and reads until the server closes. */
async function raw(port: number, ...chunks: (string | Buffer)[]): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let received = '';
  socket.on('data', (data: Buffer) => (received += data.toString('latin1')));
  // A server that has answered may close while this is still sending.
  socket.on('error', () => undefined);
  for (const chunk of chunks) socket.write(chunk);
  await once(socket, 'close');
  return received;
}

function problemOf(answer: string): { code: string; status: number } {
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  assert.match(head, /content-type: application\/problem\+json/i, answer);
  assert.match(head, /x-content-type-options: nosniff/i);
  const problem = JSON.parse(body) as { code: string; status: number };
  assert.ok(isErrorCode(problem.code));
  assert.ok(head.startsWith(`HTTP/1.1 ${problem.status} `), head);
  return problem;
}

test('what is not HTTP is answered with a problem document, as long as there is somebody to answer', async (t) => {
  const { port, fake } = await running(t);
  assert.equal(problemOf(await raw(port, 'NOT A REQUEST\r\n\r\n')).code, 'request.invalid');
  assert.equal(
    problemOf(await raw(port, 'FROBNICATE / HTTP/1.1\r\nHost: x\r\n\r\n')).code,
    'request.invalid',
  );
  const large = `GET / HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(LISTENER_LIMITS.headerBytesMax)}\r\n\r\n`;
  assert.equal(problemOf(await raw(port, large)).code, 'request.headers');
  const smuggled =
    'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n';
  assert.equal(problemOf(await raw(port, smuggled)).code, 'request.invalid');
  const expecting = 'POST /v1/vaults HTTP/1.1\r\nHost: x\r\nExpect: payment\r\nContent-Length: 0\r\n\r\n';
  assert.equal(problemOf(await raw(port, expecting)).code, 'request.invalid');
  assert.equal(fake.calls.length, 0);
});

test('a body that is chunked past the limit is refused, and one announced past it is not even read', async (t) => {
  const { port, fake } = await running(t);
  const head = `POST /v1/vaults/${VAULT_ID}/memories HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${GOOD_KEY}\r\nContent-Type: application/json\r\n`;
  const announced = await raw(
    port,
    `${head}Content-Length: ${LIMITS.bodyBytesMax + 1}\r\nConnection: close\r\n\r\n`,
  );
  assert.equal(problemOf(announced).code, 'request.too_large');
  const size = 1024 * 1024;
  const chunk = Buffer.concat([
    Buffer.from(`${size.toString(16)}\r\n`),
    Buffer.alloc(size, ' '),
    Buffer.from('\r\n'),
  ]);
  const chunks = Array.from({ length: LIMITS.bodyBytesMax / size + 2 }, () => chunk);
  const chunked = await raw(
    port,
    `${head}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n`,
    ...chunks,
    '0\r\n\r\n',
  );
  assert.equal(problemOf(chunked).code, 'request.too_large');
  assert.equal(fake.calls.length, 0);
});

test('who is not signed in is answered without the body being waited for', async (t) => {
  const { port, fake } = await running(t);
  const answer = await raw(
    port,
    'POST /v1/vaults HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\nConnection: close\r\n\r\n{',
  );
  assert.equal(problemOf(answer).code, 'auth.required');
  assert.equal(fake.calls.length, 0);
});

test('a large body with a wrong key is answered on a connection that goes on', async (t) => {
  const { app, port } = await running(t);
  const url = `http://127.0.0.1:${port}/v1/vaults`;
  const headers = { 'content-type': 'application/json' };
  const refused = await fetch(url, { method: 'POST', body: Buffer.alloc(4 * 1024 * 1024, ' '), headers });
  assert.equal(refused.status, 401);
  await refused.text();
  assert.equal((await fetch(url, { headers: asGood })).status, 200);
  assert.ok(app.server.listening);
});

test('every time-out and limit of the listener is set', async (t) => {
  const { app } = await running(t);
  const server: Server = app.server;
  assert.equal(server.headersTimeout, LISTENER_LIMITS.headersTimeoutMs);
  assert.equal(server.requestTimeout, LISTENER_LIMITS.requestTimeoutMs);
  assert.equal(server.keepAliveTimeout, LISTENER_LIMITS.keepAliveTimeoutMs);
  assert.equal(server.maxHeadersCount, LISTENER_LIMITS.headersMax);
  assert.equal(server.maxConnections, LISTENER_LIMITS.connectionsMax);
  assert.equal(app.initialConfig.bodyLimit, LIMITS.bodyBytesMax);
});

test('a request that does not arrive in time is answered 408', async (t) => {
  const { app, port } = await running(t);
  // The same code path as Node's own check, without waiting for it.
  app.server.once('connection', (socket) => {
    const late = Object.assign(new Error('Request timeout'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
    answerClientError(late, socket, false);
  });
  assert.equal(problemOf(await raw(port, 'GET /v1/vaults HTTP/1.1\r\nHost:')).code, 'request.timeout');
});

test('an export whose source breaks ends without its end, so that nobody takes it for whole', async (t) => {
  const { fake, port } = await running(t);
  fake.parts.memories.exportMemories = async function* exportMemories(context) {
    context.recorded = true;
    await Promise.resolve();
    for (let index = 0; index < 1000; index++)
      yield {
        id: `mem_${index}`,
        text: 'x'.repeat(100),
        visibility: 'vault',
        version: 1,
        createdAt: '',
        updatedAt: '',
      };
    throw new Error('a damaged box');
  };
  const response = await fetch(`http://127.0.0.1:${port}/v1/vaults/${VAULT_ID}/memories/export`, {
    headers: asGood,
  });
  assert.equal(response.status, 200);
  await assert.rejects(response.text());
});

test('an export stops reading its source when the reader goes away', { timeout: 10_000 }, async (t) => {
  const { fake, port } = await running(t);
  let stopped: () => void;
  const wasStopped = new Promise<void>((resolve) => (stopped = resolve));
  fake.parts.ledger.exportLedger = async function* exportLedger(context) {
    context.recorded = true;
    await Promise.resolve();
    try {
      for (;;) yield `${'x'.repeat(10_000)}\n`;
    } finally {
      stopped();
    }
  };
  const abort = new AbortController();
  const response = await fetch(`http://127.0.0.1:${port}/v1/ledger/export`, {
    headers: asGood,
    signal: abort.signal,
  });
  const reader = response.body?.getReader();
  await reader?.read();
  abort.abort();
  await wasStopped;
});
