/**
 * The search indexes of vaults that are in use: opened from the sealed records when first needed, then kept in step.
 *
 * Whoever changes memories leaves the change in the transaction; it is told after the commit, in the order of jobs. While an index is being filled, changes
 * wait and are applied after it; applying one twice does no harm, because an addition replaces.
 */
import { StrongroomError } from '../errors.ts';
import type { Forgotten, IndexedRecord, SearchPool, VaultIndex } from '../search/types.ts';
import { SYSTEM, type Flusher, type Tx } from '../store/store.ts';
import { fillIndex, fillSome, type FillingParts } from './index-filling.ts';
import type { Leisure } from './leisure.ts';
import type { Vault } from './vault.ts';

export interface IndexesParts extends FillingParts {
  readonly pool: SearchPool;
  /** What open indexes may take together, about. The one in use may take more alone. */
  readonly memoryBytesMax: number;
}

export interface IndexChange {
  readonly added?: readonly IndexedRecord[];
  readonly removed?: readonly string[];
  readonly forgotten?: Forgotten;
}

/** A change of one vault, or of all that an organization has. */
type Told = { readonly change: IndexChange } & (
  | { readonly vault: Pick<Vault, 'id'> }
  | { readonly organization: string }
);

export interface Asked<T> {
  readonly answer: T;
  /** Whether nothing was taken out of the vault since the index was asked. */
  readonly isCurrent: () => boolean;
}

/** A vault's index from the moment its opening began. */
interface OpenIndex {
  readonly vault: Vault;
  readonly index: Promise<VaultIndex>;
  /** Ends when every change told so far is in the index; changes are applied one after the other. */
  applied: Promise<void>;
  /** Another object whenever a memory was taken out. */
  mark: object;
  /** Questions that are under way. */
  askers: number;
  /** Rough size of the changes that are not applied yet. */
  waitingBytes: number;
  /** Rough size of the index. */
  bytes: number;
  /** Whether it has been filled. */
  isFull: boolean;
  /** Whether it may say something that no segment does. */
  isUnsaved: boolean;
  /** Leaf pages of which a segment was made and perhaps not written. */
  readonly unsaved: Set<number>;
  /** Ends when it has been saved as often as was asked. */
  saved: Promise<void>;
  /** Of the saving that is under way. */
  leisure: Leisure | null;
}

/** How often an index that is closed again and again is asked: people may be erased one after the other while others search. */
const ASKED_MAX = 20;
/** Records given to a worker in one message, so that searches of other vaults pass in between. */
const CHANGE_RECORDS = 100;
/** A vault whose changes wait for more than this takes no addition before they have been applied. */
const WAITING_BYTES_MAX = 16 * 1024 * 1024;
/** New vaults that are remembered until something is added to them. */
const NEW_VAULTS_MAX = 10_000;
/** What an open index takes beside what it says of itself: its objects on both threads. */
const INDEX_BYTES = 4 * 1024;
/** What a record takes beside its text and its vector, about. */
const RECORD_BYTES = 512;
/** How often a segment is begun that one erasure after the other overtakes; then it is left for the next time. */
const WRITES_MAX = 5;
/** Indexes that are saved at the same time, and how large each may be: their segments are in memory meanwhile. */
const SAVED_TOGETHER = 32;
const SAVED_TOGETHER_BYTES = 1024 * 1024;

export class VaultIndexes {
  readonly #parts: IndexesParts;
  readonly #open = new Map<string, OpenIndex>();
  #last: OpenIndex | null = null;
  /** Indexes on their way out: the same vault opens again only after them. */
  readonly #closing = new Map<string, Promise<void>>();
  /** Vaults that were made here and that nothing was added to since. */
  readonly #empty = new Set<string>();
  /** What the open ones take together, about. */
  #bytes = 0;
  /** Questions that indexes were given. */
  #asked = 0;

  readonly #committed: Flusher<Told> = {
    flush: () => Promise.resolve(),
    committed: (items) => {
      for (const { item } of items)
        for (const vault of 'vault' in item ? [item.vault] : this.#openOf(item.organization))
          this.#changed(vault, item.change);
    },
  };

