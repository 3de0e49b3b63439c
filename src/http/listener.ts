/**
 * The socket: TLS, time-outs and limits of what may arrive before a route is reached.
 *
 * Invariants: plain HTTP on a loopback address only; a peer that sends slowly, too much, or not HTTP is answered with a
 * problem document where an answer is still possible, and dropped.
 */
import { constants } from 'node:crypto';
import type { Server, ServerOptions as HttpOptions, ServerResponse } from 'node:http';
import type { ServerOptions as HttpsOptions } from 'node:https';
import type { Socket } from 'node:net';
import { Server as SecureServer } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import { isLoopback } from '../config.ts';
import { StrongroomError } from '../errors.ts';
import { SECURITY_HEADERS, TRANSPORT_SECURITY } from './headers.ts';
import { problemHeaders, problemOf, toStrongroomError } from './problem.ts';

export const LISTENER_LIMITS = {
  headersTimeoutMs: 10_000,
  /** The whole request with its body. */
  requestTimeoutMs: 60_000,
  keepAliveTimeoutMs: 30_000,
  handshakeTimeoutMs: 10_000,
  /** How often the time-outs above are looked at. */
  checkIntervalMs: 2_000,
  headerBytesMax: 16 * 1024,
  headersMax: 100,
  connectionsMax: 2_048,
  /** Of one neighbour. */
  gate: {
    connectionsMax: 256,
    waitingMax: 64,
    connections: { perSecond: 50, burst: 64 },
    perLook: 1,
    fine: 9,
  },
  /** What must pass in a window while the other side has to send or to take something. */
  dawdling: { windowMs: 10_000, bytesMin: 10 * 1024 },
  /** Of large bodies, by one principal while others ask. */
  bodyBytesPerSecond: 16 * 1024 * 1024,
} as const;

export interface TlsMaterial {
  /** PEM: the server's certificate, and those between it and the CA. */
  readonly certificate: string;
  /** PEM. */
  readonly key: string;
}

export type TlsMinimum = '1.2' | '1.3';

/** AES-256 first. The TLS 1.2 suites (named exception) all have forward secrecy and are authenticated. */
const CIPHERS_13 = ['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256'];
/**
 * Groups of at least 128 bits, the hybrid one first, which also holds against those who record now and compute later. None
 * over finite fields: those are the ones where a client makes the server work hardest.
 */
const GROUPS = ['X25519MLKEM768', 'X25519', 'P-256', 'P-384'];
const CIPHERS_12 = ['ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES256-GCM-SHA384'];

export function httpOptions(): HttpOptions {
  return {
    headersTimeout: LISTENER_LIMITS.headersTimeoutMs,
    requestTimeout: LISTENER_LIMITS.requestTimeoutMs,
    keepAliveTimeout: LISTENER_LIMITS.keepAliveTimeoutMs,
    connectionsCheckingInterval: LISTENER_LIMITS.checkIntervalMs,
    maxHeaderSize: LISTENER_LIMITS.headerBytesMax,
    // Nothing here depends on Host, and Node's own refusal is no problem document.
    requireHostHeader: false,
    insecureHTTPParser: false,
  };
}

export function httpsOptions(material: TlsMaterial, minimum: TlsMinimum): HttpsOptions {
  return {
    ...httpOptions(),
    ...secureContextOf(material, minimum),
    honorCipherOrder: true,
    handshakeTimeout: LISTENER_LIMITS.handshakeTimeoutMs,
    ALPNProtocols: ['http/1.1'],
  };
}

/** Also for `setSecureContext`, when a certificate was renewed while the server runs. */
export const secureContextOf = ({ certificate, key }: TlsMaterial, minimum: TlsMinimum) => ({
  cert: certificate,
  key,
  minVersion: `TLSv${minimum}` as const,
  ecdhCurve: GROUPS.join(':'),
  // TLS 1.2 would let a client ask for one handshake after the other on the same connection.
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
  ciphers: (minimum === '1.3' ? CIPHERS_13 : [...CIPHERS_13, ...CIPHERS_12]).join(':'),
});

/** Plain HTTP may be asked for on a loopback address only. */
export function checkExposure(host: string, isSecure: boolean): void {
  if (!isSecure && !isLoopback(host))
    throw new StrongroomError(
      'tls.required',
      `plain HTTP is served on a loopback address only, not on ${host}`,
    );
}

/** Answers what Node's parser refuses: not HTTP, headers too large, too slow. */
export function answerClientError(error: Error, socket: Socket, isSecure: boolean): void {
  if (('code' in error && error.code === 'ECONNRESET') || !socket.writable) {
    socket.destroy();
    return;
  }
  const refused = toStrongroomError(error);
  const shown =
    refused.code === 'internal'
      ? new StrongroomError('request.invalid', 'this is not well-formed HTTP/1.1')
      : refused;
  const { headers, body } = lastAnswer(shown, isSecure);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  socket.write(
    `HTTP/1.1 ${shown.status} ${REASONS[shown.status] ?? 'Error'}\r\n${lines.join('\r\n')}\r\n\r\n${body}`,
  );
  // Not only ended: nobody reads from it any more, so it would not be noticed when the other side hangs up, or does not.
  socket.destroySoon();
}

/** `Expect` of anything but `100-continue`. */
export function refuseExpectation(res: ServerResponse, isSecure: boolean): void {
  const error = new StrongroomError('request.invalid', 'Expect is not supported');
  const { headers, body } = lastAnswer(error, isSecure);
  res.writeHead(error.status, headers).end(body);
}

/** A problem document outside of any route, after which the connection is closed. */
function lastAnswer(error: StrongroomError, isSecure: boolean) {
  const body = JSON.stringify(problemOf(error));
  const headers = {
    ...SECURITY_HEADERS,
    ...(isSecure ? TRANSPORT_SECURITY : {}),
    ...problemHeaders(error),
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  };
  return { headers, body };
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Content Too Large',
  431: 'Request Header Fields Too Large',
};

/** Begins to listen; resolves to the port (given `0`: the one the system chose). */
export async function listen(app: FastifyInstance, host: string, port: number): Promise<number> {
  try {
    await app.listen({ host, port });
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : '';
    if (code === 'EADDRINUSE')
      throw new StrongroomError('port.taken', { detail: `port ${port} on ${host} is taken`, cause });
    if (code === 'EACCES')
      throw new StrongroomError('config.invalid', {
        detail: `port ${port} may not be used by this user`,
        cause,
      });
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
      throw new StrongroomError('config.invalid', {
        detail: `${host} is not an address of this machine`,
        cause,
      });
    throw cause;
  }
  const address = app.server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}

/** New connections get the new certificate; those that are open keep theirs. */
export function renewSecureContext(app: FastifyInstance, material: TlsMaterial, minimum: TlsMinimum): void {
  const server: Server | SecureServer = app.server;
  if (server instanceof SecureServer) server.setSecureContext(secureContextOf(material, minimum));
}
