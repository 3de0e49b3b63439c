/**
 * Damage of the store, by accident or by whoever can write its files: any byte of a sealed column or a segment, boxes
 * moved to other rows, columns, vaults and tenants. It is noticed, it is named, and nothing wrong is ever answered.
 *
 * Not here: a whole row put back to an older state of its own opens, because it is authentic; only the ledger knows of
 * the newer version (docs/threat-model.md).
 */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { DAY_MS } from '../src/durations.ts';
import { TABLES } from '../src/store/migrations.ts';
import { openEveryBox } from './boxes.ts';
import { addTenant, idOf, TestDeployment, type Answer } from './deployment.ts';
import { flipped, readAll, textOf, withDatabase, withoutTriggers } from './raw-database.ts';
import { verifies } from '../src/assurance/testing/verifies.ts';

const MEMORIES = '/v1/vaults/default/memories';
const REPEATED = 'once-and-again';

/** Where a flipped byte of each sealed column must show: a request that reads it, and the id that is named. */
const READS: Readonly<
  Record<string, { row: string; key: string; ask: (world: World) => Promise<Answer>; code?: string }>
> = {
  'organizations.name_box': {
    row: '1 = 1',
    key: 'id',
    ask: ({ deployment }) => deployment.call('GET', '/v1/vaults'),
  },
  'vaults.name_box': {
    row: '1 = 1',
    key: 'id',
    ask: ({ deployment }) => deployment.call('GET', '/v1/vaults/default'),
  },
  'subjects.name_box': { row: '1 = 1', key: 'id', ask: ({ deployment }) => deployment.call('GET', MEMORIES) },
  'conversations.name_box': {
    row: '1 = 1',
    key: 'id',
    ask: ({ deployment }) => deployment.call('GET', MEMORIES),
  },
  'memory_versions.body_box': {
    row: '1 = 1',
    key: 'memory',
    ask: ({ deployment, memory }) => deployment.call('GET', `${MEMORIES}/${memory}`),
  },
  'memory_versions.vector_box': {
    row: 'vector_box is not null',
    key: 'memory',
    ask: ({ deployment, memory }) => deployment.call('GET', `${MEMORIES}/${memory}?include=vector`),
  },
  'api_keys.settings_box': {
    row: '1 = 1',
    key: 'id',
    ask: ({ deployment }) => deployment.call('GET', '/v1/vaults'),
  },
  'api_keys.hash_box': {
    row: '1 = 1',
    key: 'id',
    ask: ({ deployment }) => deployment.call('GET', '/v1/vaults'),
  },
  'idempotency.response_box': { row: '1 = 1', key: 'id', ask: (world) => addOnce(world.deployment) },
  'retention_policies.kinds_box': {
    row: '1 = 1',
    key: 'id',
    ask: ({ deployment }) => deployment.call('GET', '/v1/retention'),
  },
  'holds.about_box': {
    row: '1 = 1',
    key: 'id',
    ask: ({ deployment }) => deployment.call('GET', '/v1/holds'),
  },
  'archived_versions.kind_box': {
    row: 'kind_box is not null',
    key: 'memory',
    ask: ({ deployment }) => deployment.call('GET', `${MEMORIES}?state=archived`),
  },
  'archive_requests.about_box': {
    row: '1 = 1',
    key: 'id',
    ask: ({ deployment }) => deployment.call('GET', '/v1/archive/requests'),
  },
  'ledger_entries.box': {
    row: `box is not null and log <> 'deployment'`,
    key: 'n',
    ask: ({ deployment }) => deployment.call('GET', '/v1/ledger'),
    code: 'ledger.damaged',
  },
};

/** Opened by nothing but a scan of all boxes until projects can be asked for. */
const READ_BY_NO_ROUTE = ['projects.name_box'];

/** Read from the store by every request; names, of tenants, vaults and people, and policies are read once and kept in memory. */
const ALWAYS_READ = Object.keys(READS).filter((name) => !/\.(name_box|kinds_box)$/.test(name));

interface World {
  readonly deployment: TestDeployment;
  readonly memory: string;
}

const addOnce = (deployment: TestDeployment): Promise<Answer> =>
  deployment.call('POST', MEMORIES, {
    body: { text: 'tea with Ann', vector: [3, 4], subject: 'ann', conversation: 'kitchen' },
    headers: { 'idempotency-key': REPEATED, 'strongroom-purpose': 'to remember' },
  });

async function world(t: TestContext): Promise<World> {
  const deployment = await TestDeployment.start(t);
  await keep(deployment);
  return { deployment, memory: idOf(await addOnce(deployment)) };
}

/** A policy, a hold, something in the archive and a request for it. */
async function keep(deployment: TestDeployment): Promise<void> {
  const body = { text: 'long ago', kind: 'fact', subject: 'zoe' };
  const old = idOf(await deployment.must('POST', MEMORIES, { body }));
  await deployment.must('PUT', '/v1/retention', { body: { memories: { archiveAfterDays: 1 } } });
  deployment.clock.advance(2 * DAY_MS);
  await restart(deployment);
  await deployment.must('PUT', '/v1/retention', { body: { kinds: [{ kind: 'rumour', days: 30 }] } });
  await deployment.must('POST', '/v1/holds', { body: { name: 'a case', target: { subject: 'zoe' } } });
  await deployment.must('POST', '/v1/archive/requests', {
    body: { vault: 'default', memories: [old], reason: 'a question' },
  });
}

