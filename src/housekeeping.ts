/**
 * What is done from time to time without being asked: once a minute the witness, signed checkpoints, the counts of
 * anonymous refusals and a look at whether claims are to be verified; once an hour the keys that are too old, the slots that the next months need, the end of idempotency keys that are over, what
 * erasures left to remove, and the segments of indexes.
 */
import { isPeriodOver } from './access/idempotency.ts';
import { HOUR_MS, MINUTE_MS, WEEK_MS } from './durations.ts';
import type { Clock } from './environment.ts';
import { StrongroomError } from './errors.ts';
import { serviceSlots } from './store/slots.ts';
import { SYSTEM } from './store/store.ts';
import type { Strongroom } from './strongroom.ts';
import { realTimer, type Timer } from './timer.ts';
import { Leisure } from './vaults/leisure.ts';

export interface HousekeepingParts {
  readonly open: Strongroom;
  readonly clock: Clock;
  readonly timer?: Timer;
  /** Takes a certificate that is about to end out of service. */
  readonly renewTls: () => Promise<void>;
  /** Removes files of the application log that are older than was set. */
  readonly pruneLogs: () => void;
  /** Begins a verification where one is due; returns at once. */
  readonly verify: () => void;
  readonly onError: (error: unknown) => void;
}

export class Housekeeping {
  readonly #parts: HousekeepingParts;
  readonly #timers: NodeJS.Timeout[];
  #running: Promise<void> = Promise.resolve();
  #slow: Promise<void> = Promise.resolve();
  /** Segments are written at leisure, and nothing waits for that but the end. */
  #saving: Promise<void> = Promise.resolve();
  #leisure: Leisure | null = null;

  constructor(parts: HousekeepingParts) {
    this.#parts = parts;
    this.#timers = [
      setInterval(() => this.#run(() => this.minute()), MINUTE_MS),
      setInterval(() => this.#run(() => this.hour()), HOUR_MS),
    ];
    for (const timer of this.#timers) timer.unref();
  }

  minute(): Promise<void> {
    const { open } = this.#parts;
    return this.#each([
      () => open.refusals.flush(),
      () => open.checkpoints.tick(),
      () => this.#tend(),
      () => open.erasures.resume(),
      () => Promise.resolve(this.#parts.verify()),
      () => this.#aside(() => open.backups.tick()),
      () => this.#aside(() => open.rewinds.resume()),
    ]);
  }

  hour(): Promise<void> {
    const { open, clock, renewTls, pruneLogs } = this.#parts;
    return this.#each([
      () => open.periods.ensure(clock.now()),
      renewTls,
      () => Promise.resolve().then(pruneLogs),
      () => this.#endPeriods(),
      () => open.lifecycle.run(),
      () => open.rotations.tend(),
      () => this.#save(),
      () =>
        this.#aside(async () => {
          await open.backups.expire();
          await this.#drill();
        }),
    ]);
  }

  /** A store that the keystore's witness does not know any more takes no further write. */
  async #tend(): Promise<void> {
    const { keyring, store } = this.#parts.open;
    try {
      await keyring.tend();
    } catch (error) {
      if (error instanceof StrongroomError && error.code === 'store.older') store.refuse(error);
      throw error;
    }
  }

  /** A chore that fails keeps none of the others from being done. */
  async #each(chores: readonly (() => Promise<unknown>)[]): Promise<void> {
    for (const chore of chores) await chore().catch(this.#parts.onError);
  }

  /** Lets what is under way come to its end. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#running;
    await this.#slow;
    this.#leisure?.end();
    await this.#saving;
  }

  /** The digests by which idempotency keys of a past day are looked up die with the day's slot. */
  async #endPeriods(): Promise<void> {
    const { store, destruction, services } = this.#parts.open;
    const now = this.#parts.clock.now();
    const slots = await store.read(SYSTEM, (db) => serviceSlots(db));
    for (const [name, slot] of slots) {
      if (!isPeriodOver(name, now)) continue;
      const order = await store.write(SYSTEM, async (tx) => {
        await tx.sql.deleteFrom('idempotency').where('period', '=', name).execute();
        await tx.sql.deleteFrom('service_slots').where('name', '=', name).execute();
        return destruction.order(tx, [slot], 'idempotency.period');
      });
      services.forget(name);
      await destruction.carryOut(order);
    }
  }

  /** Once a week it is tried whether the backups restore. */
  async #drill(): Promise<void> {
    const { drills, backups } = this.#parts.open;
    const [last] = await drills.list(1);
    const isDue = last === undefined || this.#parts.clock.now() - last.started_at >= WEEK_MS;
    if (!isDue || (await backups.page({ limit: 1, before: null })).length === 0) return;
    const { row, faults } = await drills.run();
    if (row.state === 'failed')
      throw new StrongroomError('box.damaged', `a drill failed: ${faults.slice(0, 3).join('; ')}`);
  }

  /** Unless the last time has not come to its end. */
  #save(): Promise<void> {
    if (this.#leisure !== null) return Promise.resolve();
    const { open, clock, timer = realTimer, onError } = this.#parts;
    this.#leisure = new Leisure({ timer, elapsed: () => clock.elapsed?.() ?? clock.now() });
    this.#saving = open.indexes
      .saveAll(this.#leisure)
      .catch(onError)
      .finally(() => (this.#leisure = null));
    return Promise.resolve();
  }

  /** What may take long goes on beside the other chores: the witness and checkpoints do not wait for a backup. */
  #aside(work: () => Promise<void>): Promise<void> {
    this.#slow = this.#slow.then(work).catch(this.#parts.onError);
    return Promise.resolve();
  }

  #run(work: () => Promise<void>): void {
    this.#running = this.#running.then(work);
  }
}
