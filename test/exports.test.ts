/** Exports that are kept on the server, over HTTP and from the inside, on a deployment of its own. */
import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Export, ExportEvent, Memory } from '@strongroom/client';
import { verifies } from '../src/assurance/testing/verifies.ts';
import { decryptStream } from '../src/crypto/cobblestone.ts';
import { cobblestoneCipher } from '../src/crypto/file-cipher.ts';
import { DAY_MS, HOUR_MS } from '../src/durations.ts';
import { realEnvironment } from '../src/environment.ts';
import type { Slot } from '../src/keys/slot.ts';
import { decodeExport } from '../src/lifecycle/export-file.ts';
import { ExportPieces } from '../src/lifecycle/export-pieces.ts';
import { SYSTEM } from '../src/store/store.ts';
import type { Strongroom } from '../src/strongroom.ts';
import { idOf, TestDeployment, type Answer, type DeploymentOptions } from './deployment.ts';
import { checkInvariants } from './invariants.ts';
import { RestoredCopy, settingsFor } from './recovery.ts';

const VAULT = '/v1/vaults/default';
const MEMORIES = `${VAULT}/memories`;
const EXPORTS = `${VAULT}/exports`;

const linesIn = ({ text }: Pick<Answer, 'text'>): Memory[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Memory);

const textsIn = (answer: Answer): (string | undefined)[] => linesIn(answer).map(({ text }) => text);

const stateOf = async (deployment: TestDeployment, id: string): Promise<Export> =>
  (await deployment.must('GET', `/v1/exports/${id}`)).json as unknown as Export;

const read = (deployment: TestDeployment, id: string, query = ''): Promise<Answer> =>
  deployment.call('GET', `/v1/exports/${id}/memories${query}`);

const pieces = (deployment: TestDeployment): Promise<string[]> =>
  readdir(join(deployment.directory, 'blobs', 'exports')).catch(() => []);

const sweep = async (deployment: TestDeployment): Promise<void> => {
  await deployment.stop();
  await deployment.opened(({ scheduler }) => scheduler.run());
  await deployment.serve();
};

/** Two people's memories in two conversations, and an export of them. */
async function exported(t: TestContext, options: DeploymentOptions = {}) {
  const deployment = await TestDeployment.start(t, options);
  const add = async (body: object): Promise<string> =>
    idOf(await deployment.must('POST', MEMORIES, { body }));
  const ann = await add({ text: 'ann likes quinces', subject: 'ann', vector: [1, 0.5], kind: 'fact' });
  const bo = await add({ text: 'bo likes quinces', subject: 'bo', conversation: 'lunch' });
  const both = await add({ text: 'they like quinces', subject: 'bo', derivedFrom: [ann] });
  const id = idOf(await deployment.must('POST', EXPORTS, { body: {} }));
  return { deployment, add, ann, bo, both, id };
}

test('an export holds what its vault said at its moment, and nothing that is not to be shown any more', async (t) => {
  const { deployment, add, ann, bo, id } = await exported(t);
  const { json } = await deployment.must('GET', `/v1/exports/${id}`);
  const { state, memories, createdAt, expiresAt } = json as unknown as Export;
  assert.deepEqual([state, memories], ['ready', 3]);
  assert.equal(Date.parse(expiresAt) - Date.parse(createdAt), 7 * DAY_MS);
  const whole = linesIn(await read(deployment, id, '?include=vector'));
  const plain = linesIn(await deployment.must('GET', `${MEMORIES}/export?include=vector`));
  assert.deepEqual(whole, plain, 'as the plain export says it');
  await deployment.must('PATCH', `${MEMORIES}/${bo}`, { body: { text: 'bo likes pears', subject: 'ann' } });
  await add({ text: 'somebody likes pears' });
  const [, before] = linesIn(await read(deployment, id));
  assert.deepEqual(
    [before?.text, before?.subject, before?.conversation],
    ['bo likes quinces', 'bo', 'lunch'],
  );
  assert.equal(linesIn(await read(deployment, id)).length, 3);
  await deployment.must('DELETE', `${MEMORIES}/${bo}?mode=trash`);
  assert.ok(!textsIn(await read(deployment, id)).includes('bo likes quinces'), 'in the trash');
  await deployment.must('POST', `${MEMORIES}/${bo}/restore`);
  assert.equal(linesIn(await read(deployment, id)).length, 3);
  const expiresSoon = new Date(deployment.clock.now() + HOUR_MS).toISOString();
  await deployment.must('PATCH', `${MEMORIES}/${ann}`, { body: { expiresAt: expiresSoon } });
  deployment.clock.advance(2 * HOUR_MS);
  assert.ok(!textsIn(await read(deployment, id)).includes('ann likes quinces'), 'over by now');
});

