import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MIGRATIONS, TABLES } from '../store/migrations.ts';
import { carriedTables, queriesOf } from './carried.ts';

/** Few rows, whatever is in the store: one each for a leaf page, a service key, a setting. */
const SMALL: ReadonlySet<string> = new Set(['leaves', 'service_slots', 'meta', 'keyring_head']);

test('every table is in a backup, or says why not', () => {
  const left = Object.keys(TABLES).filter((name) => !carriedTables().some(([carried]) => carried === name));
  assert.deepEqual(left.sort(), ['idempotency', 'ledger_targets', 'removed_rows', 'segments', 'store_head']);
});

test('what changed is found by an index, so that an increment costs the change and not the store', () => {
  const later = MIGRATIONS.flatMap((migration) =>
    Object.entries('indexes' in migration ? (migration.indexes ?? {}) : {}),
  );
  for (const [name, table] of carriedTables()) {
    if (SMALL.has(name)) continue;
    const indexes = [...(table.indexes ?? []), ...later.flatMap(([of, more]) => (of === name ? more : []))];
    const grown = [{ log: 'deployment', from: 300, size: 70_000, frontier: new Uint8Array(0) }];
    for (const { where } of queriesOf(name, table, 5, grown)) {
      const columns = where.map(({ column }) => column);
      const isKey = columns.every((column, at) => table.key[at] === column);
      const isIndexed = indexes.some((index) => columns.every((column, at) => index.columns[at] === column));
      assert.ok(isKey || isIndexed, `${name}: no index for ${columns.join()}`);
    }
  }
});
