/**
 * Somebody who sees every byte that a deployment ever writes: the rows and blobs of every moment, and the boxes of every
 * page of the keyring, found through the roots as they were. At the end only today's root files are left to him, and
 * with these the closure attack is made (closure-attack.ts, which shares no code with what it attacks).
 */
import { readFileSync } from 'node:fs';
import { createDecipheriv } from 'node:crypto';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileNameOf, topKeyOf } from '../src/keys/epoch-file.ts';
import { decodeRootFile } from '../src/keys/root-file.ts';
import { TABLES } from '../src/store/migrations.ts';
import {
  attack,
  pageContext,
  type AttackedFile,
  type AttackedPage,
  type AttackedRecord,
  type AttackResult,
} from './closure-attack.ts';
import { archiveFiles, backupFiles, exportFiles, recordTitle, type PieceRows } from './attacked-files.ts';
import { rowBoxes, type PlacedBox, type Rows } from './boxes.ts';
import { TestDeployment } from './deployment.ts';
import { readAll, withDatabase } from './raw-database.ts';

const REPLICAS = ['a', 'b'];
const TOP = 255;
const TOP_HEAD_BYTES = 22;
const BOX_HEAD_BYTES = 13;
const TAG_BYTES = 16;

export class Witness {
  #directory: string;
  #known: Uint8Array<ArrayBuffer> | null = null;
  readonly #pages = new Map<string, AttackedPage>();
  readonly #records = new Map<string, AttackedRecord>();
  readonly #files = new Map<string, AttackedFile>();
  /** Rows by which those of others are understood, of every moment. */
  readonly #homes = new Map<string, Map<string, Readonly<Record<string, unknown>>>>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** To be called wherever something may have been written and not yet wiped: at every fault point. */
  look(name: string): void {
    if (name === 'epoch.wipe')
      for (const replica of REPLICAS) this.#seePages(join(this.#directory, 'keystore', replica));
    if (name === 'segment.written' || name === 'blob.delete') this.seeStore();
  }

  /** Looks at another folder for the length of `work`: where a restore writes. */
  async elsewhere(directory: string, work: () => Promise<void>): Promise<void> {
    const before = this.#directory;
    this.#directory = directory;
    try {
      await work();
    } finally {
      this.#directory = before;
    }
  }

