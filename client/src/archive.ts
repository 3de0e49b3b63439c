import { pathOf, type CallOptions, type Transport, type WriteOptions } from './transport.ts';
import type { ArchiveRequest, ArchiveRequestInput, ArchiveRequestPage, MemoryPage } from './types.ts';
import type { PageQuery } from './vaults.ts';

/** Copies of what lies in the archive: asked for, approved by somebody else, ready after a wait, and gone after a while. */
export class Archive {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  request(input: ArchiveRequestInput, options?: WriteOptions): Promise<ArchiveRequest> {
    return this.#transport.json({ method: 'POST', path: ROOT, body: input, write: true, options });
  }

  list(query: PageQuery = {}, options?: CallOptions): Promise<ArchiveRequestPage> {
    return this.#transport.json({ method: 'GET', path: ROOT, query: { ...query }, options });
  }

  async *listAll(options?: CallOptions): AsyncGenerator<ArchiveRequest, void, undefined> {
    let page = await this.list({}, options);
    yield* page.requests;
    while (page.next !== null) {
      page = await this.list({ cursor: page.next }, options);
      yield* page.requests;
    }
  }

  get(request: string, options?: CallOptions): Promise<ArchiveRequest> {
    return this.#transport.json({ method: 'GET', path: pathTo(request), options });
  }

  /** Never one's own. */
  approve(request: string, options?: WriteOptions): Promise<ArchiveRequest> {
    const path = `${pathTo(request)}/approve`;
    return this.#transport.json({ method: 'POST', path, write: true, options });
  }

  /** Refuses it, or takes one's own back. */
  refuse(request: string, options?: WriteOptions): Promise<void> {
    return this.#transport.done({ method: 'DELETE', path: pathTo(request), write: true, options });
  }

  /** What was asked for, newest first: `conflict` before it is ready and after it has expired. */
  memories(request: string, query: PageQuery = {}, options?: CallOptions): Promise<MemoryPage> {
    const path = `${pathTo(request)}/memories`;
    return this.#transport.json({ method: 'GET', path, query: { ...query }, options });
  }
}

const ROOT = '/v1/archive/requests';
const pathTo = (request: string): string => pathOf('v1', 'archive', 'requests', request);
