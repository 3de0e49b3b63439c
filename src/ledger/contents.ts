/** Reads a log's entries and checkpoints in the order of an export, page by page, so that a long one holds nothing up. */
import type { Details, LogId } from './entry.ts';
import type { EntryRow } from './entry-rows.ts';
import type { ExportedCheckpoint, ExportedEntry } from './export.ts';
import { readRange } from './log-rows.ts';
import type { ReadSql } from '../store/store.ts';

const PAGE_ENTRIES = 512;

export interface ContentsSource {
  read<Result>(work: (db: ReadSql) => Promise<Result>): Promise<Result>;
  /** What is in the box of an entry; null if it stays closed. */
  open(row: EntryRow): Details | null;
}

export async function* logContents(
  source: ContentsSource,
  log: LogId,
  from: number,
  size: number,
): AsyncGenerator<ExportedEntry | ExportedCheckpoint> {
  for (let first = from; first < size; first += PAGE_ENTRIES) {
    const end = Math.min(first + PAGE_ENTRIES, size);
    const { entries, checkpoints } = await source.read((db) => readRange(db, log, first, end));
    for (const row of entries) {
      yield { n: row.n, stored: row.leaf, box: row.box, details: source.open(row) };
      const note = checkpoints.get(row.n + 1);
      if (note !== undefined) yield { size: row.n + 1, note };
    }
  }
}
