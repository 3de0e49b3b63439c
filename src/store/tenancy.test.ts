import assert from 'node:assert/strict';
import { CompiledQuery, sql as raw, type Kysely } from 'kysely';
import { insertRows, SYSTEM, type Store, type Tx } from './store.ts';
import type { Database } from './schema.ts';
import { forEachEngine } from './testing/engines.ts';
import { ANN, BEN, personOf, rowOf } from './testing/rows.ts';

type Sql = Kysely<Database>;

/** Each organization has one person, one conversation and one vault; ids say whose. */
async function furnish(store: Store): Promise<void> {
  for (const [organization, whose] of [
    [ANN, 'ann'],
    [BEN, 'ben'],
  ] as const) {
    await store.write(organization, async (tx) => {
      const { change } = tx;
      await insertRows(tx.sql, 'subjects', [personOf(organization, `sub_${whose}`, change)]);
      await insertRows(tx.sql, 'conversations', [
        rowOf('conversations', { organization, id: `cnv_${whose}`, vault: 'vlt_shared', change }),
      ]);
      await insertRows(tx.sql, 'vaults', [rowOf('vaults', { organization, id: `vlt_${whose}`, change })]);
    });
  }
}

/** Every way to read: what comes back may name Ann only. */
const READS: Readonly<Record<string, (sql: Sql) => { execute(): Promise<readonly object[]> }>> = {
  'a plain select': (sql) => sql.selectFrom('subjects').selectAll(),
  'an alias': (sql) => sql.selectFrom('subjects as s').select('s.id'),
  'a condition with or': (sql) =>
    sql
      .selectFrom('subjects')
      .selectAll()
      .where(raw<boolean>`1 = 0 or 1 = 1`),
  'an or of conditions': (sql) =>
    sql
      .selectFrom('subjects')
      .selectAll()
      .where((eb) => eb.or([eb('id', '=', 'x'), eb('id', 'is not', null)])),
  'the other tenant by name': (sql) => sql.selectFrom('subjects').selectAll().where('organization', '=', BEN),
  'the other tenant by id': (sql) => sql.selectFrom('subjects').selectAll().where('id', '=', 'sub_ben'),
  'two tables': (sql) => sql.selectFrom(['subjects', 'vaults']).select(['subjects.id', 'vaults.id as vault']),
  'an inner join': (sql) =>
    sql
      .selectFrom('subjects')
      .innerJoin('conversations', (join) => join.on(raw<boolean>`1 = 1 or 1 = 1`))
      .select(['subjects.id', 'conversations.id as conversation']),
  'a left join': (sql) =>
    sql
      .selectFrom('conversations')
      .leftJoin('subjects', (join) => join.on('subjects.id', '=', 'sub_ben'))
      .select(['conversations.id', 'subjects.id as subject']),
  'a cross join': (sql) =>
    sql.selectFrom('subjects').crossJoin('vaults').select(['subjects.id', 'vaults.id as vault']),
  'a sub-select as a table': (sql) =>
    sql.selectFrom(sql.selectFrom('subjects').select('id').as('inner')).select('inner.id'),
  'a sub-select as a value': (sql) =>
    sql
      .selectFrom('conversations')
      .select((eb) => ['id', eb.selectFrom('subjects').select(eb.fn.max('id').as('m')).as('m')]),
  'a sub-select as a condition': (sql) =>
    sql
      .selectFrom('conversations')
      .select('id')
      .where((eb) => eb.exists(eb.selectFrom('subjects').select('id').where('id', '=', 'sub_ben'))),
  'a common table expression': (sql) =>
    sql
      .with('everyone', (db) => db.selectFrom('subjects').select('id'))
      .selectFrom('everyone')
      .select('id'),
  'a common table expression named like a table': (sql) =>
    sql
      .with('vaults', (db) => db.selectFrom('subjects').select(['id', 'organization']))
      .selectFrom('vaults')
      .select('id'),
  'a union': (sql) =>
    sql.selectFrom('conversations').select('id').union(sql.selectFrom('subjects').select('id')),
  'a group': (sql) =>
    sql
      .selectFrom('subjects')
      .select(['organization'])
      .groupBy('organization')
      .having((eb) => eb.fn.countAll(), '>', 0),
};

