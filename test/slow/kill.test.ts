/**
 * kill -9 under concurrent writes and rotations of keys, again and again on the same deployment: what was acknowledged is
 * there and opens, what was acknowledged as erased is gone, everything else is whole or absent, and the ledger says all of
 * it once.
 *
 * `STRONGROOM_KILL_ROUNDS` sets the number of rounds, shared by both engines; `STRONGROOM_KILL_SEED` repeats a run.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { SettingsInput } from '../../src/config.ts';
import { initDeployment } from '../../src/deployment.ts';
import { realEnvironment } from '../../src/environment.ts';
import { openStrongroom } from '../../src/strongroom.ts';
import { ROTATION_KEYS } from '../../src/lifecycle/rotations.ts';
import { silentLog } from '../../src/http/request-log.ts';
import { countRequests, readMemories } from '../afterwards.ts';
import { exchange, settingsOf, temporaryFolder } from '../deployment.ts';
import { checkInvariants } from '../invariants.ts';
import { Client, seeded, type Found } from '../load.ts';
import { testPostgres } from '../postgres.ts';
import { ServerProcess } from '../server-process.ts';

const ROUNDS = Number(process.env['STRONGROOM_KILL_ROUNDS'] ?? 20);
const SEED = Number(process.env['STRONGROOM_KILL_SEED'] ?? randomInt(2 ** 31));
const CLIENTS = 4;
const LIFE_MS_MAX = 1500;
/** Between two rotations. */
const PAUSE_MS_MAX = 100;

test(`SQLite keeps what it acknowledged through ${Math.ceil(ROUNDS / 2)} kills`, async (t) => {
  await killRounds(t, {}, Math.ceil(ROUNDS / 2));
});

test(`PostgreSQL keeps what it acknowledged through ${Math.floor(ROUNDS / 2)} kills`, async (t) => {
  const postgres = await testPostgres();
  if ('absent' in postgres) return t.skip(postgres.absent);
  const database = await postgres.createDatabase();
  await killRounds(t, { database: database.url, databaseOwner: database.ownerUrl }, Math.floor(ROUNDS / 2));
});

test('an acknowledged memory that is missing, changed or back again is noticed', async (t) => {
  const client = new Client('client', 'default', seeded(3));
  const server = await fakeServer(t);
  await client.run(server.url, 'any');
  const faults = (found: readonly Found[]): number => structuredClone(client.settle(found)).length;
  const [first, ...rest] = server.memories();
  assert.ok(first !== undefined && rest.length > 3);
  assert.equal(faults(server.memories()), 0);
  assert.equal(faults(rest), 1);
  assert.equal(faults([{ ...first, text: `${first.text}?` }, ...rest]), 1);
  const erased = server.erased();
  assert.ok(erased !== undefined);
  assert.equal(faults([erased, first, ...rest]), 1);
  assert.equal(faults([{ id: 'mem_x', text: 'client memory never sent', state: 'live' }, first, ...rest]), 1);
});

async function killRounds(t: TestContext, settings: SettingsInput, rounds: number): Promise<void> {
  t.diagnostic(`STRONGROOM_KILL_SEED=${SEED}`);
  const directory = join(await temporaryFolder(t), 'data');
  const parsed = settingsOf(settings);
  const { apiKey } = await initDeployment(directory, parsed, { log: silentLog });
  const variables = Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [
      `STRONGROOM_${name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`,
      String(value),
    ]),
  );
  const random = seeded(SEED);
  let rotations = 0;
  const clients = Array.from(
    { length: CLIENTS },
    (_, at) => new Client(`client-${at}`, 'default', seeded(SEED + at + 1)),
  );
  for (let round = 1; round <= rounds; round++) {
    const server = await ServerProcess.start(directory, {
      variables: { ...variables, STRONGROOM_LOG_LEVEL: 'error' },
    });
    const running = [
      ...clients.map((client) => client.run(server.url, apiKey)),
      rotateOn(server.url, apiKey, random).then((count) => void (rotations += count)),
    ];
    await delay(random() * LIFE_MS_MAX);
    await server.end('SIGKILL');
    await Promise.all(running);
    const found = await afterwards(directory, parsed, clients);
    const where = `round ${round} of seed ${SEED}`;
    for (const client of clients) assert.deepEqual(client.settle(found), [], where);
  }
  const answered = clients.flatMap(({ acknowledged }) => acknowledged);
  t.diagnostic(
    `${answered.length} requests and ${rotations} rotations were acknowledged in ${rounds} rounds`,
  );
  assert.ok(answered.length > rounds * 10 && rotations >= rounds / 4);
  // And it can still be served.
  const server = await ServerProcess.start(directory, { variables });
  assert.equal((await exchange(server.url, 'GET', '/readyz')).status, 200);
  assert.equal(await server.end('SIGTERM'), 0);
}

