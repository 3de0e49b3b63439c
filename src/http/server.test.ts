import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InjectOptions } from 'fastify';
import { StrongroomError } from '../errors.ts';
import { isId } from '../ids.ts';
import { isAction } from '../ledger/actions.ts';
import {
  asGood,
  fakeParts,
  fakeServer,
  FOREIGN_MEMORY,
  FOREIGN_VAULT,
  GOOD_KEY,
  HOLD_ID,
  REQUEST_ID,
  ERASURE_ID,
  EXPORT_ID,
  KEY_ID,
  MEMORY_ID,
  memory,
  problemIn,
  vault,
  VAULT_ID,
} from './testing/fake-parts.ts';
import { EXEMPT_ROUTES, routesOf } from './server.ts';

const memoriesUrl = `/v1/vaults/${VAULT_ID}/memories`;
const oneUrl = `${memoriesUrl}/${MEMORY_ID}`;
const archiveUrl = `/v1/archive/requests/${REQUEST_ID}`;
const retentionUrl = `/v1/vaults/${VAULT_ID}/retention`;

/** One good request for each route. */
const GOOD_REQUESTS: readonly (InjectOptions & { calls: string; status: number })[] = [
  { method: 'POST', url: '/v1/vaults', payload: { name: 'work' }, calls: 'createVault', status: 201 },
  { method: 'GET', url: '/v1/vaults?limit=2', calls: 'listVaults', status: 200 },
  { method: 'GET', url: '/v1/vaults/default', calls: 'getVault', status: 200 },
  {
    method: 'PATCH',
    url: '/v1/vaults/default',
    payload: { history: true },
    calls: 'updateVault',
    status: 200,
  },
  { method: 'DELETE', url: '/v1/vaults/default', calls: 'deleteVault', status: 204 },
  { method: 'POST', url: memoriesUrl, payload: { text: 'x' }, calls: 'addMemory', status: 201 },
  { method: 'GET', url: `${memoriesUrl}?include=vector`, calls: 'listMemories', status: 200 },
  {
    method: 'POST',
    url: `${memoriesUrl}/list`,
    payload: { filter: { subject: 'ann' } },
    calls: 'listMemories',
    status: 200,
  },
  { method: 'GET', url: oneUrl, calls: 'getMemory', status: 200 },
  { method: 'PATCH', url: oneUrl, payload: { text: null }, calls: 'updateMemory', status: 200 },
  { method: 'DELETE', url: `${oneUrl}?mode=trash`, calls: 'deleteMemory', status: 204 },
  { method: 'POST', url: `${oneUrl}/restore`, calls: 'restoreMemory', status: 200 },
  { method: 'GET', url: `${oneUrl}/history`, calls: 'memoryHistory', status: 200 },
  { method: 'GET', url: `${memoriesUrl}/export`, calls: 'exportMemories', status: 200 },
  {
    method: 'POST',
    url: `/v1/vaults/${VAULT_ID}/search`,
    payload: { query: 'cat' },
    calls: 'searchMemories',
    status: 200,
  },
  { method: 'GET', url: '/v1/retention', calls: 'getRetention', status: 200 },
  { method: 'PUT', url: '/v1/retention', payload: { kinds: [] }, calls: 'setRetention', status: 200 },
  { method: 'POST', url: '/v1/retention/simulate', payload: {}, calls: 'simulateRetention', status: 200 },
  { method: 'GET', url: retentionUrl, calls: 'getRetention', status: 200 },
  {
    method: 'PUT',
    url: retentionUrl,
    payload: { memories: { days: 1 } },
    calls: 'setRetention',
    status: 200,
  },
  { method: 'POST', url: `${retentionUrl}/simulate`, payload: {}, calls: 'simulateRetention', status: 200 },
  { method: 'GET', url: `${oneUrl}/retention`, calls: 'explainRetention', status: 200 },
  { method: 'GET', url: '/v1/ledger/entries/7/retention', calls: 'explainEntry', status: 200 },
  { method: 'GET', url: '/v1/retention/log?at=2026-05-07', calls: 'explainLog', status: 200 },
  {
    method: 'POST',
    url: '/v1/holds',
    payload: { name: 'a case', target: { subject: 'ann' } },
    calls: 'placeHold',
    status: 201,
  },
  { method: 'GET', url: '/v1/holds', calls: 'listHolds', status: 200 },
  { method: 'GET', url: `/v1/holds/${HOLD_ID}`, calls: 'getHold', status: 200 },
  { method: 'GET', url: `/v1/holds/${HOLD_ID}/memories`, calls: 'listHeld', status: 200 },
  { method: 'DELETE', url: `/v1/holds/${HOLD_ID}`, calls: 'releaseHold', status: 204 },
  {
    method: 'POST',
    url: '/v1/archive/requests',
    payload: { vault: 'default', memories: [MEMORY_ID], reason: 'a question' },
    calls: 'requestArchive',
    status: 201,
  },
  { method: 'GET', url: '/v1/archive/requests', calls: 'listRequests', status: 200 },
  { method: 'GET', url: archiveUrl, calls: 'getRequest', status: 200 },
  { method: 'POST', url: `${archiveUrl}/approve`, calls: 'approveRequest', status: 200 },
  { method: 'DELETE', url: archiveUrl, calls: 'refuseRequest', status: 204 },
  { method: 'GET', url: `${archiveUrl}/memories`, calls: 'readRequest', status: 200 },
  {
    method: 'POST',
    url: `/v1/vaults/${VAULT_ID}/exports`,
    payload: { expiresInDays: 3 },
    calls: 'createExport',
    status: 201,
  },
  { method: 'GET', url: `/v1/vaults/${VAULT_ID}/exports`, calls: 'listExports', status: 200 },
  { method: 'GET', url: `/v1/exports/${EXPORT_ID}`, calls: 'getExport', status: 200 },
  { method: 'GET', url: `/v1/exports/${EXPORT_ID}/memories`, calls: 'readExport', status: 200 },
  { method: 'DELETE', url: `/v1/exports/${EXPORT_ID}`, calls: 'deleteExport', status: 204 },
  { method: 'POST', url: '/v1/vaults/default/restore', calls: 'restoreVault', status: 200 },
  {
    method: 'POST',
    url: `/v1/vaults/default/memories/${MEMORY_ID}/approve`,
    calls: 'approveMemory',
    status: 200,
  },
  {
    method: 'POST',
    url: `/v1/vaults/default/memories/${MEMORY_ID}/reject`,
    calls: 'rejectMemory',
    status: 204,
  },
  {
    method: 'POST',
    url: '/v1/erasures',
    payload: { target: { subject: 'ann' }, reason: 'asked for' },
    calls: 'requestErasure',
    status: 202,
  },
  { method: 'GET', url: '/v1/erasures?state=hidden', calls: 'listErasures', status: 200 },
  { method: 'GET', url: `/v1/erasures/${ERASURE_ID}`, calls: 'getErasure', status: 200 },
  { method: 'POST', url: `/v1/erasures/${ERASURE_ID}/cancel`, calls: 'cancelErasure', status: 200 },
  { method: 'GET', url: `/v1/erasures/${ERASURE_ID}/certificate`, calls: 'getCertificate', status: 200 },
  { method: 'GET', url: `/v1/erasures/${ERASURE_ID}/recipients`, calls: 'erasureRecipients', status: 200 },
  { method: 'GET', url: '/v1/certificate-key', calls: 'certificateKey', status: 200 },
  { method: 'POST', url: '/v1/keys', payload: { name: 'ci' }, calls: 'createKey', status: 201 },
  { method: 'GET', url: '/v1/keys', calls: 'listKeys', status: 200 },
  { method: 'POST', url: `/v1/keys/${KEY_ID}/rotate`, calls: 'rotateKey', status: 201 },
  { method: 'DELETE', url: `/v1/keys/${KEY_ID}`, calls: 'revokeKey', status: 204 },
  {
    method: 'GET',
    url: '/v1/ledger?action=memory.add&after=2026-01-01T00:00:00Z',
    calls: 'listEntries',
    status: 200,
  },
  { method: 'GET', url: '/v1/ledger/checkpoint', calls: 'checkpoint', status: 200 },
  { method: 'GET', url: '/v1/ledger/keys', calls: 'verifierKeys', status: 200 },
  { method: 'GET', url: '/v1/rotations', calls: 'listRotations', status: 200 },
  { method: 'POST', url: '/v1/rotations', payload: {}, calls: 'runRotation', status: 200 },
  { method: 'GET', url: '/v1/ledger/entries/0/proof?size=1', calls: 'proof', status: 200 },
  { method: 'GET', url: '/v1/ledger/consistency?from=1&size=1', calls: 'consistency', status: 200 },
  { method: 'GET', url: '/v1/ledger/export', calls: 'exportLedger', status: 200 },
  { method: 'POST', url: '/v1/verifications', payload: { claims: ['CRY-01'] }, calls: 'verify', status: 200 },
  { method: 'POST', url: '/v1/backups', payload: { kind: 'full' }, calls: 'createBackup', status: 201 },
  { method: 'GET', url: '/v1/backups', calls: 'listBackups', status: 200 },
  { method: 'GET', url: '/v1/backups/status', calls: 'backupStatus', status: 200 },
  { method: 'POST', url: '/v1/drills', calls: 'runDrill', status: 201 },
  { method: 'GET', url: '/v1/drills?limit=1', calls: 'listDrills', status: 200 },
  { method: 'POST', url: '/v1/vaults/default/rewind', payload: {}, calls: 'rewindVault', status: 200 },
  { method: 'GET', url: '/v1/vaults/default/rewinds', calls: 'listRewinds', status: 200 },
];

