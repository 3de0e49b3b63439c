/**
 * Pieces of backups and archives, as somebody takes them apart who looks for what may still be read: from the published forms
 * (docs/format.md), with nothing of the code that writes or reads them.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SQLInputValue } from 'node:sqlite';
import type { Rows } from './boxes.ts';
import type { AttackedFile, AttackedRecord } from './closure-attack.ts';

/** Rows by table, as they lie in a piece. */
export type PieceRows = ReadonlyMap<string, readonly Readonly<Record<string, SQLInputValue>>[]>;

const MANIFEST_SLOT = 21;
const MANIFEST_ID = 29;
const ID_BYTES = 30;

export interface BackupFolder {
  readonly folder: string;
  readonly deployment: Uint8Array;
  /** Pieces that have been seen: they do not change. */
  readonly isKnown: (name: string) => boolean;
  /** The boxes that lie in rows. */
  readonly within: (rows: PieceRows) => readonly AttackedRecord[];
}

/** The pieces in a folder with backups that are not known yet. */
export function backupFiles({ folder, deployment, isKnown, within }: BackupFolder): AttackedFile[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((id) => {
    const manifest = join(folder, id, 'manifest');
    if (!existsSync(manifest)) return [];
    const head = readFileSync(manifest);
    const own = Number(head.readBigUInt64BE(MANIFEST_SLOT));
    const name = head.subarray(MANIFEST_ID, MANIFEST_ID + ID_BYTES);
    return readdirSync(join(folder, id))
      .filter((piece) => /^\d+$/.test(piece) && !isKnown(`backup ${id}/${piece}`))
      .map((piece) => ({
        name: `backup ${id}/${piece}`,
        bytes: readFileSync(join(folder, id, piece)),
        context: Buffer.concat([
          Buffer.from('strongroom/backup/piece/1'),
          deployment,
          name,
          u32(Number(piece)),
        ]),
        own,
        scope: null,
        info: Buffer.concat([name, Buffer.from('/pieces')]),
        within: (plaintext: Buffer) => within(rowsInPiece(plaintext)),
      }));
  });
}

/** Archives, and copies out of them, whose rows and files are both there. */
export function archiveFiles(blobs: string, rows: Rows): AttackedFile[] {
  const slotOf = (list: readonly { id: string; slot: number }[], id: string): number | undefined =>
    list.find((row) => row.id === id)?.slot;
  const named = [
    ...rows.archives.map(({ id, slot, vault, organization, blob }) => ({
      id,
      slot,
      vault,
      organization,
      blob,
    })),
    ...rows.archive_requests.flatMap(({ id, copy_slot: slot, vault, organization, blob }) =>
      slot === null || blob === null ? [] : [{ id, slot, vault, organization, blob }],
    ),
  ];
  return named.flatMap(({ id, slot, vault, organization, blob }) => {
    const path = join(blobs, blob);
    const home = slotOf(rows.organizations, organization);
    const place = slotOf(rows.vaults, vault);
    if (!existsSync(path) || home === undefined || place === undefined) return [];
    const scope = [
      ['organization', home],
      ['vault', place],
    ];
    return [
      {
        name: `archive ${id}`,
        bytes: readFileSync(path),
        context: Buffer.from(`strongroom/archive/1 ${organization} ${vault} ${id}`),
        own: slot,
        scope: [home, place],
        info: Buffer.from(JSON.stringify(['record/1', id, 1, scope])),
        within: (plaintext: Buffer) => boxesInArchive(plaintext, { organization, vault }),
      },
    ];
  });
}

/** Rows of a piece: "SRBP" 1, then records of kind u8, length u32. */
function rowsInPiece(piece: Buffer): PieceRows {
  const found = new Map<string, Record<string, SQLInputValue>[]>();
  let head: { table: string; columns: [string, string][] } = { table: '', columns: [] };
  for (let at = 5; at < piece.length;) {
    const [kind, end] = [piece[at], at + 5 + piece.readUInt32BE(at + 1)];
    const content = piece.subarray(at + 5, end);
    at = end;
    if (kind === 1) head = JSON.parse(content.toString()) as typeof head;
    if (kind !== 2) continue;
    const rows = found.get(head.table) ?? [];
    rows.push(rowIn(content, head.columns));
    found.set(head.table, rows);
  }
  return found;
}

