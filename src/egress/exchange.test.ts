import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { StrongroomError } from '../errors.ts';
import type { Network } from './address.ts';
import { Line, resolveName, type Exchanged, type Outgoing, type Resolve } from './exchange.ts';
import { TestTimer } from '../testing/timer.ts';
import { answerJson, startEndpoint, type Reply } from './testing/endpoint.ts';

const OUTGOING: Outgoing = {
  headers: { 'content-type': 'application/json' },
  body: Buffer.from('{"x":1}'),
  answerBytesMax: 1000,
  timeoutMs: 5000,
};

interface LineOptions {
  readonly network?: Network;
  readonly resolve?: Resolve;
  readonly timer?: TestTimer;
}

function lineTo(t: TestContext, url: string, options: LineOptions = {}): Line {
  const { network = 'private', resolve = resolveName, timer = new TestTimer() } = options;
  const line = new Line({ url: new URL(url), network }, { resolve, timer });
  t.after(() => line.close());
  return line;
}

const post = (t: TestContext, url: string, options?: LineOptions): Promise<Exchanged> =>
  lineTo(t, url, options).post(OUTGOING);

const failed = (reason: string) => ({ kind: 'failure', reason });

test('what is posted arrives whole, and the answer comes back whole', async (t) => {
  const endpoint = await startEndpoint(t, answerJson({ a: 'ü' }));
  const exchanged = await post(t, `${endpoint.url}/v1/x`);
  assert.ok(exchanged.kind === 'answer');
  assert.equal(exchanged.status, 200);
  assert.equal(Buffer.from(exchanged.body).toString('utf8'), '{"a":"ü"}');
  const [asked] = endpoint.asked;
  assert.deepEqual([asked?.method, asked?.path, asked?.body], ['POST', '/v1/x', '{"x":1}']);
  assert.equal(asked?.headers['accept-encoding'], 'identity');
});

test('a connection is kept for the next exchange', async (t) => {
  const ports = new Set<number | undefined>();
  const endpoint = await startEndpoint(t, (res, asked) => {
    ports.add(res.socket?.remotePort);
    answerJson({})(res, asked);
  });
  const line = lineTo(t, endpoint.url);
  for (let i = 0; i < 3; i++) assert.equal((await line.post(OUTGOING)).kind, 'answer');
  assert.equal(ports.size, 1);
});

test('a redirect is an answer and is not followed', async (t) => {
  const other = await startEndpoint(t, answerJson({}));
  const endpoint = await startEndpoint(t, (res) => {
    res.writeHead(307, { location: other.url });
    res.end();
  });
  const exchanged = await post(t, endpoint.url);
  assert.ok(exchanged.kind === 'answer' && exchanged.status === 307);
  assert.equal(other.asked.length, 0);
});

test('an answer beyond its bound, or compressed, is not taken', async (t) => {
  const endless: Reply = (res) => {
    const more = (): void => {
      while (!res.destroyed && res.write(Buffer.alloc(400)));
    };
    res.on('drain', more);
    more();
  };
  const endpoint = await startEndpoint(t, endless);
  assert.deepEqual(await post(t, endpoint.url), failed('too_large'));
  endpoint.reply = (res) => {
    res.writeHead(200, { 'content-encoding': 'gzip' });
    res.end('x');
  };
  assert.deepEqual(await post(t, endpoint.url), failed('encoding'));
});

test('an answer that does not come, or stops half-way, ends with its time', async (t) => {
  for (const stall of [
    () => undefined,
    (res: Parameters<Reply>[0]) => void res.write('{'),
  ] satisfies Reply[]) {
    const timer = new TestTimer();
    const endpoint = await startEndpoint(t, (res) => {
      stall(res);
      setImmediate(() => timer.pass());
    });
    assert.deepEqual(await post(t, endpoint.url, { timer }), failed('timeout'));
    assert.deepEqual(timer.waits, [OUTGOING.timeoutMs]);
  }
});

test('a name that is never resolved ends with its time too', async (t) => {
  const timer = new TestTimer();
  const resolve = () => new Promise<never>(() => undefined);
  const exchanged = post(t, 'http://slow.example', { timer, resolve });
  timer.pass();
  assert.deepEqual(await exchanged, failed('timeout'));
});

test('what ends without an answer is a failed connection', async (t) => {
  const endpoint = await startEndpoint(t, (res) => void res.socket?.destroy());
  assert.deepEqual(await post(t, endpoint.url), failed('connection'));
  const half = await startEndpoint(t, (res) => {
    res.writeHead(200, { 'content-length': '100' });
    res.write('half');
    setImmediate(() => res.socket?.destroy());
  });
  assert.deepEqual(await post(t, half.url), failed('connection'));
  const unknown = () => Promise.reject(new Error('ENOTFOUND'));
  assert.deepEqual(await post(t, 'http://nobody.example', { resolve: unknown }), failed('connection'));
});

test('nothing connects to an address outside of the network that is set, whatever name leads there', async (t) => {
  const endpoint = await startEndpoint(t, answerJson({}));
  const { port } = new URL(endpoint.url);
  const refused = (error: unknown): boolean =>
    error instanceof StrongroomError && error.code === 'egress.refused';
  const at = (address: string) => () => Promise.resolve([address]);
  await assert.rejects(post(t, endpoint.url, { network: 'public' }), refused);
  await assert.rejects(post(t, `http://[::1]:${port}`, { network: 'public' }), refused);
  for (const address of ['127.0.0.1', '10.0.0.1', '169.254.169.254', '::ffff:127.0.0.1'])
    await assert.rejects(
      post(t, `http://cloud.example:${port}`, { network: 'public', resolve: at(address) }),
      refused,
    );
  for (const address of ['1.1.1.1', '169.254.169.254', 'fd00:ec2::254'])
    await assert.rejects(post(t, `http://inside.example:${port}`, { resolve: at(address) }), refused);
  assert.equal(endpoint.asked.length, 0);
});

test('of several addresses only those that are allowed are used, and no second look-up decides', async (t) => {
  const endpoint = await startEndpoint(t, answerJson({}));
  let asked = 0;
  const resolve = () => {
    asked++;
    return Promise.resolve(['169.254.169.254', '127.0.0.1']);
  };
  const exchanged = await post(t, `http://two.example:${new URL(endpoint.url).port}`, { resolve });
  assert.equal(exchanged.kind, 'answer');
  assert.equal(asked, 1);
  assert.equal(endpoint.asked[0]?.headers.host?.startsWith('two.example'), true);
});
