/**
 * A server that asks an embedding service, over the wire: the service is a real HTTP server on this machine that speaks
 * the form which OpenAI-compatible services have (contract-tested: no provider is asked).
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import {
  answerJson,
  openAiReply,
  startEndpoint,
  wordVector,
  type Endpoint,
} from '../src/egress/testing/endpoint.ts';
import type { SettingsInput } from '../src/config.ts';
import { realEnvironment } from '../src/environment.ts';
import { ensureLocalTls } from '../src/http/tls.ts';
import { exchange, idOf, temporaryFolder, TestDeployment, type Answer } from './deployment.ts';
import { testPostgres } from './postgres.ts';

const DIMENSIONS = 64;
const API_KEY = 'sk-7f9c1e-embedding-key';
const VAULT = '/v1/vaults/meaning';
const MEMORIES = `${VAULT}/memories`;

const NO_ONE = { method: '', path: '', headers: {}, body: '' };

interface Shown {
  readonly id: string;
  readonly text?: string;
  readonly vector?: readonly number[];
}

interface Served {
  readonly deployment: TestDeployment;
  readonly endpoint: Endpoint;
}

async function serve(t: TestContext, settings: SettingsInput = {}, vault: object = {}): Promise<Served> {
  const endpoint = await startEndpoint(t, openAiReply(DIMENSIONS));
  const deployment = await TestDeployment.start(t, {
    settings: {
      embedder: 'openai',
      embedderUrl: `${endpoint.url}/v1`,
      embedderModel: 'words-64',
      embedderApiKey: API_KEY,
      embedderNetwork: 'private',
      ...settings,
    },
  });
  await deployment.must('POST', '/v1/vaults', { body: { name: 'meaning', embedder: 'words-64', ...vault } });
  return { deployment, endpoint };
}

const add = (deployment: TestDeployment, body: object): Promise<Answer> =>
  deployment.must('POST', MEMORIES, { body });
const get = async (deployment: TestDeployment, id: string): Promise<Shown> =>
  (await deployment.must('GET', `${MEMORIES}/${id}?include=vector`)).json as unknown as Shown;
const search = (deployment: TestDeployment, body: object): Promise<Answer> =>
  deployment.must('POST', `${VAULT}/search`, { body });
const textsOf = (answer: Answer): readonly (string | undefined)[] =>
  (answer.json['results'] as readonly Shown[]).map(({ text }) => text);
const inputsOf = ({ asked }: Endpoint): readonly string[] =>
  asked.flatMap(({ body }) => (JSON.parse(body) as { input: string[] }).input);
const entriesOf = async (deployment: TestDeployment, action: string) =>
  (await deployment.must('GET', `/v1/ledger?action=${action}`)).json['entries'] as readonly {
    readonly leaf: string;
    readonly target: string;
    readonly request: string;
    readonly principal: string;
  }[];
const codeOf = ({ json }: Answer): unknown => json['code'];
const rounded = (vector: readonly number[]): readonly number[] => vector.map((value) => Math.fround(value));

test('memories and queries without a vector get theirs from the service', async (t) => {
  const { deployment, endpoint } = await serve(t);
  const one = idOf(await add(deployment, { text: 'boats in the harbour' }));
  await add(deployment, {
    memories: [
      { text: 'tea with milk' },
      { text: 'brought along', vector: wordVector('something else', DIMENSIONS) },
      {
        messages: [
          { role: 'user', content: 'trains are late' },
          { role: 'user', content: 'rain again' },
        ],
      },
    ],
  });
  assert.deepEqual(inputsOf(endpoint), [
    'boats in the harbour',
    'tea with milk',
    'trains are late',
    'rain again',
  ]);
  assert.equal(endpoint.asked.length, 2);
  const [first] = endpoint.asked;
  assert.equal(first?.path, '/v1/embeddings');
  assert.equal(first?.headers.authorization, `Bearer ${API_KEY}`);
  assert.deepEqual(JSON.parse(first?.body ?? ''), { model: 'words-64', input: ['boats in the harbour'] });
  const held = await get(deployment, one);
  assert.deepEqual(held.vector, rounded(wordVector('boats in the harbour', DIMENSIONS)));

  const found = await search(deployment, { query: 'late trains', mode: 'vector', limit: 1 });
  assert.deepEqual(textsOf(found), ['trains are late']);
  assert.deepEqual(inputsOf(endpoint).at(-1), 'late trains');
  // By default both lists count.
  assert.equal(textsOf(await search(deployment, { query: 'milk' })).length, 5);
  assert.equal(endpoint.asked.length, 4);
  const byText = await search(deployment, { query: 'milk', mode: 'text' });
  assert.deepEqual(textsOf(byText), ['tea with milk']);
  assert.equal(endpoint.asked.length, 4);
  const other = await deployment.must('GET', VAULT);
  assert.equal(other.json['dimensions'], DIMENSIONS);
  assert.equal(other.json['embedder'], 'words-64');
});

test('a changed text has a new vector, and the old one never stays beside it', async (t) => {
  const { deployment, endpoint } = await serve(t);
  const id = idOf(await add(deployment, { text: 'before' }));
  const patch = (body: object): Promise<Answer> => deployment.call('PATCH', `${MEMORIES}/${id}`, { body });
  assert.equal((await patch({ text: 'after' })).status, 200);
  assert.deepEqual((await get(deployment, id)).vector, rounded(wordVector('after', DIMENSIONS)));
  assert.equal((await patch({ metadata: { n: 1 } })).status, 200);
  assert.equal(inputsOf(endpoint).length, 2);
  assert.equal((await patch({ text: null })).status, 400);
  assert.equal((await patch({ text: 'kept to myself', embed: false })).status, 200);
  assert.equal((await get(deployment, id)).vector, undefined);
  assert.deepEqual(inputsOf(endpoint), ['before', 'after']);
  // What cannot be changed is not sent either.
  const stale = { body: { text: 'never' }, headers: { 'if-match': '"1"' } };
  assert.equal((await deployment.call('PATCH', `${MEMORIES}/${id}`, stale)).status, 412);
  const nobody = `${MEMORIES}/mem_${'0'.repeat(26)}`;
  assert.equal((await deployment.call('PATCH', nobody, { body: { text: 'never' } })).status, 404);
  assert.equal((await patch({ embed: true })).status, 400);
  assert.deepEqual(inputsOf(endpoint), ['before', 'after']);
});

test('nothing leaves for vaults without an embedder, for `embed: false`, for vectors that are there, for refused requests', async (t) => {
  const { deployment, endpoint } = await serve(t);
  await deployment.must('POST', '/v1/vaults/default/memories', { body: { text: 'plain' } });
  await deployment.must('POST', '/v1/vaults/default/search', { body: { query: 'plain' } });
  await add(deployment, { text: 'mine', embed: false });
  await add(deployment, { text: 'with', vector: wordVector('x', DIMENSIONS) });
  await search(deployment, { query: 'mine', vector: wordVector('x', DIMENSIONS) });
  const key = await deployment.must('POST', '/v1/keys', {
    body: { name: 'reader', scopes: [{ actions: ['memory.get'], vaults: ['*'] }] },
  });
  const apiKey = String(key.json['apiKey']);
  const refused = await deployment.call('POST', MEMORIES, { key: apiKey, body: { text: 'refused' } });
  assert.equal(refused.status, 403);
  assert.equal((await exchange(deployment.url, 'POST', MEMORIES, { body: { text: 'x' } })).status, 401);
  const wrong = [{ text: 'a' }, { text: 'b', vector: [1, 2] }];
  assert.equal((await deployment.call('POST', MEMORIES, { body: { memories: wrong } })).status, 400);
  assert.equal(endpoint.asked.length, 0);
});

test('a query is not sent where no vector is there to compare it with', async (t) => {
  const { deployment, endpoint } = await serve(t);
  assert.deepEqual(textsOf(await search(deployment, { query: 'anything' })), []);
  assert.equal(endpoint.asked.length, 0);
});

test('a query is not sent where its vector would count for nothing', async (t) => {
  const { deployment, endpoint } = await serve(t);
  await add(deployment, { text: 'boats', vector: wordVector('x', DIMENSIONS) });
  const weights = { text: 1, vector: 0 };
  assert.deepEqual(textsOf(await search(deployment, { query: 'boats', weights })), ['boats']);
  assert.deepEqual(textsOf(await search(deployment, { query: 'boats', mode: 'hybrid', weights })), ['boats']);
  await deployment.must('PATCH', VAULT, { body: { weights } });
  assert.deepEqual(textsOf(await search(deployment, { query: 'boats' })), ['boats']);
  assert.equal(endpoint.asked.length, 0);
  await search(deployment, { query: 'boats', weights: { text: 0, vector: 1 } });
  assert.deepEqual(inputsOf(endpoint), ['boats']);
});

test('when the service fails, the request fails with a code and nothing is kept', async (t) => {
  const { deployment, endpoint } = await serve(t);
  await add(deployment, { text: 'there before' });
  const count = async (): Promise<number> =>
    ((await deployment.must('GET', MEMORIES)).json['memories'] as readonly unknown[]).length;
  const failures: readonly [Endpoint['reply'], number, string][] = [
    [answerJson({ error: { message: 'bad key' } }, 401), 502, 'embedder.failed'],
    [answerJson({ data: [{ index: 0, embedding: [1, 2, 3] }] }), 502, 'embedder.failed'],
    [
      answerJson({ data: [{ index: 0, embedding: wordVector('', DIMENSIONS).map(() => 0) }] }),
      502,
      'embedder.failed',
    ],
    [answerJson({ nothing: true }), 502, 'embedder.failed'],
    // A service that asks for more time than anybody has is not waited for.
    [(res) => res.writeHead(503, { 'retry-after': '900' }).end(), 503, 'embedder.unavailable'],
  ];
  for (const [reply, status, code] of failures) {
    endpoint.reply = reply;
    for (const [path, body] of [
      [MEMORIES, { text: 'lost' }],
      [`${VAULT}/search`, { query: 'lost', mode: 'hybrid' }],
    ] as const) {
      const answer = await deployment.call('POST', path, { body });
      assert.deepEqual([answer.status, codeOf(answer)], [status, code], answer.text);
      assert.doesNotMatch(answer.text, /bad key|lost|sk-/);
    }
  }
  assert.equal(await count(), 1);
  assert.equal((await search(deployment, { query: 'lost', mode: 'text' })).status, 200);
  endpoint.reply = openAiReply(DIMENSIONS);
  await add(deployment, { text: 'found again' });
  assert.equal(await count(), 2);
});

test('each exchange stands in the ledger, without content and without the key', async (t) => {
  const { deployment, endpoint } = await serve(t);
  await add(deployment, { text: 'quetzal-canary' });
  endpoint.reply = answerJson({}, 400);
  await deployment.call('POST', MEMORIES, { body: { text: 'quetzal-canary two' } });
  const sent = await entriesOf(deployment, 'egress.send');
  const answered = await entriesOf(deployment, 'egress.answer');
  const vault = String((await deployment.must('GET', VAULT)).json['id']);
  assert.deepEqual(
    [...sent, ...answered].map(({ target }) => target),
    [vault, vault, vault, vault],
  );
  const leaves = [...sent, ...answered].map(({ leaf }) => Buffer.from(leaf, 'base64').toString('utf8'));
  const { host } = new URL(endpoint.url);
  const factsOf = (leaf: string | undefined) => (JSON.parse(leaf ?? '{}') as { facts: object }).facts;
  assert.deepEqual(factsOf(leaves[1]), {
    host,
    purpose: 'embedding',
    bytes: Buffer.byteLength(endpoint.asked[0]?.body ?? ''),
  });
  assert.match(leaves[2] ?? '', /"code":"egress.failed".*"status":400/);
  const requests = new Set(sent.map(({ request }) => request));
  assert.deepEqual(new Set(answered.map(({ request }) => request)), requests);
  const added = await entriesOf(deployment, 'memory.add');
  assert.ok(added.every(({ request, principal }) => requests.has(request) && principal.startsWith('key_')));
  for (const place of [...leaves, ...deployment.logged])
    assert.ok(!place.includes('quetzal') && !place.includes(API_KEY));
});

test('a repeated request is answered from its ids and nothing leaves twice', async (t) => {
  const { deployment, endpoint } = await serve(t);
  const again = { body: { text: 'once' }, headers: { 'idempotency-key': 'k1' } };
  const ids = [];
  for (let i = 0; i < 2; i++) ids.push(idOf(await deployment.must('POST', MEMORIES, again)));
  assert.equal(new Set(ids).size, 1);
  assert.equal(endpoint.asked.length, 1);
});

test('the local form: texts in, lists of numbers out, no key', async (t) => {
  const endpoint = await startEndpoint(t, (res, { body }) => {
    const { input } = JSON.parse(body) as { input: string[] };
    answerJson({ embeddings: input.map((text) => wordVector(text, DIMENSIONS)) })(res, {
      method: '',
      path: '',
      headers: {},
      body,
    });
  });
  const deployment = await TestDeployment.start(t, {
    settings: {
      embedder: 'local',
      embedderUrl: `${endpoint.url}/api/embed`,
      embedderModel: 'tiny',
      embedderNetwork: 'private',
      embedderCharacters: 5,
    },
  });
  await deployment.must('POST', '/v1/vaults', { body: { name: 'meaning', embedder: 'tiny' } });
  await add(deployment, { text: 'harbour at dawn' });
  assert.equal(endpoint.asked[0]?.path, '/api/embed');
  assert.equal(endpoint.asked[0]?.headers.authorization, undefined);
  assert.deepEqual(inputsOf(endpoint), ['harbo']);
});

test('a vault names a model that the server has, and no other server answers for it', async (t) => {
  const { deployment } = await serve(t);
  await add(deployment, { text: 'made by words-64' });
  for (const [method, path, body] of [
    ['POST', '/v1/vaults', { name: 'other', embedder: 'large' }],
    ['PATCH', VAULT, { embedder: 'large' }],
  ] as const) {
    const answer = await deployment.call(method, path, { body });
    assert.equal(answer.status, 400);
    assert.match(answer.text, /"\/embedder"/);
    assert.match(answer.text, /words-64/);
  }
  await deployment.stop();
  const changed = { ...deployment.settings, embedderModel: 'another' };
  Object.assign(deployment.settings, changed);
  await deployment.serve();
  const answer = await deployment.call('POST', MEMORIES, { body: { text: 'x' } });
  assert.deepEqual([answer.status, codeOf(answer)], [502, 'embedder.failed']);
  const off = await deployment.must('PATCH', VAULT, { body: { embedder: null } });
  assert.equal(off.json['embedder'], null);
  await add(deployment, { text: 'x' });
});

test('the certificate of a service is checked, against its own authority where one is set', async (t) => {
  const folder = await temporaryFolder(t);
  const { certificate, key, authority } = await ensureLocalTls(folder, [], realEnvironment);
  const asked: string[] = [];
  const server = createServer({ cert: certificate, key }, (req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      asked.push(Buffer.concat(chunks).toString('utf8'));
      answerJson({ embeddings: [wordVector('x', DIMENSIONS)] })(res, NO_ONE);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const settings = {
    embedder: 'local',
    embedderUrl: `https://127.0.0.1:${port}/embed`,
    embedderModel: 'tiny',
    embedderNetwork: 'private',
  } as const;
  const deployment = await TestDeployment.start(t, { settings });
  await deployment.must('POST', '/v1/vaults', { body: { name: 'meaning', embedder: 'tiny' } });
  const answer = await deployment.call('POST', MEMORIES, { body: { text: 'x' } });
  assert.deepEqual([answer.status, codeOf(answer)], [502, 'embedder.failed']);
  assert.match(answer.text, /certificate/);
  assert.deepEqual(asked, []);
  await deployment.stop();
  await writeFile(join(folder, 'service-ca.pem'), authority);
  Object.assign(deployment.settings, { embedderCa: join(folder, 'service-ca.pem') });
  await deployment.serve();
  await add(deployment, { text: 'x' });
  assert.equal(asked.length, 1);
});

test('a server on the internet alone does not call this machine', async (t) => {
  const { deployment, endpoint } = await serve(t);
  await deployment.stop();
  Object.assign(deployment.settings, { embedderNetwork: 'public' });
  await deployment.serve();
  const answer = await deployment.call('POST', MEMORIES, { body: { text: 'x' } });
  assert.deepEqual([answer.status, codeOf(answer)], [502, 'egress.refused']);
  assert.equal(endpoint.asked.length, 0);
});

for (const engine of ['SQLite', 'PostgreSQL'] as const)
  test(`weights and language are settings of the vault, and a request may weigh for itself, on ${engine}`, async (t) => {
    const postgres = engine === 'SQLite' ? null : await testPostgres();
    if (postgres !== null && 'absent' in postgres) return t.skip(postgres.absent);
    const database = await postgres?.createDatabase();
    const settings =
      database === undefined ? {} : { database: database.url, databaseOwner: database.ownerUrl };
    const { deployment } = await serve(t, settings, { weights: { text: 1, vector: 0 }, language: 'de' });
    await add(deployment, { memories: [{ text: 'Häuser am Hafen' }, { text: 'boats boats' }] });
    const vault = (await deployment.must('GET', VAULT)).json;
    assert.deepEqual([vault['weights'], vault['language']], [{ text: 1, vector: 0 }, 'de']);
    const vector = wordVector('boats', DIMENSIONS);
    const ask = async (own: object) => textsOf(await search(deployment, { query: 'haus', vector, ...own }));
    assert.deepEqual(await ask({}), ['Häuser am Hafen']);
    assert.deepEqual(await ask({ weights: { text: 0, vector: 1 } }), ['boats boats', 'Häuser am Hafen']);
    await deployment.must('PATCH', VAULT, { body: { language: 'none' } });
    assert.deepEqual(await ask({}), []);
    // Segments were written in the old language: they are read anew.
    await deployment.must('PATCH', VAULT, { body: { language: 'de' } });
    await deployment.stop();
    await deployment.serve();
    assert.deepEqual(await ask({}), ['Häuser am Hafen']);
    await deployment.must('PATCH', VAULT, { body: { language: 'en', weights: { text: 1, vector: 1 } } });
    await deployment.stop();
    await deployment.serve();
    assert.deepEqual(await ask({ mode: 'text' }), []);
    const weighed = await deployment.call('POST', `${VAULT}/search`, {
      body: { vector, weights: { text: 1, vector: 1 } },
    });
    assert.equal(weighed.status, 400);
    assert.match(weighed.text, /"\/weights"/);
    const needs = await deployment.call('POST', '/v1/vaults/default/search', {
      body: { query: 'x', mode: 'hybrid' },
    });
    assert.equal(needs.status, 400);
    assert.match(needs.text, /"\/vector"/);
  });