test('every route has an action of the catalogue, and a good request of each calls one function', async () => {
  const { app, fake } = fakeServer();
  const routes = routesOf(fake.parts);
  for (const route of routes) assert.ok(isAction(route.action), route.name);
  assert.equal(new Set(routes.map((route) => route.name)).size, routes.length);
  assert.equal(GOOD_REQUESTS.length, routes.length, 'a route without a good request here');
  for (const { calls, status, ...request } of GOOD_REQUESTS) {
    fake.calls.length = 0;
    const response = await app.inject({ ...request, headers: asGood });
    assert.equal(response.statusCode, status, `${calls}: ${response.body}`);
    assert.deepEqual(
      fake.calls.map((call) => call.name),
      [calls],
    );
    assert.ok(fake.calls[0]?.context.recorded);
  }
});

test('without a key every route answers 401 alike, whatever is sent, and calls nothing', async () => {
  const { app, fake } = fakeServer();
  const bodies = new Set<string>();
  for (const { calls: _, status: __, ...request } of GOOD_REQUESTS) {
    for (const payload of [request.payload, '{"a":', JSON.stringify({ unknown: 1 })]) {
      const { method, url } = request;
      const body =
        payload === undefined || method === 'GET'
          ? {}
          : { payload, headers: { 'content-type': 'application/json' } };
      const response = await app.inject({ method, url, ...body } as InjectOptions);
      assert.equal(problemIn(response).code, 'auth.required');
      assert.match(String(response.headers['www-authenticate']), /^Bearer /);
      bodies.add(response.body);
    }
  }
  assert.equal(bodies.size, 1);
  assert.equal(fake.calls.length + fake.deeds.length + fake.authentications, 0);
  assert.equal(fake.refusals.length, GOOD_REQUESTS.length * 3);
  assert.ok(fake.refusals.some(({ route }) => route === 'POST /v1/vaults/{vault}/memories/{memory}/restore'));
});

