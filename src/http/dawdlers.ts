/**
 * Ends exchanges that do not get on: a body that trickles in, an answer that nobody takes. Node's own time-outs are for a
 * whole request, however large it may rightly be, and there is none for an answer; what counts here is progress.
 *
 * An exchange is looked at only while the other side has to do something: send the rest of its body, or take what has been
 * written. Somebody who waits for the server is never a dawdler, however long it takes.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export interface DawdleLimits {
  /** In each window of this length … */
  readonly windowMs: number;
  /** … at least so many bytes must pass. */
  readonly bytesMin: number;
}

interface Exchange {
  readonly req: Pick<IncomingMessage, 'complete' | 'readableFlowing'>;
  readonly res: Pick<ServerResponse, 'writableLength'> & {
    once(event: 'close', listener: () => void): unknown;
  };
}

interface Watched {
  /** Null between one exchange and the next. */
  exchange: Exchange | null;
  /** Null while the other side has nothing to do. */
  since: { readonly atMs: number; readonly bytes: number } | null;
}

type Watchable = Pick<Socket, 'bytesRead' | 'bytesWritten' | 'writableLength'>;

export class Dawdlers<S extends Watchable = Socket> {
  readonly #limits: DawdleLimits;
  readonly #now: () => number;
  /**
   * A connection stays until the next look after its exchange. A map that each exchange entered and left would keep requests that
   * are long over from the collector of young objects, through the tables it has grown out of (decision 111).
   */
  readonly #watched = new Map<S, Watched>();

  constructor(limits: DawdleLimits, now: () => number) {
    this.#limits = limits;
    this.#now = now;
  }

  /** From now until the answer has gone out or its connection is closed. */
  watch(socket: S, req: Exchange['req'], res: Exchange['res']): void {
    const exchange = { req, res };
    const watched = this.#watched.get(socket) ?? { exchange, since: null };
    watched.exchange = exchange;
    watched.since = null;
    this.#watched.set(socket, watched);
    res.once('close', () => {
      // With requests in a row the next one may be here already.
      if (watched.exchange === exchange) watched.exchange = null;
    });
  }

  /** Those that did not get on, and what was waited for. */
  look(): readonly { readonly socket: S; readonly owes: 'body' | 'answer' }[] {
    const now = this.#now();
    const found: { socket: S; owes: 'body' | 'answer' }[] = [];
    for (const [socket, watched] of this.#watched) {
      const { exchange } = watched;
      if (exchange === null) {
        this.#watched.delete(socket);
        continue;
      }
      const owes = owesOf(socket, exchange);
      const bytes = socket.bytesRead + socket.bytesWritten - socket.writableLength;
      if (owes === null) watched.since = null;
      else if (watched.since === null) watched.since = { atMs: now, bytes };
      else if (now - watched.since.atMs >= this.#limits.windowMs) {
        if (bytes - watched.since.bytes < this.#limits.bytesMin) {
          this.#watched.delete(socket);
          found.push({ socket, owes });
        } else watched.since = { atMs: now, bytes };
      }
    }
    return found;
  }
}

function owesOf(socket: Watchable, { req, res }: Exchange): 'body' | 'answer' | null {
  if (socket.writableLength > 0 || res.writableLength > 0) return 'answer';
  // A body that the server does not read yet, or reads slowly on purpose, is not waited for.
  return !req.complete && req.readableFlowing === true ? 'body' : null;
}
