/**
 * How often somebody may ask: token buckets per key and per address, looked at before any other work is done.
 *
 * A request with a key that has signed in before is charged to that key; every other one to its address. So nobody can
 * use up a key's budget without holding the key (its id is not enough), and a flood from an address does not shut out
 * the keys that are used there. Keys are remembered by a keyed digest; nothing is ever authenticated by it.
 */
import { makeRoom } from '../bytes/make-room.ts';
import { hmacSha256 } from '../crypto/hkdf.ts';
import { encodeBase64, encodeUtf8, type Bytes } from '../bytes/encoding.ts';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { ipPrefix } from './address.ts';
import { TokenBuckets, type Allowance, type Rate } from './token-buckets.ts';

export interface Rates {
  readonly perKey: Rate;
  readonly perAddress: Rate;
}

export const DEFAULT_RATES: Rates = {
  perKey: { perSecond: 200, burst: 2_000 },
  perAddress: { perSecond: 50, burst: 500 },
};

const KNOWN_KEYS_MAX = 10_000;
/** What a body that is refused for its size or its form costs beside the request itself. */
const FINE = 19;

export class RequestLimits {
  readonly #keys: TokenBuckets;
  readonly #addresses: TokenBuckets;
  readonly #secret: Bytes;
  /** Digest of a key that has signed in → the id of its principal. */
  readonly #known = new Map<string, string>();

  constructor(rates: Rates, environment: Pick<Environment, 'clock' | 'random'>) {
    const now = (): number => environment.clock.now();
    this.#keys = new TokenBuckets(rates.perKey, now);
    this.#addresses = new TokenBuckets(rates.perAddress, now);
    this.#secret = environment.random(32);
  }

  /** Charges one request, that costs as much as so many. Throws `rate.limited`. */
  charge(address: string, apiKey: string | null, weight = 1): Allowance {
    const principal = apiKey === null ? undefined : this.#known.get(this.#digest(apiKey));
    return principal === undefined
      ? chargeTo(this.#addresses, ipPrefix(address), { isAnonymous: true, weight })
      : chargeTo(this.#keys, principal, { weight });
  }

  /** After `apiKey` has signed in: charges its principal if that has not been done. */
  signedIn(apiKey: string, principal: string): Allowance | null {
    const digest = this.#digest(apiKey);
    if (this.#known.get(digest) === principal) return null;
    makeRoom(this.#known, KNOWN_KEYS_MAX);
    this.#known.set(digest, principal);
    return chargeTo(this.#keys, principal);
  }

  /** After `apiKey` was refused: from now on it is charged to the addresses it comes from. */
  refused(apiKey: string): void {
    this.#known.delete(this.#digest(apiKey));
  }

  /** What `principal` sent cost more than a request does. */
  fine(principal: string): void {
    this.#keys.fine(principal, FINE);
  }

  #digest(apiKey: string): string {
    return encodeBase64(hmacSha256(this.#secret, encodeUtf8(apiKey)));
  }
}

/** Takes it from the budget of that name. Throws `rate.limited`. */
export function chargeTo(
  buckets: TokenBuckets,
  name: string,
  { isAnonymous = false, weight = 1 } = {},
): Allowance {
  const { waitS, allowance } = buckets.take(name, weight);
  if (waitS > 0) throw new LimitedError(waitS, allowance, isAnonymous);
  return allowance;
}

/** `rate.limited` together with what the headers say about it. */
export class LimitedError extends StrongroomError {
  readonly allowance: Allowance;
  /** Whether it is the address's budget that is used up, and no key's. */
  readonly isAnonymous: boolean;

  constructor(retryAfterS: number, allowance: Allowance, isAnonymous: boolean) {
    super('rate.limited', { retryAfterS });
    this.allowance = allowance;
    this.isAnonymous = isAnonymous;
  }
}

export function rateHeaders({ limit, remaining, resetS, perSecond }: Allowance): Record<string, string> {
  return {
    'ratelimit-limit': String(limit),
    'ratelimit-remaining': String(remaining),
    'ratelimit-reset': String(resetS),
    'ratelimit-policy': `${limit};w=${Math.ceil(limit / perSecond)}`,
  };
}
