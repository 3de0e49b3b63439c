/** Whatever is sent to the real thing: an answer of the published kinds, and nothing kept of what was refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isErrorCode } from '../src/errors.ts';
import { SYSTEM } from '../src/store/store.ts';
import { TestDeployment, type Answer } from './deployment.ts';
import { ask, granted, ROUTES, type Request } from './every-route.ts';
import { verifies } from '../src/assurance/testing/verifies.ts';

const AWKWARD: readonly unknown[] = [
  null,
  0,
  -1,
  1e39,
  '',
  ' ',
  'x'.repeat(300),
  '\uD800',
  '\u0000',
  'mem_00000000000000000000000000',
  [],
  [[]],
  {},
  { a: { b: 1 } },
  [0, 0],
  [1e39, 1],
  [null],
  true,
  '2026-13-45T99:99:99Z',
];

const value = fc.oneof(
  fc.constantFrom(...AWKWARD),
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
);

/** The request with one member of its body replaced, added or taken away. */
const spoilt = (request: Request): fc.Arbitrary<Request> => {
  const body = (request.body ?? {}) as Record<string, unknown>;
  const name = fc.oneof(
    fc.constantFrom(
      ...Object.keys(body),
      'text',
      'vector',
      'filter',
      'cursor',
      'limit',
      'metadata',
      'at',
      'unknown',
    ),
    fc.string(),
  );
  return fc.tuple(name, fc.option(value, { nil: undefined })).map(([member, put]) => {
    const entries = Object.entries(body).filter(([own]) => own !== member);
    return {
      ...request,
      body: Object.fromEntries(put === undefined ? entries : [...entries, [member, put]]),
    };
  });
};

/**
 * Those that leave entries of what they did beside the one of the request: a verification without its list runs every
 * check, a rotation without its list replaces every key, and each log says who signs it from then on.
 */
const WITH_MORE_ENTRIES: ReadonlySet<string> = new Set(['runVerification', 'runRotation']);

const ERASING: ReadonlySet<string> = new Set(['deleteMemory', 'requestErasure', 'rejectMemory']);

test('no request makes a 500, and a refused one leaves nothing', async (t) => {
  verifies('NET-04');
  const deployment = await TestDeployment.start(t);
  for (const { name, method } of ROUTES) {
    const good = await granted(deployment, name);
    if (method === 'GET' || WITH_MORE_ENTRIES.has(name)) continue;
    await fc.assert(
      fc.asyncProperty(spoilt(good), async (request) => {
        const before = await ledgerSize(deployment);
        const answer = await ask(deployment, request);
        assertPublished(answer, `${request.method} ${request.path} ${JSON.stringify(request.body)}`);
        const more = (await ledgerSize(deployment)) - before;
        // An erasure leaves a second one when it is complete.
        const isErasure = answer.status < 300 && ERASING.has(name);
        assert.ok(
          more === 2 || (isErasure && more === 3),
          'one entry for the request, one for the look before it',
        );
      }),
      { numRuns: 12 },
    );
  }
  await deployment.stop();
  await deployment.opened(async ({ store }) => {
    const rows = await store.read(SYSTEM, (db) => db.selectFrom('memories').select('id').execute());
    const versions = await store.read(SYSTEM, (db) =>
      db.selectFrom('memory_versions').select('memory').execute(),
    );
    const kept = new Set(versions.map(({ memory }) => memory));
    for (const { id } of rows) assert.ok(kept.has(id), `${id} has no version`);
  });
});

test('paths, queries and headers of any kind are answered', async (t) => {
  const deployment = await TestDeployment.start(t);
  const part = fc.oneof(
    fc.webSegment(),
    fc.constantFrom('..', '%00', '%2e%2e', 'default', '%ff', 'a'.repeat(500)),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(part, { maxLength: 4 }),
      fc.webQueryParameters(),
      fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'),
      async (parts, query, method) => {
        const path = `/v1/${parts.join('/')}?${query}`;
        const answer = await deployment.call(method, path, { headers: { 'if-match': query.slice(0, 50) } });
        if (method !== 'HEAD') assertPublished(answer, `${method} ${path}`);
        assert.notEqual(answer.status, 500);
      },
    ),
    { numRuns: 150 },
  );
});

function assertPublished(answer: Answer, what: string): void {
  if (answer.status < 400) return;
  assert.notEqual(answer.status, 500, what);
  const { code } = answer.json as unknown as { code: unknown };
  assert.ok(isErrorCode(code), `${what}: ${answer.status} ${answer.text.slice(0, 200)}`);
}

async function ledgerSize(deployment: TestDeployment): Promise<number> {
  const { json } = await deployment.must('GET', '/v1/ledger?limit=1');
  return (json as unknown as { entries: { n: number }[] }).entries[0]?.n ?? 0;
}
