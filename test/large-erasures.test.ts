/** What an erasure reads to find its rows: page by page, each page for what it holds, however much there is besides. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { test } from 'node:test';
import type { SettingsInput } from '../src/config.ts';
import { derivedPage } from '../src/lifecycle/purge.ts';
import { SYSTEM, type ReadSql, type Store } from '../src/store/store.ts';
import type { OrganizationId } from '../src/ids.ts';
import { memoryPages, pageQuery, type Walked } from '../src/vaults/memory-walk.ts';
import { testPostgres } from './postgres.ts';
import { idOf, TestDeployment } from './deployment.ts';

const at = { id: 'mem_', vault: 'vlt_', version: 1, subject: null, conversation: null, change: 1 };

/** How SQLite would answer it. */
function planOf(
  { directory }: TestDeployment,
  { sql }: { readonly sql: string },
): { readonly isSorted: boolean; readonly text: string } {
  const database = new DatabaseSync(join(directory, 'strongroom.db'), { readOnly: true });
  try {
    const steps = database.prepare(`explain query plan ${sql}`).all() as { detail: string }[];
    const text = steps.map(({ detail }) => detail).join(', ');
    return { isSorted: !text.includes('TEMP B-TREE') && !text.includes('SCAN'), text };
  } finally {
    database.close();
  }
}

const compiled = (
  store: Store,
  organization: OrganizationId,
  query: (sql: ReadSql) => { compile(): { sql: string } },
) => store.read(organization, (sql) => Promise.resolve(query(sql).compile()));

test('memories are gone through in the order of an index, of an organization and of a vault', async (t) => {
  const deployment = await TestDeployment.make(t);
  await deployment.opened(async ({ store }) => {
    const organization = await organizationOf(store);
    const queries = [
      (sql: ReadSql) => pageQuery(sql, { vault: null, pageRows: 9 }, null),
      (sql: ReadSql) => pageQuery(sql, { vault: null, pageRows: 9 }, at),
      (sql: ReadSql) => pageQuery(sql, { vault: 'vlt_', pageRows: 9 }, null),
      (sql: ReadSql) => pageQuery(sql, { vault: 'vlt_', pageRows: 9 }, at),
    ];
    for (const query of queries) {
      const { isSorted, text } = planOf(deployment, await compiled(store, organization, query));
      assert.ok(isSorted && text.includes('memories_organization_vault_change'), text);
    }
    for (const after of [null, { memory: 'mem_', source: 'mem_' }]) {
      const { isSorted, text } = planOf(
        deployment,
        await compiled(store, organization, (sql) => derivedPage(sql, after)),
      );
      assert.ok(isSorted && text.includes('memory_sources_organization_source'), text);
    }
    const byIds = await compiled(store, organization, (sql) =>
      sql.selectFrom('memories').select('id').where('id', '>', '').orderBy('id').limit(9),
    );
    assert.equal(planOf(deployment, byIds).isSorted, false, 'the plan of another order is told apart');
    const archived = await compiled(store, organization, (sql) =>
      sql.selectFrom('archived_versions').select('memory').where('slot', 'in', [1, 2]),
    );
    assert.ok(planOf(deployment, archived).isSorted, planOf(deployment, archived).text);
  });
});

test('no memory is passed by, whatever the size of a page, and one that is changed meanwhile is met again', async (t) => {
  const postgres = await testPostgres();
  const databases: SettingsInput[] = [{}];
  if (!('absent' in postgres)) {
    const { url, ownerUrl } = await postgres.createDatabase();
    databases.push({ database: url, databaseOwner: ownerUrl });
  }
  for (const settings of databases) {
    const deployment = await TestDeployment.start(t, { settings });
    const vaults = ['default', 'second', 'third'];
    const ids = new Map<string, string[]>();
    for (const name of vaults) {
      if (name !== 'default') await deployment.must('POST', '/v1/vaults', { body: { name } });
      const memories = Array.from({ length: 4 }, (_, n) => ({ text: `memory ${n}` }));
      const added = await deployment.must('POST', `/v1/vaults/${name}/memories`, { body: { memories } });
      const alone = await deployment.must('POST', `/v1/vaults/${name}/memories`, { body: { text: 'alone' } });
      ids.set(name, [...(added.json['memories'] as { id: string }[]).map(({ id }) => id), idOf(alone)]);
    }
    await deployment.stop();
    await deployment.opened(async ({ store, vaults: open }) => {
      const organization = await organizationOf(store);
      const read = <T>(work: (sql: ReadSql) => Promise<T>): Promise<T> => store.read(organization, work);
      const all = [...ids.values()].flat().toSorted();
      for (const pageRows of [1, 2, 3, 5, 14, 15, 16]) {
        const met = await Array.fromAsync(memoryPages(read, { vault: null, pageRows }));
        assert.deepEqual(idsOf(met).toSorted(), all, `${pageRows}`);
        assert.ok(met.every((page) => page.length <= pageRows));
        const second = await open.find(organization, 'second');
        const own = await Array.fromAsync(memoryPages(read, { vault: second?.id ?? '', pageRows }));
        assert.deepEqual(idsOf(own).toSorted(), ids.get('second')?.toSorted());
      }
      const met: Walked[] = [];
      let changed: Walked | undefined;
      for await (const page of memoryPages(read, { vault: null, pageRows: 2 })) {
        met.push(...page);
        if (changed !== undefined) continue;
        const [first] = page;
        assert.ok(first !== undefined);
        changed = first;
        await store.write(organization, (tx) =>
          tx.sql
            .updateTable('memories')
            .set({ change: tx.change, updated_at: 1 })
            .where('id', '=', first.id)
            .execute(),
        );
      }
      assert.equal(met.filter(({ id }) => id === changed?.id).length, 2);
      assert.deepEqual([...new Set(met.map(({ id }) => id))].toSorted(), all);
    });
  }
});

const idsOf = (pages: readonly (readonly Walked[])[]): string[] =>
  pages.flatMap((page) => page.map(({ id }) => id));

const organizationOf = async (store: Store): Promise<OrganizationId> => {
  const { id } = await store.read(SYSTEM, (db) =>
    db.selectFrom('organizations').select('id').orderBy('id').limit(1).executeTakeFirstOrThrow(),
  );
  return id as OrganizationId;
};