test('an export that is asked for as events tells how far it has come, and what is wrong has a status of its own', async (t) => {
  const { deployment } = await exported(t);
  const asEvents = (body: object) =>
    deployment.call('POST', EXPORTS, { body, headers: { accept: 'application/jsonl' } });
  const { status, text } = await asEvents({ filter: { subject: 'bo' } });
  const events = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ExportEvent);
  assert.equal(status, 200);
  assert.deepEqual(events[0], { type: 'progress', memories: 2 });
  const last = events.at(-1);
  assert.ok(last?.type === 'export' && last.export.state === 'ready' && last.export.memories === 2);
  assert.deepEqual((await stateOf(deployment, last.export.id)).state, 'ready');
  assert.equal((await asEvents({ expiresInDays: 31 })).status, 400);
  assert.equal((await asEvents({ filter: { nothing: 1 } })).status, 400);
});

test('a filter says what is in an export, and a list names every export of the vault, newest first', async (t) => {
  const { deployment, id } = await exported(t);
  const body = { filter: { subject: 'ann' }, expiresInDays: 30 };
  const second = await deployment.must('POST', EXPORTS, { body });
  assert.deepEqual(textsIn(await read(deployment, idOf(second))), ['ann likes quinces']);
  const first = (await deployment.must('GET', `${EXPORTS}?limit=1`)).json;
  const rest = (await deployment.must('GET', `${EXPORTS}?limit=1&cursor=${String(first['next'])}`)).json;
  const named = [first, rest].flatMap((page) => (page['exports'] as Export[]).map((one) => one.id));
  assert.deepEqual([named, rest['next']], [[idOf(second), id], null]);
});

test('what does not fit is refused with what is wrong and where, and nothing is left of it', async (t) => {
  const { deployment } = await exported(t);
  const bodies = [
    [{ expiresInDays: 31 }, '/expiresInDays'],
    [{ expiresInDays: 0 }, '/expiresInDays'],
    [{ expiresInDays: 1.5 }, '/expiresInDays'],
    [{ filter: { subject: { near: 'ann' } } }, '/filter'],
    [{ format: 'csv' }, '/format'],
  ] as const;
  for (const [body, path] of bodies) {
    const { status, json } = await deployment.call('POST', EXPORTS, { body });
    assert.equal(status, 400, path);
    const [fault] = json['errors'] as { pointer?: string; path?: string }[];
    assert.ok(JSON.stringify(fault).includes(path), path);
  }
  assert.equal((await deployment.call('POST', '/v1/vaults/none/exports', { body: {} })).status, 404);
  for (const wrong of ['none', 'exp_00000000000000000000000000', 'mem_00000000000000000000000000'])
    for (const [method, end] of [
      ['GET', ''],
      ['GET', '/memories'],
      ['DELETE', ''],
    ] as const)
      assert.equal((await deployment.call(method, `/v1/exports/${wrong}${end}`)).status, 404, wrong);
  for (let count = 1; count < 10; count++) await deployment.must('POST', EXPORTS, { body: {} });
  const refused = await deployment.call('POST', EXPORTS, { body: {} });
  assert.deepEqual([refused.status, refused.json['code']], [409, 'conflict']);
  assert.match(String(refused.json['detail']), /at most 10 exports/);
  assert.equal((await pieces(deployment)).length, 10);
  const [one] = (await deployment.must('GET', EXPORTS)).json['exports'] as Export[];
  await deployment.must('DELETE', `/v1/exports/${one?.id}`);
  assert.equal((await deployment.must('POST', EXPORTS, { body: {} })).status, 201, 'there is room again');
});