/** A line of JSON, of bytes their length, and then the bytes. */
function rowIn(content: Buffer, columns: readonly [string, string][]): Record<string, SQLInputValue> {
  let at = content.indexOf('\n') + 1;
  const values = JSON.parse(content.toString('utf8', 0, at)) as (string | number | null)[];
  const row: Record<string, SQLInputValue> = {};
  for (const [place, [name, type]] of columns.entries()) {
    const value = values[place] ?? null;
    row[name] = value;
    if (type !== 'bytes' || typeof value !== 'number') continue;
    row[name] = new Uint8Array(content.subarray(at, at + value));
    at += value;
  }
  return row;
}

/** Pieces of kept exports whose rows and files are both there: named by the export and their number. */
export function exportFiles(blobs: string, rows: Rows): AttackedFile[] {
  const folder = join(blobs, 'exports');
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((file) => {
    const [id = '', number = ''] = file.split('.');
    const row = rows.exports.find((one) => one.id === id);
    const home = rows.organizations.find((one) => one.id === row?.organization)?.slot;
    const place = rows.vaults.find((one) => one.id === row?.vault)?.slot;
    if (row === undefined || home === undefined || place === undefined) return [];
    const { organization, vault, slot: own } = row;
    const scope = [
      ['organization', home],
      ['vault', place],
    ];
    return [
      {
        name: `export ${file}`,
        bytes: readFileSync(join(folder, file)),
        context: Buffer.from(`strongroom/export/1 ${organization} ${vault} ${id} ${Number(number)}`),
        own,
        scope: [home, place],
        info: Buffer.from(JSON.stringify(['record/1', id, 1, scope])),
        within: (plaintext: Buffer) => boxesInArchive(plaintext, { organization, vault }),
      },
    ];
  });
}

/** Memory, version, slot, scope; whatever else the kind of file says; bytes of the body, of the vector. */
type Listed = [string, number, number, string, ...(string | number | null)[]];

/** "SRAR" or "SREX", 1, the length of a list, the list, the boxes in its order. */
function boxesInArchive(
  archive: Buffer,
  { organization, vault }: { readonly organization: string; readonly vault: string },
): AttackedRecord[] {
  let at = 9 + archive.readUInt32BE(5);
  const list = JSON.parse(archive.toString('utf8', 9, at)) as Listed[];
  return list.flatMap(([memory, version, own, encoded, ...more]) => {
    const lengths = more.slice(-2) as number[];
    const scope = JSON.parse(encoded) as [string, number][];
    return (['body_box', 'vector_box'] as const).flatMap((column, place) => {
      const length = lengths[place] ?? 0;
      const bytes = new Uint8Array(archive.subarray(at, at + length));
      at += length;
      if (length === 0) return [];
      return [
        {
          name: recordTitle({ table: 'memory_versions', column, name: memory, version, bytes }),
          bytes,
          associated: Buffer.from(
            JSON.stringify([1, 'record', 'memory_versions', column, organization, vault, memory, version]),
          ),
          own,
          scope: scope.map(([, slot]) => slot),
          info: Buffer.from(JSON.stringify(['record/1', memory, version, scope])),
        },
      ];
    });
  });
}

/** What a box is called, wherever it is found: by its place and its nonce. */
export const recordTitle = (of: {
  readonly table: string;
  readonly column: string;
  readonly name: string;
  readonly version: number;
  readonly bytes: Uint8Array;
}): string =>
  `${of.table}.${of.column} ${of.name} ${of.version} ${Buffer.from(of.bytes.subarray(1, 13)).toString('hex')}`;

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
