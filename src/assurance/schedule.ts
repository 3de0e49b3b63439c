/**
 * Verification of itself: whenever results grow old, one run at a time, beside everything else that the server does.
 *
 * What does not hold is told in the log and by the metrics. It does not turn readiness red: a certificate that ends in
 * thirteen days is a broken promise and no reason to take a server out of service. What is such a reason, a store or a
 * ledger that cannot be written, is asked for itself by readiness, and nothing is verified meanwhile.
 */
import type { Verification } from '@strongroom/client';
import type { Log } from '../http/request-log.ts';
import type { Assurance } from './assurance.ts';

export interface ScheduleParts {
  readonly assurance: Pick<Assurance, 'verifyDue' | 'stop'>;
  readonly everyMs: number;
  /** Whether entries can be kept. */
  readonly isHealthy: () => boolean;
  readonly log: Log;
  readonly onError: (error: unknown) => void;
}

export class VerificationSchedule {
  readonly #parts: ScheduleParts;
  #running: Promise<void> | null = null;

  constructor(parts: ScheduleParts) {
    this.#parts = parts;
  }

  /** To be called from time to time; returns at once. */
  tick(): void {
    if (this.#running !== null || !this.#parts.isHealthy()) return;
    this.#running = this.#run().finally(() => {
      this.#running = null;
    });
  }

  /** Ends what runs and waits until it has cleared up. */
  async close(): Promise<void> {
    this.#parts.assurance.stop();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { assurance, everyMs, log, onError } = this.#parts;
    try {
      const verification = await assurance.verifyDue(everyMs);
      if (verification !== null) tell(verification, log);
    } catch (error) {
      onError(error);
    }
  }
}

/** Ids, verdicts and numbers; what a fault quotes stays with the result (`strongroom claims`). */
function tell({ id, ran, results }: Verification, log: Log): void {
  const own = results.filter((result) => ran.includes(result.id));
  log.info({ verification: id, claims: own.length }, 'verified');
  for (const { id: claim, verdict, faults } of own)
    if (verdict === 'fail' || verdict === 'error')
      log.error({ verification: id, claim, verdict, faults: faults.length }, 'a claim does not hold');
}
