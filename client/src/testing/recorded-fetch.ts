/** For tests: a `fetch` that answers from a list and keeps what it was asked, and an environment without waiting. */
import type { ClientEnvironment } from '../environment.ts';
import type { Fetch, FetchAnswer, FetchInit } from '../fetch.ts';

export interface Asked extends FetchInit {
  readonly url: string;
}

/** An answer, or what `fetch` rejects with. */
export type Reply = FetchAnswer | Error | ((asked: Asked) => Promise<FetchAnswer>);

export function recordedFetch(...replies: Reply[]): { fetch: Fetch; asked: Asked[] } {
  const asked: Asked[] = [];
  const fetch: Fetch = async (url, init) => {
    const request = { ...init, url };
    asked.push(request);
    const reply = replies.length > 1 ? replies.shift() : replies[0];
    if (reply === undefined) throw new Error('no reply left');
    if (typeof reply === 'function') return await reply(request);
    if (reply instanceof Error) throw reply;
    return reply;
  };
  return { fetch, asked };
}

export function answer(
  status: number,
  body: unknown = null,
  headers: Record<string, string> = {},
): FetchAnswer {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return {
    status,
    headers: { get: (name) => headers[name.toLowerCase()] ?? null },
    body: bytesOf(text),
    text: () => Promise.resolve(text),
  };
}

export const problem = (
  status: number,
  code: string,
  more: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): FetchAnswer =>
  answer(
    status,
    { type: 'about:blank', title: 'A title', status, code, ...more },
    { 'content-type': 'application/problem+json', ...headers },
  );

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(new TextEncoder().encode(text));
}

/** Waits no time, but writes down how long it would have; keys count up. */
export function testEnvironment(): ClientEnvironment & { readonly pauses: number[] } {
  const pauses: number[] = [];
  let keys = 0;
  return {
    pauses,
    random: () => 0.5,
    pause: (durationMs, signal) => {
      pauses.push(durationMs);
      return signal?.aborted === true ? Promise.reject(signal.reason as Error) : Promise.resolve();
    },
    newIdempotencyKey: () => `key-${(keys += 1)}`,
  };
}
