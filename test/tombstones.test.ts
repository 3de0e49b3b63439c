/** Durable forgetting: what was erased stays gone, whatever is fed and whatever runs; and its twin is found throughout. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verifies } from '../src/assurance/testing/verifies.ts';
import { DAY_MS } from '../src/durations.ts';
import { SYSTEM } from '../src/store/store.ts';
import { idOf, TestDeployment, type Json } from './deployment.ts';

const TEXT = 'Ann takes her tea with lemon';
const TWIN = 'Bob takes his tea with milk';

/** A vault that reacts in that way to what comes back, with a memory and its twin. */
async function stage(deployment: TestDeployment, tombstones: 'off' | 'refuse' | 'review') {
  const vault = `/v1/vaults/${idOf(
    await deployment.must('POST', '/v1/vaults', {
      body: { name: `with ${tombstones}`, tombstones, history: true },
    }),
  )}`;
  const add = async (body: object): Promise<string> =>
    idOf(await deployment.must('POST', `${vault}/memories`, { body }));
  const memory = await add({ text: TEXT, subject: 'ann', vector: [1, 0.5] });
  const twin = await add({ text: TWIN, subject: 'bob', vector: [0.5, 1] });
  return { vault, memory, twin };
}

/** Texts by every way in which a vault shows what it holds. */
async function shown(deployment: TestDeployment, vault: string): Promise<Record<string, unknown[]>> {
  const text = (memories: unknown): unknown[] => (memories as Json[]).map((memory) => memory['text']);
  const search = async (body: object): Promise<unknown[]> =>
    text((await deployment.must('POST', `${vault}/search`, { body })).json['results']);
  const exported = (await deployment.must('GET', `${vault}/memories/export`)).text;
  return {
    words: await search({ query: 'tea lemon milk' }),
    vectors: await search({ vector: [1, 0.5] }),
    list: text((await deployment.must('GET', `${vault}/memories`)).json['memories']),
    trash: text((await deployment.must('GET', `${vault}/memories?state=trashed`)).json['memories']),
    export: exported
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => (JSON.parse(line) as Json)['text']),
  };
}

function assertGone(ways: Record<string, unknown[]>): void {
  for (const [way, texts] of Object.entries(ways)) {
    assert.ok(!texts.includes(TEXT), `${way} shows it`);
    if (way !== 'trash') assert.ok(texts.includes(TWIN), `${way} lost the twin`);
  }
}

for (const how of ['memory', 'subject', 'filter', 'delete'] as const)
  test(`what was erased by its ${how} stays gone: fed again, after every job, after a restart`, async (t) => {
    const deployment = await TestDeployment.start(t);
    const { vault, memory } = await stage(deployment, 'refuse');
    await deployment.must('PATCH', `${vault}/memories/${memory}`, { body: { kind: 'habit' } });
    const before = await shown(deployment, vault);
    assert.ok(before['words']?.includes(TEXT) && before['vectors']?.includes(TEXT), 'it was there');
    if (how === 'delete') await deployment.must('DELETE', `${vault}/memories/${memory}?mode=erase`);
    else {
      const name = vault.split('/').at(-1);
      const target = {
        memory: { memory },
        subject: { subject: 'ann' },
        filter: { vault: name, filter: { kind: 'habit' } },
      }[how];
      const plan = await deployment.must('POST', '/v1/erasures', { body: { target, dryRun: true } });
      assert.equal(plan.json['count'], 1);
      const { confirm } = plan.json;
      await deployment.must('POST', '/v1/erasures', { body: { target, reason: 'asked for', confirm } });
    }
    assertGone(await shown(deployment, vault));
    for (const text of [TEXT, `  ${TEXT.toUpperCase()}\n`, TEXT.replaceAll(' ', '\u00a0')]) {
      const fed = await deployment.call('POST', `${vault}/memories`, {
        body: { memories: [{ text: 'something new' }, { text }] },
      });
      assert.deepEqual([fed.status, fed.json['code']], [409, 'erased.before'], text);
      const [fault] = fed.json['errors'] as Json[];
      assert.equal(fault?.['path'], '/memories/1');
    }
    assert.equal((await shown(deployment, vault))['list']?.includes('something new'), false, 'all or none');
    for (const path of ['', '/history'])
      assert.equal((await deployment.call('GET', `${vault}/memories/${memory}${path}`)).status, 404);
    await deployment.stop();
    deployment.clock.advance(40 * DAY_MS);
    await deployment.serve();
    assertGone(await shown(deployment, vault));
    const late = await deployment.call('POST', `${vault}/memories`, { body: { text: TEXT } });
    assert.equal(late.json['code'], 'erased.before');
  });

