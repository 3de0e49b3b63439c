import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeBase64, encodeHex } from '../bytes/encoding.ts';
import { slotOf } from '../keys/slot.ts';
import { SYSTEM } from '../store/store.ts';
import { forEachEngine, onPostgres } from '../store/testing/engines.ts';
import { openCheckpoint } from './checkpoint.ts';
import { DEPLOYMENT_LOG, encodeLeaf, parseLeaf, type LedgerEntry, type LogId } from './entry.ts';
import type { Ledger } from './ledger.ts';
import { verifyConsistencyProof } from './consistency-proof.ts';
import { verifyConsistency, verifyInclusion } from './merkle.ts';
import { encodeVkey, parseVkey } from './note.ts';
import { verifyProof } from './proof.ts';
import { createLedgerWorld, PRINCIPAL_SLOT, type LedgerWorld } from './testing/ledger-world.ts';
import { verifyStore } from './verify-store.ts';
import { verifies } from '../assurance/testing/verifies.ts';

forEachEngine('entries of many jobs at once make logs without a gap, each entry once', async (t, engine) => {
  const world = await createLedgerWorld(t, engine);
  const { store, ledger, newId, draft } = world;
  const organizations = [world.organization, newId('organization'), newId('organization')];
  const requests = new Map<string, LogId>();
  const jobs = Array.from({ length: 330 }, (_, at) => {
    const organization = organizations[at % 3]!;
    const entry = draft();
    requests.set(entry.request, organization);
    return store.write(organization, (tx) => {
      ledger.append(tx, entry);
      return Promise.resolve();
    });
  });
  await Promise.all(jobs);
  for (const log of organizations) {
    const entries = await allEntries(ledger, log);
    assert.deepEqual(
      entries.map(({ n }) => n),
      Array.from({ length: 110 }, (_, n) => n),
    );
    for (const { request } of entries) {
      assert.equal(requests.get(request), log);
      requests.delete(request);
    }
    assert.equal((await ledger.head(log)).size, 110);
  }
  assert.equal(requests.size, 0);
  assert.deepEqual((await verify(world)).faults, []);
});

onPostgres('two processes that append to the same logs make no gap and no fork', async (t, engine) => {
  const world = await createLedgerWorld(t, engine);
  const second = world.ledgerOn(await engine.open());
  const other = await engine.open();
  const appendTo = (ledger: Ledger, store: LedgerWorld['store']): Promise<void> =>
    store.write(world.organization, (tx) => {
      ledger.append(tx, world.draft());
      return Promise.resolve();
    });
  await Promise.all(
    Array.from({ length: 300 }, (_, at) =>
      at % 2 === 0 ? appendTo(world.ledger, world.store) : appendTo(second, other),
    ),
  );
  assert.equal((await world.ledger.head(world.organization)).size, 300);
  assert.deepEqual((await verify(world)).faults, []);
});

forEachEngine('an action that fails leaves no entry, and its neighbours keep theirs', async (t, engine) => {
  const { store, ledger, organization, draft } = await createLedgerWorld(t, engine);
  const job = (fails: boolean): Promise<void> =>
    store.write(organization, (tx) => {
      ledger.append(tx, draft());
      return fails ? Promise.reject(new Error('no')) : Promise.resolve();
    });
  const outcomes = await Promise.allSettled([job(false), job(true), job(false), job(true)]);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'rejected'],
  );
  assert.equal((await ledger.head(organization)).size, 2);
  assert.ok(ledger.health.ok, 'a job that failed by itself is no fault of the ledger');
});

forEachEngine('an action whose entry cannot be kept does not happen, whatever fails', async (t, engine) => {
  const world = await createLedgerWorld(t, engine);
  const { store, ledger, draft, failAt } = world;
  const act = (name: string): Promise<void> =>
    store.write(SYSTEM, async (tx) => {
      await tx.sql
        .insertInto('meta')
        .values({ name, value: new Uint8Array(1), change: tx.change })
        .execute();
      ledger.append(tx, draft());
    });
  const points = ['ledger.lock', 'ledger.entries', 'ledger.heads'];
  for (const point of points) {
    await act(`before ${point}`);
    failAt(point);
    await assert.rejects(act(`meanwhile ${point}`), { code: 'ledger.unavailable' });
    assert.ok(!ledger.health.ok);
    await assert.rejects(ledger.recover(), { code: 'ledger.unavailable' });
    failAt(null);
    await ledger.recover();
    assert.ok(ledger.health.ok);
  }
  const metas = await store.read(SYSTEM, (db) => db.selectFrom('meta').select('name').execute());
  const names = metas.map(({ name }) => name).filter((name) => name.includes('ledger.'));
  assert.deepEqual(names.toSorted(), points.map((point) => `before ${point}`).toSorted());
  const actions = (await allEntries(ledger, DEPLOYMENT_LOG)).map(({ action }) => action);
  assert.deepEqual(
    actions,
    points.flatMap(() => ['memory.get', 'ledger.recover']),
  );
  assert.deepEqual((await verify(world)).faults, []);
});

