/**
 * A place for backups that is opened when it is first used: a share that is away when the server starts keeps nobody from
 * being served, and is tried again with the next backup.
 *
 * A sync that fails here ends the backup and not the process. What was written of that backup is given up and never
 * synced again under its name, so nothing is believed of it that the disk did not keep.
 */
import type { Bytes } from '../bytes/encoding.ts';
import { StrongroomError } from '../errors.ts';
import type { ReadingRoom } from '../keys/disk.ts';
import type { BlobStat, BlobStore } from '../store/blobs.ts';

export class LateBlobs implements BlobStore {
  readonly #open: () => Promise<BlobStore>;
  #blobs: Promise<BlobStore> | null = null;

  constructor(open: () => Promise<BlobStore>) {
    this.#open = open;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    await (await this.#place()).put(name, bytes);
  }

  async get(name: string): Promise<Bytes> {
    return (await this.#place()).get(name);
  }

  async getInto(name: string, room: ReadingRoom): Promise<Uint8Array> {
    return (await this.#place()).getInto(name, room);
  }

  async delete(name: string): Promise<void> {
    await (await this.#place()).delete(name);
  }

  async list(prefix: string): Promise<readonly string[]> {
    return (await this.#place()).list(prefix);
  }

  async stat(name: string): Promise<BlobStat | null> {
    return (await this.#place()).stat(name);
  }

  #place(): Promise<BlobStore> {
    this.#blobs ??= this.#opened();
    return this.#blobs;
  }

  async #opened(): Promise<BlobStore> {
    try {
      return await this.#open();
    } catch (cause) {
      this.#blobs = null;
      if (cause instanceof StrongroomError) throw cause;
      throw new StrongroomError('store.unavailable', {
        detail: 'a place for backups cannot be opened',
        cause,
      });
    }
  }
}
