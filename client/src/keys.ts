import { pathOf, type CallOptions, type Transport, type WriteOptions } from './transport.ts';
import type { Key, KeyInput, KeyPage, NewKey } from './types.ts';
import type { PageQuery } from './vaults.ts';

/** API keys. Their text is shown once, when they are made or rotated; the server keeps only a keyed hash. */
export class Keys {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  create(input: KeyInput | string, options?: WriteOptions): Promise<NewKey> {
    const body = typeof input === 'string' ? { name: input } : input;
    return this.#transport.json({ method: 'POST', path: '/v1/keys', body, write: true, options });
  }

  list(query: PageQuery = {}, options?: CallOptions): Promise<KeyPage> {
    return this.#transport.json({ method: 'GET', path: '/v1/keys', query: { ...query }, options });
  }

  /** All of them, a page at a time. */
  async *listAll(options?: CallOptions): AsyncGenerator<Key, void, undefined> {
    let page = await this.list({}, options);
    yield* page.keys;
    while (page.next !== null) {
      page = await this.list({ cursor: page.next }, options);
      yield* page.keys;
    }
  }

  /** A new key with the same rights in place of this one, which ends at once. */
  rotate(id: string, options?: WriteOptions): Promise<NewKey> {
    return this.#transport.json({
      method: 'POST',
      path: `${pathOf('v1', 'keys', id)}/rotate`,
      write: true,
      options,
    });
  }

  /** Ends the key at once, everywhere. */
  revoke(id: string, options?: WriteOptions): Promise<void> {
    return this.#transport.done({ method: 'DELETE', path: pathOf('v1', 'keys', id), write: true, options });
  }
}
