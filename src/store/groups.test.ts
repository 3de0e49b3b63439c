import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { DatabaseSync } from 'node:sqlite';
import { Client } from 'pg';
import { Crash } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { FatalStoreError, type Engine } from './connection.ts';
import { CommitGroups } from './groups.ts';
import { migrate } from './migrate.ts';
import { openSqliteDatabase, sqliteEngine, sqliteMigrator } from './sqlite.ts';
import { insertRows, SYSTEM, type Flusher, type Store, type Tx } from './store.ts';
import { forEachEngine, onPostgres, temporaryFolder } from './testing/engines.ts';
import { ANN, personOf } from './testing/rows.ts';

const add = async (tx: Tx, id: string): Promise<string> => {
  await insertRows(tx.sql, 'subjects', [personOf(ANN, id, tx.change)]);
  return id;
};

const people = async (store: Store): Promise<string[]> => {
  const rows = await store.read(ANN, (db) =>
    db.selectFrom('subjects').select('id').orderBy('change').execute(),
  );
  return rows.map(({ id }) => id);
};

forEachEngine('what was acknowledged is there after reopening', async (_t, engine) => {
  const store = await engine.open();
  assert.equal(await store.write(ANN, (tx) => add(tx, 'sub_1')), 'sub_1');
  await store.close();
  assert.deepEqual(await people(await engine.open()), ['sub_1']);
});

forEachEngine('a job that throws leaves no row and no gap in the change numbers', async (_t, engine) => {
  const store = await engine.open();
  const jobs = ['sub_1', 'bad', 'sub_2', 'bad', 'sub_3'].map((id) =>
    store.write(ANN, async (tx) => {
      await add(tx, id);
      if (id === 'bad') throw new RangeError('no');
      return tx.change;
    }),
  );
  const outcomes = await Promise.allSettled(jobs);
  assert.deepEqual(
    outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : String(outcome.reason))),
    [1, 'RangeError: no', 2, 'RangeError: no', 3],
  );
  assert.deepEqual(await people(store), ['sub_1', 'sub_2', 'sub_3']);
});

forEachEngine(
  'the last write of a table moves with each commit that touches it, in whichever way, and with no other',
  async (_t, engine) => {
    const store = await engine.open();
    const seen = (): number => store.lastWrite('subjects');
    assert.equal(seen(), 0);
    await store.write(ANN, (tx) => add(tx, 'sub_1'));
    const inserted = seen();
    await store.write(ANN, (tx) => tx.sql.selectFrom('subjects').select('id').execute());
    assert.deepEqual([inserted, seen()], [1, 1]);
    await store.write(ANN, (tx) =>
      tx.sql.updateTable('subjects').set({ change: tx.change }).where('id', '=', 'sub_1').execute(),
    );
    const updated = seen();
    const failed = store.write(ANN, async (tx) => {
      await add(tx, 'sub_2');
      throw new RangeError('no');
    });
    await assert.rejects(failed, RangeError);
    assert.deepEqual([updated, seen()], [3, 3]);
    await store.write(ANN, (tx) => tx.sql.deleteFrom('subjects').where('id', '=', 'sub_1').execute());
    assert.deepEqual([seen(), store.lastWrite('vaults')], [4, 0]);
  },
);

forEachEngine('a job with a failed statement fails, whatever it makes of the error', async (_t, engine) => {
  const store = await engine.open();
  await store.write(ANN, (tx) => add(tx, 'sub_1'));
  const swallowed = store.write(ANN, async (tx) => {
    await add(tx, 'sub_2');
    await add(tx, 'sub_1').catch(() => undefined);
  });
  await assert.rejects(swallowed, { code: 'conflict' });
  const goingOn = store.write(ANN, async (tx) => {
    await add(tx, 'sub_1').catch(() => undefined);
    await add(tx, 'sub_3');
  });
  await assert.rejects(goingOn);
  assert.deepEqual(await people(store), ['sub_1']);
});