  constructor(parts: IndexesParts) {
    this.#parts = parts;
  }

  /** Indexes that are open or being opened. */
  get size(): number {
    return this.#open.size;
  }

  /** What they take together, about. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The vault's index, opened and filled if it is not, with every change in it that was committed before. */
  async of(vault: Vault): Promise<VaultIndex> {
    const open = this.#used(vault);
    await open.applied;
    return open.index;
  }

  /**
   * Asks that index, which is not closed meanwhile to make room for others. Where it was closed all the same, because
   * somebody was erased or the words are of another language now, the one that follows it is asked.
   */
  async ask<T>(vault: Vault, question: (index: VaultIndex) => Promise<T>): Promise<Asked<T>> {
    for (let asked = 1; ; asked++) {
      const open = this.#used(vault);
      const { mark } = open;
      const isOpen = (): boolean => this.#open.get(vault.id) === open;
      open.askers++;
      try {
        await open.applied;
        this.#asked++;
        const answer = await question(await open.index);
        return { answer, isCurrent: () => isOpen() && open.mark === mark };
      } catch (error) {
        const isClosed = error instanceof StrongroomError && error.code === 'search.unavailable' && !isOpen();
        if (!isClosed || asked === ASKED_MAX) throw error;
      } finally {
        open.askers--;
        this.#keepBudget(open);
      }
    }
  }

