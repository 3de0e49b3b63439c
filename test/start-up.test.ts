/**
 * What a server refuses to start on: each with one clear line and its exit code, before the port is open, and with
 * nothing left behind: once the cause is gone the same command starts.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, cp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, connect, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { schemaNumber } from '../src/store/migrate.ts';
import { MIGRATIONS } from '../src/store/migrations.ts';
import { serve } from '../src/deployment.ts';
import { Crash, realEnvironment } from '../src/environment.ts';
import { silentLog } from '../src/http/request-log.ts';
import { initialise } from '../src/initialise.ts';
import { lockDirectory } from '../src/store/directory-lock.ts';
import { command, type Said } from './command.ts';
import { settingsOf, temporaryFolder, TestDeployment } from './deployment.ts';
import { readAll, withDatabase } from './raw-database.ts';
import { runCli } from './server-process.ts';

interface Place {
  readonly data: string;
  /** A port that nobody listens on. */
  readonly port: number;
  readonly deployment: TestDeployment;
}

interface Refusal {
  /** Brings the cause about; answers what takes it away again. */
  readonly cause: (place: Place) => Promise<() => Promise<unknown>>;
  readonly code: number;
  readonly says: RegExp;
  readonly variables?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
}

const nothing = (): Promise<void> => Promise.resolve();

const REFUSALS: Readonly<Record<string, Refusal>> = {
  'a missing keystore': {
    cause: ({ data }) => moved(join(data, 'keystore')),
    code: 1,
    says: /keystore\.missing: No keystore replica was found \(looked in .*keystore\/a, .*keystore\/b\)/,
  },
  'a keystore folder that others can enter': {
    cause: ({ data }) => withMode(join(data, 'keystore', 'a'), 0o755, 0o700),
    code: 1,
    says: /keystore\.exposed: The keystore can be read by others: .*keystore\/a.*\n\s+.*chmod/,
  },
  'a root that others can read': {
    cause: ({ data }) => withMode(join(data, 'keystore', 'b', 'root'), 0o644, 0o600),
    code: 1,
    says: /keystore\.exposed: .*keystore\/b\/root/,
  },
  'the keystore of another deployment': {
    cause: async ({ data, deployment }) => {
      const other = join(data, '..', 'other');
      await initialise({
        directory: other,
        settings: deployment.settings,
        environment: realEnvironment,
        log: silentLog,
        onFatal: () => undefined,
      });
      const back = await moved(join(data, 'keystore'));
      await cp(join(other, 'keystore'), join(data, 'keystore'), { recursive: true });
      return async () => {
        await rm(join(data, 'keystore'), { recursive: true });
        await back();
      };
    },
    code: 1,
    says: /keystore\.foreign: .*belongs to another deployment/,
  },
  'a data directory in use': {
    cause: ({ data }) => {
      const lock = lockDirectory(data);
      return Promise.resolve(() => Promise.resolve(lock.release()));
    },
    code: 1,
    says: /data\.in_use: .*is in use by another process\n\s+Stop the other process/,
  },
  'a store that a newer version wrote': {
    cause: ({ data }) => {
      const set = (steps: number): void =>
        withDatabase(
          data,
          (database) =>
            void database.prepare(`update meta set value = ? where name = 'schema'`).run(schemaNumber(steps)),
        );
      set(MIGRATIONS.length + 1);
      return Promise.resolve(() => Promise.resolve(set(MIGRATIONS.length)));
    },
    code: 1,
    says: /schema\.newer: the schema is \d+; this version knows \d+\n/,
  },
  'a port that is taken': {
    cause: async ({ port }) => {
      const server = createServer().listen(port, '127.0.0.1');
      await once(server, 'listening');
      return () => closed(server);
    },
    code: 1,
    says: /port\.taken: port \d+ on 127\.0\.0\.1 is taken\n\s+Give another with --port/,
  },
  'a public address without TLS': {
    cause: () => Promise.resolve(nothing),
    code: 2,
    says: /tls\.required: /,
    args: ['--host', '0.0.0.0'],
    variables: { STRONGROOM_RATE_LIMIT: 'on' },
  },
  'a setting in the file that nobody knows': {
    cause: ({ data }) => written(join(data, 'config.json'), '{"tlsMinimun": "1.3"}'),
    code: 2,
    says: /config\.invalid: tlsMinimun: unknown setting/,
  },
  'a file of settings that is not JSON': {
    cause: ({ data }) => written(join(data, 'config.json'), '{tls: off'),
    code: 2,
    says: /config\.invalid: config\.json is not well-formed JSON/,
  },
  'a setting in the environment that nobody knows': {
    cause: () => Promise.resolve(nothing),
    variables: { STRONGROOM_RATE_LIMT: 'off' },
    code: 2,
    says: /config\.invalid: STRONGROOM_RATE_LIMT: unknown setting/,
  },
  'a setting of the wrong form': {
    cause: () => Promise.resolve(nothing),
    variables: { STRONGROOM_TLS: 'maybe' },
    code: 2,
    says: /config\.invalid: tls: /,
  },
  'one replica only': {
    cause: () => Promise.resolve(nothing),
    variables: { STRONGROOM_KEYSTORES: '/tmp/one' },
    code: 2,
    says: /config\.invalid: keystores: at least two/,
  },
  'a folder without a deployment': {
    cause: ({ data }) => moved(join(data, 'deployment')),
    code: 1,
    says: /data\.missing: .*holds no deployment: run init/,
  },
  'a lost database': {
    cause: ({ data }) => moved(join(data, 'strongroom.db')),
    code: 1,
    says: /store\.unavailable: .*strongroom\.db is gone; put the database back/,
  },
};

