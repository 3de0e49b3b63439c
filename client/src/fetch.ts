/**
 * The part of the Fetch Standard that the client uses. The platform's `fetch` fits it; so does anything a few lines
 * long that answers from elsewhere (a test, a server called in its own process, node:https with a CA of one's own).
 */

export interface FetchInit {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: string;
  readonly signal: AbortSignal;
  /** A redirect would carry the API key to wherever it points: none is followed. */
  readonly redirect: 'error';
  readonly credentials: 'omit';
  readonly cache: 'no-store';
}

interface ChunkReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  cancel(): Promise<void>;
}

export type FetchBody = { getReader(): ChunkReader } | AsyncIterable<Uint8Array>;

export interface FetchAnswer {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: FetchBody | null;
  text(): Promise<string>;
}

export type Fetch = (url: string, init: FetchInit) => Promise<FetchAnswer>;

/** The chunks of a body, whichever of its two forms it has; leaving early ends the transfer. */
export async function* chunksOf(body: FetchBody): AsyncGenerator<Uint8Array, void, undefined> {
  // Not every browser can iterate over a ReadableStream, so the reader is taken where there is one.
  if (!('getReader' in body)) {
    yield* body;
    return;
  }
  const reader = body.getReader();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      ended = done;
      if (done) return;
      if (value !== undefined) yield value;
    }
  } finally {
    // A stream that broke rejects its cancellation with the error that has already been thrown.
    if (!ended) await reader.cancel().catch(() => undefined);
  }
}