test('a key that is not valid is told so and counted, and the scheme must be Bearer', async () => {
  const { app, fake } = fakeServer();
  const codeFor = async (authorization: string): Promise<string> =>
    problemIn(await app.inject({ url: '/v1/vaults', headers: { authorization } })).code;
  assert.equal(await codeFor('Bearer sr_test_wrong'), 'auth.invalid');
  assert.equal(await codeFor('Bearer sr_test_old'), 'auth.expired');
  assert.equal(await codeFor('Basic c3I6'), 'auth.invalid');
  assert.equal(await codeFor('Bearer '), 'auth.invalid');
  assert.equal(await codeFor(`Bearer ${'x'.repeat(600)}`), 'auth.invalid');
  assert.deepEqual(
    fake.refusals.map(({ code }) => code),
    ['auth.invalid', 'auth.expired', 'auth.invalid', 'auth.invalid', 'auth.invalid'],
  );
  assert.equal(fake.calls.length, 0);
});

test('a refusal of a known principal is recorded once, with ids only', async () => {
  const { app, fake } = fakeServer();
  await app.inject({
    method: 'POST',
    url: '/v1/vaults/my%20secret%20vault/memories',
    payload: { text: 7 },
    headers: asGood,
  });
  await app.inject({ url: `${memoriesUrl}/${FOREIGN_MEMORY}`, headers: asGood });
  const [invalid] = fake.deeds.map(({ deed }) => deed);
  assert.deepEqual(invalid, {
    action: 'memory.add',
    target: '',
    outcome: 'refused',
    code: 'request.invalid',
  });
  // The second was recorded by the function that was called.
  assert.equal(fake.deeds.length, 1);
  fake.recordsItself = false;
  await app.inject({ url: `${memoriesUrl}/${FOREIGN_MEMORY}`, headers: asGood });
  assert.deepEqual(fake.deeds[1]?.deed, {
    action: 'memory.get',
    target: FOREIGN_MEMORY,
    outcome: 'refused',
    code: 'not_found',
  });
});

