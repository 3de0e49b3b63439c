/**
 * Refusals of callers who did not say who they are: counted per address, route and minute, and written to the
 * deployment's log once a minute, so that a flood of requests does not become a flood of entries.
 *
 * A count is kept in memory until its minute is written; a crash loses at most that. The table is bounded: further
 * addresses within a minute are counted together, so that whoever sends from many cannot fill the memory.
 */
import { MINUTE_MS } from '../durations.ts';
import type { Clock } from '../environment.ts';
import { SYSTEM, type Store } from '../store/store.ts';
import type { Ledger } from './ledger.ts';

const ADDRESSES_MAX = 1000;
/** Stands for all addresses beyond the table. */
export const OTHERS = 'others';

export interface AnonymousRefusal {
  readonly address: string;
  /** The route's template with its method (`POST /v1/keys`), never the path that was asked for. */
  readonly route: string;
}

interface Counted extends AnonymousRefusal {
  readonly minute: number;
  count: number;
}

export class RefusalCounts {
  readonly #ledger: Pick<Ledger, 'append'>;
  readonly #store: Pick<Store, 'write'>;
  readonly #clock: Clock;
  #counts = new Map<string, Counted>();

  constructor(ledger: Pick<Ledger, 'append'>, store: Pick<Store, 'write'>, clock: Clock) {
    this.#ledger = ledger;
    this.#store = store;
    this.#clock = clock;
  }

  count({ address, route }: AnonymousRefusal): void {
    const minute = Math.floor(this.#clock.now() / MINUTE_MS) * MINUTE_MS;
    const name = (address: string): string => JSON.stringify([minute, route, address]);
    const isRoom = this.#counts.size < ADDRESSES_MAX || this.#counts.has(name(address));
    const shown = isRoom ? address : OTHERS;
    this.#counts.getOrInsertComputed(name(shown), () => ({ address: shown, route, minute, count: 0 }))
      .count++;
  }

  /** Writes all counts so far; if that fails they are kept for the next time. */
  async flush(): Promise<void> {
    const counts = this.#counts;
    if (counts.size === 0) return;
    this.#counts = new Map();
    try {
      await this.#store.write(SYSTEM, async (tx) => {
        for (const { address, route, minute, count } of counts.values()) {
          const [method = '', template = ''] = route.split(' ');
          this.#ledger.append(tx, {
            principal: 'anonymous',
            action: 'refusals.counted',
            target: '',
            outcome: 'done',
            count,
            request: '',
            facts: { method, template, minute },
            details: { address },
            scope: [],
          });
        }
        return Promise.resolve();
      });
    } catch (error) {
      this.#restore(counts);
      throw error;
    }
  }

  #restore(counts: ReadonlyMap<string, Counted>): void {
    for (const [name, counted] of counts) {
      const since = this.#counts.get(name);
      if (since === undefined) this.#counts.set(name, counted);
      else since.count += counted.count;
    }
  }
}
