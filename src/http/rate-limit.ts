/**
 * How often somebody may ask: token buckets per key and per address, looked at before any other work is done.
 *
 * A request with a key that has signed in before is charged to that key; every other one to its address. So nobody can
 * use up a key's budget without holding the key (its id is not enough), and a flood from an address does not shut out
 * the keys that are used there. Keys are remembered by a keyed digest; nothing is ever authenticated by it.
 */
import { hmacSha256 } from '../crypto/hkdf.ts';
import { encodeBase64, encodeUtf8, type Bytes } from '../bytes/encoding.ts';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { ipPrefix } from './address.ts';

export interface Rate {
  readonly perSecond: number;
  /** Requests that may come at once after a pause. */
  readonly burst: number;
}

export interface Rates {
  readonly perKey: Rate;
  readonly perAddress: Rate;
}

export const DEFAULT_RATES: Rates = {
  perKey: { perSecond: 200, burst: 2_000 },
  perAddress: { perSecond: 50, burst: 500 },
};

/** Buckets held at most: an attacker with many addresses must not fill the memory. */
const BUCKETS_MAX = 50_000;
const KNOWN_KEYS_MAX = 10_000;

export interface Allowance {
  readonly limit: number;
  readonly remaining: number;
  /** Seconds until the whole budget is there again. */
  readonly resetS: number;
  readonly perSecond: number;
}

export class RequestLimits {
  readonly #keys: Buckets;
  readonly #addresses: Buckets;
  readonly #secret: Bytes;
  /** Digest of a key that has signed in → the id of its principal. */
  readonly #known = new Map<string, string>();

  constructor(rates: Rates, environment: Pick<Environment, 'clock' | 'random'>) {
    const now = (): number => environment.clock.now();
    this.#keys = new Buckets(rates.perKey, now);
    this.#addresses = new Buckets(rates.perAddress, now);
    this.#secret = environment.random(32);
  }

  /** Charges one request. Throws `rate.limited`. */
  charge(address: string, apiKey: string | null): Allowance {
    const principal = apiKey === null ? undefined : this.#known.get(this.#digest(apiKey));
    return principal === undefined ? this.#addresses.take(ipPrefix(address)) : this.#keys.take(principal);
  }

  /** After `apiKey` has signed in: charges its principal if that has not been done. */
  signedIn(apiKey: string, principal: string): Allowance | null {
    const digest = this.#digest(apiKey);
    if (this.#known.get(digest) === principal) return null;
    makeRoom(this.#known, KNOWN_KEYS_MAX);
    this.#known.set(digest, principal);
    return this.#keys.take(principal);
  }

  /** After `apiKey` was refused: from now on it is charged to the addresses it comes from. */
  refused(apiKey: string): void {
    this.#known.delete(this.#digest(apiKey));
  }

  #digest(apiKey: string): string {
    return encodeBase64(hmacSha256(this.#secret, encodeUtf8(apiKey)));
  }
}

interface Bucket {
  tokens: number;
  atMs: number;
}

/** A budget for each name. */
export class Buckets {
  readonly #rate: Rate;
  readonly #now: () => number;
  /** In the order of last use, so that the first is the one to drop. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(rate: Rate, now: () => number) {
    this.#rate = rate;
    this.#now = now;
  }

  take(name: string): Allowance {
    const { perSecond, burst } = this.#rate;
    const bucket = this.#refilled(name);
    if (bucket.tokens < 1) throw new LimitedError((1 - bucket.tokens) / perSecond, this.#allowance(bucket));
    bucket.tokens = Math.min(burst, bucket.tokens) - 1;
    return this.#allowance(bucket);
  }

  #refilled(name: string): Bucket {
    const { perSecond, burst } = this.#rate;
    const atMs = this.#now();
    const bucket = this.#buckets.get(name) ?? { tokens: burst, atMs };
    // A clock set back gives nothing and takes nothing.
    const elapsedMs = Math.max(0, atMs - bucket.atMs);
    bucket.tokens = Math.min(burst, bucket.tokens + (elapsedMs / 1000) * perSecond);
    bucket.atMs = atMs;
    this.#buckets.delete(name);
    makeRoom(this.#buckets, BUCKETS_MAX);
    this.#buckets.set(name, bucket);
    return bucket;
  }

  #allowance({ tokens }: Bucket): Allowance {
    const { perSecond, burst } = this.#rate;
    const resetS = Math.ceil((burst - tokens) / perSecond);
    return { limit: burst, remaining: Math.max(0, Math.floor(tokens)), resetS, perSecond };
  }
}

/** `rate.limited` together with what the headers say about it. */
export class LimitedError extends StrongroomError {
  readonly allowance: Allowance;

  constructor(retryAfterS: number, allowance: Allowance) {
    super('rate.limited', { retryAfterS });
    this.allowance = allowance;
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

function makeRoom(map: Map<string, unknown>, sizeMax: number): void {
  if (map.size < sizeMax) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
