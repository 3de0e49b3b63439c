import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { request as httpsRequest } from 'node:https';
import { connect as connectPlain, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { connect, createServer, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { DAY_MS } from '../durations.ts';
import { realEnvironment, type Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { makeServerCertificate } from './certificate.ts';
import { fakeServer } from './testing/fake-parts.ts';
import { listen, secureContextOf } from './listener.ts';
import { ensureLocalTls, RENEWAL_DAYS } from './tls.ts';
import { verifies } from '../assurance/testing/verifies.ts';

async function folder(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'strongroom-tls-'));
  t.after(() => rm(directory, { recursive: true }));
  return directory;
}

const at = (ms: number): Environment => ({ ...realEnvironment, clock: { now: () => ms } });

/** The protocol that was agreed on, or the code of the error. */
async function handshake(port: number, options: ConnectionOptions): Promise<string> {
  const socket: TLSSocket = connect({ host: '127.0.0.1', port, servername: 'localhost', ...options });
  try {
    await once(socket, 'secureConnect');
    return socket.getProtocol() ?? 'none';
  } catch (error) {
    return error instanceof Error && 'code' in error
      ? `${String(error.code)}: ${error.message}`
      : String(error);
  } finally {
    socket.destroy();
  }
}

async function tlsServer(t: TestContext, tlsMinimum: '1.2' | '1.3' = '1.3') {
  const tls = await ensureLocalTls(await folder(t), [], realEnvironment);
  const server = fakeServer({ tls, tlsMinimum });
  const port = await listen(server.app, '127.0.0.1', 0);
  t.after(() => server.app.close());
  return { ...server, tls, port };
}

test('the server speaks TLS 1.3 to those who trust its authority, and nothing older', async (t) => {
  verifies('CRY-03');
  const { port, tls } = await tlsServer(t);
  const ca = tls.authority;
  assert.equal(await handshake(port, { ca }), 'TLSv1.3');
  assert.match(await handshake(port, { ca, maxVersion: 'TLSv1.2' }), /PROTOCOL_VERSION/);
  assert.match(await handshake(port, {}), /UNABLE_TO_VERIFY|SELF_SIGNED/);
  assert.match(await handshake(port, { ca, servername: 'example.org' }), /ERR_TLS_CERT_ALTNAME_INVALID/);
});

test('the named exception allows TLS 1.2 with forward secrecy, and nothing older than that', async (t) => {
  const { port, tls } = await tlsServer(t, '1.2');
  const ca = tls.authority;
  assert.equal(await handshake(port, { ca }), 'TLSv1.3');
  assert.equal(await handshake(port, { ca, maxVersion: 'TLSv1.2' }), 'TLSv1.2');
  assert.match(
    await handshake(port, { ca, maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA' }),
    /HANDSHAKE_FAILURE|NO_CIPHERS/,
  );
  assert.match(
    await handshake(port, { ca, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
    /PROTOCOL_VERSION/,
  );
});

test('plain HTTP on the TLS port gets no answer', async (t) => {
  const { port } = await tlsServer(t);
  const socket = connectPlain(port, '127.0.0.1');
  t.after(() => socket.destroy());
  let received = '';
  socket.on('data', (data: Buffer) => (received += data.toString('latin1')));
  socket.on('error', () => undefined);
  socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await once(socket, 'close');
  assert.ok(!received.includes('HTTP/'), received);
});

test('answers over TLS carry HSTS, and answers in plain do not', async (t) => {
  const { port, tls, app } = await tlsServer(t);
  const req = httpsRequest({
    host: '127.0.0.1',
    port,
    servername: 'localhost',
    ca: tls.authority,
    path: '/healthz',
  });
  req.end();
  const [res] = (await once(req, 'response')) as [import('node:http').IncomingMessage];
  res.resume();
  assert.equal(res.statusCode, 200);
  assert.equal(res.headers['strict-transport-security'], 'max-age=31536000');
  await once(res, 'close');
  assert.ok((await app.inject({ url: '/nothing' })).headers['strict-transport-security'] !== undefined);
  const plain = fakeServer();
  assert.equal((await plain.app.inject({ url: '/healthz' })).headers['strict-transport-security'], undefined);
});

test('plain HTTP is refused on every address but a loopback one', () => {
  for (const host of ['0.0.0.0', '::', '192.168.1.5', 'example.org', '::ffff:127.0.0.1'])
    assert.throws(
      () => fakeServer({ host }),
      (error) => error instanceof StrongroomError && error.code === 'tls.required',
      host,
    );
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost'])
    assert.doesNotThrow(() => fakeServer({ host }));
});

test('a port that is taken is said to be', async (t) => {
  const first = fakeServer();
  t.after(() => first.app.close());
  const port = await listen(first.app, '127.0.0.1', 0);
  const second = fakeServer();
  t.after(() => second.app.close());
  await assert.rejects(
    listen(second.app, '127.0.0.1', port),
    (error) => error instanceof StrongroomError && error.code === 'port.taken',
  );
});

test('certificates cover the local and the configured names, and keys are for their owner only', async (t) => {
  const directory = await folder(t);
  const tls = await ensureLocalTls(
    directory,
    ['Memory.Example.org', '10.1.2.3', '2001:db8::7'],
    realEnvironment,
  );
  const certificate = new X509Certificate(tls.certificate);
  for (const name of ['localhost', 'memory.example.org']) assert.ok(certificate.checkHost(name), name);
  for (const address of ['127.0.0.1', '::1', '10.1.2.3', '2001:db8::7'])
    assert.ok(certificate.checkIP(address), address);
  assert.ok(!certificate.checkHost('example.org'));
  assert.ok(certificate.checkIssued(new X509Certificate(tls.authority)));
  assert.deepEqual((await readdir(directory)).sort(), ['ca.key', 'ca.pem', 'server.key', 'server.pem']);
  for (const name of ['ca.key', 'server.key'])
    assert.equal((await stat(join(directory, name))).mode & 0o777, 0o600, name);
  assert.equal(await readFile(join(directory, 'ca.pem'), 'utf8'), tls.authority);
  assert.ok(!tls.authority.includes('PRIVATE'));
  await assert.rejects(ensureLocalTls(directory, ['not a name'], realEnvironment), /neither a host name/);
});

test('the authority cannot vouch for any other name: a certificate it signs for one is not trusted', async (t) => {
  const directory = await folder(t);
  const tls = await ensureLocalTls(directory, ['memory.example.org'], realEnvironment);
  const caKey = createPrivateKey(await readFile(join(directory, 'ca.key'), 'utf8'));
  const subject = new X509Certificate(tls.authority).subject.replace('CN=', '');
  const connectTo = async (names: readonly string[], servername: string): Promise<string> => {
    const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const validity = { fromMs: Date.now() - DAY_MS, toMs: Date.now() + DAY_MS };
    const certificate = makeServerCertificate(
      { subject: 'x', names, validity, key },
      { subject, key: caKey },
      realEnvironment.random,
    );
    const server = createServer(
      secureContextOf({ certificate, key: key.export({ type: 'pkcs8', format: 'pem' }) }, '1.3'),
    );
    server.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    return handshake((server.address() as AddressInfo).port, { ca: tls.authority, servername });
  };
  assert.equal(await connectTo(['memory.example.org'], 'memory.example.org'), 'TLSv1.3');
  assert.match(await connectTo(['bank.example.com'], 'bank.example.com'), /permitted subtree violation/);
  assert.match(
    await connectTo(['memory.example.org', '8.8.8.8'], 'memory.example.org'),
    /permitted subtree violation/,
  );
});

test('the server certificate is renewed under the same authority when 30 days are left, and not before', async (t) => {
  const directory = await folder(t);
  const start = Date.parse('2026-05-07T10:00:00Z');
  const first = await ensureLocalTls(directory, [], at(start));
  assert.equal(first.made, 'authority');
  const lasting = first.expiresMs - RENEWAL_DAYS * DAY_MS;
  const again = await ensureLocalTls(directory, [], at(lasting));
  assert.deepEqual([again.made, again.certificate], ['nothing', first.certificate]);
  const renewed = await ensureLocalTls(directory, [], at(lasting + 1));
  assert.deepEqual([renewed.made, renewed.authority], ['certificate', first.authority]);
  assert.notEqual(renewed.certificate, first.certificate);
  const old = await ensureLocalTls(directory, [], at(start + 3_650 * DAY_MS));
  assert.equal(old.made, 'authority', 'an authority near its end is replaced too');
});

test('a new name makes a new authority; damaged or foreign files make new ones', async (t) => {
  const directory = await folder(t);
  const make = async (names: readonly string[] = []): Promise<string> =>
    (await ensureLocalTls(directory, names, realEnvironment)).made;
  assert.equal(await make(), 'authority');
  assert.equal(await make(['memory.example.org']), 'authority');
  assert.equal(await make(), 'nothing', 'fewer names are still covered');
  await writeFile(join(directory, 'server.pem'), 'torn');
  assert.equal(await make(), 'certificate');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await writeFile(join(directory, 'server.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  assert.equal(await make(), 'certificate');
  await rm(join(directory, 'ca.key'));
  assert.equal(await make(), 'authority');
});
