import {
  pathOf,
  type CallOptions,
  type Transport,
  type VersionedOptions,
  type WriteOptions,
} from './transport.ts';
import type {
  Rewind,
  RewindInput,
  RewindPage,
  Vault,
  VaultInput,
  VaultListQuery,
  VaultPage,
  VaultPatch,
} from './types.ts';

export interface PageQuery {
  /** 50 by default, at most 1,000. */
  readonly limit?: number | undefined;
  /** `next` of the page before. */
  readonly cursor?: string | undefined;
}

/** The vaults the API key may see. A vault is named by its id or its name. */
export class Vaults {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  create(input: VaultInput | string, options?: WriteOptions): Promise<Vault> {
    const body = typeof input === 'string' ? { name: input } : input;
    return this.#transport.json({ method: 'POST', path: '/v1/vaults', body, write: true, options });
  }

  list(query: VaultListQuery = {}, options?: CallOptions): Promise<VaultPage> {
    return this.#transport.json({ method: 'GET', path: '/v1/vaults', query: { ...query }, options });
  }

  /** All of them, a page at a time. */
  async *listAll(
    options?: CallOptions,
    query: Omit<VaultListQuery, 'cursor'> = {},
  ): AsyncGenerator<Vault, void, undefined> {
    let page = await this.list(query, options);
    yield* page.vaults;
    while (page.next !== null) {
      page = await this.list({ ...query, cursor: page.next }, options);
      yield* page.vaults;
    }
  }

  get(vault: string, options?: CallOptions): Promise<Vault> {
    return this.#transport.json({ method: 'GET', path: pathOf('v1', 'vaults', vault), options });
  }

  update(vault: string, patch: VaultPatch, options?: VersionedOptions): Promise<Vault> {
    const path = pathOf('v1', 'vaults', vault);
    return this.#transport.json({ method: 'PATCH', path, body: patch, write: true, options });
  }

  /**
   * Takes the vault back to what a backup shows. Without `confirm` it only counts, and answers what confirms it:
   * what was destroyed since stays destroyed, what came later goes to the trash.
   */
  rewind(vault: string, input: RewindInput = {}, options?: WriteOptions): Promise<Rewind> {
    const path = pathOf('v1', 'vaults', vault, 'rewind');
    return this.#transport.json({ method: 'POST', path, body: input, write: true, options });
  }

  /** What was taken back, newest first, and how far what is under way has come. */
  rewinds(vault: string, query: { limit?: number } = {}, options?: CallOptions): Promise<RewindPage> {
    const path = pathOf('v1', 'vaults', vault, 'rewinds');
    return this.#transport.json({ method: 'GET', path, query: { ...query }, options });
  }

  /** Takes a vault out of the trash, by its id or the name it had. */
  restore(vault: string, options?: WriteOptions): Promise<Vault> {
    const path = `${pathOf('v1', 'vaults', vault)}/restore`;
    return this.#transport.json({ method: 'POST', path, write: true, options });
  }

  /** Puts the vault with everything in it into the trash; an `immediate` one is erased. */
  delete(vault: string, options?: VersionedOptions): Promise<void> {
    return this.#transport.done({
      method: 'DELETE',
      path: pathOf('v1', 'vaults', vault),
      write: true,
      options,
    });
  }
}
