import { pathOf, type CallOptions, type Transport, type WriteOptions } from './transport.ts';
import type { Hold, HoldInput, HoldPage, MemoryPage } from './types.ts';
import type { PageQuery } from './vaults.ts';

/** Legal holds: while one stands, nothing that it keeps can be deleted by any path. */
export class Holds {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  place(input: HoldInput, options?: WriteOptions): Promise<Hold> {
    return this.#transport.json({ method: 'POST', path: '/v1/holds', body: input, write: true, options });
  }

  /** Newest first, the released ones as well. */
  list(query: PageQuery = {}, options?: CallOptions): Promise<HoldPage> {
    return this.#transport.json({ method: 'GET', path: '/v1/holds', query: { ...query }, options });
  }

  async *listAll(options?: CallOptions): AsyncGenerator<Hold, void, undefined> {
    let page = await this.list({}, options);
    yield* page.holds;
    while (page.next !== null) {
      page = await this.list({ cursor: page.next }, options);
      yield* page.holds;
    }
  }

  get(hold: string, options?: CallOptions): Promise<Hold> {
    return this.#transport.json({ method: 'GET', path: pathOf('v1', 'holds', hold), options });
  }

  /** What a hold keeps: also what has expired, lies in the trash or in the archive. */
  memories(hold: string, query: PageQuery = {}, options?: CallOptions): Promise<MemoryPage> {
    const path = pathOf('v1', 'holds', hold, 'memories');
    return this.#transport.json({ method: 'GET', path, query: { ...query }, options });
  }

  /** What only this hold kept ends where its time is over. */
  release(hold: string, options?: WriteOptions): Promise<void> {
    const path = pathOf('v1', 'holds', hold);
    return this.#transport.done({ method: 'DELETE', path, write: true, options });
  }
}