forEachEngine(
  'a value comes back as it was: every byte, every character, every safe integer',
  async (_t, engine) => {
    const store = await engine.open();
    const bytes = Uint8Array.from({ length: 70_000 }, (_, at) => (at * 31) & 0xff);
    const texts = ['', 'ä\n\'"\\%_', '\u{1f512}', 'x'.repeat(70_000)];
    const integers = [
      0,
      -1,
      128,
      255,
      2 ** 31,
      2 ** 44 - 1,
      Number.MAX_SAFE_INTEGER,
      Number.MIN_SAFE_INTEGER,
    ];
    const rows = integers.map((slot, at) => ({
      id: `sub_${at}`,
      slot,
      state: texts[at % texts.length] ?? '',
      name_box: bytes.subarray(at),
    }));
    await store.write(ANN, async (tx) => {
      const full = rows.map((row) => ({ ...personOf(ANN, row.id, tx.change), ...row }));
      await insertRows(tx.sql, 'subjects', full.slice(0, 4));
      await tx.sql.insertInto('subjects').values(full.slice(4)).execute();
    });
    const found = await store.read(ANN, (db) =>
      db.selectFrom('subjects').select(['id', 'slot', 'state', 'name_box']).orderBy('id').execute(),
    );
    assert.deepEqual(
      found,
      rows.map((row) => ({ ...row, name_box: Uint8Array.from(row.name_box) })),
    );
  },
);

forEachEngine('jobs of one moment share one durable commit', async (_t, engine) => {
  let commits = 0;
  const store = await engine.open({ fault: (name) => void (commits += name === 'store.commit' ? 1 : 0) });
  const jobs = Array.from({ length: 50 }, (_, at) => store.write(ANN, (tx) => add(tx, `sub_${at}`)));
  await Promise.all(jobs);
  assert.equal(commits, 1);
  assert.equal((await people(store)).length, 50);
});

forEachEngine(
  'deferrals are flushed once per group, in the order of the jobs, without those that failed',
  async (_t, engine) => {
    const store = await engine.open();
    const flushes: string[][] = [];
    const dropped: string[] = [];
    const kept: string[] = [];
    const flusher: Flusher<string> = {
      flush: async (sql, items, change) => {
        assert.equal(change, 2);
        flushes.push(items.map(({ item, change, scope }) => `${item} ${change} ${String(scope)}`));
        await insertRows(sql, 'subjects', [personOf(ANN, 'sub_flushed', change)]);
      },
      committed: (items) => kept.push(...items.map(({ item }) => item)),
      failed: (items) => dropped.push(...items.map(({ item }) => item)),
    };
    const jobs = ['a', 'bad', 'b'].map((item) =>
      store.write(ANN, (tx) => {
        tx.defer(flusher, item);
        return item === 'bad' ? Promise.reject(new RangeError('no')) : Promise.resolve();
      }),
    );
    await Promise.allSettled(jobs);
    assert.deepEqual(flushes, [[`a 1 ${ANN}`, `b 2 ${ANN}`]]);
    assert.deepEqual([kept, dropped], [['a', 'b'], ['bad']]);
    assert.deepEqual(await people(store), ['sub_flushed']);
  },
);

forEachEngine(
  'a failed flush rejects every job of its group and leaves nothing of it',
  async (_t, engine) => {
    const store = await engine.open();
    const dropped: string[] = [];
    const failing: Flusher<string> = {
      flush: () => Promise.reject(new StrongroomError('ledger.unavailable')),
      failed: (items) => dropped.push(...items.map(({ item }) => item)),
    };
    const jobs = ['sub_1', 'sub_2'].map((id) =>
      store.write(ANN, async (tx) => {
        await add(tx, id);
        if (id === 'sub_2') tx.defer(failing, id);
      }),
    );
    const outcomes = await Promise.allSettled(jobs);
    assert.ok(outcomes.every((outcome) => outcome.status === 'rejected'));
    assert.deepEqual(dropped, ['sub_2']);
    await store.write(ANN, (tx) => add(tx, 'sub_3'));
    assert.deepEqual(await people(store), ['sub_3']);
  },
);

