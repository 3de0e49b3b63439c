import assert from 'node:assert/strict';
import { DAY_MS, YEAR_MS } from '../durations.ts';
import { encodeVkey } from './note.ts';
import { forEachEngine } from '../store/testing/engines.ts';
import { SYSTEM } from '../store/store.ts';
import { realEnvironment } from '../environment.ts';
import { DEPLOYMENT_LOG, type LogId } from './entry.ts';
import { exportJsonLines } from './export.ts';
import { LedgerPruning } from './pruning.ts';
import { verifyExport } from './verify-export.ts';
import { verifyStore } from './verify-store.ts';
import { verifies } from '../assurance/testing/verifies.ts';
import { createLedgerWorld, type LedgerWorld } from './testing/ledger-world.ts';

/** Entries of eight years ago and of today, by the real clock: the database compares with its own. */
async function agedWorld(...given: Parameters<typeof createLedgerWorld>): Promise<LedgerWorld> {
  const world = await createLedgerWorld(...given);
  world.advance(realEnvironment.clock.now() - 8 * YEAR_MS - world.environment.clock.now());
  await world.append(300);
  await world.ledger.checkpoint(world.organization);
  world.advance(8 * YEAR_MS - DAY_MS);
  await world.append(10);
  await world.ledger.checkpoint(world.organization);
  return world;
}

const pruningOf = (world: LedgerWorld, ended: string[] = []): LedgerPruning =>
  new LedgerPruning({
    store: world.store,
    ledger: world.ledger,
    destruction: {
      order: (_tx, slots, reason) => {
        ended.push(reason);
        return Promise.resolve({ id: 'era_1', slots, reason });
      },
      carryOut: () => Promise.resolve({ epoch: 1, state: 'destroyed', confirmed: [], missing: [] }),
    },
  });

const leaves = (world: LedgerWorld, log: LogId) =>
  world.store.read(SYSTEM, (db) =>
    db.selectFrom('ledger_entries').selectAll().where('log', '=', log).orderBy('n').execute(),
  );

forEachEngine(
  'an entry shrinks to its hash after seven years, and the log verifies on',
  async (t, engine) => {
    verifies('RET-07');
    const world = await agedWorld(t, engine);
    const before = await world.ledger.head(world.organization);
    await pruningOf(world).run(world.environment.clock.now());
    const rows = await leaves(world, world.organization);
    assert.equal(rows.length, 310);
    for (const { n, leaf, box, principal, action } of rows) {
      const isOld = n < 300;
      assert.equal(leaf.length === 32, isOld, `entry ${n}`);
      if (isOld) assert.deepEqual([box, principal, action], [null, '', '']);
    }
    const targets = await world.store.read(SYSTEM, (db) =>
      db.selectFrom('ledger_targets').select('n').where('log', '=', world.organization).execute(),
    );
    assert.ok(
      targets.every(({ n }) => n >= 300),
      'nothing lists what is gone',
    );
    const report = await verifyStore(world.store, (log) => world.ledger.verifierKey(log));
    assert.deepEqual(report.faults, []);
    assert.equal(report.logs.find(({ log }) => log === world.organization)?.pruned, 300);
    assert.deepEqual((await world.ledger.head(world.organization)).root, before.root);
    const proof = await world.ledger.proof(world.organization, 5);
    assert.equal(proof.n, 5, 'what is gone can still be proven to have been there');
    assert.equal(await world.ledger.entry(world.organization, 5), null);
    const contents = await world.ledger.contents(world.organization);
    const vkey = world.ledger.verifierKey(world.organization);
    const exported = await verifyExport(exportJsonLines(contents), () => vkey);
    assert.deepEqual([exported.faults, exported.fileFault], [[], null]);
    assert.ok(encodeVkey(vkey).length > 0);
  },
);

forEachEngine(
  'the database refuses to prune what is younger, and to change what is not pruned',
  async (t, engine) => {
    const world = await agedWorld(t, engine);
    const now = world.environment.clock.now();
    // The chore believes that it is seven years later; the database knows better.
    await assert.rejects(pruningOf(world).run(now + 7 * YEAR_MS + 3 * DAY_MS));
    const attempts = [
      { leaf: new Uint8Array(32) },
      { leaf: new Uint8Array(32), box: null, principal: '', action: '' },
      { principal: 'system' },
      {},
    ];
    for (const n of [5, 305])
      for (const change of attempts)
        await assert.rejects(
          world.store.write(SYSTEM, (tx) =>
            tx.sql
              .updateTable('ledger_entries')
              .set({ ...change, change: tx.change })
              .where('log', '=', world.organization)
              .where('n', '=', n)
              .execute(),
          ),
          `entry ${n}: ${Object.keys(change).join()}`,
        );
    for (const table of ['ledger_targets', 'ledger_entries', 'ledger_checkpoints'] as const)
      await assert.rejects(
        world.store.write(SYSTEM, (tx) =>
          tx.sql.deleteFrom(table).where('log', '=', world.organization).execute(),
        ),
        table,
      );
    const rows = await leaves(world, world.organization);
    assert.ok(rows.filter(({ n }) => n >= 300).every(({ leaf }) => leaf.length > 32));
    assert.equal((await leaves(world, DEPLOYMENT_LOG)).length > 0, true);
  },
);
