/**
 * Which rows a backup carries: every table but those that say why not (`unbacked`), as they were at its moment.
 *
 * What changed is found by the rows' change numbers. The ledger's entries and tiles are only ever added at the end of a
 * log, so they are found by their place in it, and no further index makes every entry dearer.
 */
import type { ColumnType } from '../store/table.ts';
import type { Condition, RowsQuery, Snapshot } from '../store/snapshot.ts';
import { TABLES } from '../store/migrations.ts';
import type { Column, Table } from '../store/table.ts';
import type { TableHead } from './piece.ts';

const TILE_WIDTH = 256;

/** Tables of a backup in the order in which they lie in it. */
export const carriedTables = (): readonly (readonly [name: string, table: Table])[] =>
  Object.entries(TABLES).filter(([, { unbacked }]) => unbacked === undefined);

export const headOf = (name: string, { columns }: Table): TableHead => ({
  table: name,
  columns: Object.entries(columns).map(([column, { type }]): [string, ColumnType] => [column, type]),
});

/** Columns that name blobs which are not made again from anything. */
export const blobColumns = ({ columns }: Table): readonly string[] =>
  Object.entries(columns).flatMap(([name, { category }]) => (category === 'blob' ? [name] : []));

/** A log that has grown, from which entry on. */
export interface Growth {
  readonly log: string;
  readonly from: number;
  readonly size: number;
  readonly frontier: Uint8Array;
}

/** Logs with entries after the change `from`. */
export async function grownLogs(snapshot: Snapshot, from: number): Promise<readonly Growth[]> {
  const heads = await snapshot.values({
    table: 'ledger_heads',
    columns: columnsOf('ledger_heads', ['log', 'size', 'frontier']),
    where: from === 0 ? [] : [{ column: 'change', is: '>', value: from }],
  });
  const grown: Growth[] = [];
  for (const [log, size, frontier] of heads as readonly [string, number, Uint8Array][])
    grown.push({ log, size, frontier, from: from === 0 ? 0 : await firstAfter(snapshot, log, size, from) });
  return grown;
}

/** The first entry of a log that was written after a change: numbers and changes grow together. */
async function firstAfter(snapshot: Snapshot, log: string, size: number, change: number): Promise<number> {
  let low = 0;
  let high = size;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [row] = await snapshot.values({
      table: 'ledger_entries',
      columns: columnsOf('ledger_entries', ['change']),
      where: [
        { column: 'log', is: '=', value: log },
        { column: 'n', is: '=', value: middle },
      ],
    });
    // A hole is for verification to find; what lies behind it is carried all the same.
    if (row === undefined || Number(row[0]) > change) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** What has to be read of a table for the rows that changed after `from`. */
export function queriesOf(
  name: string,
  table: Table,
  from: number,
  grown: readonly Growth[],
): readonly RowsQuery[] {
  const query = (...where: Condition[]): RowsQuery => ({ table: name, columns: table.columns, where });
  if (from === 0) return [query()];
  if (name === 'ledger_entries')
    return grown.map(({ log, from: n }) => query(inLog(log), { column: 'n', is: '>=', value: n }));
  if (name === 'ledger_tiles') return grown.flatMap((growth) => tileQueries(growth, query));
  return [query({ column: 'change', is: '>', value: from })];
}

/** Of each level the tiles from the one on that was not full before. */
function tileQueries(
  { log, from, size }: Growth,
  query: (...where: Condition[]) => RowsQuery,
): readonly RowsQuery[] {
  const queries: RowsQuery[] = [];
  for (let level = 0, width = TILE_WIDTH; width / TILE_WIDTH <= size; level++, width *= TILE_WIDTH) {
    const level_: Condition = { column: 'level', is: '=', value: level };
    queries.push(query(inLog(log), level_, { column: 'tile', is: '>=', value: Math.floor(from / width) }));
  }
  return queries;
}

const inLog = (log: string): Condition => ({ column: 'log', is: '=', value: log });

export function columnsOf(table: string, names: readonly string[]): Readonly<Record<string, Column>> {
  const columns = TABLES[table]?.columns ?? {};
  return Object.fromEntries(
    names.flatMap((name) => {
      const column = columns[name];
      return column === undefined ? [] : [[name, column]];
    }),
  );
}