test('an empty vault has an empty export', async (t) => {
  const deployment = await TestDeployment.start(t);
  const { json } = await deployment.must('POST', EXPORTS, { body: {} });
  assert.deepEqual([json['state'], json['memories'], json['sizeBytes']], ['ready', 0, 0]);
  const answer = await read(deployment, String(json['id']));
  assert.deepEqual([answer.status, linesIn(answer)], [200, []]);
  await sweep(deployment);
  assert.equal((await stateOf(deployment, String(json['id']))).state, 'ready');
});

test('an export ends on its day: it is read no more, its key is destroyed and its bytes go', async (t) => {
  const { deployment, id } = await exported(t);
  const slot = await slotOf(deployment, id);
  deployment.clock.advance(7 * DAY_MS);
  const late = await read(deployment, id);
  assert.deepEqual([late.status, late.json['code']], [409, 'conflict'], 'before anything was tidied up');
  assert.equal((await deployment.call('POST', EXPORTS, { body: {} })).status, 201);
  await sweep(deployment);
  const { state, endedAt } = await stateOf(deployment, id);
  assert.deepEqual([state, endedAt !== undefined, (await pieces(deployment)).length], ['expired', true, 1]);
  assert.equal((await read(deployment, id)).status, 409);
  assert.equal((await deployment.call('DELETE', `/v1/exports/${id}`)).status, 409);
  await expectDead(deployment, [slot]);
  const ended = await deployment.must('GET', '/v1/ledger?action=export.end');
  const [entry] = ended.json['entries'] as { target: string; principal: string }[];
  assert.deepEqual([entry?.target, entry?.principal], [id, 'system']);
  deployment.clock.advance(91 * DAY_MS);
  await sweep(deployment);
  assert.equal(
    (await deployment.call('GET', `/v1/exports/${id}`)).status,
    404,
    'forgotten; the ledger has it',
  );
});

test('an export is ended before its time, also where a hold keeps what it was made of, and that stays', async (t) => {
  const { deployment, ann, id } = await exported(t);
  const slot = await slotOf(deployment, id);
  const vault = String((await deployment.must('GET', VAULT)).json['id']);
  await deployment.must('POST', '/v1/holds', { body: { name: 'a case', target: { vault } } });
  assert.equal(linesIn(await read(deployment, id)).length, 3, 'what is held is shown as ever');
  assert.equal((await deployment.call('DELETE', `/v1/exports/${id}`)).status, 204);
  assert.deepEqual([(await stateOf(deployment, id)).state, await pieces(deployment)], ['withdrawn', []]);
  assert.equal((await deployment.call('DELETE', `/v1/exports/${id}`)).status, 409);
  assert.equal((await deployment.must('GET', `${MEMORIES}/${ann}`)).json['text'], 'ann likes quinces');
  await expectDead(deployment, [slot]);
});

test('what was erased opens from no export, however its bytes are come by, and its neighbours do', async (t) => {
  verifies('RET-03');
  const { deployment, add, ann, bo, both } = await exported(t);
  const cy = await add({ text: 'cy likes quinces', subject: 'cy' });
  const id = idOf(await deployment.must('POST', EXPORTS, { body: {} }));
  assert.equal(linesIn(await read(deployment, id)).length, 4);
  await deployment.must('PATCH', `${MEMORIES}/${bo}`, { body: { text: 'bo likes pears' } });
  await deployment.must('DELETE', `${MEMORIES}/${bo}?mode=erase`);
  assert.ok(!textsIn(await read(deployment, id)).includes('bo likes quinces'), 'an older version as well');
  const body = { target: { subject: 'ann' }, reason: 'asked for' };
  await deployment.must('POST', '/v1/erasures', { body });
  assert.deepEqual(textsIn(await read(deployment, id)), ['cy likes quinces']);
  await sweep(deployment);
  assert.deepEqual(textsIn(await read(deployment, id)), ['cy likes quinces'], 'its rows are gone as well');
  // Of those who know the export's own key and each box in it, nobody opens what was erased.
  await inExport(deployment, id, (open, versions) => {
    assert.deepEqual(
      versions.map(({ memory }) => memory),
      [ann, bo, both, cy],
    );
    for (const { memory, slot, scope } of versions) {
      const slots = [slot, ...(JSON.parse(scope) as [string, number][]).map(([, one]) => one)];
      const isDead = slots.some((one) => open.keyring.isErased(one as Slot));
      assert.equal(isDead, memory !== cy, memory);
    }
  });
  const again = idOf(await deployment.must('POST', EXPORTS, { body: {} }));
  assert.equal((await stateOf(deployment, again)).memories, 1);
  await deployment.must('DELETE', `${MEMORIES}/${cy}?mode=erase`);
  assert.deepEqual(linesIn(await read(deployment, id)), []);
});