async function restart(deployment: TestDeployment): Promise<void> {
  await deployment.stop();
  await deployment.serve();
}

test('the columns that are damaged here are all sealed columns there are', () => {
  const sealed = Object.entries(TABLES).flatMap(([table, { columns }]) =>
    Object.entries(columns).flatMap(([column, { category }]) =>
      category === 'sealed' ? [`${table}.${column}`] : [],
    ),
  );
  assert.deepEqual([...Object.keys(READS), ...READ_BY_NO_ROUTE].sort(), sealed.sort());
});

test('a flipped byte in any sealed column is answered as damage, and with nothing else', async (t) => {
  const here = await world(t);
  const { deployment } = here;
  for (const [name, { row, key, ask, code = 'box.damaged' }] of Object.entries(READS)) {
    const [table = '', column = ''] = name.split('.');
    const isAlwaysRead = ALWAYS_READ.includes(name);
    assert.ok((await ask(here)).status < 300, `${name}: the request is a good one before the damage`);
    for (const at of isAlwaysRead ? [0, 1, 20, -17, -1] : [20]) {
      const { restore } = damage(deployment.directory, { table, column, where: row, key, at });
      if (!isAlwaysRead) await restart(deployment);
      // What a key has proved is remembered for a second.
      deployment.clock.advance(1_000);
      const answer = await ask(here);
      assert.equal(answer.status, 503, `${name}: ${answer.text}`);
      assert.equal(answer.json['code'], code, name);
      assert.ok(!/tea|ann|kitchen|default/.test(answer.text), name);
      restore();
    }
    if (!isAlwaysRead) await restart(deployment);
    assert.ok((await ask(here)).status < 300, `${name}: undone, all is well again`);
  }
});

test('the log names the table, the column and the record that is damaged', async (t) => {
  const here = await world(t);
  for (const name of Object.keys(READS))
    if (name !== 'ledger_entries.box') assert.equal(await unnamed(here, name), null);
});

test('the log names the entry whose details are damaged', async (t) => {
  assert.equal(await unnamed(await world(t), 'ledger_entries.box'), null);
});

/** What the log says where it does not name the record that was damaged; null where it does. */
async function unnamed(here: World, name: string): Promise<string | null> {
  const { deployment } = here;
  const [table = '', column = ''] = name.split('.');
  const { row, key, ask } = READS[name] ?? assert.fail(name);
  const { id, restore } = damage(deployment.directory, { table, column, where: row, key, at: -1 });
  await restart(deployment);
  deployment.logged.length = 0;
  await ask(here);
  await TestDeployment.settle();
  restore();
  const places = [name, 'the details of entry'];
  const isNamed = deployment.logged.some(
    (line) => places.some((place) => line.includes(place)) && new RegExp(`\\b${id}\\b`).test(line),
  );
  return isNamed ? null : `${name}: ${deployment.logged.join('')}`;
}

test('every byte of a box counts, and the other memories are still answered', async (t) => {
  const { deployment, memory } = await world(t);
  const other = idOf(await deployment.must('POST', MEMORIES, { body: { text: 'twin' } }));
  const length = withDatabase(deployment.directory, (database) => {
    const [version] = readAll(database, 'memory_versions', `memory = '${memory}'`);
    return (version?.['body_box'] as Uint8Array | undefined)?.length ?? 0;
  });
  assert.ok(length > 40);
  for (let at = 0; at < length; at++) {
    const { restore } = damage(deployment.directory, {
      table: 'memory_versions',
      column: 'body_box',
      where: `memory = '${memory}'`,
      key: 'memory',
      at,
    });
    assert.equal(
      (await deployment.call('GET', `${MEMORIES}/${memory}`)).json['code'],
      'box.damaged',
      `byte ${at}`,
    );
    assert.equal((await deployment.must('GET', `${MEMORIES}/${other}`)).json['text'], 'twin');
    restore();
  }
  assert.equal((await deployment.must('GET', `${MEMORIES}/${memory}`)).json['text'], 'tea with Ann');
});

test('a scan of all boxes names the table, the column and the row of any flipped byte', async (t) => {
  const { deployment } = await world(t);
  await deployment.must('POST', '/v1/vaults/default/search', { body: { query: 'tea' } });
  await deployment.stop();
  const scan = () => deployment.opened((open) => openEveryBox(open, deployment.directory));
  const before = await scan();
  assert.ok(before.every(({ outcome }) => outcome === 'open'));
  assert.deepEqual(
    [...new Set(before.map(({ place }) => `${place.table}.${place.column}`))].sort(),
    [...Object.keys(READS), ...READ_BY_NO_ROUTE, 'segments.blob'].sort(),
  );
  const { id, restore } = damage(deployment.directory, {
    table: 'projects',
    column: 'name_box',
    where: '1 = 1',
    key: 'id',
    at: -1,
  });
  const damaged = (await scan()).filter(({ outcome }) => outcome !== 'open');
  assert.deepEqual(
    damaged.map(({ place, name, outcome }) => [place.table, place.column, name, outcome]),
    [['projects', 'name_box', id, 'damaged']],
  );
  restore();
});

