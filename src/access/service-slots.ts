/** Slots of the service's own keys, by name: looked up once, made when first asked for. */
import type { Clock } from '../environment.ts';
import type { Slot } from '../keys/slot.ts';
import { serviceSlot, type SlotAllocator } from '../store/slots.ts';
import { SYSTEM, type Store } from '../store/store.ts';

export class ServiceSlots {
  readonly #store: Store;
  readonly #slots: SlotAllocator;
  readonly #clock: Clock;
  readonly #known = new Map<string, Promise<Slot>>();

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
}
