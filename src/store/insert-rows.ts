/** Rows as lists of values in the order of their table's columns. */
import { StrongroomError } from '../errors.ts';
import type { SqlValue } from './connection.ts';
import type { Table } from './table.ts';

export function rowMatrix(
  name: string,
  table: Table,
  rows: readonly Readonly<Record<string, SqlValue>>[],
): SqlValue[][] {
  const columns = Object.entries(table.columns);
  return rows.map((row) => {
    let given = 0;
    const values = columns.map(([column, { nullable }]): SqlValue => {
      const value = row[column];
      if (value !== undefined) given++;
      if ((value ?? null) === null && !nullable) throw fault(`${name}.${column} is missing`);
      return value ?? null;
    });
    const unknown =
      given === Object.keys(row).length ? undefined : Object.keys(row).find((key) => !table.columns[key]);
    if (unknown !== undefined) throw fault(`${name} has no column ${unknown}`);
    return values;
  });
}

const fault = (detail: string): StrongroomError => new StrongroomError('internal', detail);
