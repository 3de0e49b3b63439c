import type { CallOptions, Transport, WriteOptions } from './transport.ts';
import type {
  Backup,
  BackupEvent,
  BackupInput,
  BackupPage,
  BackupStatus,
  Drill,
  DrillEvent,
  DrillPage,
} from './types.ts';
import type { PageQuery } from './vaults.ts';

/** Backups of the whole deployment, and drills that show that they restore. */
export class Backups {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Makes one now. Where there is no full one yet, it is a full one. */
  create(input: BackupInput = {}, options?: WriteOptions): Promise<Backup> {
    return this.#transport.json({ method: 'POST', path: '/v1/backups', body: input, write: true, options });
  }

  /** The same as it goes on, however long it takes: how far it has come, and last the backup. */
  createStream(input: BackupInput = {}, options?: CallOptions): AsyncGenerator<BackupEvent, void, undefined> {
    return this.#transport.events('/v1/backups', input, options);
  }

  list(query: PageQuery = {}, options?: CallOptions): Promise<BackupPage> {
    return this.#transport.json({ method: 'GET', path: '/v1/backups', query: { ...query }, options });
  }

  /** All of them, a page at a time. */
  async *listAll(options?: CallOptions): AsyncGenerator<Backup, void, undefined> {
    let page = await this.list({}, options);
    yield* page.backups;
    while (page.next !== null) {
      page = await this.list({ cursor: page.next }, options);
      yield* page.backups;
    }
  }

  status(options?: CallOptions): Promise<BackupStatus> {
    return this.#transport.json({ method: 'GET', path: '/v1/backups/status', options });
  }

  /** Restores everything into a place of its own and compares it. */
  drill(options?: WriteOptions): Promise<Drill> {
    return this.#transport.json({ method: 'POST', path: '/v1/drills', write: true, options });
  }

  /** The same as it goes on: how far it has come, and last the drill. */
  drillStream(options?: CallOptions): AsyncGenerator<DrillEvent, void, undefined> {
    return this.#transport.events('/v1/drills', undefined, options);
  }

  drills(query: { limit?: number } = {}, options?: CallOptions): Promise<DrillPage> {
    return this.#transport.json({ method: 'GET', path: '/v1/drills', query: { ...query }, options });
  }
}
