/** For tests: names the claim that a test defends. A test of its own holds these and the table of claims equal. */
import { claimWith } from '../table/claims.ts';

export function verifies(id: string): void {
  const claim = claimWith(id);
  if (claim === undefined || claim.state.kind === 'not_claimed') throw new RangeError(`${id} is not claimed`);
}
