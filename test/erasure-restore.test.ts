/**
 * Erasures and restores: whatever moment a restored copy shows, what was erased since stays gone before the first request is
 * served, its record, certificate and tombstones are there again, and so is every hold; and the twin of each is found.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verifies } from '../src/assurance/testing/verifies.ts';
import { DAY_MS } from '../src/durations.ts';
import type { Slot } from '../src/keys/slot.ts';
import { indexOf, LEAF_SLOTS, leafOf, slotOf } from '../src/keys/slot.ts';
import { verifyCertificate } from '../src/lifecycle/verify-certificate.ts';
import { readRows } from './boxes.ts';
import { idOf, TestDeployment, type Answer, type Call, type Json } from './deployment.ts';
import { checkInvariants } from './invariants.ts';
import { RestoredCopy } from './recovery.ts';

const TEXT = 'Ann takes her tea with lemon';
const TWIN = 'Bob takes his tea with milk';
const DERIVED = 'Somebody likes sour drinks';
const AGED = 'Ann once drank coffee with cardamom';
const AGED_TWIN = 'Bob once drank coffee with honey';

type Ask = (method: string, path: string, call?: Call) => Promise<Answer>;

const backup = async (deployment: TestDeployment, kind = 'full'): Promise<number> => {
  deployment.clock.advance(1000);
  await deployment.must('POST', '/v1/backups', { body: { kind } });
  const at = deployment.clock.now();
  deployment.clock.advance(1000);
  return at;
};

const vaultNamed = async (deployment: TestDeployment, name: string, more: object = {}): Promise<string> =>
  `/v1/vaults/${idOf(await deployment.must('POST', '/v1/vaults', { body: { name, ...more } }))}`;

const textsIn = (memories: unknown): unknown[] => (memories as Json[]).map(({ text }) => text);

/** Texts by every way in which a vault shows what it holds. */
async function shown(ask: Ask, vault: string): Promise<Record<string, unknown[]>> {
  const search = async (body: object): Promise<unknown[]> =>
    textsIn((await ask('POST', `${vault}/search`, { body })).json['results']);
  const list = async (state: string): Promise<unknown[]> =>
    textsIn((await ask('GET', `${vault}/memories?state=${state}`)).json['memories']);
  const exported = (await ask('GET', `${vault}/memories/export`)).text.split('\n');
  return {
    words: await search({ query: 'tea lemon milk sour', limit: 50 }),
    vectors: await search({ vector: [1, 0.5], limit: 50 }),
    list: await list('live'),
    trash: await list('trashed'),
    export: exported.filter((line) => line !== '').map((line) => (JSON.parse(line) as Json)['text']),
  };
}

function assertForgotten(ways: Record<string, unknown[]>): void {
  for (const [way, texts] of Object.entries(ways)) {
    for (const text of [TEXT, DERIVED]) assert.ok(!texts.includes(text), `${way} shows ${text}`);
    if (way !== 'trash') assert.ok(texts.includes(TWIN), `${way} lost the twin`);
  }
}

/** A copy with one replica of the keystore, made from the backups of a deployment that has stopped. */
async function restored(
  t: Parameters<typeof TestDeployment.start>[0],
  deployment: TestDeployment,
  work: (copy: RestoredCopy) => Promise<void>,
  at?: number,
): Promise<void> {
  const copy = await RestoredCopy.beside(t, deployment);
  const laid = await copy.restore(at === undefined ? {} : { at });
  assert.deepEqual(laid.differences, []);
  await work(copy);
}

const served = (copy: RestoredCopy, key: string, work: (ask: Ask) => Promise<void>): Promise<void> =>
  copy.served((call) => work((method, path, more = {}) => call(method, path, { key, ...more })));

