/**
 * Segments: sealed parts of an index, one for each leaf page of slots, so that a vault opens without opening every
 * record. They are derived state, and must never outlive what they were derived from:
 *
 * - A segment has its own slot, registered before its first byte is made. Until it is committed it dies with *any*
 *   puncture, so what was read before an erasure cannot be written after it.
 * - Once committed it dies, in the same epoch, with any slot of its cover: those of its records, their people and their
 *   conversations.
 * - What replaces a segment has the old one's slot destroyed, because old bytes may lie anywhere.
 * - Bytes hold one leaf page's own records and nothing of their neighbours (search/ sees to that).
 *
 * A segment may be stale: rows that changed after `through_change` are read from the store and laid over it.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { StrongroomError, type ErrorCode } from '../errors.ts';
import type { Environment } from '../environment.ts';
import type { NewId } from '../ids.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { RecordBoxes, RecordSealer } from '../keys/record-sealer.ts';
import { LEAF_SLOTS, type Slot } from '../keys/slot.ts';
import type { IndexFiller, LoadedSegment, VaultIndex } from '../search/types.ts';
import type { BlobStore } from '../store/blobs.ts';
import type { Destruction } from '../store/destruction.ts';
import type { SegmentRow } from '../store/schema.ts';
import type { SlotAllocator } from '../store/slots.ts';
import { SYSTEM, type Store } from '../store/store.ts';
import { Ahead } from './ahead.ts';
import { SegmentMemory } from './segment-memory.ts';
import { decodeScope } from './memory-row.ts';
import type { SegmentId, SegmentRegistry } from './segment-registry.ts';
import { toRanges } from './slot-ranges.ts';
import { vaultScope, type Vault } from './vault.ts';

export interface SegmentsParts {
  readonly store: Store;
  readonly blobs: BlobStore;
  readonly keyring: Keyring;
  readonly destruction: Destruction;
  readonly sealer: RecordSealer;
  readonly slots: SlotAllocator;
  readonly newId: NewId;
  readonly environment: Environment;
  /** Told of a segment that does not open: it is left out and its records are read instead. And of one whose dead bytes stay. */
  readonly onDamage: (error: unknown) => void;
}

/** What loading segments left to be read from the store. */
export interface Loaded {
  readonly leaves: ReadonlySet<number>;
  /** Rows changed after this lie over the segments; null if none was loaded. */
  readonly throughChange: number | null;
  /** Whether every one was there, whole, and says what an index would write today. */
  readonly isCurrent: boolean;
}

/**
 * Segments that are read before they are opened, and that the search worker has at once: the disk is asked early, and neither
 * thread waits for word from the other.
 */
const READ_AHEAD = 2;
const LOADED_AHEAD = 2;
/** Slots that are asked for whom they belong to at once. */
const SCOPE_SLOTS = 512;

export class Segments {
  readonly #parts: SegmentsParts;
  readonly #registry: SegmentRegistry;

  constructor(parts: SegmentsParts, registry: SegmentRegistry) {
    this.#parts = parts;
    this.#registry = registry;
  }

