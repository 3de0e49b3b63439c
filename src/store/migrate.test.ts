import assert from 'node:assert/strict';
import { Crash } from '../environment.ts';
import { migrate, schemaNumber } from './migrate.ts';
import { MIGRATIONS } from './migrations.ts';
import { openSqliteDatabase, sqliteMigrator } from './sqlite.ts';
import { insertRows, SYSTEM } from './store.ts';
import { columnsOf, type Migration } from './table.ts';
import { forEachEngine, sqliteEngineFor } from './testing/engines.ts';
import { ANN, personOf } from './testing/rows.ts';
import { test } from 'node:test';

const deployment = columnsOf('deployment', 'deployment', 'kept');
const second: Migration = {
  name: '0002-example',
  creates: { examples: { columns: { id: deployment.id(), change: deployment.count() }, key: ['id'] } },
};

forEachEngine(
  'a store written by a newer version, or one of an older edition, is refused and left as it is',
  async (_t, engine) => {
    const store = await engine.open();
    await store.write(ANN, (tx) => insertRows(tx.sql, 'subjects', [personOf(ANN, 'sub_1', tx.change)]));
    const setVersion = (steps: number, edition?: number) =>
      store.write(SYSTEM, (tx) =>
        tx.sql
          .updateTable('meta')
          .set({ value: schemaNumber(steps, edition), change: tx.change })
          .where('name', '=', 'schema')
          .execute(),
      );
    await setVersion(MIGRATIONS.length + 1);
    await assert.rejects(engine.open(), { code: 'schema.newer' });
    await setVersion(1, 2);
    await assert.rejects(engine.open(), { code: 'schema.newer' });
    await setVersion(1, 0);
    await assert.rejects(engine.open(), { code: 'schema.older' });
    await setVersion(MIGRATIONS.length);
    const rows = await (
      await engine.open()
    ).read(ANN, (db) => db.selectFrom('subjects').select('id').execute());
    assert.deepEqual(rows, [{ id: 'sub_1' }]);
  },
);

forEachEngine('a crash while the schema is made leaves no half of it', async (_t, engine) => {
  const crash = engine.open({
    fault: (name) => {
      if (name === 'store.migrate') throw new Crash(name);
    },
  });
  await assert.rejects(crash, Crash);
  const store = await engine.open();
  await store.write(ANN, (tx) => insertRows(tx.sql, 'subjects', [personOf(ANN, 'sub_1', tx.change)]));
});

test('a later migration is taken once, on top of what is there', async (t) => {
  const engine = await sqliteEngineFor(t);
  assert.ok(engine.target.engine === 'sqlite');
  await (await engine.open()).close();
  const database = openSqliteDatabase(engine.target.directory);
  const steps = [...MIGRATIONS, second];
  await migrate(sqliteMigrator(database), () => undefined, steps);
  await migrate(sqliteMigrator(database), () => undefined, steps);
  database.exec(`insert into examples (id, change) values ('x', 1)`);
  database.close();
  await assert.rejects(engine.open(), { code: 'schema.newer' });
});