for (const [what, { cause, code, says, variables = {}, args = [] }] of Object.entries(REFUSALS)) {
  test(`${what} is refused in one line, and leaves nothing open`, async (t) => {
    const deployment = await TestDeployment.make(t);
    const data = deployment.directory;
    const port = await freePort();
    const start = (
      more: Readonly<Record<string, string>> = {},
      extra: readonly string[] = [],
    ): Promise<Said> => command(['serve', '--data', data, '--port', String(port), ...extra], more);
    const undo = await cause({ data, port, deployment });
    const before = await readdir(data);
    const refused = await start(variables, args);
    assert.equal(refused.code, code, refused.err);
    assert.match(refused.err, says);
    assert.equal(refused.out, '');
    assert.match(refused.err, /^strongroom: [^\n]+\n(  [^\n]+\n)*$/, 'one line, and advice below it');
    assert.doesNotMatch(refused.err, /\bat .*\.ts:|Error:/);
    if (what !== 'a port that is taken') assert.equal(await isOpen(port), false);
    // Beside the lock's own file, which means nothing.
    const added = (await readdir(data)).filter((name) => !before.includes(name) && name !== 'lock');
    assert.deepEqual(added, []);
    await undo();
    const started = await start();
    assert.equal(started.code, 0, started.err);
  });
}

test("a raw copy of an older data directory beside today's keystore is refused, and its ledger never goes on", async (t) => {
  const deployment = await TestDeployment.make(t);
  const data = deployment.directory;
  const copy = join(data, '..', 'copy');
  await deployment.serve();
  const memory = '/v1/vaults/default/memories';
  const { id } = (await deployment.must('POST', memory, { body: { text: 'to be erased' } })).json;
  await deployment.stop();
  await cp(data, copy, { recursive: true });
  await deployment.serve();
  await deployment.must('DELETE', `${memory}/${String(id)}?mode=erase`);
  await deployment.stop();
  for (const name of await readdir(copy)) {
    if (name === 'keystore' || name === 'tls') continue;
    await rm(join(data, name), { recursive: true });
    await cp(join(copy, name), join(data, name), { recursive: true });
  }
  const refused = await command(['serve', '--data', data]);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /store\.older: /);
  lockDirectory(data).release();
});

test("an older keystore beside today's data directory is refused", async (t) => {
  const deployment = await TestDeployment.make(t);
  const data = deployment.directory;
  const copy = join(data, '..', 'copy');
  await cp(join(data, 'keystore'), copy, { recursive: true });
  await deployment.serve();
  await deployment.stop();
  await rm(join(data, 'keystore'), { recursive: true });
  await cp(copy, join(data, 'keystore'), { recursive: true });
  const refused = await command(['serve', '--data', data]);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /keystore\.older: /);
});

test('what an interrupted init left is neither served nor made again over', async (t) => {
  const folder = await temporaryFolder(t);
  for (const point of [2, 6, 12, 20, 30]) {
    const data = join(folder, `at-${point}`);
    let count = 0;
    const fault = (): void => {
      if (++count === point) throw new Crash('init');
    };
    const options = {
      directory: data,
      settings: settingsOf(),
      environment: { ...realEnvironment, fault },
      log: silentLog,
      onFatal: () => undefined,
    };
    await assert.rejects(initialise(options));
    for (const args of [
      ['serve', '--data', data],
      ['init', '--data', data],
    ]) {
      const refused = await command(args);
      // Where nothing at all was made yet, init may simply be run again.
      if (args[0] === 'init' && refused.code === 0) continue;
      assert.equal(refused.code, 1, `${args[0]} after ${point}: ${refused.err}`);
      assert.match(
        refused.err,
        /^strongroom: (data\.(missing|exists)|keystore\.missing|store\.older)/,
        `${args[0]} after ${point}`,
      );
    }
  }
});

test('init refuses a folder that holds a deployment, and leaves it as it is', async (t) => {
  const deployment = await TestDeployment.make(t);
  const before = withDatabase(deployment.directory, (database) => readAll(database, 'api_keys'));
  const refused = await command(['init', '--data', deployment.directory]);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /data\.exists: .*\n\s+Serve it with/);
  assert.deepEqual(
    withDatabase(deployment.directory, (database) => readAll(database, 'api_keys')),
    before,
  );
});

test('a process that is refused ends by itself, with the line and the code', async (t) => {
  const deployment = await TestDeployment.start(t);
  const refused = await runCli(['serve', '--data', deployment.directory, '--port', '0', '--json']);
  assert.equal(refused.code, 1);
  const problem = JSON.parse(
    refused.err === '' ? refused.out : (refused.err.trim().split('\n').at(-1) ?? ''),
  ) as { code: string };
  assert.equal(problem.code, 'data.in_use');
});

test('a deployment in order is served', async (t) => {
  const deployment = await TestDeployment.make(t);
  const running = await serve(deployment.directory, deployment.settings, { log: silentLog });
  const port = Number(new URL(running.url).port);
  assert.equal(await isOpen(port), true);
  await running.close();
  assert.equal(await isOpen(port), false);
});

async function moved(path: string): Promise<() => Promise<void>> {
  await rename(path, `${path}.away`);
  return () => rename(`${path}.away`, path);
}

async function withMode(path: string, mode: number, before: number): Promise<() => Promise<void>> {
  await chmod(path, mode);
  return () => chmod(path, before);
}

async function written(path: string, text: string): Promise<() => Promise<void>> {
  await writeFile(path, text);
  return () => rm(path);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await closed(server);
  return port;
}

const closed = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));

/** Whether somebody listens there. */
const isOpen = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