test('an erasure between the reading of a vault and the end of an export leaves nothing readable in it', async (t) => {
  let erase: () => Promise<unknown> = () => Promise.resolve();
  let begun: Promise<unknown> = Promise.resolve();
  const fault = (name: string): void => {
    if (name === 'export.piece') begun = erase();
  };
  const { deployment, ann, id: other } = await exported(t, { fault });
  erase = () => deployment.must('DELETE', `${MEMORIES}/${ann}?mode=erase`);
  const id = idOf(await deployment.must('POST', EXPORTS, { body: {} }));
  erase = () => Promise.resolve();
  await begun;
  for (const one of [id, other])
    assert.deepEqual(
      textsIn(await read(deployment, one)),
      ['bo likes quinces'],
      'what was derived goes along',
    );
});

test('a vault takes its exports along: into the trash, back, and for good', async (t) => {
  const { deployment, id } = await exported(t);
  const slot = await slotOf(deployment, id);
  await deployment.stop();
  const kept = await deployment.opened(vaultOf);
  await deployment.serve();
  const vault = kept.id;
  await deployment.must('DELETE', VAULT);
  for (const path of [`/v1/exports/${id}`, `/v1/exports/${id}/memories`])
    assert.equal((await deployment.call('GET', path)).status, 404);
  await deployment.must('POST', `/v1/vaults/${vault}/restore`);
  assert.equal(linesIn(await read(deployment, id)).length, 3);
  await deployment.must('POST', '/v1/erasures', { body: { target: { vault }, reason: 'it is over' } });
  assert.equal((await read(deployment, id)).status, 404);
  await sweep(deployment);
  assert.deepEqual(await pieces(deployment), []);
  await deployment.stop();
  await deployment.opened(async (open) => {
    assert.deepEqual(await rowsIn(open), []);
    // The vault's key is in the export's as well.
    assert.throws(() => open.exportPieces.keyOf(kept, { id, slot }, 1), { code: 'erased' });
  });
});

test('whoever may make exports cannot read them by that, and each of it stands in the ledger', async (t) => {
  const { deployment, id } = await exported(t);
  const keyFor = async (...actions: string[]): Promise<string> => {
    const body = { name: actions.join(), scopes: [{ actions, vaults: ['default'] }] };
    return String((await deployment.must('POST', '/v1/keys', { body })).json['apiKey']);
  };
  const maker = await keyFor('export.create', 'export.list');
  const reader = await keyFor('export.read', 'export.get');
  const other = await keyFor('memory.*');
  assert.equal((await deployment.call('POST', EXPORTS, { key: maker, body: {} })).status, 201);
  for (const key of [maker, other])
    assert.equal((await deployment.call('GET', `/v1/exports/${id}/memories`, { key })).status, 403);
  for (const key of [reader, other])
    assert.equal((await deployment.call('POST', EXPORTS, { key, body: {} })).status, 403);
  const shown = await deployment.call('GET', `/v1/exports/${id}/memories`, { key: reader });
  assert.equal(linesIn(shown).length, 3);
  assert.equal((await deployment.call('DELETE', `/v1/exports/${id}`, { key: reader })).status, 403);
  const entries = (await deployment.must('GET', '/v1/ledger?limit=200')).json['entries'] as {
    action: string;
    target: string;
    outcome: string;
  }[];
  const about = entries.filter(({ target, outcome }) => target === id && outcome === 'done');
  assert.deepEqual(new Set(about.map(({ action }) => action)), new Set(['export.create', 'export.read']));
});

