/**
 * The write-ahead log of an open SQLite database, brought to disk by us: a thread of the pool waits for it, while the main
 * thread goes on reading requests and writing answers. Where nobody else waits the main thread does so itself, because to wake
 * another thread and be woken by it takes longer than a quick disk; after a slow one it is left to the pool for a while.
 *
 * SQLite syncs the log where its order matters, when it starts over and before it is copied (`synchronous=NORMAL`,
 * sqlite.org/wal.html), and leaves the sync of a commit to whoever acknowledges it: the caller of `sync`. A sync brings all to
 * disk that was written to the file before it, through whichever handle.
 *
 * SQLite keeps its locks on the database and on the `-shm` file, never on the log, so handles of it may be opened and closed.
 */
import { close, existsSync, fdatasync, fdatasyncSync, openSync } from 'node:fs';
import { promisify } from 'node:util';
import { FatalStoreError } from './connection.ts';

/** How the bytes written to a handle come to disk. */
export interface Disk {
  sync(handle: number): Promise<void>;
  syncNow(handle: number): void;
  /** Milliseconds since whenever. */
  now(): number;
}

const realDisk: Disk = {
  sync: promisify(fdatasync),
  syncNow: fdatasyncSync,
  now: () => performance.now(),
};

/** So long the main thread may stand still for somebody who is alone. */
const QUICK_MS = 1;
/** So many syncs are left to the pool after one that took longer, and twice as many after the next. */
const LEFT_MIN = 16;
const LEFT_MAX = 1024;

export class SqliteLog {
  readonly #path: string;
  readonly #disk: Disk;
  #handle: number | null = null;
  #isRunning = false;
  #isClosed = false;
  /** Of what is committed and not known to be on disk. One that failed stays: a later one would succeed without its pages. */
  #pending: Promise<void> | null = null;
  /** Syncs that are still left to the pool, and how many were after the last slow one. */
  #left = 0;
  #leftBefore = 0;

  /** To be made when the database has been opened: what a killed process left in the log is not on disk yet. */
  constructor(databasePath: string, disk = realDisk) {
    this.#path = `${databasePath}-wal`;
    this.#disk = disk;
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

  /** The same for a commit that nobody waits behind: on a quick disk everything is there when this returns. */
  syncAlone(): Promise<void> {
    const isLeft = this.#left > 0;
    if (isLeft) this.#left--;
    if (isLeft || this.#pending !== null) return this.sync();
    const began = this.#disk.now();
    try {
      this.#disk.syncNow(this.#open());
    } catch (cause) {
      // Nobody reads what may not be there: as with a sync that the pool has waited for.
      this.#pending = Promise.reject(notOnDisk(cause));
      return this.#pending;
    }
    const isSlow = this.#disk.now() - began > QUICK_MS;
    this.#leftBefore = isSlow ? Math.min(LEFT_MAX, Math.max(LEFT_MIN, 2 * this.#leftBefore)) : 0;
    this.#left = this.#leftBefore;
    return Promise.resolve();
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
      await this.#disk.sync(this.#open());
    } catch (cause) {
      throw notOnDisk(cause);
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

const notOnDisk = (cause: unknown): FatalStoreError =>
  new FatalStoreError('the log could not be brought to disk', { cause });
