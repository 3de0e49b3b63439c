/**
 * Vectors for texts, made by a service of the operator's choice: batched, retried, bounded, never without being configured.
 *
 * A batch holds texts of one request, so of one organization. What fails for a moment (no connection, too slow, 429, 5xx) is
 * tried again after a pause that grows and is never the same; what was refused, or makes no sense, is not.
 */
import type { Clock, Random } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import type { Asker, Egress } from './egress.ts';
import { decodeEmbeddings, encodeEmbeddingRequest, type EmbeddingService } from './embedding-protocol.ts';
import type { Answered, Exchanged } from './exchange.ts';
import { pause, type Timer } from '../timer.ts';

export interface Embedder {
  /** What vaults name it by. */
  readonly model: string;
  /** A vector for each text, in order. Throws `embedder.unavailable`, `embedder.failed`, `egress.refused` or `busy`. */
  embed(texts: readonly string[], asker: Asker): Promise<readonly Float32Array<ArrayBuffer>[]>;
}

export interface EmbedderParts {
  readonly egress: Pick<Egress, 'post'>;
  readonly service: EmbeddingService;
  readonly clock: Clock;
  readonly random: Random;
  readonly timer: Timer;
}

const ATTEMPTS_MAX = 3;
const ATTEMPT_MS = 20_000;
/** No attempt begins after so long. */
const PATIENCE_MS = 40_000;
const PAUSE_MS = 500;
const PAUSE_MAX_MS = 10_000;
/** Exchanges at the same time, and requests that may wait for their turn. */
const IN_FLIGHT_MAX = 4;
const WAITING_MAX = 100;

export class ServiceEmbedder implements Embedder {
  readonly #parts: EmbedderParts;
  readonly #waiting: (() => void)[] = [];
  #inFlight = 0;

  constructor(parts: EmbedderParts) {
    this.#parts = parts;
  }

  get model(): string {
    return this.#parts.service.model;
  }

  async embed(texts: readonly string[], asker: Asker): Promise<readonly Float32Array<ArrayBuffer>[]> {
    if (texts.length === 0) return [];
    if (this.#waiting.length >= WAITING_MAX)
      throw new StrongroomError('busy', { detail: 'too many texts wait for the embedder', retryAfterS: 1 });
    const { charactersMax } = this.#parts.service;
    const vectors: Float32Array<ArrayBuffer>[] = [];
    // One batch after the other: a request of many leaves room for the others', and ends with its first failure.
    for (const batch of batchesOf(texts.map((text) => beginningOf(text, charactersMax)))) {
      const done = await this.#turn(() => this.#batch(batch, asker));
      vectors.push(...done);
    }
    if (vectors.some(({ length }) => length !== vectors[0]?.length))
      throw failed('gave vectors of different lengths');
    return vectors;
  }

  async #batch(texts: readonly string[], asker: Asker): Promise<readonly Float32Array<ArrayBuffer>[]> {
    const { egress, service, clock, timer } = this.#parts;
    const outgoing = {
      ...encodeEmbeddingRequest(service, texts),
      answerBytesMax: LIMITS.embeddingAnswerBytesMax,
      timeoutMs: ATTEMPT_MS,
    };
    const until = clock.now() + PATIENCE_MS;
    for (let attempt = 1; ; attempt++) {
      const exchanged = await egress.post('embedding', asker, outgoing);
      if (exchanged.kind === 'answer' && exchanged.status === 200)
        return decodeEmbeddings(service, exchanged.body, texts.length);
      const waitMs = this.#pauseOf(exchanged, attempt);
      if (waitMs === null || attempt === ATTEMPTS_MAX || clock.now() + waitMs > until)
        throw errorOf(exchanged);
      await pause(timer, waitMs);
    }
  }

  /** How long to wait before the next attempt; null where another makes no sense. */
  #pauseOf(exchanged: Exchanged, attempt: number): number | null {
    if (!isPassing(exchanged)) return null;
    const asked = exchanged.kind === 'answer' ? (exchanged.retryAfterS ?? 0) * 1000 : 0;
    if (asked > PAUSE_MAX_MS) return null;
    const [byte = 0] = this.#parts.random(1);
    // Between half and all of it, so that those who failed together do not come back together.
    const own = PAUSE_MS * 2 ** (attempt - 1) * (0.5 + byte / 512);
    return Math.max(asked, own);
  }

  async #turn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#inFlight >= IN_FLIGHT_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#inFlight++;
    try {
      return await work();
    } finally {
      // The place goes to who waits longest, or back.
      const next = this.#waiting.shift();
      if (next === undefined) this.#inFlight--;
      else next();
    }
  }
}

/** In their order, each batch within the limits; one long text is a batch by itself. */
export function batchesOf(texts: readonly string[]): readonly (readonly string[])[] {
  const batches: string[][] = [];
  let bytes = 0;
  for (const text of texts) {
    const size = Buffer.byteLength(text, 'utf8');
    const last = batches.at(-1);
    const fits = last !== undefined && last.length < LIMITS.embeddingBatchTextsMax;
    if (fits && bytes + size <= LIMITS.embeddingBatchBytesMax) {
      last.push(text);
      bytes += size;
    } else {
      batches.push([text]);
      bytes = size;
    }
  }
  return batches;
}

/** Models read so much and no more; a pair of surrogates is not cut in two. */
const beginningOf = (text: string, charactersMax: number): string =>
  text.length <= charactersMax ? text : text.slice(0, charactersMax).replace(/[\ud800-\udbff]$/, '');

const isPassing = (exchanged: Exchanged): boolean =>
  exchanged.kind === 'failure'
    ? exchanged.reason === 'timeout' || exchanged.reason === 'connection'
    : exchanged.status === 408 || exchanged.status === 429 || exchanged.status >= 500;

function errorOf(exchanged: Exchanged): StrongroomError {
  if (exchanged.kind === 'answer') return errorOfAnswer(exchanged);
  switch (exchanged.reason) {
    case 'timeout':
      return unavailable('did not answer in time');
    case 'connection':
      return unavailable('cannot be reached');
    case 'certificate':
      return failed('has a certificate that is not trusted');
    case 'too_large':
      return failed('answered more than is taken');
    case 'encoding':
      return failed('answered in an encoding that was not asked for');
  }
}

function errorOfAnswer(answered: Answered): StrongroomError {
  const { status, retryAfterS } = answered;
  if (!isPassing(answered)) return failed(`answered ${status}`);
  return unavailable(`answered ${status}`, retryAfterS ?? undefined);
}

const unavailable = (what: string, retryAfterS = 5): StrongroomError =>
  new StrongroomError('embedder.unavailable', { detail: `the embedding service ${what}`, retryAfterS });

export const failed = (what: string): StrongroomError =>
  new StrongroomError('embedder.failed', `the embedding service ${what}`);
