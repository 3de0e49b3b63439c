/**
 * What can be done of an epoch while its request is still becoming durable: the replicas are looked at, and the plan is
 * made. Both are in memory and bind nobody: the epoch takes the plan only where it would make the very same one, and what
 * runs in between takes all of it back.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { StrongroomError } from '../errors.ts';
import type { Reach } from './keystore.ts';
import type { EpochPlan, PlanOrder } from './plan.ts';
import type { Slot } from './slot.ts';
import type { Tree } from './tree.ts';

/** For so long a look at the replicas is as good as one right before the write: a disk can go away after either. */
const FRESH_MS = 500;

export interface AheadParts {
  readonly reach: () => Promise<Reach>;
  /** The plan of an epoch for these slots alone, as far as can be told before the replicas have answered. */
  readonly plan: (slots: ReadonlySet<Slot>) => Promise<PlannedAhead>;
  readonly now: () => number;
}

export interface PlannedAhead {
  readonly plan: EpochPlan;
  readonly before: Tree;
  /** What dies in it. */
  readonly slots: readonly Slot[];
}

/** What an epoch is to do, before leaves are looked for. */
export interface Wanted extends Omit<PlanOrder, 'puncture'> {
  readonly slots: readonly Slot[];
  /** Nothing dies in it but the slots. */
  readonly isPlain: boolean;
}

export class EpochAhead {
  readonly #slots: Set<Slot>;
  readonly #sinceMs: number;
  readonly #now: () => number;
  readonly reach: Promise<Reach>;
  readonly #planned: Promise<PlannedAhead | null>;

  constructor(slots: readonly Slot[], { reach, plan, now }: AheadParts) {
    this.#slots = new Set(slots);
    this.#now = now;
    this.#sinceMs = now();
    this.reach = reach();
    // Whoever asks for it is told.
    this.reach.catch(() => undefined);
    // In the next turn every job of the commit has said what is to die, and the disk works.
    this.#planned = nextTurn()
      .then(() => plan(this.#slots))
      // What goes wrong goes wrong again when it is asked for, and is told then.
      .catch(() => null);
  }

  get isFresh(): boolean {
    const age = this.#now() - this.#sinceMs;
    return age >= 0 && age <= FRESH_MS;
  }

  add(slots: readonly Slot[]): void {
    for (const slot of slots) this.#slots.add(slot);
  }

  /** The plan, if it is the one that would be made now. */
  async planFor(wanted: Wanted, before: Tree): Promise<EpochPlan | null> {
    const planned = await this.#planned;
    if (planned === null) return null;
    if (planned.before === before && isSame(planned, wanted)) return planned.plan;
    planned.plan.root.fill(0);
    return null;
  }

  /** Nobody will ask for it. */
  drop(): void {
    this.#planned.then((planned) => planned?.plan.root.fill(0)).catch(rethrow);
  }
}

const rethrow = (cause: unknown): never => {
  throw new StrongroomError('internal', { cause });
};

const isSame = ({ slots, plan: { order } }: PlannedAhead, wanted: Wanted): boolean =>
  wanted.isPlain &&
  order.epoch === wanted.epoch &&
  order.allot === wanted.allot &&
  order.full === wanted.full &&
  order.prepared === wanted.prepared &&
  slots.length === wanted.slots.length &&
  slots.every((slot, at) => slot === wanted.slots[at]);
