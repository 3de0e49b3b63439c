import type { IncludeOptions } from './memories.ts';
import { pathOf, type CallOptions, type Transport, type WriteOptions } from './transport.ts';
import type { Export, ExportEvent, ExportInput, ExportPage, Memory } from './types.ts';
import type { PageQuery } from './vaults.ts';

/** Exports that the server keeps, sealed, for a stated time. What is erased meanwhile opens in none of them. */
export class Exports {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Resolves once it is ready. A large one may outlast the time a call has: `createStream` waits. */
  create(vault: string, input: ExportInput = {}, options?: WriteOptions): Promise<Export> {
    return this.#transport.json({
      method: 'POST',
      path: exportsOf(vault),
      body: input,
      write: true,
      options,
    });
  }

  /** The same as it goes on, however long it takes: how far it has come, and last the export. */
  createStream(
    vault: string,
    input: ExportInput = {},
    options?: CallOptions,
  ): AsyncGenerator<ExportEvent, void, undefined> {
    return this.#transport.events(exportsOf(vault), input, options);
  }

  /** Newest first, those that have ended as well. */
  list(vault: string, query: PageQuery = {}, options?: CallOptions): Promise<ExportPage> {
    return this.#transport.json({ method: 'GET', path: exportsOf(vault), query: { ...query }, options });
  }

  async *listAll(vault: string, options?: CallOptions): AsyncGenerator<Export, void, undefined> {
    let page = await this.list(vault, {}, options);
    yield* page.exports;
    while (page.next !== null) {
      page = await this.list(vault, { cursor: page.next }, options);
      yield* page.exports;
    }
  }

  get(id: string, options?: CallOptions): Promise<Export> {
    return this.#transport.json({ method: 'GET', path: pathTo(id), options });
  }

  /** What it holds and may still be shown, oldest first, as a stream. It throws if it breaks off. */
  async *memories(id: string, options: IncludeOptions = {}): AsyncGenerator<Memory, void, undefined> {
    const { include } = options;
    const path = `${pathTo(id)}/memories`;
    yield* this.#transport.values<Memory>({ method: 'GET', path, query: { include }, options });
  }

  /** Ends it before its time. */
  remove(id: string, options?: WriteOptions): Promise<void> {
    return this.#transport.done({ method: 'DELETE', path: pathTo(id), write: true, options });
  }
}

const exportsOf = (vault: string): string => pathOf('v1', 'vaults', vault, 'exports');
const pathTo = (id: string): string => pathOf('v1', 'exports', id);
