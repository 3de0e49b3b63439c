/** A vault in the trash: ended before its days are over, and explained, by whoever may. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RetentionExplanation } from '@strongroom/client';
import { verifies } from '../src/assurance/testing/verifies.ts';
import { DAY_MS } from '../src/durations.ts';
import { SYSTEM } from '../src/store/store.ts';
import { idOf, TestDeployment, type Answer, type Json } from './deployment.ts';

interface Thrown {
  readonly vault: string;
  readonly memory: string;
}

/** A vault with a memory, which lies in the trash. */
async function thrown(deployment: TestDeployment, name: string, body: object = {}): Promise<Thrown> {
  const vault = idOf(
    await deployment.must('POST', '/v1/vaults', { body: { name, deletion: { days: 7 }, ...body } }),
  );
  const memory = idOf(
    await deployment.must('POST', `/v1/vaults/${vault}/memories`, { body: { text: 'kept tea' } }),
  );
  await deployment.must('DELETE', `/v1/vaults/${vault}`);
  return { vault, memory };
}

const erase = (deployment: TestDeployment, vault: string, more: object = {}): Promise<Answer> =>
  deployment.call('POST', '/v1/erasures', { body: { target: { vault }, reason: 'asked for', ...more } });

const plan = (deployment: TestDeployment, vault: string): Promise<Answer> =>
  deployment.must('POST', '/v1/erasures', { body: { target: { vault }, dryRun: true } });

async function settled(deployment: TestDeployment, id: string): Promise<Json> {
  for (let round = 0; round < 500; round++) {
    const { json } = await deployment.must('GET', `/v1/erasures/${id}`);
    if (json['state'] === 'purged') return json;
  }
  return assert.fail('the erasure does not come to its end');
}

const pathsOf = ({ json }: Answer): unknown[] => ((json['errors'] ?? []) as Json[]).map(({ path }) => path);

test('a vault in the trash is erased at once when that is asked for, with a certificate, and nothing brings it back', async (t) => {
  verifies('RET-01');
  const deployment = await TestDeployment.start(t);
  const { vault } = await thrown(deployment, 'thrown');
  const twin = await thrown(deployment, 'twin');
  assert.deepEqual((await plan(deployment, vault)).json['count'], 1);
  const asked = await erase(deployment, vault);
  assert.deepEqual([asked.status, asked.json['kind'], asked.json['cause']], [202, 'vault', 'request']);
  assert.equal((await deployment.call('POST', `/v1/vaults/${vault}/restore`)).status, 404);
  assert.equal((await erase(deployment, vault)).status, 404, 'once');
  assert.equal((await settled(deployment, idOf(asked)))['removed'], 1);
  await deployment.must('GET', `/v1/erasures/${idOf(asked)}/certificate`);
  await deployment.must('POST', `/v1/vaults/${twin.vault}/restore`);
  await deployment.must('GET', `/v1/vaults/${twin.vault}/memories/${twin.memory}`);
  await deployment.stop();
  await deployment.opened(async ({ store }) => {
    const rows = await store.read(SYSTEM, (db) =>
      db.selectFrom('vaults').select('id').where('id', '=', vault).execute(),
    );
    assert.deepEqual(rows, []);
  });
});

test('the name of a vault in the trash erases it after a dry run of that very vault, and not by asking twice', async (t) => {
  const deployment = await TestDeployment.start(t);
  const first = await thrown(deployment, 'notes');
  await deployment.must('POST', '/v1/vaults', { body: { name: 'notes' } });
  const ofLive = (await plan(deployment, 'notes')).json;
  assert.equal(ofLive['count'], 0, 'the one that lives has the name');
  await deployment.must('POST', '/v1/vaults/notes/memories', { body: { text: 'one as well' } });
  const sameCount = (await plan(deployment, 'notes')).json['confirm'];
  assert.equal((await erase(deployment, 'notes')).status, 202);
  const again = await erase(deployment, 'notes');
  assert.deepEqual([again.status, pathsOf(again)], [400, ['/confirm']], 'the one below is not hit');
  const stale = await erase(deployment, 'notes', { confirm: sameCount });
  assert.deepEqual([stale.status, stale.json['code']], [409, 'conflict']);
  await deployment.must('POST', `/v1/vaults/${first.vault}/restore`);
  await deployment.must('GET', `/v1/vaults/notes/memories/${first.memory}`);
  await deployment.must('DELETE', '/v1/vaults/notes');
  const { confirm } = (await plan(deployment, 'notes')).json;
  const asked = await erase(deployment, 'notes', { confirm });
  assert.deepEqual([asked.status, asked.json['target']], [202, first.vault]);
});