/** Replaces one key after another until the server is gone; answers how many were. */
async function rotateOn(url: string, key: string, random: () => number): Promise<number> {
  for (let count = 0; ; count++) {
    const at = Math.floor(random() * ROTATION_KEYS.length);
    const retired = random() < 0.5 ? 'keep' : 'destroy';
    const body = { keys: ROTATION_KEYS.slice(at, at + 1), retired };
    try {
      assert.equal((await exchange(url, 'POST', '/v1/rotations', { key, body })).status, 200);
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error) || error instanceof assert.AssertionError)
        throw error;
      return count;
    }
    await delay(random() * PAUSE_MS_MAX);
  }
}

/** Opens what the kill left, checks every invariant and the ledger's entries, and reads all memories. */
async function afterwards(
  directory: string,
  settings: ReturnType<typeof settingsOf>,
  clients: readonly Client[],
): Promise<Found[]> {
  const open = await openStrongroom({
    directory,
    settings,
    environment: realEnvironment,
    log: silentLog,
    onFatal: (error) => assert.fail(String(error)),
  });
  try {
    assert.deepEqual(await checkInvariants(open, directory), []);
    const counts = await countRequests(open);
    for (const { request } of clients.flatMap(({ acknowledged }) => acknowledged))
      assert.equal(counts.get(request), 1, `entries of ${request}`);
    return await readMemories(open);
  } finally {
    await open.close();
  }
}

/** A server that keeps memories in a map and dies after some requests, to show what `settle` notices. */
async function fakeServer(
  t: TestContext,
): Promise<{ url: string; memories(): Found[]; erased(): Found | undefined }> {
  const memories = new Map<string, Found>();
  let gone: Found | undefined;
  let count = 0;
  const answerTo = (
    method: string,
    url: string,
    body: { text?: string; memories?: { text: string }[] },
  ): { status: number; json?: unknown } => {
    const id = /mem_\d+/.exec(url)?.[0];
    if (id === undefined && url.endsWith('/search')) return { status: 200, json: { results: [] } };
    if (id === undefined) {
      const texts = body.memories?.map(({ text }) => text) ?? [body.text ?? ''];
      const made = texts.map((text): Found => ({
        id: `mem_${memories.size + count++}`,
        text,
        state: 'live',
      }));
      for (const memory of made) memories.set(memory.id, memory);
      return { status: 201, json: body.memories === undefined ? made[0] : { memories: made } };
    }
    const memory = memories.get(id);
    if (memory === undefined) return { status: 404, json: {} };
    const isErasure = url.endsWith('erase');
    if (isErasure) gone = memory;
    if (isErasure) memories.delete(id);
    else if (method === 'DELETE') memories.set(id, { ...memory, state: 'trashed' });
    else memories.set(id, { id, state: 'live', text: body.text ?? memory.text });
    return { status: method === 'DELETE' ? 204 : 200, json: {} };
  };
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      if (count++ > 60 && gone !== undefined) return res.destroy();
      const text = Buffer.concat(chunks).toString();
      const { status, json } = answerTo(
        req.method ?? '',
        req.url ?? '',
        text === '' ? {} : (JSON.parse(text) as object),
      );
      res.writeHead(status, { 'content-type': 'application/json', 'x-request-id': `req_${count}` });
      return res.end(json === undefined || status === 204 ? undefined : JSON.stringify(json));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, memories: () => [...memories.values()], erased: () => gone };
}
