/**
 * One request after another until one is answered: addresses, headers, time-outs and retries, for every resource.
 *
 * A write carries an idempotency key that stays the same over its attempts, so an answer that got lost does not do
 * the thing twice. The API key goes to the one origin given at the start, never over a redirect, and in the clear only
 * within the machine.
 */
import { retryDelayMs } from './backoff.ts';
import type { ClientEnvironment } from './environment.ts';
import { StrongroomError } from './errors.ts';
import { chunksOf, type Fetch, type FetchAnswer } from './fetch.ts';
import { linesOf, parseLine } from './json-lines.ts';
import { problemToError } from './problem.ts';

export interface StrongroomOptions {
  /** Where the server is: `https://127.0.0.1:8443`. Plain `http:` on a loopback address only. */
  readonly url: string;
  /** `sr_…`. Without one, only `health` is answered. */
  readonly apiKey?: string | undefined;
  /** In place of the platform's `fetch`. In Node, `@strongroom/client/node` makes one that trusts a CA file. */
  readonly fetch?: Fetch | undefined;
  /** Why the requests are made: a short text or a ticket, kept in the ledger. A single call may give its own. */
  readonly purpose?: string | undefined;
  /** For one attempt, from its start to the end of its answer; 30,000 by default. */
  readonly timeoutMs?: number | undefined;
  /** Attempts after the first; 2 by default, 0 for none. */
  readonly retries?: number | undefined;
}

export interface CallOptions {
  /** Ends the call with the signal's own reason. */
  readonly signal?: AbortSignal | undefined;
  readonly purpose?: string | undefined;
}

export interface WriteOptions extends CallOptions {
  /** By default a random one. Give your own to be able to repeat a write after a restart of your program. */
  readonly idempotencyKey?: string | undefined;
}

export interface VersionedOptions extends WriteOptions {
  /** Fails with `version.mismatch` unless this is the current version. */
  readonly ifVersion?: number | undefined;
}

type QueryValue = string | number | boolean | undefined;

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below the server's address, from `pathOf`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, QueryValue>>;
  readonly body?: unknown;
  /** Whether it changes something: such a call gets an idempotency key. */
  readonly write?: boolean;
  readonly options?: VersionedOptions | undefined;
  /** A status beyond 299 that is an answer all the same, unless it comes with a problem document. */
  readonly accept?: number;
  /** The one media type wanted; by default whichever the route answers. */
  readonly type?: string;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_RETRIES = 2;
const DOT_SEGMENT = /^\.{0,2}$/;

/** A path whose parts are what a caller gave: encoded, and none that a URL would resolve to another resource. */
export function pathOf(...parts: readonly string[]): string {
  return parts
    .map((part) => {
      if (DOT_SEGMENT.test(part))
        throw new StrongroomError('request.invalid', `"${part}" is not a name or an id`);
      return `/${encodeURIComponent(part)}`;
    })
    .join('');
}

export class Transport {
  readonly #base: string;
  readonly #authorization: string | undefined;
  readonly #fetch: Fetch;
  readonly #purpose: string | undefined;
  readonly #timeoutMs: number;
  readonly #retries: number;
  readonly #environment: ClientEnvironment;

  constructor(options: StrongroomOptions, environment: ClientEnvironment) {
    this.#base = baseOf(options.url);
    this.#authorization =
      options.apiKey === undefined ? undefined : `Bearer ${headerText(options.apiKey, 'API key')}`;
    // Called as a plain function: browsers refuse their own `fetch` when it has another `this`.
    this.#fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init));
    this.#purpose = options.purpose;
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#retries = options.retries ?? DEFAULT_RETRIES;
    this.#environment = environment;
  }

  /** The JSON of the answer, taken to be what the server's schema says it is. */
  async json<Answer>(call: Call): Promise<Answer> {
    const text = await this.#attempts(call, (answer) => answer.text());
    return parseAnswer(text) as Answer;
  }

  /** For calls whose answer has no content that matters. */
  async done(call: Call): Promise<void> {
    await this.status(call);
  }

