/**
 * Encrypts and opens pieces on a thread of its own where there are many, so that reading rows and encrypting them use two
 * cores and requests are answered meanwhile. The first piece is done here: most backups have no other.
 */
import { Worker } from 'node:worker_threads';
import { StrongroomError } from '../errors.ts';
import { runPieceJob, type PieceAnswer, type PieceJob } from './piece-job.ts';

// The extension follows this file's own: .ts in a checkout, .js in a build.
const WORKER_FILE = new URL(
  `./piece-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`,
  import.meta.url,
);

interface Pending {
  resolve(answer: PieceAnswer): void;
  reject(error: unknown): void;
}

export class PieceCrypt {
  readonly #pending = new Map<number, Pending>();
  #worker: Worker | null = null;
  #number = 0;

  /** The job's bytes are handed over: nobody else may use them any more. */
  run(job: PieceJob): Promise<PieceAnswer> {
    const number = this.#number++;
    if (number === 0) return Promise.resolve(runPieceJob(job));
    this.#worker ??= this.#start();
    const { buffer } = job.kind === 'seal' ? job.plaintext : job.piece;
    const answered = new Promise<PieceAnswer>((resolve, reject) => {
      this.#pending.set(number, { resolve, reject });
    });
    this.#worker.postMessage({ number, job }, [buffer]);
    return answered;
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = null;
    await worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(WORKER_FILE, {
      // Of the process's own flags a worker needs those that say where modules are found.
      execArgv: process.execArgv.filter((flag) => flag.startsWith('--conditions=')),
      name: 'strongroom-backup',
    });
    worker.on('message', ({ number, answer }: { readonly number: number; readonly answer: PieceAnswer }) => {
      this.#pending.get(number)?.resolve(answer);
      this.#pending.delete(number);
    });
    let cause: unknown;
    worker.on('error', (error) => (cause = error));
    worker.on('exit', () => {
      const error = new StrongroomError('internal', {
        detail: 'the thread for pieces of backups ended',
        cause,
      });
      for (const { reject } of this.#pending.values()) reject(error);
      this.#pending.clear();
    });
    return worker;
  }
}
