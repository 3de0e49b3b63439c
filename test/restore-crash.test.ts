/** A restore that stops anywhere: run again it comes to its end, and before its end nothing of it is served. */
import assert from 'node:assert/strict';
import { cpSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isInitialised } from '../src/deployment.ts';
import { Crash } from '../src/environment.ts';
import { StrongroomError } from '../src/errors.ts';
import { readRestoreMark } from '../src/recovery/restore-mark.ts';
import { readMemories } from './afterwards.ts';
import { faultPoints } from './crash-photos.ts';
import { idOf, TestDeployment, temporaryFolder } from './deployment.ts';
import { checkInvariants } from './invariants.ts';
import { testPostgres } from './postgres.ts';
import { RestoredCopy } from './recovery.ts';
import { rowsOf } from './witness.ts';

const MEMORIES = '/v1/vaults/default/memories';

test('a restore that stops at any point is run again to its end, and is not served before', async (t) => {
  const deployment = await TestDeployment.start(t);
  const add = async (text: string): Promise<string> =>
    idOf(await deployment.must('POST', MEMORIES, { body: { text, subject: 'ann' } }));
  const [twin, gone] = [await add('twin'), await add('gone')];
  await deployment.must('POST', '/v1/backups', { body: { kind: 'full' } });
  const lost = await add('lost');
  await deployment.must('DELETE', `${MEMORIES}/${gone}?mode=erase`);
  await deployment.stop();

  const copy = await RestoredCopy.beside(t, deployment, { replicas: ['a', 'b'] });
  const folder = await temporaryFolder(t);
  const photos = new Map<string, string>();
  const photograph = (name: string): void => {
    const photo = join(folder, name);
    if (photos.has(name)) return;
    cpSync(copy.directory, photo, { recursive: true, filter: (path) => !path.endsWith('-shm') });
    photos.set(name, photo);
  };
  await copy.restore({ fault: photograph });
  await copy.commit(photograph);
  const expected = (await faultPoints()).filter((name) => /^(restore|load)\./.test(name));
  assert.ok(expected.length >= 9);
  for (const name of expected) assert.ok(photos.has(name), `${name} was not come to`);

  // What is written at a time may come to the disk in any order: the row and the root, and of the file nothing yet.
  const torn = join(folder, 'a root without its file');
  cpSync(photos.get('epoch.read_back') ?? '', torn, { recursive: true });
  const prepared = rowsOf(torn).epochs.find(({ state }) => state === 'prepared');
  const file = Buffer.from(prepared?.file_id ?? []).toString('hex');
  for (const replica of ['a', 'b']) {
    const path = join(torn, 'keystore', replica, 'pages', file);
    writeFileSync(path, Buffer.alloc(statSync(path).size));
  }
  photos.set('a root without its file', torn);

  for (const [name, photo] of photos) {
    const again = RestoredCopy.at(photo, copy);
    const mark = await readRestoreMark(photo);
    await assert.rejects(
      async () => {
        if (!(await isInitialised(photo))) throw new StrongroomError('data.missing');
        const open = await again.opened(({ restoring }) => Promise.resolve(restoring));
        // What opens is either a copy that can only be read, or what has been committed to its end.
        if (open !== null || mark === null) throw new StrongroomError('store.restoring');
      },
      (error: unknown) => error instanceof StrongroomError && NOT_SERVED.has(error.code),
      name,
    );
    if (mark === null || mark.state === 'loading') await again.restore();
    if ((await readRestoreMark(photo)) !== null) await again.commit();
    await again.opened(async (open) => {
      assert.equal(open.restoring, null, name);
      assert.deepEqual(await checkInvariants(open, photo), [], name);
      const there = new Set((await readMemories(open)).map(({ id }) => id));
      assert.deepEqual(
        [twin, gone, lost].map((id) => there.has(id)),
        [true, false, false],
        name,
      );
    });
  }
  t.diagnostic(`${photos.size} moments: ${[...photos.keys()].join(', ')}`);
});

const NOT_SERVED: ReadonlySet<string> = new Set(['store.restoring', 'data.missing']);

for (const engine of ['sqlite', 'postgres'] as const)
  test(`a restore that broke off takes the place of what it left, and of nothing else (${engine})`, async (t) => {
    const deployment = await TestDeployment.start(t);
    await deployment.must('POST', MEMORIES, { body: { text: 'twin' } });
    await deployment.must('POST', '/v1/backups', { body: { kind: 'full' } });
    await deployment.stop();
    const server = engine === 'sqlite' ? null : await testPostgres();
    if (server !== null && 'absent' in server) return t.skip(server.absent);
    const database = await server?.createDatabase();
    const settings =
      database === undefined ? {} : { database: database.url, databaseOwner: database.ownerUrl };
    const copy = await RestoredCopy.beside(t, deployment, { settings, replicas: ['a', 'b'] });
    for (const point of ['load.sync', 'restore.deployment', 'restore.mark']) {
      const fault = (name: string): void => {
        if (name === point) throw new Crash(name);
      };
      await assert.rejects(copy.restore({ fault }), Crash);
    }
    assert.deepEqual((await copy.restore()).differences, []);
    await assert.rejects(copy.restore(), { code: 'data.exists' });
    await copy.commit();
    await assert.rejects(copy.restore(), { code: 'data.exists' });
    await copy.opened(async (open) => {
      assert.equal((await readMemories(open)).length, 1);
    });
    if (database === undefined) return;
    const other = await RestoredCopy.beside(t, deployment, { settings, replicas: ['a', 'b'] });
    await assert.rejects(other.restore(), { code: 'data.exists' });
  });
