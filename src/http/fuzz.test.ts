/** Whatever is sent to whatever route: an answer of the published kinds, and nothing done unless it was well asked for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { InjectOptions } from 'fastify';
import { ERRORS, isErrorCode } from '../errors.ts';
import { asGood, fakeServer, KEY_ID, MEMORY_ID, VAULT_ID } from './testing/fake-parts.ts';
import { declaredErrors } from './openapi.ts';
import type { Route } from './route.ts';
import { routesOf } from './server.ts';
import { verifies } from '../assurance/testing/verifies.ts';

const FIELDS = [
  'text',
  'messages',
  'vector',
  'metadata',
  'subject',
  'conversation',
  'speaker',
  'at',
  'kind',
  'expiresAt',
  'derivedFrom',
  'visibility',
  'memories',
  'query',
  'limit',
  'filter',
  'mode',
  'include',
  'name',
  'dimensions',
  'metric',
  'deletion',
  'history',
  'environment',
  'scopes',
  'networks',
  'cursor',
  'state',
  'role',
  'content',
  'days',
  'actions',
  'vaults',
  '__proto__',
  'constructor',
  'toString',
  'AND',
  'OR',
  'NOT',
  'metadata.a',
  'eq',
  'in',
  'contains',
  'principal',
  'action',
  'after',
  'size',
  '',
] as const;

const PLAUSIBLE = [
  'x',
  '',
  '2026-05-07T10:00:00Z',
  VAULT_ID,
  MEMORY_ID,
  KEY_ID,
  'vector',
  'hybrid',
  'cosine',
  'trash',
  '*',
  'memory.*',
  'null',
  '10.0.0.0/8',
  '1',
  '0',
  '-1',
  '1e3',
  '[]',
  '{}',
  '{"subject":"x"}',
  '\u0000',
  '\ud800',
  '\u202e',
  '../..',
  '%2e%2e',
  "' or 1=1 --",
  '"3"',
  'W/"1"',
] as const;

const text = fc.oneof(
  fc.constantFrom(...PLAUSIBLE),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.string({ maxLength: 300 }),
);
const number = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, 1, 1.5, 1e39, -1e308, 2 ** 53));
const vector = fc.array(fc.oneof({ weight: 20, arbitrary: fc.float({ noNaN: true }) }, number), {
  maxLength: 20,
});

const { value: json } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    text,
    number,
    vector,
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 4 }),
    fc
      .array(fc.tuple(fc.oneof(fc.constantFrom(...FIELDS), text), tie('value')), { maxLength: 5 })
      .map((members) => membersOf(members)),
  ),
}));

/** Written as text, so that members like __proto__ stay members. */
class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

const membersOf = (members: readonly (readonly [string, unknown])[]): JsonText =>
  new JsonText(`{${members.map(([name, value]) => `${JSON.stringify(name)}:${write(value)}`).join(',')}}`);

