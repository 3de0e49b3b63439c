/**
 * What an operator has after everything else burnt: the place with the backups and one replica of the keystore. Every step is
 * a process of its own, through the command line, on either engine.
 */
import assert from 'node:assert/strict';
import { cp, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { verifies } from '../src/assurance/testing/verifies.ts';
import { exchange, idOf, temporaryFolder } from './deployment.ts';
import { testPostgres } from './postgres.ts';
import { runCli, ServerProcess } from './server-process.ts';

const MEMORIES = '/v1/vaults/default/memories';
const LONG = { timeoutMs: 55_000 };

for (const engine of ['sqlite', 'postgres'] as const)
  test(`a backup taken here restores on a fresh directory with nothing but the place and one replica (${engine})`, async (t) => {
    verifies('BCK-02');
    const server = engine === 'sqlite' ? null : await testPostgres();
    if (server !== null && 'absent' in server) return t.skip(server.absent);
    const folder = await temporaryFolder(t);
    const variables = async (): Promise<Record<string, string>> => {
      const database = await server?.createDatabase();
      const plain = { STRONGROOM_LOG_LEVEL: 'silent', STRONGROOM_BACKUPS: join(folder, 'place') };
      if (database === undefined) return plain;
      return { ...plain, STRONGROOM_DATABASE: database.url, STRONGROOM_DATABASE_OWNER: database.ownerUrl };
    };
    const cli = async (args: readonly string[], of: Record<string, string>) => {
      const ended = await runCli(args, { variables: of, ...LONG });
      assert.equal(ended.code, 0, `${args.join(' ')}: ${ended.err}`);
      return JSON.parse(ended.out) as Record<string, unknown>;
    };
    const first = join(folder, 'first');
    const own = await variables();
    const { apiKey: key } = await cli(['init', '--data', first, '--json'], own);
    const apiKey = String(key);
    const running = await ServerProcess.start(first, { variables: own });
    const send = (url: string, method: string, path: string, body?: unknown) =>
      exchange(url, method, path, { key: apiKey, ...(body === undefined ? {} : { body }) });
    const kept = idOf(await send(running.url, 'POST', MEMORIES, { text: 'kept sails', vector: [1, 2] }));
    const erased = idOf(await send(running.url, 'POST', MEMORIES, { text: 'erased sails' }));
    assert.equal((await send(running.url, 'POST', '/v1/backups', { kind: 'full' })).status, 201);
    const late = idOf(await send(running.url, 'POST', MEMORIES, { text: 'late sails' }));
    assert.equal((await send(running.url, 'POST', '/v1/backups', { kind: 'log' })).status, 201);
    assert.equal((await send(running.url, 'DELETE', `${MEMORIES}/${erased}?mode=erase`)).status, 204);
    await running.end('SIGKILL');

    const second = join(folder, 'second');
    await mkdir(second);
    await cp(join(first, 'keystore', 'a'), join(second, 'keystore', 'a'), { recursive: true });
    const fresh = await variables();
    const restore = ['backup', 'restore', '--data', second, '--json'];
    const laid = await cli([...restore, '--from', join(folder, 'place')], fresh);
    assert.deepEqual((laid['restored'] as { differences: unknown[] }).differences, []);
    const looked = await ServerProcess.start(second, { variables: fresh });
    assert.equal((await send(looked.url, 'GET', `${MEMORIES}/${kept}`)).status, 200);
    assert.equal((await send(looked.url, 'GET', `${MEMORIES}/${erased}`)).status, 404);
    assert.equal((await send(looked.url, 'POST', MEMORIES, { text: 'x' })).json['code'], 'store.restoring');
    await looked.end('SIGTERM');
    const { committed } = await cli([...restore, '--commit'], fresh);
    assert.deepEqual((committed as { missing: unknown }).missing, ['keystore/b']);
    await cli(['keystore', 'lost', 'keystore/b', '--reason', 'it burnt', '--data', second, '--json'], fresh);
    const again = await ServerProcess.start(second, { variables: fresh });
    const found = await send(again.url, 'POST', '/v1/vaults/default/search', { query: 'sails', limit: 9 });
    const ids = (found.json['results'] as { id: string }[]).map(({ id }) => id);
    assert.deepEqual(ids.sort(), [kept, late].sort());
    assert.equal((await send(again.url, 'GET', `${MEMORIES}/${erased}`)).status, 404);
    assert.equal((await send(again.url, 'POST', MEMORIES, { text: 'new sails' })).status, 201);
    assert.equal((await send(again.url, 'DELETE', `${MEMORIES}/${late}?mode=erase`)).status, 204);
    assert.equal((await send(again.url, 'POST', '/v1/backups', {})).status, 201);
    await again.end('SIGTERM');
    const verified = await runCli(['ledger', 'verify', '--data', second], { variables: fresh, ...LONG });
    assert.equal(verified.code, 0, verified.err);
    assert.ok(!(await readdir(second)).includes('restore'));
  });
