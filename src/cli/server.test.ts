import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Strongroom, type FetchAnswer, type Memory } from '@strongroom/client';
import type { Problem } from '@strongroom/client';
import {
  ERASURE_ID,
  EXPORT_ID,
  fakeServer,
  GOOD_KEY,
  KEY_ID,
  MEMORY_ID,
} from '../http/testing/fake-parts.ts';

/** The client over the server's routes and schemas, in one process. */
function clientOfServer() {
  const { app, fake } = fakeServer();
  const fetch = async (
    url: string,
    init: { method: string; headers: Record<string, string>; body?: string },
  ): Promise<FetchAnswer> => {
    const { method, headers, body } = init;
    const response = await app.inject({
      method: method as 'GET',
      url: url.slice('https://strongroom.test'.length),
      headers,
      ...(body === undefined ? {} : { payload: body }),
    });
    const bytes = Promise.resolve(new Uint8Array(response.rawPayload));
    return {
      status: response.statusCode,
      headers: {
        get: (name) => (response.headers[name] === undefined ? null : String(response.headers[name])),
      },
      text: () => Promise.resolve(response.body),
      body: (async function* () {
        yield await bytes;
      })(),
    };
  };
  const strongroom = new Strongroom({
    url: 'https://strongroom.test',
    apiKey: GOOD_KEY,
    fetch,
    purpose: 'Prüfung',
    retries: 0,
  });
  return { strongroom, fake };
}