test('what cannot be recorded is not answered: reads, writes, refusals and failures', async () => {
  const { app, fake } = fakeServer();
  fake.ledgerWorks = false;
  fake.recordsItself = false;
  for (const { calls, status: _, ...request } of GOOD_REQUESTS) {
    const response = await app.inject({ ...request, headers: asGood });
    assert.equal(problemIn(response).code, 'ledger.unavailable', calls);
  }
  const refused = await app.inject({
    method: 'POST',
    url: memoriesUrl,
    payload: { text: 7 },
    headers: asGood,
  });
  assert.equal(problemIn(refused).code, 'ledger.unavailable');
  assert.equal((await app.inject({ url: '/readyz' })).statusCode, 503);
});

test('another tenant’s vault and memory answer byte for byte like what does not exist', async () => {
  const { app } = fakeServer();
  const shape = async (url: string): Promise<string> => {
    const { statusCode, headers, body } = await app.inject({ url, headers: asGood });
    const { 'x-request-id': _, date: __, ...rest } = headers;
    return JSON.stringify([statusCode, rest, body]);
  };
  const absent = await shape('/v1/vaults/absent');
  assert.equal(await shape(`/v1/vaults/${FOREIGN_VAULT}`), absent);
  assert.equal(await shape(`/v1/vaults/${FOREIGN_VAULT}/memories/${FOREIGN_MEMORY}`), absent);
  assert.equal(await shape(`${memoriesUrl}/${FOREIGN_MEMORY}`), absent);
  assert.equal(await shape(`${memoriesUrl}/never-was`), absent);
  assert.notEqual(await shape('/v1/vaults/closed'), absent);
});

test('an unexpected error is a 500 that tells nothing, and a damaged box a 503 that tells no detail', async () => {
  const { app, fake } = fakeServer();
  fake.recordsItself = false;
  fake.failure = new TypeError('canary: secret text');
  const response = await app.inject({ url: '/v1/vaults', headers: asGood });
  assert.equal(problemIn(response).code, 'internal');
  assert.ok(!response.body.includes('canary'));
  fake.failure = new StrongroomError('box.damaged', 'canary row 7');
  const damaged = await app.inject({ url: '/v1/vaults', headers: asGood });
  assert.equal(problemIn(damaged).code, 'box.damaged');
  assert.ok(!damaged.body.includes('canary'));
  assert.deepEqual(
    fake.deeds.map(({ deed }) => [deed.outcome, deed.code]),
    [
      ['failed', 'internal'],
      ['failed', 'box.damaged'],
    ],
  );
});

test('an answer holds the published fields and no others', async () => {
  const { app, fake } = fakeServer();
  fake.parts.memories.getMemory = (context) => {
    context.recorded = true;
    return Promise.resolve({ ...memory, slot: 4096, scope: 'internal' });
  };
  const response = await app.inject({ url: oneUrl, headers: asGood });
  assert.deepEqual(response.json(), memory);
});

test('every answer carries a request id of ours and the security headers', async () => {
  const { app } = fakeServer();
  const urls = ['/v1/vaults', '/healthz', '/nothing', '/openapi.json', '/v1/vaults/%ff'];
  for (const url of urls) {
    const { headers } = await app.inject({ url, headers: { ...asGood, 'x-request-id': 'req_forged' } });
    assert.ok(isId('request', String(headers['x-request-id'])), url);
    assert.equal(headers['x-content-type-options'], 'nosniff', url);
    assert.match(String(headers['content-security-policy']), /default-src 'none'/, url);
    assert.equal(headers['cache-control'], 'no-store', url);
  }
});