forEachEngine('a handle is dead once its job or read is over', async (_t, engine) => {
  const store = await engine.open();
  const kept = await store.write(ANN, (tx) => Promise.resolve({ tx }));
  await assert.rejects(add(kept.tx, 'sub_1'), /after the end of its job/);
  assert.throws(() => kept.tx.defer({ flush: () => Promise.resolve() }, 1), /after the end of its job/);
  const { db } = await store.read(ANN, (db) => Promise.resolve({ db }));
  await assert.rejects(db.selectFrom('subjects').select('id').execute(), /after the end of its job/);
});

forEachEngine('every row a job writes carries its change number', async (_t, engine) => {
  const store = await engine.open();
  await store.write(ANN, (tx) => add(tx, 'sub_1'));
  const stale: ((tx: Tx) => Promise<unknown>)[] = [
    (tx) => insertRows(tx.sql, 'subjects', [personOf(ANN, 'sub_2', 1)]),
    (tx) =>
      tx.sql
        .insertInto('subjects')
        .values(personOf(ANN, 'sub_2', 1))
        .execute(),
    (tx) => tx.sql.updateTable('subjects').set({ state: 'gone' }).execute(),
    (tx) => tx.sql.updateTable('subjects').set({ state: 'gone', change: 1 }).execute(),
  ];
  for (const work of stale) await assert.rejects(store.write(ANN, work), /without its change/);
  await store.write(ANN, (tx) =>
    tx.sql.updateTable('subjects').set({ state: 'gone', change: tx.change }).execute(),
  );
});

forEachEngine(
  'a read sees one snapshot, with the change number up to which it is complete',
  async (_t, engine) => {
    const store = await engine.open();
    await store.write(ANN, (tx) => add(tx, 'sub_1'));
    await store.read(ANN, async (db, head) => {
      assert.equal(head.change, 1);
      await store.write(ANN, (tx) => add(tx, 'sub_2'));
      assert.equal((await db.selectFrom('subjects').select('id').execute()).length, 1);
    });
    await store.read(ANN, async (db, head) => {
      assert.equal(head.change, 2);
      assert.equal((await db.selectFrom('subjects').select('id').execute()).length, 2);
    });
  },
);

forEachEngine('more reads than there are connections wait for each other', async (_t, engine) => {
  const store = await engine.open();
  const reads = Array.from({ length: 40 }, () =>
    store.read(ANN, async (db) => {
      await new Promise((resolve) => setImmediate(resolve));
      return db.selectFrom('subjects').select('id').execute();
    }),
  );
  assert.equal((await Promise.all(reads)).length, 40);
  await assert.rejects(
    store.read(ANN, () => Promise.reject(new RangeError('no'))),
    RangeError,
  );
});

forEachEngine(
  'one who catches up by change number misses nothing, with two writers on one database',
  async (_t, engine) => {
    // SQLite has one process: there the second writer is another submitter to the same store.
    const first = await engine.open();
    const second = engine.name === 'postgres' ? await engine.open() : first;
    let ended = false;
    const writers = [first, second].map(async (store, writer) => {
      for (let round = 0; round < 15; round++) {
        const jobs = [0, 1, 2].map((job) =>
          store.write(ANN, async (tx) => {
            await add(tx, `sub_${writer}_${round}_${job}`);
            if (job === 1 && round % 2 === 0) throw new RangeError('no');
          }),
        );
        await Promise.allSettled(jobs);
      }
    });
    const caughtUp = (async () => {
      const seen: number[] = [];
      for (let last = 0, done = false; !done;) {
        done = ended;
        const rows = await first.read(SYSTEM, async (db, head) => {
          const news = await db
            .selectFrom('subjects')
            .select('change')
            .where('change', '>', last)
            .orderBy('change')
            .execute();
          assert.ok(news.every(({ change }) => change <= head.change));
          return news;
        });
        seen.push(...rows.map(({ change }) => change));
        last = seen.at(-1) ?? 0;
        await new Promise((resolve) => setImmediate(resolve));
      }
      return seen;
    })();
    await Promise.all(writers);
    ended = true;
    const expected = 2 * (15 * 3 - 8);
    assert.deepEqual(
      await caughtUp,
      Array.from({ length: expected }, (_, at) => at + 1),
    );
  },
);

