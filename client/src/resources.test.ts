import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Strongroom } from './strongroom.ts';
import { answer, recordedFetch, testEnvironment } from './testing/recorded-fetch.ts';

const ANSWER = { memories: [], vaults: [], keys: [], entries: [], versions: [], results: [], next: null };

function client(...bodies: unknown[]) {
  const replies = bodies.length === 0 ? [answer(200, ANSWER)] : bodies.map((body) => answer(200, body));
  const { fetch, asked } = recordedFetch(...replies);
  const strongroom = new Strongroom({ url: 'https://s.test', apiKey: 'k', fetch }, testEnvironment());
  const sent = () =>
    asked.map(({ method, url, body }) => [method, url.slice('https://s.test'.length), body].join(' ').trim());
  return { strongroom, asked, sent };
}

describe('each call asks for its resource', () => {
  it('vaults', async () => {
    const { strongroom, sent, asked } = client();
    await strongroom.vaults.create('notes');
    await strongroom.vaults.create({ name: 'notes', dimensions: 3 });
    await strongroom.vaults.list({ limit: 2, cursor: 'a b' });
    await strongroom.vaults.get('my notes');
    await strongroom.vaults.update('notes', { history: true }, { ifVersion: 3 });
    await strongroom.vaults.delete('notes');
    assert.deepEqual(sent(), [
      'POST /v1/vaults {"name":"notes"}',
      'POST /v1/vaults {"name":"notes","dimensions":3}',
      'GET /v1/vaults?limit=2&cursor=a%20b',
      'GET /v1/vaults/my%20notes',
      'PATCH /v1/vaults/notes {"history":true}',
      'DELETE /v1/vaults/notes',
    ]);
    assert.equal(asked[4]?.headers['if-match'], '"3"');
  });

  it('memories, through the handle of a vault', async () => {
    const { strongroom, sent } = client();
    const vault = strongroom.vault('v');
    await vault.add('a');
    await vault.add({ text: 'a', vector: new Float32Array([0.5, 1]) });
    await vault.addMany(['a', { vector: [1, 2] }]);
    await vault.addMessages([{ role: 'user', content: 'hi' }], { conversation: 'c' });
    await vault.get('mem_1', { include: 'vector' });
    await vault.list();
    await vault.list({ limit: 5, state: 'trashed' });
    await vault.list({ filter: { subject: 'ann' }, limit: 5 });
    await vault.update('mem_1', { text: 'b', vector: null });
    await vault.delete('mem_1');
    await vault.delete('mem_1', { mode: 'erase' });
    await vault.restore('mem_1');
    await vault.history('mem_1');
    await vault.search('q');
    await vault.search({ vector: new Float32Array([1, 0]), limit: 3 });
    await strongroom.search('v', 'q');
    await vault.settings();
    await vault.configure({ history: false });
    assert.deepEqual(sent(), [
      'POST /v1/vaults/v/memories {"text":"a"}',
      'POST /v1/vaults/v/memories {"text":"a","vector":"AAAAPwAAgD8="}',
      'POST /v1/vaults/v/memories {"memories":[{"text":"a"},{"vector":"AACAPwAAAEA="}]}',
      'POST /v1/vaults/v/memories {"conversation":"c","messages":[{"role":"user","content":"hi"}]}',
      'GET /v1/vaults/v/memories/mem_1?include=vector',
      'GET /v1/vaults/v/memories',
      'GET /v1/vaults/v/memories?limit=5&state=trashed',
      'POST /v1/vaults/v/memories/list {"filter":{"subject":"ann"},"limit":5}',
      'PATCH /v1/vaults/v/memories/mem_1 {"text":"b","vector":null}',
      'DELETE /v1/vaults/v/memories/mem_1',
      'DELETE /v1/vaults/v/memories/mem_1?mode=erase',
      'POST /v1/vaults/v/memories/mem_1/restore',
      'GET /v1/vaults/v/memories/mem_1/history',
      'POST /v1/vaults/v/search {"query":"q"}',
      'POST /v1/vaults/v/search {"vector":"AACAPwAAAAA=","limit":3}',
      'POST /v1/vaults/v/search {"query":"q"}',
      'GET /v1/vaults/v',
      'PATCH /v1/vaults/v {"history":false}',
    ]);
  });

  it('keys, the ledger and health', async () => {
    const { strongroom, sent } = client();
    await strongroom.keys.create('robot');
    await strongroom.keys.list();
    await strongroom.keys.rotate('key_1');
    await strongroom.keys.revoke('key_1');
    await strongroom.ledger.list({ action: 'memory.add', after: '2026-01-01T00:00:00Z' });
    await strongroom.ledger.checkpoint();
    await strongroom.ledger.proof(7);
    await strongroom.ledger.proof(7, { size: 9 });
    await strongroom.ledger.consistency(7);
    await strongroom.ledger.consistency(7, { size: 9 });
    await strongroom.health();
    assert.deepEqual(sent(), [
      'POST /v1/keys {"name":"robot"}',
      'GET /v1/keys',
      'POST /v1/keys/key_1/rotate',
      'DELETE /v1/keys/key_1',
      'GET /v1/ledger?action=memory.add&after=2026-01-01T00%3A00%3A00Z',
      'GET /v1/ledger/checkpoint',
      'GET /v1/ledger/entries/7/proof',
      'GET /v1/ledger/entries/7/proof?size=9',
      'GET /v1/ledger/consistency?from=7',
      'GET /v1/ledger/consistency?from=7&size=9',
      'GET /readyz',
    ]);
  });

  it('retention, holds and the archive', async () => {
    const { strongroom, sent } = client({ ...ANSWER, holds: [], requests: [] });
    await strongroom.retention.get();
    await strongroom.retention.get('my notes');
    await strongroom.retention.set({ memories: { days: 3 } }, 'notes', { ifVersion: 1 });
    await strongroom.retention.simulate({ memories: { days: 3 } });
    await strongroom.retention.explain('notes', 'mem_1');
    await strongroom.holds.place({ name: 'case', target: { subject: 'ann' } });
    await strongroom.holds.list({ limit: 2 });
    await strongroom.holds.get('hld_1');
    await strongroom.holds.memories('hld_1');
    await strongroom.holds.release('hld_1');
    await strongroom.archive.request({ vault: 'notes', memories: ['mem_1'], reason: 'audit' });
    await strongroom.archive.list();
    await strongroom.archive.get('arq_1');
    await strongroom.archive.approve('arq_1');
    await strongroom.archive.memories('arq_1');
    await strongroom.archive.refuse('arq_1');
    assert.deepEqual(sent(), [
      'GET /v1/retention',
      'GET /v1/vaults/my%20notes/retention',
      'PUT /v1/vaults/notes/retention {"memories":{"days":3}}',
      'POST /v1/retention/simulate {"memories":{"days":3}}',
      'GET /v1/vaults/notes/memories/mem_1/retention',
      'POST /v1/holds {"name":"case","target":{"subject":"ann"}}',
      'GET /v1/holds?limit=2',
      'GET /v1/holds/hld_1',
      'GET /v1/holds/hld_1/memories',
      'DELETE /v1/holds/hld_1',
      'POST /v1/archive/requests {"vault":"notes","memories":["mem_1"],"reason":"audit"}',
      'GET /v1/archive/requests',
      'GET /v1/archive/requests/arq_1',
      'POST /v1/archive/requests/arq_1/approve',
      'GET /v1/archive/requests/arq_1/memories',
      'DELETE /v1/archive/requests/arq_1',
    ]);
  });

  it('a body is announced as JSON, and its absence is not', async () => {
    const { strongroom, asked } = client();
    await strongroom.keys.create('robot');
    await strongroom.keys.rotate('key_1');
    assert.deepEqual(
      asked.map((request) => request.headers['content-type']),
      ['application/json', undefined],
    );
  });
});

