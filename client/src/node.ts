/**
 * For Node only (`@strongroom/client/node`): a `fetch` over node:https that trusts the CA of a deployment, and a
 * client from the three variables that `strongroom init` prints:
 *
 *     import { connect } from '@strongroom/client/node';
 *     const vault = connect().vault('default');
 *
 * With a CA given, that one is trusted and no other, and no setting of this module or of the process
 * (NODE_TLS_REJECT_UNAUTHORIZED) turns the check off.
 */
import { readFileSync } from 'node:fs';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { StrongroomError } from './errors.ts';
import type { Fetch, FetchAnswer, FetchInit } from './fetch.ts';
import { Strongroom } from './strongroom.ts';
import type { StrongroomOptions } from './transport.ts';

export interface NodeFetchOptions {
  /** Certificates in PEM, the only ones trusted; by default those that Node trusts. */
  readonly ca?: string | undefined;
  /** Connections kept open at the same time; 64 by default. */
  readonly socketsMax?: number | undefined;
}

export interface NodeFetch extends Fetch {
  /** Closes the connections that are kept open. */
  close(): void;
}

/** What OpenSSL says of a certificate that the given CA did not sign, for another host, or out of its time. */
const UNTRUSTED =
  /^(CERT_|UNABLE_TO_|SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED|ERR_TLS_CERT_ALTNAME_INVALID|INVALID_CA|HOSTNAME_MISMATCH)/;

export function createNodeFetch(options: NodeFetchOptions = {}): NodeFetch {
  const { ca, socketsMax = 64 } = options;
  const shared = { keepAlive: true, maxSockets: socketsMax };
  const plain = new HttpAgent(shared);
  const secure = new HttpsAgent({
    ...shared,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ...(ca === undefined ? {} : { ca }),
  });
  const fetch: Fetch = (url, init) => {
    init.signal.throwIfAborted();
    return send(url, init, url.startsWith('https:') ? secure : plain);
  };
  return Object.assign(fetch, {
    close: () => {
      plain.destroy();
      secure.destroy();
    },
  });
}

/** A client from STRONGROOM_URL, STRONGROOM_API_KEY and STRONGROOM_CA (the path of a PEM file), each replaceable. */
export function connect(
  options: Partial<StrongroomOptions> & NodeFetchOptions = {},
  variables: Readonly<Record<string, string | undefined>> = process.env,
): Strongroom {
  const url = options.url ?? variables['STRONGROOM_URL'];
  if (url === undefined || url === '')
    throw new StrongroomError('config.invalid', 'STRONGROOM_URL is not set');
  const caPath = variables['STRONGROOM_CA'];
  const ca = options.ca ?? (caPath === undefined || caPath === '' ? undefined : readCa(caPath));
  return new Strongroom({
    ...options,
    url,
    apiKey: options.apiKey ?? (variables['STRONGROOM_API_KEY'] || undefined),
    fetch: options.fetch ?? createNodeFetch({ ca, socketsMax: options.socketsMax }),
  });
}

/** The text of a CA file; `config.invalid` says which file it is that cannot be read. */
export function readCa(path: string): string {
  let pem: string;
  try {
    pem = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new StrongroomError('config.invalid', { detail: `the CA file ${path} cannot be read`, cause });
  }
  if (!pem.includes('-----BEGIN CERTIFICATE-----'))
    throw new StrongroomError('config.invalid', `the CA file ${path} holds no certificate in PEM`);
  return pem;
}

function send(url: string, init: FetchInit, agent: HttpAgent | HttpsAgent): Promise<FetchAnswer> {
  return new Promise((resolve, reject) => {
    const request = url.startsWith('https:') ? httpsRequest : httpRequest;
    const body = init.body === undefined ? undefined : Buffer.from(init.body, 'utf8');
    const headers = { ...init.headers, ...(body === undefined ? {} : { 'content-length': body.length }) };
    const outgoing = request(
      url,
      { method: init.method, headers, agent, signal: init.signal },
      (incoming) => {
        resolve(answerOf(incoming));
      },
    );
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      reject(UNTRUSTED.test(error.code ?? '') ? untrusted(url, error) : error);
    });
    outgoing.end(body);
  });
}

function answerOf(incoming: IncomingMessage): FetchAnswer {
  return {
    status: incoming.statusCode ?? 0,
    headers: {
      get: (name) => {
        const value = incoming.headers[name.toLowerCase()];
        return value === undefined ? null : String(value);
      },
    },
    body: incoming,
    // An IncomingMessage whose connection is lost half-way ends its iteration with an error, so no cut text comes out.
    text: async () => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of incoming) chunks.push(chunk as Uint8Array);
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks));
    },
  };
}

const untrusted = (url: string, cause: NodeJS.ErrnoException): StrongroomError =>
  new StrongroomError('server.untrusted', {
    detail: `${new URL(url).host} showed a certificate that is not trusted here (${cause.code})`,
    cause,
  });
