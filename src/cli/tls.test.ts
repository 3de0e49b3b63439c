import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { Strongroom, type Fetch } from '@strongroom/client';
import { createNodeFetch } from '@strongroom/client/node';
import { realEnvironment } from '../environment.ts';
import { ensureLocalTls } from '../http/tls.ts';

async function listening(t: TestContext, host = '127.0.0.1'): Promise<{ url: string; authority: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-tls-'));
  const tls = await ensureLocalTls(folder, [], realEnvironment);
  const server = createServer({ cert: tls.certificate, key: tls.key, minVersion: 'TLSv1.3' }, (_req, res) => {
    res.end('{"vaults":[],"next":null}');
  });
  await new Promise<void>((resolve) => {
    server.listen(0, host, resolve);
  });
  t.after(() => {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });
  return { url: `https://${host}:${(server.address() as AddressInfo).port}`, authority: tls.authority };
}

function clientOf(t: TestContext, url: string, fetch: Fetch & { close(): void }): Strongroom {
  t.after(() => {
    fetch.close();
  });
  return new Strongroom({ url, apiKey: 'sr_test', fetch, retries: 0 });
}

describe('TLS', () => {
  it('a deployment is reached with its own CA', async (t) => {
    const { url, authority } = await listening(t);
    const strongroom = clientOf(t, url, createNodeFetch({ ca: authority }));
    assert.deepEqual(await strongroom.vaults.list(), { vaults: [], next: null });
  });

  it('without it, with another one, or under another name the API key is not sent', async (t) => {
    const { url } = await listening(t);
    const other = await listening(t);
    const cases: [string, string | undefined][] = [
      [url, undefined],
      [url, other.authority],
    ];
    // Elsewhere a machine has one loopback address only.
    if (process.platform === 'linux') {
      const elsewhere = await listening(t, '127.0.0.2');
      cases.push([elsewhere.url, elsewhere.authority]);
    }
    for (const [place, ca] of cases) {
      const strongroom = clientOf(t, place, createNodeFetch({ ca }));
      await assert.rejects(strongroom.vaults.list(), { code: 'server.untrusted' });
    }
  });
});