forEachEngine('a closed store refuses, and finishes first what it had accepted', async (_t, engine) => {
  const store = await engine.open();
  const last = store.write(ANN, (tx) => add(tx, 'sub_1'));
  await store.close();
  assert.equal(await last, 'sub_1');
  await assert.rejects(
    store.write(ANN, (tx) => add(tx, 'sub_2')),
    { code: 'store.unavailable' },
  );
  await assert.rejects(people(store), { code: 'store.unavailable' });
});

test('a full disk fails the group it happens to, and the store goes on when there is room', async (t) => {
  const { groups, database } = await rawSqlite(t);
  const pages = Number(database.prepare('pragma page_count').get()?.['page_count']);
  database.exec(`pragma max_page_count = ${pages}`);
  const large = (tx: Tx, id: string): Promise<void> =>
    insertRows(tx.sql, 'subjects', [{ ...personOf(ANN, id, tx.change), name_box: new Uint8Array(100_000) }]);
  const outcomes = await Promise.allSettled(
    [large, add].map((work, at) => groups.submit<unknown>(ANN, (tx) => work(tx, `sub_${at + 1}`))),
  );
  assert.equal(outcomes[0]?.status, 'rejected');
  assert.equal((outcomes[0].reason as StrongroomError).code, 'store.unavailable');
  database.exec('pragma max_page_count = 1000000');
  await groups.submit(ANN, (tx) => large(tx, 'sub_3'));
  const ids = database
    .prepare('select id from subjects order by id')
    .all()
    .map(({ id }) => id);
  assert.deepEqual(ids, outcomes[1]?.status === 'fulfilled' ? ['sub_2', 'sub_3'] : ['sub_3']);
});

test('a commit of unknown outcome ends the process once, and nothing is written after it', async (t) => {
  const { engine, database } = await rawSqlite(t);
  const fatal: unknown[] = [];
  const broken: Engine = { ...engine, writer: failingWriter(engine, 'commit') };
  const groups = new CommitGroups({
    engine: broken,
    fault: () => undefined,
    onFatal: (error) => fatal.push(error),
  });
  const jobs = ['sub_1', 'sub_2'].map((id) => groups.submit(ANN, (tx) => add(tx, id)));
  const outcomes = await Promise.allSettled(jobs);
  assert.ok(outcomes.every((outcome) => outcome.status === 'rejected'));
  assert.equal(fatal.length, 1);
  await assert.rejects(
    groups.submit(ANN, (tx) => add(tx, 'sub_3')),
    { code: 'store.unavailable' },
  );
  assert.equal(database.isOpen, false);
});

test('a failed checkpoint ends the process', async (t) => {
  const { engine } = await rawSqlite(t);
  const fatal: unknown[] = [];
  const broken: Engine = { ...engine, writer: failingWriter(engine, 'settle') };
  const groups = new CommitGroups({
    engine: broken,
    fault: () => undefined,
    onFatal: (error) => fatal.push(error),
  });
  await groups.submit(ANN, (tx) => add(tx, 'sub_1'));
  await groups.close();
  assert.equal(fatal.length, 1);
});

