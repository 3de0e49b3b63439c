import { pathOf, type CallOptions, type Transport, type VersionedOptions } from './transport.ts';
import type {
  EntryRetention,
  LogRetention,
  RetentionExplanation,
  RetentionPolicyInput,
  RetentionPolicyView,
  RetentionSimulation,
} from './types.ts';

/** How long things are kept: by the organization, and where a vault says otherwise, by the vault. */
export class Retention {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Of the organization, or of a vault by its id or name. */
  get(vault?: string, options?: CallOptions): Promise<RetentionPolicyView> {
    return this.#transport.json({ method: 'GET', path: placeOf(vault), options });
  }

  /** Replaces the policy whole: what it does not name has no rule any more. In force at once. */
  set(
    policy: RetentionPolicyInput,
    vault?: string,
    options?: VersionedOptions,
  ): Promise<RetentionPolicyView> {
    return this.#transport.json({ method: 'PUT', path: placeOf(vault), body: policy, write: true, options });
  }

  /** What the policy would remove, before it does. */
  simulate(
    policy: RetentionPolicyInput,
    vault?: string,
    options?: CallOptions,
  ): Promise<RetentionSimulation> {
    return this.#transport.json({
      method: 'POST',
      path: `${placeOf(vault)}/simulate`,
      body: policy,
      options,
    });
  }

  /** Which rule decides about a memory, and when it ends. */
  explain(vault: string, memory: string, options?: CallOptions): Promise<RetentionExplanation> {
    const path = pathOf('v1', 'vaults', vault, 'memories', memory, 'retention');
    return this.#transport.json({ method: 'GET', path, options });
  }

  /** Until when an entry of the ledger is kept, refusals included. */
  explainEntry(n: number, options?: CallOptions): Promise<EntryRetention> {
    const path = pathOf('v1', 'ledger', 'entries', String(n), 'retention');
    return this.#transport.json({ method: 'GET', path, options });
  }

  /** Until when a line of the application log is kept that was written at a moment, or on a day (UTC); without one: now. */
  explainLog(query: { at?: string | undefined } = {}, options?: CallOptions): Promise<LogRetention> {
    return this.#transport.json({
      method: 'GET',
      path: '/v1/retention/log',
      query: { ...query },
      options,
    });
  }
}

const placeOf = (vault: string | undefined): string =>
  vault === undefined ? '/v1/retention' : pathOf('v1', 'vaults', vault, 'retention');
