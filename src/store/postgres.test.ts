/** What stands behind the tenancy of the queries on PostgreSQL: the database itself refuses. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { Client, escapeIdentifier } from 'pg';
import { TABLES, TENANT_TABLES } from './migrations.ts';
import { openStore } from './open-store.ts';
import { openPostgresEngine } from './postgres.ts';
import type { TableName } from './schema.ts';
import { insertRows, SYSTEM, type Store } from './store.ts';
import { onPostgres, testEnvironment } from './testing/engines.ts';
import { ANN, BEN, rowOf } from './testing/rows.ts';

/** A row in every tenant table for Ann and for Ben. */
async function fill(store: Store): Promise<void> {
  await store.write(SYSTEM, async (tx) => {
    for (const name of TENANT_TABLES) {
      const table = name as TableName;
      const key = TABLES[table]?.key[0] ?? '';
      for (const [at, organization] of [ANN, BEN].entries()) {
        const isText = TABLES[table]?.columns[key]?.type === 'text';
        const row = {
          ...rowOf(table, { change: tx.change }),
          [key]: isText ? organization : at,
          organization,
        };
        await insertRows(tx.sql, table, [row as never]);
      }
    }
  });
}

async function connect(t: TestContext, url: string | undefined): Promise<Client> {
  const client = new Client({ connectionString: url });
  await client.connect();
  t.after(() => client.end());
  return client;
}

async function countsAs(client: Client, organization: string | null): Promise<number[]> {
  await client.query('begin');
  if (organization !== null) {
    await client.query(`select set_config('strongroom.organization', $1, true)`, [organization]);
  }
  const counts: number[] = [];
  for (const table of TENANT_TABLES) {
    const { rows } = await client.query<{ n: string }>(
      `select count(*) as n from ${escapeIdentifier(table)}`,
    );
    counts.push(Number(rows[0]?.n));
  }
  await client.query('rollback');
  return counts;
}

onPostgres(
  'the application’s role sees no row of any tenant table without a tenant, and one tenant’s with one',
  async (t, engine) => {
    await fill(await engine.open());
    const app = await connect(t, engine.database?.url);
    const each = (count: number): number[] => Array.from(TENANT_TABLES, () => count);
    assert.deepEqual(await countsAs(app, null), each(0));
    assert.deepEqual(await countsAs(app, ''), each(0));
    assert.deepEqual(await countsAs(app, ANN), each(1));
    assert.deepEqual(await countsAs(app, 'org_nobody'), each(0));
    // The owner is under the same policies; a superuser is not, which shows that the rows are there.
    assert.deepEqual(await countsAs(await connect(t, engine.database?.ownerUrl), null), each(0));
    assert.deepEqual(await countsAs(await connect(t, engine.database?.superUrl), null), each(2));
  },
);

onPostgres('a tenant left over from one transaction is gone in the next', async (t, engine) => {
  await fill(await engine.open());
  const app = await connect(t, engine.database?.url);
  await countsAs(app, ANN);
  assert.ok((await countsAs(app, null)).every((count) => count === 0));
});

onPostgres(
  'the application’s role can neither write for another tenant nor lift the policies',
  async (t, engine) => {
    await fill(await engine.open());
    const app = await connect(t, engine.database?.url);
    const forbidden = [
      `insert into subjects (id, organization, slot, state, name_box, created_at, change) values ('x', '${BEN}', 1, '', '', 1, 1)`,
      `update subjects set organization = '${BEN}'`,
      'alter table subjects disable row level security',
      'alter table subjects no force row level security',
      'drop policy organization on subjects',
      'create policy all_of_it on subjects using (true)',
      'alter table subjects owner to strongroom_app',
      'drop table subjects',
      'truncate subjects',
      'set role strongroom_owner',
      'set session authorization postgres',
      'alter role strongroom_app bypassrls',
      'set row_security = off; select * from subjects',
      `update ledger_entries set action = 'x'`,
      'delete from ledger_entries',
      'alter table ledger_entries disable trigger all',
    ];
    for (const statement of forbidden) {
      await app.query('begin');
      await app.query(`select set_config('strongroom.organization', '${ANN}', true)`);
      await assert.rejects(app.query(statement), /permission|policy|owner|security|privilege/i, statement);
      await app.query('rollback');
    }
    await app.query('begin');
    await app.query(`select set_config('strongroom.organization', '${ANN}', true)`);
    const { rowCount } = await app.query(`delete from subjects where organization = '${BEN}' or true`);
    assert.equal(rowCount, 1);
    await app.query('rollback');
  },
);

onPostgres('a database that could show one tenant’s rows to another is not opened', async (t, engine) => {
  await (await engine.open()).close();
  const { database } = engine;
  assert.ok(database !== null);
  const { url, superUrl, ownerUrl } = database;
  const admin = await connect(t, superUrl);
  const open = (as: string) => openStore({ engine: 'postgres', url: as }, testEnvironment(), () => undefined);
  await assert.rejects(open(superUrl), { code: 'config.invalid', message: /superuser/ });
  await assert.rejects(open(ownerUrl), { code: 'config.invalid', message: /act as the owner/ });
  const weakenings = [
    ['alter table vaults no force row level security', 'alter table vaults force row level security'],
    ['alter table vaults disable row level security', 'alter table vaults enable row level security'],
    ['alter role strongroom_app bypassrls', 'alter role strongroom_app nobypassrls'],
  ] as const;
  for (const [weaken, mend] of weakenings) {
    await admin.query(weaken);
    await assert.rejects(open(url), { code: 'config.invalid' }, weaken);
    await admin.query(mend);
  }
  await (await open(url)).close();
});

onPostgres(
  'without the owner’s URL a database that lacks its tables is refused',
  async (_t, { database }) => {
    const target = { engine: 'postgres', url: database?.url ?? '' } as const;
    await assert.rejects(
      openStore(target, testEnvironment(), () => undefined),
      { code: 'schema.older' },
    );
  },
);

onPostgres('two processes that open a new database at once make its tables once', async (_t, engine) => {
  const stores = await Promise.all([engine.open(), engine.open(), engine.open()]);
  await Promise.all(stores.map((store) => fill(store).catch(() => undefined)));
  assert.equal(await stores[0]?.read(SYSTEM, (_db, { change }) => Promise.resolve(change)), 1);
});

onPostgres('a connection for reading refuses to write, whatever is sent over it', async (t, engine) => {
  await fill(await engine.open());
  const target = { url: engine.database?.url ?? '' };
  const { readers, writer } = await openPostgresEngine(target, () => undefined);
  t.after(() => readers.close());
  t.after(() => writer.close());
  for (const statement of [
    'delete from subjects',
    'rollback; delete from subjects',
    'create temp table x (y int)',
  ]) {
    const write = readers.read(SYSTEM, async (connection) => connection.execute(statement, []));
    await assert.rejects(write, { code: 'internal' }, statement);
  }
});
