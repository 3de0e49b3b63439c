/** What people do with memories, over HTTP, on a deployment of their own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sentVector, type Memory, type Problem } from '@strongroom/client';
import { DAY_MS } from '../src/durations.ts';
import { decodeSlots } from '../src/keys/slot.ts';
import { SYSTEM } from '../src/store/store.ts';
import { TestDeployment, type Answer } from './deployment.ts';
import { verifies } from '../src/assurance/testing/verifies.ts';

const BASE = '/v1/vaults/default/memories';

/** What answers hold: each test looks at what its own request is answered with. */
interface Body extends Memory, Problem {
  readonly memories: readonly Memory[];
  readonly results: readonly Memory[];
  readonly versions: readonly Memory[];
  readonly dimensions: number | null;
  readonly next: string | null;
}

const bodyOf = (answer: Answer): Body => answer.json as unknown as Body;

const ids = (answer: Answer): string[] => bodyOf(answer).memories.map(({ id }) => id);

test('what is added comes back whole, and its vector only when asked for', async (t) => {
  const deployment = await TestDeployment.start(t);
  const input = {
    text: 'Ann prefers the window seat',
    vector: [0.5, -1, 2],
    metadata: { trip: { to: 'Oslo' }, tags: ['a', 'b'] },
    subject: 'ann@example.org',
    conversation: 'chat-7',
    speaker: 'Ann',
    at: '2026-05-01T10:00:00.000Z',
    kind: 'fact',
    expiresAt: '2027-01-01T00:00:00.000Z',
  };
  const added = await deployment.call('POST', BASE, { body: input });
  assert.equal(added.status, 201);
  assert.equal(added.headers.etag, '"1"');
  const { vector, ...shown } = input;
  const plain = bodyOf(await deployment.must('GET', `${BASE}/${bodyOf(added).id}`));
  for (const [name, value] of Object.entries(shown)) assert.deepEqual(plain[name as keyof Body], value, name);
  assert.equal('vector' in plain, false);
  const whole = await deployment.must('GET', `${BASE}/${bodyOf(added).id}?include=vector`);
  assert.deepEqual(bodyOf(whole).vector, vector);
});

test('a vector is the same sent as a list and as base64, to be kept, to replace and to search', async (t) => {
  const deployment = await TestDeployment.start(t);
  const [list, base64] = [[0.5, -1, 2], sentVector([0.5, -1, 2])];
  assert.equal(typeof base64, 'string');
  const search = '/v1/vaults/default/search';
  const first = bodyOf(await deployment.must('POST', BASE, { body: { text: 'a', vector: base64 } })).id;
  const second = bodyOf(await deployment.must('POST', BASE, { body: { text: 'b', vector: [1, 1, 1] } })).id;
  await deployment.must('PATCH', `${BASE}/${second}`, { body: { vector: base64 } });
  for (const id of [first, second]) {
    const whole = await deployment.must('GET', `${BASE}/${id}?include=vector`);
    assert.deepEqual(bodyOf(whole).vector, list);
  }
  const [byList, byBase64] = [list, base64].map((vector) =>
    deployment.must('POST', search, { body: { vector, include: 'vector' } }),
  );
  assert.deepEqual((await byBase64!).json, (await byList!).json);
  const other = await deployment.call('POST', search, { body: { vector: sentVector([1, 2]) } });
  assert.equal(other.status, 400);
  assert.match(JSON.stringify(other.json), /has 2 dimensions; the vault has 3/);
});

test('everything added survives a restart and is found again', async (t) => {
  verifies('FUN-01');
  const deployment = await TestDeployment.start(t);
  await deployment.must('POST', BASE, {
    body: {
      memories: [
        { text: 'the red fox', vector: [1, 0] },
        { text: 'the blue whale', vector: [0, 1], subject: 'bo' },
      ],
    },
  });
  for (const round of [1, 2]) {
    await deployment.stop();
    await deployment.serve();
    const byText = await deployment.must('POST', '/v1/vaults/default/search', { body: { query: 'whale' } });
    const byVector = await deployment.must('POST', '/v1/vaults/default/search', {
      body: { vector: [0.1, 0.9], limit: 1, filter: { subject: 'bo' } },
    });
    const both = await deployment.must('POST', '/v1/vaults/default/search', {
      body: { query: 'fox', vector: [1, 0], limit: 1 },
    });
    assert.deepEqual(texts(byText), ['the blue whale'], `round ${round}`);
    assert.deepEqual(texts(byVector), ['the blue whale'], `round ${round}`);
    assert.deepEqual(texts(both), ['the red fox'], `round ${round}`);
  }
});

