/**
 * Slots that have been ordered to die: refused from the first moment on, whatever the pages still say. And whoever must hear of
 * it: derived state (segments, snapshots) names the slots that die along, caches of keys are cleared.
 */
import type { SlotKeys } from './slot-keys.ts';
import type { Slot } from './slot.ts';

/** Told which slots are about to die; answers those of its derived state (segments, snapshots) that must die along. */
export type DerivedHolder = (dead: ReadonlySet<Slot>) => Iterable<Slot> | Promise<Iterable<Slot>>;

const FEW_SLOTS = 64;

export class DyingSlots {
  readonly holders: Set<DerivedHolder>;
  readonly caches = new Set<() => void>();
  readonly #keys: SlotKeys;
  readonly #slots = new Set<Slot>();

  constructor(keys: SlotKeys, derived: readonly DerivedHolder[]) {
    this.#keys = keys;
    this.holders = new Set(derived);
  }

  has(slot: Slot): boolean {
    return this.#slots.size > 0 && this.#slots.has(slot);
  }

  /** From now on these are refused; the answer takes back those that nobody had refused before. */
  refuse(slots: Iterable<Slot>): () => void {
    const added: Slot[] = [];
    for (const slot of slots) {
      if (this.#slots.has(slot)) continue;
      this.#slots.add(slot);
      added.push(slot);
    }
    this.forgetKeys();
    return () => {
      for (const slot of added) this.#slots.delete(slot);
    };
  }

  /** The same for those of them that are alive: what is dead by its pages needs no refusal. */
  refuseLiving(slots: readonly Slot[]): () => void {
    // Of a few, looking through their pages would cost more than asking for each.
    const isDead =
      slots.length > FEW_SLOTS ? this.#keys.deadAmong() : (slot: Slot) => this.#keys.isDead(slot);
    return this.refuse(slots.filter((slot) => !isDead(slot)));
  }

  /** Those that are dead by their pages need no refusal any more. */
  settle(isDead: (slot: Slot) => boolean): void {
    for (const slot of this.#slots) if (isDead(slot)) this.#slots.delete(slot);
  }

  /** Slots of derived state that must die along, until nobody names another. */
  async derivedFrom(requested: ReadonlySet<Slot>): Promise<Slot[]> {
    if (requested.size === 0) return [];
    const dead = new Set(requested);
    for (let before = -1; before !== dead.size;) {
      before = dead.size;
      for (const holder of this.holders) for (const slot of await holder(dead)) dead.add(slot);
    }
    return [...dead].filter((slot) => !requested.has(slot));
  }

  /** Whatever was remembered that derives keys. */
  forgetKeys(): void {
    for (const clear of this.caches) clear();
    this.#keys.clear();
  }
}
