/**
 * Which segments there are and what each dies with: asked by the keyring in every epoch, the one at opening included,
 * so it is read before the keyring opens.
 */
import type { Id } from '../ids.ts';
import type { Slot } from '../keys/slot.ts';
import { SYSTEM, type Store } from '../store/store.ts';
import { hasSlot, type SlotRanges } from './slot-ranges.ts';

export type SegmentId = Id<'segment'>;

export interface Registered {
  readonly slot: Slot;
  readonly vault: string;
  readonly leaf: number;
  /** Null while the segment is being made: it dies with anything. */
  readonly cover: SlotRanges | null;
}

export class SegmentRegistry {
  readonly #registered = new Map<SegmentId, Registered>();
  /** The same by vault: there may be thousands of vaults. */
  readonly #ofVault = new Map<string, Set<SegmentId>>();

  static async load(store: Store): Promise<SegmentRegistry> {
    const registry = new SegmentRegistry();
    const rows = await store.read(SYSTEM, (db) =>
      db.selectFrom('segments').select(['id', 'slot', 'vault', 'leaf', 'state', 'cover']).execute(),
    );
    for (const { id, slot, vault, leaf, state, cover } of rows) {
      const known = state === 'live' ? (JSON.parse(cover) as SlotRanges) : null;
      registry.set(id as SegmentId, { slot: slot as Slot, vault, leaf, cover: known });
    }
    return registry;
  }

  get(id: SegmentId): Registered | undefined {
    return this.#registered.get(id);
  }

  set(id: SegmentId, registered: Registered): void {
    const own = this.#ofVault.get(registered.vault) ?? new Set();
    this.#ofVault.set(registered.vault, own.add(id));
    this.#registered.set(id, registered);
  }

  delete(id: SegmentId): void {
    const vault = this.#registered.get(id)?.vault ?? '';
    this.#registered.delete(id);
    const own = this.#ofVault.get(vault);
    own?.delete(id);
    if (own?.size === 0) this.#ofVault.delete(vault);
  }

  ofVault(vault: string): readonly (Registered & { readonly id: SegmentId })[] {
    return Array.from(this.#ofVault.get(vault) ?? [], (id) => {
      const one = this.#registered.get(id);
      if (one === undefined) throw new RangeError('a segment of a vault is not registered');
      return { ...one, id };
    });
  }

  ofLeaf(vault: string, leaf: number): readonly SegmentId[] {
    return this.ofVault(vault).flatMap((one) => (one.leaf === leaf ? [one.id] : []));
  }

  /** Slots of segments that must die in the same epoch as `dead`. */
  dyingWith(dead: ReadonlySet<Slot>): readonly Slot[] {
    if (dead.size === 0) return [];
    const dying: Slot[] = [];
    for (const { slot, cover } of this.#registered.values()) {
      if (dead.has(slot)) continue;
      if (cover === null || [...dead].some((one) => hasSlot(cover, one))) dying.push(slot);
    }
    return dying;
  }
}