for (const to of ['the newest moment', 'an earlier moment'] as const)
  test(`a person erased after the backup stays forgotten in a copy of ${to}, everywhere, fed again, after every job`, async (t) => {
    verifies('BCK-04');
    verifies('RET-01');
    verifies('RET-03');
    const deployment = await TestDeployment.start(t);
    const ask: Ask = (method, path, call) => deployment.call(method, path, call);
    const vault = await vaultNamed(deployment, 'with tombstones', { tombstones: 'refuse', history: true });
    await deployment.must('PUT', `${vault}/retention`, {
      body: { memories: { archiveAfterDays: 10, days: 400 } },
    });
    const add = async (body: object): Promise<string> =>
      idOf(await deployment.must('POST', `${vault}/memories`, { body }));
    const aged = await add({ text: AGED, subject: 'ann' });
    const agedTwin = await add({ text: AGED_TWIN, subject: 'bob' });
    deployment.clock.advance(11 * DAY_MS);
    await deployment.stop();
    await deployment.opened(({ lifecycle }) => lifecycle.run());
    await deployment.serve();
    const memory = await add({ text: 'Ann takes her tea', subject: 'ann', vector: [1, 0.4] });
    await deployment.must('PATCH', `${vault}/memories/${memory}`, { body: { text: TEXT, vector: [1, 0.5] } });
    const twin = await add({ text: TWIN, subject: 'bob', vector: [0.5, 1] });
    await add({ text: DERIVED, derivedFrom: [memory], vector: [1, 0.3] });
    const before = await shown(ask, vault);
    for (const way of ['words', 'vectors', 'list', 'export'])
      assert.ok(before[way]?.includes(TEXT) && before[way].includes(DERIVED), `${way}: it was there`);
    const moment = await backup(deployment);
    if (to === 'an earlier moment') {
      await add({ text: 'something later' });
      await backup(deployment, 'log');
    }

    const target = { subject: 'ann' };
    const plan = await deployment.must('POST', '/v1/erasures', { body: { target, dryRun: true } });
    assert.equal(plan.json['count'], 3, 'the aged one, the memory and what was derived from it');
    const asked = { target, reason: 'asked for', confirm: plan.json['confirm'] };
    const erasure = idOf(await deployment.must('POST', '/v1/erasures', { body: asked }));
    await deployment.stop();
    await deployment.opened(({ erasures }) => erasures.settled());

    const stays = async (now: Ask): Promise<void> => {
      assertForgotten(await shown(now, vault));
      for (const path of ['', '/history'])
        assert.equal((await now('GET', `${vault}/memories/${memory}${path}`)).status, 404);
      const archived = await now('GET', `${vault}/memories?state=archived`);
      const ids = (archived.json['memories'] as Json[]).map(({ id }) => id);
      assert.deepEqual(ids, [agedTwin], 'in the archive');
      assert.equal((await now('GET', `${vault}/memories/${aged}`)).status, 404);
      assert.equal((await now('GET', `${vault}/memories/${twin}`)).json['text'], TWIN);
    };
    const fedAgain = async (now: Ask): Promise<void> => {
      for (const text of [TEXT, DERIVED.toUpperCase()]) {
        const fed = await now('POST', `${vault}/memories`, { body: { text } });
        assert.deepEqual([fed.status, fed.json['code']], [409, 'erased.before'], text);
      }
    };
    const checkRecord = async (now: Ask): Promise<void> => {
      const { json } = await now('GET', `/v1/erasures/${erasure}`);
      assert.deepEqual([json['kind'], json['state'], json['removed']], ['subject', 'purged', 3]);
      const { certificate, verifierKey } = (await now('GET', `/v1/erasures/${erasure}/certificate`)).json;
      const checked = verifyCertificate(String(certificate), { key: String(verifierKey) });
      assert.deepEqual(checked.faults, []);
      assert.equal(checked.statement?.predicate.erasure.id, erasure);
      const ledger = (await now('GET', `/v1/ledger?target=${erasure}`)).text;
      assert.ok(ledger.includes('erasure.complete') && !ledger.includes('tea'), 'without what it said');
    };
    await deployment.serve();
    await stays(ask);
    await fedAgain(ask);
    await checkRecord(ask);
    await deployment.stop();
    await restored(
      t,
      deployment,
      async (copy) => {
        const { apiKey } = deployment;
        // Nothing is committed yet, and it is served already without them.
        await served(copy, apiKey, stays);
        await copy.commit();
        await copy.declareLost('keystore/b');
        await served(copy, apiKey, async (now) => {
          await stays(now);
          await fedAgain(now);
        });
        // Every job there is, and a restart.
        deployment.clock.advance(40 * DAY_MS);
        await copy.opened(async ({ lifecycle, erasures }) => {
          await lifecycle.run();
          await erasures.settled();
        });
        await served(copy, apiKey, async (now) => {
          assert.equal((await now('GET', `${vault}/memories/${aged}`)).status, 404);
          await fedAgain(now);
          await checkRecord(now);
        });
        await copy.opened(async (open) => {
          assert.deepEqual(await checkInvariants(open, copy.directory), []);
        });
      },
      to === 'an earlier moment' ? moment : undefined,
    );
  });

