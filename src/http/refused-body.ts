/**
 * What becomes of a body that nobody wants: the answer was given before it was read, because its sender may not, or it
 * is too large. Node would read and throw away all of it, at the sender's leisure and at our expense.
 *
 * So much is read that a client which sends first and listens then gets its answer, and the connection goes on. What is
 * longer is left unread, for as long as the answer may take to arrive, and then the connection is closed.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';

const READ_BYTES_MAX = 256 * 1024;
const LINGER_MS = 1_000;

/** To be called before the answer goes out. */
export function boundRest(req: IncomingMessage, res: ServerResponse): void {
  const { socket } = req;
  // What was put in without a connection arrived whole.
  if (req.complete || !hasBody(req) || !(socket instanceof Socket)) return;
  let left = READ_BYTES_MAX;
  // Whoever listened until now wants nothing more of it.
  req.removeAllListeners('data');
  req.on('data', (chunk: Uint8Array) => {
    left -= chunk.length;
    if (left < 0) req.pause();
  });
  res.once('finish', () => {
    const timer = setTimeout(() => {
      if (!req.complete) socket.destroy();
    }, LINGER_MS);
    req.once('end', () => clearTimeout(timer));
    socket.once('close', () => clearTimeout(timer));
  });
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