test('a change does not bring back what was erased either', async (t) => {
  const deployment = await TestDeployment.start(t);
  const { vault, memory, twin } = await stage(deployment, 'review');
  await deployment.must('DELETE', `${vault}/memories/${memory}?mode=erase`);
  const changed = await deployment.call('PATCH', `${vault}/memories/${twin}`, { body: { text: TEXT } });
  assert.equal(changed.json['code'], 'erased.before');
  assertGone(await shown(deployment, vault));
});

test('what comes back is held for a decision: approved it is a memory, rejected it is erased again', async (t) => {
  const deployment = await TestDeployment.start(t);
  const { vault, memory } = await stage(deployment, 'review');
  await deployment.must('DELETE', `${vault}/memories/${memory}?mode=erase`);
  const feed = async (): Promise<string> => {
    const fed = await deployment.must('POST', `${vault}/memories`, {
      body: { text: TEXT, vector: [1, 0.5] },
    });
    assert.equal(fed.json['review'], 'pending');
    return idOf(fed);
  };
  const first = await feed();
  assertGone(await shown(deployment, vault));
  const waiting = async (): Promise<Json[]> =>
    (await deployment.must('GET', `${vault}/memories?state=review`)).json['memories'] as Json[];
  assert.deepEqual(
    (await waiting()).map(({ id, review }) => [id, review]),
    [[first, 'pending']],
  );
  assert.equal((await deployment.call('GET', `${vault}/memories/${first}`)).status, 404);
  assert.equal((await deployment.must('POST', `${vault}/memories/${first}/reject`)).status, 204);
  assert.deepEqual(await waiting(), []);
  const second = await feed();
  await deployment.must('POST', `${vault}/memories/${second}/approve`);
  assert.equal((await deployment.call('POST', `${vault}/memories/${second}/approve`)).status, 404);
  const ways = await shown(deployment, vault);
  for (const way of ['words', 'vectors', 'list', 'export']) assert.ok(ways[way]?.includes(TEXT), way);
  const third = await deployment.must('POST', `${vault}/memories`, { body: { text: TEXT } });
  assert.equal(third.json['review'], undefined, 'who approves it once has said so');
});

test('what an erased memory said before is known again as well, and what stays can go on saying it', async (t) => {
  const deployment = await TestDeployment.start(t);
  for (const way of ['memory', 'subject'] as const) {
    const vault = `/v1/vaults/${idOf(
      await deployment.must('POST', '/v1/vaults', {
        body: { name: way, tombstones: 'refuse', history: true },
      }),
    )}`;
    const [ann, bob] = [`ann of ${way}`, `bob of ${way}`];
    const add = async (body: object): Promise<string> =>
      idOf(await deployment.must('POST', `${vault}/memories`, { body }));
    const change = (id: string, body: object) =>
      deployment.must('PATCH', `${vault}/memories/${id}`, { body });
    const memory = await add({ text: 'she takes tea' });
    await change(memory, { text: 'she takes green tea', subject: ann });
    await change(memory, { text: 'she takes coffee' });
    // About her first, then about him, in the same words, and in others.
    const stays = await add({ text: 'somebody swims', subject: ann });
    await change(stays, { text: 'somebody swims far', subject: ann });
    await change(stays, { text: 'somebody swims far', subject: bob });
    const target = way === 'memory' ? { memory } : { subject: ann };
    await deployment.must('POST', '/v1/erasures', { body: { target, reason: 'asked for' } });
    const fed = async (text: string): Promise<number> =>
      (await deployment.call('POST', `${vault}/memories`, { body: { text } })).status;
    for (const text of ['she takes tea', 'she takes green tea', 'she takes coffee'])
      assert.equal(await fed(text), 409, `${way}: ${text}`);
    assert.equal(await fed('somebody swims'), way === 'subject' ? 409 : 201, way);
    await change(stays, { metadata: { looked: true } });
    assert.equal(await fed('she takes water'), 201);
  }
});

