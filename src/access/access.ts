/**
 * Who is at the door, and what may they do: authentication by API key and authorisation by grants.
 *
 * A revocation that was acknowledged holds for the next request: what is remembered of a key that has proved itself is dropped
 * with any commit that touches a key, and with its slots (known-keys.ts).
 */
import { isEqual } from '../bytes/equal.ts';
import type { Secret } from '../bytes/secret.ts';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { OrganizationId } from '../ids.ts';
import type { RecordKeys } from '../keys/record-key.ts';
import type { RecordSealer } from '../keys/record-sealer.ts';
import type { Slot } from '../keys/slot.ts';
import type { Action } from '../ledger/actions.ts';
import type { ApiKeyRow } from '../store/schema.ts';
import { rowByKey, SYSTEM, type Store } from '../store/store.ts';
import { matchApiKey, type ApiKeyParts } from './api-key.ts';
import type { Principal, RequestContext } from './context.ts';
import { decide, mayEver, type VaultPlace } from './grants.ts';
import { anchorOf, hashSecret, openHash, openSettings, type KeyAnchor } from './key-row.ts';
import { KnownKeys } from './known-keys.ts';
import { isInNetworks } from './networks.ts';
import type { Receipts } from './receipts.ts';
import { organizationScope, type Organizations } from './organizations.ts';

export interface AccessParts {
  readonly store: Store;
  readonly keys: RecordKeys;
  readonly sealer: RecordSealer;
  readonly organizations: Organizations;
  readonly isErased: (slot: Slot) => boolean;
  readonly receipts: Receipts;
  readonly environment: Environment;
}

/** What can still be done in an organization that is being closed. */
const WHILE_CLOSING: ReadonlySet<Action> = new Set([
  'erasure.get',
  'erasure.list',
  'erasure.certificate',
  'erasure.cancel',
]);

export class Access {
  readonly #parts: AccessParts;
  readonly #known: KnownKeys;

  constructor(parts: AccessParts) {
    this.#parts = parts;
    this.#known = new KnownKeys({
      lastWrite: () => parts.store.lastWrite('api_keys'),
      isErased: parts.isErased,
      now: () => parts.environment.clock.now(),
    });
  }

  /**
   * The principal of a bearer token used from `address`. Throws `auth.invalid` for whatever is not a live key,
   * `auth.expired`, and `access.network` for a caller outside the key's networks.
   */
  async authenticate(token: Secret, address: string | null): Promise<Principal> {
    const found = this.#known.find(token);
    // The organization may be closing, or another object in its place, since.
    const isSame =
      found !== null && this.#parts.organizations.known(found.organization.id) === found.organization;
    const principal = isSame ? found.principal : await this.#prove(token);
    if (principal.expiresAt !== null && principal.expiresAt <= this.#parts.environment.clock.now())
      throw new StrongroomError('auth.expired');
    if (!isInNetworks(address, principal.networks)) throw new StrongroomError('access.network');
    return { ...principal, receipt: () => this.#parts.receipts.of(partsOf(token).secret) };
  }

  /** Reads the key's row, opens its hash and compares. */
  async #prove(token: Secret): Promise<Principal> {
    const parts = partsOf(token);
    const { sealer, environment, store, organizations } = this.#parts;
    const [lastWrite, provedAtMs] = [store.lastWrite('api_keys'), environment.clock.now()];
    let row = await this.#rowOf(parts);
    const organization =
      row === undefined ? null : await organizations.find(row.organization as OrganizationId);
    // A pepper that ended a moment ago: by now the hash lies under another.
    if (row?.state === 'active' && this.#parts.isErased(row.pepper_slot as Slot))
      row = await this.#rowOf(parts);
    if (row === undefined || organization === null) return this.#closerOf(parts);
    const anchor = anchorOf(organization, row);
    const isRight = row.environment === parts.environment && this.#isSecretOf(anchor, parts, row);
    if (!isRight || row.state !== 'active') throw new StrongroomError('auth.invalid');
    const settings = openSettings(sealer, anchor, row.settings_box);
    const principal: Principal = {
      id: parts.id,
      organization: organization.id,
      environment: parts.environment,
      scope: [...organizationScope(organization), ['principal', anchor.principal]],
      grants: settings.grants,
      networks: settings.networks,
      expiresAt: row.expires_at,
      ...(organization.isClosing ? { isClosing: true as const } : {}),
    };
    const slots = [anchor.credential, anchor.principal, row.pepper_slot as Slot];
    this.#known.add(token, { principal, organization, slots, lastWrite, provedAtMs });
    return principal;
  }

  /** Throws `access.refused` if the principal may do the action on no vault at all: what can be said before parsing. */
  authorize(context: RequestContext, action: Action): void {
    if (context.principal.isClosing === true && !WHILE_CLOSING.has(action))
      throw new StrongroomError('organization.closing');
    if (!mayEver(context.principal, action))
      throw new StrongroomError('access.refused', `${action} is not granted`);
  }

  /** Throws unless the principal may do the action on that vault, or (null) on the organization itself. */
  require(context: RequestContext, action: Action, vault: VaultPlace | null): void {
    const decision = decide(context.principal, action, vault);
    if (decision === 'hidden') throw new StrongroomError('not_found');
    if (decision === 'refused') throw new StrongroomError('access.refused', `${action} is not granted here`);
  }

  #rowOf({ id }: ApiKeyParts): Promise<ApiKeyRow | undefined> {
    return this.#parts.store.read(SYSTEM, (db) => rowByKey(db, 'api_keys', [id]));
  }

  /** What is left to whoever closed an organization that is gone. */
  async #closerOf(parts: ApiKeyParts): Promise<Principal> {
    const principal = await this.#parts.receipts.principal(parts);
    if (principal === null) throw new StrongroomError('auth.invalid');
    return principal;
  }

  #isSecretOf(anchor: KeyAnchor, { secret }: ApiKeyParts, row: ApiKeyRow): boolean {
    const { keys, sealer } = this.#parts;
    try {
      const hash = openHash(sealer, anchor, row.pepper_slot as Slot, row.hash_box);
      return isEqual(hashSecret(keys, anchor, secret), hash);
    } catch (error) {
      // A destroyed credential is a revoked key; damage of the keyring is not, and must be seen.
      if (error instanceof StrongroomError && error.code === 'erased') return false;
      throw error;
    }
  }
}

function partsOf(token: Secret): ApiKeyParts {
  const parts = matchApiKey(token);
  if (parts === null) throw new StrongroomError('auth.invalid');
  return parts;
}
