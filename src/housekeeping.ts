/**
 * What is done from time to time without being asked: once a minute the witness, signed checkpoints and the counts of
 * anonymous refusals; once a day the slots that the next days need, and the end of idempotency keys that are over.
 */
import { isPeriodOver } from './access/idempotency.ts';
import type { Clock } from './environment.ts';
import type { Slot } from './keys/slot.ts';
import { serviceSlots } from './store/slots.ts';
import { SYSTEM } from './store/store.ts';
import type { Strongroom } from './strongroom.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

export class Housekeeping {
  readonly #open: Strongroom;
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  readonly #timers: NodeJS.Timeout[];
  #running: Promise<void> = Promise.resolve();

  constructor(open: Strongroom, clock: Clock, onError: (error: unknown) => void) {
    this.#open = open;
    this.#clock = clock;
    this.#onError = onError;
    this.#timers = [
      setInterval(() => this.#run(() => this.minute()), MINUTE_MS),
      setInterval(() => this.#run(() => this.hour()), HOUR_MS),
    ];
    for (const timer of this.#timers) timer.unref();
  }

  async minute(): Promise<void> {
    await this.#open.refusals.flush();
    await this.#open.checkpoints.tick();
    await this.#open.keyring.tend();
  }

  async hour(): Promise<void> {
    await this.#open.periods.prepare();
    await this.#endPeriods();
  }

  /** Lets what is under way come to its end. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#running;
  }

  /** The digests by which idempotency keys of a past day are looked up die with the day's slot. */
  async #endPeriods(): Promise<void> {
    const { store, journal, keyring, newId, services } = this.#open;
    const now = this.#clock.now();
    const slots = await store.read(SYSTEM, (db) => serviceSlots(db));
    for (const [name, slot] of slots) {
      if (!isPeriodOver(name, now)) continue;
      const request = {
        id: newId('erasure'),
        slots: [slot] as readonly Slot[],
        reason: 'idempotency.period',
      };
      await store.write(SYSTEM, async (tx) => {
        await tx.sql.deleteFrom('idempotency').where('period', '=', name).execute();
        await tx.sql.deleteFrom('service_slots').where('name', '=', name).execute();
        await journal.request(tx, request);
      });
      services.forget(name);
      await keyring.puncture(request);
    }
  }

  #run(work: () => Promise<void>): void {
    this.#running = this.#running.then(work).catch(this.#onError);
  }
}
