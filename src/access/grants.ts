/** What grants allow: pure, so that the whole matrix can be tested. */
import type { VaultId } from '../ids.ts';
import type { KeyEnvironment } from './api-key.ts';
import type { Grant } from './context.ts';

/** What a vault is reached through: its id and what kind of data it holds. */
export interface VaultPlace {
  readonly id: VaultId;
  readonly environment: KeyEnvironment;
}

/**
 * - `allowed`: the action may be done;
 * - `refused`: the principal may do something there, or somewhere, but not this;
 * - `hidden`: the principal has no business with that vault and must not learn that it exists.
 */
export type Decision = 'allowed' | 'refused' | 'hidden';

export interface Holder {
  readonly environment: KeyEnvironment;
  readonly grants: readonly Grant[];
}

/** A key reaches vaults of its own environment and of those below it, so that a leaked development key opens no production data. */
const RANK: Readonly<Record<KeyEnvironment, number>> = { production: 2, staging: 1, development: 0 };

/** Decides on one action, on a vault or (null) on the organization itself. */
export function decide(holder: Holder, action: string, vault: VaultPlace | null): Decision {
  if (vault === null) return decideOnOrganization(holder, action);
  const here = holder.grants.filter((grant) => grant.vaults.includes('*') || grant.vaults.includes(vault.id));
  if (here.length === 0) return 'hidden';
  if (RANK[holder.environment] < RANK[vault.environment]) return 'refused';
  return here.some((grant) => coversAction(grant, action)) ? 'allowed' : 'refused';
}

/** The organization's own things (its keys, its ledger) are production's, whatever lies in its vaults. */
function decideOnOrganization(holder: Holder, action: string): Decision {
  const isOpen = holder.environment === 'production' || action === 'vault.create';
  return isOpen && holder.grants.some((grant) => coversOrganization(grant, action)) ? 'allowed' : 'refused';
}

/** Whether any grant covers the action on some vault: what can be told before the vault is known. */
export const mayEver = (holder: Holder, action: string): boolean =>
  holder.grants.some((grant) => coversAction(grant, action));

/** Whether the holder's grants include all of `grant`, so that nobody hands on more than he has. */
export const includesGrant = (holder: Holder, grant: Grant, catalogue: readonly string[]): boolean =>
  catalogue
    .filter((action) => coversAction(grant, action))
    .every((action) =>
      grant.vaults.every((vault) =>
        holder.grants.some(
          (own) => coversAction(own, action) && (own.vaults.includes('*') || own.vaults.includes(vault)),
        ),
      ),
    );

/** Whether what the holder is confined to environment-wise lets it make a key of that environment. */
export const includesEnvironment = (holder: Holder, environment: KeyEnvironment): boolean =>
  RANK[holder.environment] >= RANK[environment];

const coversAction = (grant: Grant, action: string): boolean =>
  grant.actions.some(
    (pattern) =>
      pattern === '*' ||
      pattern === action ||
      (pattern.endsWith('.*') && action.startsWith(pattern.slice(0, -1))),
  );

/** Things of the organization itself (keys, the ledger, making a vault) need a grant that is not confined to vaults. */
const coversOrganization = (grant: Grant, action: string): boolean =>
  grant.vaults.includes('*') && coversAction(grant, action);
