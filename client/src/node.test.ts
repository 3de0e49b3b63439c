import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { connect, createNodeFetch } from './node.ts';
import { Strongroom } from './strongroom.ts';
import { testEnvironment } from './testing/recorded-fetch.ts';

async function clientOf(t: TestContext, listener: RequestListener, useOwn = true) {
  const server = createServer(listener);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const fetch = createNodeFetch();
  t.after(() => {
    fetch.close();
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const options = { url, apiKey: 'sr_test', ...(useOwn ? { fetch } : {}) };
  return { strongroom: new Strongroom(options, testEnvironment()), server };
}

const memoryLine = (n: number): string => `${JSON.stringify({ id: `mem_${n}`, text: 'ü'.repeat(n) })}\n`;

/** Both ways to reach a server from Node must behave alike. */
for (const [name, useOwn] of [
  ['the https-based fetch', true],
  ["the platform's fetch", false],
] as const) {
  describe(`over a real connection, with ${name}`, () => {
    it('a body and its answer arrive as they were', async (t) => {
      const { strongroom } = await clientOf(
        t,
        (req, res) => {
          void Array.fromAsync(req).then((chunks) => {
            assert.equal(req.headers.authorization, 'Bearer sr_test');
            res.writeHead(201, { 'content-type': 'application/json' }).end(Buffer.concat(chunks as Buffer[]));
          });
        },
        useOwn,
      );
      const text = 'für Ann — 茶 🫖'.repeat(2000);
      assert.deepEqual(await strongroom.vault('v').add(text), { text });
    });

    it('a body that is cut off half-way is asked for again', async (t) => {
      let requests = 0;
      const { strongroom } = await clientOf(
        t,
        (_req, res) => {
          requests += 1;
          res.writeHead(200, { 'content-length': '22' });
          if (requests === 1) res.write('{"vaults":', () => res.destroy());
          else res.end('{"vaults":[],"next":1} ');
        },
        useOwn,
      );
      assert.deepEqual(await strongroom.vaults.list(), { vaults: [], next: 1 });
      assert.equal(requests, 2);
    });

    it('an export streams, and one that is cut off fails after what had come', async (t) => {
      let requests = 0;
      const { strongroom } = await clientOf(
        t,
        (_req, res) => {
          requests += 1;
          for (let n = 0; n < 100; n += 1) res.write(memoryLine(n));
          if (requests === 1) res.end();
          else res.write('{"id":', () => res.destroy());
        },
        useOwn,
      );
      const whole = await Array.fromAsync(strongroom.vault('v').export());
      assert.equal(whole.length, 100);
      assert.equal(whole[99]?.text, 'ü'.repeat(99));
      const seen: string[] = [];
      const reading = (async () => {
        for await (const memory of strongroom.vault('v').export()) seen.push(memory.id);
      })();
      await assert.rejects(reading, { code: 'server.unreachable' });
      assert.ok(seen.length <= 100);
      assert.equal(requests, 2, 'a stream that has begun is not tried again');
    });

    it('whoever stops reading an export ends the transfer', async (t) => {
      let closed!: () => void;
      const ended = new Promise<void>((resolve) => {
        closed = resolve;
      });
      const { strongroom } = await clientOf(
        t,
        (_req, res) => {
          res.on('close', closed);
          res.write(memoryLine(1));
        },
        useOwn,
      );
      for await (const memory of strongroom.vault('v').export()) {
        assert.equal(memory.id, 'mem_1');
        break;
      }
      await ended;
    });

    it('a server that is not there is said to be unreachable, with the reason', async (t) => {
      const { strongroom, server } = await clientOf(t, () => undefined, useOwn);
      server.close();
      await assert.rejects(strongroom.vaults.list(), { code: 'server.unreachable', message: /ECONNREFUSED/ });
    });
  });
}

describe('connect', () => {
  it('takes the three variables that init prints, and says which one is missing or wrong', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'strongroom-client-'));
    t.after(() => {
      rmSync(folder, { recursive: true });
    });
    const path = join(folder, 'ca.pem');
    const variables = {
      STRONGROOM_URL: 'https://127.0.0.1:8443',
      STRONGROOM_API_KEY: 'sr_test',
      STRONGROOM_CA: path,
    };
    assert.throws(() => connect({}, {}), { code: 'config.invalid', message: /STRONGROOM_URL/ });
    assert.throws(() => connect({}, variables), { code: 'config.invalid', message: /cannot be read/ });
    writeFileSync(path, 'not a certificate');
    assert.throws(() => connect({}, variables), { code: 'config.invalid', message: /no certificate/ });
    writeFileSync(path, '-----BEGIN CERTIFICATE-----\n');
    assert.ok(connect({}, variables) instanceof Strongroom);
    assert.ok(connect({ ca: 'given' }, { STRONGROOM_URL: 'https://127.0.0.1' }) instanceof Strongroom);
  });
});
