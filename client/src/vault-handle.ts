import type {
  ConversationInput,
  DeleteOptions,
  Deletion,
  IncludeOptions,
  Memories,
  MemoryChange,
  NewMemory,
  SearchQuery,
} from './memories.ts';
import type { CallOptions, VersionedOptions, WriteOptions } from './transport.ts';
import type {
  Memory,
  MemoryListQuery,
  MemoryPage,
  MemoryVersion,
  MessageInput,
  SearchResult,
  Vault,
  VaultPatch,
} from './types.ts';
import type { Vaults } from './vaults.ts';

/** One vault, named once. Making a handle asks nothing of the server. */
export class VaultHandle {
  /** The id or name it was made with. */
  readonly vault: string;
  readonly #vaults: Vaults;
  readonly #memories: Memories;

  constructor(vault: string, parts: { vaults: Vaults; memories: Memories }) {
    this.vault = vault;
    this.#vaults = parts.vaults;
    this.#memories = parts.memories;
  }

  /** `await vault.add('Ann prefers tea')`, or with what else is known: `{ text, subject, metadata, … }`. */
  add(memory: NewMemory, options?: WriteOptions): Promise<Memory> {
    return this.#memories.add(this.vault, memory, options);
  }

  addMany(memories: readonly NewMemory[], options?: WriteOptions): Promise<{ id: string }[]> {
    return this.#memories.addMany(this.vault, memories, options);
  }

  addMessages(
    messages: readonly MessageInput[],
    shared?: ConversationInput,
    options?: WriteOptions,
  ): Promise<{ id: string }[]> {
    return this.#memories.addMessages(this.vault, messages, shared, options);
  }

  /** `await vault.search('what does Ann drink?')`. */
  search(query: SearchQuery, options?: CallOptions): Promise<SearchResult[]> {
    return this.#memories.search(this.vault, query, options);
  }

  get(id: string, options?: IncludeOptions): Promise<Memory> {
    return this.#memories.get(this.vault, id, options);
  }

  list(query?: MemoryListQuery, options?: CallOptions): Promise<MemoryPage> {
    return this.#memories.list(this.vault, query, options);
  }

  listAll(
    query?: Omit<MemoryListQuery, 'cursor'>,
    options?: CallOptions,
  ): AsyncGenerator<Memory, void, undefined> {
    return this.#memories.listAll(this.vault, query, options);
  }

  update(id: string, change: MemoryChange, options?: VersionedOptions): Promise<Memory> {
    return this.#memories.update(this.vault, id, change, options);
  }

  delete(id: string, options?: DeleteOptions): Promise<Deletion> {
    return this.#memories.delete(this.vault, id, options);
  }

  restore(id: string, options?: WriteOptions): Promise<Memory> {
    return this.#memories.restore(this.vault, id, options);
  }

  history(id: string, options?: IncludeOptions): Promise<MemoryVersion[]> {
    return this.#memories.history(this.vault, id, options);
  }

  export(options?: IncludeOptions): AsyncGenerator<Memory, void, undefined> {
    return this.#memories.export(this.vault, options);
  }

  /** What the vault itself is: its settings and version. */
  settings(options?: CallOptions): Promise<Vault> {
    return this.#vaults.get(this.vault, options);
  }

  configure(patch: VaultPatch, options?: VersionedOptions): Promise<Vault> {
    return this.#vaults.update(this.vault, patch, options);
  }
}
