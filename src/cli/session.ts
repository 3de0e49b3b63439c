/** One run of a command: its global flags, its client, and the two ways of showing what came of it. */
import { Strongroom } from '@strongroom/client';
import { createNodeFetch, readCa, type NodeFetch } from '@strongroom/client/node';
import { resolve } from 'node:path';
import { StrongroomError } from '../errors.ts';
import { failureToJson, failureToText } from './failure.ts';
import type { Io } from './io.ts';
import type { Place } from './show/memory.ts';
import { paintFor } from './show/paint.ts';

export interface GlobalFlags {
  readonly json?: boolean;
  readonly url?: string;
  readonly ca?: string;
  readonly purpose?: string;
}

export class Session {
  readonly io: Io;
  readonly #flags: () => GlobalFlags;
  #opened: { readonly client: Strongroom; readonly fetch: NodeFetch | null } | null = null;

  constructor(io: Io, flags: () => GlobalFlags) {
    this.io = io;
    this.#flags = flags;
  }

  get json(): boolean {
    return this.#flags().json === true;
  }

  /** Where data goes, for what is laid out for people. */
  get place(): Place {
    return { columns: this.io.outColumns, paint: paintFor(this.io.outColumns, this.io.variables) };
  }

  /** The client of the server that STRONGROOM_URL, STRONGROOM_API_KEY and STRONGROOM_CA name. */
  get client(): Strongroom {
    this.#opened ??= this.#open({ needsKey: true });
    return this.#opened.client;
  }

  /** For the calls that need no key. */
  get keylessClient(): Strongroom {
    this.#opened ??= this.#open({ needsKey: false });
    return this.#opened.client;
  }

  /** Where the client speaks to. */
  get url(): string {
    const url = this.#flags().url ?? this.io.variables['STRONGROOM_URL'];
    if (url === undefined || url === '')
      throw new StrongroomError(
        'auth.required',
        'STRONGROOM_URL is not set: the address of the server is needed',
      );
    return url;
  }

  close(): void {
    this.#opened?.fetch?.close();
  }

  /** One value: as JSON in one line, or for people. */
  async show(value: unknown, text: () => string): Promise<void> {
    await this.io.out(this.json ? `${JSON.stringify(value)}\n` : text());
  }

  /** A word to the person, which is not data. */
  say(text: string): void {
    if (!this.json) this.io.err(`${text}\n`);
  }

  /** How this program is called here: by its name, or, in a checkout, through npm. */
  get command(): string {
    const script = this.io.variables['npm_lifecycle_event'];
    return script === 'start' || script === 'strongroom' ? 'npm run -s strongroom --' : 'strongroom';
  }

  /** Says what failed, in the form that was asked for. */
  fail(error: unknown): void {
    this.io.err(this.json ? `${failureToJson(error)}\n` : failureToText(error, this.command));
  }

  path(path: string): string {
    return resolve(this.io.directory, path);
  }

  #open(options: { needsKey: boolean }): { client: Strongroom; fetch: NodeFetch | null } {
    const { variables } = this.io;
    const url = this.url;
    const apiKey = variables['STRONGROOM_API_KEY'] || undefined;
    if (apiKey === undefined && options.needsKey)
      throw new StrongroomError('auth.required', 'STRONGROOM_API_KEY is not set');
    const caPath = this.#flags().ca ?? variables['STRONGROOM_CA'];
    const ca = caPath === undefined || caPath === '' ? undefined : readCa(this.path(caPath));
    const own = this.io.fetch === undefined ? createNodeFetch({ ca }) : null;
    const { purpose } = this.#flags();
    return {
      client: new Strongroom(
        { url, apiKey, purpose, fetch: own ?? this.io.fetch },
        this.io.clientEnvironment,
      ),
      fetch: own,
    };
  }
}
