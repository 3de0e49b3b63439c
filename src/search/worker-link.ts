/**
 * The main thread's end of one search worker.
 *
 * Calls are sent in the order they are made, only so many at a time: the others wait here, where they cost a reference
 * and not a copy. Questions are refused (`busy`) when too many wait; changes never are, because what they tell has
 * already happened. When the worker ends, every call that waits rejects with `search.unavailable`.
 */
import { Worker } from 'node:worker_threads';
import { StrongroomError } from '../errors.ts';
import { sentToError, type Answer, type Operation, type Operations } from './protocol.ts';

/** Calls that a worker holds at once. */
const IN_FLIGHT_MAX = 32;
/** Calls that wait before questions are refused. */
const WAITING_MAX = 1024;

interface Waiting {
  readonly message: object;
  readonly transfer: readonly ArrayBuffer[];
}

interface Pending {
  resolve(value: never): void;
  reject(error: StrongroomError): void;
}

export type SpawnWorker = () => Worker;

// The extension follows this file's own: .ts in a checkout, .js in a build.
const WORKER_FILE = new URL(`./worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

export const spawnSearchWorker: SpawnWorker = () =>
  new Worker(WORKER_FILE, {
    // Of the process's own flags a worker needs those that say where modules are found.
    execArgv: process.execArgv.filter((flag) => flag.startsWith('--conditions=')),
    name: 'strongroom-search',
  });

export class WorkerLink {
  readonly #worker: Worker;
  readonly #waiting: Waiting[] = [];
  /**
   * By the number of their call, which is used again once it is answered. A map that each call entered and left would keep calls
   * that are long over from the collector of young objects, through the tables it has grown out of (decision 111).
   */
  readonly #pending: (Pending | null)[] = [];
  readonly #free: number[] = [];
  #inFlight = 0;
  #end: StrongroomError | null = null;

  /** @param onLost called once, when the worker ended without being asked to. */
  constructor(spawn: SpawnWorker, onLost: (link: WorkerLink, cause: unknown) => void) {
    this.#worker = spawn();
    let cause: unknown;
    this.#worker.on('message', (answer: Answer) => this.#receive(answer));
    this.#worker.on('error', (error) => (cause = error));
    this.#worker.on('messageerror', (error) => (cause = error));
    this.#worker.on('exit', () => {
      const isLost = this.#end === null;
      this.#stop(new StrongroomError('search.unavailable', { detail: 'the search worker ended', cause }));
      if (isLost) onLost(this, cause);
    });
  }

  call<O extends Operation>(
    vault: string,
    operation: O,
    argument: Operations[O]['takes'],
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<Operations[O]['answers']> {
    if (this.#end !== null) return Promise.reject(this.#end);
    const isSearch = operation === 'search' || operation === 'answer';
    if (isSearch && this.#waiting.length >= WAITING_MAX)
      return Promise.reject(
        new StrongroomError('busy', { detail: 'too many searches wait', retryAfterS: 1 }),
      );
    const number = this.#free.pop() ?? this.#pending.length;
    return new Promise((resolve, reject) => {
      this.#pending[number] = { resolve, reject };
      this.#waiting.push({ message: { number, vault, operation, argument }, transfer });
      this.#send();
    });
  }

  async close(): Promise<void> {
    this.#stop(new StrongroomError('search.unavailable', 'search was closed'));
    await this.#worker.terminate();
  }

  #send(): void {
    while (this.#inFlight < IN_FLIGHT_MAX) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#inFlight++;
      this.#worker.postMessage(next.message, next.transfer);
    }
  }

  #receive(answer: Answer): void {
    this.#inFlight--;
    const pending = this.#pending[answer.number];
    this.#pending[answer.number] = null;
    this.#free.push(answer.number);
    if ('error' in answer) pending?.reject(sentToError(answer.error));
    else pending?.resolve(answer.value as never);
    this.#send();
  }

  #stop(error: StrongroomError): void {
    this.#end ??= error;
    this.#waiting.length = 0;
    for (const pending of this.#pending.splice(0)) pending?.reject(this.#end);
  }
}
