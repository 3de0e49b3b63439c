/**
 * What comes in from outside, so that tests drive it: time, randomness and the points at which a crash may strike.
 * Nothing below the composition root reads a clock, a random source or an environment variable by itself.
 */
import { randomBytes } from 'node:crypto';
import type { Bytes } from './bytes/encoding.ts';

export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  now(): number;
  /** Milliseconds that have passed since some moment, whatever the clock was set to meanwhile; absent: as `now` says. */
  elapsed?(): number;
}

/** `length` bytes from a cryptographically secure source. */
export type Random = (length: number) => Bytes;

/**
 * Called at each named step of a state machine (commit, epoch, erasure, rotation, restore) before the step is taken.
 * A test makes it throw `Crash` to stop there for ever; the real one does nothing.
 */
export type FaultPoint = (name: string) => void;

/** Thrown by a test's fault point: nothing may catch it and go on. */
export class Crash extends Error {
  override readonly name = 'Crash';
}

export interface Environment {
  readonly clock: Clock;
  readonly random: Random;
  readonly fault: FaultPoint;
}

const POOL_BYTES = 4096;
/** Nonces and ids; keys are drawn by themselves. */
const POOLED_BYTES_MAX = 16;

/** Cuts short draws from a long one, because asking the source costs the same for any of them. Nothing is given twice. */
export function pooledRandom(source: Random): Random {
  let pool: Bytes = new Uint8Array(0);
  let used = 0;
  return (length) => {
    if (length > POOLED_BYTES_MAX) return source(length);
    if (used + length > pool.length) {
      pool = source(POOL_BYTES);
      used = 0;
    }
    const bytes = pool.slice(used, used + length);
    pool.fill(0, used, used + length);
    used += length;
    return bytes;
  };
}

export const realEnvironment: Environment = {
  clock: { now: () => Date.now(), elapsed: () => performance.now() },
  random: pooledRandom((length) => new Uint8Array(randomBytes(length))),
  fault: () => undefined,
};
