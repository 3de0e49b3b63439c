/**
 * How whoever closed an organization still learns what became of it, when every key of it is gone: their own API key goes on
 * standing for the record of that one erasure, and for nothing else.
 *
 *     receipt = HMAC-SHA-256(HKDF-Expand(K, "strongroom/receipt/1"), secret)       K: a service key
 *
 * The hash of the key itself cannot serve: it dies with the organization.
 */
import { encodeUtf8, type Bytes } from '../bytes/encoding.ts';
import { isEqual } from '../bytes/equal.ts';
import { hkdfExpand, hmacSha256 } from '../crypto/hkdf.ts';
import type { OrganizationId } from '../ids.ts';
import { SYSTEM, type Store } from '../store/store.ts';
import type { ApiKeyParts } from './api-key.ts';
import type { Principal } from './context.ts';

const INFO = encodeUtf8('strongroom/receipt/1');

export class Receipts {
  readonly #store: Store;
  readonly #key: () => Bytes;

  /** `key` gives the service key for receipts. */
  constructor(store: Store, key: () => Bytes) {
    this.#store = store;
    this.#key = key;
  }

  of(secret: Bytes): Bytes {
    return hmacSha256(hkdfExpand(this.#key(), INFO), secret);
  }

  /** Who closed an organization that is gone, with what is left to them; null for everybody else. */
  async principal({ id, secret, environment }: ApiKeyParts): Promise<Principal | null> {
    const row = await this.#store.read(SYSTEM, (db) =>
      db
        .selectFrom('erasures')
        .select(['organization', 'receipt'])
        .where('requested_by', '=', id)
        .where('kind', '=', 'organization')
        .where('state', 'in', ['hidden', 'destroyed', 'purged'])
        .executeTakeFirst(),
    );
    if (row === undefined || row.receipt === null || !isEqual(this.of(secret), row.receipt)) return null;
    return {
      id,
      organization: row.organization as OrganizationId,
      environment,
      scope: [],
      grants: [{ actions: ['erasure.get', 'erasure.certificate'], vaults: ['*'] }],
      networks: [],
      expiresAt: null,
      isClosing: true,
    };
  }
}
