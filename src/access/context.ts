/**
 * Who acts, and why: what every function of vaults/ and access/ is handed first.
 *
 * A context belongs to one request. `recorded` turns true once a ledger entry of this request is durable, so that
 * the server knows whether a refusal or a failure still has to be written down.
 */
import type { Bytes } from '../bytes/encoding.ts';
import type { Scope } from '../keys/record-key.ts';
import type { Slot } from '../keys/slot.ts';
import type { KeyId, OrganizationId, VaultId } from '../ids.ts';

/** Actions a key may do on which vaults; `*` stands for all, `memory.*` for a noun. */
export interface Grant {
  readonly actions: readonly string[];
  /** Vault ids, or `*`. */
  readonly vaults: readonly (VaultId | '*')[];
}

export interface Principal {
  readonly id: KeyId | 'system';
  readonly organization: OrganizationId;
  readonly environment: 'production' | 'staging' | 'development';
  /** Slots with which the free text of its ledger entries dies: the organization's and its own. */
  readonly scope: Scope;
  readonly grants: readonly Grant[];
  /** What the key itself is confined to: a key it makes is confined to no less. */
  readonly networks: readonly string[];
  readonly expiresAt: number | null;
  /** Keyed hash of its secret, for the record of an erasure that its organization does not outlive. */
  readonly receipt?: () => Bytes;
  /** The organization is being closed. */
  readonly isClosing?: true;
}

export interface RequestContext {
  readonly requestId: string;
  readonly principal: Principal;
  readonly organization: OrganizationId;
  /** The `Strongroom-Purpose` header. */
  readonly purpose: string | null;
  /** The caller's network address. */
  readonly address: string | null;
  recorded: boolean;
  /** Set where the caller sent an `Idempotency-Key`: what the first write of this request leaves in its transaction. */
  claim?: Claim;
}

/** A caller's idempotency key, as it is looked up. */
export interface Claim {
  readonly digest: Bytes;
  /** Name of the service slot whose day it belongs to. */
  readonly period: string;
  readonly periodSlot: Slot;
}