test('a vault in the trash is erased by nobody who may not, and not while anything in it is held', async (t) => {
  verifies('RET-06');
  const deployment = await TestDeployment.start(t);
  const vault = idOf(await deployment.must('POST', '/v1/vaults', { body: { name: 'thrown' } }));
  const memories = `/v1/vaults/${vault}/memories`;
  const memory = idOf(
    await deployment.must('POST', memories, { body: { text: 'kept tea', subject: 'ann' } }),
  );
  const keyWith = async (scopes: object[]): Promise<string> =>
    String((await deployment.must('POST', '/v1/keys', { body: { name: 'k', scopes } })).json['apiKey']);
  const elsewhere = await keyWith([{ actions: ['*'], vaults: ['default'] }]);
  const reader = await keyWith([{ actions: ['memory.*'], vaults: [vault] }]);
  const eraser = await keyWith([{ actions: ['erasure.request'], vaults: [vault] }]);
  await deployment.must('DELETE', `/v1/vaults/${vault}`);
  const asked = { target: { vault }, reason: 'x' };
  const askedBy = (key: string): Promise<Answer> =>
    deployment.call('POST', '/v1/erasures', { body: asked, key });
  assert.equal((await askedBy(elsewhere)).status, 404);
  assert.equal((await askedBy(reader)).status, 403);
  for (const target of [{ organization: true }, { subject: 'ann' }]) {
    const hold = idOf(await deployment.must('POST', '/v1/holds', { body: { name: 'case', target } }));
    assert.deepEqual((await plan(deployment, vault)).json['keptBy'], [hold]);
    const refused = await askedBy(eraser);
    assert.deepEqual([refused.status, refused.json['code']], [409, 'held']);
    await deployment.must('DELETE', `/v1/holds/${hold}`);
  }
  await deployment.must('POST', `/v1/vaults/${vault}/restore`);
  await deployment.must('GET', `${memories}/${memory}`);
  await deployment.must('DELETE', `/v1/vaults/${vault}`);
  assert.equal((await askedBy(eraser)).status, 202);
});

test('a memory in a vault in the trash says that its vault ends it and when, or what keeps the vault', async (t) => {
  const deployment = await TestDeployment.start(t);
  const thrownAt = deployment.clock.now();
  const { vault, memory } = await thrown(deployment, 'thrown');
  const explained = async (key = deployment.apiKey): Promise<RetentionExplanation> =>
    (await deployment.must('GET', `/v1/vaults/${vault}/memories/${memory}/retention`, { key }))
      .json as unknown as RetentionExplanation;
  const at = new Date(thrownAt).toISOString();
  const endsAt = new Date(thrownAt + 7 * DAY_MS).toISOString();
  const byTrash = await explained();
  assert.deepEqual([byTrash.rule, byTrash.endsAt, byTrash.hiddenAt], ['erasure', endsAt, at]);
  assert.deepEqual(byTrash.trash, [{ of: 'vault', at, endsAt, keptBy: [] }]);
  const body = { name: 'narrow', scopes: [{ actions: ['retention.explain'], vaults: ['default'] }] };
  const elsewhere = String((await deployment.must('POST', '/v1/keys', { body })).json['apiKey']);
  const path = `/v1/vaults/${vault}/memories/${memory}/retention`;
  assert.equal((await deployment.call('GET', path, { key: elsewhere })).status, 404);
  for (const other of [`/v1/vaults/${vault}/memories/${memory}`, `/v1/vaults/${vault}/retention`])
    assert.equal((await deployment.call('GET', other)).status, 404, 'nothing else is said of it');
  const hold = idOf(
    await deployment.must('POST', '/v1/holds', { body: { name: 'all', target: { organization: true } } }),
  );
  const held = await explained();
  assert.deepEqual([held.rule, held.endsAt], ['hold', null]);
  assert.deepEqual(held.trash, [{ of: 'vault', at, endsAt: null, keptBy: [hold] }]);
  await deployment.must('DELETE', `/v1/holds/${hold}`);
  deployment.clock.advance(7 * DAY_MS);
  await deployment.stop();
  await deployment.serve();
  assert.equal((await deployment.call('GET', path)).status, 404, 'and that is when it ends');
});

test('what was thrown away before its vault was ends with whichever is over first', async (t) => {
  const deployment = await TestDeployment.start(t);
  const vault = idOf(
    await deployment.must('POST', '/v1/vaults', { body: { name: 'thrown', deletion: { days: 7 } } }),
  );
  const memories = `/v1/vaults/${vault}/memories`;
  const memory = idOf(await deployment.must('POST', memories, { body: { text: 'kept tea' } }));
  const start = deployment.clock.now();
  await deployment.must('DELETE', `${memories}/${memory}`);
  deployment.clock.advance(2 * DAY_MS);
  await deployment.must('DELETE', `/v1/vaults/${vault}`);
  const { json } = await deployment.must('GET', `${memories}/${memory}/retention`);
  assert.deepEqual(
    [json['state'], json['rule'], json['endsAt'], json['hiddenAt']],
    ['trashed', 'erasure', new Date(start + 7 * DAY_MS).toISOString(), new Date(start).toISOString()],
  );
  assert.deepEqual(
    (json['trash'] as Json[]).map(({ of }) => of),
    ['memory', 'vault'],
  );
});