forEachEngine(
  'entries are found by who, what, on what and when, newest first, page by page',
  async (t, engine) => {
    const { store, ledger, organization, draft, newId, advance, environment } = await createLedgerWorld(
      t,
      engine,
    );
    const [ann, ben] = [newId('key'), newId('key')];
    const subject = newId('subject');
    const memory = newId('memory');
    const start = environment.clock.now();
    for (let at = 0; at < 12; at++) {
      await store.write(organization, (tx) => {
        const isAnn = at % 2 === 0;
        ledger.append(tx, {
          ...draft(),
          principal: isAnn ? ann : ben,
          action: at % 3 === 0 ? 'memory.add' : 'memory.get',
          target: memory,
          targets: at % 4 === 0 ? [subject] : [],
        });
        return Promise.resolve();
      });
      advance(1000);
    }
    const find = async (query: Partial<Parameters<Ledger['entries']>[1]>): Promise<readonly number[]> => {
      const page = await ledger.entries(organization, { limit: 100, ...query });
      return page.entries.map(({ n }) => n);
    };
    assert.deepEqual(await find({ principal: ann }), [10, 8, 6, 4, 2, 0]);
    assert.deepEqual(await find({ action: 'memory.add' }), [9, 6, 3, 0]);
    assert.deepEqual(await find({ target: subject }), [8, 4, 0]);
    assert.deepEqual(await find({ target: memory, principal: ben, action: 'memory.add' }), [9, 3]);
    assert.deepEqual(await find({ target: newId('memory') }), []);
    assert.deepEqual(await find({ since: start + 3000, until: start + 6000 }), [5, 4, 3]);
    assert.deepEqual(await find({ principal: newId('key') }), []);

    const pages: number[][] = [];
    let before: number | undefined;
    do {
      const page = await ledger.entries(organization, { limit: 5, before });
      pages.push(page.entries.map(({ n }) => n));
      before = page.next ?? undefined;
    } while (before !== undefined);
    assert.deepEqual(pages, [
      [11, 10, 9, 8, 7],
      [6, 5, 4, 3, 2],
      [1, 0],
    ]);
  },
);

forEachEngine(
  'details open while their keys live; without them the entry stands and verifies',
  async (t, engine) => {
    const world = await createLedgerWorld(t, engine);
    const { ledger, keyring, organization } = world;
    await world.append(1);
    await world.append(1, { details: { purpose: null, address: undefined } });
    const other = slotOf(1, 2);
    await world.append(1, { scope: [['principal', other]] });
    const [kept, bare, gone] = await allEntries(ledger, organization);
    assert.deepEqual(await ledger.details(gone!), { purpose: 'ticket 4711', address: '192.0.2.7' });
    keyring.puncture(other);
    assert.equal(await ledger.details(gone!), null);
    assert.equal(await ledger.details(bare!), null);
    assert.equal(bare!.box, undefined);
    assert.deepEqual(await ledger.details(kept!), { purpose: 'ticket 4711', address: '192.0.2.7' });
    assert.deepEqual((await verify(world)).faults, []);
    const rows = await world.store.read(SYSTEM, (db) =>
      db.selectFrom('ledger_entries').selectAll().execute(),
    );
    assert.doesNotMatch(JSON.stringify(rows.map(textOfRow)), /4711|192\.0\.2\.7/);
  },
);

forEachEngine('an entry whose scope is dead fails its own job and no other', async (t, engine) => {
  const { store, ledger, keyring, organization, draft } = await createLedgerWorld(t, engine);
  const dead = slotOf(1, 9);
  keyring.puncture(dead);
  const job = (slot: typeof dead): Promise<void> =>
    store.write(organization, (tx) => {
      ledger.append(tx, draft({ scope: [['principal', slot]] }));
      return Promise.resolve();
    });
  const outcomes = await Promise.allSettled([job(PRINCIPAL_SLOT), job(dead), job(PRINCIPAL_SLOT)]);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  assert.equal((await ledger.head(organization)).size, 2);
});

test('a batch with more targets than a leaf holds is found under each of them', async (t) => {
  const { store, ledger, organization, draft, newId } = await createLedgerWorld(t);
  const targets = Array.from({ length: 2000 }, () => newId('memory'));
  await store.write(organization, (tx) => {
    ledger.append(tx, draft({ targets }));
    return Promise.resolve();
  });
  assert.equal((await ledger.head(organization)).size, 2);
  for (const target of [targets[0], targets[1499], targets[1500], targets[1999]]) {
    const page = await ledger.entries(organization, { target, limit: 10 });
    assert.equal(page.entries.length, 1);
    assert.ok(page.entries[0]!.targets!.includes(target!));
  }
});

