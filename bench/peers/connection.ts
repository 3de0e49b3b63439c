/**
 * One kept connection to a server, as bare as HTTP/1.1 allows: whole requests go out as they were made beforehand, and of an
 * answer its status and its body are read. Whoever measures a server on the machine it runs on takes from it what the
 * measuring costs; a full client took as much processor time as a third of a search.
 */
import { once } from 'node:events';
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

export interface Place {
  readonly url: string;
  /** The certificate authority of an HTTPS server; null for plain HTTP. */
  readonly ca: string | null;
}

interface Asked {
  resolve(body: Buffer): void;
  reject(error: Error): void;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const READ_BYTES = 64 * 1024;

/** The bytes of a request that is sent again and again. */
export function requestOf(
  path: string,
  body: Buffer,
  headers: { readonly host: string; readonly authorization?: string },
): Buffer {
  const lines = [
    `POST ${path} HTTP/1.1`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    'content-type: application/json',
    `content-length: ${body.length}`,
  ];
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body]);
}

export class Connection {
  readonly #socket: Socket;
  /** What has come of an answer whose head is not whole. */
  #head: Buffer | null = null;
  #body: Buffer | null = null;
  #length = 0;
  #status = 0;
  #asked: Asked | null = null;

  private constructor({ url, ca }: Place) {
    const { hostname: host, port } = new URL(url);
    // Bytes come into the same memory each time: no stream makes buffers of its own for them.
    const onread = {
      buffer: Buffer.alloc(READ_BYTES),
      callback: (count: number, buffer: Uint8Array): boolean => {
        this.#read(Buffer.from(buffer.buffer, buffer.byteOffset, count));
        return true;
      },
    };
    const place = { host, port: Number(port), onread };
    this.#socket = ca === null ? connectPlain(place) : connectTls({ ...place, ca });
    this.#socket.setNoDelay(true);
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('the server ended the connection')));
  }

  static async open(place: Place): Promise<Connection> {
    const connection = new Connection(place);
    await once(connection.#socket, place.ca === null ? 'connect' : 'secureConnect');
    return connection;
  }

  /** The body of the answer; rejects on any status but 200 and 201. One question at a time. */
  ask(request: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#asked = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  /** @param bytes used again after this. */
  #read(bytes: Buffer): void {
    const rest = this.#body === null ? this.#readHead(bytes) : bytes;
    if (this.#body === null) return;
    rest.copy(this.#body, this.#length);
    this.#length += rest.length;
    if (this.#length < this.#body.length) return;
    const [asked, body] = [this.#asked, this.#body];
    this.#asked = this.#body = null;
    if (this.#status === 200 || this.#status === 201) asked?.resolve(body);
    else asked?.reject(new Error(`answered ${this.#status}: ${body.toString('utf8').slice(0, 300)}`));
  }

  /** What follows the head. */
  #readHead(bytes: Buffer): Buffer {
    const all = this.#head === null ? bytes : Buffer.concat([this.#head, bytes]);
    const end = all.indexOf(HEAD_END);
    this.#head = end < 0 ? Buffer.from(all) : null;
    if (end < 0) return all;
    const head = all.toString('latin1', 0, end);
    const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
    if (length === undefined) {
      this.#fail(new Error('an answer without a length'));
      return all;
    }
    this.#status = Number(head.slice(9, 12));
    this.#body = Buffer.allocUnsafeSlow(Number(length));
    this.#length = 0;
    return all.subarray(end + HEAD_END.length);
  }

  #fail(error: Error): void {
    this.#asked?.reject(error);
    this.#asked = null;
  }
}