test('an addition of many is all or nothing, and names what is wrong with which', async (t) => {
  const deployment = await TestDeployment.start(t);
  const bad = await deployment.call('POST', BASE, {
    body: {
      memories: [
        { text: 'a', vector: [1, 0, 0] },
        { text: 'b', vector: [1, 0] },
      ],
    },
  });
  assert.equal(bad.status, 400);
  assert.deepEqual(bodyOf(bad).errors?.[0]?.path, '/memories/1/vector');
  assert.deepEqual(ids(await deployment.must('GET', BASE)), []);
  const vault = await deployment.must('GET', '/v1/vaults/default');
  assert.equal(bodyOf(vault).dimensions, null, 'a refused vector fixes nothing');
});

test('pages list every memory once, newest first, and a cursor fits no other list', async (t) => {
  const deployment = await TestDeployment.start(t);
  const memories = Array.from({ length: 25 }, (_, index) => ({
    text: `note ${index}`,
    metadata: { even: index % 2 === 0 },
  }));
  const added = ids(await deployment.must('POST', BASE, { body: { memories } }));
  const seen: string[] = [];
  let next: string | null = null;
  do {
    const page: Answer = await deployment.must(
      'GET',
      `${BASE}?limit=10${next === null ? '' : `&cursor=${next}`}`,
    );
    seen.push(...ids(page));
    next = bodyOf(page).next;
  } while (next !== null);
  assert.deepEqual(seen, added.toReversed());
  const first = await deployment.must('POST', `${BASE}/list`, {
    body: { limit: 5, filter: { 'metadata.even': true } },
  });
  assert.equal(ids(first).length, 5);
  const elsewhere = await deployment.call('GET', `${BASE}?cursor=${bodyOf(first).next}`);
  assert.equal(bodyOf(elsewhere).code, 'cursor.invalid');
});

test('a change makes a version, and a stale one changes nothing', async (t) => {
  const deployment = await TestDeployment.start(t);
  const { id } = bodyOf(
    await deployment.must('POST', BASE, { body: { text: 'old', kind: 'fact', subject: 'ann' } }),
  );
  const changed = await deployment.must('PATCH', `${BASE}/${id}`, {
    body: { text: 'new', subject: null },
    headers: { 'if-match': '"1"' },
  });
  assert.deepEqual(
    [bodyOf(changed).text, bodyOf(changed).version, bodyOf(changed).kind, changed.headers.etag],
    ['new', 2, 'fact', '"2"'],
  );
  const stale = await deployment.call('PATCH', `${BASE}/${id}`, {
    body: { text: 'lost' },
    headers: { 'if-match': '"1"' },
  });
  assert.equal(stale.status, 412);
  assert.equal(bodyOf(await deployment.must('GET', `${BASE}/${id}`)).text, 'new');
  assert.deepEqual(
    texts(await deployment.must('POST', '/v1/vaults/default/search', { body: { query: 'old' } })),
    [],
  );
  assert.deepEqual(
    texts(await deployment.must('POST', '/v1/vaults/default/search', { body: { query: 'new' } })),
    ['new'],
  );
});

test('a vault with a history keeps its versions, one without keeps the newest', async (t) => {
  const deployment = await TestDeployment.start(t);
  await deployment.must('POST', '/v1/vaults', { body: { name: 'kept', history: true } });
  for (const [vault, expected] of [
    ['kept', ['v2', 'v1']],
    ['default', ['v2']],
  ] as const) {
    const base = `/v1/vaults/${vault}/memories`;
    const { id } = bodyOf(await deployment.must('POST', base, { body: { text: 'v1' } }));
    await deployment.must('PATCH', `${base}/${id}`, { body: { text: 'v2' } });
    const history = await deployment.must('GET', `${base}/${id}/history`);
    const versions = bodyOf(history).versions;
    assert.deepEqual(
      versions.map(({ text }) => text),
      expected,
    );
  }
});

