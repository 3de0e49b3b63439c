import assert from 'node:assert/strict';
import type { DatabaseSync } from 'node:sqlite';
import { test, type TestContext } from 'node:test';
import type { Bytes } from '../bytes/encoding.ts';
import { SigningKey } from '../crypto/signature.ts';
import { forEachEngine } from '../store/testing/engines.ts';
import { DEPLOYMENT_LOG } from './entry.ts';
import { verifierKey } from './note.ts';
import { createLedgerWorld, ORIGIN, type LedgerWorld } from './testing/ledger-world.ts';
import { flipAt, OURS, TAMPERINGS } from './testing/tamperings.ts';
import { LogVerifier, type LogReport } from './verify.ts';
import { verifyStore, type LedgerReport } from './verify-store.ts';

const ENTRIES = 600;

async function filledWorld(t: TestContext): Promise<LedgerWorld> {
  const world = await createLedgerWorld(t);
  for (const size of [100, 300, 550]) {
    await world.append(size - (await world.ledger.head(world.organization)).size);
    await world.ledger.checkpoint(world.organization);
    // So that those to come have boxes of their own.
    world.advance(1000);
  }
  await world.append(ENTRIES - 550);
  await world.ledger.checkpoint(DEPLOYMENT_LOG);
  return world;
}

const verify = (world: LedgerWorld): Promise<LedgerReport> =>
  verifyStore(world.store, (log) => world.ledger.verifierKey(log));

test('every tampering with a stored ledger is found, and the first broken entry is named', async (t) => {
  const world = await filledWorld(t);
  assert.deepEqual((await verify(world)).faults, [], 'untouched');
  const restore = snapshotOf(world);
  const found: unknown[] = [];
  for (const { name, detail = /./, work } of TAMPERINGS) {
    world.tamper((database) => {
      restore(database);
      work(database, world);
    });
    const { faults } = await verify(world);
    const [first] = faults.toSorted((one, other) => one.n - other.n);
    const isNamed = first?.log === world.organization && detail.test(first.detail);
    found.push({ name, kind: first?.kind, n: first?.n, isNamed });
  }
  assert.deepEqual(
    found,
    TAMPERINGS.map(({ name, kind, n }) => ({ name, kind, n, isNamed: true })),
  );
  world.tamper(restore);
  assert.deepEqual((await verify(world)).faults, [], 'put back');
});

test('any byte changed, of an entry or of its hash, is found and the entry named', async (t) => {
  const world = await createLedgerWorld(t);
  await world.append(3);
  const { note } = await world.ledger.checkpoint(world.organization);
  const rows = await world.store.read(world.organization, (db) =>
    db.selectFrom('ledger_entries').select(['n', 'leaf', 'box']).orderBy('n').execute(),
  );
  const report = (change: (stored: Bytes) => Uint8Array): LogReport => {
    const verifier = new LogVerifier(world.organization, world.ledger.verifierKey(world.organization));
    for (const { n, leaf, box } of rows) {
      const stored = new Uint8Array(leaf);
      verifier.entry({ n, stored: n === 1 ? change(stored) : stored, box });
    }
    verifier.checkpoint(3, note);
    return verifier.finish(null);
  };
  assert.deepEqual(report((stored) => stored).faults, []);
  const { length } = rows[1]!.leaf;
  assert.ok(length > 300);
  for (let at = 0; at < length; at++) {
    const [fault, ...more] = report(flipAt(at)).faults;
    assert.deepEqual([fault?.kind, fault?.n, more], ['altered', 1, []], `byte ${at}`);
  }
});

test('with another key than the log’s own no checkpoint counts', async (t) => {
  const world = await filledWorld(t);
  const other = new SigningKey(new Uint8Array(32).fill(9));
  const { faults } = await verifyStore(world.store, (log) =>
    verifierKey(`${ORIGIN}/${log}`, other.publicKey),
  );
  assert.deepEqual(new Set(faults.map(({ kind }) => kind)), new Set(['checkpoint-forged']));
  assert.equal(faults.length, 4);
});

test('details that were taken away are counted, and are no fault: an erasure may have purged them', async (t) => {
  const world = await filledWorld(t);
  world.tamper((database) => database.exec(`update ledger_entries set box = null where ${OURS} and n < 10`));
  const report = (await verify(world)).logs.find(({ log }) => log === world.organization);
  assert.deepEqual(report?.faults, []);
  assert.equal(report?.boxesAbsent, 10);
  assert.equal(report?.boxes, ENTRIES - 10);
});

forEachEngine('a ledger that was only ever appended to verifies', async (t, engine) => {
  const world = await createLedgerWorld(t, engine);
  await world.append(257);
  await world.ledger.checkpoint(world.organization);
  await world.append(3);
  const { logs, faults } = await verify(world);
  assert.deepEqual(faults, []);
  assert.deepEqual(
    logs.map(({ log, entries, checkpoints }) => [log, entries, checkpoints]),
    [
      [DEPLOYMENT_LOG, 1, 0],
      [world.organization, 260, 1],
    ],
  );
});

test('a running log can be verified while it grows', async (t) => {
  const world = await createLedgerWorld(t);
  await world.append(400);
  const growing = (async () => {
    for (let round = 0; round < 10; round++) await world.append(30);
  })();
  for (let round = 0; round < 5; round++) assert.deepEqual((await verify(world)).faults, []);
  await growing;
  assert.deepEqual((await verify(world)).faults, []);
});

test('an empty store verifies and has no logs', async (t) => {
  assert.deepEqual(await verify(await createLedgerWorld(t)), { logs: [], faults: [] });
});

const TABLES = ['heads', 'entries', 'targets', 'tiles', 'checkpoints'].map((name) => `ledger_${name}`);

/** Copies the ledger's tables and gives back what puts them back. */
function snapshotOf(world: LedgerWorld): (database: DatabaseSync) => void {
  world.tamper((database) => {
    for (const table of TABLES) database.exec(`create table kept_${table} as select * from ${table}`);
  });
  return (database) => {
    for (const table of TABLES)
      database.exec(`delete from ${table}; insert into ${table} select * from kept_${table}`);
  };
}