  /** Removes what is dead or was never finished. */
  async clean(): Promise<void> {
    const rows = await this.#parts.store.read(SYSTEM, (db) =>
      db.selectFrom('segments').select(['id', 'slot', 'state']).execute(),
    );
    const stale = rows.filter(
      (row) => row.state !== 'live' || this.#parts.keyring.isErased(row.slot as Slot),
    );
    await this.#destroy(stale.map((row) => row.id as SegmentId));
  }

  /** Removes the segments of a vault whose keys are gone, with their bytes. */
  async discard(vault: string): Promise<void> {
    const { store, blobs } = this.#parts;
    const rows = await store.read(SYSTEM, (db) =>
      db.selectFrom('segments').select('id').where('vault', '=', vault).execute(),
    );
    const ids = rows.map(({ id }) => id as SegmentId);
    if (ids.length === 0) return;
    for (const id of ids) await blobs.delete(blobName(id));
    await store.write(SYSTEM, (tx) => tx.sql.deleteFrom('segments').where('id', 'in', ids).execute());
    for (const id of ids) this.#registry.delete(id);
  }

  /** Lays the vault's live segments into an index that is being filled. */
  async load(vault: Vault, filler: IndexFiller): Promise<Loaded> {
    const rows = await this.#parts.store.read(vault.organization.id, (db) =>
      db
        .selectFrom('segments')
        .selectAll()
        .where('vault', '=', vault.id)
        .where('state', '=', 'live')
        .execute(),
    );
    const loaded: SegmentRow[] = [];
    let isCurrent = true;
    const memory = new SegmentMemory();
    const loading = new Ahead(LOADED_AHEAD);
    const reading = rows.slice(0, READ_AHEAD).map((row) => this.#read(row, memory));
    for (const [at, row] of rows.entries()) {
      const box = await (reading.shift() as Promise<Uint8Array | Error>);
      // While the worker takes in one, this thread opens the next, and the disk gives those after that.
      const bytes = this.#open(vault, row, box);
      await loading.next(async () => {
        const one = await this.#loadOne(row, bytes, filler);
        if (one !== null) loaded.push(row);
        if (one?.isCurrent !== true) isCurrent = false;
        memory.giveBack(box);
      });
      const later = rows[at + READ_AHEAD];
      if (later !== undefined) reading.push(this.#read(later, memory));
      await turn();
    }
    await loading.done();
    memory.wipe();
    const throughChange = loaded.length === 0 ? null : Math.min(...loaded.map((row) => row.through_change));
    return { leaves: new Set(loaded.map(({ leaf }) => leaf)), throughChange, isCurrent };
  }

  /**
   * Notes that the segments of some leaf pages are what the index says after every job up to `throughChange`, so that
   * only what changed later is read beside them; and ends those of leaf pages that hold no record any more.
   */
  async confirm(
    vault: Vault,
    { kept, leaves }: { readonly kept: readonly number[]; readonly leaves: readonly number[] },
    throughChange: number,
  ): Promise<void> {
    const own = this.#registry.ofVault(vault.id);
    const empty = own.filter(({ leaf, cover }) => cover !== null && !leaves.includes(leaf));
    await this.#destroy(empty.map(({ id }) => id));
    const isSame = kept.length === leaves.length && empty.length === 0;
    if (kept.length === 0 || isSame) return;
    await this.#parts.store.write(vault.organization.id, (tx) =>
      tx.sql
        .updateTable('segments')
        .set({ through_change: throughChange, change: tx.change })
        .where('vault', '=', vault.id)
        .where('leaf', 'in', [...kept])
        .where('state', '=', 'live')
        .where('through_change', '<', throughChange)
        .execute(),
    );
  }

  /** Whether the leaf page has a segment that is whole. */
  has(vault: Vault, leaf: number): boolean {
    return this.#registry.ofLeaf(vault.id, leaf).some((id) => {
      const segment = this.#registry.get(id);
      return segment !== undefined && segment.cover !== null && !this.#parts.keyring.isErased(segment.slot);
    });
  }

  /**
   * Writes the segment of one leaf page anew. `throughChange`: every job up to it is in the index. `overtaken` where something
   * was erased meanwhile, wherever; `stale` where the index turned out to hold what is dead: it must not be used any more.
   */
  async write(
    vault: Vault,
    index: VaultIndex,
    leaf: number,
    throughChange: number,
  ): Promise<'live' | 'overtaken' | 'stale'> {
    const id = await this.#register(vault, leaf, throughChange);
    const replaced = this.#registry.ofLeaf(vault.id, leaf).filter((other) => other !== id);
    let outcome: 'live' | 'overtaken' | 'stale' = 'stale';
    try {
      outcome = await this.#writeRegistered(vault, index, leaf, id);
    } finally {
      await this.#destroy(outcome === 'live' ? replaced : [id]);
    }
    return outcome;
  }

  /** `overtaken`: an erasure since the registration took the segment along. `stale`: the index holds what is dead. */
  async #writeRegistered(
    vault: Vault,
    index: VaultIndex,
    leaf: number,
    id: SegmentId,
  ): Promise<'live' | 'overtaken' | 'stale'> {
    const { store, blobs, keyring, environment } = this.#parts;
    const own = this.#registry.get(id);
    if (own === undefined) return 'overtaken';
    environment.fault('segment.registered');
    const segment = await index.exportSegment(leaf);
    if (keyring.isErased(own.slot)) return 'overtaken';
    // Nothing that died before the registration may be in an index; if it is, its bytes are not to be sealed anew.
    if (segment.cover.some((slot) => keyring.isErased(slot as Slot))) return 'stale';
    const cover = toRanges([...segment.cover, ...(await this.#scopeSlots(vault, leaf))]);
    environment.fault('segment.read');
    try {
      await blobs.put(blobName(id), this.#boxes(vault, id, own.slot).seal('blob', segment.bytes));
    } catch (error) {
      if (error instanceof StrongroomError && error.code === 'erased') return 'overtaken';
      throw error;
    }
    environment.fault('segment.written');
    return store.write(vault.organization.id, async (tx) => {
      // An erasure since the registration has taken the slot along: these bytes are dead and stay so.
      if (keyring.isErased(own.slot)) return 'overtaken';
      await tx.sql
        .updateTable('segments')
        .set({ state: 'live', cover: JSON.stringify(cover), change: tx.change })
        .where('id', '=', id)
        .execute();
      // Inside the job, so that no epoch can be prepared between the check and the cover being known.
      this.#registry.set(id, { ...own, cover });
      return 'live';
    });
  }

  async #register(vault: Vault, leaf: number, throughChange: number): Promise<SegmentId> {
    const { store, slots, keyring, newId, environment } = this.#parts;
    const id = newId('segment');
    await store.write(vault.organization.id, async (tx) => {
      const slot = await slots.takeOne(tx, vault.id);
      await tx.sql
        .insertInto('segments')
        .values({
          id,
          organization: vault.organization.id,
          vault: vault.id,
          leaf,
          slot,
          state: 'building',
          epoch: keyring.epoch,
          through_change: throughChange,
          blob: blobName(id),
          cover: '[]',
          created_at: environment.clock.now(),
          change: tx.change,
        })
        .execute();
      this.#registry.set(id, { slot, vault: vault.id, leaf, cover: null });
    });
    return id;
  }

  /** Slots of people and conversations whose records lie in the leaf page. */
  async #scopeSlots(vault: Vault, leaf: number): Promise<readonly number[]> {
    const scopes = new Set<string>();
    for (let from = leaf * LEAF_SLOTS; from < (leaf + 1) * LEAF_SLOTS; from += SCOPE_SLOTS) {
      const rows = await this.#parts.store.read(vault.organization.id, (db) =>
        db
          .selectFrom('memory_versions')
          .select('scope')
          .distinct()
          .where('vault', '=', vault.id)
          .where('slot', '>=', from)
          .where('slot', '<', from + SCOPE_SLOTS)
          .execute(),
      );
      for (const { scope } of rows) scopes.add(scope);
      await turn();
    }
    const inKey = new Set(vaultScope(vault).map(([, slot]) => slot));
    return Array.from(scopes).flatMap((scope) =>
      decodeScope(scope).flatMap(([, slot]) => (inKey.has(slot) ? [] : [slot])),
    );
  }

  /** The bytes of the segment's blob, or what kept them from being read: told where they are opened. */
  #read(row: SegmentRow, memory: SegmentMemory): Promise<Uint8Array | Error> {
    return this.#parts.blobs.getInto(row.blob, memory.take).catch((error: Error) => error);
  }

  #open(vault: Vault, row: SegmentRow, box: Uint8Array | Error): Uint8Array | Error {
    try {
      if (box instanceof Error) throw box;
      return this.#boxes(vault, row.id as SegmentId, row.slot as Slot).openInPlace('blob', box);
    } catch (error) {
      return error as Error;
    }
  }

  /** Null where the segment is not in the index now. One that is damaged is said in the log, and its records are read instead. */
  async #loadOne(
    row: SegmentRow,
    bytes: Uint8Array | Error,
    filler: IndexFiller,
  ): Promise<LoadedSegment | null> {
    try {
      if (bytes instanceof Error) throw bytes;
      return await filler.loadSegment(bytes);
    } catch (error) {
      if (!(error instanceof StrongroomError)) throw error;
      // What the disk does not give now it may give later: it stays until the leaf page is written anew.
      const isUnread = error === bytes && error.code === 'store.unavailable';
      if (!isUnread && !IS_SPOILT.has(error.code)) throw error;
      if (error.code !== 'erased')
        this.#parts.onDamage(
          new StrongroomError('box.damaged', { detail: `segment ${row.id}`, cause: error }),
        );
      if (!isUnread) await this.#destroy([row.id as SegmentId]);
      return null;
    }
  }

  /** Destroys the segments' slots, then removes their bytes and rows. What could not be removed is tried again when the vault is next saved or the server opens. */
  async #destroy(ids: readonly SegmentId[]): Promise<void> {
    if (ids.length === 0) return;
    const { store, keyring, destruction } = this.#parts;
    const alive = ids.flatMap((id) => {
      const slot = this.#registry.get(id)?.slot;
      return slot === undefined || keyring.isErased(slot) ? [] : [slot];
    });
    if (alive.length > 0) await destruction.now(alive, 'segment');
    const gone: SegmentId[] = [];
    for (const id of ids) if (await this.#isDeleted(id)) gone.push(id);
    if (gone.length === 0) return;
    await store.write(SYSTEM, (tx) => tx.sql.deleteFrom('segments').where('id', 'in', gone).execute());
    for (const id of gone) this.#registry.delete(id);
  }

  /** Bytes that the disk does not give up are named: no key opens them, and they must not keep a vault, or the server, from opening. */
  async #isDeleted(id: SegmentId): Promise<boolean> {
    try {
      await this.#parts.blobs.delete(blobName(id));
      return true;
    } catch (error) {
      if (!(error instanceof StrongroomError) || error.code !== 'store.unavailable') throw error;
      this.#parts.onDamage(error);
      return false;
    }
  }

  #boxes(vault: Vault, id: SegmentId, slot: Slot): RecordBoxes {
    return this.#parts.sealer.at({
      table: 'segments',
      organization: vault.organization.id,
      vault: vault.id,
      id,
      version: 1,
      own: slot,
      scope: vaultScope(vault),
    });
  }
}

/** What a segment can be replaced after: its bytes are wrong or missing, or its keys are gone. */
const IS_SPOILT: ReadonlySet<ErrorCode> = new Set(['box.damaged', 'erased', 'not_found'] as const);

const blobName = (id: SegmentId): string => `segments/${id}`;
