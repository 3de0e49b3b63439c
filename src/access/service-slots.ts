/** Slots of the service's own keys, by name: looked up once, made when first asked for, replaced by rotations. */
import type { Clock } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { Slot } from '../keys/slot.ts';
import { DEPLOYMENT, serviceSlot, serviceSlots, type SlotAllocator } from '../store/slots.ts';
import { SYSTEM, type Store, type Tx } from '../store/store.ts';

export class ServiceSlots {
  readonly #store: Store;
  readonly #slots: SlotAllocator;
  readonly #clock: Clock;
  readonly #known = new Map<string, Promise<Slot>>();
  readonly #current = new Map<string, Slot>();

  constructor(store: Store, slots: SlotAllocator, clock: Clock) {
    this.#store = store;
    this.#slots = slots;
    this.#clock = clock;
  }

  get(name: string): Promise<Slot> {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const slot = this.#store.write(SYSTEM, (tx) => serviceSlot(tx, this.#slots, name, this.#clock.now()));
    this.#known.set(name, slot);
    slot.catch(() => this.#known.delete(name));
    return slot;
  }

  forget(name: string): void {
    this.#known.delete(name);
  }

  /**
   * The slot of a key that rotations replace; from then on `current` knows it. Where it is dead (a database restored from
   * before a rotation that has ended since) a new one takes its place; null where nothing can be written yet.
   */
  async open(name: string, isErased: (slot: Slot) => boolean): Promise<Slot | null> {
    if (this.#slots.isReadOnly) {
      const kept = (await this.#store.read(SYSTEM, serviceSlots)).get(name);
      return kept === undefined || isErased(kept) ? null : this.adopt(name, kept);
    }
    const slot = await this.get(name);
    if (!isErased(slot)) return this.adopt(name, slot);
    const next = await this.#store.write(SYSTEM, async (tx) => {
      const fresh = await this.take(tx);
      await this.replace(tx, name, fresh);
      return fresh;
    });
    return this.adopt(name, next);
  }

  /** The slot as it is now, of a name that was opened. */
  current(name: string): Slot {
    const slot = this.#current.get(name);
    if (slot === undefined) throw new StrongroomError('store.restoring', `the ${name} key has ended`);
    return slot;
  }

  /** The same; null where its key has ended and nothing can be written yet. */
  known(name: string): Slot | null {
    return this.#current.get(name) ?? null;
  }

  /** A slot that has no name yet. */
  take(tx: Tx): Promise<Slot> {
    return this.#slots.takeOne(tx, DEPLOYMENT);
  }

  /** In the caller's transaction; `adopt` follows its commit. */
  async replace(tx: Tx, name: string, slot: Slot): Promise<void> {
    await tx.sql
      .updateTable('service_slots')
      .set({ slot, created_at: this.#clock.now(), change: tx.change })
      .where('name', '=', name)
      .execute();
  }

  adopt(name: string, slot: Slot): Slot {
    this.#known.set(name, Promise.resolve(slot));
    this.#current.set(name, slot);
    return slot;
  }
}
