/** Connections to a server's own listener and to nowhere else: handshakes, and bytes that no client would send. */
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls, type SecureVersion, type TLSSocket } from 'node:tls';
import { DAY_MS } from '../durations.ts';
import type { Listener } from './world.ts';

export type TlsVersion = '1.0' | '1.1' | '1.2' | '1.3';

export interface Handshake {
  readonly version: TlsVersion;
  /** `refused` by an alert of the server; `failed` for any other reason, which tells nothing. */
  readonly outcome: 'done' | 'refused' | 'failed';
  readonly cipher: string;
  /** Days until the certificate ends; 0 without a handshake. */
  readonly daysLeft: number;
  readonly detail: string;
}

const WAIT_MS = 5_000;
/** The server answered, and what it answered is that it does not speak that version. */
const REFUSALS = /ALERT_PROTOCOL_VERSION|ALERT_HANDSHAKE_FAILURE/;

/** Where a listener can be reached from its own machine. */
const addressOf = ({ host, port }: Listener): { host: string; port: number } => ({
  host: host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host,
  port,
});

const optionsOf = (listener: Listener, version: TlsVersion) => {
  const protocol: SecureVersion = version === '1.0' ? 'TLSv1' : `TLSv${version}`;
  return {
    ...addressOf(listener),
    minVersion: protocol,
    maxVersion: protocol,
    // Whatever this side could refuse by itself it must not, or the server would not be asked.
    ...(version === '1.3' ? {} : { ciphers: 'ALL:@SECLEVEL=0' }),
    ...(listener.ca === null ? {} : { ca: listener.ca }),
  };
};

/** Tries a handshake in exactly that version, the certificate checked. */
export function handshake(listener: Listener, version: TlsVersion, nowMs: number): Promise<Handshake> {
  return new Promise((resolve) => {
    const socket = connectTls(optionsOf(listener, version));
    const end = (outcome: Handshake['outcome'], detail: string): void => {
      socket.destroy();
      resolve({ version, outcome, detail, cipher: '', daysLeft: 0 });
    };
    socket.setTimeout(WAIT_MS, () => end('failed', 'no answer'));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      end(REFUSALS.test(error.code ?? '') ? 'refused' : 'failed', error.code ?? error.message),
    );
    socket.once('secureConnect', () => {
      const { valid_to: end } = socket.getPeerCertificate();
      const daysLeft = Math.floor((Date.parse(end) - nowMs) / DAY_MS);
      const { name } = socket.getCipher();
      socket.destroy();
      resolve({ version, outcome: 'done', cipher: name, daysLeft, detail: '' });
    });
  });
}

export interface Exchange {
  readonly answer: string;
  /** Whether the server ended the connection, and after how long. */
  readonly isEnded: boolean;
  readonly ms: number;
}

/** Writes bytes, in the clear or over TLS 1.3, and listens until the other side ends or the time is over. */
export async function send(
  listener: Listener,
  bytes: string,
  { isSecure, waitMs = WAIT_MS }: { readonly isSecure: boolean; readonly waitMs?: number },
): Promise<Exchange> {
  const since = performance.now();
  const socket: Socket | TLSSocket = isSecure
    ? connectTls(optionsOf(listener, '1.3'))
    : connectPlain(addressOf(listener));
  return new Promise((resolve) => {
    let answer = '';
    const end = (isEnded: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ answer, isEnded, ms: performance.now() - since });
    };
    const timer = setTimeout(() => end(false), waitMs);
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => (answer += text));
    socket.once('error', () => end(true));
    socket.once('close', () => end(true));
    socket.once(isSecure ? 'secureConnect' : 'connect', () => void socket.write(bytes, 'latin1'));
  });
}

/** Begins a connection and gives it up: what a sabotage does to be heard. */
export function knock(place: { readonly host: string; readonly port: number }): void {
  const socket = connectPlain(place);
  socket.on('error', () => undefined);
  // One turn later, because the attempt itself is made in the next tick.
  setImmediate(() => socket.destroy());
}
