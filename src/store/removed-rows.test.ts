import assert from 'node:assert/strict';
import { decodeKeyValue, type KeyValue } from './row-key.ts';
import { insertRows, SYSTEM } from './store.ts';
import { forEachEngine } from './testing/engines.ts';
import { ANN, personOf, rowOf } from './testing/rows.ts';

forEachEngine(
  'a removal says how many rows went, and the key of each is written down, whatever it is made of',
  async (_t, engine) => {
    const store = await engine.open();
    const digest = Uint8Array.of(0, 1, 254, 255);
    await store.write(ANN, async (tx) => {
      const { change } = tx;
      await insertRows(
        tx.sql,
        'subjects',
        ['sub_1', 'sub_2', 'sub_3'].map((id) => personOf(ANN, id, change)),
      );
      await insertRows(tx.sql, 'tombstones', [
        rowOf('tombstones', { tombstone_set: 'set', organization: ANN, digest, change }),
      ]);
    });
    const counts = await store.write(ANN, async (tx) => [
      (await tx.sql.deleteFrom('subjects').where('id', '!=', 'sub_2').executeTakeFirst()).numDeletedRows,
      (await tx.sql.deleteFrom('subjects').where('id', '=', 'sub_9').executeTakeFirst()).numDeletedRows,
      (await tx.sql.deleteFrom('tombstones').where('digest', '=', digest).executeTakeFirst()).numDeletedRows,
    ]);
    assert.deepEqual(counts, [2n, 0n, 1n]);
    const removed = await store.read(SYSTEM, (db) =>
      db.selectFrom('removed_rows').selectAll().orderBy('relation').orderBy('row_key').execute(),
    );
    const keys = removed.map(({ relation, row_key }) => [
      relation,
      ...(JSON.parse(row_key) as KeyValue[]).map(decodeKeyValue).map(String),
    ]);
    assert.deepEqual(keys, [
      ['subjects', 'sub_1'],
      ['subjects', 'sub_3'],
      ['tombstones', 'set', '0,1,254,255'],
    ]);
  },
);
