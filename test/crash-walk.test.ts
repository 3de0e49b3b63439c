/** A crash at every named fault point of the whole application, and the checker that each ends in. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultPoints, Walk } from './crash-photos.ts';
import { checkInvariants } from './invariants.ts';
import { idOf, TestDeployment } from './deployment.ts';
import { readAll, tableNames, withDatabase, withoutTriggers } from './raw-database.ts';

/** Reached by what a served deployment does not do, or not within a day; walked through where keyring, blobs, archive, the
 * going back of a vault and the recovery of a keystore are tested alone. A segment's blob is deleted in most walks and not in all: where it is, its photograph is developed like any other. */
const ELSEWHERE =
  /^(replica|restore|archive|rewind|recover)\.|^(store\.migrate|open\.wipe|open\.intents|epoch\.accept|blob\.deleted)$/;

test('after a crash at any fault point everything acknowledged is there and every invariant holds', async (t) => {
  const walk = await Walk.run(t, 7, 12);
  const expected = (await faultPoints()).filter((name) => !ELSEWHERE.test(name));
  assert.deepEqual(
    expected.filter((name) => !walk.photos.has(name)),
    [],
    'fault points that the walk did not come to',
  );
  assert.ok(expected.length > 20);
  assert.deepEqual(await walk.developAll(), []);
  t.diagnostic(`${walk.photos.size} fault points: ${[...walk.photos.keys()].sort().join(' ')}`);
});

/** One way to break each rule, in the words of SQL, and what the checker then says. */
const BREACHES: Readonly<Record<string, { sql: string; says: RegExp }>> = {
  'an entry of the ledger altered': {
    sql: `update ledger_entries set principal = 'system' where n = 4`,
    says: /the ledger verifies/,
  },
  'a request with two entries': {
    sql: `insert into ledger_entries select log, n + 1000, organization, leaf, null, at, principal, action, change from ledger_entries where box is not null limit 1`,
    says: /one entry for each request/,
  },
  'an epoch of another number': {
    sql: `update keyring_head set epoch = epoch + 1`,
    says: /the epoch that is served/,
  },
  'leaves.next put back': { sql: `update leaves set next = 1`, says: /leaves\.next lies above/ },
  'a leaf with another owner': {
    sql: `update leaves set owner = 'deployment'`,
    says: /leaves\.next lies above.*lies in a leaf of deployment/,
  },
  'a slot used twice': {
    sql: `update subjects set slot = (select slot from vaults limit 1)`,
    says: /no slot is used twice/,
  },
  'a key revoked in its row only': {
    sql: `update api_keys set state = 'revoked'`,
    says: /what was erased or revoked is dead/,
  },
  'an erasure left undone': {
    sql: `update erasures set state = 'destroyed'`,
    says: /every erasure has come to its end/,
  },
  'a request for death left undone': {
    sql: `update key_requests set state = 'hidden'`,
    says: /every request for death is done/,
  },
  'a box that does not open': {
    sql: `update subjects set name_box = zeroblob(60)`,
    says: /every box opens.*subjects\.name_box of sub_\w+ is damaged/,
  },
  'a version that is gone': {
    sql: `delete from memory_versions`,
    says: /every memory has its current version/,
  },
  'a subject that is gone': {
    sql: `delete from subjects`,
    says: /every memory has its current version.*names sub_/,
  },
  'a segment with an empty cover': {
    sql: `update segments set cover = '[]'`,
    says: /every segment is whole.*uncovered/,
  },
  'a segment never finished': {
    sql: `update segments set state = 'building'`,
    says: /every segment is whole.*is building/,
  },
  'a segment without its row': { sql: `delete from segments`, says: /every blob has its row/ },
  'a rotation left half done': {
    sql: `update rotations set state = 'switched' where what = 'api-keys'`,
    says: /no rotation is half done: rot_\w+ is switched/,
  },
  'an old key of the service that lives on': {
    sql: `update rotations set state = 'ended' where what = 'api-keys'`,
    says: /what was erased or revoked is dead: old key of rot_/,
  },
  'a hash under an old pepper': {
    sql: `update api_keys set pepper_slot = (select old_slot from rotations where what = 'api-keys')`,
    says: /no rotation is half done: key_\w+ lies under an old pepper/,
  },
  'an export never finished': {
    sql: `update exports set state = 'making'`,
    says: /no export is half made.*exp_\w+ is making/,
  },
  'an export that ended in its row only': {
    sql: `update exports set state = 'expired'`,
    says: /no export is half made, and what has ended is dead.*is expired/,
  },
  'a piece of no export': { sql: `delete from exports`, says: /every blob has its row.*exports\/exp_/ },
  'a row from the future': { sql: `update vaults set change = change + 1000000`, says: /no row is newer/ },
};

test('the checker finds each of its rules broken', async (t) => {
  const deployment = await TestDeployment.start(t);
  const memories = '/v1/vaults/default/memories';
  await deployment.must('POST', memories, { body: { text: 'kept', subject: 'ann', conversation: 'talk' } });
  const gone = idOf(await deployment.must('POST', memories, { body: { text: 'gone' } }));
  await deployment.must('DELETE', `${memories}/${gone}?mode=erase`);
  await deployment.must('POST', '/v1/vaults/default/search', { body: { query: 'kept' } });
  await deployment.must('POST', '/v1/vaults/default/exports', { body: {} });
  await deployment.must('POST', '/v1/rotations', { body: { keys: ['api-keys'] } });
  await deployment.stop();
  await deployment.opened(async (open) => {
    const check = (): Promise<string[]> => checkInvariants(open, deployment.directory);
    assert.deepEqual(await check(), []);
    for (const [breach, { sql, says }] of Object.entries(BREACHES)) {
      const undo = change(deployment.directory, sql);
      const faults = await check();
      undo();
      assert.ok(
        faults.some((fault) => says.test(fault)),
        `${breach}: ${JSON.stringify(faults)}`,
      );
    }
    assert.deepEqual(await check(), []);
  });
});

/** Runs a statement that no trigger stops; returns what puts every table back. */
function change(directory: string, sql: string): () => void {
  return withoutTriggers(directory, (database) => {
    const kept = tableNames(database).map((table) => [table, readAll(database, table)] as const);
    database.exec(sql);
    return () =>
      withDatabase(directory, (again) => {
        for (const [table, rows] of kept) {
          again.exec(`delete from ${table}`);
          for (const row of rows) {
            const columns = Object.keys(row);
            again
              .prepare(
                `insert into ${table} (${columns.join(', ')}) values (${columns.map(() => '?').join(', ')})`,
              )
              .run(...Object.values(row));
          }
        }
      });
  });
}
