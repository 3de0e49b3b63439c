/** By default nobody is called: the whole API is driven under a tripwire, and the tripwire is shown to be one. */
import assert from 'node:assert/strict';
import { lookup } from 'node:dns';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { test } from 'node:test';
import { hearOutside } from '../src/assurance/outside-tap.ts';
import { verifies } from '../src/assurance/testing/verifies.ts';
import { openAiReply, startEndpoint } from '../src/egress/testing/endpoint.ts';
import { TestDeployment } from './deployment.ts';
import { ask, granted, ROUTES } from './every-route.ts';

test('every operation, restart and clean stop of a default server reaches for nobody', async (t) => {
  verifies('LLM-08');
  const { attempts, result } = await hearOutside(async () => {
    const deployment = await TestDeployment.start(t);
    const own: number[] = [];
    for (let round = 0; round < 2; round++) {
      own.push(Number(new URL(deployment.url).port));
      for (const route of ROUTES) {
        const answer = await ask(deployment, await granted(deployment, route.name));
        assert.ok(answer.status < 400, `${route.name}: ${answer.text}`);
      }
      await deployment.stop();
      if (round === 0) await deployment.serve();
    }
    return own;
  });
  // The test itself is the only one that connects, and to the server alone.
  const elsewhere = attempts.filter(
    (attempt) => !result.some((port) => attempt === `connection 127.0.0.1 ${port}`),
  );
  assert.deepEqual(elsewhere, []);
  assert.ok(attempts.length > 0);
});

test('the tripwire hears connections, datagrams, look-ups and what a configured service is sent', async (t) => {
  const { attempts } = await hearOutside(async () => {
    const socket = connect(9, '192.0.2.1').on('error', () => undefined);
    createSocket('udp4').close();
    await new Promise((resolve) => lookup('localhost', resolve));
    socket.destroy();
  });
  assert.deepEqual(attempts.toSorted(), ['connection 192.0.2.1 9', 'datagram socket', 'look-up localhost']);
  const silent = await hearOutside(() => Promise.resolve());
  assert.deepEqual(silent.attempts, []);

  const endpoint = await startEndpoint(t, openAiReply(8));
  const { host } = new URL(endpoint.url);
  const heard = await hearOutside(async () => {
    const deployment = await TestDeployment.start(t, {
      settings: {
        embedder: 'openai',
        embedderUrl: endpoint.url,
        embedderModel: 'm',
        embedderNetwork: 'private',
      },
    });
    await deployment.must('POST', '/v1/vaults', { body: { name: 'v', embedder: 'm' } });
    const before = endpoint.asked.length;
    await deployment.must('POST', '/v1/vaults/v/memories', { body: { text: 'x' } });
    assert.deepEqual([before, endpoint.asked.length], [0, 1]);
  });
  assert.ok(heard.attempts.includes(`connection ${host.replace(':', ' ')}`));
});
