import assert from 'node:assert/strict';
import { rowByKey, rowsWhere, SYSTEM, upsertRows, insertRows, type Flusher, type Store } from './store.ts';
import type { RowsWhere } from './handle.ts';
import type { SubjectRow } from './schema.ts';
import { forEachEngine } from './testing/engines.ts';
import { ANN, BEN, personOf } from './testing/rows.ts';

const addPerson = (store: Store, id: string): Promise<void> =>
  store.write(ANN, (tx) => insertRows(tx.sql, 'subjects', [personOf(ANN, id, tx.change)]));

/** What is written in the flush of a group, by a job of that scope. */
const flushing = (store: Store, flush: Flusher<null>['flush']): Promise<void> =>
  store.write(ANN, (tx) => {
    tx.defer({ flush }, null);
    return Promise.resolve();
  });

forEachEngine(
  'a row is found by its key, in its own organization and in the system’s scope alone',
  async (_, engine) => {
    const store = await engine.open();
    await addPerson(store, 'sub_1');
    const found = (scope: typeof ANN | typeof SYSTEM, id: string) =>
      store.read(scope, (db) => rowByKey(db, 'subjects', [id]));
    const row = await found(ANN, 'sub_1');
    const selected = await store.read(ANN, (db) => db.selectFrom('subjects').selectAll().executeTakeFirst());
    assert.deepEqual(row, selected);
    assert.deepEqual(await found(SYSTEM, 'sub_1'), selected);
    assert.equal(await found(BEN, 'sub_1'), undefined);
    assert.equal(await found(ANN, 'sub_2'), undefined);
  },
);

forEachEngine(
  'an upsert in a flush writes what is new and changes the named columns of what is there',
  async (_, engine) => {
    const store = await engine.open();
    const head = (size: number, generation: number, change: number) => ({
      log: ANN,
      organization: ANN,
      size,
      frontier: Uint8Array.of(size),
      generation,
      change,
    });
    for (const [size, generation] of [
      [1, 1],
      [2, 9],
    ] as const)
      await flushing(store, (sql, _items, change) =>
        upsertRows(sql, 'ledger_heads', [head(size, generation, change)], ['size', 'frontier', 'change']),
      );
    const row = await store.read(SYSTEM, (db) => rowByKey(db, 'ledger_heads', [ANN]));
    assert.deepEqual([row?.size, row?.frontier, row?.generation], [2, Uint8Array.of(2), 1]);
  },
);

forEachEngine(
  'an upsert outside of a flush is refused: of a job it would not be known whose the row is',
  async (_, engine) => {
    const store = await engine.open();
    await assert.rejects(
      store.write(ANN, (tx) =>
        upsertRows(tx.sql, 'subjects', [personOf(ANN, 'sub_1', tx.change)], ['change']),
      ),
      { code: 'internal' },
    );
    assert.equal(await store.read(ANN, (db) => rowByKey(db, 'subjects', ['sub_1'])), undefined);
  },
);

forEachEngine(
  'rows are listed by values and by one list of texts, of their own organization alone, whatever the texts say',
  async (_, engine) => {
    const store = await engine.open();
    for (const id of ['sub_1', 'sub_2', 'sub_3']) await addPerson(store, id);
    await store.write(BEN, (tx) => insertRows(tx.sql, 'subjects', [personOf(BEN, 'sub_4', tx.change)]));
    const values = ['sub_1', 'sub_3', 'sub_4', 'no such', `"] or '1' = '1`];
    const among = { column: 'id', values } as const;
    const listed = async (scope: typeof ANN | typeof SYSTEM, where: RowsWhere<SubjectRow>) =>
      (await store.read(scope, (db) => rowsWhere(db, 'subjects', ['id', 'state'], where)))
        .map(({ id, state }) => `${id} ${state}`)
        .toSorted();
    assert.deepEqual(await listed(ANN, { among }), ['sub_1 active', 'sub_3 active']);
    assert.deepEqual(await listed(SYSTEM, { among }), ['sub_1 active', 'sub_3 active', 'sub_4 active']);
    assert.deepEqual(await listed(ANN, { equal: { id: 'sub_2' } }), ['sub_2 active']);
    assert.deepEqual(await listed(ANN, { equal: { state: 'active' }, among }), [
      'sub_1 active',
      'sub_3 active',
    ]);
    assert.deepEqual(await listed(ANN, { equal: { organization: BEN } }), []);
    assert.deepEqual(await listed(BEN, { equal: { organization: BEN } }), ['sub_4 active']);
    assert.deepEqual(await listed(ANN, { among: { column: 'id', values: [] } }), []);
    await assert.rejects(store.read(ANN, (db) => rowsWhere(db, 'epochs', ['epoch'], {})));
  },
);