test('of the keys that were handed out after a backup, a restore spares those of tombstones and ends every other', async (t) => {
  const deployment = await TestDeployment.start(t);
  const vault = await vaultNamed(deployment, 'with tombstones', { tombstones: 'refuse' });
  const add = async (text: string): Promise<string> =>
    idOf(await deployment.must('POST', `${vault}/memories`, { body: { text } }));
  const gone = await add(TEXT);
  const twin = await add(TWIN);
  await backup(deployment);
  const late = await add('lost with the disk');
  await deployment.must('DELETE', `${vault}/memories/${gone}?mode=erase`);
  await add('lost as well');
  await deployment.stop();
  const rows = await deployment.opened(readRows);
  const [set] = rows.tombstone_sets;
  assert.ok(set !== undefined);
  const lost = rows.memory_versions.flatMap(({ memory, slot }) => (memory === twin ? [] : [slot as Slot]));
  assert.ok(rows.memory_versions.some(({ memory }) => memory === late));
  await restored(t, deployment, async (copy) => {
    await copy.commit();
    await copy.declareLost('keystore/b');
    await copy.opened(async ({ keyring }) => {
      assert.equal(keyring.isErased(set.slot as Slot), false);
      for (const slot of lost) assert.equal(keyring.isErased(slot), true, `slot ${slot}`);
      for (let index = indexOf(set.slot as Slot) + 1; index < LEAF_SLOTS; index += 97)
        assert.equal(keyring.isErased(slotOf(leafOf(set.slot as Slot), index)), true, `index ${index}`);
      await Promise.resolve();
    });
    await served(copy, deployment.apiKey, async (ask) => {
      assert.equal((await ask('POST', `${vault}/memories`, { body: { text: TEXT } })).status, 409);
      assert.equal((await ask('POST', `${vault}/memories`, { body: { text: 'new' } })).status, 201);
    });
    // Its day comes for a set that was put back as for any other.
    deployment.clock.advance(400 * DAY_MS);
    await copy.opened(async ({ lifecycle, keyring }) => {
      await lifecycle.run();
      assert.equal(keyring.isErased(set.slot as Slot), true);
    });
  });
});

