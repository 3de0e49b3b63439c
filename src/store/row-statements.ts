/** Statements about single rows, written once for each table and engine: for what every request asks, where building them costs more than they do. */
import type { Engine } from './connection.ts';
import { quote } from './ddl.ts';
import { tableOf } from './migrations.ts';
import type { TableName } from './schema.ts';

const known = new Map<string, string>();

/** All columns of the row with a key, whose values come in the key's order. */
export const selectByKey = (engine: Engine['name'], name: TableName): string =>
  remembered([engine, name], () => {
    const { columns, key } = tableOf(name);
    const conditions = key.map((column, at) => `${quote(column)} = ${place(engine, at)}`);
    return `select ${list(Object.keys(columns))} from ${quote(name)} where ${conditions.join(' and ')}`;
  });

/** A whole row, values in the table's order; of one with its key that is there, only these columns change. */
export const upsert = (engine: Engine['name'], name: TableName, changed: readonly string[]): string =>
  remembered([engine, name, ...changed], () => {
    const { columns, key } = tableOf(name);
    const names = Object.keys(columns);
    const places = names.map((_, at) => place(engine, at));
    const changes = changed.map((column) => `${quote(column)} = excluded.${quote(column)}`);
    return (
      `insert into ${quote(name)} (${list(names)}) values (${places.join(', ')}) ` +
      `on conflict (${list(key)}) do update set ${changes.join(', ')}`
    );
  });

/** Columns of the rows with these values and, where a column is named for it, one of a list of texts, which comes last as JSON. */
export const selectWhere = (
  engine: Engine['name'],
  name: TableName,
  columns: readonly string[],
  { equal, among }: { readonly equal: readonly string[]; readonly among: string | null },
): string =>
  remembered([engine, name, ...columns, 'where', ...equal, 'among', among ?? ''], () => {
    const conditions = equal.map((column, at) => `${quote(column)} = ${place(engine, at)}`);
    if (among !== null) conditions.push(`${quote(among)} in (${listed(engine, equal.length)})`);
    return `select ${list(columns)} from ${quote(name)} where ${conditions.join(' and ')}`;
  });

function remembered(parts: readonly string[], write: () => string): string {
  const name = parts.join(' ');
  const statement = known.get(name) ?? write();
  known.set(name, statement);
  return statement;
}

const listed = (engine: Engine['name'], at: number): string =>
  engine === 'postgres'
    ? `select jsonb_array_elements_text(${place(engine, at)}::jsonb)`
    : `select value from json_each(${place(engine, at)})`;

const list = (names: readonly string[]): string => names.map(quote).join(', ');

const place = (engine: Engine['name'], at: number): string => (engine === 'postgres' ? `$${at + 1}` : '?');
