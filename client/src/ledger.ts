import { pathOf, type CallOptions, type Transport } from './transport.ts';
import type {
  LedgerCheckpoint,
  LedgerConsistency,
  LedgerEntry,
  LedgerKeys,
  LedgerPage,
  LedgerProof,
  LedgerQuery,
} from './types.ts';

/** The organization's tamper-evident log of who did what. */
export class Ledger {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** One page, newest first. */
  list(query: LedgerQuery = {}, options?: CallOptions): Promise<LedgerPage> {
    return this.#transport.json({ method: 'GET', path: '/v1/ledger', query: { ...query }, options });
  }

  /** All that fit the query, newest first, a page at a time. */
  async *listAll(
    query: Omit<LedgerQuery, 'cursor'> = {},
    options?: CallOptions,
  ): AsyncGenerator<LedgerEntry, void, undefined> {
    let page = await this.list(query, options);
    yield* page.entries;
    while (page.next !== null) {
      page = await this.list({ ...query, cursor: page.next }, options);
      yield* page.entries;
    }
  }

  /** The signed statement of how long the log is and what it holds (C2SP tlog-checkpoint). */
  checkpoint(options?: CallOptions): Promise<LedgerCheckpoint> {
    return this.#transport.json({ method: 'GET', path: '/v1/ledger/checkpoint', options });
  }

  /** Every key that has signed the log, oldest first, each introduced by the one before it. */
  keys(options?: CallOptions): Promise<LedgerKeys> {
    return this.#transport.json({ method: 'GET', path: '/v1/ledger/keys', options });
  }

  /** That entry `n` is in the log (RFC 6962), as it is today or as it was with `size` entries. */
  proof(n: number, options: CallOptions & { readonly size?: number | undefined } = {}): Promise<LedgerProof> {
    const path = `${pathOf('v1', 'ledger', 'entries', String(n))}/proof`;
    return this.#transport.json({ method: 'GET', path, query: { size: options.size }, options });
  }

  /** That the log only grew since it had `from` entries (RFC 6962), up to today or to when it had `size`. */
  consistency(
    from: number,
    options: CallOptions & { readonly size?: number | undefined } = {},
  ): Promise<LedgerConsistency> {
    const query = { from, size: options.size };
    return this.#transport.json({ method: 'GET', path: '/v1/ledger/consistency', query, options });
  }

  /** The log as lines of JSON that verify offline (`strongroom ledger verify --export FILE`). Keep them as they come. */
  export(options?: CallOptions): AsyncGenerator<string, void, undefined> {
    return this.#transport.lines({ method: 'GET', path: '/v1/ledger/export', options });
  }
}
