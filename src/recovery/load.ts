/**
 * Lays a path of backups into a new database, piece by piece. Each piece is held against its manifest before a row of it
 * is believed; one that is missing, cut, changed or another's is named.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Bytes } from '../bytes/encoding.ts';
import { giveBack } from '../bytes/give-back.ts';
import { StrongroomError } from '../errors.ts';
import { decodeStoredLeaf, entryTargets, type EntryBody } from '../ledger/entry.ts';
import type { Slot, SlotKey } from '../keys/slot.ts';
import type { BlobStore } from '../store/blobs.ts';
import type { BulkLoad, RowBatch } from '../store/bulk-load.ts';
import type { SqlValue } from '../store/connection.ts';
import { MIGRATIONS, TABLES } from '../store/migrations.ts';
import { decodeRow } from '../store/row-bytes.ts';
import { isUnreadable, whatOf, type Damage } from './catalogue.ts';
import { backupKey, pieceContext, type Manifest } from './manifest.ts';
import { PieceCrypt } from './piece-crypt.ts';
import { readPiece, type PieceRecord } from './piece.ts';
import { pieceName } from './place.ts';

export interface LoadOrder {
  readonly place: BlobStore;
  readonly keys: { derive(slot: Slot): SlotKey };
  readonly into: BulkLoad;
  /** Where blobs go; null where they are of no interest. */
  readonly blobs: BlobStore | null;
  /** Whether to go on without a piece that cannot be used; else it is thrown. */
  readonly isLenient: boolean;
  readonly onProgress: (progress: LoadProgress) => void;
  /** Where only a part of the rows is wanted. */
  readonly only?: Part | undefined;
}

/** Rows of one vault: those of these tables, and where a table says in which vault its rows are, only its own. */
export interface Part {
  readonly tables: ReadonlySet<string>;
  readonly vault: string;
}

export interface LoadProgress {
  readonly pieces: number;
  readonly of: number;
  readonly rows: number;
}

export interface Loaded {
  readonly rows: number;
  readonly damage: readonly Damage[];
}

/** A piece that cannot be used. */
export class PieceFault extends Error {
  override readonly name = 'PieceFault';
  readonly backup: Manifest['id'];
  readonly damage: Damage;

  constructor(backup: Manifest['id'], damage: Damage) {
    super(`${damage.file}: ${damage.what}`);
    this.backup = backup;
    this.damage = damage;
  }
}

/** Pieces that are fetched ahead of the one that is laid in. */
const AHEAD = 2;

export async function loadPath(path: readonly Manifest[], order: LoadOrder): Promise<Loaded> {
  const of = path.reduce((sum, { pieces }) => sum + pieces.length, 0);
  const damage: Damage[] = [];
  let pieces = 0;
  let rows = 0;
  for (const manifest of path) {
    if (manifest.schema > MIGRATIONS.length)
      throw new StrongroomError('schema.newer', `the backup is of schema ${manifest.schema}`);
    for await (const found of piecesOf(manifest, order)) {
      if ('damage' in found) {
        if (!order.isLenient) throw found;
        damage.push(found.damage);
      } else {
        rows += await layIn(found, manifest, order);
        giveBack(found);
      }
      order.onProgress({ pieces: ++pieces, of, rows });
      await turn();
    }
  }
  return { rows, damage };
}

/** The plaintext of each piece in its order, or what is wrong with it. */
async function* piecesOf(manifest: Manifest, order: LoadOrder): AsyncGenerator<Bytes | PieceFault> {
  const key = backupKey(order.keys.derive(manifest.slot), manifest.id, 'pieces');
  const crypt = new PieceCrypt();
  const fetched: Promise<Bytes | PieceFault>[] = [];
  try {
    for (let number = 1; number <= manifest.pieces.length; number++) {
      while (fetched.length <= AHEAD && number + fetched.length <= manifest.pieces.length)
        fetched.push(fetchPiece(manifest, number + fetched.length, { place: order.place, crypt, key }));
      const piece = await fetched.shift();
      if (piece !== undefined) yield piece;
    }
  } finally {
    await Promise.allSettled(fetched);
    await crypt.close();
    key.fill(0);
  }
}

