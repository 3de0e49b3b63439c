/** Chroma's server as its package brings it: over plain HTTP, without authentication, on a loopback port. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const BASE = '/api/v2/tenants/default_tenant/databases/default_database/collections';
const START_ATTEMPTS = 100;
const START_WAIT_MS = 200;

export class Chroma {
  readonly url: string;
  readonly #process: ChildProcess;

  private constructor(url: string, process: ChildProcess) {
    this.url = url;
    this.#process = process;
  }

  static async start(folder: string): Promise<Chroma> {
    const port = await freePort();
    const program = fileURLToPath(new URL('./node_modules/chromadb/dist/cli.mjs', import.meta.url));
    const log = openSync(join(folder, 'chroma.log'), 'a');
    const args = [
      program,
      'run',
      '--path',
      join(folder, 'chroma'),
      '--host',
      '127.0.0.1',
      '--port',
      String(port),
    ];
    const child = spawn(process.execPath, args, {
      cwd: folder,
      stdio: ['ignore', log, log],
      env: { ...process.env, ANONYMIZED_TELEMETRY: 'False' },
    });
    const chroma = new Chroma(`http://127.0.0.1:${port}`, child);
    for (let attempt = 0; attempt < START_ATTEMPTS; attempt++) {
      if (child.exitCode !== null) break;
      const answer = await fetch(`${chroma.url}/api/v2/heartbeat`).catch(() => null);
      if (answer?.ok === true) return chroma;
      await wait(START_WAIT_MS);
    }
    child.kill();
    throw new Error(`Chroma does not start; ${join(folder, 'chroma.log')} says why`);
  }

  /** The path of a new collection. */
  async collection(name: string, hnsw: object): Promise<string> {
    const { id } = (await this.#json('POST', BASE, { name, configuration: { hnsw } })) as { id: string };
    return `${BASE}/${id}`;
  }

  async tune(collection: string, efSearch: number): Promise<void> {
    await this.#json('PUT', collection, { new_configuration: { hnsw: { ef_search: efSearch } } });
  }

  async version(): Promise<string> {
    return String(await this.#json('GET', '/api/v2/version'));
  }

  async close(): Promise<void> {
    const ended = once(this.#process, 'exit');
    this.#process.kill();
    await ended;
  }

  async #json(method: string, path: string, body?: object): Promise<unknown> {
    const answer = await fetch(`${this.url}${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text === '' ? null : JSON.parse(text);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
