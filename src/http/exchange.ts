/**
 * One request and its answer: who asks, whether they may, what is done, and that it is written down before it is said.
 *
 * Invariant (fail closed): no answer to an authenticated request, good or bad, leaves before an entry of it is durable.
 * What the called function did not record itself is recorded here; if that fails the answer is `ledger.unavailable`.
 */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Secret } from '../bytes/secret.ts';
import { StrongroomError, type ErrorCode } from '../errors.ts';
import { ID_PREFIXES, isId, type IdKind } from '../ids.ts';
import type { BodyPace } from './body-pace.ts';
import { isEverybody, type Gate } from './gate.ts';
import { matchBearer, parseIdempotencyKey, parsePurpose } from './headers.ts';
import type { HttpParts, KeptResponse, Principal, RequestContext } from './parts.ts';
import { LimitedError, rateHeaders, type RequestLimits } from './rate-limit.ts';
import type { Allowance } from './token-buckets.ts';
import { isWrite, type JsonOutcome, type Route, type StreamOutcome } from './route.ts';

/** What is known of a request while it runs. */
export interface Exchange {
  readonly startedMs: number;
  readonly address: string;
  /** Null before authentication. */
  context: RequestContext | null;
  /** SHA-256 of the body, where a repeated request must be told from another one. */
  bodyDigest: string;
  /** What went wrong, for the log. */
  failure: StrongroomError | null;
}

declare module 'fastify' {
  interface FastifyRequest {
    exchange: Exchange;
  }
  interface FastifyContextConfig {
    /** The pattern shown in logs and counts. */
    readonly pattern?: string;
    readonly route?: Route;
    /** How many requests it counts as; one where it is not said. */
    readonly weight?: number;
    /** Answers only that the method is not one of this URL. */
    readonly isRefusal?: boolean;
  }
  interface FastifyInstance {
    /** Everything that is answered, as it was registered: methods by URL. */
    readonly registered: ReadonlyMap<string, ReadonlySet<string>>;
  }
}

export interface ExchangeOptions {
  readonly parts: HttpParts;
  /** Null: no limits. */
  readonly limits: RequestLimits | null;
  readonly gate: Gate;
  /** Null: bodies are read as fast as they come. */
  readonly pace: BodyPace | null;
  readonly requirePurpose: boolean;
}

/** Refusals of bodies, which cost more than others. */
const COSTLY: readonly ErrorCode[] = ['request.too_large', 'request.unsupported'];

export class Exchanges {
  readonly #parts: HttpParts;
  readonly #limits: RequestLimits | null;
  readonly #gate: Gate;
  readonly #pace: BodyPace | null;
  readonly #requirePurpose: boolean;

  constructor({ parts, limits, gate, pace, requirePurpose }: ExchangeOptions) {
    this.#parts = parts;
    this.#limits = limits;
    this.#gate = gate;
    this.#pace = pace;
    this.#requirePurpose = requirePurpose;
  }

  /** Charges the request to its key or address: the first thing done with it. */
  charge(request: FastifyRequest, reply: FastifyReply): void {
    const apiKey = matchBearer(request.headers.authorization);
    const { weight } = request.routeOptions.config;
    try {
      this.#show(reply, this.#limits?.charge(request.exchange.address, apiKey, weight));
    } catch (error) {
      if (error instanceof LimitedError) {
        this.#show(reply, error.allowance);
        this.#hangUp(request, reply, error);
      }
      throw error;
    }
  }