forEachEngine('no form of reading shows another tenant’s rows', async (_t, engine) => {
  const store = await engine.open();
  await furnish(store);
  for (const [form, read] of Object.entries(READS)) {
    const own = await store.write(ANN, (tx) => read(tx.sql).execute());
    assert.doesNotMatch(JSON.stringify(own), /ben/, form);
    // The control: without a scope the same query does show the other's, unless it asks for what nobody has.
    const all = await store.write(SYSTEM, (tx) => read(tx.sql).execute());
    assert.match(JSON.stringify(all), /ben/, `${form}, in the scope of the system`);
  }
  const rows = await store.read(ANN, (db) => db.selectFrom('subjects').select('id').execute());
  assert.deepEqual(rows, [{ id: 'sub_ann' }]);
});

forEachEngine('an outer join keeps the rows that have no partner', async (_t, engine) => {
  const store = await engine.open();
  await furnish(store);
  const rows = await store.read(ANN, (db) =>
    db
      .selectFrom('conversations')
      .leftJoin('subjects', (join) => join.on('subjects.id', '=', 'sub_ben'))
      .select(['conversations.id', 'subjects.id as subject'])
      .execute(),
  );
  assert.deepEqual(rows, [{ id: 'cnv_ann', subject: null }]);
});

/** Every way to change rows: none of them may reach Ben's. */
const CHANGES: Readonly<Record<string, (tx: Tx) => Promise<unknown>>> = {
  'an update of all': (tx) =>
    tx.sql.updateTable('subjects').set({ state: 'taken', change: tx.change }).execute(),
  'an update by id': (tx) =>
    tx.sql
      .updateTable('subjects')
      .set({ state: 'taken', change: tx.change })
      .where('id', '=', 'sub_ben')
      .execute(),
  'an update with an or': (tx) =>
    tx.sql
      .updateTable('subjects as s')
      .set({ state: 'taken', change: tx.change })
      .where(raw<boolean>`1 = 0 or 1 = 1`)
      .execute(),
  'an update by a sub-select': (tx) =>
    tx.sql
      .updateTable('subjects')
      .set({ state: 'taken', change: tx.change })
      .where('id', 'in', (eb) => eb.selectFrom('subjects').select('id'))
      .execute(),
  'a delete by id': (tx) => tx.sql.deleteFrom('subjects').where('id', '=', 'sub_ben').execute(),
  'a delete with an or': (tx) =>
    tx.sql
      .deleteFrom('subjects')
      .where(raw<boolean>`1 = 0 or 1 = 1`)
      .execute(),
  'an upsert of an id that is taken': (tx) =>
    tx.sql
      .insertInto('subjects')
      .values(personOf(ANN, 'sub_ben', tx.change))
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ state: 'taken', change: tx.change }))
      .execute(),
};

forEachEngine('no form of changing reaches another tenant’s rows', async (_t, engine) => {
  const store = await engine.open();
  await furnish(store);
  for (const [form, change] of Object.entries(CHANGES)) {
    // Some forms are refused by the engine itself: what counts is what became of the row.
    await Promise.allSettled([store.write(ANN, change)]);
    const rows = await store.read(BEN, (db) => db.selectFrom('subjects').select(['id', 'state']).execute());
    assert.deepEqual(rows, [{ id: 'sub_ben', state: 'active' }], form);
  }
  await store.write(SYSTEM, async (tx) => CHANGES['an update of all']?.(tx));
  const taken = await store.read(BEN, (db) => db.selectFrom('subjects').select('state').execute());
  assert.deepEqual(taken, [{ state: 'taken' }], 'the control: the system reaches it');
});