test('the server takes every call of the client', async () => {
  const { strongroom, fake } = clientOfServer();
  const vault = strongroom.vault('default');
  const done: [string, () => Promise<unknown>][] = [
    [
      'createVault',
      () => strongroom.vaults.create({ name: 'notes', dimensions: 3, deletion: { mode: 'trash', days: 3 } }),
    ],
    ['listVaults', () => strongroom.vaults.list({ limit: 2 })],
    ['getVault', () => vault.settings()],
    ['updateVault', () => vault.configure({ history: true }, { ifVersion: 2 })],
    ['deleteVault', () => strongroom.vaults.delete('notes')],
    ['addMemory', () => vault.add({ text: 'a', vector: new Float32Array([1, 0.5]), metadata: { a: 1 } })],
    [
      'addMemories',
      () => vault.addMany(['a', { text: 'b', speaker: 'Ann', at: '2026-05-07T10:00:00.000Z' }]),
    ],
    [
      'addMemories',
      () => vault.addMessages([{ role: 'user', content: 'a', name: 'Ann' }], { conversation: 'c' }),
    ],
    ['getMemory', () => vault.get(MEMORY_ID, { include: 'vector' })],
    ['listMemories', () => vault.list({ limit: 3, state: 'trashed', include: 'vector' })],
    ['listMemories', () => vault.list({ filter: { speaker: 'Ann' }, limit: 3 })],
    ['updateMemory', () => vault.update(MEMORY_ID, { text: 'b', subject: null }, { ifVersion: 3 })],
    ['deleteMemory', () => vault.delete(MEMORY_ID, { mode: 'erase' })],
    ['restoreMemory', () => vault.restore(MEMORY_ID)],
    ['approveMemory', () => strongroom.memories.approve('notes', MEMORY_ID)],
    ['rejectMemory', () => strongroom.memories.reject('notes', MEMORY_ID)],
    ['restoreVault', () => strongroom.vaults.restore('notes')],
    [
      'requestErasure',
      () => strongroom.erasures.request({ target: { subject: 'ann' }, reason: 'asked for' }),
    ],
    ['requestErasure', () => strongroom.erasures.plan({ vault: 'notes', filter: { speaker: 'Ann' } })],
    ['listErasures', () => strongroom.erasures.list({ state: 'hidden' })],
    ['getErasure', () => strongroom.erasures.get(ERASURE_ID)],
    ['cancelErasure', () => strongroom.erasures.cancel(ERASURE_ID)],
    ['getCertificate', () => strongroom.erasures.certificate(ERASURE_ID)],
    ['createExport', () => strongroom.exports.create('default')],
    ['listExports', () => strongroom.exports.list('default')],
    ['getExport', () => strongroom.exports.get(EXPORT_ID)],
    ['readExport', () => Array.fromAsync(strongroom.exports.memories(EXPORT_ID))],
    ['deleteExport', () => strongroom.exports.remove(EXPORT_ID)],
    ['erasureRecipients', () => strongroom.erasures.recipients(ERASURE_ID)],
    ['certificateKey', () => strongroom.erasures.certificateKey()],
    ['memoryHistory', () => vault.history(MEMORY_ID)],
    ['exportMemories', () => Array.fromAsync(vault.export({ include: 'vector' }))],
    ['searchMemories', () => vault.search('what?')],
    ['searchMemories', () => vault.search({ query: 'what?', vector: [1, 2], limit: 3, mode: 'hybrid' })],
    [
      'createKey',
      () => strongroom.keys.create({ name: 'k', scopes: [{ actions: ['memory.*'], vaults: ['*'] }] }),
    ],
    ['explainEntry', () => strongroom.retention.explainEntry(7)],
    ['explainLog', () => strongroom.retention.explainLog({ at: '2026-05-07' })],
    ['listKeys', () => strongroom.keys.list()],
    ['rotateKey', () => strongroom.keys.rotate(KEY_ID)],
    ['revokeKey', () => strongroom.keys.revoke(KEY_ID)],
    [
      'listEntries',
      () => strongroom.ledger.list({ action: 'memory.add', after: '2026-01-01T00:00:00.000Z' }),
    ],
    ['checkpoint', () => strongroom.ledger.checkpoint()],
    ['proof', () => strongroom.ledger.proof(0, { size: 1 })],
    ['consistency', () => strongroom.ledger.consistency(1, { size: 1 })],
    ['exportLedger', () => Array.fromAsync(strongroom.ledger.export())],
    ['verifierKeys', () => strongroom.ledger.keys()],
    ['listRotations', () => strongroom.rotations.list()],
    ['runRotation', () => strongroom.rotations.run({ keys: ['ledger'], retired: 'destroy' })],
    ['verify', () => strongroom.verifications.run({ claims: ['CRY-01'] })],
  ];
  for (const [name, call] of done) {
    await call();
    assert.equal(fake.calls.at(-1)?.name, name);
    assert.equal(fake.calls.at(-1)?.context.purpose, 'Prüfung');
  }
  assert.equal(fake.calls.length, done.length);
  const parts = ['access', 'vaults', 'memories', 'ledger', 'rotations', 'verifications'] as const;
  const functions = parts
    .flatMap((part) => Object.keys(fake.parts[part]))
    .filter((name) => !name.startsWith('auth'));
  assert.deepEqual(
    functions.filter((name) => !done.some(([called]) => called === name)),
    [],
    'every function of the server is reached',
  );
});

test('what the server streams arrives as memories, and as lines of the ledger', async () => {
  const { strongroom } = clientOfServer();
  const memories: Memory[] = await Array.fromAsync(strongroom.vault('default').export());
  assert.deepEqual(
    memories.map((memory) => memory.id),
    [MEMORY_ID, MEMORY_ID, MEMORY_ID],
  );
  assert.deepEqual(await Array.fromAsync(strongroom.ledger.export()), ['{"n":0}', '{"n":1}']);
});

test('what the server refuses comes out with code, place and request id', async () => {
  const { strongroom, fake } = clientOfServer();
  await assert.rejects(
    strongroom.vault('default').addMany(['a', { text: 7 as unknown as string }]),
    (error: Problem & Record<string, unknown>) => {
      assert.equal(error.code, 'request.invalid');
      assert.deepEqual(
        (error['faults'] as { path: string }[]).map(({ path }) => path),
        ['/memories/1/text'],
      );
      assert.match(String(error['requestId']), /^req_/);
      return true;
    },
  );
  await assert.rejects(strongroom.vaults.get('absent'), { code: 'not_found' });
  await assert.rejects(strongroom.vaults.get('closed'), { code: 'access.refused' });
  fake.ledgerWorks = false;
  assert.equal((await strongroom.health()).status, 'failing');
});
