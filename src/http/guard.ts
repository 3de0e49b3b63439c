/**
 * What watches over a server's connections from outside of any request: who may connect (gate.ts), who does not get on
 * (dawdlers.ts). The rules are there; here they are tied to Node's servers and to timers.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Dawdlers } from './dawdlers.ts';
import { Gate } from './gate.ts';
import { answerClientError, LISTENER_LIMITS } from './listener.ts';

/** With one at a look, nobody waits for more than one handshake of the same neighbour's. */
const GATE_LOOK_MS = 5;

export interface GuardOptions {
  readonly now: () => number;
  readonly isSecure: boolean;
}

/** To be called before the server listens. Returns the gate, which others may tell of abuse. */
export function guardConnections(server: Server, { now, isSecure }: GuardOptions): Gate {
  server.maxHeadersCount = LISTENER_LIMITS.headersMax;
  server.maxConnections = LISTENER_LIMITS.connectionsMax;
  const gate = gateBefore(server, now);
  const reset = resets(server);
  const dawdlers = new Dawdlers(LISTENER_LIMITS.dawdling, now);
  server.on('request', (req: IncomingMessage, res: ServerResponse) => {
    gate.used(req.socket);
    dawdlers.watch(req.socket, req, res);
  });
  // A connection that nobody used: perhaps because the last answer still has not been read.
  server.on('timeout', reset);
  server.once('listening', () => {
    const timer = setInterval(() => {
      for (const { socket, owes } of dawdlers.look()) {
        gate.fine(socket.remoteAddress ?? '');
        if (owes === 'body') answerClientError(late(), socket, isSecure);
        else reset(socket);
      }
    }, LISTENER_LIMITS.checkIntervalMs).unref();
    server.once('close', () => clearInterval(timer));
  });
  return gate;
}

/** Puts the gate between the server and its own handling of connections, where a handshake would begin. */
function gateBefore(server: Server, now: () => number): Gate {
  const begin = server.listeners('connection');
  server.removeAllListeners('connection');
  const admit = (socket: Socket): void => begin.forEach((listener) => listener.call(server, socket));
  const gate = new Gate(LISTENER_LIMITS.gate, now, admit);
  let timer: NodeJS.Timeout | null = null;
  server.on('connection', (socket: Socket) => {
    gate.arrive(socket);
    if (timer !== null || !gate.isCrowded) return;
    timer = setInterval(() => {
      gate.look();
      if (gate.isCrowded || timer === null) return;
      clearInterval(timer);
      timer = null;
    }, GATE_LOOK_MS).unref();
  });
  return gate;
}

/**
 * Ends connections so that nothing is left of them. Closed in the usual way, what was not read yet would stay in the
 * system's memory for as long as the other side likes, and a slow reader would hold it after being cut off.
 */
function resets(server: Server): (socket: Socket) => void {
  const nameOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
  const open = new Map<string, Socket>();
  server.on('connection', (socket: Socket) => {
    const name = nameOf(socket);
    open.set(name, socket);
    socket.once('close', () => open.delete(name));
  });
  // Over TLS what is known of is a layer above the connection, which cannot be reset.
  return (socket) => void (open.get(nameOf(socket)) ?? socket).resetAndDestroy();
}

const late = (): Error =>
  Object.assign(new Error('the body did not get on'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
