/**
 * Who may connect, and when: the first thing that happens to a connection, before any of its bytes cost a handshake.
 *
 * A handshake is the one expensive thing that anybody can ask for without knowing a secret. So each neighbour (an address,
 * or the /64 of an IPv6 address) has a number of connections it may hold, and a budget of new ones. Who is over the budget
 * waits its turn and is then served; only what does not even fit among those that wait is dropped. A connection that ended
 * without a request, or was ended for what it sent, is charged several times: who only costs gets less and less. One on
 * which somebody signed in costs nothing, so that a proxy which connects anew for each request is not held up.
 *
 * Not limited is the address that a proxy on this machine has, because then it is everybody's.
 */
import type { Socket } from 'node:net';
import { ipPrefix, plainAddress } from './address.ts';
import { TokenBuckets, type Rate } from './token-buckets.ts';

export interface GateLimits {
  /** At a time, those that wait among them. */
  readonly connectionsMax: number;
  readonly waitingMax: number;
  readonly connections: Rate;
  /** Of one neighbour between two looks: what it may open at once still comes one after the other. */
  readonly perLook: number;
  /** What a connection that was good for nothing costs beside itself. */
  readonly fine: number;
}

export class Gate {
  readonly #limits: GateLimits;
  readonly #buckets: TokenBuckets;
  readonly #admit: (socket: Socket) => void;
  readonly #open = new Map<string, number>();
  readonly #waiting = new Map<string, Socket[]>();
  /** How many were admitted since the last look. */
  readonly #admitted = new Map<string, number>();
  /** Connections, by address and port, on which there was a request, and whether it was by somebody who is known. */
  readonly #used = new Map<string, 'asked' | 'signed in'>();

  constructor(limits: GateLimits, now: () => number, admit: (socket: Socket) => void) {
    this.#limits = limits;
    this.#buckets = new TokenBuckets(limits.connections, now);
    this.#admit = admit;
  }

  /** Whether there is something to `look` after. */
  get isCrowded(): boolean {
    return this.#waiting.size > 0 || this.#admitted.size > 0;
  }

  arrive(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    if (isEverybody(address)) return this.#admit(socket);
    const neighbour = ipPrefix(address);
    const open = this.#open.get(neighbour) ?? 0;
    const line = this.#waiting.get(neighbour) ?? [];
    // A reset while it waits is nobody else's to handle.
    socket.on('error', () => undefined);
    if (open >= this.#limits.connectionsMax || line.length >= this.#limits.waitingMax) {
      socket.destroy();
      return;
    }
    this.#open.set(neighbour, open + 1);
    const name = nameOf(socket);
    socket.once('close', () => this.#left(neighbour, name));
    if (line.length === 0 && this.#isTurnOf(neighbour)) this.#admit(socket);
    else this.#waiting.set(neighbour, [...line, socket]);
  }

  /** Admits those whose turn has come. */
  look(): void {
    this.#admitted.clear();
    for (const [neighbour, line] of this.#waiting) {
      while (line.length > 0) {
        if (line[0]?.destroyed !== true && !this.#isTurnOf(neighbour)) break;
        const socket = line.shift();
        if (socket !== undefined && !socket.destroyed) this.#admit(socket);
      }
      if (line.length === 0) this.#waiting.delete(neighbour);
    }
  }

  /** Drops those that wait: nobody is let in any more. */
  close(): void {
    const lines = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const socket of lines.flat()) socket.destroy();
  }

  /** A request came in over it. */
  used(socket: Pick<Socket, 'remoteAddress' | 'remotePort'>): void {
    // One that has closed already would never be taken out again.
    if (!this.#used.has(nameOf(socket)) && this.#open.has(ipPrefix(socket.remoteAddress ?? '')))
      this.#used.set(nameOf(socket), 'asked');
  }

  /** Whoever asked over it signed in. */
  signedIn(socket: Pick<Socket, 'remoteAddress' | 'remotePort'>): void {
    if (this.#used.get(nameOf(socket)) !== 'asked') return;
    this.#used.set(nameOf(socket), 'signed in');
    this.#buckets.refund(ipPrefix(socket.remoteAddress ?? ''));
  }

  /** It is ended for what it sent. */
  fine(address: string): void {
    if (!isEverybody(address)) this.#buckets.fine(ipPrefix(address), this.#limits.fine);
  }

  #isTurnOf(neighbour: string): boolean {
    const admitted = this.#admitted.get(neighbour) ?? 0;
    if (admitted >= this.#limits.perLook || this.#buckets.take(neighbour).waitS > 0) return false;
    this.#admitted.set(neighbour, admitted + 1);
    return true;
  }

  #left(neighbour: string, name: string): void {
    const open = (this.#open.get(neighbour) ?? 1) - 1;
    if (open === 0) this.#open.delete(neighbour);
    else this.#open.set(neighbour, open);
    if (!this.#used.delete(name)) this.#buckets.fine(neighbour, this.#limits.fine);
  }
}

/** What connects from this machine itself has this address, whichever of the machine's it connects to. */
export const isEverybody = (address: string): boolean => {
  const plain = plainAddress(address);
  return plain === '127.0.0.1' || plain === '::1';
};

const nameOf = ({ remoteAddress, remotePort }: Pick<Socket, 'remoteAddress' | 'remotePort'>): string =>
  `${plainAddress(remoteAddress ?? '')} ${remotePort ?? 0}`;
