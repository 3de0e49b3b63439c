/**
 * The disk under the keystore: a port, so that tests can tear writes, lose what was not synced, fail a sync or take a
 * replica away; and the real one.
 *
 * Nothing is durable before `sync` of the file returned, and no name before `syncFolder` of its folder. A sync must be
 * made through the handle that wrote: the kernel reports a failed write-back once, to the handles open at that time.
 */
import { constants } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, unlink, type FileHandle } from 'node:fs/promises';
import type { Bytes } from '../bytes/encoding.ts';

export interface DiskEntry {
  readonly kind: 'file' | 'folder' | 'other';
  /** Permission bits. */
  readonly mode: number;
  /** Numeric user id of the owner. */
  readonly owner: number;
  readonly sizeBytes: number;
}

export interface DiskFile {
  /** The whole file. */
  read(): Promise<Bytes>;
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
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Mode 0700, parents too; does nothing where the folder exists. */
  makeFolder(path: string): Promise<void>;
  syncFolder(path: string): Promise<void>;
}

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
    return new RealFile(await open(path, FLAGS[access] | constants.O_NOFOLLOW, FILE_MODE));
  },

  rename,
  remove: unlink,

  async makeFolder(path) {
    await mkdir(path, { recursive: true, mode: FOLDER_MODE });
  },

  async syncFolder(path) {
    const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
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

class RealFile implements DiskFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async read(): Promise<Bytes> {
    const { size } = await this.#handle.stat();
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size;) {
      const { bytesRead } = await this.#handle.read(bytes, at, size - at, at);
      if (bytesRead === 0) return bytes.slice(0, at);
      at += bytesRead;
    }
    return bytes;
  }

  async writeAt(offset: number, bytes: Bytes): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const { bytesWritten } = await this.#handle.write(bytes, at, bytes.length - at, offset + at);
      at += bytesWritten;
    }
  }

  async sync(): Promise<void> {
    // Data and, where it changed, the length; times do not matter, and a second write for them is spared.
    await this.#handle.datasync();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
