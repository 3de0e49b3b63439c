/**
 * Signs what has grown: driven from outside once a minute, and before a clean stop.
 *
 * If entries could not be kept lately, it first tries whether they can be again: nobody else may, while health is red.
 * The deployment's log comes last, because signing the others adds to it.
 */
import { DEPLOYMENT_LOG, type LogId } from './entry.ts';
import type { Ledger, SignedHead } from './ledger.ts';

/** Logs signed in one commit: other jobs of its group wait for them. */
const COMMIT_LOGS_MAX = 50;

export class CheckpointClock {
  readonly #ledger: Pick<Ledger, 'recover' | 'logsToSign' | 'checkpoints'>;
  #running: Promise<readonly SignedHead[]> | null = null;

  constructor(ledger: Pick<Ledger, 'recover' | 'logsToSign' | 'checkpoints'>) {
    this.#ledger = ledger;
  }

  /** What was signed. Ticks that come while one is at work share it. */
  tick(): Promise<readonly SignedHead[]> {
    this.#running ??= this.#signAll().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #signAll(): Promise<readonly SignedHead[]> {
    await this.#ledger.recover();
    const grown = await this.#ledger.logsToSign();
    const others = grown.filter((log) => log !== DEPLOYMENT_LOG);
    const signed: SignedHead[] = [];
    for (let at = 0; at < others.length; at += COMMIT_LOGS_MAX) {
      signed.push(...(await this.#ledger.checkpoints(others.slice(at, at + COMMIT_LOGS_MAX))));
    }
    const last: readonly LogId[] = grown.length > 0 ? [DEPLOYMENT_LOG] : [];
    return [...signed, ...(await this.#ledger.checkpoints(last))];
  }
}