test('ETag holds the version and If-Match hands it on', async () => {
  const { app, fake } = fakeServer();
  const response = await app.inject({ url: oneUrl, headers: asGood });
  assert.equal(response.headers.etag, '"3"');
  await app.inject({
    method: 'PATCH',
    url: oneUrl,
    payload: { text: 'y' },
    headers: { ...asGood, 'if-match': '"3"' },
  });
  await app.inject({
    method: 'PATCH',
    url: oneUrl,
    payload: { text: 'y' },
    headers: { ...asGood, 'if-match': '*' },
  });
  assert.deepEqual(
    fake.calls.slice(1).map(({ input }) => input[2]),
    [3, null],
  );
  const created = await app.inject({
    method: 'POST',
    url: '/v1/vaults',
    payload: { name: 'x' },
    headers: asGood,
  });
  assert.equal(created.headers.location, `/v1/vaults/${vault.id}`);
});

test('one memory answers itself; a conversation and a batch answer ids', async () => {
  const { app, fake } = fakeServer();
  const post = async (payload: object): Promise<unknown> =>
    (await app.inject({ method: 'POST', url: memoriesUrl, payload, headers: asGood })).json();
  assert.deepEqual(await post({ text: 'x', at: '2026-05-07T12:00:00+02:00' }), memory);
  assert.deepEqual(await post({ messages: [{ role: 'user', content: 'x' }], conversation: 'c' }), {
    memories: [{ id: MEMORY_ID }],
  });
  assert.deepEqual(await post({ memories: [{ text: 'x' }] }), { memories: [{ id: MEMORY_ID }] });
  assert.deepEqual(
    fake.calls.map(({ name, input }) => [name, input[1]]),
    [
      ['addMemory', { text: 'x', at: '2026-05-07T10:00:00.000Z' }],
      ['addMemories', [{ messages: [{ role: 'user', content: 'x' }], conversation: 'c' }]],
      ['addMemories', [{ text: 'x' }]],
    ],
  );
});

test('the purpose goes to the ledger as it was written, and is demanded where policy says so', async () => {
  const { app, fake } = fakeServer({ requirePurpose: true });
  const without = await app.inject({ url: '/v1/vaults', headers: asGood });
  assert.equal(problemIn(without).code, 'purpose.required');
  const purpose = Buffer.from('Fall 12 – Prüfung', 'utf8').toString('latin1');
  await app.inject({ url: '/v1/vaults', headers: { ...asGood, 'strongroom-purpose': purpose } });
  assert.equal(fake.calls[0]?.context.purpose, 'Fall 12 – Prüfung');
});

test('a repeated write is done once and answered the same; another one under its key is refused', async () => {
  const { app, fake } = fakeServer();
  const post = (payload: object, key = 'k1') =>
    app.inject({ method: 'POST', url: memoriesUrl, payload, headers: { ...asGood, 'idempotency-key': key } });
  const first = await post({ text: 'x' });
  const again = await post({ text: 'x' });
  assert.equal(again.body, first.body);
  assert.equal(again.statusCode, 201);
  assert.equal(again.headers.etag, first.headers.etag);
  assert.equal(again.headers['idempotency-replayed'], 'true');
  assert.equal(fake.calls.length, 1);
  assert.deepEqual(
    fake.deeds.map(({ deed }) => deed.outcome),
    ['done'],
    'the replay is in the ledger too',
  );
  assert.equal(problemIn(await post({ text: 'y' })).code, 'idempotency.conflict');
  fake.failure = new StrongroomError('busy');
  assert.equal((await post({ text: 'z' }, 'k2')).statusCode, 503);
  fake.failure = null;
  assert.equal((await post({ text: 'z' }, 'k2')).statusCode, 201, 'a failed request may be tried again');
});

