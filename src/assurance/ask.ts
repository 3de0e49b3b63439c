/** One request as it goes over the wire, for checks that look at what the client hides: status, headers, refusals. */
import type { World } from './world.ts';

export interface Ask {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  /** Sent as it is, in place of `body`. */
  readonly raw?: string;
  readonly apiKey?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Reply {
  readonly status: number;
  readonly header: (name: string) => string | null;
  readonly text: string;
  /** Null where the answer is no JSON. */
  readonly json: Readonly<Record<string, unknown>> | null;
}

export async function ask(
  world: World,
  { method, path, body, raw, apiKey, headers = {} }: Ask,
): Promise<Reply> {
  const text = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  const answer = await world.fetch(world.url + path, {
    method,
    headers: {
      'strongroom-purpose': world.purpose,
      ...(apiKey === undefined || apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }),
      ...(text === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(text === undefined ? {} : { body: text }),
    signal: AbortSignal.timeout(30_000),
    redirect: 'error',
    credentials: 'omit',
    cache: 'no-store',
  });
  const answered = await answer.text();
  return {
    status: answer.status,
    header: (name) => answer.headers.get(name),
    text: answered,
    json: parsed(answered),
  };
}

function parsed(text: string): Reply['json'] {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Reply['json']) : null;
  } catch {
    return null;
  }
}

/** The code of a problem document; empty where the answer is none. */
export function codeOf({ json }: Reply): string {
  const code = json?.['code'];
  return typeof code === 'string' ? code : '';
}