/** What cannot be judged, or is not for a tenant's job. */
const REFUSED: Readonly<Record<string, (tx: Tx) => unknown>> = {
  'an insert for another': (tx) =>
    tx.sql
      .insertInto('subjects')
      .values(personOf(BEN, 'sub_x', tx.change))
      .execute(),
  'one row of another among several': (tx) =>
    tx.sql
      .insertInto('subjects')
      .values([personOf(ANN, 'sub_x', tx.change), personOf(BEN, 'sub_y', tx.change)])
      .execute(),
  'a bulk insert for another': (tx) => insertRows(tx.sql, 'subjects', [personOf(BEN, 'sub_x', tx.change)]),
  'an insert from a select': (tx) =>
    tx.sql
      .insertInto('subjects')
      .columns(['id', 'organization', 'change'])
      .expression((eb) => eb.selectFrom('subjects').select(['id', 'organization', 'change']))
      .execute(),
  'a row moved to another': (tx) =>
    tx.sql.updateTable('subjects').set({ organization: BEN, change: tx.change }).execute(),
  'a row moved by an upsert': (tx) =>
    tx.sql
      .insertInto('subjects')
      .values(personOf(ANN, 'sub_ann', tx.change))
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ organization: BEN, change: tx.change }))
      .execute(),
  'raw SQL': (tx) => raw`select * from subjects`.execute(tx.sql),
  'raw SQL in a table’s place': (tx) =>
    tx.sql
      .selectFrom(raw<{ id: string }>`(select id from Subjects)`.as('s'))
      .selectAll()
      .execute(),
  'a table name spliced into raw SQL': (tx) =>
    tx.sql
      .selectFrom('meta')
      .select(raw<string>`(select max(id) from ${raw.table('subjects')})`.as('id'))
      .execute(),
  'raw SQL that steps out of its parentheses': (tx) =>
    tx.sql
      .selectFrom('subjects')
      .selectAll()
      .where(raw<boolean>`1 = 1) or (1 = 1`)
      .execute(),
  'raw SQL that comments out what follows': (tx) =>
    tx.sql
      .selectFrom('subjects')
      .selectAll()
      .where(raw<boolean>`1 = 1 --`)
      .execute(),
  'a statement compiled elsewhere': (tx) => tx.sql.executeQuery(CompiledQuery.raw('select * from subjects')),
  'a statement without the plugin': (tx) =>
    tx.sql.withoutPlugins().selectFrom('subjects').selectAll().execute(),
  'a change of the schema': (tx) => tx.sql.schema.dropTable('subjects').execute(),
  'a transaction of its own': (tx) => tx.sql.transaction().execute(() => Promise.resolve()),
  'the head of the keyring': (tx) =>
    tx.sql.updateTable('keyring_head').set({ epoch: 9, change: tx.change }).execute(),
  'the head of the keyring, in bulk': (tx) =>
    insertRows(tx.sql, 'keyring_head', [rowOf('keyring_head', { id: 1, change: tx.change })]),
};

forEachEngine('what cannot be confined to one tenant is refused', async (_t, engine) => {
  const store = await engine.open();
  await furnish(store);
  for (const [form, work] of Object.entries(REFUSED)) {
    await assert.rejects(
      store.write(ANN, async (tx) => work(tx)),
      { code: 'internal', message: /refused/ },
      form,
    );
  }
  const all = await store.read(SYSTEM, (db) =>
    db.selectFrom('subjects').select(['id', 'organization']).orderBy('id').execute(),
  );
  assert.deepEqual(all, [
    { id: 'sub_ann', organization: ANN },
    { id: 'sub_ben', organization: BEN },
  ]);
});

forEachEngine('a read cannot write, whatever its handle is taken for', async (_t, engine) => {
  const store = await engine.open();
  await furnish(store);
  const forms: ((sql: Sql) => Promise<unknown>)[] = [
    (sql) => sql.deleteFrom('subjects').execute(),
    (sql) => insertRows(sql, 'subjects', [personOf(ANN, 'sub_x', 1)]),
    (sql) => sql.withoutPlugins().deleteFrom('subjects').execute(),
  ];
  for (const write of forms) {
    await assert.rejects(
      store.read(SYSTEM, (db) => write(db as unknown as Sql)),
      { code: 'internal' },
    );
  }
});

forEachEngine(
  'entries of the ledger can be neither changed nor deleted, by the system itself either',
  async (_t, engine) => {
    const store = await engine.open();
    const rows = (change: number) => [
      rowOf('ledger_entries', { log: ANN, organization: ANN, n: 1, action: 'memory.add', change }),
    ];
    await store.write(ANN, (tx) => insertRows(tx.sql, 'ledger_entries', rows(tx.change)));
    for (const scope of [ANN, SYSTEM] as const) {
      const update = store.write(scope, (tx) =>
        tx.sql.updateTable('ledger_entries').set({ action: 'memory.get', change: tx.change }).execute(),
      );
      await assert.rejects(update, { code: 'internal' });
      await assert.rejects(
        store.write(scope, (tx) => tx.sql.deleteFrom('ledger_entries').execute()),
        { code: 'internal' },
      );
    }
    const [entry] = await store.read(ANN, (db) => db.selectFrom('ledger_entries').select('action').execute());
    assert.deepEqual(entry, { action: 'memory.add' });
  },
);
