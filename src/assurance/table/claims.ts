/** The table of all claims, built or not, in the order in which they are shown. */
import type { Claim, ClaimId } from '../claim.ts';
import { FUNCTION_CLAIMS } from './function.ts';
import { KEEPING_CLAIMS } from './keeping.ts';
import { MODELS_CLAIMS } from './models.ts';
import { NETWORK_CLAIMS } from './network.ts';
import { PEOPLE_CLAIMS } from './people.ts';
import { PROTECTION_CLAIMS } from './protection.ts';
import { WATCHING_CLAIMS } from './watching.ts';

export const CLAIMS: readonly Claim[] = [
  ...PROTECTION_CLAIMS,
  ...KEEPING_CLAIMS,
  ...WATCHING_CLAIMS,
  ...MODELS_CLAIMS,
  ...PEOPLE_CLAIMS,
  ...NETWORK_CLAIMS,
  ...FUNCTION_CLAIMS,
];

const BY_ID: ReadonlyMap<string, Claim> = new Map(CLAIMS.map((claim) => [claim.id, claim]));

export const claimWith = (id: string): Claim | undefined => BY_ID.get(id);

export const isClaimId = (id: string): id is ClaimId => BY_ID.has(id);
