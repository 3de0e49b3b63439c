/**
 * One keystore replica: a folder that only its owner can enter.
 *
 *     root         four blocks, overwritten in place (root-file.ts)
 *     pages/       epoch files by the hexadecimal of their id, written once (epoch-file.ts)
 *     intents      what was accepted and must survive a restore (intents.ts)
 *     witness      the newest state of the ledger that the keystore has seen (witness.ts)
 *
 * `intents` and `witness` are replaced by rename: what they held before is no secret. `root` never is.
 * Errors of the disk are thrown as they come; whoever calls decides whether the replica is missing or the process ends.
 */
import type { Bytes } from '../bytes/encoding.ts';
import { isEqual } from '../bytes/equal.ts';
import { StrongroomError } from '../errors.ts';
import { allDone, isMissing, type Disk, type DiskEntry, type DiskFile } from './disk.ts';
import { isFileName } from './epoch-file.ts';
import {
  BLOCK_BYTES,
  cellOffset,
  CELLS,
  decodeRootFile,
  emptyBlock,
  encodeCell,
  encodeHeader,
  ROOT_FILE_BYTES,
  type RootFile,
} from './root-file.ts';

/** Where a replica lies, under the name by which certificates and messages call it. */
export interface ReplicaPlace {
  readonly name: string;
  readonly folder: string;
}

export type SideFile = 'intents' | 'witness';

/** Bits that let anybody but the owner in. */
const OTHERS = 0o077;

export class Replica {
  readonly name: string;
  readonly folder: string;
  readonly #disk: Disk;
  #prepared: string | null = null;

  constructor(place: ReplicaPlace, disk: Disk) {
    this.name = place.name;
    this.folder = place.folder;
    this.#disk = disk;
  }

  /** Makes the folders; throws `data.exists` where there is a root already. */
  async create(): Promise<void> {
    await this.#disk.makeFolder(this.folder);
    if ((await this.#disk.stat(this.#path('root'))) !== null) {
      throw new StrongroomError('data.exists', `${this.folder} holds a keystore already`);
    }
    await this.#disk.makeFolder(this.#path('pages'));
    await this.#disk.syncFolder(this.folder);
    await this.#disk.syncFolder(parentOf(this.folder));
  }

  /** Whether there is a root file: an empty folder may be a disk that is not mounted. */
  async exists(): Promise<boolean> {
    return (await this.#disk.stat(this.#path('root'))) !== null;
  }

  /** What others can read, in words; null if nothing. */
  async exposure(): Promise<string | null> {
    const paths = [
      this.folder,
      this.#path('root'),
      this.#path('pages'),
      this.#path('intents'),
      this.#path('witness'),
    ];
    for (const path of paths) {
      const entry = await this.#disk.stat(path);
      if (entry !== null && this.#isExposed(entry))
        return `${path} can be read by others (chmod go= and its owner)`;
    }
    return null;
  }

  #isExposed(entry: DiskEntry): boolean {
    return (
      entry.kind === 'other' ||
      (entry.mode & OTHERS) !== 0 ||
      (entry.owner !== this.#disk.user && entry.owner !== 0)
    );
  }

  /** The header and three empty cells, as a new file. */
  async createRoot(deployment: Bytes): Promise<void> {
    const bytes = new Uint8Array(ROOT_FILE_BYTES);
    bytes.set(encodeHeader(deployment));
    await this.#createFile(this.#path('root'), bytes);
    await this.#disk.syncFolder(this.folder);
  }

  readRoot(): Promise<RootFile> {
    return this.#decodeRoot(this.#read(this.#path('root')));
  }

  /** The same right after it was written. */
  readRootBack(): Promise<RootFile> {
    return this.#decodeRoot(this.#disk.readBack(this.#path('root')));
  }

  async #decodeRoot(read: Promise<Bytes>): Promise<RootFile> {
    const bytes = await read;
    try {
      return decodeRootFile(bytes);
    } finally {
      bytes.fill(0);
    }
  }

  /** Writes a cell in place, and the header anew (which repairs it), and waits until both are on the disk. */
  async writeCell(cell: number, deployment: Bytes, epoch: number, root: Bytes): Promise<void> {
    const bytes = encodeCell(deployment, epoch, root);
    await this.#inFile(this.#path('root'), 'write', async (file) => {
      await allDone([file.writeAt(0, encodeHeader(deployment)), file.writeAt(cellOffset(cell), bytes)]);
      await file.sync();
    });
    bytes.fill(0);
  }

