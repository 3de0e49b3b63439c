/**
 * The disk under the keystore: a port, so that tests can tear writes, lose what was not synced, fail a sync or take a
 * replica away; and the real one.
 *
 * Nothing is durable before `sync` of the file returned, and no name before `syncFolder` of its folder. A sync must be
 * made through the handle that wrote: the kernel reports a failed write-back once, to the handles open at that time.
 */
import {
  closeSync,
  constants,
  fdatasync,
  fstatSync,
  fsync,
  open,
  openSync,
  read,
  readSync,
  write,
  writeSync,
} from 'node:fs';
import { lstat, mkdir, readdir, rename, unlink } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Bytes } from '../bytes/encoding.ts';

export interface DiskEntry {
  readonly kind: 'file' | 'folder' | 'other';
  /** Permission bits. */
  readonly mode: number;
  /** Numeric user id of the owner. */
  readonly owner: number;
  readonly sizeBytes: number;
}

/** Gives memory for at least so many bytes. */
export type ReadingRoom = (sizeBytes: number) => Uint8Array;

export interface DiskFile {
  /** The whole file. */
  read(): Promise<Bytes>;
  /** The same into the beginning of what `room` gives. */
  readInto(room: ReadingRoom): Promise<Uint8Array>;
  writeAt(offset: number, bytes: Bytes): Promise<void>;
  /** Content (and length) are on the disk when this resolves. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface Disk {
  /** The user this process runs as. */
  readonly user: number;
  /** Null where there is nothing. */
  stat(path: string): Promise<DiskEntry | null>;
  /** Names in a folder, sorted. */
  list(folder: string): Promise<readonly string[]>;
  /** `create` fails where the name is taken; files are made with mode 0600. */
  open(path: string, access: 'read' | 'write' | 'create'): Promise<DiskFile>;
  /**
   * A file that has just been written and synced, opened anew: its bytes lie in memory, and an erasure waits for each
   * call, so that the real disk answers this one without going through the thread pool.
   */
  readBack(path: string): Promise<Bytes>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Mode 0700, parents too; does nothing where the folder exists. */
  makeFolder(path: string): Promise<void>;
  syncFolder(path: string): Promise<void>;
}

/** A copy into memory that is done sooner than a thread could be asked to do it: the disk is waited for in `sync`. */
const SMALL_WRITE_BYTES = 64 * 1024;
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
const PERMISSION_BITS = 0o7777;

export const realDisk: Disk = {
  user: process.geteuid?.() ?? 0,

  async stat(path) {
    try {
      const found = await lstat(path);
      const kind = found.isFile() ? 'file' : found.isDirectory() ? 'folder' : 'other';
      return { kind, mode: found.mode & PERMISSION_BITS, owner: found.uid, sizeBytes: found.size };
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  },

  list: async (folder) => (await readdir(folder)).sort(),

  async open(path, access) {
    const flags = FLAGS[access] | constants.O_NOFOLLOW;
    // What is overwritten has been read just before, so that its name and place are known without the disk.
    const file = access === 'write' ? openSync(path, flags) : await openFile(path, flags, FILE_MODE);
    return new RealFile(file);
  },

  readBack(path) {
    const file = openSync(path, FLAGS.read | constants.O_NOFOLLOW);
    try {
      const bytes = new Uint8Array(fstatSync(file).size);
      for (let at = 0; at < bytes.length;) {
        const read = readSync(file, bytes, at, bytes.length - at, at);
        if (read === 0) return Promise.resolve(bytes.slice(0, at));
        at += read;
      }
      return Promise.resolve(bytes);
    } finally {
      closeSync(file);
    }
  },

  rename,
  remove: unlink,

  async makeFolder(path) {
    await mkdir(path, { recursive: true, mode: FOLDER_MODE });
  },

  async syncFolder(path) {
    const folder = await openFile(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await syncAll(folder);
    } finally {
      closeSync(folder);
    }
  },
};

const FLAGS = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
} as const;

/** Whether a call failed because there is no such file or folder. */
export const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');

/** Waits for every one, also where one fails: no write goes on behind the back of an error. Then throws the first. */
export async function allDone(work: readonly Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason;
}

const openFile = promisify(open);
const readFrom = promisify(read);
const writeTo = promisify(write);
const syncData = promisify(fdatasync);
const syncAll = promisify(fsync);

/** A descriptor of its own: every call that is not needed is spared, because erasures wait for each of them. */
class RealFile implements DiskFile {
  readonly #file: number;

  constructor(file: number) {
    this.#file = file;
  }

  async read(): Promise<Bytes> {
    return (await this.readInto((sizeBytes) => new Uint8Array(sizeBytes))) as Bytes;
  }

  async readInto(room: ReadingRoom): Promise<Uint8Array> {
    const { size } = fstatSync(this.#file);
    const bytes = room(size).subarray(0, size);
    for (let at = 0; at < size;) {
      const { bytesRead } = await readFrom(this.#file, bytes, at, size - at, at);
      if (bytesRead === 0) return bytes.slice(0, at);
      at += bytesRead;
    }
    return bytes;
  }

  async writeAt(offset: number, bytes: Bytes): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      if (bytes.length <= SMALL_WRITE_BYTES) {
        at += writeSync(this.#file, bytes, at, bytes.length - at, offset + at);
        continue;
      }
      const { bytesWritten } = await writeTo(this.#file, bytes, at, bytes.length - at, offset + at);
      at += bytesWritten;
    }
  }

  async sync(): Promise<void> {
    // Data and, where it changed, the length; times do not matter, and a second write for them is spared.
    await syncData(this.#file);
  }

  close(): Promise<void> {
    // What was written has been synced, so there is nothing to wait for.
    closeSync(this.#file);
    return Promise.resolve();
  }
}
