/**
 * The client of a Strongroom server, for Node and browsers, without dependencies:
 *
 *     const strongroom = new Strongroom({ url: 'https://127.0.0.1:8443', apiKey: 'sr_…' });
 *     const vault = strongroom.vault('default');
 *     await vault.add('Ann prefers tea');
 *     const [best] = await vault.search('what does Ann drink?');
 *
 * Every failure is a `StrongroomError`; switch on its `code`.
 */
import { Archive } from './archive.ts';
import { Backups } from './backups.ts';
import { platformEnvironment, type ClientEnvironment } from './environment.ts';
import { Exports } from './exports.ts';
import { Holds } from './holds.ts';
import { Erasures } from './erasures.ts';
import { Keys } from './keys.ts';
import { Ledger } from './ledger.ts';
import { Memories, type SearchQuery } from './memories.ts';
import { Retention } from './retention.ts';
import { Rotations } from './rotations.ts';
import { Transport, type CallOptions, type StrongroomOptions } from './transport.ts';
import type { Health, SearchResult } from './types.ts';
import { VaultHandle } from './vault-handle.ts';
import { Vaults } from './vaults.ts';
import { Verifications } from './verifications.ts';

export class Strongroom {
  readonly vaults: Vaults;
  readonly memories: Memories;
  readonly erasures: Erasures;
  readonly keys: Keys;
  readonly retention: Retention;
  readonly holds: Holds;
  readonly archive: Archive;
  readonly exports: Exports;
  readonly ledger: Ledger;
  readonly verifications: Verifications;
  readonly backups: Backups;
  readonly rotations: Rotations;
  readonly #transport: Transport;

  constructor(options: StrongroomOptions, environment: ClientEnvironment = platformEnvironment) {
    this.#transport = new Transport(options, environment);
    this.vaults = new Vaults(this.#transport);
    this.memories = new Memories(this.#transport);
    this.erasures = new Erasures(this.#transport);
    this.keys = new Keys(this.#transport);
    this.retention = new Retention(this.#transport);
    this.holds = new Holds(this.#transport);
    this.archive = new Archive(this.#transport);
    this.exports = new Exports(this.#transport);
    this.ledger = new Ledger(this.#transport);
    this.verifications = new Verifications(this.#transport);
    this.backups = new Backups(this.#transport);
    this.rotations = new Rotations(this.#transport);
  }

  /** A vault by its id or name; it need not exist yet. */
  vault(vault: string): VaultHandle {
    return new VaultHandle(vault, this);
  }

  search(vault: string, query: SearchQuery, options?: CallOptions): Promise<SearchResult[]> {
    return this.memories.search(vault, query, options);
  }

  /** How the server is. A failing one answers too: see `status`. Needs no API key. */
  health(options?: CallOptions): Promise<Health> {
    return this.#transport.json({ method: 'GET', path: '/readyz', accept: 503, options });
  }
}
