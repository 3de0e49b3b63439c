/**
 * A disk in memory that behaves as badly as a real one may: what was not synced is lost, torn or kept when the power
 * goes; a sync may fail; a folder may be away; the process may die before any single operation.
 *
 * A name is durable once its folder was synced, content once its file was. `written` keeps every byte that ever went
 * to it, for the attacker who has seen everything.
 */
import type { Bytes } from '../../bytes/encoding.ts';
import { Crash } from '../../environment.ts';
import type { Disk, DiskEntry, DiskFile } from '../disk.ts';

interface Inode {
  kind: 'file' | 'folder';
  mode: number;
  owner: number;
  visible: Bytes;
  durable: Bytes;
  unsynced: { readonly offset: number; readonly bytes: Bytes }[];
}

type NameChange = { readonly folder: string } & (
  | { readonly kind: 'link'; readonly path: string; readonly inode: Inode }
  | { readonly kind: 'unlink'; readonly path: string }
  | { readonly kind: 'rename'; readonly from: string; readonly path: string; readonly inode: Inode }
);

/** A torn write keeps fewer bytes than this: less than a cell's content. */
const TORN_BYTES = 90;

/** A small generator for the choices of a test: same seed, same choices. */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export class DiskError extends Error {
  readonly code: string;

  constructor(code: string, path: string) {
    super(`${code}: ${path}`);
    this.code = code;
  }
}

export class FaultyDisk implements Disk {
  readonly user = 1000;
  /** Everything that was ever written, in order. */
  readonly written: { readonly path: string; readonly bytes: Bytes }[] = [];
  /** Operations so far; the one with number `crashAt` does not happen, nor any after it. */
  operations = 0;
  crashAt = Infinity;
  syncs = 0;
  /** The sync with this number fails, and what it should have made durable is not. */
  failSyncAt = Infinity;
  isDead = false;
  #visible = new Map<string, Inode>();
  #durable = new Map<string, Inode>();
  #unsynced: NameChange[] = [];
  readonly #away = new Set<string>();

