/** Real processes on one database: the second is refused, also while the first one is stopped, and the first one goes on. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Client } from 'pg';
import { exchange, temporaryFolder, TestDeployment } from '../deployment.ts';
import { testPostgres } from '../postgres.ts';
import { runCli, ServerProcess } from '../server-process.ts';

const MEMORIES = '/v1/vaults/default/memories';

interface Stage {
  readonly deployment: TestDeployment;
  readonly variables: Readonly<Record<string, string>>;
  /** Where a second process would be started. */
  readonly second: string;
  readonly superUrl: string;
}

async function staged(t: TestContext, engine: 'sqlite' | 'postgres'): Promise<Stage | string> {
  if (engine === 'sqlite') {
    const deployment = await TestDeployment.make(t);
    return { deployment, variables: {}, second: deployment.directory, superUrl: '' };
  }
  const server = await testPostgres();
  if ('absent' in server) return server.absent;
  const { url, ownerUrl, superUrl } = await server.createDatabase();
  const deployment = await TestDeployment.make(t, { settings: { database: url, databaseOwner: ownerUrl } });
  // A copy of the directory has a lock of its own: only the database tells that it is in use.
  const second = join(await temporaryFolder(t), 'copy');
  await cp(deployment.directory, second, { recursive: true });
  const variables = { STRONGROOM_DATABASE: url, STRONGROOM_DATABASE_OWNER: ownerUrl };
  return { deployment, variables, second, superUrl };
}

for (const engine of ['sqlite', 'postgres'] as const)
  test(`a second process is refused while the first runs or is stopped, and the first serves nothing erased when it wakes (${engine})`, async (t) => {
    const stage = await staged(t, engine);
    if (typeof stage === 'string') return t.skip(stage);
    const { deployment, variables, second } = stage;
    const first = await ServerProcess.start(deployment.directory, { variables });
    t.after(() => first.child.kill('SIGKILL'));
    const { apiKey: key } = deployment;
    const refused = async (): Promise<void> => {
      const { code, err } = await runCli(['serve', '--data', second, '--port', '0', '--json'], { variables });
      assert.notEqual(code, 0);
      assert.match(err, /in use by another process/);
    };
    const added = await exchange(first.url, 'POST', MEMORIES, { key, body: { text: 'to be erased' } });
    const path = `${MEMORIES}/${String(added.json['id'])}`;
    await refused();
    // Asked for and not answered: it may be anywhere when the process stands still.
    const erased = exchange(first.url, 'DELETE', `${path}?mode=erase`, { key });
    first.child.kill('SIGSTOP');
    await refused();
    first.child.kill('SIGCONT');
    assert.equal((await erased).status, 204);
    assert.equal((await exchange(first.url, 'GET', path, { key })).status, 404);
    assert.equal(
      (await exchange(first.url, 'POST', MEMORIES, { key, body: { text: 'goes on' } })).status,
      201,
    );
    await first.end('SIGTERM');
    const next = await ServerProcess.start(deployment.directory, { variables });
    t.after(() => next.child.kill('SIGKILL'));
    assert.equal((await exchange(next.url, 'GET', path, { key })).status, 404);
    await next.end('SIGTERM');
  });

test('a process that loses its lock on the database ends and says why, and the next one serves', async (t) => {
  const stage = await staged(t, 'postgres');
  if (typeof stage === 'string') return t.skip(stage);
  const { deployment, variables, superUrl } = stage;
  const first = await ServerProcess.start(deployment.directory, { variables });
  t.after(() => first.child.kill('SIGKILL'));
  const closed = once(first.child, 'close') as Promise<[number | null]>;
  const admin = new Client({ connectionString: superUrl });
  await admin.connect();
  await admin.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'strongroom lock' and datname = current_database()`,
  );
  await admin.end();
  // By SIGKILL: nothing may run on.
  assert.equal((await closed)[0], null);
  assert.match(first.err, /lock of the database was lost: another process may have/);
  const next = await ServerProcess.start(deployment.directory, { variables });
  t.after(() => next.child.kill('SIGKILL'));
  const { status } = await exchange(next.url, 'GET', MEMORIES, { key: deployment.apiKey });
  assert.equal(status, 200);
  await next.end('SIGTERM');
});
