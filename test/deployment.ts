/**
 * A deployment in a folder of its own: made and served in this process, over plain HTTP on a loopback port that the
 * system chooses, with the test's clock and with all that it logs caught.
 *
 * Whoever makes one says which test it belongs to: at the end of that test the server stops and the folder goes.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { parseSettings, type Settings, type SettingsInput } from '../src/config.ts';
import { initDeployment, serve, type RunningServer } from '../src/deployment.ts';
import { realEnvironment, type Environment } from '../src/environment.ts';
import { createLog } from '../src/http/request-log.ts';
import { openStrongroom, type Strongroom, type Substitutes } from '../src/strongroom.ts';

export class TestClock {
  #now = Date.UTC(2026, 4, 7, 10);

  now(): number {
    return this.#now;
  }

  advance(milliseconds: number): void {
    this.#now += milliseconds;
  }
}

export interface Call {
  readonly key?: string | null;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** The caller's own address, within 127.0.0.0/8. */
  readonly from?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The answer read as JSON; of a 204, undefined. */
  readonly json: Json;
}

/** An object, as most answers are; what it holds the test knows, which has asked for it. */
export type Json = Readonly<Record<string, unknown>>;

export interface DeploymentOptions {
  readonly settings?: SettingsInput;
  readonly substitutes?: Substitutes;
  readonly fault?: Environment['fault'];
}

/** Gone at the end of the test, after what was opened in it is closed. */
export const temporaryFolder = async (
  t: TestContext,
  close: () => Promise<void> = () => Promise.resolve(),
): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-test-'));
  t.after(async () => {
    try {
      await close();
    } finally {
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    }
  });
  return folder;
};

export const settingsOf = (settings: SettingsInput = {}): Settings =>
  parseSettings(
    JSON.stringify({
      tls: 'off',
      rateLimit: 'off',
      port: 0,
      logLevel: 'trace',
      verifyEveryHours: 'off',
      ...settings,
    }),
    {},
  );

/** One request. Resolves for every answer, whatever its status; rejects where the connection ends without one. */
export function exchange(
  url: string,
  method: string,
  path: string,
  call: Call & { agent?: Agent } = {},
): Promise<Answer> {
  const body = call.body === undefined ? undefined : Buffer.from(JSON.stringify(call.body));
  const headers = {
    ...(call.key === undefined || call.key === null ? {} : { authorization: `Bearer ${call.key}` }),
    ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': body.length }),
    ...call.headers,
  };
  const options = {
    method,
    path,
    headers,
    agent: call.agent ?? false,
    ...(call.from === undefined ? {} : { localAddress: call.from, agent: false as const }),
  };
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const req = httpRequest({ hostname, port, ...options }, (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('error', reject);
      res.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        const isJson = /^application\/(problem\+)?json\b/.test(res.headers['content-type'] ?? '');
        const json = (isJson && text !== '' ? JSON.parse(text) : undefined) as Json;
        resolve({ status: res.statusCode ?? 0, headers: res.headers, text, json });
      });
    });
    req.on('error', reject);
    req.end(body);
  });
}

/** The id of what was made. */
export const idOf = ({ json }: Answer): string => String(json['id']);

export class TestDeployment {
  readonly directory: string;
  readonly settings: Settings;
  readonly apiKey: string;
  readonly clock: TestClock;
  /** Every line that the server logged, those of earlier runs too. */
  readonly logged: string[] = [];
  readonly fatal: unknown[] = [];
  readonly #options: DeploymentOptions;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 32 });
  #running: RunningServer | null = null;

  private constructor(
    of: Pick<TestDeployment, 'directory' | 'settings' | 'apiKey' | 'clock'>,
    options: DeploymentOptions,
  ) {
    this.directory = of.directory;
    this.settings = of.settings;
    this.apiKey = of.apiKey;
    this.clock = of.clock;
    this.#options = options;
  }