  /** The same where there is more than one way to succeed. */
  status(call: Call): Promise<number> {
    return this.#attempts(call, async (answer) => {
      await answer.text();
      return answer.status;
    });
  }

  /** The lines of a stream. Once it has begun it is not retried: whoever reads has seen its beginning. */
  async *lines(call: Call): AsyncGenerator<string, void, undefined> {
    const stop = new AbortController();
    const outer = call.options?.signal;
    const begun = { ...call, options: { ...call.options, signal: anyOf(outer, stop.signal) } };
    try {
      const answer = await this.#attempts(begun, (answer) => Promise.resolve(answer));
      if (answer.body !== null) yield* linesOf(this.#unlessIdle(chunksOf(answer.body), stop));
    } catch (error) {
      throw failureOf(error, outer, stop.signal.aborted ? this.#timeoutMs : null);
    } finally {
      stop.abort();
    }
  }

  /** The JSON of each line, taken to be what the server's schema says it is. */
  async *values<Value>(call: Call): AsyncGenerator<Value, void, undefined> {
    for await (const line of this.lines(call)) yield parseLine(line) as Value;
  }

  /** What goes on for long, as events while it does. */
  events<Event>(path: string, body: unknown, options?: CallOptions): AsyncGenerator<Event, void, undefined> {
    return this.values({ method: 'POST', path, type: 'application/jsonl', body, options });
  }

  /** A stream may last for hours; what may not is that nothing comes while more is being waited for. */
  async *#unlessIdle(chunks: AsyncGenerator<Uint8Array>, stop: AbortController): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const timer = setTimeout(() => {
          stop.abort();
        }, this.#timeoutMs);
        const next = await chunks.next().finally(() => {
          clearTimeout(timer);
        });
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      await chunks.return(undefined);
    }
  }

  async #attempts<Result>(call: Call, read: (answer: FetchAnswer) => Promise<Result>): Promise<Result> {
    const headers = this.#headers(call);
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    for (let failed = 1; ; failed += 1) {
      try {
        return await this.#attempt(call, { headers, body }, read);
      } catch (error) {
        const { random, pause } = this.#environment;
        const delayMs = retryDelayMs(error, { failed, retries: this.#retries }, random);
        if (delayMs === null) throw error;
        await pause(delayMs, call.options?.signal);
      }
    }
  }

  async #attempt<Result>(
    call: Call,
    sent: { headers: Record<string, string>; body: string | undefined },
    read: (answer: FetchAnswer) => Promise<Result>,
  ): Promise<Result> {
    const outer = call.options?.signal;
    outer?.throwIfAborted();
    const late = new AbortController();
    const timer = setTimeout(() => {
      late.abort();
    }, this.#timeoutMs);
    try {
      const answer = await this.#fetch(this.#base + call.path + queryOf(call.query), {
        method: call.method,
        headers: sent.headers,
        ...(sent.body === undefined ? {} : { body: sent.body }),
        signal: anyOf(outer, late.signal),
        redirect: 'error',
        credentials: 'omit',
        cache: 'no-store',
      });
      if (!isAccepted(call, answer)) throw problemToError(answer, await answer.text());
      return await read(answer);
    } catch (error) {
      throw failureOf(error, outer, late.signal.aborted ? this.#timeoutMs : null);
    } finally {
      clearTimeout(timer);
    }
  }

  #headers(call: Call): Record<string, string> {
    const { idempotencyKey, ifVersion, purpose = this.#purpose } = call.options ?? {};
    const headers: Record<string, string> = {
      accept:
        call.type === undefined
          ? 'application/json, application/problem+json, application/jsonl'
          : `${call.type}, application/problem+json`,
    };
    if (this.#authorization !== undefined) headers['authorization'] = this.#authorization;
    if (call.body !== undefined) headers['content-type'] = 'application/json';
    if (purpose !== undefined) headers['strongroom-purpose'] = utf8Header(purpose);
    if (ifVersion !== undefined) headers['if-match'] = `"${ifVersion}"`;
    if (call.write === true)
      headers['idempotency-key'] = headerText(
        idempotencyKey ?? this.#environment.newIdempotencyKey(),
        'idempotency key',
      );
    return headers;
  }
}

function isAccepted(call: Call, answer: FetchAnswer): boolean {
  if (answer.status < 300) return true;
  return (
    answer.status === call.accept && answer.headers.get('content-type')?.includes('problem+json') !== true
  );
}

function baseOf(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw new StrongroomError('config.invalid', {
      detail: `"${text}" is not a URL; https://host:8443 is one`,
      cause,
    });
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new StrongroomError('config.invalid', `the URL must begin with https://, not ${url.protocol}`);
  if (url.protocol === 'http:' && !isLoopback(url.hostname))
    throw new StrongroomError('tls.required', `${url.hostname} is not this machine: use https://`);
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    throw new StrongroomError('config.invalid', 'the URL may hold a host, a port and a path, nothing else');
  return url.origin + url.pathname.replace(/\/+$/, '');
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host.endsWith('.localhost') || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);

function queryOf(query: Readonly<Record<string, QueryValue>> = {}): string {
  const parts = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [`${encodeURIComponent(name)}=${encodeURIComponent(value)}`],
  );
  return parts.length === 0 ? '' : `?${parts.join('&')}`;
}

function headerText(text: string, what: string): string {
  const trimmed = text.trim();
  if (!/^[\x21-\x7e]+$/.test(trimmed))
    throw new StrongroomError('request.invalid', `the ${what} is empty or holds characters that none has`);
  return trimmed;
}

/** Header values are bytes, which `fetch` takes one character each: the UTF-8 of the text, as curl would send it. */
function utf8Header(text: string): string {
  if (/\p{Cc}/u.test(text))
    throw new StrongroomError('request.invalid', 'the purpose holds control characters');
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join('');
}

const anyOf = (outer: AbortSignal | undefined, inner: AbortSignal): AbortSignal =>
  outer === undefined ? inner : AbortSignal.any([outer, inner]);

/** What a failed attempt is reported as: the caller's own reason, the server's problem, or that none was reached. */
function failureOf(error: unknown, outer: AbortSignal | undefined, lateAfterMs: number | null): unknown {
  if (outer?.aborted === true) return outer.reason;
  if (error instanceof StrongroomError) return error;
  const detail = lateAfterMs === null ? reasonOf(error) : `no whole answer within ${lateAfterMs} ms`;
  return new StrongroomError('server.unreachable', { detail, cause: error });
}

/** The innermost message: `fetch failed` says nothing, its cause (`connect ECONNREFUSED 127.0.0.1:8443`) does. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'the connection failed';
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message || 'the connection failed';
}

function parseAnswer(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new StrongroomError('answer.invalid', { detail: 'the answer is not JSON', cause });
  }
}