test('a repeated request makes no second export, and answers how the first one stands', async (t) => {
  const { deployment } = await exported(t);
  const headers = { 'idempotency-key': 'once' };
  const first = await deployment.must('POST', EXPORTS, { body: {}, headers });
  const second = await deployment.must('POST', EXPORTS, { body: {}, headers });
  assert.deepEqual([second.status, second.json], [201, first.json]);
  assert.equal(((await deployment.must('GET', EXPORTS)).json['exports'] as Export[]).length, 2);
  const other = await deployment.call('POST', EXPORTS, { body: { expiresInDays: 2 }, headers });
  assert.deepEqual([other.status, other.json['code']], [409, 'idempotency.conflict']);
});

test('an export that is broken off at any step has failed, and nothing of it is left but its row', async (t) => {
  for (const step of ['export.registered', 'export.piece', 'export.written', 'blob.rename']) {
    let isBroken = false;
    const fault = (name: string): void => {
      if (isBroken && name === step) throw new RangeError('broken off');
    };
    const { deployment, id: whole } = await exported(t, { fault });
    isBroken = true;
    const { status } = await deployment.call('POST', EXPORTS, { body: {} });
    isBroken = false;
    assert.ok(status >= 500, step);
    const [failed, before] = (await deployment.must('GET', EXPORTS)).json['exports'] as Export[];
    assert.deepEqual([failed?.state, before?.id, before?.state], ['failed', whole, 'ready'], step);
    assert.equal((await pieces(deployment)).length, 1, step);
    assert.equal((await read(deployment, String(failed?.id))).status, 409);
    await expectDead(deployment, [await slotOf(deployment, String(failed?.id))]);
    assert.equal((await deployment.must('POST', EXPORTS, { body: {} })).json['state'], 'ready');
    await deployment.stop();
    await deployment.opened(async (open) =>
      assert.deepEqual(await checkInvariants(open, deployment.directory), [], step),
    );
  }
});

test('an export opens for nobody whose bytes were changed, swapped or are gone, and holds nothing in the clear', async (t) => {
  verifies('CRY-02');
  const { deployment, ann, id } = await exported(t);
  const other = idOf(await deployment.must('POST', EXPORTS, { body: {} }));
  const path = (of: string): string => join(deployment.directory, 'blobs', 'exports', `${of}.000001`);
  const bytes = await readFile(path(id));
  for (const word of ['quinces', 'SREX', ann, 'subject']) assert.ok(!bytes.includes(word), word);
  for (const at of [0, 30, 60, bytes.length - 1]) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    await writeFile(path(id), changed);
    const answer = await read(deployment, id);
    assert.deepEqual([answer.status, answer.json['code']], [503, 'box.damaged'], `byte ${at}`);
  }
  await writeFile(path(id), bytes.subarray(0, -1));
  assert.equal((await read(deployment, id)).json['code'], 'box.damaged', 'cut short');
  await writeFile(path(id), await readFile(path(other)));
  assert.equal((await read(deployment, id)).json['code'], 'box.damaged', "another's");
  await rm(path(id));
  const gone = await read(deployment, id);
  assert.deepEqual([gone.status, gone.json['code']], [409, 'conflict']);
  assert.match(String(gone.json['detail']), /in no backup/);
  assert.equal(linesIn(await read(deployment, other)).length, 3);
  await sweep(deployment);
  assert.deepEqual(
    [(await stateOf(deployment, id)).state, (await stateOf(deployment, other)).state],
    ['lost', 'ready'],
  );
});

