/**
 * One slot for the free text of each month's ledger entries, so that a month can be forgotten when it is old enough.
 * Asked inside transactions, so the slots of this month and the next are made ahead.
 */
import type { Clock } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { Slot } from '../keys/slot.ts';
import type { ServiceSlots } from './service-slots.ts';

export class LedgerPeriods {
  readonly #services: ServiceSlots;
  readonly #clock: Clock;
  readonly #slots = new Map<string, Slot>();

  constructor(services: ServiceSlots, clock: Clock) {
    this.#services = services;
    this.#clock = clock;
  }

  /** At the start, and at least once a day. */
  async prepare(): Promise<void> {
    const now = new Date(this.#clock.now());
    const next = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1);
    for (const name of [periodOf(now.getTime()), periodOf(next)]) {
      this.#slots.set(name, await this.#services.get(name));
    }
  }

  slotAt(atMs: number): Slot {
    const slot = this.#slots.get(periodOf(atMs));
    if (slot === undefined) throw new StrongroomError('ledger.unavailable', 'the month has no slot yet');
    return slot;
  }
}

const periodOf = (at: number): string => `ledger/${new Date(at).toISOString().slice(0, 7)}`;