forEachEngine(
  'a checkpoint is the head signed: verifiable by its key, kept once, remembered by the deployment',
  async (t, engine) => {
    const { ledger, organization, append } = await createLedgerWorld(t, engine);
    await append(5);
    const signed = await ledger.checkpoint(organization);
    const key = parseVkey(ledger.vkey(organization));
    assert.equal(encodeVkey(key), ledger.vkey(organization));
    assert.deepEqual(openCheckpoint(signed.note, key), {
      origin: ledger.originOf(organization),
      size: 5,
      root: (await ledger.head(organization)).root,
    });
    assert.deepEqual(await ledger.checkpoint(organization), signed, 'the same head, the same note');
    const [remembered, ...more] = await allEntries(ledger, DEPLOYMENT_LOG);
    assert.deepEqual(more, []);
    assert.equal(remembered!.target, organization);
    assert.deepEqual(remembered!.facts, { size: 5, root: encodeBase64(signed.root) });
    // The deployment's own checkpoint is recorded nowhere: that would never end.
    await ledger.checkpoint(DEPLOYMENT_LOG);
    assert.equal((await ledger.head(DEPLOYMENT_LOG)).size, 1);
    assert.throws(() => openCheckpoint(signed.note, ledger.verifierKey(DEPLOYMENT_LOG)), RangeError);
  },
);

forEachEngine('proofs of any entry and any two sizes verify', async (t, engine) => {
  const { ledger, organization, append } = await createLedgerWorld(t, engine);
  await append(300);
  await append(260);
  const head = await ledger.head(organization);
  assert.equal(head.size, 560);
  for (const [n, size] of [
    [0, 1],
    [0, 560],
    [255, 256],
    [255, 560],
    [256, 257],
    [511, 512],
    [559, 560],
    [3, 300],
  ] as const) {
    const proof = await ledger.inclusionProof(organization, n, size);
    assert.ok(verifyInclusion(proof, proof.root), `${n} of ${size}`);
    const whole = await ledger.inclusionProof(organization, n);
    assert.ok(verifyInclusion(whole, head.root));
    const from = { size, root: proof.root };
    const growth = await ledger.growthProof(organization, size);
    assert.ok(verifyConsistency(from, head, growth.path));
    assert.deepEqual(
      [growth.from, growth.size, growth.fromRoot, growth.root],
      [size, 560, proof.root, head.root],
    );
    assert.equal(verifyConsistencyProof(growth.text, from, ledger.verifierKey(organization)).size, 560);
  }
  const proof = await ledger.proof(organization, 300);
  const leaf = leafOf((await ledger.entry(organization, 300))!);
  assert.equal(verifyProof(proof.text, leaf, ledger.verifierKey(organization)).size, 560);
  const earlier = await ledger.proof(organization, 300, 400);
  assert.equal(verifyProof(earlier.text, leaf, ledger.verifierKey(organization)).size, 400);
  const other = leafOf((await ledger.entry(organization, 301))!);
  assert.throws(() => verifyProof(proof.text, other, ledger.verifierKey(organization)), RangeError);
  for (const [n, size] of [
    [560, 560],
    [5, 561],
    [5, 5],
    [-1, 5],
    [0.5, 5],
  ] as const) {
    await assert.rejects(ledger.inclusionProof(organization, n, size), { code: 'not_found' });
    await assert.rejects(ledger.proof(organization, n, size), { code: 'not_found' });
  }
  await assert.rejects(ledger.consistencyProof(organization, 5, 4), { code: 'not_found' });
  await assert.rejects(ledger.consistencyProof(organization, 5, 561), { code: 'not_found' });
});

forEachEngine(
  'what was appended before is there, and goes on, after the store was opened again',
  async (t, engine) => {
    const world = await createLedgerWorld(t, engine);
    await world.append(270);
    const head = await world.ledger.head(world.organization);
    await world.store.close();
    const store = await engine.open();
    const ledger = world.ledgerOn(store);
    assert.deepEqual(await ledger.head(world.organization), head);
    await store.write(world.organization, (tx) => {
      ledger.append(tx, world.draft());
      return Promise.resolve();
    });
    const now = await ledger.head(world.organization);
    assert.ok(verifyConsistency(head, now, await ledger.consistencyProof(world.organization, 270, 271)));
  },
);

