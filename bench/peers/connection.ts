/**
 * One kept connection to a server, as bare as HTTP/1.1 allows: whole requests go out as they were made beforehand, and of an
 * answer its status and its body are read. Whoever measures a server on the machine it runs on takes from it what the
 * measuring costs; a full client took as much processor time as a third of a search.
 */
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
  #received: Buffer[] = [];
  #length = 0;
  /** Of the answer that is being read; 0 while its head is not whole. */
  #wanted = 0;
  #bodyFrom = 0;
  #status = 0;
  #asked: Asked | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => this.#read(bytes));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the server ended the connection')));
  }

  static async open({ url, ca }: Place): Promise<Connection> {
    const { hostname: host, port } = new URL(url);
    const socket =
      ca === null ? connectPlain(Number(port), host) : connectTls({ host, port: Number(port), ca });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.once(ca === null ? 'connect' : 'secureConnect', () => {
        socket.off('error', reject);
        resolve();
      });
    });
    return new Connection(socket);
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

  #read(bytes: Buffer): void {
    this.#received.push(bytes);
    this.#length += bytes.length;
    if (this.#wanted === 0) this.#readHead();
    if (this.#wanted === 0 || this.#length < this.#wanted) return;
    const body = Buffer.concat(this.#received).subarray(this.#bodyFrom, this.#wanted);
    const asked = this.#asked;
    this.#received = [];
    this.#length = 0;
    this.#wanted = 0;
    this.#asked = null;
    if (this.#status === 200 || this.#status === 201) asked?.resolve(body);
    else asked?.reject(new Error(`answered ${this.#status}: ${body.toString('utf8').slice(0, 300)}`));
  }

  #readHead(): void {
    if (this.#received.length > 1) this.#received = [Buffer.concat(this.#received)];
    const [all] = this.#received;
    const end = all?.indexOf(HEAD_END) ?? -1;
    if (all === undefined || end < 0) return;
    const head = all.toString('latin1', 0, end);
    const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
    if (length === undefined) return this.#fail(new Error('an answer without a length'));
    this.#status = Number(head.slice(9, 12));
    this.#bodyFrom = end + HEAD_END.length;
    this.#wanted = this.#bodyFrom + Number(length);
  }

  #fail(error: Error): void {
    this.#asked?.reject(error);
    this.#asked = null;
  }
}