test('the log is copied into the database and starts over', async (t) => {
  const { groups, database, engine } = await rawSqlite(t);
  const large = { ...personOf(ANN, 'sub_1', 0), name_box: new Uint8Array(1_000_000) };
  for (let at = 0; at < 40; at++) {
    await groups.submit(ANN, (tx) =>
      insertRows(tx.sql, 'subjects', [{ ...large, id: `sub_${at}`, change: tx.change }]),
    );
  }
  const { log } = database.prepare('pragma wal_checkpoint(noop)').get() ?? {};
  assert.ok(Number(log) * 8192 < 24 * 1024 * 1024, `${String(log)} pages in the log`);
  assert.equal(engine.name, 'sqlite');
});

onPostgres('a lost connection fails its group, and the next one connects anew', async (_t, engine) => {
  const { database } = engine;
  const store = await engine.open();
  const admin = new Client({ connectionString: database?.superUrl });
  await admin.connect();
  const others = `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'strongroom_app'`;
  const cut = store.write(ANN, async (tx) => {
    await add(tx, 'sub_1');
    await admin.query(others);
    await add(tx, 'sub_2');
  });
  await assert.rejects(cut, { code: 'store.unavailable' });
  await store.write(ANN, (tx) => add(tx, 'sub_3'));
  assert.deepEqual(await people(store), ['sub_3']);
  // Both the writer and a reader are idle now, and find their connections broken when they are next used.
  await admin.query(others);
  await admin.end();
  assert.deepEqual(await people(store), ['sub_3']);
  await store.write(ANN, (tx) => add(tx, 'sub_4'));
  assert.deepEqual(await people(store), ['sub_3', 'sub_4']);
});

onPostgres('a connection lost in the commit ends the process', async (_t, engine) => {
  const { database } = engine;
  const fatal: unknown[] = [];
  const store = await engine.open({ onFatal: (error) => fatal.push(error) });
  const admin = new Client({ connectionString: database?.superUrl });
  await admin.connect();
  await admin.query(
    'create function cut() returns trigger language plpgsql as $$ begin perform pg_terminate_backend(pg_backend_pid()); return new; end $$',
  );
  await admin.query('create trigger cut before update on store_head for each row execute function cut()');
  await assert.rejects(
    store.write(ANN, (tx) => add(tx, 'sub_1')),
    { code: 'store.unavailable' },
  );
  await admin.end();
  assert.equal(fatal.length, 1);
  assert.ok(fatal[0] instanceof FatalStoreError);
});

forEachEngine('a crash is passed on and nothing runs after it', async (_t, engine) => {
  let armed = true;
  const store = await engine.open({
    fault: (name) => {
      if (armed && name === 'store.commit') throw new Crash(name);
    },
  });
  await assert.rejects(
    store.write(ANN, (tx) => add(tx, 'sub_1')),
    Crash,
  );
  armed = false;
  await assert.rejects(
    store.write(ANN, (tx) => add(tx, 'sub_2')),
    { code: 'store.unavailable' },
  );
  assert.deepEqual(await people(await engine.open()), []);
});

async function rawSqlite(
  t: TestContext,
): Promise<{ engine: Engine; database: DatabaseSync; groups: CommitGroups }> {
  const folder = await temporaryFolder(t);
  const database = openSqliteDatabase(folder);
  await migrate(sqliteMigrator(database), () => undefined);
  const engine = sqliteEngine(folder, database);
  t.after(() => engine.writer.close());
  const onFatal = (error: unknown): void => assert.fail(String(error));
  return { engine, database, groups: new CommitGroups({ engine, fault: () => undefined, onFatal }) };
}

/** The engine's writer, except that one step fails as a broken disk would make it. */
function failingWriter({ writer }: Engine, step: 'commit' | 'settle'): Engine['writer'] {
  return new Proxy(writer, {
    get: (target, name) => {
      if (name === step) return () => Promise.reject(new FatalStoreError('no'));
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
