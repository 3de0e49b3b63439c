import assert from 'node:assert/strict';
import type { EpochOutcome, PunctureRequest } from '../keys/key-journal.ts';
import { LEAF_SLOTS, slotOf } from '../keys/slot.ts';
import { SqlKeyJournal, type LedgerWitness } from './key-journal.ts';
import { insertRows, SYSTEM, type Store } from './store.ts';
import { forEachEngine, testEnvironment } from './testing/engines.ts';
import { ANN, rowOf } from './testing/rows.ts';

const witness: LedgerWitness = {
  ledgerHead: () => Promise.resolve({ size: 7, root: new Uint8Array(32), generation: 1 }),
  ledgerConsistent: ({ size }) => Promise.resolve(size <= 7),
};
const journalOn = (store: Store): SqlKeyJournal => new SqlKeyJournal(store, testEnvironment().clock, witness);

const fileId = (epoch: number): Uint8Array<ArrayBuffer> => new Uint8Array(8).fill(epoch);
const request = (id: string, ...indexes: number[]): PunctureRequest => ({
  id,
  slots: indexes.map((index) => slotOf(3, index)),
  reason: 'memory',
});
const outcome = (destroyed: string[], restored: number | null = null): EpochOutcome => ({
  confirmed: ['a', 'b'],
  missing: [],
  destroyed,
  restored,
  isTailDead: restored !== null,
});

forEachEngine(
  'an epoch is prepared with its requests and completed with those that are destroyed',
  async (_t, engine) => {
    const store = await engine.open();
    const journal = journalOn(store);
    await journal.prepare({ epoch: 1, fileId: fileId(1) }, [], []);
    await journal.complete(1, outcome([]));
    await journal.prepare({ epoch: 2, fileId: fileId(2) }, [request('era_1', 0, 5), request('era_2', 7)], []);
    assert.deepEqual(await journal.epochs(), [
      { epoch: 1, fileId: fileId(1), state: 'complete' },
      { epoch: 2, fileId: fileId(2), state: 'prepared' },
    ]);
    assert.deepEqual(await journal.pending(), [request('era_1', 0, 5), request('era_2', 7)]);
    await journal.complete(2, outcome(['era_1']));
    const reopened = journalOn(await engine.open());
    assert.deepEqual(await reopened.pending(), [request('era_2', 7)]);
    assert.deepEqual(await reopened.requestsAfter(1), [request('era_1', 0, 5), request('era_2', 7)]);
    assert.deepEqual(await reopened.requestsAfter(2), []);
    assert.equal((await reopened.epochs()).at(-1)?.state, 'complete');
  },
);

forEachEngine('a request waits without an epoch and can be done again', async (_t, engine) => {
  const store = await engine.open();
  const journal = journalOn(store);
  await journal.accept([request('era_1', 1)]);
  await store.write(ANN, (tx) => journal.request(tx, request('era_2', 2)));
  assert.deepEqual(await journal.pending(), [request('era_1', 1), request('era_2', 2)]);
  await journal.prepare({ epoch: 4, fileId: fileId(4) }, [request('era_1', 1)], []);
  await journal.prepare({ epoch: 5, fileId: fileId(5) }, [request('era_1', 1)], []);
  assert.deepEqual(await journal.requestsAfter(4), [request('era_1', 1)]);
});

forEachEngine(
  'a job sees the epoch under which it commits, also behind the one that moves it',
  async (_t, engine) => {
    const store = await engine.open();
    const journal = journalOn(store);
    const epochSeen = () => store.write(ANN, ({ epoch }) => Promise.resolve(epoch));
    const seen = [epochSeen()];
    const prepared = [journal.prepare({ epoch: 1, fileId: fileId(1) }, [], [])];
    seen.push(epochSeen(), epochSeen());
    prepared.push(journal.prepare({ epoch: 2, fileId: fileId(2) }, [], []));
    seen.push(epochSeen());
    await Promise.all(prepared);
    assert.deepEqual(await Promise.all(seen), [0, 1, 1, 2]);
    assert.equal(await store.read(ANN, (_db, { epoch }) => Promise.resolve(epoch)), 2);
  },
);

forEachEngine('an epoch that cannot be prepared leaves nothing of it', async (_t, engine) => {
  const store = await engine.open();
  const journal = journalOn(store);
  await journal.prepare({ epoch: 1, fileId: fileId(1) }, [], []);
  await assert.rejects(journal.prepare({ epoch: 1, fileId: fileId(9) }, [request('era_1', 1)], []), {
    code: 'conflict',
  });
  assert.deepEqual(await journal.pending(), []);
  assert.deepEqual(await journal.epochs(), [{ epoch: 1, fileId: fileId(1), state: 'prepared' }]);
});

forEachEngine('segments whose slots die along are marked in the same commit', async (_t, engine) => {
  const store = await engine.open();
  await store.write(ANN, async (tx) => {
    const segment = (id: string, index: number) =>
      rowOf('segments', { id, organization: ANN, slot: slotOf(3, index), state: 'live', change: tx.change });
    await insertRows(tx.sql, 'segments', [segment('seg_1', 1), segment('seg_2', 2)]);
  });
  await journalOn(store).prepare({ epoch: 1, fileId: fileId(1) }, [], [slotOf(3, 2)]);
  const rows = await store.read(ANN, (db) =>
    db.selectFrom('segments').select(['id', 'state']).orderBy('id').execute(),
  );
  assert.deepEqual(rows, [
    { id: 'seg_1', state: 'live' },
    { id: 'seg_2', state: 'erased' },
  ]);
});

forEachEngine(
  'the end of a restore starts a new generation of the ledgers and uses up the old leaves',
  async (_t, engine) => {
    const store = await engine.open();
    const journal = journalOn(store);
    await store.write(SYSTEM, async ({ sql, change }) => {
      await insertRows(sql, 'ledger_heads', [
        rowOf('ledger_heads', { log: 'deployment', organization: 'deployment', generation: 1, change }),
      ]);
      await insertRows(sql, 'leaves', [
        rowOf('leaves', { leaf: 3, owner: ANN, node: 'node-1', next: 17, change }),
      ]);
    });
    await journal.prepare({ epoch: 1, fileId: fileId(1) }, [], []);
    await journal.complete(1, outcome([], 2));
    assert.deepEqual(await journal.leaves(), [{ leaf: 3, next: LEAF_SLOTS }]);
    const [head] = await store.read(SYSTEM, (db) =>
      db.selectFrom('ledger_heads').select('generation').execute(),
    );
    assert.deepEqual(head, { generation: 2 });
  },
);

forEachEngine('the ledger’s head is what the ledger says', async (_t, engine) => {
  const journal = journalOn(await engine.open());
  const head = await journal.ledgerHead();
  assert.ok(head !== null && (await journal.ledgerConsistent(head)));
  assert.equal(await journal.ledgerConsistent({ ...head, size: 8 }), false);
});
