import {
  pathOf,
  type CallOptions,
  type Transport,
  type VersionedOptions,
  type WriteOptions,
} from './transport.ts';
import type {
  MemoriesAdded,
  Memory,
  MemoryHistory,
  MemoryInput,
  MemoryListQuery,
  MemoryPage,
  MemoryPatch,
  MemoryVersion,
  MessageInput,
  SearchInput,
  SearchResult,
  SearchResults,
} from './types.ts';
import { sentVector, type Vector } from './vector.ts';

/** One memory to add: a text, or at least one of `text` and `vector`. */
export type NewMemory = string | (Omit<MemoryInput, 'messages' | 'vector'> & { vector?: Vector | undefined });

/** What is asked: a text, or at least one of `query` and `vector`. */
export type SearchQuery = string | (Omit<SearchInput, 'vector'> & { vector?: Vector | undefined });

/** What all messages of a conversation share. */
export type ConversationInput = Omit<MemoryInput, 'messages' | 'text' | 'vector' | 'speaker' | 'at'>;

export type MemoryChange = Omit<MemoryPatch, 'vector'> & { vector?: Vector | null | undefined };

export interface IncludeOptions extends CallOptions {
  /** Vectors are left out unless asked for. */
  readonly include?: 'vector' | undefined;
}

export interface DeleteOptions extends VersionedOptions {
  /** The vault's own by default. What is erased never comes back. */
  readonly mode?: 'trash' | 'erase' | undefined;
}

/** `accepted`: hidden at once, and erased as soon as every replica of the keystore can be reached. */
export type Deletion = 'done' | 'accepted';

/** The memories of any vault, which each call names by id or name. `strongroom.vault(name)` is the same for one. */
export class Memories {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  add(vault: string, memory: NewMemory, options?: WriteOptions): Promise<Memory> {
    return this.#transport.json({
      method: 'POST',
      path: memoriesOf(vault),
      body: plainMemory(memory),
      write: true,
      options,
    });
  }

  /** Up to 1,000 in one durable commit: all of them or none. Ids come back in the order given. */
  async addMany(
    vault: string,
    memories: readonly NewMemory[],
    options?: WriteOptions,
  ): Promise<{ id: string }[]> {
    const body = { memories: memories.map(plainMemory) };
    const path = memoriesOf(vault);
    const added = await this.#transport.json<MemoriesAdded>({
      method: 'POST',
      path,
      body,
      write: true,
      options,
    });
    return added.memories;
  }

  /** A memory for each message, in order, as one commit. */
  async addMessages(
    vault: string,
    messages: readonly MessageInput[],
    shared: ConversationInput = {},
    options?: WriteOptions,
  ): Promise<{ id: string }[]> {
    const body = { ...shared, messages };
    const path = memoriesOf(vault);
    const added = await this.#transport.json<MemoriesAdded>({
      method: 'POST',
      path,
      body,
      write: true,
      options,
    });
    return added.memories;
  }

  get(vault: string, id: string, options: IncludeOptions = {}): Promise<Memory> {
    const { include } = options;
    return this.#transport.json({ method: 'GET', path: memoryOf(vault, id), query: { include }, options });
  }

  /** One page, newest first. A filter travels in the body, because addresses end up in logs. */
  list(vault: string, query: MemoryListQuery = {}, options?: CallOptions): Promise<MemoryPage> {
    const { filter, ...rest } = query;
    if (filter === undefined)
      return this.#transport.json({ method: 'GET', path: memoriesOf(vault), query: rest, options });
    return this.#transport.json({ method: 'POST', path: `${memoriesOf(vault)}/list`, body: query, options });
  }

  /** All of them, newest first, a page at a time. */
  async *listAll(
    vault: string,
    query: Omit<MemoryListQuery, 'cursor'> = {},
    options?: CallOptions,
  ): AsyncGenerator<Memory, void, undefined> {
    let page = await this.list(vault, query, options);
    yield* page.memories;
    while (page.next !== null) {
      page = await this.list(vault, { ...query, cursor: page.next }, options);
      yield* page.memories;
    }
  }

  /** Makes a new version. What the change does not name stays; `null` removes. */
  update(vault: string, id: string, change: MemoryChange, options?: VersionedOptions): Promise<Memory> {
    const body = withSentVector(change);
    return this.#transport.json({ method: 'PATCH', path: memoryOf(vault, id), body, write: true, options });
  }

  async delete(vault: string, id: string, options: DeleteOptions = {}): Promise<Deletion> {
    const { mode } = options;
    const status = await this.#transport.status({
      method: 'DELETE',
      path: memoryOf(vault, id),
      query: { mode },
      write: true,
      options,
    });
    return status === 202 ? 'accepted' : 'done';
  }

  /** Lets a memory stay that was erased before and came back (`review: 'pending'`). */
  approve(vault: string, id: string, options?: WriteOptions): Promise<Memory> {
    const path = `${memoryOf(vault, id)}/approve`;
    return this.#transport.json({ method: 'POST', path, write: true, options });
  }

  /** Erases it again. */
  reject(vault: string, id: string, options?: WriteOptions): Promise<void> {
    const path = `${memoryOf(vault, id)}/reject`;
    return this.#transport.done({ method: 'POST', path, write: true, options });
  }

  /** Takes a memory out of the trash. */
  restore(vault: string, id: string, options?: WriteOptions): Promise<Memory> {
    return this.#transport.json({
      method: 'POST',
      path: `${memoryOf(vault, id)}/restore`,
      write: true,
      options,
    });
  }

  /** The versions the vault kept, newest first. */
  async history(vault: string, id: string, options: IncludeOptions = {}): Promise<MemoryVersion[]> {
    const { include } = options;
    const path = `${memoryOf(vault, id)}/history`;
    const history = await this.#transport.json<MemoryHistory>({
      method: 'GET',
      path,
      query: { include },
      options,
    });
    return history.versions;
  }

  /** Every live memory, oldest first, as a stream. It throws if it breaks off: a shortened export never looks whole. */
  async *export(vault: string, options: IncludeOptions = {}): AsyncGenerator<Memory, void, undefined> {
    const { include } = options;
    const path = `${memoriesOf(vault)}/export`;
    yield* this.#transport.values<Memory>({ method: 'GET', path, query: { include }, options });
  }

  /** The best first. */
  async search(vault: string, query: SearchQuery, options?: CallOptions): Promise<SearchResult[]> {
    const body = typeof query === 'string' ? { query } : withSentVector(query);
    const path = `${pathOf('v1', 'vaults', vault)}/search`;
    const answer = await this.#transport.json<SearchResults>({ method: 'POST', path, body, options });
    return answer.results;
  }
}

const memoriesOf = (vault: string): string => pathOf('v1', 'vaults', vault, 'memories');
const memoryOf = (vault: string, id: string): string => pathOf('v1', 'vaults', vault, 'memories', id);

const plainMemory = (memory: NewMemory): object =>
  typeof memory === 'string' ? { text: memory } : withSentVector(memory);

function withSentVector(input: { vector?: Vector | null | undefined }): object {
  const { vector } = input;
  return vector === undefined || vector === null ? input : { ...input, vector: sentVector(vector) };
}
