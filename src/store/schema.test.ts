import assert from 'node:assert/strict';
import { test } from 'node:test';
import { foundation } from './migrations/0001-foundation.ts';
import { retention } from './migrations/0002-retention.ts';
import type { backups } from './migrations/0003-backups.ts';
import { rotation } from './migrations/0004-rotation.ts';
import { vaultSearch } from './migrations/0005-vault-search.ts';
import type { recovery } from './migrations/0006-recovery.ts';
import type { erasures } from './migrations/0007-erasures.ts';
import type { exports } from './migrations/0010-exports.ts';
import { TABLES, TENANT_TABLES } from './migrations.ts';
import type { Database, TableName } from './schema.ts';
import { annotationFaults, type Column, type Table, type Tables } from './table.ts';
import { insertRows, SYSTEM } from './store.ts';
import { forEachEngine } from './testing/engines.ts';
import { rowOf } from './testing/rows.ts';

type Plain<V> = V extends string ? string : V extends number ? number : V extends Uint8Array ? Uint8Array : V;
type PlainRow<R> = { [K in keyof R]: Plain<R[K]> };

interface Values {
  text: string;
  integer: number;
  bytes: Uint8Array;
}
type ValueOf<C> = C extends Column<infer T, infer N> ? Values[T] | (N extends true ? null : never) : never;
type RowOf<T extends Table> = { -readonly [K in keyof T['columns']]: ValueOf<T['columns'][K]> };

type Created = typeof foundation.creates &
  typeof retention.creates &
  typeof backups.creates &
  typeof rotation.creates &
  typeof vaultSearch.creates &
  typeof recovery.creates &
  typeof erasures.creates &
  typeof exports.creates;
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

test('the row types are those of the tables, column by column', () => {
  const same: Same<{ [T in TableName]: PlainRow<Database[T]> }, { [T in keyof Created]: RowOf<Created[T]> }> =
    true;
  // The comparison itself can fail: a column that may be null is not one that may not.
  const different: Same<{ at: number | null }, { at: number }> = false;
  assert.ok(same && !different);
});

test('every column says what it holds, whose it is, how long it stays and how it is erased', () => {
  assert.deepEqual(annotationFaults(TABLES), []);
});

test('a column without an annotation, or a box that does not say how it is sealed, is found', () => {
  const [id, box] = [TABLES['subjects']?.columns['id'], TABLES['subjects']?.columns['name_box']];
  assert.ok(id !== undefined && box !== undefined);
  for (const annotation of ['category', 'whose', 'retention', 'erased'] as const) {
    const silent = { ...id, [annotation]: undefined } as unknown as Column;
    assert.equal(annotationFaults(tableWith({ id: silent })).length, 1, annotation);
  }
  const { seal: _, ...unsealed } = box;
  assert.equal(annotationFaults(tableWith({ name_box: unsealed })).length, 1);
  assert.equal(annotationFaults(tableWith({ name: box })).length, 1);
  assert.equal(annotationFaults(tableWith({ name_box: { ...box, erased: 'row' } })).length, 1);
});

test('every table carries change numbers, and what belongs to a tenant says so', () => {
  for (const [name, { columns }] of Object.entries(TABLES))
    assert.equal(columns['change']?.type, 'integer', name);
  const shared = Object.keys(TABLES).filter((name) => !TENANT_TABLES.has(name));
  assert.deepEqual(shared.sort(), [
    'backups',
    'drills',
    'epochs',
    'key_requests',
    'keyring_head',
    'leaves',
    'meta',
    'removed_rows',
    'rotations',
    'service_slots',
    'signing_keys',
    'store_head',
  ]);
});

forEachEngine('the database has exactly the columns of the tables', async (_t, engine) => {
  const store = await engine.open();
  await store.write(SYSTEM, async (tx) => {
    for (const [name, { columns }] of Object.entries(TABLES)) {
      const table = name as TableName;
      await insertRows(tx.sql, table, [rowOf(table, { change: tx.change })]);
      const row = await tx.sql
        .selectFrom(table)
        .selectAll()
        .where('change', '=', tx.change)
        .executeTakeFirst();
      assert.deepEqual(Object.keys(row ?? {}).sort(), Object.keys(columns).sort(), name);
    }
  });
});

const tableWith = (columns: Table['columns']): Tables => ({ x: { columns, key: [] } });
