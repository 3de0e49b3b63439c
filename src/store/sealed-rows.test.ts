import assert from 'node:assert/strict';
import { TABLES } from './migrations.ts';
import type { TableName } from './schema.ts';
import { sealedRows, type SealedRow } from './sealed-rows.ts';
import { insertRows, SYSTEM, type Store, type StoreScope } from './store.ts';
import { forEachEngine } from './testing/engines.ts';
import { ANN, BEN, rowOf } from './testing/rows.ts';

async function all(store: Store, scope: StoreScope): Promise<SealedRow[]> {
  const found: SealedRow[] = [];
  for await (const row of sealedRows(store, scope)) found.push(row);
  return found;
}

/** Every column of the schema whose name says that it is a box, found without the annotations. */
const BOXES = Object.entries(TABLES).flatMap(([table, { columns }]) =>
  Object.keys(columns).flatMap((column) => (/(^|_)box$/.test(column) ? [`${table}.${column}`] : [])),
);

forEachEngine('every box of every table is found, each with its place', async (_t, engine) => {
  const store = await engine.open();
  await store.write(ANN, async ({ sql, change }) => {
    for (const name of new Set(BOXES.map((box) => box.split('.')[0] as TableName))) {
      const boxes = Object.fromEntries(
        BOXES.filter((box) => box.startsWith(`${name}.`)).map((box) => [
          box.split('.')[1],
          new Uint8Array([1]),
        ]),
      );
      await insertRows(sql, name, [{ ...rowOf(name, {}), organization: ANN, change, ...boxes } as never]);
    }
  });
  const found = await all(store, SYSTEM);
  assert.deepEqual(found.map(({ table, column }) => `${table}.${column}`).sort(), [...BOXES].sort());
  assert.ok(found.every(({ organization, box }) => organization === ANN && box.length === 1));
  assert.deepEqual(await all(store, BEN), []);
});

forEachEngine(
  'a memory’s boxes come with the slot and scope that open them, page after page',
  async (_t, engine) => {
    const store = await engine.open();
    const count = 450;
    await store.write(ANN, async ({ sql, change }) => {
      const rows = Array.from({ length: count }, (_, at) =>
        rowOf('memory_versions', {
          memory: `mem_${String(at >> 1).padStart(4, '0')}`,
          version: 1 + (at & 1),
          organization: ANN,
          vault: 'vlt_1',
          slot: at,
          scope: '[]',
          body_box: new Uint8Array([at & 0xff]),
          vector_box: at % 3 === 0 ? new Uint8Array([7]) : null,
          change,
        }),
      );
      await insertRows(sql, 'memory_versions', rows);
    });
    const found = await all(store, ANN);
    assert.equal(found.length, count + count / 3);
    assert.deepEqual(
      found.filter(({ column }) => column === 'body_box').map(({ slot }) => slot),
      Array.from({ length: count }, (_, at) => at),
    );
    const { box, ...place } = found.at(-1) ?? assert.fail('nothing found');
    assert.deepEqual(place, {
      table: 'memory_versions',
      column: 'body_box',
      key: ['mem_0224', 2],
      organization: ANN,
      vault: 'vlt_1',
      id: 'mem_0224',
      version: 2,
      slot: 449,
      scope: '[]',
    });
    assert.deepEqual(box, new Uint8Array([449 & 0xff]));
  },
);
