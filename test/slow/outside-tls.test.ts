/**
 * The real listener under the eyes of sslscan and testssl.sh: a server in a process of its own, as it is by default and in
 * its named profile for old clients. That the same reading names a bad listener is shown on one.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { verifies } from '../../src/assurance/testing/verifies.ts';
import { initDeployment } from '../../src/deployment.ts';
import { silentLog } from '../../src/http/request-log.ts';
import { settingsOf, temporaryFolder } from '../deployment.ts';
import { ServerProcess } from '../server-process.ts';
import { scanWithSslscan, scanWithTestssl, SHORT, type Expected } from '../tls-scans.ts';
import { lacks } from '../tools.ts';

const NAMES = ['localhost', '127.0.0.1'];
const PROFILES: Readonly<Record<'1.3' | '1.2', Expected>> = {
  '1.3': { versions: ['tls 1.3'], names: NAMES },
  '1.2': { versions: ['tls 1.2', 'tls 1.3'], names: NAMES },
};

async function secureServer(t: TestContext, minimum: keyof typeof PROFILES) {
  const folder = await temporaryFolder(t);
  const directory = join(folder, 'data');
  const { ca } = await initDeployment(directory, settingsOf({ tls: 'on' }), { log: silentLog });
  const server = await ServerProcess.start(directory, {
    variables: { STRONGROOM_TLS: 'on', STRONGROOM_TLS_MINIMUM: minimum, STRONGROOM_LOG_LEVEL: 'silent' },
  });
  t.after(() => server.end('SIGTERM'));
  return { folder, authority: ca ?? '', port: Number(new URL(server.url).port) };
}

for (const minimum of ['1.3', '1.2'] as const) {
  test(`sslscan finds no version, cipher or group below what is promised, minimum ${minimum}`, async (t) => {
    verifies('CRY-03');
    if (lacks(t, 'sslscan')) return;
    const { port } = await secureServer(t, minimum);
    assert.deepEqual(await scanWithSslscan(port, PROFILES[minimum]), []);
  });

  test(`testssl.sh finds no known weakness, and the certificate good, minimum ${minimum}`, async (t) => {
    verifies('CRY-03');
    if (lacks(t, 'testssl')) return;
    const server = await secureServer(t, minimum);
    assert.deepEqual(await scanWithTestssl({ ...server, ...PROFILES[minimum] }), []);
  });
}

test('a listener that permits old versions and weak ciphers is named by both', async (t) => {
  if (lacks(t, 'sslscan') || lacks(t, 'testssl')) return;
  const { folder, authority } = await secureServer(t, '1.3');
  const [cert, key] = await Promise.all(
    ['server.pem', 'server.key'].map((name) => readFile(join(folder, 'data/tls', name))),
  );
  const bad = createServer({ cert, key, minVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' }, (_, res) =>
    res.end(),
  );
  bad.listen(0, '127.0.0.1');
  await once(bad, 'listening');
  t.after(() => bad.close());
  const { port } = bad.address() as AddressInfo;
  const scanned = await scanWithSslscan(port, PROFILES['1.3']);
  for (const fault of [
    'tls 1.0 is offered',
    'tls 1.2 is offered',
    'ffdhe2048 is offered',
    'ffdhe2048 has 112 bits',
  ])
    assert.ok(scanned.includes(fault), `${fault}: ${scanned.join(', ')}`);
  assert.ok(scanned.some((fault) => fault.endsWith('SHA is offered')));
  const tested = await scanWithTestssl({ port, folder, authority, checks: SHORT, ...PROFILES['1.3'] });
  for (const fault of ['TLS 1.0: offered (deprecated)', 'CRITICAL cipherlist_aNULL: offered'])
    assert.ok(tested.includes(fault), `${fault}: ${tested.join(', ')}`);
  const wrongName = await scanWithSslscan(port, { versions: [], names: ['elsewhere.example'] });
  assert.ok(wrongName.includes('the certificate is not for elsewhere.example'));
});

test('where nothing listens neither finds nothing wrong', async (t) => {
  if (lacks(t, 'sslscan')) return;
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address() as AddressInfo;
  closed.close();
  await once(closed, 'close');
  const faults = await scanWithSslscan(port, PROFILES['1.3']).catch((error: unknown) => [String(error)]);
  assert.notDeepEqual(faults, []);
});