test('a certificate names no earlier day than that of the last export with what was erased', async (t) => {
  const { deployment, ann, bo } = await exported(t);
  const certified = async (memory: string): Promise<{ destroyedAt: number; until: number }> => {
    const body = { target: { memory }, reason: 'asked for' };
    const id = idOf(await deployment.must('POST', '/v1/erasures', { body }));
    const { json } = await deployment.must('GET', `/v1/erasures/${id}/certificate`);
    const { payload } = JSON.parse(String(json['certificate'])) as { payload: string };
    const { predicate } = JSON.parse(Buffer.from(payload, 'base64').toString()) as {
      predicate: { lastCiphertextUntil: string; erasure: { destroyedAt: string } };
    };
    return {
      destroyedAt: Date.parse(predicate.erasure.destroyedAt),
      until: Date.parse(predicate.lastCiphertextUntil),
    };
  };
  const first = await certified(ann);
  assert.equal(first.until - first.destroyedAt, 30 * DAY_MS, 'the backups outlast the export');
  await deployment.must('POST', EXPORTS, { body: { expiresInDays: 30 } });
  const second = await certified(bo);
  // Its pieces go within an hour of its end.
  assert.equal(second.until - second.destroyedAt, 30 * DAY_MS + HOUR_MS);
});

test('an erasure names the exports that are kept here and follow it, and whoever read one before', async (t) => {
  const { deployment, ann, id } = await exported(t);
  const before = idOf(await deployment.must('POST', EXPORTS, { body: {} }));
  await read(deployment, id);
  deployment.clock.advance(1000);
  const body = { target: { memory: ann }, reason: 'asked for' };
  const erasure = idOf(await deployment.must('POST', '/v1/erasures', { body }));
  deployment.clock.advance(1000);
  await deployment.must('POST', EXPORTS, { body: {} });
  const { json } = await deployment.must('GET', `/v1/erasures/${erasure}/recipients`);
  const vault = String((await deployment.must('GET', VAULT)).json['id']);
  const recipients = json['recipients'] as { how: string; vault: string }[];
  assert.deepEqual(
    recipients.map((one) => [one.how, one.vault]),
    [['kept', vault]],
  );
  assert.deepEqual(
    (json['exports'] as Export[]).map((one) => [one.id, one.state]),
    [
      [before, 'ready'],
      [id, 'ready'],
    ],
  );
});

test('pieces hold no more than they may, and an export that is larger than allowed is refused', async (t) => {
  const { deployment } = await exported(t);
  for (let count = 0; count < 5; count++)
    await deployment.must('POST', MEMORIES, { body: { text: `memory ${count}`, vector: [count + 1, 1] } });
  const { id, slot } = { id: 'exp_00000000000000000000000000', slot: 0 };
  await deployment.stop();
  await deployment.opened(async (open) => {
    const vault = await vaultOf(open);
    const [row] = await rowsIn(open);
    assert.ok(row !== undefined);
    const parts = {
      keys: { key: () => new Uint8Array(32) },
      cipher: cobblestoneCipher(realEnvironment.random),
      blobs: open.blobs,
      environment: realEnvironment,
    };
    const [whole] = await Array.fromAsync(open.exportPieces.read(vault, row));
    const versions = async function* () {
      await Promise.resolve();
      yield* whole ?? [];
    };
    const bounds = { versions: 2, bytes: 1_000_000, bytesInAll: 1_000_000 };
    const small = new ExportPieces(parts, bounds);
    const written = await small.write(vault, { id, slot }, versions());
    assert.deepEqual([written.pieces, written.records], [2, 3]);
    const again = await Array.fromAsync(small.read(vault, { id, slot, pieces: 2 }));
    assert.deepEqual(again.flat(), whole);
    // Each in the other's place.
    const [first, second] = [
      await open.blobs.get(`exports/${id}.000001`),
      await open.blobs.get(`exports/${id}.000002`),
    ];
    await open.blobs.put(`exports/${id}.000001`, second);
    await open.blobs.put(`exports/${id}.000002`, first);
    await assert.rejects(Array.fromAsync(small.read(vault, { id, slot, pieces: 2 })), {
      code: 'box.damaged',
    });
    await small.remove(new Set([id]));
    assert.deepEqual([...(await small.list())], [row.id]);
    const tight = new ExportPieces(parts, { ...bounds, bytesInAll: 100 });
    await assert.rejects(tight.write(vault, { id, slot }, versions()), { code: 'conflict' });
    const byBytes = new ExportPieces(parts, { ...bounds, versions: 500, bytes: 1 });
    assert.equal((await byBytes.write(vault, { id, slot }, versions())).pieces, 3);
  });
});