test('a secret is not kept for a repeated request', async () => {
  const { app, fake } = fakeServer();
  let kept = '';
  const begin = fake.parts.idempotency.begin.bind(fake.parts.idempotency);
  fake.parts.idempotency.begin = async (context, key, fingerprint, of) => {
    const answer = await begin(context, key, fingerprint, of);
    if (answer.kind === 'replay') return answer;
    const complete = answer.claim.complete.bind(answer.claim);
    return {
      kind: 'proceed',
      claim: {
        ...answer.claim,
        complete: (response) => ((kept = JSON.stringify(response)), complete(response)),
      },
    };
  };
  const post = () =>
    app.inject({
      method: 'POST',
      url: '/v1/keys',
      payload: { name: 'x' },
      headers: { ...asGood, 'idempotency-key': 'k' },
    });
  assert.match((await post()).body, /sr_test_secret/);
  assert.ok(kept !== '' && !kept.includes('sr_test_secret'));
  assert.equal(problemIn(await post()).code, 'idempotency.conflict');
  assert.equal(fake.calls.length, 1);
});

test('exports are JSON Lines, recorded before the first line, and refused before it too', async () => {
  const { app, fake } = fakeServer();
  fake.recordsItself = false;
  const response = await app.inject({ url: `${memoriesUrl}/export`, headers: asGood });
  assert.equal(response.headers['content-type'], 'application/jsonl');
  assert.equal(response.body, `${JSON.stringify(memory)}\n`.repeat(3));
  assert.deepEqual(
    fake.deeds.map(({ deed }) => deed.action),
    ['memory.export'],
  );
  fake.failure = new StrongroomError('busy');
  assert.equal(problemIn(await app.inject({ url: '/v1/ledger/export', headers: asGood })).code, 'busy');
});

test('HEAD answers like GET without a body, OPTIONS and 405 say what is allowed', async () => {
  const { app, fake } = fakeServer();
  const head = await app.inject({ method: 'HEAD', url: oneUrl, headers: asGood });
  assert.deepEqual([head.statusCode, head.body, head.headers.etag], [200, '', '"3"']);
  const options = await app.inject({ method: 'OPTIONS', url: '/v1/vaults' });
  assert.deepEqual([options.statusCode, options.headers.allow], [204, 'GET, HEAD, OPTIONS, POST']);
  const put = await app.inject({
    method: 'PUT',
    url: '/v1/keys',
    payload: '{',
    headers: { 'content-type': 'application/json' },
  });
  assert.equal(problemIn(put).code, 'request.method');
  assert.equal(put.headers.allow, 'GET, HEAD, OPTIONS, POST');
  assert.equal(
    (await app.inject({ method: 'HEAD', url: `${memoriesUrl}/export`, headers: asGood })).statusCode,
    405,
  );
  assert.deepEqual(
    fake.calls.map(({ name }) => name),
    ['getMemory'],
  );
});

test('health, readiness, metrics and the OpenAPI page need no key, and the list of such routes is closed', async () => {
  const { app, fake } = fakeServer();
  for (const url of EXEMPT_ROUTES) assert.equal((await app.inject({ url })).statusCode, 200, url);
  assert.deepEqual((await app.inject({ url: '/healthz' })).json(), {
    status: 'ok',
    checks: [{ name: 'process', status: 'ok' }],
  });
  await app.inject({ url: oneUrl, headers: asGood });
  const metrics = (await app.inject({ url: '/metrics' })).body;
  assert.match(
    metrics,
    /^strongroom_request_duration_seconds_count\{method="GET",route="\/v1\/vaults\/\{vault\}\/memories\/\{memory\}",status="200"\} 1$/m,
  );
  assert.match(metrics, /^strongroom_open_vaults 1$/m);
  assert.ok(!metrics.includes(MEMORY_ID) && !metrics.includes(VAULT_ID));
  const document = (await app.inject({ url: '/openapi.json' })).json<{
    paths: Record<string, Record<string, { security?: unknown }>>;
  }>();
  const open = Object.entries(document.paths).filter(([, methods]) =>
    Object.values(methods).some(({ security }) => security !== undefined),
  );
  assert.deepEqual(
    open.map(([path]) => path),
    [...EXEMPT_ROUTES],
  );
  assert.equal(fake.authentications, 1);
});

test('the fakes cover every function of the parts', () => {
  const { parts } = fakeParts();
  assert.deepEqual(Object.keys(parts).sort(), [
    'access',
    'archive',
    'backups',
    'erasures',
    'exports',
    'health',
    'holds',
    'idempotency',
    'ledger',
    'memories',
    'records',
    'retention',
    'rotations',
    'vaults',
    'verifications',
  ]);
  assert.ok(GOOD_KEY.length > 0);
});