test('what is in the trash is in no answer, and comes back whole', async (t) => {
  const deployment = await TestDeployment.start(t);
  const { id } = bodyOf(await deployment.must('POST', BASE, { body: { text: 'a paper boat' } }));
  assert.equal((await deployment.call('DELETE', `${BASE}/${id}`)).status, 204);
  assert.equal((await deployment.call('GET', `${BASE}/${id}`)).status, 404);
  assert.deepEqual(ids(await deployment.must('GET', BASE)), []);
  assert.deepEqual(
    texts(await deployment.must('POST', '/v1/vaults/default/search', { body: { query: 'boat' } })),
    [],
  );
  assert.equal((await deployment.must('GET', `${BASE}/export`)).text, '');
  assert.deepEqual(ids(await deployment.must('GET', `${BASE}?state=trashed`)), [id]);
  assert.equal(
    (await deployment.call('DELETE', `${BASE}/${id}`)).status,
    404,
    'it is there no more to be deleted',
  );
  await deployment.must('POST', `${BASE}/${id}/restore`);
  assert.deepEqual(
    texts(await deployment.must('POST', '/v1/vaults/default/search', { body: { query: 'boat' } })),
    ['a paper boat'],
  );
});

test('what is erased comes back from nowhere, and its twin is still there', async (t) => {
  const deployment = await TestDeployment.start(t);
  const added = ids(
    await deployment.must('POST', BASE, {
      body: { memories: [{ text: 'secret harbour' }, { text: 'secret garden' }] },
    }),
  );
  await deployment.must('PATCH', `${BASE}/${added[0]}`, { body: { text: 'secret haven' } });
  assert.equal((await deployment.call('DELETE', `${BASE}/${added[0]}?mode=erase`)).status, 204);
  for (const round of ['at once', 'after a restart']) {
    assert.equal((await deployment.call('GET', `${BASE}/${added[0]}`)).status, 404, round);
    assert.equal((await deployment.call('POST', `${BASE}/${added[0]}/restore`)).status, 404, round);
    assert.deepEqual(ids(await deployment.must('GET', `${BASE}?state=trashed`)), [], round);
    assert.deepEqual(
      texts(await deployment.must('POST', '/v1/vaults/default/search', { body: { query: 'secret' } })),
      ['secret garden'],
      round,
    );
    await deployment.stop();
    await deployment.serve();
  }
});

test('in an immediate vault a deletion is an erasure, and a change erases what it replaces', async (t) => {
  const deployment = await TestDeployment.start(t);
  await deployment.must('POST', '/v1/vaults', { body: { name: 'quick', deletion: { mode: 'immediate' } } });
  const base = '/v1/vaults/quick/memories';
  const { id } = bodyOf(await deployment.must('POST', base, { body: { text: 'first' } }));
  await deployment.must('PATCH', `${base}/${id}`, { body: { text: 'second' } });
  await deployment.must('DELETE', `${base}/${id}`);
  assert.deepEqual(ids(await deployment.must('GET', `${base}?state=trashed`)), []);
  await deployment.stop();
  await deployment.opened(async ({ store, keyring }) => {
    const requests = await store.read(SYSTEM, (db) => db.selectFrom('key_requests').selectAll().execute());
    const dead = requests.flatMap(({ slots }) => decodeSlots(slots));
    assert.equal(dead.length >= 2, true);
    for (const slot of dead) assert.equal(keyring.isErased(slot), true);
    const rows = await store.read(SYSTEM, (db) =>
      db.selectFrom('memory_versions').select('memory').execute(),
    );
    assert.deepEqual(rows, []);
  });
});

test('what expires is out of every answer at that moment', async (t) => {
  const deployment = await TestDeployment.start(t);
  const expiresAt = new Date(deployment.clock.now() + DAY_MS).toISOString();
  const added = ids(
    await deployment.must('POST', BASE, {
      body: { memories: [{ text: 'short lived', expiresAt }, { text: 'long lived' }] },
    }),
  );
  deployment.clock.advance(DAY_MS - 1);
  assert.equal(
    texts(await deployment.must('POST', '/v1/vaults/default/search', { body: { query: 'lived' } })).length,
    2,
  );
  deployment.clock.advance(1);
  assert.equal((await deployment.call('GET', `${BASE}/${added[0]}`)).status, 404);
  assert.deepEqual(ids(await deployment.must('GET', BASE)), [added[1]]);
  assert.deepEqual(
    texts(await deployment.must('POST', '/v1/vaults/default/search', { body: { query: 'lived' } })),
    ['long lived'],
  );
  assert.equal((await deployment.must('GET', `${BASE}/export`)).text.split('\n').length, 2);
  assert.equal(
    (await deployment.call('PATCH', `${BASE}/${added[0]}`, { body: { expiresAt: null } })).status,
    404,
  );
});