describe('lists', () => {
  it('all pages are read to the end, with the query of the first', async () => {
    const pages = [
      { memories: [{ id: 'mem_3' }, { id: 'mem_2' }], next: 'c1' },
      { memories: [], next: 'c2' },
      { memories: [{ id: 'mem_1' }], next: null },
    ];
    const { strongroom, sent } = client(...pages);
    const memories = await Array.fromAsync(
      strongroom.vault('v').listAll({ limit: 2, filter: { kind: 'fact' } }),
    );
    assert.deepEqual(
      memories.map((memory) => memory.id),
      ['mem_3', 'mem_2', 'mem_1'],
    );
    assert.deepEqual(sent(), [
      'POST /v1/vaults/v/memories/list {"limit":2,"filter":{"kind":"fact"}}',
      'POST /v1/vaults/v/memories/list {"limit":2,"filter":{"kind":"fact"},"cursor":"c1"}',
      'POST /v1/vaults/v/memories/list {"limit":2,"filter":{"kind":"fact"},"cursor":"c2"}',
    ]);
  });

  it('a reader who stops early asks for no further page', async () => {
    const { strongroom, asked } = client({ entries: [{ n: 1 }, { n: 0 }], next: 'more' });
    for await (const entry of strongroom.ledger.listAll()) if (entry.n === 1) break;
    assert.equal(asked.length, 1);
  });

  it('vaults, keys and ledger entries are listed to the end as well', async () => {
    const { strongroom, sent } = client(
      { vaults: [{ name: 'a' }], next: 'c' },
      { vaults: [{ name: 'b' }], next: null },
      { keys: [{ id: 'key_1' }], next: 'c' },
      { keys: [{ id: 'key_2' }], next: null },
      { entries: [{ n: 1 }], next: 'c' },
      { entries: [{ n: 0 }], next: null },
    );
    assert.equal((await Array.fromAsync(strongroom.vaults.listAll())).length, 2);
    assert.equal((await Array.fromAsync(strongroom.keys.listAll())).length, 2);
    assert.equal((await Array.fromAsync(strongroom.ledger.listAll({ action: 'x' }))).length, 2);
    assert.deepEqual(sent().slice(-1), ['GET /v1/ledger?action=x&cursor=c']);
  });
});