test('a damaged segment is named, left out and written anew, and no memory is lost', async (t) => {
  const { deployment } = await world(t);
  const search = async (): Promise<unknown> =>
    (await deployment.must('POST', '/v1/vaults/default/search', { body: { query: 'tea', vector: [3, 4] } }))
      .json;
  const expected = await search();
  for (const at of [0, 13, -1]) {
    await deployment.stop();
    const folder = join(deployment.directory, 'blobs', 'segments');
    const [name = ''] = await readdir(folder);
    await writeFile(join(folder, name), flipped(await readFile(join(folder, name)), at));
    await deployment.serve();
    assert.deepEqual(await search(), expected);
    assert.ok(deployment.logged.join('').includes(name), `${name} is not named`);
    await deployment.stop();
    const names = await readdir(folder);
    assert.ok(names.length === 1 && !names.includes(name));
    await deployment.serve();
    deployment.logged.length = 0;
    assert.deepEqual(await search(), expected);
    assert.ok(!deployment.logged.join('').includes('damaged'));
  }
});

test('a box opens in no other row, column, vault or tenant, with or without the slots of its own row', async (t) => {
  verifies('TEN-02');
  const deployment = await TestDeployment.make(t);
  const tenant = await addTenant(deployment);
  await deployment.serve();
  await deployment.must('POST', '/v1/vaults', { body: { name: 'other' } });
  const add = async (vault: string, text: string, key = deployment.apiKey): Promise<string> =>
    idOf(
      await deployment.must('POST', `/v1/vaults/${vault}/memories`, { key, body: { text, vector: [1, 2] } }),
    );
  const victim = await add('default', 'of the victim');
  const targets = {
    row: { id: await add('default', 'same vault'), vault: 'default', key: deployment.apiKey },
    vault: { id: await add('other', 'other vault'), vault: 'other', key: deployment.apiKey },
    tenant: { id: await add('default', 'other tenant', tenant.apiKey), vault: 'default', key: tenant.apiKey },
  };
  for (const [place, { id, vault, key }] of Object.entries(targets))
    for (const columns of [['body_box'], ['vector_box'], ['body_box', 'vector_box', 'slot', 'scope']]) {
      const undo = copyColumns(deployment.directory, { from: victim, to: id, columns });
      const answer = await deployment.call('GET', `/v1/vaults/${vault}/memories/${id}?include=vector`, {
        key,
      });
      assert.equal(
        answer.json['code'],
        'box.damaged',
        `${columns.join(', ')} moved to another ${place}: ${answer.text}`,
      );
      assert.ok(!answer.text.includes('victim'));
      undo();
      assert.equal(
        (await deployment.must('GET', `/v1/vaults/${vault}/memories/${id}`, { key })).json['id'],
        id,
      );
    }
  withDatabase(deployment.directory, (database) =>
    database
      .prepare('update memory_versions set body_box = vector_box, vector_box = body_box where memory = ?')
      .run(victim),
  );
  assert.equal(
    (await deployment.call('GET', `${MEMORIES}/${victim}?include=vector`)).json['code'],
    'box.damaged',
  );
});

interface Damage {
  readonly table: string;
  readonly column: string;
  readonly where: string;
  readonly key: string;
  readonly at: number;
}

function damage(
  directory: string,
  { table, column, where, key, at }: Damage,
): { id: string; restore(): void } {
  const set = (id: unknown, value: Uint8Array): unknown =>
    withoutTriggers(directory, (database) =>
      database
        .prepare(`update ${table} set ${column} = ? where ${where} and ${key} = ?`)
        .run(value, id as string),
    );
  const [row] = withDatabase(directory, (database) =>
    readAll(database, table, `${where} order by ${key} desc limit 1`),
  );
  const before = row?.[column] as Uint8Array;
  set(row?.[key], flipped(before, at));
  return { id: textOf(row?.[key]), restore: () => set(row?.[key], before) };
}

/** Writes columns of one version over those of another; returns what puts them back. */
function copyColumns(
  directory: string,
  { from, to, columns }: { from: string; to: string; columns: readonly string[] },
): () => void {
  return withDatabase(directory, (database) => {
    const [source] = readAll(database, 'memory_versions', `memory = '${from}'`);
    const [before] = readAll(database, 'memory_versions', `memory = '${to}'`);
    const write = (row: typeof source, on: typeof database): unknown =>
      on
        .prepare(
          `update memory_versions set ${columns.map((column) => `${column} = ?`).join(', ')} where memory = ?`,
        )
        .run(...columns.map((column) => row?.[column] ?? null), to);
    write(source, database);
    return () => void withDatabase(directory, (again) => write(before, again));
  });
}
