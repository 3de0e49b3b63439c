/**
 * The slots of the ledger's periods: one per calendar month (UTC), the own slot of the details sealed in it, so that all
 * free text of a month can be ended with one puncture when its retention is over.
 *
 * Slots are made ahead of time by `ensure`, at the start and with each tick of the clock, because an entry cannot wait for
 * one. If a month begins without its slot, the newest one serves on: each leaf names the slot that its box was sealed with.
 */
import { isoTime } from '../bytes/iso-time.ts';
import { WEEK_MS } from '../durations.ts';
import { StrongroomError } from '../errors.ts';
import type { Slot } from '../keys/slot.ts';
import { serviceSlot, serviceSlots, type SlotAllocator } from '../store/slots.ts';
import { SYSTEM, type Store } from '../store/store.ts';

const PREFIX = 'ledger/';
/** How far ahead the next period gets its slot. */
const AHEAD_MS = WEEK_MS;

export class LedgerPeriods {
  readonly #store: Pick<Store, 'read' | 'write'>;
  readonly #slots: SlotAllocator;
  /** By name; names sort as time does. */
  readonly #periods = new Map<string, Slot>();

  private constructor(store: Pick<Store, 'read' | 'write'>, slots: SlotAllocator) {
    this.#store = store;
    this.#slots = slots;
  }

  static async open(
    store: Pick<Store, 'read' | 'write'>,
    slots: SlotAllocator,
    nowMs: number,
  ): Promise<LedgerPeriods> {
    const periods = new LedgerPeriods(store, slots);
    for (const [name, slot] of await store.read(SYSTEM, serviceSlots)) {
      if (name.startsWith(PREFIX)) periods.#periods.set(name, slot);
    }
    // A restored copy that can only be read goes on with the newest it has.
    if (!slots.isReadOnly) await periods.ensure(nowMs);
    return periods;
  }

  slotAt(atMs: number): Slot {
    const slot =
      this.#periods.get(nameAt(atMs)) ?? this.#periods.get([...this.#periods.keys()].toSorted().at(-1) ?? '');
    if (slot === undefined) throw new StrongroomError('ledger.unavailable', 'the ledger has no period');
    return slot;
  }

  /** Makes the slots of this period and of the one that is about to begin. */
  async ensure(nowMs: number): Promise<void> {
    for (const name of new Set([nameAt(nowMs), nameAt(nowMs + AHEAD_MS)])) {
      if (this.#periods.has(name)) continue;
      const slot = await this.#store.write(SYSTEM, (tx) => serviceSlot(tx, this.#slots, name, nowMs));
      this.#periods.set(name, slot);
    }
  }
}

const nameAt = (ms: number): string => PREFIX + isoTime(ms).slice(0, 'yyyy-mm'.length);

/** Whether the month of that slot's name was over at the moment; false for the slots of others. */
export const isPeriodBefore = (name: string, ms: number): boolean =>
  name.startsWith(PREFIX) && name < nameAt(ms);
