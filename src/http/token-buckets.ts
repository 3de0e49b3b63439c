/**
 * Token buckets by name: each holds at most a burst, is refilled at a steady rate, and may be fined into a debt of as much
 * again. So many are held at most, because an attacker with many addresses must not fill the memory.
 */
import { makeRoom } from '../bytes/make-room.ts';

export interface Rate {
  readonly perSecond: number;
  /** What may be taken at once after a pause. */
  readonly burst: number;
}

export interface Allowance {
  readonly limit: number;
  readonly remaining: number;
  /** Seconds until the whole budget is there again. */
  readonly resetS: number;
  readonly perSecond: number;
}

const BUCKETS_MAX = 50_000;

interface Bucket {
  tokens: number;
  atMs: number;
}

export class TokenBuckets {
  readonly #rate: Rate;
  readonly #now: () => number;
  /** In the order of last use, so that the first is the one to drop. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(rate: Rate, now: () => number) {
    this.#rate = rate;
    this.#now = now;
  }

  /**
   * Takes one, or as many as `weight` says, for which it may run into debt. If there is none, nothing is taken, and `waitS` says
   * after how long there will be one.
   */
  take(name: string, weight = 1): { readonly waitS: number; readonly allowance: Allowance } {
    const bucket = this.#refilled(name);
    const isThere = bucket.tokens >= 1;
    if (isThere) bucket.tokens -= weight;
    const waitS = isThere ? 0 : (1 - bucket.tokens) / this.#rate.perSecond;
    return { waitS, allowance: this.#allowance(bucket) };
  }

  /** Takes so many whether they are there or not. */
  fine(name: string, tokens: number): void {
    const bucket = this.#refilled(name);
    bucket.tokens = Math.max(-this.#rate.burst, bucket.tokens - tokens);
  }

  /** Gives one back. */
  refund(name: string): void {
    const bucket = this.#refilled(name);
    bucket.tokens = Math.min(this.#rate.burst, bucket.tokens + 1);
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