  /** Overwrites cells with zeros in place, waits, opens the file again and reads zeros; throws `keyring.damaged` if not. */
  async wipeCells(cells: readonly number[]): Promise<void> {
    await this.#inFile(this.#path('root'), 'write', async (file) => {
      await allDone(cells.map((cell) => file.writeAt(cellOffset(cell), emptyBlock())));
      await file.sync();
    });
    const { empty } = await this.readRootBack();
    if (!cells.every((cell) => empty.includes(cell))) {
      throw new StrongroomError(
        'keyring.damaged',
        `replica ${this.name}: an overwritten cell does not read as zeros`,
      );
    }
  }

  async wipeOtherCells(keep: number): Promise<void> {
    await this.wipeCells(Array.from({ length: CELLS }, (_, cell) => cell).filter((cell) => cell !== keep));
  }

  /** Ends the replica: no root can be read from it any more. */
  async wipeRoot(): Promise<void> {
    await this.#inFile(this.#path('root'), 'write', async (file) => {
      for (let at = 0; at < 1 + CELLS; at++) await file.writeAt(at * BLOCK_BYTES, emptyBlock());
      await file.sync();
    });
    const { empty } = await this.readRoot();
    if (empty.length !== CELLS)
      throw new StrongroomError('keyring.damaged', `replica ${this.name} could not be wiped`);
  }

  /** Names of epoch files, and of whatever else lies there. */
  async listPages(): Promise<{ readonly files: readonly string[]; readonly others: readonly string[] }> {
    const names = await this.#disk.list(this.#path('pages'));
    return { files: names.filter(isFileName), others: names.filter((name) => !isFileName(name)) };
  }

  /** Null where the replica does not have it. */
  async readPages(file: string): Promise<Bytes | null> {
    return this.#readIfPresent(this.#path('pages', file));
  }

  /** The same right after it was written. */
  readPagesBack(file: string): Promise<Bytes> {
    return this.#disk.readBack(this.#path('pages', file));
  }

  async writePages(file: string, bytes: Bytes): Promise<void> {
    if (this.#prepared === file) {
      this.#prepared = null;
      return this.#inFile(this.#path('pages', file), 'write', async (written) => {
        await written.writeAt(0, bytes);
        await written.sync();
      });
    }
    await this.#createFile(this.#path('pages', file), bytes);
    await this.#disk.syncFolder(this.#path('pages'));
  }

  /** Makes a file of zeros that `writePages` will overwrite: its name and its place on the disk are durable by then. */
  async preparePages(file: string, bytes: number): Promise<void> {
    if (this.#prepared === file) return;
    await this.#createFile(this.#path('pages', file), new Uint8Array(bytes));
    await this.#disk.syncFolder(this.#path('pages'));
    this.#prepared = file;
  }

  async removePages(files: readonly string[]): Promise<void> {
    for (const file of files) await this.#disk.remove(this.#path('pages', file));
  }

  async readSide(name: SideFile): Promise<Bytes | null> {
    return this.#readIfPresent(this.#path(name));
  }

  /** Replaces a side file as a whole: after a crash it is the old or the new one. */
  async writeSide(name: SideFile, bytes: Bytes): Promise<void> {
    const path = this.#path(name);
    const draft = `${path}.new`;
    if ((await this.#disk.stat(draft)) !== null) await this.#disk.remove(draft);
    await this.#createFile(draft, bytes);
    await this.#disk.rename(draft, path);
    await this.#disk.syncFolder(this.folder);
  }

  /** Takes away what a wiped replica leaves behind. */
  async removeAll(): Promise<void> {
    await this.removePages((await this.listPages()).files);
    for (const name of ['intents', 'witness', 'root']) {
      if ((await this.#disk.stat(this.#path(name))) !== null) await this.#disk.remove(this.#path(name));
    }
    await this.#disk.syncFolder(this.folder);
  }

  /** Epoch files that an interrupted adding left without a root. */
  async removeStrays(): Promise<void> {
    if ((await this.#disk.stat(this.#path('pages'))) === null) return;
    await this.removePages((await this.listPages()).files);
  }

  #path(...names: string[]): string {
    return [this.folder, ...names].join('/');
  }

  async #createFile(path: string, bytes: Bytes): Promise<void> {
    await this.#inFile(path, 'create', async (file) => {
      await file.writeAt(0, bytes);
      await file.sync();
    });
  }

  async #readIfPresent(path: string): Promise<Bytes | null> {
    try {
      return await this.#read(path);
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  #read(path: string): Promise<Bytes> {
    return this.#inFile(path, 'read', (file) => file.read());
  }

  async #inFile<T>(
    path: string,
    access: 'read' | 'write' | 'create',
    work: (file: DiskFile) => Promise<T>,
  ): Promise<T> {
    const file = await this.#disk.open(path, access);
    try {
      return await work(file);
    } finally {
      await file.close();
    }
  }
}

const parentOf = (folder: string): string => folder.slice(0, folder.lastIndexOf('/')) || '/';

/** Whether a replica's root names a deployment, and only this one. */
export const isOfDeployment = (root: RootFile, deployment: Bytes): boolean =>
  (root.deployment === null || isEqual(root.deployment, deployment)) &&
  root.cells.every((cell) => isEqual(cell.deployment, deployment));
