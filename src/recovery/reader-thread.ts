/** A reader of rows on a thread of its own (reader-worker.ts), as it is spoken to from here. */
import { Worker } from 'node:worker_threads';
import type { Bytes } from '../bytes/encoding.ts';
import { StrongroomError, isErrorCode } from '../errors.ts';
import type { StoreTarget } from '../store/open-store.ts';
import type { ReadOrder, RowReader, RowSink, RowsRead } from './row-reader.ts';

/** What the thread is started with. */
export interface ReaderStart {
  readonly target: StoreTarget;
  readonly order: ReadOrder;
}

export type FromReader =
  | { readonly kind: 'open'; readonly change: number }
  | { readonly kind: 'piece'; readonly bytes: Bytes; readonly rows: number }
  | { readonly kind: 'blob'; readonly name: string }
  | { readonly kind: 'done'; readonly read: RowsRead }
  | { readonly kind: 'failed'; readonly code: string; readonly detail: string };

/** An answer to each message of the thread: the next one is waited for. */
export type ToReader =
  | { readonly kind: 'more'; readonly spare: ArrayBuffer | null }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array | null };

// The extension follows this file's own: .ts in a checkout, .js in a build.
const WORKER_FILE = new URL(
  `./reader-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`,
  import.meta.url,
);

export async function openReaderThread(start: ReaderStart): Promise<RowReader> {
  const worker = new Worker(WORKER_FILE, {
    workerData: start,
    execArgv: process.execArgv.filter((flag) => flag.startsWith('--conditions=')),
    name: 'strongroom-reader',
  });
  const messages = new Messages(worker);
  const first = await messages.next();
  if (first.kind !== 'open') throw ended();
  return {
    change: first.change,
    read: (sink) => readFrom(worker, messages, sink),
    close: async () => {
      await worker.terminate();
    },
  };
}

async function readFrom(worker: Worker, messages: Messages, sink: RowSink): Promise<RowsRead> {
  const answer = (message: ToReader): void => worker.postMessage(message, []);
  const more = (): void => {
    const spare = sink.spare();
    worker.postMessage({ kind: 'more', spare } satisfies ToReader, spare === null ? [] : [spare]);
  };
  for (more(); ;) {
    const message = await messages.next();
    if (message.kind === 'done') return message.read;
    if (message.kind === 'piece') {
      // The next one is filled while this one is handed on.
      more();
      await sink.add({ bytes: message.bytes, rows: message.rows });
    } else if (message.kind === 'blob') answer({ kind: 'bytes', bytes: await sink.blob(message.name) });
    else throw ended();
  }
}

/** Messages in their order; a thread that ends or fails fails whoever waits. */
class Messages {
  readonly #worker: Worker;
  readonly #arrived: FromReader[] = [];
  #failure: unknown;
  #wake: () => void = () => undefined;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.on('message', (message: FromReader) => {
      this.#arrived.push(message);
      this.#wake();
    });
    worker.on('error', (error) => this.#fail(error));
    worker.on('exit', () => this.#fail(ended()));
  }

  async next(): Promise<FromReader> {
    while (this.#arrived.length === 0) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const message = this.#arrived.shift();
    if (message === undefined) throw ended();
    if (message.kind !== 'failed') return message;
    await this.#worker.terminate();
    throw new StrongroomError(isErrorCode(message.code) ? message.code : 'internal', message.detail);
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#wake();
  }
}

const ended = (): StrongroomError =>
  new StrongroomError('internal', 'the thread that reads for a backup ended');
