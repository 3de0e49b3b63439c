/**
 * From a tree to the keys of slots, with the last paths remembered: 1 µs for slots in sequence, some 15 µs at random.
 * What is remembered derives keys, so `clear` zeroes it at every puncture.
 */
import { StrongroomError } from '../errors.ts';
import { coveringLabel, LeafPath, livingSlots, type LeafPage } from './leaf.ts';
import { indexOf, leafOf, type Slot, type SlotKey } from './slot.ts';
import { findLeaf, type Tree } from './tree.ts';

const PATHS_MAX = 16;
/** Four kilobytes each. */
const PAGES_LOOKED_MAX = 1024;

export class SlotKeys {
  #tree: Tree;
  /** In the order of their making. */
  readonly #paths = new Map<LeafPage, LeafPath>();

  constructor(tree: Tree) {
    this.#tree = tree;
  }

  get tree(): Tree {
    return this.#tree;
  }

  /** The key, or null: an authenticated page says that the slot is dead. Throws `keyring.damaged`. */
  key(slot: Slot): SlotKey | null {
    const page = this.#page(slot);
    return page === 'dead' ? null : (this.#path(page).key(page, indexOf(slot)) as SlotKey | null);
  }

  isDead(slot: Slot): boolean {
    const page = this.#page(slot);
    return page === 'dead' || coveringLabel(page, indexOf(slot)) === null;
  }

  /** The same for many slots: each of their pages is looked through once. Good until the tree is replaced. */
  deadAmong(): (slot: Slot) => boolean {
    const living = new Map<LeafPage, Uint8Array>();
    const flagsOf = (page: LeafPage): Uint8Array => {
      const known = living.get(page);
      if (known !== undefined) return known;
      if (living.size >= PAGES_LOOKED_MAX) living.clear();
      const flags = livingSlots(page);
      living.set(page, flags);
      return flags;
    };
    // Those of one leaf mostly come one after the other.
    let last: { readonly leaf: number; readonly flags: Uint8Array | null } | null = null;
    return (slot) => {
      const leaf = leafOf(slot);
      if (last?.leaf !== leaf) {
        const page = this.#page(slot);
        last = { leaf, flags: page === 'dead' ? null : flagsOf(page) };
      }
      return last.flags === null || last.flags[indexOf(slot)] === 0;
    };
  }

  /** Whether the slot's leaf exists at all. */
  isAllotted(slot: Slot): boolean {
    return leafOf(slot) < this.#tree.leafCount;
  }

  replace(tree: Tree): void {
    this.clear();
    this.#tree = tree;
  }

  clear(): void {
    for (const path of this.#paths.values()) path.clear();
    this.#paths.clear();
  }

  #page(slot: Slot): LeafPage | 'dead' {
    const page = findLeaf(this.#tree, leafOf(slot));
    // Not `erased`: a database that knows slots the keyring never allotted belongs to a newer keyring, or is damaged.
    if (page === 'unallotted')
      throw new StrongroomError('keyring.damaged', `slot ${slot} was never allotted`);
    return page;
  }

  #path(page: LeafPage): LeafPath {
    const known = this.#paths.get(page);
    if (known !== undefined) return known;
    const [oldest] = this.#paths;
    if (oldest !== undefined && this.#paths.size >= PATHS_MAX) {
      oldest[1].clear();
      this.#paths.delete(oldest[0]);
    }
    const path = new LeafPath();
    this.#paths.set(page, path);
    return path;
  }
}