  /** Opens it if it is not. The map keeps the order of use: first the one that rested longest. */
  #used(vault: Vault): OpenIndex {
    const open = this.#fitting(vault) ?? this.#begin(vault);
    this.#putLast(open);
    return open;
  }

  #putLast(open: OpenIndex): void {
    if (open === this.#last) return;
    this.#open.delete(open.vault.id);
    this.#open.set(open.vault.id, open);
    this.#last = open;
  }

  /** The open index, unless the vault has another language by now: its words are others then. */
  #fitting(vault: Vault): OpenIndex | undefined {
    const open = this.#open.get(vault.id);
    if (open === undefined || open.vault.language === vault.language || open.vault.version > vault.version)
      return open;
    this.drop(vault).catch(this.#parts.onError);
    return undefined;
  }

  /**
   * A new vault's index is opened with its first addition: there is nothing to fill it from, and whoever adds much finds it made
   * by the time of the first search.
   */
  expect(vault: { readonly id: string }): void {
    if (this.#empty.size < NEW_VAULTS_MAX) this.#empty.add(vault.id);
  }

  /** Waits while more changes of the vault are on their way into its index than memory should hold. */
  async room(vault: Vault): Promise<void> {
    if (this.#empty.delete(vault.id) && !this.#open.has(vault.id)) this.#begin(vault);
    for (let open = this.#open.get(vault.id); open !== undefined; open = this.#open.get(vault.id)) {
      if (open.waitingBytes <= WAITING_BYTES_MAX) return;
      await open.applied;
    }
  }

  /**
   * Leaves a change in the transaction that makes it: told to the index at the commit, in the order of the jobs, so
   * that what a later job erased cannot be added after it.
   */
  change(tx: Tx, vault: Pick<Vault, 'id'>, change: IndexChange): void {
    tx.defer(this.#committed, { vault, change });
  }

  /** The same for every vault of an organization: a person may be in any of them. */
  changeAll(tx: Tx, organization: string, change: IndexChange): void {
    tx.defer(this.#committed, { organization, change });
  }

  /**
   * Writes the segments of leaf pages that changed since theirs was written, and of those that have none: at leisure, where nobody
   * waits for it. One after the other; whoever waits ends the leisure of the one before.
   */
  save(vault: Vault, leisure: Leisure | null = null): Promise<void> {
    const open = this.#open.get(vault.id);
    if (open === undefined) return Promise.resolve();
    if (leisure === null) open.leisure?.end();
    const saved = open.saved.then(() => this.#saveUnsaved(vault, open, leisure));
    open.saved = saved.catch(() => undefined);
    return saved;
  }

  async #saveUnsaved(vault: Vault, open: OpenIndex, leisure: Leisure | null): Promise<void> {
    if (!open.isUnsaved || this.#open.get(vault.id) !== open) return;
    open.isUnsaved = false;
    open.leisure = leisure;
    try {
      await this.#saveChanged(vault, open, leisure);
    } catch (error) {
      open.isUnsaved = true;
      throw error;
    } finally {
      open.leisure = null;
    }
  }

  async #saveChanged(vault: Vault, open: OpenIndex, leisure: Leisure | null): Promise<void> {
    const { store, segments } = this.#parts;
    const throughChange = await store.read(SYSTEM, (_db, head) => Promise.resolve(head.change));
    // Whatever was committed up to there has told its change once a later job has gone through.
    await store.write(SYSTEM, () => Promise.resolve());
    // What was closed meanwhile is found anew from its records when it is opened.
    if (this.#open.get(vault.id) !== open) return;
    const index = await this.of(vault);
    await this.#weigh(open);
    const changed = new Set([...(await index.changedLeaves()), ...open.unsaved]);
    const leaves = await index.leaves();
    const kept = leaves.filter((leaf) => !changed.has(leaf) && segments.has(vault, leaf));
    for (const leaf of leaves) {
      if (kept.includes(leaf)) continue;
      const write = async (): Promise<void> => {
        open.unsaved.add(leaf);
        let outcome = await segments.write(vault, index, leaf, throughChange);
        for (let writes = 1; outcome === 'overtaken' && writes < WRITES_MAX; writes++)
          outcome = await segments.write(vault, index, leaf, throughChange);
        if (outcome === 'live') open.unsaved.delete(leaf);
        // It holds what is dead: nothing may be written from it.
        else if (outcome === 'stale') await this.drop(vault);
        else open.isUnsaved = true;
      };
      await (leisure === null ? write() : leisure.spend(write));
      if (this.#open.get(vault.id) !== open) return;
    }
    await segments.confirm(vault, { kept, leaves }, throughChange);
  }

  /** Closes the vault's index; it is opened again when next used. */
  async drop(vault: Pick<Vault, 'id'>): Promise<void> {
    const open = this.#open.get(vault.id);
    if (open === undefined) return;
    this.#remove(open);
    const closed = open.index.then((index) => index.close()).catch(this.#parts.onError);
    this.#closing.set(vault.id, closed);
    await closed;
    // The one that followed it may be on its way out by now.
    if (this.#closing.get(vault.id) === closed) this.#closing.delete(vault.id);
  }

  /** Closes every open index of an organization: what they hold in memory goes with them. */
  async dropOf(organization: string): Promise<void> {
    // All at once: none of them may answer while another is being closed.
    await Promise.all(this.#openOf(organization).map((vault) => this.drop(vault)));
  }

  #openOf(organization: string): readonly Vault[] {
    return [...this.#open.values()]
      .map(({ vault }) => vault)
      .filter((vault) => vault.organization.id === organization);
  }

  /** Saves every open index: before a clean stop, and at leisure from time to time. Small ones some at a time, so that they share commits. */
  async saveAll(leisure: Leisure | null = null): Promise<void> {
    const all = Array.from(this.#open.values());
    const isSmall = ({ bytes }: OpenIndex): boolean => bytes < SAVED_TOGETHER_BYTES;
    await this.#saveSome(all.filter(isSmall), SAVED_TOGETHER, leisure);
    await this.#saveSome(
      all.filter((open) => !isSmall(open)),
      1,
      leisure,
    );
  }

  async #saveSome(indexes: readonly OpenIndex[], atOnce: number, leisure: Leisure | null): Promise<void> {
    const waiting = indexes.values();
    // They take from one list, so that none is saved twice.
    const save = async (): Promise<void> => {
      for (const { vault } of waiting) await this.save(vault, leisure).catch(this.#parts.onError);
    };
    await Promise.all(Array.from({ length: atOnce }, save));
  }

  #begin(vault: Vault): OpenIndex {
    const index = this.#fillNew(vault, () => {
      open.isUnsaved = true;
    });
    const ready = index.then(() => undefined);
    const open: OpenIndex = {
      vault,
      index,
      applied: ready,
      mark: {},
      askers: 0,
      waitingBytes: 0,
      bytes: INDEX_BYTES,
      isFull: false,
      isUnsaved: false,
      unsaved: new Set(),
      saved: Promise.resolve(),
      leisure: null,
    };
    this.#putLast(open);
    this.#bytes += open.bytes;
    this.#keepBudget(open);
    ready.then(
      () => {
        open.isFull = true;
        this.#weigh(open).catch((error: unknown) => {
          // One that was closed meanwhile weighs nothing.
          if (this.#open.get(vault.id) === open) this.#parts.onError(error);
        });
      },
      () => this.#forget(open),
    );
    return open;
  }

  /** Asks the index how large it is, and makes room if all together are too large. */
  async #weigh(open: OpenIndex): Promise<void> {
    const index = await open.index;
    const before = open.bytes;
    const { bytes } = await index.stats();
    // What was added while the question was on its way may not be in the answer.
    this.#grow(open, INDEX_BYTES + bytes - before);
    this.#keepBudget(open);
  }

  #grow(open: OpenIndex, bytes: number): void {
    open.bytes += bytes;
    if (this.#open.get(open.vault.id) === open) this.#bytes += bytes;
  }

  /** Closes the indexes that rested longest until all together are small enough, or only the one in use is left. */
  #keepBudget(used: OpenIndex): void {
    for (const open of this.#open.values()) {
      if (this.#bytes <= this.#parts.memoryBytesMax) return;
      if (open === used || !open.isFull || open.waitingBytes > 0 || open.askers > 0) continue;
      this.drop(open.vault).catch(this.#parts.onError);
    }
  }

  /** By identity: the same vault may have been opened again meanwhile. */
  #forget(open: OpenIndex): void {
    if (this.#open.get(open.vault.id) === open) this.#remove(open);
  }

  #remove(open: OpenIndex): void {
    this.#open.delete(open.vault.id);
    if (this.#last === open) this.#last = null;
    this.#bytes -= open.bytes;
  }

  /** @param onUnsaved called when more was filled in than segments say. */
  async #fillNew(vault: Vault, onUnsaved: () => void): Promise<VaultIndex> {
    await this.#closing.get(vault.id);
    const { id, metric, dimensions, language } = vault;
    return this.#parts.pool.open({ id, metric, dimensions, language }, async (filler) => {
      if (!(await fillIndex(this.#parts, vault, filler, () => this.#asked))) onUnsaved();
    });
  }

  #changed(vault: Pick<Vault, 'id'>, change: IndexChange): void {
    const open = this.#open.get(vault.id);
    if (open === undefined) return;
    const { added = [], removed = [], forgotten } = change;
    const bytes = added.reduce(
      (sum, { text, vector }) => sum + RECORD_BYTES + text.length + (vector?.byteLength ?? 0),
      0,
    );
    open.waitingBytes += bytes;
    open.isUnsaved = true;
    this.#grow(open, bytes);
    this.#keepBudget(open);
    if (removed.length > 0 || forgotten !== undefined) open.mark = {};
    const applied = open.applied.then(async () => {
      const index = await open.index;
      if (removed.length > 0) await index.remove(removed);
      // What stays of them opens, and what goes does not, from the asking for its end on.
      if (forgotten !== undefined)
        await fillSome(this.#parts, open.vault, index, await index.forget(forgotten));
      for (let at = 0; at < added.length; at += CHANGE_RECORDS)
        await index.add(added.slice(at, at + CHANGE_RECORDS));
    });
    // A change that could not be applied makes this very index stale: it is filled anew when next used, as one that was closed meanwhile.
    open.applied = applied
      .catch((error: unknown) => {
        if (this.#open.get(vault.id) !== open) return;
        this.#parts.onError(error);
        void this.drop(vault);
      })
      .finally(() => {
        open.waitingBytes -= bytes;
      });
  }
}
