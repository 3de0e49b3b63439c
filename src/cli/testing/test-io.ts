/** For tests: an `Io` that keeps what was written, and a folder of its own. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Io } from '../io.ts';
import { run } from '../run.ts';
import { FakeLocal } from './fake-local.ts';
import { API_KEY, FakeServer, SERVER_URL } from './fake-server.ts';

export interface Written {
  readonly stream: 'out' | 'err';
  readonly text: string;
}

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly written: readonly Written[];
}

export interface RunOptions {
  readonly variables?: Record<string, string>;
  readonly input?: string;
  readonly outColumns?: number;
  readonly errColumns?: number;
}

export class TestBench {
  readonly server = new FakeServer();
  readonly local = new FakeLocal();
  readonly directory: string;
  readonly stop = new AbortController();
  /** Milliseconds; every reading of the clock moves it on by `tickMs`. */
  nowMs = Date.parse('2026-11-21T10:00:00Z');
  tickMs = 0;
  #random = 0;

  constructor(t: TestContext) {
    this.directory = realpathSync(mkdtempSync(join(tmpdir(), 'strongroom-cli-')));
    t.after(() => {
      rmSync(this.directory, { recursive: true, force: true });
    });
  }

  async run(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const written: Written[] = [];
    const code = await run(argv, this.#io(written, options));
    const textOf = (stream: string): string =>
      written
        .filter((part) => part.stream === stream)
        .map((part) => part.text)
        .join('');
    return { code, out: textOf('out'), err: textOf('err'), written };
  }

  #io(written: Written[], options: RunOptions): Io {
    return {
      variables: {
        HOME: join(this.directory, 'home'),
        STRONGROOM_URL: SERVER_URL,
        STRONGROOM_API_KEY: API_KEY,
        ...options.variables,
      },
      directory: this.directory,
      out: (text) => {
        written.push({ stream: 'out', text });
        return Promise.resolve();
      },
      err: (text) => {
        written.push({ stream: 'err', text });
      },
      outColumns: options.outColumns ?? null,
      errColumns: options.errColumns ?? null,
      input: () => Promise.resolve(options.input ?? null),
      stopped: this.stop.signal,
      clock: { now: () => (this.nowMs += this.tickMs) },
      random: (length) => new Uint8Array(length).fill((this.#random += 1)),
      fetch: this.server.fetch,
      clientEnvironment: {
        random: () => 0,
        pause: () => Promise.resolve(),
        newIdempotencyKey: () => `key-${(this.#random += 1)}`,
      },
      local: () => Promise.resolve(this.local),
    };
  }
}
