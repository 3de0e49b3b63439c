/**
 * What a route is: method, URL, action, schemas, and one function that is called with what they let through.
 *
 * The order of a request is fixed here and in server.ts: budget, authentication, authorisation, then the body, its schema,
 * and only then the one function. Whoever is not signed in learns nothing about schemas, vaults or memories.
 */
import type { z } from 'zod';
import { StrongroomError, type Fault } from '../errors.ts';
import { isReadAction, type Action } from '../ledger/actions.ts';
import { entityTag, parseIfMatch } from './headers.ts';
import { pointer } from './json-locator.ts';
import type { ExpectedVersion, RequestContext } from './parts.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** Parsed and checked. */
export interface RouteInput<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly expected: ExpectedVersion;
}

export interface RouteSpec<
  P extends z.ZodType,
  Q extends z.ZodType,
  B extends z.ZodType,
  A extends z.ZodType,
> {
  /** The operation's name in OpenAPI. */
  readonly name: string;
  readonly method: Method;
  readonly url: string;
  readonly action: Action;
  readonly summary: string;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** What is answered; null: nothing (204). */
  readonly answer: A;
  readonly status: 200 | 201 | 202 | 204;
  /** Where one route answers with more than one status. */
  readonly statusOf?: (answer: z.output<A>) => 200 | 202;
  /** Whether what was asked is only accepted yet: then 202 is answered, without a body. */
  readonly isAccepted?: (answer: z.output<A>) => boolean;
  /** Whether `If-Match` applies. */
  readonly conditional?: boolean;
  /** The answer holds a secret that is shown once, so it is not kept for a repeated request. */
  readonly secret?: boolean;
  /** Whether a read may be refused for what state things are in (409), as every write may. */
  readonly conflicts?: boolean;
  /** The text of an answer that was written as it is published, by whoever made it; null: it is to be written here. */
  readonly written?: (answer: z.output<A>) => string | null;
  /** Version (for ETag) and place (for Location) of what is answered. */
  readonly headersOf?: (answer: z.output<A>) => AnswerHeaders;
  readonly run: (
    context: RequestContext,
    input: RouteInput<z.output<P>, z.output<Q>, z.output<B>>,
  ) => Promise<z.output<A>>;
}

export interface AnswerHeaders {
  readonly version?: number;
  readonly location?: string | undefined;
}

/** A request as it came, its body already plain JSON. */
export interface RawRequest {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  readonly ifMatch: string | string[] | undefined;
  /** The `Accept` header, where a route has more than one form of answer. */
  readonly accept?: string | undefined;
}

export interface JsonOutcome {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON text. */
  readonly body: string | null;
}

/** Text that is sent as it comes. */
export interface StreamOutcome {
  readonly type: string;
  readonly lines: AsyncIterable<string>;
  /** Each line goes out as it comes, because somebody watches. */
  readonly isPrompt?: boolean;
}

/** A route with its types behind it. `prepare` throws on bad input before anything is called. */
export interface Route {
  readonly name: string;
  readonly method: Method;
  readonly url: string;
  readonly action: Action;
  readonly summary: string;
  readonly status: number;
  /** Further statuses of a good answer. */
  readonly also: readonly number[];
  readonly params: z.ZodType;
  readonly query: z.ZodType;
  readonly body: z.ZodType;
  readonly answer: z.ZodType;
  readonly answerType: string;
  readonly conditional: boolean;
  readonly secret: boolean;
  readonly conflicts?: boolean;
  prepare(raw: RawRequest): (context: RequestContext) => Promise<JsonOutcome | StreamOutcome>;
}

export function defineRoute<
  P extends z.ZodType,
  Q extends z.ZodType,
  B extends z.ZodType,
  A extends z.ZodType,
>(spec: RouteSpec<P, Q, B, A>): Route {
  const { conditional = false, secret = false, status, answer, headersOf } = spec;
  return {
    ...spec,
    also: [...(spec.isAccepted === undefined ? [] : [202]), ...(spec.statusOf === undefined ? [] : [200])],
    conditional,
    secret,
    answerType: 'application/json',
    prepare(raw) {
      const input = parseInput(spec, raw);
      return async (context) => {
        const result = await spec.run(context, input);
        if (spec.isAccepted?.(result) === true) return { status: 202, headers: {}, body: null };
        if (status === 204) return { status, headers: {}, body: null };
        const written = spec.written?.(result) ?? null;
        if (written !== null) return { status, headers: {}, body: written };
        // Parsing drops whatever is not part of the published answer.
        const parsed = answer.safeParse(result);
        if (!parsed.success) throw new StrongroomError('internal', { cause: parsed.error });
        return {
          status: spec.statusOf?.(parsed.data) ?? status,
          headers: answerHeaders(headersOf?.(parsed.data) ?? {}),
          body: JSON.stringify(parsed.data),
        };
      };
    },
  };
}

interface StreamSpec<P extends z.ZodType, Q extends z.ZodType> extends Pick<
  RouteSpec<P, Q, z.ZodType, z.ZodType>,
  'name' | 'url' | 'action' | 'summary' | 'params' | 'query' | 'conflicts'
> {
  readonly answer: z.ZodType;
  readonly lines: (
    context: RequestContext,
    input: RouteInput<z.output<P>, z.output<Q>, unknown>,
  ) => AsyncIterable<string>;
}

/** A GET that answers JSON Lines for as long as there are any. */
export function defineStream<P extends z.ZodType, Q extends z.ZodType>(
  spec: StreamSpec<P, Q>,
  body: z.ZodType,
): Route {
  const type = 'application/jsonl';
  return {
    ...spec,
    method: 'GET',
    status: 200,
    also: [],
    body,
    conditional: false,
    secret: false,
    answerType: type,
    prepare(raw) {
      const input = parseInput({ ...spec, body, conditional: false }, raw);
      return (context) => Promise.resolve({ type, lines: spec.lines(context, input) });
    },
  };
}

/** Whether a route changes anything, so that `Idempotency-Key` applies. */
export const isWrite = (route: Pick<Route, 'action'>): boolean => !isReadAction(route.action);

interface InputSchemas<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly conditional?: boolean;
}

function parseInput<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>(
  schemas: InputSchemas<P, Q, B>,
  raw: RawRequest,
): RouteInput<z.output<P>, z.output<Q>, z.output<B>> {
  const params = schemas.params.safeParse(raw.params);
  const query = schemas.query.safeParse(raw.query);
  const body = schemas.body.safeParse(raw.body);
  if (!params.success || !query.success || !body.success)
    throw new StrongroomError('request.invalid', {
      faults: [...faultsOf(params.error, 'path'), ...faultsOf(query.error, 'query'), ...faultsOf(body.error)],
    });
  const expected = schemas.conditional === true ? parseIfMatch(raw.ifMatch) : null;
  return { params: params.data, query: query.data, body: body.data, expected };
}

function faultsOf(error: z.ZodError | undefined, place?: Fault['in']): Fault[] {
  const within = place === undefined ? {} : { in: place };
  return (error?.issues ?? []).flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((name) => ({
          path: pointer([...issue.path, name]),
          message: 'is not a known field',
          ...within,
        }))
      : [{ path: pointer(issue.path), message: issue.message, ...within }],
  );
}

function answerHeaders({ version, location }: AnswerHeaders): Record<string, string> {
  return {
    ...(version === undefined ? {} : { etag: entityTag(version) }),
    ...(location === undefined ? {} : { location }),
  };
}