test('a derived memory needs sources that are there, and hangs on everybody they are about', async (t) => {
  const deployment = await TestDeployment.start(t);
  const sources = ids(
    await deployment.must('POST', BASE, {
      body: {
        memories: [
          { text: 'a', subject: 'ann' },
          { text: 'b', subject: 'bo' },
        ],
      },
    }),
  );
  const derived = bodyOf(
    await deployment.must('POST', BASE, { body: { text: 'ann and bo', derivedFrom: sources } }),
  );
  assert.deepEqual(derived.derivedFrom, sources);
  const missing = await deployment.call('POST', BASE, {
    body: { text: 'c', derivedFrom: [sources[0], `mem_${'0'.repeat(26)}`] },
  });
  assert.deepEqual([missing.status, bodyOf(missing).errors?.[0]?.path], [400, '/derivedFrom/1']);
  await deployment.stop();
  await deployment.opened(async ({ store }) => {
    const row = await store.read(SYSTEM, (db) =>
      db
        .selectFrom('memory_versions')
        .select('scope')
        .where('memory', '=', derived.id)
        .executeTakeFirstOrThrow(),
    );
    const roles = (JSON.parse(row.scope) as [string, number][]).map(([role]) => role);
    assert.deepEqual(roles, ['organization', 'vault', 'subject', 'subject']);
  });
});

test('a request that is sent again is answered again and done once', async (t) => {
  const deployment = await TestDeployment.start(t);
  const headers = { 'idempotency-key': 'the-same' };
  const first = await deployment.must('POST', BASE, { body: { text: 'once' }, headers });
  const again = await deployment.must('POST', BASE, { body: { text: 'once' }, headers });
  assert.equal(bodyOf(again).id, bodyOf(first).id);
  const other = await deployment.call('POST', BASE, { body: { text: 'another' }, headers });
  assert.equal(bodyOf(other).code, 'idempotency.conflict');
  await deployment.stop();
  await deployment.serve();
  const later = await deployment.must('POST', BASE, { body: { text: 'once' }, headers });
  assert.equal(bodyOf(later).id, bodyOf(first).id, 'also after a restart');
  assert.equal(ids(await deployment.must('GET', BASE)).length, 1);
});

test('messages become memories that keep their order and their speakers', async (t) => {
  const deployment = await TestDeployment.start(t);
  const messages = [
    { role: 'user', name: 'Ann', content: 'Where is the key?' },
    { role: 'assistant', content: 'Under the mat.' },
  ];
  const added = await deployment.must('POST', BASE, { body: { messages, conversation: 'chat-1' } });
  assert.equal(ids(added).length, 2);
  const listed = await deployment.must('POST', `${BASE}/list`, {
    body: { filter: { conversation: 'chat-1' } },
  });
  const speakers = bodyOf(listed).memories.map(({ speaker }) => speaker);
  assert.deepEqual(speakers, ['assistant', 'Ann']);
});

test('a vault in the trash is not there, and its name is free', async (t) => {
  const deployment = await TestDeployment.start(t);
  await deployment.must('POST', BASE, { body: { text: 'gone' } });
  await deployment.must('DELETE', '/v1/vaults/default');
  assert.equal((await deployment.call('GET', '/v1/vaults/default')).status, 404);
  assert.equal(
    (await deployment.call('POST', '/v1/vaults/default/search', { body: { query: 'gone' } })).status,
    404,
  );
  await deployment.must('POST', '/v1/vaults', { body: { name: 'default' } });
  assert.deepEqual(ids(await deployment.must('GET', BASE)), []);
});

const texts = (answer: Answer): (string | undefined)[] => bodyOf(answer).results.map(({ text }) => text);