test('an entry that was altered in the store is never shown', async (t) => {
  verifies('AUD-02');
  const world = await createLedgerWorld(t);
  await world.append(3);
  world.tamper((database) => {
    database.exec("update ledger_entries set leaf = cast(leaf || x'20' as blob) where n = 1");
  });
  await assert.rejects(world.ledger.entry(world.organization, 1), { code: 'ledger.damaged' });
  await assert.rejects(world.ledger.entries(world.organization, { limit: 5 }), { code: 'ledger.damaged' });
  assert.equal((await world.ledger.entry(world.organization, 0))?.n, 0);
});

test('an entry of which only the hash is kept is gone, and its proof still holds', async (t) => {
  const world = await createLedgerWorld(t);
  await world.append(3);
  const leaf = leafOf((await world.ledger.entry(world.organization, 1))!);
  world.tamper((database) => {
    database.exec('update ledger_entries set leaf = substr(leaf, 1, 32), box = null where n = 1');
    database.exec('delete from ledger_targets where n = 1');
  });
  assert.equal(await world.ledger.entry(world.organization, 1), null);
  assert.deepEqual(
    (await world.ledger.entries(world.organization, { limit: 5 })).entries.map(({ n }) => n),
    [2, 0],
  );
  const proof = await world.ledger.proof(world.organization, 1);
  assert.equal(verifyProof(proof.text, leaf, world.ledger.verifierKey(world.organization)).size, 3);
  const report = await verify(world);
  assert.deepEqual(report.faults, []);
  assert.equal(report.logs.find(({ log }) => log === world.organization)?.pruned, 1);
});

const verify = ({ store, ledger }: LedgerWorld): ReturnType<typeof verifyStore> =>
  verifyStore(store, (log) => ledger.verifierKeys(log));

/** Oldest first. */
async function allEntries(ledger: Ledger, log: LogId): Promise<readonly LedgerEntry[]> {
  return (await ledger.entries(log, { limit: 10_000 })).entries.toReversed();
}

const leafOf = (entry: LedgerEntry): Uint8Array => {
  const leaf = encodeLeaf(entry, entry.log, entry.n);
  assert.deepEqual(parseLeaf(leaf), entry);
  return leaf;
};

const textOfRow = (row: object): readonly string[] =>
  Object.values(row).map((value: unknown) =>
    value instanceof Uint8Array
      ? `${Buffer.from(value).toString('latin1')} ${encodeHex(value)}`
      : String(value),
  );

forEachEngine(
  'the same details of the same principal within a second lie in one box, which each entry opens and which dies for all',
  async (t, engine) => {
    const world = await createLedgerWorld(t, engine);
    const { ledger, keyring, organization } = world;
    await world.append(3);
    await world.append(1, { details: { purpose: 'ticket 4711', address: '192.0.2.8' } });
    await world.append(1, { scope: [['principal', slotOf(1, 2)]] });
    world.advance(999);
    await world.append(1);
    world.advance(1);
    await world.append(1);
    const entries = await allEntries(ledger, organization);
    const boxes = entries.map(({ box }) => box?.hash);
    assert.deepEqual(
      boxes.map((hash) => boxes.indexOf(hash)),
      [0, 0, 0, 3, 4, 0, 6],
    );
    const [first] = entries;
    assert.deepEqual(
      entries.map(({ box }) => box?.of ?? null),
      [null, first!.request, first!.request, null, null, first!.request, null],
    );
    const shown = { purpose: 'ticket 4711', address: '192.0.2.7' };
    for (const at of [0, 1, 2, 4, 5, 6]) assert.deepEqual(await ledger.details(entries[at]!), shown);
    assert.deepEqual((await verify(world)).faults, []);
    keyring.puncture(PRINCIPAL_SLOT);
    for (const at of [0, 1, 2, 3, 5, 6]) assert.equal(await ledger.details(entries[at]!), null);
    assert.deepEqual(await ledger.details(entries[4]!), shown);
    await assert.rejects(
      world.append(1),
      { code: 'erased' },
      'a box that is remembered serves nobody whose slot is dead',
    );
  },
);

test('of boxes only those of the last second are remembered, and a clock that goes back is not believed', async (t) => {
  const world = await createLedgerWorld(t);
  const hashes = async (): Promise<(string | undefined)[]> =>
    (await allEntries(world.ledger, world.organization)).map(({ box }) => box?.hash);
  await world.append(1);
  world.advance(-1);
  await world.append(1);
  const [before, after] = await hashes();
  assert.notEqual(before, after);
});

test('whoever is erased takes every remembered box along, so that no details stay in memory until the next entry', async (t) => {
  const world = await createLedgerWorld(t);
  await world.append(2);
  world.keyring.puncture(slotOf(1, 99));
  await world.append(1);
  const [first, second, third] = (await allEntries(world.ledger, world.organization)).map(({ box }) => box);
  assert.equal(first!.hash, second!.hash);
  assert.notEqual(second!.hash, third!.hash);
});
