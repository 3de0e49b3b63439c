/** A search is answered from the index: what it shows must be what the rows would have shown. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Memory } from '@strongroom/client';
import { DAY_MS } from '../src/durations.ts';
import { VaultIndexes } from '../src/vaults/indexes.ts';
import { TestDeployment, type Answer } from './deployment.ts';

const BASE = '/v1/vaults/default/memories';
const SEARCH = '/v1/vaults/default/search';

const resultsOf = (answer: Answer): readonly (Memory & { score: number })[] =>
  answer.json['results'] as readonly (Memory & { score: number })[];

const INPUTS = [
  { text: 'harbour plain' },
  {
    text: 'harbour whole',
    metadata: { tags: ['a', { b: null }], n: 1.5 },
    subject: 'ann',
    conversation: 'chat-7',
  },
  { text: 'harbour timed', speaker: 'Ann', at: '2026-05-01T10:00:00.123Z', kind: 'fact' },
  { text: 'harbour ends', expiresAt: '2027-01-01T00:00:00.000Z', visibility: 'vault', metadata: {} },
];

test('what a search shows of a memory is what getting it shows, also after a change and a restart', async (t) => {
  const deployment = await TestDeployment.start(t);
  const ids: string[] = [];
  for (const input of INPUTS)
    ids.push(String((await deployment.must('POST', BASE, { body: input })).json['id']));
  const derived = { text: 'harbour derived', derivedFrom: ids.slice(0, 2) };
  ids.push(String((await deployment.must('POST', BASE, { body: derived })).json['id']));
  const changed = { text: 'harbour changed', metadata: { now: true } };
  await deployment.must('PATCH', `${BASE}/${ids[0]}`, { body: changed });
  for (const opening of ['open', 'from segments']) {
    const results = resultsOf(await deployment.must('POST', SEARCH, { body: { query: 'harbour' } }));
    assert.equal(results.length, ids.length, opening);
    for (const { score, ...shown } of results) {
      assert.ok(score > 0);
      assert.deepEqual(shown, (await deployment.must('GET', `${BASE}/${shown.id}`)).json, opening);
    }
    await deployment.stop();
    await deployment.serve();
  }
});

test('an answer with vectors and one without show the same but for the vectors', async (t) => {
  const deployment = await TestDeployment.start(t);
  const memories = INPUTS.map((input, at) => ({ ...input, vector: [at, 1] }));
  await deployment.must('POST', BASE, { body: { memories } });
  const ask = async (include?: 'vector') =>
    resultsOf(await deployment.must('POST', SEARCH, { body: { vector: [1, 1], include } }));
  const whole = await ask('vector');
  assert.ok(whole.every(({ vector }) => vector?.length === 2));
  assert.deepEqual(
    whole.map(({ vector: _vector, ...rest }) => rest),
    await ask(),
  );
});

/** Whatever `event` does happens after the index has answered and before the search has. */
async function whileLooking<T>(event: () => Promise<unknown>, search: () => Promise<T>): Promise<T> {
  const { ask } = VaultIndexes.prototype;
  VaultIndexes.prototype.ask = async function (vault, question) {
    const asked = await ask.call(this, vault, question);
    await event();
    return asked as Awaited<ReturnType<typeof ask<never>>>;
  };
  try {
    return await search();
  } finally {
    VaultIndexes.prototype.ask = ask;
  }
}

test('what ends, is deleted or falls under a new rule while the index looks is not shown, and its neighbour is', async (t) => {
  const deployment = await TestDeployment.start(t);
  const { clock } = deployment;
  const add = async (text: string, more: object = {}): Promise<string> =>
    String((await deployment.must('POST', BASE, { body: { text, ...more } })).json['id']);
  const texts = async (): Promise<(string | undefined)[]> =>
    resultsOf(await deployment.must('POST', SEARCH, { body: { query: 'harbour' } })).map(({ text }) => text);
  await add('harbour stays', { expiresAt: new Date(clock.now() + 1e12).toISOString() });
  const events: Record<string, (id: string) => Promise<unknown>> = {
    ends: async () => clock.advance(2000),
    'is deleted': (id) => deployment.must('DELETE', `${BASE}/${id}`),
    'falls under a rule': async () => {
      clock.advance(2 * DAY_MS);
      await deployment.must('PUT', '/v1/retention', { body: { kinds: [{ kind: 'note', days: 1 }] } });
    },
  };
  for (const [name, event] of Object.entries(events)) {
    const end = name === 'ends' ? { expiresAt: new Date(clock.now() + 1000).toISOString() } : {};
    const id = await add(`harbour ${name}`, { kind: 'note', ...end });
    assert.deepEqual(new Set(await texts()), new Set([`harbour ${name}`, 'harbour stays']), name);
    assert.deepEqual(await whileLooking(() => event(id), texts), ['harbour stays'], name);
  }
});
