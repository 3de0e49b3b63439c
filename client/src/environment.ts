/** What the client takes from the platform besides `fetch`, so that tests drive time and chance. */

export interface ClientEnvironment {
  /** At least 0, below 1. */
  readonly random: () => number;
  /** Resolves after that time; rejects with the signal's reason as soon as it is aborted. */
  readonly pause: (durationMs: number, signal: AbortSignal | undefined) => Promise<void>;
  /** A new idempotency key: 128 random bits in hexadecimal. */
  readonly newIdempotencyKey: () => string;
}

export const platformEnvironment: ClientEnvironment = {
  random: () => Math.random(),
  pause: (durationMs, signal) =>
    new Promise((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(timer);
        reject(signal?.reason as Error);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', stop);
        resolve();
      }, durationMs);
      if (signal?.aborted === true) stop();
      else signal?.addEventListener('abort', stop, { once: true });
    }),
  // Not randomUUID: browsers have it in secure contexts only, and a page on a local network may not be one.
  newIdempotencyKey: () =>
    Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join(
      '',
    ),
};
