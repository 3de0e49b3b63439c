/** The database file as whoever holds the disk sees it: no server between, no rule of the engine left in the way. */
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { DATABASE_FILE } from '../src/store/sqlite.ts';

export type RawRow = Readonly<Record<string, SQLInputValue>>;

/** Works on the SQLite file with its own connection; the server may be running. */
export function withDatabase<T>(directory: string, work: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(join(directory, DATABASE_FILE), { timeout: 5000 });
  try {
    return work(database);
  } finally {
    database.close();
  }
}

/** The same without the triggers that refuse changes: an attacker would drop them first. */
export const withoutTriggers = <T>(directory: string, work: (database: DatabaseSync) => T): T =>
  withDatabase(directory, (database) => {
    const triggers = database.prepare(`select name from sqlite_schema where type = 'trigger'`).all();
    for (const { name } of triggers) database.exec(`drop trigger "${textOf(name)}"`);
    return work(database);
  });

export const readAll = (database: DatabaseSync, table: string, where = '1 = 1'): RawRow[] =>
  database.prepare(`select * from ${table} where ${where}`).all();

export const tableNames = (database: DatabaseSync): string[] =>
  readAll(database, 'sqlite_schema', `type = 'table'`).map(({ name }) => textOf(name));

/** What stands in an id, a name or a number. */
export function textOf(value: SQLInputValue | undefined): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  throw new Error('neither text nor number stands there');
}

/** A copy with one bit of byte `at` (from the end where negative) turned over. */
export function flipped(bytes: SQLInputValue | undefined, at: number): Uint8Array {
  if (!(bytes instanceof Uint8Array)) throw new Error('there are no bytes to flip');
  const copy = new Uint8Array(bytes);
  const place = at < 0 ? bytes.length + at : at;
  copy[place] = (copy[place] ?? 0) ^ 1;
  return copy;
}