for (const engine of ['sqlite', 'postgres'] as const)
  test(`exports are in no backup: after a restore they are lost and say so, and their keys end (${engine})`, async (t) => {
    const settings = await settingsFor(t, engine);
    const target = await settingsFor(t, engine);
    if (settings === null || target === null) return;
    const { deployment, id } = await exported(t, { settings });
    const slot = await slotOf(deployment, id);
    const withdrawn = idOf(await deployment.must('POST', EXPORTS, { body: {} }));
    await deployment.must('POST', '/v1/backups', { body: { kind: 'full' } });
    await deployment.must('DELETE', `/v1/exports/${withdrawn}`);
    await deployment.stop();
    const copy = await RestoredCopy.beside(t, deployment, { settings: target, replicas: ['a', 'b'] });
    const laid = await copy.restore();
    assert.deepEqual([laid.differences, laid.skipped], [[], []]);
    const key = deployment.apiKey;
    const answered = (): Promise<[number, unknown]> =>
      copy.served(async (call) => {
        const { status, json } = await call('GET', `/v1/exports/${id}/memories`, { key });
        return [status, json['code']];
      });
    assert.deepEqual(await answered(), [409, 'conflict'], 'before the commit');
    await copy.commit();
    assert.deepEqual(await answered(), [409, 'conflict']);
    await copy.served(async (call) => {
      const { json } = await call('GET', EXPORTS, { key });
      const [only, ...more] = json['exports'] as Export[];
      assert.deepEqual(
        [only?.id, only?.state, more],
        [id, 'lost', []],
        'what was withdrawn did not come back',
      );
      const anew = await call('POST', EXPORTS, { key, body: {} });
      const shown = await call('GET', `/v1/exports/${idOf(anew)}/memories`, { key });
      assert.equal(linesIn(shown).length, 3);
    });
    await copy.opened(({ keyring }) => {
      assert.ok(keyring.isErased(slot));
      return Promise.resolve();
    });
  });

const rowsIn = ({ store }: Strongroom) =>
  store.read(SYSTEM, (db) => db.selectFrom('exports').selectAll().orderBy('id').execute());

async function vaultOf(open: Strongroom) {
  const [row] = await rowsIn(open);
  const vault = await open.vaults.find(row?.organization as never, 'default');
  assert.ok(vault !== null);
  return vault;
}

async function slotOf(deployment: TestDeployment, id: string): Promise<Slot> {
  await deployment.stop();
  const slot = await deployment.opened(
    async (open) => (await rowsIn(open)).find((row) => row.id === id)?.slot,
  );
  await deployment.serve();
  assert.ok(slot !== undefined);
  return slot as Slot;
}

async function expectDead(deployment: TestDeployment, slots: readonly Slot[]): Promise<void> {
  await deployment.stop();
  await deployment.opened(({ keyring }) => {
    for (const slot of slots) assert.ok(keyring.isErased(slot));
    return Promise.resolve();
  });
  await deployment.serve();
}

/** What lies in the pieces of an export, opened with its own key. */
async function inExport(
  deployment: TestDeployment,
  id: string,
  look: (open: Strongroom, versions: ReturnType<typeof decodeExport>) => void,
): Promise<void> {
  await deployment.stop();
  await deployment.opened(async (open) => {
    const vault = await vaultOf(open);
    const row = (await rowsIn(open)).find((one) => one.id === id);
    assert.ok(row !== undefined);
    const bytes = await readFile(join(deployment.directory, 'blobs', 'exports', `${id}.000001`));
    const opened = decryptStream(open.exportPieces.keyOf(vault, row, 1), [bytes]);
    look(open, decodeExport(Buffer.concat(await Array.fromAsync(opened))));
  });
  await deployment.serve();
}
