/**
 * Blobs: bytes by name, for what is too large for a row (index segments, files, archives, backups). All of it is sealed
 * by the caller; a flipped byte is the caller's to find.
 *
 * In a folder: a blob is written under a passing name, synced, renamed into place, and its folder synced, so that under
 * its name it is whole or not there. Nothing is readable by others (0600, folders 0700). A failed sync ends the process:
 * after it the kernel may report bytes as written that are not. What a crash left behind is removed when opening.
 *
 * Fault points: `blob.write`, `blob.sync`, `blob.rename`, `blob.folder`, `blob.delete`, `blob.deleted`.
 */
import { dirname, join } from 'node:path';
import { encodeHex, type Bytes } from '../bytes/encoding.ts';
import { Crash, type Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { isMissing, realDisk, type Disk, type DiskFile, type ReadingRoom } from '../keys/disk.ts';
import { FatalStoreError } from './connection.ts';
import type { OnFatal } from './groups.ts';

export interface BlobStat {
  readonly sizeBytes: number;
}

/** Where blobs are: a folder now, a bucket later. Names are ours, never a customer's. */
export interface BlobStore {
  /** Durable when it resolves; replaces a blob of that name as a whole. */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** Throws `not_found`. */
  get(name: string): Promise<Bytes>;
  /** The same into the beginning of what `room` gives, for whoever reads many of them one after the other. */
  getInto(name: string, room: ReadingRoom): Promise<Uint8Array>;
  /** Does nothing where there is no such blob; gone for good when it resolves. */
  delete(name: string): Promise<void>;
  /** Names below a folder (`segments/`), or all with an empty prefix; sorted. */
  list(prefix: string): Promise<readonly string[]>;
  /** Null where there is no such blob. */
  stat(name: string): Promise<BlobStat | null>;
}

export interface FileBlobsParts {
  readonly environment: Environment;
  readonly onFatal: OnFatal;
  readonly disk?: Disk;
}

/** Up to four parts; none starts with a dot, so that none climbs and none meets the folder of passing names. */
const NAME = /^[a-z0-9][a-z0-9._-]{0,99}(?:\/[a-z0-9][a-z0-9._-]{0,99}){0,3}$/;
const PREFIX = /^(?:[a-z0-9][a-z0-9._-]{0,99}\/){0,3}$/;
const PASSING = '.passing';
const PASSING_NAME_BYTES = 12;

export class FileBlobs implements BlobStore {
  readonly #root: string;
  readonly #disk: Disk;
  readonly #parts: FileBlobsParts;

  private constructor(root: string, parts: FileBlobsParts) {
    this.#root = root;
    this.#disk = parts.disk ?? realDisk;
    this.#parts = parts;
  }

  /** Makes the folder if there is none and removes what a crash left half-written. */
  static async open(root: string, parts: FileBlobsParts): Promise<FileBlobs> {
    const blobs = new FileBlobs(root, parts);
    const passing = join(root, PASSING);
    await blobs.#disk.makeFolder(passing);
    for (const name of await blobs.#disk.list(passing)) await blobs.#disk.remove(join(passing, name));
    await blobs.#sync(() => blobs.#disk.syncFolder(root));
    return blobs;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const { fault, random } = this.#parts.environment;
    const path = this.#path(name);
    await this.#makeFolders(path);
    const passing = join(this.#root, PASSING, encodeHex(random(PASSING_NAME_BYTES)));
    try {
      fault('blob.write');
      await this.#write(passing, bytes);
      fault('blob.rename');
      await this.#disk.rename(passing, path);
    } catch (error) {
      if (error instanceof Crash) throw error;
      await this.#discard(passing);
      throw failed(`blob ${name} was not written`, error);
    }
    fault('blob.folder');
    await this.#sync(() => this.#disk.syncFolder(dirname(path)));
  }

  get(name: string): Promise<Bytes> {
    return this.#read(name, (file) => file.read());
  }

  getInto(name: string, room: ReadingRoom): Promise<Uint8Array> {
    return this.#read(name, (file) => file.readInto(room));
  }

  async #read<T>(name: string, read: (file: DiskFile) => Promise<T>): Promise<T> {
    const path = this.#path(name);
    try {
      const file = await this.#disk.open(path, 'read');
      try {
        return await read(file);
      } finally {
        await file.close();
      }
    } catch (error) {
      if (isMissing(error))
        throw new StrongroomError('not_found', { detail: `no blob ${name}`, cause: error });
      throw failed(`blob ${name} was not read`, error);
    }
  }

  async delete(name: string): Promise<void> {
    const { fault } = this.#parts.environment;
    const path = this.#path(name);
    fault('blob.delete');
    try {
      await this.#disk.remove(path);
    } catch (error) {
      if (isMissing(error)) return;
      throw failed(`blob ${name} was not deleted`, error);
    }
    fault('blob.deleted');
    await this.#sync(() => this.#disk.syncFolder(dirname(path)));
  }

  async list(prefix: string): Promise<readonly string[]> {
    if (!PREFIX.test(prefix)) throw new RangeError(`not a prefix of blobs: ${prefix}`);
    return (await this.#walk(prefix)).sort();
  }

  async stat(name: string): Promise<BlobStat | null> {
    const found = await this.#disk.stat(this.#path(name));
    return found?.kind === 'file' ? { sizeBytes: found.sizeBytes } : null;
  }

  async #walk(prefix: string): Promise<string[]> {
    if ((await this.#disk.stat(join(this.#root, prefix))) === null) return [];
    const names: string[] = [];
    for (const entry of await this.#disk.list(join(this.#root, prefix))) {
      if (entry === PASSING) continue;
      const found = await this.#disk.stat(join(this.#root, prefix, entry));
      if (found?.kind === 'folder') names.push(...(await this.#walk(`${prefix}${entry}/`)));
      else if (found?.kind === 'file') names.push(prefix + entry);
    }
    return names;
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    const file = await this.#disk.open(path, 'create');
    try {
      await file.writeAt(0, bytes as Bytes);
      this.#parts.environment.fault('blob.sync');
      // Through the handle that wrote: only it is sure to be told of a failed write-back.
      await this.#sync(() => file.sync());
    } finally {
      await file.close();
    }
  }

  /** Makes the folders of a blob, each durable in its parent before anything is put in it. */
  async #makeFolders(path: string): Promise<void> {
    const folder = dirname(path);
    if (folder === this.#root || (await this.#disk.stat(folder)) !== null) return;
    await this.#makeFolders(folder);
    await this.#disk.makeFolder(folder);
    await this.#sync(() => this.#disk.syncFolder(dirname(folder)));
  }

  async #sync(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (cause) {
      const fatal = new FatalStoreError('a sync of the blobs failed', { cause });
      this.#parts.onFatal(fatal);
      throw new StrongroomError('store.unavailable', { cause: fatal });
    }
  }

  async #discard(passing: string): Promise<void> {
    try {
      await this.#disk.remove(passing);
    } catch {
      // It was never made, or it stays until the next opening removes it.
    }
  }

  #path(name: string): string {
    if (!NAME.test(name)) throw new RangeError(`not a name of a blob: ${name}`);
    return join(this.#root, name);
  }
}

const failed = (detail: string, cause: unknown): StrongroomError =>
  cause instanceof StrongroomError ? cause : new StrongroomError('store.unavailable', { detail, cause });