  /** Made, and not yet served. */
  static async make(t: TestContext, options: DeploymentOptions = {}): Promise<TestDeployment> {
    const folder = await mkdtemp(join(tmpdir(), 'strongroom-test-'));
    const directory = join(folder, 'data');
    const settings = settingsOf(options.settings);
    const clock = new TestClock();
    const { substitutes } = options;
    const { apiKey } = await initDeployment(directory, settings, {
      environment: { ...realEnvironment, clock },
      log: { info: () => undefined, error: () => undefined },
      ...(substitutes === undefined ? {} : { substitutes }),
    });
    const deployment = new TestDeployment({ directory, settings, apiKey, clock }, options);
    // In one hook, because hooks run first to last: the server stops before its folder goes.
    t.after(async () => {
      await deployment.stop();
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    });
    return deployment;
  }

  /** Made and served. */
  static async start(t: TestContext, options: DeploymentOptions = {}): Promise<TestDeployment> {
    const deployment = await TestDeployment.make(t, options);
    await deployment.serve();
    return deployment;
  }

  get url(): string {
    if (this.#running === null) throw new Error('the deployment is not served');
    return this.#running.url;
  }

  async serve(): Promise<void> {
    this.#running = await serve(this.directory, this.settings, this.#open());
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    this.#agent.destroy();
    await running?.close();
  }

  /** Opens the stopped deployment without a server, for what no route does. */
  async opened<T>(work: (open: Strongroom) => Promise<T>): Promise<T> {
    const open = await openStrongroom({
      directory: this.directory,
      settings: this.settings,
      ...this.#open(),
    });
    try {
      return await work(open);
    } finally {
      await open.close();
    }
  }

  /** As the first key, unless the call names another (null: none). */
  call(method: string, path: string, call: Call = {}): Promise<Answer> {
    return exchange(this.url, method, path, { key: this.apiKey, agent: this.#agent, ...call });
  }

  /** The same, failing the test's own set-up where the answer is not a good one. */
  async must(method: string, path: string, call: Call = {}): Promise<Answer> {
    const answer = await this.call(method, path, call);
    if (answer.status >= 500) await TestDeployment.settle();
    if (answer.status >= 300)
      throw new Error(
        `${method} ${path}: ${answer.status} ${answer.text} ${this.logged.findLast((line) => line.includes('failed')) ?? ''}`,
      );
    return answer;
  }

  /** Lets what was begun and not waited for (an index, a log line) come to its turn. */
  static async settle(): Promise<void> {
    for (let turns = 0; turns < 5; turns++) await turn();
  }

  #open(): {
    environment: Environment;
    log: ReturnType<typeof createLog>;
    onFatal: (error: unknown) => void;
    substitutes: Substitutes;
  } {
    const { fault = realEnvironment.fault, substitutes = {} } = this.#options;
    return {
      environment: { random: realEnvironment.random, clock: this.clock, fault },
      log: createLog('trace', { write: (line) => void this.logged.push(line) }),
      onFatal: (error) => void this.fatal.push(error),
      substitutes,
    };
  }
}

/** A second tenant beside the first: its first key and the id of its vault `default`. */
export interface Tenant {
  readonly organization: string;
  readonly apiKey: string;
  readonly vault: string;
}

export const addTenant = (deployment: TestDeployment): Promise<Tenant> =>
  deployment.opened(async (open) => {
    const id = open.newId('organization');
    const place = await open.store.write(id, async (tx) => {
      const organization = await open.organizations.create(tx, id, 'second');
      return { organization, project: await open.organizations.createProject(tx, organization, 'second') };
    });
    return open.store.write(id, async (tx) => {
      const vault = await open.vaults.create(tx, place, { name: 'default' });
      const { apiKey } = await open.apiKeys.createFirst(tx, place.organization, 'first key of the second');
      return { organization: id, apiKey, vault: vault.id };
    });
  });