  /** The same disk at this moment, on which another history can go on. */
  copy(): FaultyDisk {
    const disk = new FaultyDisk();
    const copies = new Map<Inode, Inode>();
    const copyOf = (inode: Inode): Inode => {
      const known = copies.get(inode);
      if (known !== undefined) return known;
      const copied = {
        ...inode,
        visible: inode.visible.slice(),
        durable: inode.durable.slice(),
        unsynced: [...inode.unsynced],
      };
      copies.set(inode, copied);
      return copied;
    };
    for (const [path, inode] of this.#visible) disk.#visible.set(path, copyOf(inode));
    for (const [path, inode] of this.#durable) disk.#durable.set(path, copyOf(inode));
    disk.#unsynced = this.#unsynced.map((change) =>
      'inode' in change ? { ...change, inode: copyOf(change.inode) } : change,
    );
    disk.written.push(...this.written);
    return disk;
  }

  /** From now on every operation fails: the process is gone. */
  die(): void {
    this.isDead = true;
  }

  /** The process is started anew; what it had written is still in the page cache. */
  revive(): void {
    this.isDead = false;
    this.crashAt = Infinity;
    this.failSyncAt = Infinity;
  }

  /**
   * The power goes: of what was not synced each write is lost, kept or torn, and of the changes of names
   * in each folder the first few are kept. `mustTear` tears every unsynced write of these folders.
   */
  cutPower(random: () => number, mustTear: (path: string) => boolean = () => false): void {
    const kept = new Map<string, boolean>();
    for (const change of this.#unsynced) {
      const keeps = (kept.get(change.folder) ?? true) && random() < 0.5;
      kept.set(change.folder, keeps);
      if (keeps) this.#applyDurably(change);
    }
    this.#unsynced = [];
    for (const [path, inode] of this.#durable) {
      for (const { offset, bytes } of inode.unsynced) {
        const choice = random();
        // Real disks tear at sectors, in which a cell would lie whole; these are worse.
        const cut = Math.floor(random() * Math.min(bytes.length, TORN_BYTES));
        const length = mustTear(path) ? cut + 1 : choice < 0.4 ? 0 : choice < 0.7 ? bytes.length : cut;
        inode.durable = overwritten(inode.durable, offset, bytes.slice(0, length));
      }
      inode.unsynced = [];
      inode.visible = inode.durable.slice();
    }
    this.#visible = new Map(this.#durable);
    this.revive();
  }

  /** A folder and all below it cannot be found any more, until it is brought back. */
  takeAway(folder: string): void {
    this.#away.add(folder);
  }

  bringBack(folder: string): void {
    this.#away.delete(folder);
  }

  /** The bytes of a file as a reader sees them. */
  peek(path: string): Bytes {
    const inode = this.#visible.get(path);
    if (inode === undefined) throw new DiskError('ENOENT', path);
    return inode.visible;
  }

  isReachable(path: string): boolean {
    return this.#visible.has(path) && !this.#isAway(path);
  }

  paths(): readonly string[] {
    return [...this.#visible].flatMap(([path, { kind }]) => (kind === 'file' ? [path] : [])).sort();
  }

  /** Changes a file behind everybody's back. */
  poke(path: string, change: (bytes: Bytes) => Bytes | void): void {
    const inode = this.#visible.get(path);
    if (inode === undefined) throw new DiskError('ENOENT', path);
    const bytes = inode.visible.slice();
    inode.visible = change(bytes) ?? bytes;
    inode.durable = inode.visible.slice();
  }

  delete(path: string): void {
    for (const known of Array.from(this.#visible.keys())) {
      if (known !== path && !known.startsWith(`${path}/`)) continue;
      this.#visible.delete(known);
      this.#durable.delete(known);
    }
  }

  expose(path: string, mode: number): void {
    const inode = this.#visible.get(path);
    if (inode === undefined) throw new DiskError('ENOENT', path);
    inode.mode = mode;
  }

  async stat(path: string): Promise<DiskEntry | null> {
    await this.#operate(path, 'look');
    const inode = this.#visible.get(path);
    if (inode === undefined || this.#isAway(path)) return null;
    return { kind: inode.kind, mode: inode.mode, owner: inode.owner, sizeBytes: inode.visible.length };
  }

  async list(folder: string): Promise<readonly string[]> {
    await this.#operate(folder);
    const prefix = `${folder}/`;
    const names = [...this.#visible.keys()]
      .filter((path) => path.startsWith(prefix))
      .map((path) => path.slice(prefix.length));
    return names.filter((name) => !name.includes('/')).sort();
  }

  async open(path: string, access: 'read' | 'write' | 'create'): Promise<DiskFile> {
    await this.#operate(path);
    const known = this.#visible.get(path);
    if (access === 'create') {
      if (known !== undefined) throw new DiskError('EEXIST', path);
      if (!this.#visible.has(parentOf(path))) throw new DiskError('ENOENT', path);
      const inode = newInode('file', 0o600, this.user);
      this.#link(path, inode);
      return this.#fileOf(path, inode);
    }
    if (known === undefined) throw new DiskError('ENOENT', path);
    return this.#fileOf(path, known);
  }

  async readBack(path: string): Promise<Bytes> {
    return (await this.open(path, 'read')).read();
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#operate(from);
    const inode = this.#visible.get(from);
    if (inode === undefined) throw new DiskError('ENOENT', from);
    this.#visible.delete(from);
    this.#visible.set(to, inode);
    this.#unsynced.push({ kind: 'rename', folder: parentOf(to), from, path: to, inode });
  }

  async remove(path: string): Promise<void> {
    await this.#operate(path);
    if (!this.#visible.delete(path)) throw new DiskError('ENOENT', path);
    this.#unsynced.push({ kind: 'unlink', folder: parentOf(path), path });
  }

  async makeFolder(path: string): Promise<void> {
    await this.#operate(path);
    for (let at = path.indexOf('/', 1); ; at = path.indexOf('/', at + 1)) {
      const part = at < 0 ? path : path.slice(0, at);
      if (!this.#visible.has(part)) this.#link(part, newInode('folder', 0o700, this.user));
      if (at < 0) return;
    }
  }

  async syncFolder(path: string): Promise<void> {
    await this.#operate(path);
    this.#countSync(path);
    for (const change of this.#unsynced) if (change.folder === path) this.#applyDurably(change);
    this.#unsynced = this.#unsynced.filter(({ folder }) => folder !== path);
  }

  #fileOf(path: string, inode: Inode): DiskFile {
    const readInto: DiskFile['readInto'] = async (room) => {
      await this.#operate(path);
      const bytes = room(inode.visible.length).subarray(0, inode.visible.length);
      bytes.set(inode.visible);
      return bytes;
    };
    return {
      read: async () => (await readInto((sizeBytes) => new Uint8Array(sizeBytes))) as Bytes,
      readInto,
      writeAt: async (offset, bytes) => {
        await this.#operate(path);
        this.written.push({ path, bytes: bytes.slice() });
        inode.unsynced.push({ offset, bytes: bytes.slice() });
        inode.visible = overwritten(inode.visible, offset, bytes);
      },
      sync: async () => {
        await this.#operate(path);
        this.#countSync(path);
        inode.durable = inode.visible.slice();
        inode.unsynced = [];
      },
      close: async () => undefined,
    };
  }

  #countSync(path: string): void {
    this.syncs++;
    if (this.syncs === this.failSyncAt) throw new DiskError('EIO', path);
  }

  async #operate(path: string, purpose: 'look' | 'use' = 'use'): Promise<void> {
    await Promise.resolve();
    if (this.isDead) throw new Crash('dead');
    this.operations++;
    if (this.operations >= this.crashAt) {
      this.isDead = true;
      throw new Crash(`before operation ${this.operations}`);
    }
    if (purpose === 'use' && this.#isAway(path)) throw new DiskError('ENOENT', path);
  }

  #isAway(path: string): boolean {
    for (const folder of this.#away) if (path === folder || path.startsWith(`${folder}/`)) return true;
    return false;
  }

  #link(path: string, inode: Inode): void {
    this.#visible.set(path, inode);
    this.#unsynced.push({ kind: 'link', folder: parentOf(path), path, inode });
  }

  #applyDurably(change: NameChange): void {
    if (change.kind === 'unlink') this.#durable.delete(change.path);
    else this.#durable.set(change.path, change.inode);
    if (change.kind === 'rename') this.#durable.delete(change.from);
  }
}

const newInode = (kind: Inode['kind'], mode: number, owner: number): Inode => ({
  kind,
  mode,
  owner,
  visible: new Uint8Array(0),
  durable: new Uint8Array(0),
  unsynced: [],
});

function overwritten(content: Bytes, offset: number, bytes: Bytes): Bytes {
  const out = new Uint8Array(Math.max(content.length, offset + bytes.length));
  out.set(content);
  out.set(bytes, offset);
  return out;
}

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/';