  /** All rows and blobs as they lie. */
  seeStore(): void {
    const rows = rowsOf(this.#directory);
    for (const placed of rowBoxes(rows)) this.#add(placed);
    this.#seeFiles(rows);
    for (const { id, organization, vault, slot, blob } of rows.segments) {
      const box = readIfThere(join(this.#directory, 'blobs', blob));
      const [home] = rows.organizations.filter((row) => row.id === organization);
      const [place] = rows.vaults.filter((row) => row.id === vault);
      if (box === null || home === undefined || place === undefined) continue;
      this.#add({
        place: { purpose: 'record', table: 'segments', column: 'blob', organization, vault, id, version: 1 },
        name: id,
        id,
        own: slot as PlacedBox['own'],
        scope: [
          ['organization', home.slot as PlacedBox['own']],
          ['vault', place.slot as PlacedBox['own']],
        ],
        box,
      });
    }
  }

  get records(): number {
    return this.#records.size;
  }

  get files(): number {
    return this.#files.size;
  }

  get pages(): number {
    return this.#pages.size;
  }

  /** Everything that opens with today's keystore, by name. */
  attack(): AttackResult {
    const folders = REPLICAS.map((replica) => join(this.#directory, 'keystore', replica));
    for (const folder of folders) this.#seePages(folder);
    const roots = folders.map((folder) => readFileSync(join(folder, 'root')));
    return attack({
      deployment: this.#deployment(),
      roots,
      pages: [...this.#pages.values()],
      records: [...this.#records.values()],
      files: [...this.#files.values()],
    });
  }

  /** Pieces of backups and exports, archives and copies out of them. */
  #seeFiles(rows: Rows): void {
    for (const table of HOMES) this.#keepHomes(table, rows[table]);
    const files = [
      ...backupFiles({
        folder: join(this.#directory, 'backups'),
        deployment: this.#deployment(),
        isKnown: (name) => this.#files.has(name),
        within: (found) => this.#within(found),
      }),
      ...archiveFiles(join(this.#directory, 'blobs'), rows),
      ...exportFiles(join(this.#directory, 'blobs'), rows),
    ];
    for (const file of files) this.#files.set(file.name, file);
  }

  #keepHomes(table: string, rows: readonly object[]): void {
    const known = this.#homes.get(table) ?? new Map<string, Readonly<Record<string, unknown>>>();
    this.#homes.set(table, known);
    for (const row of rows as readonly Readonly<Record<string, unknown>>[])
      known.set(String(row['id'] ?? row['name']), row);
  }

  /** The boxes in rows of a backup, which may know organizations and vaults that are gone. */
  #within(found: PieceRows): readonly AttackedRecord[] {
    for (const table of HOMES) this.#keepHomes(table, found.get(table) ?? []);
    const rows = Object.fromEntries(Object.keys(TABLES).map((table) => [table, found.get(table) ?? []]));
    for (const table of HOMES) rows[table] = [...(this.#homes.get(table) ?? []).values()] as never;
    return rowBoxes(rows as unknown as Rows).map(recordOf);
  }

  #add(placed: PlacedBox): void {
    const record = recordOf(placed);
    this.#records.set(record.name, record);
  }

  #deployment(): Uint8Array<ArrayBuffer> {
    this.#known ??= withDatabase(
      this.#directory,
      (database) =>
        new Uint8Array(readAll(database, 'meta', `name = 'deployment'`)[0]?.['value'] as Uint8Array),
    );
    return this.#known;
  }

  /** The top page of every root that stands in the folder, and every page below it. */
  #seePages(folder: string): void {
    const deployment = this.#deployment();
    for (const { root } of decodeRootFile(new Uint8Array(readFileSync(join(folder, 'root')))).cells) {
      const name = fileNameOf(root);
      const file = readIfThere(join(folder, 'pages', name));
      if (file === null) continue;
      const top = file.subarray(file.readUInt32BE(BOX_HEAD_BYTES));
      this.#addPage(`${name}/top`, top, TOP, 0);
      const plaintext = open(top, topKeyOf(root, deployment), pageContext(deployment, TOP, 0));
      const children = plaintext.subarray(TOP_HEAD_BYTES);
      this.#seeBelow(folder, children, { height: plaintext[17] ?? 0, index: 0 });
    }
  }

  /** The pages that an inner page (or the top page, without its head) names, and all below them. */
  #seeBelow(folder: string, entries: Buffer, { height, index }: { height: number; index: number }): void {
    for (let at = 0; at < entries.length; at += entries[at + 1] === 1 ? 34 : 50) {
      if (entries[at + 1] !== 2) continue;
      const file = entries.subarray(at + 34, at + 42).toString('hex');
      const [offset, length] = [entries.readUInt32BE(at + 42), entries.readUInt32BE(at + 46)];
      const page = readIfThere(join(folder, 'pages', file))?.subarray(offset, offset + length);
      if (page === undefined) continue;
      const below = { height: height - 1, index: index * 256 + (entries[at] ?? 0) };
      const isNew = this.#addPage(`${file}/${offset}`, page, below.height, below.index);
      if (below.height === 0 || !isNew) continue;
      const context = pageContext(this.#deployment(), below.height, below.index);
      this.#seeBelow(folder, open(page, entries.subarray(at + 2, at + 34), context), below);
    }
  }

  /** False for one that was seen before. */
  #addPage(name: string, bytes: Uint8Array, height: number, index: number): boolean {
    if (this.#pages.has(name)) return false;
    this.#pages.set(name, {
      name,
      bytes: new Uint8Array(bytes),
      height,
      index,
      associated: pageContext(this.#deployment(), height, index),
    });
    return true;
  }
}

/** Tables whose rows say where those of others belong. */
const HOMES = ['organizations', 'vaults', 'service_slots', 'api_keys'] as const;

function recordOf({ place, name, own, scope, id, box }: PlacedBox): AttackedRecord {
  const { purpose, table, column, organization, vault, version } = place;
  const bytes = new Uint8Array(box);
  return {
    name: recordTitle({ table, column, name, version, bytes }),
    bytes,
    associated: Buffer.from(
      JSON.stringify([1, purpose, table, column, organization, vault, place.id, version]),
    ),
    own,
    scope: scope.map(([, slot]) => slot),
    info: Buffer.from(JSON.stringify(['record/1', id, version, scope])),
  };
}

export const rowsOf = (directory: string): Rows =>
  withDatabase(
    directory,
    (database) =>
      Object.fromEntries(
        Object.keys(TABLES).map((table) => [table, readAll(database, table)]),
      ) as unknown as Rows,
  );

function readIfThere(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function open(box: Uint8Array, key: Uint8Array, associated: Uint8Array): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, box.subarray(1, BOX_HEAD_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(associated);
  decipher.setAuthTag(box.subarray(-TAG_BYTES));
  return Buffer.concat([decipher.update(box.subarray(BOX_HEAD_BYTES, -TAG_BYTES)), decipher.final()]);
}

/** A deployment, made and not served, and the witness of everything it writes. */
export async function witnessed(
  t: TestContext,
  fault: (name: string) => void = () => undefined,
): Promise<{ deployment: TestDeployment; witness: Witness }> {
  let witness: Witness | null = null;
  const deployment = await TestDeployment.make(t, {
    fault: (name) => {
      witness?.look(name);
      fault(name);
    },
  });
  witness = new Witness(deployment.directory);
  return { deployment, witness };
}