test('what waits for a decision ends by its rules like anything else, and is explained', async (t) => {
  verifies('RET-06');
  const deployment = await TestDeployment.start(t);
  const { vault, memory } = await stage(deployment, 'review');
  await deployment.must('DELETE', `${vault}/memories/${memory}?mode=erase`);
  const fed = await deployment.must('POST', `${vault}/memories`, { body: { text: TEXT } });
  await deployment.must('PUT', `${vault}/retention`, { body: { memories: { days: 2 } } });
  const id = idOf(fed);
  const explained = (await deployment.must('GET', `${vault}/memories/${id}/retention`)).json;
  const endsAt = new Date(deployment.clock.now() + 2 * DAY_MS).toISOString();
  assert.deepEqual([explained['state'], explained['rule'], explained['endsAt']], ['review', 'vault', endsAt]);
  const tried = await deployment.must('POST', `${vault}/retention/simulate`, { body: {} });
  assert.deepEqual(tried.json['removes'], []);
  deployment.clock.advance(2 * DAY_MS);
  const waiting = await deployment.must('GET', `${vault}/memories?state=review`);
  assert.deepEqual(waiting.json['memories'], []);
  assert.equal((await deployment.call('POST', `${vault}/memories/${id}/approve`)).status, 404);
  await deployment.stop();
  await deployment.opened(({ scheduler }) => scheduler.run());
  await deployment.opened(async ({ store }) => {
    const rows = await store.read(SYSTEM, (db) => db.selectFrom('memories').select('id').execute());
    assert.deepEqual(rows, [], 'its twin has come of age as well');
  });
});

test('a vault that asks for no tombstones keeps none, and takes back what it is given', async (t) => {
  const deployment = await TestDeployment.start(t);
  const { vault, memory } = await stage(deployment, 'off');
  await deployment.must('DELETE', `${vault}/memories/${memory}?mode=erase`);
  await deployment.must('POST', `${vault}/memories`, { body: { text: TEXT } });
  await deployment.stop();
  await deployment.opened(async ({ store }) => {
    assert.deepEqual(await store.read(SYSTEM, (db) => db.selectFrom('tombstones').selectAll().execute()), []);
  });
});

test('on its day a set of tombstones dies with its key, and confirms nothing any more', async (t) => {
  const deployment = await TestDeployment.start(t);
  const { vault, memory } = await stage(deployment, 'refuse');
  await deployment.must('DELETE', `${vault}/memories/${memory}?mode=erase`);
  await deployment.stop();
  const sets = () =>
    deployment.opened(({ store }) =>
      store.read(SYSTEM, (db) => db.selectFrom('tombstone_sets').selectAll().execute()),
    );
  deployment.clock.advance(365 * DAY_MS);
  const [set] = await sets();
  assert.ok(set !== undefined);
  deployment.clock.advance(30 * DAY_MS);
  assert.deepEqual(await sets(), []);
  await deployment.opened(({ keyring }) => {
    assert.ok(keyring.isErased(set.slot as Parameters<typeof keyring.isErased>[0]));
    return Promise.resolve();
  });
  await deployment.serve();
  await deployment.must('POST', `${vault}/memories`, { body: { text: TEXT, vector: [1, 0.5] } });
});

test('a vault that turns its tombstones off later is not kept from what it asked for', async (t) => {
  const deployment = await TestDeployment.start(t);
  const { vault, memory } = await stage(deployment, 'refuse');
  await deployment.must('DELETE', `${vault}/memories/${memory}?mode=erase`);
  await deployment.must('PATCH', vault, { body: { tombstones: 'off' } });
  await deployment.must('POST', `${vault}/memories`, { body: { text: TEXT } });
});