interface Fetching {
  readonly place: BlobStore;
  readonly crypt: PieceCrypt;
  readonly key: Bytes;
}

async function fetchPiece(
  manifest: Manifest,
  number: number,
  { place, crypt, key }: Fetching,
): Promise<Bytes | PieceFault> {
  const file = pieceName(manifest.id, number);
  const fault = (what: string): PieceFault => new PieceFault(manifest.id, { file, what });
  const said = manifest.pieces[number - 1];
  let piece: Bytes;
  try {
    piece = await place.get(file);
  } catch (error) {
    if (isUnreadable(error)) return fault(whatOf(error));
    throw error;
  }
  if (piece.length !== said?.size) return fault(`it has ${piece.length} bytes, not ${said?.size}`);
  const from = { key, context: pieceContext(manifest, number) };
  const answer = await crypt.run({ kind: 'open', from, sha256: said.sha256, piece });
  return 'fault' in answer ? fault(answer.fault) : answer.bytes;
}

async function layIn(piece: Bytes, manifest: Manifest, order: LoadOrder): Promise<number> {
  const isNew = manifest.kind === 'full';
  let rows = 0;
  for (const record of readPiece(piece)) {
    if (record.kind === 'removed') {
      if (isCarried(record.table)) await order.into.remove(record.table, record.keys);
    } else if (record.kind === 'blob') await order.blobs?.put(record.name, record.bytes);
    else if (order.only === undefined || order.only.tables.has(record.head.table))
      rows += await layRows(record, isNew, order);
  }
  return rows;
}

const isCarried = (table: string): boolean => TABLES[table]?.unbacked === undefined && table in TABLES;

/** Rows in one call to the database. */
const ROWS_AT_ONCE = 1000;

async function layRows(
  { head, rows }: Extract<PieceRecord, { kind: 'rows' }>,
  isNew: boolean,
  { into, only }: Pick<LoadOrder, 'into' | 'only'>,
): Promise<number> {
  const { table } = head;
  if (!isCarried(table)) throw new StrongroomError('schema.newer', `no such table: ${table}`);
  const columns = head.columns.map(([name]) => name);
  const types = head.columns.map(([, type]) => type);
  const place = only === undefined ? -1 : columns.indexOf(table === 'vaults' ? 'id' : 'vault');
  for (let at = 0; at < rows.length; at += ROWS_AT_ONCE) {
    const decoded = rows.slice(at, at + ROWS_AT_ONCE).map((row) => decodeRow(row, types));
    // What says of itself where it stands is said anew.
    const said = table === 'meta' ? decoded.filter(([name]) => name !== 'schema') : decoded;
    const kept = place < 0 ? said : said.filter((row) => row[place] === only?.vault);
    await into.put({ table, columns, rows: kept }, isNew);
    if (table === 'ledger_entries') await into.put(targetsOf(columns, decoded), isNew);
  }
  return rows.length;
}

/** Under which targets entries are found: no backup carries it, because the leaves say it. */
function targetsOf(columns: readonly string[], entries: readonly (readonly SqlValue[])[]): RowBatch {
  const [log, n, organization, leaf, change] = ['log', 'n', 'organization', 'leaf', 'change'].map((name) =>
    columns.indexOf(name),
  ) as [number, number, number, number, number];
  const rows = entries.flatMap((entry) => {
    const stored = decodeStoredLeaf(entry[leaf] as Uint8Array);
    if (stored.leaf === null) return [];
    const body = JSON.parse(Buffer.from(stored.leaf).toString('utf8')) as EntryBody;
    return entryTargets(body).map((target) => [
      entry[log] ?? null,
      target,
      entry[n] ?? null,
      entry[organization] ?? null,
      entry[change] ?? null,
    ]);
  });
  return { table: 'ledger_targets', columns: ['log', 'target', 'n', 'organization', 'change'], rows };
}
