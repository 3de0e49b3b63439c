/**
 * The rows that a backup is made of, read from one snapshot and laid into pieces.
 *
 * A large store is read on a thread of its own: its rows are copied by the hundred megabytes, and requests are answered
 * meanwhile. The thread has neither keys nor a place to write to; what it reads is sealed as it lies.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { encodeBase64 } from '../bytes/encoding.ts';
import { giveBack } from '../bytes/give-back.ts';
import { Frontier } from '../ledger/merkle.ts';
import type { StoreTarget } from '../store/open-store.ts';
import { decodeKeyValue, type KeyValue } from '../store/row-key.ts';
import { openSnapshot, type RowsQuery, type Snapshot } from '../store/snapshot.ts';
import { DATABASE_FILE } from '../store/sqlite.ts';
import type { Table } from '../store/table.ts';
import {
  blobColumns,
  carriedTables,
  columnsOf,
  grownLogs,
  headOf,
  queriesOf,
  type Growth,
} from './carried.ts';
import type { ManifestContent } from './manifest.ts';
import { PieceWriter, type FullPiece } from './piece.ts';
import { openReaderThread } from './reader-thread.ts';

export interface ReadOrder {
  /** Rows that changed after this; 0: all. */
  readonly from: number;
  /** Whether all rows of all tables are counted where only some are carried. */
  readonly isCounted: boolean;
}

export interface RowSink {
  /** Takes a piece over, memory and all. */
  add(piece: FullPiece): Promise<void>;
  /** Memory of a piece that was taken over and is not needed any more; null: none. */
  spare(): ArrayBuffer | null;
  /** The deployment's own blob of that name; null where it is gone by now. */
  blob(name: string): Promise<Uint8Array | null>;
}

export type RowsRead = Pick<ManifestContent, 'counts' | 'logs' | 'missingBlobs'>;

export interface RowReader {
  /** The number of the last job it sees. */
  readonly change: number;
  /** Once. */
  read(sink: RowSink): Promise<RowsRead>;
  close(): Promise<void>;
}

/** Below this a thread costs more than it spares. */
const THREAD_BYTES_MIN = 64 * 1024 * 1024;

export const openReader = (
  target: StoreTarget,
  order: ReadOrder,
  threadBytesMin = THREAD_BYTES_MIN,
): Promise<RowReader> =>
  order.from === 0 && sizeOf(target) >= threadBytesMin
    ? openReaderThread({ target, order })
    : openReaderHere(target, order);

/** On PostgreSQL the other end reads. */
const sizeOf = (target: StoreTarget): number =>
  target.engine === 'sqlite' ? statSync(join(target.directory, DATABASE_FILE)).size : -1;

async function openReaderHere(target: StoreTarget, order: ReadOrder): Promise<RowReader> {
  const snapshot = await openSnapshot(target);
  return {
    change: snapshot.change,
    read: (sink) => readRows(snapshot, order, sink),
    close: () => snapshot.close(),
  };
}

/** Reads the rows of a backup from a snapshot, in their order, and hands them on piece by piece. */
export async function readRows(
  snapshot: Snapshot,
  { from, isCounted }: ReadOrder,
  sink: RowSink,
): Promise<RowsRead> {
  const writer = new PieceWriter();
  const counts: Record<string, number> = {};
  const missingBlobs: string[] = [];
  const grown = await grownLogs(snapshot, from);
  const give = async (full: FullPiece): Promise<void> => {
    await sink.add(full);
    writer.reuse(sink.spare());
  };
  if (from > 0) for (const full of await removedRows(snapshot, from, writer)) await give(full);
  for (const [name, table] of carriedTables()) {
    const queries = queriesOf(name, table, from, grown);
    const rows = await carryRows(snapshot, { name, table, queries, writer, give });
    missingBlobs.push(...(await carryBlobs(snapshot, { name, table, queries, writer, give, sink })));
    if (from === 0) counts[name] = rows;
    else if (isCounted) counts[name] = await snapshot.count(name);
  }
  await sink.add(writer.end());
  return { counts: from === 0 || isCounted ? counts : null, logs: grown.map(logHead), missingBlobs };
}

const logHead = ({ log, size, frontier }: Growth): { log: string; size: number; root: string } => ({
  log,
  size,
  root: encodeBase64(Frontier.decode(size, frontier).root()),
});

interface Carriage {
  readonly name: string;
  readonly table: Table;
  readonly queries: readonly RowsQuery[];
  readonly writer: PieceWriter;
  readonly give: (full: FullPiece) => Promise<void>;
}

async function carryRows(snapshot: Snapshot, carriage: Carriage): Promise<number> {
  const { name, table, queries, writer, give } = carriage;
  let count = 0;
  for (const query of queries) {
    for await (const rows of snapshot.rows(query)) {
      if (count === 0) for (const full of writer.table(headOf(name, table))) await give(full);
      count += rows.count;
      for (const full of writer.rows(rows)) await give(full);
      giveBack(rows.bytes);
      await turn();
    }
  }
  return count;
}

/** Bytes that rows name and that nothing else could give back. Answers the names of those that are gone by now. */
async function carryBlobs(
  snapshot: Snapshot,
  carriage: Carriage & { readonly sink: RowSink },
): Promise<string[]> {
  const { name, table, queries, writer, give, sink } = carriage;
  const columns = columnsOf(name, blobColumns(table));
  const missing: string[] = [];
  if (Object.keys(columns).length === 0) return missing;
  for (const query of queries) {
    for (const row of await snapshot.values({ ...query, columns })) {
      for (const blob of row.filter((value) => typeof value === 'string')) {
        const bytes = await sink.blob(blob);
        if (bytes === null) missing.push(blob);
        else for (const full of writer.blob(blob, bytes)) await give(full);
      }
    }
  }
  return missing;
}

/** Which rows are gone since; a restore takes them away before it lays in what came. */
async function removedRows(snapshot: Snapshot, from: number, writer: PieceWriter): Promise<FullPiece[]> {
  const rows = await snapshot.values({
    table: 'removed_rows',
    columns: columnsOf('removed_rows', ['relation', 'row_key']),
    where: [{ column: 'change', is: '>', value: from }],
  });
  const byTable = Map.groupBy(rows as readonly [string, string][], ([relation]) => relation);
  return [...byTable].flatMap(([relation, removed]) =>
    writer.removed(
      relation,
      removed.map(([, key]) => (JSON.parse(key) as KeyValue[]).map(decodeKeyValue)),
    ),
  );
}
