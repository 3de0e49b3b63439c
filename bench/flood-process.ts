/**
 * The attacker of the section "under attack", in a process of its own. Every kind is bounded in rate, in connections and in
 * time, so that what is measured is the server and not this process taking the processor away from it; the table states
 * the rates. What is sent is made before the clock starts.
 */
import { connect as connectPlain, createServer, type AddressInfo, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { answerParent } from './child.ts';
import type { Reach } from './server-process.ts';

export type FloodKind = keyof typeof FLOODS;

export interface Flooded {
  readonly connections: number;
  /** Those that the server took up: a handshake was finished, or in the clear the system's. */
  readonly stood: number;
  readonly requests: number;
  /** Answers by status. */
  readonly answers: Readonly<Record<string, number>>;
  /** Connections that the server ended. */
  readonly ended: number;
  /** Processor time of this process meanwhile. */
  readonly cpuMs: number;
}

export interface FloodQuestions {
  readonly flood: {
    takes: { reach: Reach; kind: FloodKind; seconds: number; from: string };
    answers: Flooded;
  };
}

const TICK_MS = 5;
const MEGABYTE = 1024 * 1024;
const MEMORIES = '/v1/vaults/memories/memories';

/** What one flood has under way and has seen. */
class Flood {
  readonly #reach: Reach;
  readonly #sockets = new Set<Socket>();
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #answers: Record<string, number> = {};
  readonly #from: string;
  #connections = 0;
  #stood = 0;
  #requests = 0;
  #ended = 0;

  constructor(reach: Reach, from: string) {
    this.#reach = reach;
    this.#from = from;
  }

  get open(): number {
    return this.#sockets.size;
  }

  /** A connection in TLS, or in the clear for what is no TLS; `begin` is called when it stands. */
  connect(begin: (socket: Socket) => void, { isSecure = true } = {}): void {
    const { hostname, port } = new URL(this.#reach.url);
    const raw = connectPlain({ host: hostname, port: Number(port), localAddress: this.#from });
    const socket = isSecure ? connectTls({ socket: raw, ca: this.#reach.ca, servername: 'localhost' }) : raw;
    this.#connections++;
    this.#sockets.add(socket);
    raw.once('close', () => {
      if (this.#sockets.delete(socket)) this.#ended++;
      socket.destroy();
    });
    raw.on('error', () => undefined);
    socket.on('error', () => undefined);
    socket.once(isSecure ? 'secureConnect' : 'connect', () => {
      this.#stood++;
      begin(socket);
    });
  }

  send(socket: Socket, bytes: Uint8Array | string, requests = 1): void {
    if (socket.destroyed || !socket.writable) return;
    this.#requests += requests;
    socket.write(bytes);
  }

  /** Counts what is answered. */
  listen(socket: Socket): void {
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      for (const [, status = ''] of text.matchAll(/HTTP\/1\.1 (\d{3}) /g))
        this.#answers[status] = (this.#answers[status] ?? 0) + 1;
    });
  }

  /** Does it so often a second until the end of the flood. */
  every(perSecond: number, work: () => void): void {
    const since = performance.now();
    let done = 0;
    this.#timers.push(
      setInterval(() => {
        const due = ((performance.now() - since) / 1000) * perSecond;
        // What this process was too late for is left out, not made up for at once.
        for (done = Math.max(done, due - perSecond * 0.05); done < due; done++) work();
      }, TICK_MS),
    );
  }

  /** Hangs up without a word, so that the next kind begins with nothing of this one. */
  end(): Omit<Flooded, 'cpuMs'> {
    this.#timers.forEach(clearInterval);
    const left = [...this.#sockets];
    this.#sockets.clear();
    for (const socket of left) socket.destroy();
    return {
      connections: this.#connections,
      stood: this.#stood,
      requests: this.#requests,
      answers: this.#answers,
      ended: this.#ended,
    };
  }
}

const head = (method: string, path: string, lines: readonly string[] = []): string =>
  `${[`${method} ${path} HTTP/1.1`, 'host: localhost', ...lines].join('\r\n')}\r\n\r\n`;
const bearer = ({ apiKey }: Reach): string => `authorization: Bearer ${apiKey}`;
const JSON_TYPE = 'content-type: application/json';

/** Keeps so many connections, new ones at most at that rate in place of those that end; `each` gets every new one. */
function keep(flood: Flood, count: number, perSecond: number, each: (socket: Socket) => void): void {
  flood.every(perSecond, () => {
    if (flood.open < count) flood.connect(each);
  });
}

/** One connection that is opened anew when it ended, so many requests a second on it. */
function onOne(flood: Flood, perSecond: number, bytes: Buffer | string, requests = 1): void {
  let current: Socket | null = null;
  let isWaiting = false;
  flood.every(perSecond, () => {
    if (current !== null && !current.destroyed && current.writable) {
      flood.send(current, bytes, requests);
    } else if (!isWaiting) {
      isWaiting = true;
      flood.connect((socket) => {
        isWaiting = false;
        current = socket;
        flood.listen(socket);
        flood.send(socket, bytes, requests);
      });
      setTimeout(() => (isWaiting = false), 100).unref();
    }
  });
}

/** A new connection for each request. */
function onMany(flood: Flood, perSecond: number, bytesOf: () => Buffer | string): void {
  flood.every(perSecond, () => {
    if (flood.open >= 500) return;
    flood.connect((socket) => {
      flood.listen(socket);
      flood.send(socket, bytesOf());
    });
  });
}

/** The first message of a handshake as a client sends it, recorded once: replaying it costs the attacker nothing. */
async function helloOf(maxVersion: 'TLSv1.2' | 'TLSv1.3'): Promise<Uint8Array> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const hello = new Promise<Uint8Array>((resolve) =>
    server.once('connection', (socket) =>
      socket.once('data', (bytes: Buffer) => {
        resolve(bytes);
        socket.destroy();
        server.close();
      }),
    ),
  );
  connectTls({ port, host: '127.0.0.1', maxVersion }).on('error', () => undefined);
  return hello;
}

const hellos = { old: await helloOf('TLSv1.2'), good: await helloOf('TLSv1.3') };
const bomb = gzipSync(Buffer.alloc(16 * MEGABYTE));
const megabyte = Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(MEGABYTE, ' '), Buffer.from('\r\n')]);

const FLOODS = {
  // What the machine does to the figures by itself.
  nothing: () => undefined,
  'slow headers': (flood: Flood) => {
    keep(flood, 500, 300, (socket) => {
      flood.send(socket, 'GET /v1/vaults HTTP/1.1\r\nhost: localhost\r\n');
      const timer = setInterval(() => flood.send(socket, 'x-a: b\r\n', 0), 1000);
      socket.once('close', () => clearInterval(timer));
    });
  },
  'slow bodies': (flood: Flood, reach: Reach) => {
    keep(flood, 500, 300, (socket) => {
      flood.listen(socket);
      flood.send(socket, head('POST', MEMORIES, [bearer(reach), JSON_TYPE, 'content-length: 1000000']));
      const timer = setInterval(() => flood.send(socket, ' ', 0), 1000);
      socket.once('close', () => clearInterval(timer));
    });
  },
  'slow readers': (flood: Flood) => {
    keep(flood, 500, 300, (socket) => {
      socket.pause();
      flood.send(socket, head('GET', '/openapi.json').repeat(5), 5);
    });
  },
  'many connections': (flood: Flood) => {
    keep(flood, 2_000, 500, () => undefined);
  },
  'broken handshakes': (flood: Flood) => {
    const junk = Buffer.alloc(600, 0x16);
    const greetings = [junk, hellos.old, hellos.good, hellos.good];
    let next = 0;
    flood.every(800, () => {
      if (flood.open >= 800) return;
      const bytes = greetings[next++ % greetings.length] ?? junk;
      flood.connect((socket) => flood.send(socket, bytes), { isSecure: false });
    });
  },
  'finished handshakes': (flood: Flood) => {
    flood.every(300, () => {
      if (flood.open < 300) flood.connect((socket) => socket.destroy());
    });
  },
  'oversized, announced': (flood: Flood, reach: Reach) => {
    onMany(flood, 200, () => head('POST', MEMORIES, [bearer(reach), JSON_TYPE, 'content-length: 999999999']));
  },
  'oversized, not announced': (flood: Flood, reach: Reach) => {
    keep(flood, 4, 20, (socket) => {
      flood.listen(socket);
      flood.send(socket, head('POST', MEMORIES, [bearer(reach), JSON_TYPE, 'transfer-encoding: chunked']));
      // As fast as it is taken, up to what would be twice the limit.
      let left = 64;
      const more = (): void => {
        while (left-- > 0 && !socket.destroyed && socket.write(megabyte));
      };
      socket.on('drain', more);
      more();
    });
  },
  'oversized, without a key': (flood: Flood) => {
    keep(flood, 4, 20, (socket) => {
      flood.listen(socket);
      flood.send(socket, head('POST', MEMORIES, [JSON_TYPE, 'transfer-encoding: chunked']));
      let left = 64;
      const more = (): void => {
        while (left-- > 0 && !socket.destroyed && socket.write(megabyte));
      };
      socket.on('drain', more);
      more();
    });
  },
  'headers too large': (flood: Flood) => {
    onMany(flood, 200, () => head('GET', '/v1/vaults', [`x-long: ${'x'.repeat(40_000)}`]));
  },
  'compressed bombs': (flood: Flood, reach: Reach) => {
    const lines = [bearer(reach), JSON_TYPE, 'content-encoding: gzip', `content-length: ${bomb.length}`];
    onOne(flood, 150, Buffer.concat([Buffer.from(head('POST', MEMORIES, lines)), bomb]));
  },
  'too many requests': (flood: Flood) => {
    onOne(flood, 2_000, head('GET', '/v1/vaults'));
  },
  'pipelined requests': (flood: Flood) => {
    onOne(flood, 20, head('GET', '/v1/vaults').repeat(1_000), 1_000);
  },
} satisfies Record<string, (flood: Flood, reach: Reach) => void>;

answerParent<FloodQuestions>({
  flood: async ({ reach, kind, seconds, from }) => {
    const flood = new Flood(reach, from);
    const before = process.cpuUsage();
    FLOODS[kind](flood, reach);
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    const { user, system } = process.cpuUsage(before);
    return { ...flood.end(), cpuMs: (user + system) / 1000 };
  },
});
