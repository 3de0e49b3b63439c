/**
 * Crashes without dying: at a named fault point the process stands still and its folder is copied as it lies, which is
 * what a kill at that moment would leave. The copy is opened later and must hold every invariant, every memory that was
 * acknowledged by then, and every revocation; what was under way may be there whole, or not at all.
 *
 * One copy is kept for each fault point, of an occurrence that the seed chooses among all of them.
 */
import { cpSync, rmSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { realEnvironment } from '../src/environment.ts';
import { silentLog } from '../src/http/request-log.ts';
import { openStrongroom, type Strongroom } from '../src/strongroom.ts';
import { countRequests, readMemories } from './afterwards.ts';
import { readRows } from './boxes.ts';
import { idOf, TestDeployment, temporaryFolder } from './deployment.ts';
import { checkInvariants } from './invariants.ts';
import { Client, seeded } from './load.ts';
import { ROOT } from './server-process.ts';

interface Photo {
  readonly folder: string;
  readonly clients: readonly Client[];
  readonly revoked: readonly string[];
}

const OCCURRENCES_MAX = 15;
const CLIENTS = 3;
const TOGETHER = 2;

export class Walk {
  readonly seed: number;
  readonly deployment: TestDeployment;
  readonly photos = new Map<string, Photo>();
  readonly clients: readonly Client[];
  readonly revoked: string[] = [];
  readonly #folder: string;
  readonly #random: () => number;
  readonly #seen = new Map<string, number>();

  private constructor(seed: number, folder: string, deployment: TestDeployment) {
    this.seed = seed;
    this.#folder = folder;
    this.deployment = deployment;
    this.#random = seeded(seed);
    this.clients = Array.from(
      { length: CLIENTS },
      (_, at) => new Client(`client-${at}`, 'default', seeded(seed * 31 + at)),
    );
  }

  /** Everything the application does, by several at once, with a restart between. */
  static async run(t: TestContext, seed: number, steps: number): Promise<Walk> {
    const folder = await temporaryFolder(t);
    let walk: Walk | null = null;
    const deployment = await TestDeployment.make(t, { fault: (name) => walk?.photograph(name) });
    walk = new Walk(seed, folder, deployment);
    let kept = '';
    for (let round = 0; round < 2; round++) {
      await deployment.serve();
      const { url, apiKey } = deployment;
      await Promise.all([
        ...walk.clients.map((client) => client.steps(url, apiKey, steps)),
        walk.#useKeys(),
        deployment.must('POST', '/v1/backups', { body: { kind: round === 0 ? 'full' : 'incremental' } }),
        walk.#rotate(),
        walk.#export(),
      ]);
      await deployment.must('POST', '/v1/drills');
      // What the first round left in a segment is erased in the second, so that the segment dies and is written anew.
      await deployment.must('POST', '/v1/vaults/default/search', { body: { query: 'memory' } });
      if (round === 0)
        kept = idOf(
          await deployment.must('POST', '/v1/vaults/default/memories', { body: { text: 'in a segment' } }),
        );
      else await deployment.must('DELETE', `/v1/vaults/default/memories/${kept}?mode=erase`);
      await deployment.stop();
    }
    return walk;
  }

  photograph(name: string): void {
    const count = this.#seen.get(name) ?? 0;
    this.#seen.set(name, count + 1);
    // Each occurrence replaces the one kept with a chance that makes all equally likely.
    if (count >= OCCURRENCES_MAX || this.#random() > 1 / (count + 1)) return;
    const folder = join(this.#folder, name);
    rmSync(folder, { recursive: true, force: true });
    cpSync(this.deployment.directory, folder, { recursive: true, filter: (path) => !path.endsWith('-shm') });
    this.photos.set(name, {
      folder,
      clients: this.clients.map((client) => client.asOfNow()),
      revoked: [...this.revoked],
    });
  }

  async #useKeys(): Promise<void> {
    for (let at = 0; at < 2; at++) {
      const key = idOf(await this.deployment.must('POST', '/v1/keys', { body: { name: `key ${at}` } }));
      await this.deployment.must('POST', `/v1/keys/${key}/rotate`);
      await this.deployment.must('DELETE', `/v1/keys/${key}`);
      this.revoked.push(key);
    }
  }

  /** Every key of the service is replaced while the others work; the second time those of the first end with it. */
  async #rotate(): Promise<void> {
    await this.deployment.must('POST', '/v1/rotations', { body: {} });
    await this.deployment.must('POST', '/v1/rotations', { body: { retired: 'destroy' } });
  }

  /** One that ends and one that stays. */
  async #export(): Promise<void> {
    const path = '/v1/vaults/default/exports';
    const made = await this.deployment.must('POST', path, { body: {} });
    await this.deployment.must('DELETE', `/v1/exports/${idOf(made)}`);
    await this.deployment.must('POST', path, { body: {} });
  }

  /** All that is wrong with any photo. Several at a time: each waits for the disk most of the time. */
  async developAll(): Promise<string[]> {
    const names = [...this.photos.keys()];
    const faults: string[] = [];
    const work = async (): Promise<void> => {
      for (let name = names.pop(); name !== undefined; name = names.pop())
        faults.push(...(await this.develop(name)));
    };
    await Promise.all(Array.from({ length: TOGETHER }, work));
    return faults;
  }

  /** Opens a photo as the next process would, and says all that is wrong with it. */
  async develop(name: string): Promise<string[]> {
    const photo = this.photos.get(name);
    if (photo === undefined) return [`nothing was photographed at ${name}`];
    const { settings } = this.deployment;
    const open = await openStrongroom({
      directory: photo.folder,
      settings,
      // At the photo's own time: by another, what lies in the trash may be due.
      environment: { ...realEnvironment, clock: this.deployment.clock },
      log: silentLog,
      onFatal: () => undefined,
    });
    try {
      return [...(await checkInvariants(open, photo.folder)), ...(await missing(open, photo))].map(
        (fault) => `${name}, seed ${this.seed}: ${fault}`,
      );
    } finally {
      await open.close();
    }
  }
}

async function missing(open: Strongroom, { clients, revoked }: Photo): Promise<string[]> {
  const counts = await countRequests(open);
  const states = new Map((await readRows(open)).api_keys.map(({ id, state }) => [id, state]));
  const found = await readMemories(open);
  return [
    ...clients.flatMap((client) => client.settle(found)),
    ...clients.flatMap(({ acknowledged }) =>
      acknowledged.flatMap(({ request }) =>
        counts.get(request) === 1 ? [] : [`${counts.get(request) ?? 0} entries of ${request}`],
      ),
    ),
    ...revoked.flatMap((key) => (states.get(key) === 'revoked' ? [] : [`${key} is ${states.get(key)}`])),
  ];
}

/** Every fault point that the source calls by its name. */
export async function faultPoints(): Promise<readonly string[]> {
  const source = join(ROOT, 'src');
  const entries = await readdir(source, { recursive: true });
  const files = entries.filter((path) => path.endsWith('.ts') && !/\.test\.ts$|(^|\/)testing\//.test(path));
  const texts = await Promise.all(files.map((path) => readFile(join(source, path), 'utf8')));
  const called = texts.flatMap((text) =>
    [...text.matchAll(/fault\((?:fault, )?\s*'([a-z]+\.[a-z_]+)'/gi)].map(([, name = '']) => name),
  );
  return [...new Set(called)].sort();
}