  /** Authenticates and authorises; the body has not been read yet. */
  async admit(request: FastifyRequest, reply: FastifyReply, route: Route): Promise<void> {
    const { exchange } = request;
    const apiKey = matchBearer(request.headers.authorization);
    if (apiKey === null)
      throw new StrongroomError(
        request.headers.authorization === undefined ? 'auth.required' : 'auth.invalid',
      );
    const principal = await this.#authenticate(apiKey, exchange.address);
    const purpose = attempt(() => parsePurpose(request.headers['strongroom-purpose']));
    const context: RequestContext = {
      requestId: request.id,
      principal,
      organization: principal.organization,
      purpose: purpose.value,
      address: exchange.address,
      recorded: false,
    };
    exchange.context = context;
    this.#gate.signedIn(request.raw.socket);
    this.#pace?.seen(principal.id);
    // From here on whatever goes wrong is the principal's and is recorded.
    this.#show(reply, this.#limits?.signedIn(apiKey, principal.id));
    if (purpose.error !== null) throw purpose.error;
    await this.#parts.access.authorize(context, route.action, vaultOf(request));
    if (this.#requirePurpose && context.purpose === null) throw new StrongroomError('purpose.required');
  }

  /** Checks the input, calls the route's one function and answers. */
  async answer(request: FastifyRequest, reply: FastifyReply, route: Route): Promise<FastifyReply> {
    const { context } = request.exchange;
    if (context === null) throw new StrongroomError('auth.required');
    const { params, query, body, headers } = request;
    const run = route.prepare({
      params,
      query,
      body,
      ifMatch: headers['if-match'],
      accept: headers.accept,
    });
    const outcome = isWrite(route)
      ? await this.#runOnce(request, context, { route, run })
      : await run(context);
    if ('lines' in outcome) return this.#stream(request, reply, route, outcome);
    await this.#record(request, route, null);
    if (outcome.body !== null) void reply.type('application/json; charset=utf-8');
    return reply.code(outcome.status).headers(outcome.headers).send(outcome.body);
  }

  /** Writes down an error of a known principal, counts one of an unknown; returns the error to be answered. */
  async refuse(
    request: FastifyRequest,
    route: Route | undefined,
    error: StrongroomError,
  ): Promise<StrongroomError> {
    const { context, address } = request.exchange;
    if (context !== null && COSTLY.includes(error.code)) this.#limits?.fine(context.principal.id);
    if (context === null || route === undefined) {
      const pattern = request.routeOptions.config.pattern ?? 'unmatched';
      this.#parts.records.countAnonymous({
        address,
        route: `${request.method} ${pattern}`,
        code: error.code,
      });
      return error;
    }
    try {
      await this.#record(request, route, error);
      return error;
    } catch (cause) {
      return cause instanceof StrongroomError ? cause : new StrongroomError('ledger.unavailable', { cause });
    }
  }

  /** Who goes on beyond its budget has to connect again, which has a budget of its own. */
  #hangUp(request: FastifyRequest, reply: FastifyReply, { isAnonymous }: LimitedError): void {
    const { address } = request.exchange;
    if (isEverybody(address)) return;
    void reply.header('connection', 'close');
    if (isAnonymous) this.#gate.fine(address);
  }

  async #authenticate(apiKey: string, address: string): Promise<Principal> {
    try {
      return await this.#parts.access.authenticate(new Secret(apiKey), address);
    } catch (error) {
      // Also from a network that the key does not allow: a stolen key must not use up its owner's budget.
      if (error instanceof StrongroomError && error.status < 500) this.#limits?.refused(apiKey);
      throw error;
    }
  }

  /** With an `Idempotency-Key`, does it at most once and answers the same again. */
  async #runOnce(
    request: FastifyRequest,
    context: RequestContext,
    { route, run }: { readonly route: Route; readonly run: ReturnType<Route['prepare']> },
  ): Promise<JsonOutcome | StreamOutcome> {
    const key = parseIdempotencyKey(request.headers['idempotency-key']);
    if (key === null) return run(context);
    const of = { action: route.action, target: targetOf(request.params) };
    const answer = await this.#parts.idempotency.begin(context, key, fingerprintOf(request), of);
    if (answer.kind === 'replay') {
      const response = replayed(answer.response, route);
      // Nothing was done this time: the entry says so.
      await this.#parts.records.record(context, { ...of, outcome: 'done', facts: { replayed: 1 } });
      return response;
    }
    let outcome: JsonOutcome | StreamOutcome;
    try {
      outcome = await run(context);
    } catch (error) {
      await answer.claim.abandon();
      throw error;
    }
    // What was streamed cannot be answered again.
    if ('lines' in outcome) await answer.claim.abandon();
    else await answer.claim.complete(route.secret ? { ...outcome, body: null } : outcome);
    return outcome;
  }

  async #stream(
    request: FastifyRequest,
    reply: FastifyReply,
    route: Route,
    { type, lines, isPrompt = false }: StreamOutcome,
  ) {
    const iterator = lines[Symbol.asyncIterator]();
    // What is refused is refused before the first byte, with a status of its own.
    const first = await iterator.next();
    await this.#record(request, route, null);
    return reply
      .type(type)
      .send(Readable.from(chunksOf(first, iterator, isPrompt ? 1 : CHUNK_CHARACTERS), { objectMode: false }));
  }

  async #record(request: FastifyRequest, route: Route, error: StrongroomError | null): Promise<void> {
    const { context } = request.exchange;
    if (context === null || context.recorded) return;
    const outcome = error === null ? 'done' : error.status < 500 ? 'refused' : 'failed';
    const { action } = route;
    const target = targetOf(request.params);
    try {
      await this.#parts.records.record(context, {
        action,
        target,
        outcome,
        ...(error === null ? {} : { code: error.code }),
      });
    } catch (cause) {
      throw new StrongroomError('ledger.unavailable', { cause });
    }
  }

  #show(reply: FastifyReply, allowance: Allowance | null | undefined): void {
    if (allowance !== null && allowance !== undefined) void reply.headers(rateHeaders(allowance));
  }
}

function attempt<T>(parse: () => T): { value: T | null; error: unknown } {
  try {
    return { value: parse(), error: null };
  } catch (error) {
    return { value: null, error };
  }
}

function vaultOf(request: FastifyRequest): string | null {
  const { params } = request;
  const isNamed = typeof params === 'object' && params !== null && 'vault' in params;
  return isNamed && typeof params.vault === 'string' ? params.vault : null;
}

/** The most particular id of the path. A name of the caller's own is content and is not an id. */
function targetOf(params: unknown): string {
  const kinds: readonly IdKind[] = Object.keys(ID_PREFIXES) as IdKind[];
  const values = Object.values(params ?? {}).reverse();
  for (const value of values)
    if (typeof value === 'string' && kinds.some((kind) => isId(kind, value))) return value;
  return '';
}

function fingerprintOf(request: FastifyRequest): Uint8Array {
  const { method, url, exchange } = request;
  return createHash('sha256')
    .update(JSON.stringify([method, url, exchange.bodyDigest]))
    .digest();
}

function replayed(response: KeptResponse, route: Route): JsonOutcome {
  if (route.secret)
    throw new StrongroomError(
      'idempotency.conflict',
      'this was done already, and its answer could be shown only once',
    );
  return { ...response, headers: { ...response.headers, 'idempotency-replayed': 'true' } };
}

const CHUNK_CHARACTERS = 32 * 1024;

/** Lines gathered into chunks, so that small ones do not cost a packet each. */
async function* chunksOf(
  first: IteratorResult<string>,
  rest: AsyncIterator<string>,
  charactersMin: number,
): AsyncIterable<string> {
  let chunk = '';
  try {
    for (let next = first; next.done !== true; next = await rest.next()) {
      chunk += next.value;
      if (chunk.length >= charactersMin) {
        yield chunk;
        chunk = '';
      }
    }
    if (chunk !== '') yield chunk;
  } finally {
    // Also when the reader went away in the middle.
    await rest.return?.();
  }
}
