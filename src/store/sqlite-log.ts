/**
 * The write-ahead log of an open SQLite database, brought to disk by us: a thread of the pool waits for it, while the main
 * thread goes on reading requests and writing answers.
 *
 * SQLite syncs the log where its order matters, when it starts over and before it is copied (`synchronous=NORMAL`,
 * sqlite.org/wal.html), and leaves the sync of a commit to whoever acknowledges it: the caller of `sync`. A sync brings all to
 * disk that was written to the file before it, through whichever handle.
 *
 * SQLite keeps its locks on the database and on the `-shm` file, never on the log, so handles of it may be opened and closed.
 */
import { close, existsSync, fdatasync, openSync } from 'node:fs';
import { promisify } from 'node:util';
import { FatalStoreError } from './connection.ts';

export type SyncHandle = (handle: number) => Promise<void>;

export class SqliteLog {
  readonly #path: string;
  readonly #syncHandle: SyncHandle;
  #handle: number | null = null;
  #isRunning = false;
  #isClosed = false;
  /** Of what is committed and not known to be on disk. One that failed stays: a later one would succeed without its pages. */
  #pending: Promise<void> | null = null;

  /** To be made when the database has been opened: what a killed process left in the log is not on disk yet. */
  constructor(databasePath: string, syncHandle: SyncHandle = promisify(fdatasync)) {
    this.#path = `${databasePath}-wal`;
    this.#syncHandle = syncHandle;
    if (existsSync(this.#path)) this.sync().catch(() => undefined);
  }

  /** Resolves when everything committed so far is on disk; fatal if nobody knows. */
  sync(): Promise<void> {
    const own = this.#sync(this.#pending);
    this.#pending = own;
    const done = (): void => {
      if (this.#pending === own) this.#pending = null;
    };
    own.then(done, () => undefined);
    return own;
  }

  /** Resolves when whatever a read can have seen so far is on disk. */
  async settled(): Promise<void> {
    if (this.#pending !== null) await this.#pending;
  }

  close(): void {
    this.#isClosed = true;
    this.#release();
  }

  async #sync(before: Promise<void> | null): Promise<void> {
    await before;
    this.#isRunning = true;
    try {
      await this.#syncHandle(this.#open());
    } catch (cause) {
      throw new FatalStoreError('the log could not be brought to disk', { cause });
    } finally {
      this.#isRunning = false;
      this.#release();
    }
  }

  #open(): number {
    this.#handle ??= openSync(this.#path, 'r+');
    return this.#handle;
  }

  /** Not while a sync runs: the number could be another file's before it is done. */
  #release(): void {
    if (!this.#isClosed || this.#isRunning || this.#handle === null) return;
    close(this.#handle, () => undefined);
    this.#handle = null;
  }
}
