/**
 * One HTTP exchange with the outside, bounded on every side: where it may go, how long it may take, how much may come back.
 *
 * No redirect is followed, no compressed answer is taken, the certificate is always checked, and of a failure nothing is kept but
 * its kind: what a stranger answered may hold what it was sent.
 */
import { lookup } from 'node:dns';
import {
  Agent as PlainAgent,
  request as requestPlain,
  type ClientRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import { Agent as TlsAgent, request as requestTls } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { StrongroomError } from '../errors.ts';
import { networkOf, type Network } from './address.ts';
import type { Timer } from '../timer.ts';

/** A place that the configuration names: nothing connects anywhere else. */
export interface Place {
  readonly url: URL;
  readonly network: Network;
  /** PEM of the certificate authority to trust there instead of the platform's. */
  readonly ca?: string;
}

export interface Outgoing {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly answerBytesMax: number;
  readonly timeoutMs: number;
}

export interface Answered {
  readonly kind: 'answer';
  readonly status: number;
  readonly body: Uint8Array;
  /** Seconds the other side asked to wait. */
  readonly retryAfterS: number | null;
}

export interface Failed {
  readonly kind: 'failure';
  readonly reason: 'timeout' | 'connection' | 'certificate' | 'too_large' | 'encoding';
}

export type Exchanged = Answered | Failed;

/** Asked for the addresses of a name; tests answer themselves. */
export type Resolve = (name: string) => Promise<readonly string[]>;

export const resolveName: Resolve = (name) =>
  new Promise((resolve, reject) =>
    lookup(name, { all: true, verbatim: true }, (error, found) =>
      error === null ? resolve(found.map(({ address }) => address)) : reject(error),
    ),
  );

/** Connections to one place, kept open between exchanges. */
export class Line {
  readonly #place: Place;
  readonly #resolve: Resolve;
  readonly #timer: Timer;
  readonly #agent: PlainAgent | TlsAgent;

  constructor(place: Place, { resolve, timer }: { resolve: Resolve; timer: Timer }) {
    this.#place = place;
    this.#resolve = resolve;
    this.#timer = timer;
    const options = { keepAlive: true, maxFreeSockets: 2 };
    this.#agent = isTls(place) ? new TlsAgent(options) : new PlainAgent(options);
  }

  /** Throws `egress.refused` where the place does not lie in its network; answers every other failure as its kind. */
  post(outgoing: Outgoing): Promise<Exchanged> {
    return new Promise((resolve, reject) => {
      let req: ClientRequest | null = null;
      let isOver = false;
      const end = (exchanged: Exchanged): void => {
        isOver = true;
        deadline.cancel();
        resolve(exchanged);
        if (exchanged.kind === 'failure') req?.destroy();
      };
      const fail = (reason: Failed['reason']): void => end({ kind: 'failure', reason });
      const deadline = this.#timer.after(outgoing.timeoutMs, () => fail('timeout'));
      const begin = (addresses: readonly string[]): void => {
        if (isOver) return;
        const make = isTls(this.#place) ? requestTls : requestPlain;
        req = make(this.#place.url, this.#options(outgoing, addresses));
        req.on('error', (error) => fail(reasonOf(error)));
        req.on('response', (res) => receive(res, outgoing.answerBytesMax, end));
        req.end(outgoing.body);
      };
      const stop = (error: unknown): void => {
        deadline.cancel();
        // A name that does not resolve is a failed connection; one that leads where it may not is refused.
        if (error instanceof StrongroomError) reject(error);
        else fail('connection');
      };
      this.#addresses().then(begin).catch(stop);
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  #options({ headers, body }: Outgoing, addresses: readonly string[]): RequestOptions {
    const { ca } = this.#place;
    return {
      method: 'POST',
      agent: this.#agent,
      lookup: fixedLookup(addresses),
      headers: { ...headers, 'accept-encoding': 'identity', 'content-length': body.length },
      ...(ca === undefined ? {} : { ca }),
    };
  }

  async #addresses(): Promise<readonly string[]> {
    const { url, network } = this.#place;
    const name = url.hostname.replace(/^\[|\]$/g, '');
    const all = isIP(name) === 0 ? await this.#resolve(name) : [name];
    const allowed = all.filter((address) => networkOf(address) === network);
    if (all.length > 0 && allowed.length === 0)
      throw new StrongroomError('egress.refused', `${url.hostname} does not lie in the ${network} network`);
    return allowed;
  }
}

const isTls = ({ url }: Place): boolean => url.protocol === 'https:';

/** Answers the addresses that were checked, whatever the name says by now. */
const fixedLookup =
  (addresses: readonly string[]): LookupFunction =>
  (_name, options, callback) => {
    const found = addresses.map((address) => ({ address, family: isIP(address) }));
    const [first] = found;
    if (first === undefined) callback(Object.assign(new Error('no address'), { code: 'ENOTFOUND' }), '');
    else if (options.all === true) callback(null, found);
    else callback(null, first.address, first.family);
  };

function receive(res: IncomingMessage, bytesMax: number, end: (exchanged: Exchanged) => void): void {
  const chunks: Buffer[] = [];
  let size = 0;
  const encoding = res.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') {
    end({ kind: 'failure', reason: 'encoding' });
    return;
  }
  res.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > bytesMax) end({ kind: 'failure', reason: 'too_large' });
    else chunks.push(chunk);
  });
  res.on('error', () => end({ kind: 'failure', reason: 'connection' }));
  res.on('close', () => end({ kind: 'failure', reason: 'connection' }));
  res.on('end', () =>
    end({
      kind: 'answer',
      status: res.statusCode ?? 0,
      body: Buffer.concat(chunks),
      retryAfterS: secondsOf(res.headers['retry-after']),
    }),
  );
}

const secondsOf = (header: string | undefined): number | null =>
  header !== undefined && /^\d{1,9}$/.test(header) ? Number(header) : null;

/** Node's codes for a certificate that is not trusted, has ended, or is another name's. */
const CERTIFICATE = /^(ERR_TLS_CERT|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_SSL)/;

const reasonOf = (error: NodeJS.ErrnoException): Failed['reason'] =>
  CERTIFICATE.test(error.code ?? '') ? 'certificate' : 'connection';
