/**
 * The search indexes of vaults that are in use: opened from the sealed records when first needed, then kept in step.
 *
 * Whoever changes memories tells `changed` after the commit, in commit order. While an index is being filled, changes
 * wait and are applied after it; applying one twice does no harm, because an addition replaces.
 */
import { StrongroomError } from '../errors.ts';
import type { RecordSealer } from '../keys/record-sealer.ts';
import type { IndexedRecord, IndexFiller, SearchPool, VaultIndex } from '../search/types.ts';
import { SYSTEM, type Store } from '../store/store.ts';
import { LEAF_SLOTS, leafOf, type Slot } from '../keys/slot.ts';
import { indexedRecord, openMemory, type JoinedRow, type NameLookup } from './memory-row.ts';
import { selectBySlot, selectWithVector } from './memory-store.ts';
import { Ahead } from './ahead.ts';
import type { Segments } from './segments.ts';
import type { Vault } from './vault.ts';

export interface IndexesParts {
  readonly store: Store;
  readonly sealer: RecordSealer;
  readonly pool: SearchPool;
  readonly segments: Segments;
  readonly names: (vault: Vault) => Promise<NameLookup>;
  /** Told of what could not be kept in step; the index is filled anew when next used. */
  readonly onError: (error: unknown) => void;
}

export interface IndexChange {
  readonly added?: readonly IndexedRecord[];
  readonly removed?: readonly string[];
}

interface Filling {
  readonly filler: IndexFiller;
  readonly names: NameLookup;
}

interface OpenIndex {
  readonly vault: Vault;
  readonly index: Promise<VaultIndex>;
  /** Changes that wait for the filling to end; null afterwards. */
  waiting: IndexChange[] | null;
  /** Leaf pages whose segment, if there is one, no longer says it all. */
  readonly touched: Set<number>;
}

/** Records opened between two turns of the event loop while an index is filled. */
const FILL_ROWS = 250;
/** Vaults with an open index at once. */
const OPEN_INDEXES_MAX = 500;
/** Sorts after every id. */
const MAX_ID = 'zzzz';

export class VaultIndexes {
  readonly #parts: IndexesParts;
  readonly #open = new Map<string, OpenIndex>();
  /** Indexes on their way out: the same vault opens again only after them. */
  readonly #closing = new Map<string, Promise<void>>();

  constructor(parts: IndexesParts) {
    this.#parts = parts;
  }

