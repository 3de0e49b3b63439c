/** A `fetch` that reaches a server's routes in its own process: everything but the socket is the real thing. */
import type { Fetch } from '@strongroom/client';
import type { FastifyInstance } from 'fastify';

export const INJECTED_URL = 'http://127.0.0.1';
/** Where a check's requests come from, as far as the server can tell: nobody else shares its budget. */
export const INJECTED_ADDRESS = '127.0.0.77';

export const injectFetch =
  (app: FastifyInstance): Fetch =>
  async (url, { method, headers, body, signal }) => {
    signal.throwIfAborted();
    const { pathname, search } = new URL(url);
    const response = await app.inject({
      method: method as 'GET',
      url: pathname + search,
      headers,
      remoteAddress: INJECTED_ADDRESS,
      ...(body === undefined ? {} : { payload: body }),
    });
    const { statusCode, rawPayload } = response;
    return {
      status: statusCode,
      headers: {
        get: (name) => {
          const value = response.headers[name.toLowerCase()];
          return value === undefined ? null : String(value);
        },
      },
      text: () => Promise.resolve(response.body),
      // eslint-disable-next-line @typescript-eslint/require-await -- a body is asynchronous, whatever it holds
      body: (async function* () {
        yield new Uint8Array(rawPayload);
      })(),
    };
  };
