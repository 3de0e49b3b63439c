/** The chores of endings, in their order: what is due is asked for, then everything that was asked for is taken further. */
import type { Erasures } from './erasures.ts';
import type { Scheduler } from './scheduler.ts';

export interface LifecycleParts {
  readonly erasures: Erasures;
  readonly scheduler: Pick<Scheduler, 'run'>;
}

export class Lifecycle {
  readonly #parts: LifecycleParts;

  constructor(parts: LifecycleParts) {
    this.#parts = parts;
  }

  /**
   * At the opening and once an hour. Each is tried whatever becomes of the others; throws what went wrong. Rows of what is
   * destroyed go on being removed after it.
   */
  async run(): Promise<void> {
    const { erasures, scheduler } = this.#parts;
    const errors: unknown[] = [];
    for (const chore of [() => scheduler.run(), () => erasures.resume()])
      await chore().catch((error: unknown) => errors.push(error));
    if (errors.length > 0) throw new AggregateError(errors, 'not everything that was due could be ended');
  }
}
