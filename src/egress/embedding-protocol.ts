/**
 * How an embedding service is spoken to: two forms of one JSON exchange.
 *
 *     openai   POST {url}/embeddings   {"model", "input": [texts], "dimensions"?}
 *              answers                 {"data": [{"index", "embedding": [numbers]}, …]}     in any order
 *     local    POST {url}              {"model", "input": [texts], "dimensions"?}
 *              answers                 {"embeddings": [[numbers], …]}                       in the order of the texts
 *
 * An API key, where there is one, goes into `Authorization: Bearer …`. Whatever else an answer holds is passed over; what is not
 * one finite float32 vector for each text is `embedder.failed`, and says nothing of what was answered.
 */
import { decodeUtf8, encodeUtf8 } from '../bytes/encoding.ts';
import type { Secret } from '../bytes/secret.ts';
import { StrongroomError } from '../errors.ts';
import { LIMITS } from '../limits.ts';

export interface EmbeddingService {
  readonly kind: 'openai' | 'local';
  readonly model: string;
  /** Asked for, and required of each vector. */
  readonly dimensions: number | null;
  readonly apiKey: Secret | null;
  /** Of each text so many are sent. */
  readonly charactersMax: number;
}

/** Where requests of that kind go. */
export function endpointOf(kind: EmbeddingService['kind'], url: string): URL {
  const endpoint = new URL(url);
  if (kind === 'openai') endpoint.pathname = `${endpoint.pathname.replace(/\/+$/, '')}/embeddings`;
  return endpoint;
}

export function encodeEmbeddingRequest(
  { model, dimensions, apiKey }: EmbeddingService,
  texts: readonly string[],
): { readonly headers: Readonly<Record<string, string>>; readonly body: Uint8Array } {
  return {
    headers: {
      'content-type': 'application/json',
      accept: 'application/json',
      ...(apiKey === null ? {} : { authorization: `Bearer ${apiKey.reveal()}` }),
    },
    body: encodeUtf8(JSON.stringify({ model, input: texts, ...(dimensions === null ? {} : { dimensions }) })),
  };
}

/** One vector for each of `count` texts, in their order. */
export function decodeEmbeddings(
  { kind, dimensions }: EmbeddingService,
  body: Uint8Array,
  count: number,
): readonly Float32Array<ArrayBuffer>[] {
  const answer = parse(body);
  const lists = kind === 'openai' ? ordered(answer['data'], count) : answer['embeddings'];
  if (!Array.isArray(lists) || lists.length !== count) throw unusable('another number of vectors');
  return lists.map((list) => vectorOf(list, dimensions));
}

function parse(body: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const answer: unknown = JSON.parse(decodeUtf8(body));
    if (isRecord(answer)) return answer;
  } catch {
    // The parser's own message quotes the answer.
  }
  throw unusable('no JSON object');
}

function ordered(data: unknown, count: number): readonly unknown[] {
  if (!Array.isArray(data) || data.length !== count) throw unusable('another number of vectors');
  const places = Array.from({ length: count }, (): unknown => undefined);
  for (const [at, item] of data.entries()) {
    const { index = at, embedding } = isRecord(item) ? item : {};
    if (typeof index !== 'number' || !(index in places) || places[index] !== undefined)
      throw unusable('vectors without their places');
    places[index] = embedding;
  }
  return places;
}

function vectorOf(list: unknown, dimensions: number | null): Float32Array<ArrayBuffer> {
  if (!Array.isArray(list)) throw unusable('no vectors');
  const { length } = list;
  if (dimensions !== null && length !== dimensions)
    throw unusable(`${length} dimensions and not ${dimensions}`);
  if (length < LIMITS.dimensionsMin || length > LIMITS.dimensionsMax)
    throw unusable(`vectors of ${length} dimensions`);
  const vector = new Float32Array(length);
  for (let at = 0; at < length; at++) {
    const value: unknown = list[at];
    vector[at] = typeof value === 'number' ? value : Number.NaN;
    if (!Number.isFinite(vector[at])) throw unusable('numbers that are not finite');
  }
  return vector;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const unusable = (what: string): StrongroomError =>
  new StrongroomError('embedder.failed', `the embedding service answered ${what}`);
