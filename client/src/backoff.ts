/**
 * When a failed attempt is made again: only where the table of errors says that the same request may succeed later,
 * after a random part of a span that doubles ("full jitter"), so that clients that failed together do not return
 * together. A server that names a time is obeyed up to `WAIT_MS_MAX`; whoever is told to wait longer is told so.
 */
import { StrongroomError } from './errors.ts';

const FIRST_SPAN_MS = 200;
const SPAN_MS_MAX = 8_000;
export const WAIT_MS_MAX = 30_000;

export interface Attempts {
  /** Attempts that have failed so far, 1 or more. */
  readonly failed: number;
  /** How many may follow the first. */
  readonly retries: number;
}

/** Milliseconds to wait before the next attempt, or null: give up. */
export function retryDelayMs(error: unknown, attempts: Attempts, random: () => number): number | null {
  if (!(error instanceof StrongroomError) || !error.retryable || attempts.failed > attempts.retries)
    return null;
  const span = Math.min(SPAN_MS_MAX, FIRST_SPAN_MS * 2 ** (attempts.failed - 1));
  const jitter = Math.round(random() * span);
  if (error.retryAfterS === undefined) return jitter;
  const asked = error.retryAfterS * 1000;
  return asked > WAIT_MS_MAX ? null : asked + jitter;
}