  /** The vault's index, opened and filled if it is not. */
  of(vault: Vault): Promise<VaultIndex> {
    const known = this.#open.get(vault.id);
    if (known !== undefined) {
      // The map keeps the order of use: first the one that rested longest.
      this.#open.delete(vault.id);
      this.#open.set(vault.id, known);
      return known.index;
    }
    this.#makeRoom();
    const opening: OpenIndex = { vault, index: this.#fillNew(vault), waiting: [], touched: new Set() };
    this.#open.set(vault.id, opening);
    return opening.index;
  }

  /** Applies a committed change to the index, if the vault has one open. */
  changed(vault: Vault, change: IndexChange): void {
    const open = this.#open.get(vault.id);
    if (open === undefined) return;
    for (const { slot } of change.added ?? []) open.touched.add(leafOf(slot as Slot));
    if (open.waiting === null) this.#apply(vault, open, change);
    else open.waiting.push(change);
  }

  /** Writes the segments of leaf pages that changed since theirs was written, and of those that have none. */
  async save(vault: Vault): Promise<void> {
    const open = this.#open.get(vault.id);
    if (open === undefined) return;
    const index = await open.index;
    const { store, segments } = this.#parts;
    const throughChange = await store.read(SYSTEM, (_db, head) => Promise.resolve(head.change));
    // Whatever was committed up to there has told its change once a later job has gone through.
    await store.write(SYSTEM, () => Promise.resolve());
    await new Promise(setImmediate);
    const touched = new Set(open.touched);
    open.touched.clear();
    for (const leaf of await index.leaves())
      if (touched.has(leaf) || !segments.has(vault, leaf))
        await segments.write(vault, index, leaf, throughChange);
  }

  /** Closes the vault's index; it is opened again when next used. */
  async drop(vault: Pick<Vault, 'id'>): Promise<void> {
    const open = this.#open.get(vault.id);
    if (open === undefined) return;
    this.#open.delete(vault.id);
    const closed = open.index.then((index) => index.close()).catch(this.#parts.onError);
    this.#closing.set(vault.id, closed);
    await closed;
    this.#closing.delete(vault.id);
  }

  /** Saves every open index: before a clean stop, and from time to time. */
  async saveAll(): Promise<void> {
    for (const { vault } of Array.from(this.#open.values())) await this.save(vault);
  }

  /** Closes the index that rested longest; what is under way there comes to its end first. */
  #makeRoom(): void {
    const [longest] = this.#open.values();
    if (this.#open.size < OPEN_INDEXES_MAX || longest === undefined) return;
    this.drop(longest.vault).catch(this.#parts.onError);
  }

  async #fillNew(vault: Vault): Promise<VaultIndex> {
    try {
      await this.#closing.get(vault.id);
      const { id, metric, dimensions } = vault;
      const index = await this.#parts.pool.open({ id, metric, dimensions }, (filler) =>
        this.#fill(vault, filler),
      );
      const open = this.#open.get(vault.id);
      if (open?.waiting) {
        const waiting = open.waiting;
        open.waiting = null;
        for (const change of waiting) this.#apply(vault, open, change);
      }
      return index;
    } catch (error) {
      this.#open.delete(vault.id);
      throw error;
    }
  }

  /** Segments first, then the leaf pages that have none, then what changed since the oldest segment. */
  async #fill(vault: Vault, filler: IndexFiller): Promise<void> {
    const { store, segments } = this.#parts;
    const names = await this.#parts.names(vault);
    const { leaves, throughChange } = await segments.load(vault, filler);
    const owned = await store.read(SYSTEM, (db) =>
      db.selectFrom('leaves').select('leaf').where('owner', '=', vault.id).orderBy('leaf').execute(),
    );
    for (const { leaf } of owned) if (!leaves.has(leaf)) await this.#fillLeaf(vault, leaf, { filler, names });
    if (throughChange !== null) await this.#fillChanged(vault, throughChange, { filler, names });
  }

  /** In the order of slots, because a key is derived fastest after its neighbour's. */
  async #fillLeaf(vault: Vault, leaf: number, { filler, names }: Filling): Promise<void> {
    const adding = new Ahead();
    for (let from = leaf * LEAF_SLOTS; ;) {
      const rows = await this.#parts.store.read(vault.organization.id, (db) =>
        selectBySlot(db, vault, { from, to: (leaf + 1) * LEAF_SLOTS, limit: FILL_ROWS }),
      );
      if (rows.last === null) return adding.done();
      from = rows.last + 1;
      const records = this.#openLive(vault, rows.live, names);
      await adding.next(() => filler.add(records));
    }
  }

  async #fillChanged(vault: Vault, since: number, { filler, names }: Filling): Promise<void> {
    for (let after = { change: since, id: MAX_ID }; ;) {
      const rows = await this.#parts.store.read(vault.organization.id, (db) =>
        selectWithVector(db, vault)
          .select('memories.change')
          .where((where) =>
            where.or([
              where('memories.change', '>', after.change),
              where.and([where('memories.change', '=', after.change), where('memories.id', '>', after.id)]),
            ]),
          )
          .orderBy('memories.change')
          .orderBy('memories.id')
          .limit(FILL_ROWS)
          .execute(),
      );
      const last = rows.at(-1);
      if (last === undefined) return;
      after = { change: last.change, id: last.id };
      await filler.remove(rows.map(({ id }) => id));
      await filler.add(
        this.#openLive(
          vault,
          rows.filter(({ state }) => state === 'live'),
          names,
        ),
      );
    }
  }

  /** What an erasure ended between the reading of the row and now is left out. */
  #openLive(vault: Vault, rows: readonly JoinedRow[], names: NameLookup): IndexedRecord[] {
    const records: IndexedRecord[] = [];
    for (const row of rows) {
      try {
        records.push(indexedRecord(openMemory(this.#parts.sealer, vault, row), names));
      } catch (error) {
        if (!(error instanceof StrongroomError)) throw error;
        // One damaged record must not take its vault out of every search: it is named and left out.
        if (error.code === 'box.damaged') this.#parts.onError(error);
        else if (error.code !== 'erased') throw error;
      }
    }
    return records;
  }

  #apply(vault: Vault, open: OpenIndex, change: IndexChange): void {
    const applied = open.index.then(async (index) => {
      if (change.removed !== undefined && change.removed.length > 0) await index.remove(change.removed);
      if (change.added !== undefined && change.added.length > 0) await index.add(change.added);
    });
    applied.catch((error: unknown) => {
      this.#parts.onError(error);
      // Only this very index is stale; one that was opened meanwhile has read the change.
      if (this.#open.get(vault.id) === open) void this.drop(vault);
    });
  }
}