test('a hold that was placed after the backup holds every deletion path, one that was released does not', async (t) => {
  verifies('RET-10');
  const deployment = await TestDeployment.start(t);
  const vault = await vaultNamed(deployment, 'held', { deletion: { mode: 'trash', days: 1 } });
  const names = { subject: 'ann', conversation: 'talk' };
  const add = async (body: object): Promise<string> =>
    idOf(await deployment.must('POST', `${vault}/memories`, { body }));
  const held = await add({ text: TEXT, ...names });
  const free = await add({ text: TWIN, subject: 'bob' });
  const place = async (name: string, target: object): Promise<string> =>
    idOf(await deployment.must('POST', '/v1/holds', { body: { name, target } }));
  const released = await place('over', { subject: 'bob' });
  await backup(deployment);
  await place('a lawsuit', { vault: vault.split('/').at(-1), memories: [held] });
  await deployment.must('DELETE', `/v1/holds/${released}`);
  const { organization } = (await deployment.must('GET', '/v1/ledger/checkpoint')).json;
  await deployment.stop();
  await restored(t, deployment, async (copy) => {
    await copy.commit();
    await copy.declareLost('keystore/b');
    await served(copy, deployment.apiKey, async (ask) => {
      const name = vault.split('/').at(-1);
      const targets = [
        { memory: held },
        { subject: 'ann' },
        { vault: name, conversation: 'talk' },
        { vault: name },
        ...(typeof organization === 'string' ? [{ organization }] : []),
      ];
      for (const target of targets) {
        const answer = await ask('POST', '/v1/erasures', { body: { target, reason: 'x' } });
        assert.deepEqual([answer.status, answer.json['code']], [409, 'held'], JSON.stringify(target));
      }
      for (const path of [`${vault}/memories/${held}?mode=erase`, vault])
        assert.equal((await ask('DELETE', path)).json['code'], 'held', path);
      const erasure = await ask('POST', '/v1/erasures', { body: { target: { memory: free }, reason: 'x' } });
      assert.equal(erasure.status, 202);
      assert.equal((await ask('GET', `${vault}/memories/${held}`)).json['text'], TEXT);
    });
  });
});

test('a closing that was asked for or taken back after the backup is so in the restored copy', async (t) => {
  verifies('RET-04');
  const deployment = await TestDeployment.start(t);
  const organization = await deployment
    .stop()
    .then(() => deployment.opened(async (open) => (await readRows(open)).organizations[0]?.id ?? ''));
  await deployment.serve();
  const id = idOf(await deployment.must('POST', '/v1/vaults/default/memories', { body: { text: TWIN } }));
  const close = async (): Promise<string> =>
    idOf(
      await deployment.must('POST', '/v1/erasures', {
        body: { target: { organization }, reason: 'moving away', graceDays: 3 },
      }),
    );
  const first = await close();
  await deployment.stop();
  await deployment.opened(({ backups }) => backups.create('full'));
  deployment.clock.advance(1000);
  await deployment.serve();
  await deployment.must('POST', `/v1/erasures/${first}/cancel`);
  await deployment.stop();
  const states = async (copy: RestoredCopy, days: number): Promise<string[]> => {
    deployment.clock.advance(days * DAY_MS);
    return copy.opened(async (open) => {
      await open.lifecycle.run();
      await open.erasures.settled();
      return (await readRows(open)).erasures.map(({ state }) => state);
    });
  };
  await restored(t, deployment, async (copy) => {
    await copy.commit();
    await copy.declareLost('keystore/b');
    assert.deepEqual(await states(copy, 5), ['cancelled'], 'it is not closed by a request taken back');
    await served(copy, deployment.apiKey, async (ask) => {
      assert.equal((await ask('GET', `/v1/vaults/default/memories/${id}`)).json['text'], TWIN);
    });
  });
  await deployment.serve();
  await close();
  await deployment.stop();
  await restored(t, deployment, async (copy) => {
    await copy.commit();
    await copy.declareLost('keystore/b');
    assert.deepEqual(await states(copy, 1), ['cancelled', 'requested']);
    assert.deepEqual(await states(copy, 3), ['cancelled', 'purged']);
    const left = await copy.opened(readRows);
    assert.deepEqual([left.memories.length, left.vaults.length, left.api_keys.length], [0, 0, 0]);
  });
  await deployment.opened(({ erasures }) => erasures.settled());
  await restored(t, deployment, async (copy) => {
    await copy.commit();
    await copy.declareLost('keystore/b');
    assert.deepEqual(
      await states(copy, 0),
      ['cancelled', 'purged'],
      'nothing is left to take the first back in',
    );
  });
});
