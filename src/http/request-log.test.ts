import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asGood, fakeServer, GOOD_KEY, MEMORY_ID } from './testing/fake-parts.ts';
import { createLog } from './request-log.ts';

const CANARY = 'canary-7f3a';

test('log lines hold ids, patterns, codes and numbers, and nothing that was sent', async () => {
  let written = '';
  const log = createLog('info', { write: (line: string) => void (written += line) });
  const { app, fake } = fakeServer({ log });
  fake.recordsItself = false;
  const headers = { ...asGood, 'strongroom-purpose': CANARY, 'user-agent': CANARY, cookie: CANARY };
  const send = (url: string, payload: object | string) =>
    app.inject({ method: 'POST', url, payload, headers: { ...headers, 'content-type': 'application/json' } });
  await send(`/v1/vaults/${CANARY}/memories`, { text: CANARY, metadata: { [CANARY]: CANARY } });
  await send(`/v1/vaults/v/memories?${CANARY}=1`, { [CANARY]: CANARY });
  await send('/v1/vaults/v/memories', `{"${CANARY}": ${CANARY}`);
  await app.inject({ url: `/${CANARY}` });
  fake.failure = Object.assign(new TypeError(`cannot read ${CANARY}`, { cause: new Error(CANARY) }), {
    code: `x ${CANARY}`,
  });
  await send('/v1/vaults/v/memories', { text: CANARY });
  await app.inject({ method: 'GET', url: `/v1/vaults/v/memories/${MEMORY_ID}`, headers });
  assert.ok(!written.includes(CANARY), written);
  assert.ok(!written.includes(GOOD_KEY) && !written.includes('127.0.0.1') && !written.includes(MEMORY_ID));
  const lines = written
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const requests = lines.filter(({ msg }) => msg === 'request');
  assert.deepEqual(
    requests.map(({ route, status }) => [route, status]),
    [
      ['/v1/vaults/{vault}/memories', 201],
      ['/v1/vaults/{vault}/memories', 400],
      ['/v1/vaults/{vault}/memories', 400],
      ['unmatched', 404],
      ['/v1/vaults/{vault}/memories', 500],
      ['/v1/vaults/{vault}/memories/{memory}', 500],
    ],
  );
  const failed = lines.find(({ msg }) => msg === 'request failed');
  assert.deepEqual(
    [failed?.code, failed?.causes],
    ['internal', ['StrongroomError internal', 'TypeError ', 'Error']],
  );
  assert.match(String(failed?.stack), /request-log\.test\.ts/, 'where it was thrown is told');
});
