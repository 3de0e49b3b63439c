import { pathOf, type CallOptions, type Transport, type WriteOptions } from './transport.ts';
import type {
  Certificate,
  CertificateKey,
  Erasure,
  ErasureInput,
  ErasureListQuery,
  ErasurePage,
  ErasurePlan,
  ErasureRecipients,
  ErasureTarget,
} from './types.ts';

/** Content ended for good, everywhere, by destroying its keys. */
export class Erasures {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Erases memories with all that was derived from them, a person, a conversation, a vault or the organization. Nothing of
   * it is shown from the answer on; `get` says how far it is.
   */
  request(input: Omit<ErasureInput, 'dryRun'>, options?: WriteOptions): Promise<Erasure> {
    return this.#transport.json({ method: 'POST', path: '/v1/erasures', body: input, write: true, options });
  }

  /** What would go, and what confirms it. */
  plan(target: ErasureTarget, options?: CallOptions): Promise<ErasurePlan> {
    const body = { target, dryRun: true };
    return this.#transport.json({ method: 'POST', path: '/v1/erasures', body, options });
  }

  get(id: string, options?: CallOptions): Promise<Erasure> {
    return this.#transport.json({ method: 'GET', path: pathOf('v1', 'erasures', id), options });
  }

  /** One page, newest first. */
  list(query: ErasureListQuery = {}, options?: CallOptions): Promise<ErasurePage> {
    return this.#transport.json({ method: 'GET', path: '/v1/erasures', query: { ...query }, options });
  }

  /** All of them, newest first, a page at a time. */
  async *listAll(
    query: Omit<ErasureListQuery, 'cursor'> = {},
    options?: CallOptions,
  ): AsyncGenerator<Erasure, void, undefined> {
    let page = await this.list(query, options);
    yield* page.erasures;
    while (page.next !== null) {
      page = await this.list({ ...query, cursor: page.next }, options);
      yield* page.erasures;
    }
  }

  /** Takes back an erasure whose grace period still runs. */
  cancel(id: string, options?: WriteOptions): Promise<Erasure> {
    const path = `${pathOf('v1', 'erasures', id)}/cancel`;
    return this.#transport.json({ method: 'POST', path, write: true, options });
  }

  /** `certificate.pending` while a replica of the keystore has yet to forget. */
  certificate(id: string, options?: CallOptions): Promise<Certificate> {
    const path = `${pathOf('v1', 'erasures', id)}/certificate`;
    return this.#transport.json({ method: 'GET', path, options });
  }

  /** Who exported the vault, or any for a person, before it was asked for: those who may have to be told. */
  recipients(id: string, options?: CallOptions): Promise<ErasureRecipients> {
    const path = `${pathOf('v1', 'erasures', id)}/recipients`;
    return this.#transport.json({ method: 'GET', path, options });
  }

  /** The key by which certificates of the deployment verify. */
  certificateKey(options?: CallOptions): Promise<CertificateKey> {
    return this.#transport.json({ method: 'GET', path: '/v1/certificate-key', options });
  }
}