function write(value: unknown): string {
  if (value instanceof JsonText) return value.text;
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`;
  return JSON.stringify(value) ?? 'null';
}

const body = fc.oneof(
  { weight: 10, arbitrary: json.map(write) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(json.map(write), fc.nat(), fc.string({ unit: 'binary', maxLength: 3 }))
      .map(([good, at, noise]) => {
        const where = at % (good.length + 1);
        return good.slice(0, where) + noise + good.slice(where);
      }),
  },
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
);

/** What Node lets through as a header value. */
const headerText = fc.string({
  unit: fc
    .integer({ min: 0x20, max: 0xff })
    .filter((code) => code !== 0x7f)
    .map((code) => String.fromCharCode(code)),
  maxLength: 250,
});

const headers = fc.dictionary(
  fc.constantFrom(
    'if-match',
    'idempotency-key',
    'strongroom-purpose',
    'content-encoding',
    'content-type',
    'accept',
    'range',
    'x-request-id',
    'x-forwarded-for',
    'x-http-method-override',
    'if-none-match',
    'origin',
    'cookie',
    'content-language',
  ),
  fc.oneof(
    fc.constantFrom(
      '"1"',
      '*',
      'identity',
      'gzip',
      'application/json',
      'application/json;charset=utf-16',
      'text/plain',
      'PUT',
    ),
    headerText,
  ),
  { maxKeys: 3 },
);

const query = fc.array(fc.tuple(fc.oneof(fc.constantFrom(...FIELDS), text), text), { maxLength: 3 });

/** The route by name, so that a counterexample can be read. */
interface Attempt {
  readonly route: string;
  readonly request: InjectOptions;
}

/** Empty and dot segments would make another path of it (RFC 3986, 5.2.4), and so another route. */
function segmentOf(text = ''): string {
  const segment = encodeURIComponent(text.toWellFormed());
  return /^\.{0,2}$/.test(segment) ? 'x' : segment;
}

function attempts(routes: readonly Route[]): fc.Arbitrary<Attempt> {
  return fc
    .record({
      route: fc.constantFrom(...routes),
      names: fc.array(text, { minLength: 2, maxLength: 2 }),
      areIds: fc.boolean(),
      query,
      body,
      headers,
      hasBody: fc.boolean(),
    })
    .map(({ route, names, areIds, query, body, headers, hasBody }) => {
      const ids: Readonly<Record<string, string>> = {
        vault: VAULT_ID,
        memory: MEMORY_ID,
        key: KEY_ID,
        n: '3',
      };
      const path = route.url.replaceAll(/:(\w+)/g, (_, name: string) =>
        segmentOf(areIds ? ids[name] : names[name === 'vault' ? 0 : 1]),
      );
      const search = query
        .map((pair) => pair.map((part) => encodeURIComponent(part.toWellFormed())).join('='))
        .join('&');
      const payload = hasBody && route.method !== 'GET' ? { payload: body } : {};
      const type = hasBody ? { 'content-type': 'application/json' } : {};
      return {
        route: route.name,
        request: {
          method: route.method,
          url: `${path}${search === '' ? '' : `?${search}`}`,
          ...payload,
          headers: { ...type, ...headers, ...asGood },
        },
      };
    });
}

type Server = Pick<ReturnType<typeof fakeServer>, 'app' | 'fake'>;

async function checkAnswer({ app, fake }: Server, { route: name, request }: Attempt): Promise<boolean> {
  const route = routesOf(fake.parts).find((each) => each.name === name);
  assert.ok(route !== undefined);
  fake.calls.length = 0;
  fake.deeds.length = 0;
  const response = await app.inject(request);
  const { statusCode: status } = response;
  assert.ok(typeof response.headers['x-request-id'] === 'string');
  if (status < 300) {
    assert.equal(status, route.status);
    // Two attempts may have drawn the same idempotency key: then nothing is done the second time.
    if (response.headers['idempotency-replayed'] === 'true') return fake.calls.length === 0;
    assert.equal(fake.calls.length, 1);
    assert.ok(fake.calls[0]?.context.recorded);
    return true;
  }
  assert.ok(status >= 400 && status < 500, `${status}: ${response.body}`);
  assert.match(String(response.headers['content-type']), /^application\/problem\+json/);
  const problem = response.json<{ code: string; status: number }>();
  assert.ok(isErrorCode(problem.code), problem.code);
  assert.equal(ERRORS[problem.code].status, status);
  assert.ok(declaredErrors(route).includes(status), `${route.name} does not declare ${status}`);
  // A path whose memory is not there is found out by the part; everything else before.
  if (problem.code !== 'not_found') assert.equal(fake.calls.length, 0);
  return false;
}

test('no request makes a 500, an unknown code or an undeclared status, and a refused one does nothing', async () => {
  const { app, fake } = fakeServer();
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(attempts(routesOf(fake.parts)), async (attempt) => {
      if (await checkAnswer({ app, fake }, attempt)) taken++;
    }),
    { numRuns: 2_000 },
  );
  // Else the generator only ever found the front door shut.
  assert.ok(taken > 60, `only ${taken} requests were taken`);
});

test('the check can fail: a part that breaks is noticed', async () => {
  const { app, fake } = fakeServer();
  const routes = routesOf(fake.parts);
  fake.failure = new TypeError('undefined is not a function');
  await assert.rejects(
    fc.assert(
      fc.asyncProperty(attempts(routes), async (attempt) => void (await checkAnswer({ app, fake }, attempt))),
      { numRuns: 1_000 },
    ),
  );
});

test('without a key nothing gets further than the door, whatever is sent', async () => {
  verifies('ACC-05');
  const { app, fake } = fakeServer();
  await fc.assert(
    fc.asyncProperty(attempts(routesOf(fake.parts)), async ({ request }) => {
      const { authorization: _, ...rest } = request.headers as Record<string, string>;
      const response = await app.inject({ ...request, headers: rest });
      assert.ok(response.statusCode === 401 || response.statusCode === 404, response.body);
    }),
    { numRuns: 500 },
  );
  assert.deepEqual([fake.calls, fake.deeds, fake.authentications], [[], [], 0]);
});
