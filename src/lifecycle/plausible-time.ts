/**
 * The time by which anything may be destroyed. Hiding follows the clock; destroying is for ever, so it follows the clock only
 * as far as that is plausible: a server that starts with its clock in another year must not empty the trash.
 *
 * Trusted is what this process saw pass. A step of more than a week beyond that, or beyond the last time that was trusted
 * before a restart, is not: trusted time then goes on at the pace of what passes. It catches up once the clock has stood
 * by its word for three days, or when an administrator says that it is right. Going back is followed at once, because it
 * destroys less. Steps below a week are taken as they come: this is against accidents, not against whoever owns the clock.
 * A clock that cannot say what has passed (one that is turned on purpose) is believed as it is.
 */
import { decodeUtf8, encodeUtf8 } from '../bytes/encoding.ts';
import { DAY_MS } from '../durations.ts';
import type { Clock } from '../environment.ts';
import { SYSTEM, type Store } from '../store/store.ts';

const STEP_MS_MAX = 7 * DAY_MS;
const SETTLED_MS = 3 * DAY_MS;
const MARK = 'time.trusted';

type Reads = Pick<Store, 'read' | 'write'>;

export class PlausibleTime {
  readonly #store: Reads;
  readonly #clock: Clock;
  #trusted: number;
  #wall: number;
  #elapsed: number;
  /** How long the clock has stood by a time that is not trusted yet. */
  #doubtedMs = 0;

  private constructor(store: Reads, clock: Clock, mark: number | null) {
    this.#store = store;
    this.#clock = clock;
    this.#wall = clock.now();
    this.#elapsed = this.#passing();
    const isPlausible = mark === null || clock.elapsed === undefined || this.#wall <= mark + STEP_MS_MAX;
    this.#trusted = isPlausible ? this.#wall : mark;
  }

  static async open(store: Reads, clock: Clock): Promise<PlausibleTime> {
    const row = await store.read(SYSTEM, (db) =>
      db.selectFrom('meta').select('value').where('name', '=', MARK).executeTakeFirst(),
    );
    const mark = row === undefined ? Number.NaN : Number(decodeUtf8(row.value));
    return new PlausibleTime(store, clock, Number.isFinite(mark) ? mark : null);
  }

  /** Never later than the clock. */
  now(): number {
    const wall = this.#clock.now();
    if (this.#clock.elapsed === undefined) return (this.#trusted = this.#wall = wall);
    const elapsed = this.#passing();
    const passed = Math.max(0, elapsed - this.#elapsed);
    const expected = this.#trusted + passed;
    this.#wall = wall;
    this.#elapsed = elapsed;
    if (wall <= expected) {
      this.#doubtedMs = 0;
      this.#trusted = wall;
      return wall;
    }
    const isDoubted = wall - expected > STEP_MS_MAX;
    this.#doubtedMs = isDoubted ? this.#doubtedMs + passed : 0;
    this.#trusted = isDoubted && this.#doubtedMs < SETTLED_MS ? expected : wall;
    return this.#trusted;
  }

  /** How far the clock is ahead of what is trusted; 0 where it is not doubted. */
  get aheadMs(): number {
    const trusted = this.now();
    return Math.max(0, this.#wall - trusted);
  }

  /** Keeps what is trusted, for the next opening. */
  keep(): Promise<void> {
    return this.#write(this.now());
  }

  /** The clock is right: an administrator says so. */
  async confirm(): Promise<void> {
    this.#wall = this.#clock.now();
    this.#elapsed = this.#passing();
    this.#trusted = this.#wall;
    this.#doubtedMs = 0;
    await this.#write(this.#trusted);
  }

  async #write(time: number): Promise<void> {
    const value = encodeUtf8(String(time));
    await this.#store.write(SYSTEM, (tx) =>
      tx.sql
        .insertInto('meta')
        .values({ name: MARK, value, change: tx.change })
        .onConflict((conflict) => conflict.column('name').doUpdateSet({ value, change: tx.change }))
        .execute(),
    );
  }

  #passing(): number {
    return this.#clock.elapsed?.() ?? this.#clock.now();
  }
}