test('what lies in a vault in the trash can be held: it outlives its days, is shown, and ends after the release', async (t) => {
  verifies('RET-06');
  const deployment = await TestDeployment.start(t);
  const { vault, memory } = await thrown(deployment, 'thrown');
  const place = async (target: object): Promise<string> =>
    idOf(await deployment.must('POST', '/v1/holds', { body: { name: 'case', target } }));
  const holds = [await place({ vault }), await place({ vault, memories: [memory] })];
  for (const hold of holds) {
    const { json } = await deployment.must('GET', `/v1/holds/${hold}/memories`);
    assert.deepEqual(
      (json['memories'] as Json[]).map(({ id, text }) => [id, text]),
      [[memory, 'kept tea']],
    );
  }
  deployment.clock.advance(30 * DAY_MS);
  await deployment.stop();
  await deployment.serve();
  assert.equal((await erase(deployment, vault)).json['code'], 'held');
  for (const hold of holds) await deployment.must('DELETE', `/v1/holds/${hold}`);
  await deployment.stop();
  await deployment.serve();
  assert.equal((await deployment.call('POST', `/v1/vaults/${vault}/restore`)).status, 404);
  const late = await deployment.call('POST', '/v1/holds', { body: { name: 'late', target: { vault } } });
  assert.equal(late.status, 404);
});

test('a person who is erased while a vault lies in the trash does not come back into it either', async (t) => {
  const deployment = await TestDeployment.start(t);
  const vault = idOf(
    await deployment.must('POST', '/v1/vaults', { body: { name: 'strict', tombstones: 'refuse' } }),
  );
  const memories = `/v1/vaults/${vault}/memories`;
  const body = { text: 'ann likes tea', subject: 'ann' };
  await deployment.must('POST', memories, { body });
  const twin = { text: 'bob likes tea', subject: 'bob' };
  await deployment.must('POST', memories, { body: twin });
  await deployment.must('DELETE', `/v1/vaults/${vault}`);
  await deployment.must('POST', '/v1/erasures', { body: { target: { subject: 'ann' }, reason: 'x' } });
  await deployment.must('POST', `/v1/vaults/${vault}/restore`);
  const { json } = await deployment.must('GET', memories);
  assert.deepEqual(
    (json['memories'] as Json[]).map(({ subject }) => subject),
    ['bob'],
  );
  assert.equal((await deployment.call('POST', memories, { body })).json['code'], 'erased.before');
  await deployment.must('POST', memories, { body: twin });
});

test('the trash lists its vaults with the day of their end, to whoever may see them, and no live one', async (t) => {
  const deployment = await TestDeployment.start(t);
  const at = deployment.clock.now();
  const first = await thrown(deployment, 'thrown');
  const second = await thrown(deployment, 'thrown');
  const listed = async (query: string, key = deployment.apiKey): Promise<Json> =>
    (await deployment.must('GET', `/v1/vaults${query}`, { key })).json;
  const idsIn = ({ vaults }: Json): unknown[] => (vaults as Json[]).map(({ id }) => id);
  const trash = await listed('?state=trashed');
  assert.deepEqual(idsIn(trash), [second.vault, first.vault]);
  const [newest] = trash['vaults'] as Json[];
  assert.deepEqual(
    [newest?.['name'], newest?.['trashedAt'], newest?.['endsAt']],
    ['thrown', new Date(at).toISOString(), new Date(at + 7 * DAY_MS).toISOString()],
  );
  const page = await listed('?state=trashed&limit=1');
  assert.deepEqual(idsIn(await listed(`?state=trashed&limit=1&cursor=${String(page['next'])}`)), [
    first.vault,
  ]);
  const mixed = await deployment.call('GET', `/v1/vaults?cursor=${String(page['next'])}`);
  assert.equal(mixed.json['code'], 'cursor.invalid', 'a cursor of the trash is none of the others');
  const body = { name: 'narrow', scopes: [{ actions: ['vault.*'], vaults: ['default'] }] };
  const key = String((await deployment.must('POST', '/v1/keys', { body })).json['apiKey']);
  assert.deepEqual(idsIn(await listed('?state=trashed', key)), []);
  const restored = await deployment.must('POST', `/v1/vaults/${first.vault}/restore`);
  assert.equal(restored.json['trashedAt'], undefined);
  assert.deepEqual(idsIn(await listed('?state=trashed')), [second.vault]);
  const live = (await listed(''))['vaults'] as Json[];
  assert.deepEqual(live.find(({ id }) => id === first.vault)?.['endsAt'], undefined);
  assert.ok(!idsIn(await listed('')).includes(second.vault));
  assert.equal((await deployment.call('GET', '/v1/vaults?state=erased')).status, 400);
});
