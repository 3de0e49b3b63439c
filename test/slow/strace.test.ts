/** No answer leaves before its fsync has returned: seen from outside the process, call by call. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { initDeployment } from '../../src/deployment.ts';
import { silentLog } from '../../src/http/request-log.ts';
import { exchange, idOf, settingsOf, temporaryFolder, type Answer } from '../deployment.ts';
import { ServerProcess } from '../server-process.ts';
import { parseTrace, unsynced, type Exchanged } from '../system-calls.ts';
import { lacks } from '../tools.ts';

const CALLS = 'trace=read,fsync,fdatasync,write,writev,sendto,sendmsg';
const LOG = /strongroom\.db-wal>/;
const ROOTS = [/keystore\/a\/root>/, /keystore\/b\/root>/];

const straceTo = (file: string): readonly string[] => [
  'strace',
  '-f',
  '-y',
  '-s',
  '2000',
  '-e',
  CALLS,
  '-e',
  'signal=none',
  '-o',
  file,
];

test('the answer to every write, read and search leaves after the fsync of its entry, and to an erasure after that of every root', async (t) => {
  if (lacks(t, 'strace')) return;
  const folder = await temporaryFolder(t);
  const directory = join(folder, 'data');
  const { apiKey } = await initDeployment(directory, settingsOf(), { log: silentLog });
  const file = join(folder, 'trace');
  const server = await ServerProcess.start(directory, {
    under: straceTo(file),
    variables: { STRONGROOM_LOG_LEVEL: 'silent' },
  });
  const exchanges: Exchanged[] = [];
  const send = async (
    method: string,
    path: string,
    body?: unknown,
    files: readonly RegExp[] = [LOG],
  ): Promise<Answer> => {
    const asked = `mark-${exchanges.length}-`;
    const answer = await exchange(server.url, method, path, {
      key: apiKey,
      body,
      headers: { 'x-mark': asked },
    });
    assert.ok(answer.status < 300, answer.text);
    exchanges.push({ asked, answered: String(answer.headers['x-request-id']), files });
    return answer;
  };
  const memories = '/v1/vaults/default/memories';
  for (let round = 0; round < 5; round++) {
    const id = idOf(await send('POST', memories, { text: `memory ${round}`, subject: 'ann' }));
    await send('GET', `${memories}/${id}`);
    await send('PATCH', `${memories}/${id}`, { text: `memory ${round}, changed` });
    await send('POST', '/v1/vaults/default/search', { query: 'memory' });
    await send('DELETE', `${memories}/${id}?mode=erase`, undefined, [LOG, ...ROOTS]);
  }
  const key = idOf(await send('POST', '/v1/keys', { name: 'short-lived' }));
  await send('DELETE', `/v1/keys/${key}`, undefined, [LOG, ...ROOTS]);
  await Promise.all(
    Array.from({ length: 20 }, (_, at) =>
      exchange(server.url, 'POST', memories, {
        key: apiKey,
        body: { text: `at once ${at}` },
        headers: { 'x-mark': `once-${at}-` },
      }),
    ),
  ).then((answers) =>
    answers.forEach(({ headers }, at) =>
      exchanges.push({ asked: `once-${at}-`, answered: String(headers['x-request-id']), files: [LOG] }),
    ),
  );
  await stopTraced(server);
  assert.deepEqual(unsynced(parseTrace(await readFile(file, 'utf8')), exchanges), []);
  assert.equal(exchanges.length, 47);
});

/** A server that answers first, or never syncs, or as it should. */
const FAKE = `
const fs = require('node:fs');
const [file, order] = process.argv.slice(1);
const log = fs.openSync(file, 'a');
require('node:http').createServer((req, res) => {
  fs.writeSync(log, 'entry');
  const sync = () => fs.fdatasyncSync(log);
  const answer = (done) => { res.setHeader('x-request-id', 'req_' + req.headers['x-mark']); res.end('done', done); };
  if (order === 'first') { sync(); answer(); }
  else answer(() => order === 'late' && setImmediate(sync));
}).listen(0, '127.0.0.1', function () { console.log(this.address().port); });
`;

test('a server that answers before it syncs, or does not sync, is found, and one that syncs first is not', async (t) => {
  if (lacks(t, 'strace')) return;
  const folder = await temporaryFolder(t);
  const found: Record<string, number> = {};
  for (const order of ['first', 'late', 'never']) {
    const file = join(folder, `trace-${order}`);
    const args = [...straceTo(file), process.execPath, '-e', FAKE, join(folder, 'strongroom.db-wal'), order];
    const child = spawn(args[0] ?? '', args.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
    const closed = once(child, 'close');
    const [port] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    for (const mark of ['a-', 'b-'])
      await exchange(`http://127.0.0.1:${port}`, 'POST', '/', { headers: { 'x-mark': mark } });
    // Ends the traced program; strace ends with it.
    process.kill(await childOf(child.pid ?? 0), 'SIGTERM');
    await closed;
    const exchanges = ['a-', 'b-'].map((mark) => ({
      asked: `x-mark: ${mark}`,
      answered: `req_${mark}`,
      files: [LOG],
    }));
    found[order] = unsynced(parseTrace(await readFile(file, 'utf8')), exchanges).length;
  }
  assert.deepEqual(found, { first: 0, late: 2, never: 2 });
});

async function stopTraced(server: ServerProcess): Promise<void> {
  const closed = once(server.child, 'close');
  process.kill(await childOf(server.child.pid ?? 0), 'SIGTERM');
  await closed;
}

/** The program that strace started. */
async function childOf(pid: number): Promise<number> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return Number(children.trim().split(' ')[0]);
}
