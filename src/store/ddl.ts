/**
 * DDL for both engines from one table definition.
 *
 * PostgreSQL: each tenant table has a row-level security policy with FORCE. It admits rows of the organization named in
 * the setting `strongroom.organization` of the transaction, every row when that says `*` (the SYSTEM scope, set by the
 * store alone), and none when it says nothing. The application's role owns nothing, so it cannot alter or disable this.
 * Append-only tables: there the role has no right to update or delete; on SQLite triggers refuse it.
 */
import {
  isTenantTable,
  TENANT_COLUMN,
  type Column,
  type ColumnType,
  type Index,
  type Migration,
  type Table,
} from './table.ts';

const SQLITE_TYPES: Readonly<Record<ColumnType, string>> = {
  text: 'TEXT',
  integer: 'INTEGER',
  bytes: 'BLOB',
};
const POSTGRES_TYPES: Readonly<Record<ColumnType, string>> = {
  text: 'text',
  integer: 'bigint',
  bytes: 'bytea',
};

/** The transaction's setting that names the organization, and what it says in the SYSTEM scope. */
export const SCOPE_SETTING = 'strongroom.organization';
export const SYSTEM_SETTING = '*';

export const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** The statements of a migration on SQLite. */
export const sqliteDdl = (migration: Migration): string[] => [
  ...sqliteTables(migration),
  ...sqliteIndexes(migration),
];

/** The tables alone, for rows that are loaded in bulk: what `sqliteIndexes` adds comes after them. */
export const sqliteTables = (migration: Migration): string[] =>
  Object.entries(migration.creates).map(([name, table]) => {
    const options = table.clustered ? 'STRICT, WITHOUT ROWID' : 'STRICT';
    return `create table ${quote(name)} (${columnsDdl(table, SQLITE_TYPES)}) ${options}`;
  });

export const sqliteIndexes = (migration: Migration): string[] => [
  ...Object.entries(migration.creates).flatMap(([name, table]) => [
    ...indexesDdl(name, table.indexes),
    ...(table.appendOnly ? ['update', 'delete'].map((verb) => refusal(name, verb)) : []),
  ]),
  ...furtherIndexes(migration),
  ...(migration.statements?.sqlite ?? []),
];

/** The statements of a migration on PostgreSQL; `role` is the application's. */
export const postgresDdl = (migration: Migration, role: string): string[] => [
  ...postgresTables(migration, role),
  ...postgresIndexes(migration, role),
];

/** The tables with their policies and rights, but without their indexes. */
export const postgresTables = (migration: Migration, role: string): string[] =>
  Object.entries(migration.creates).flatMap(([name, table]) => {
    const rights = table.appendOnly ? 'select, insert' : 'select, insert, update, delete';
    // The default collation depends on the host; ids and names are compared byte by byte, as on SQLite.
    const types = { ...POSTGRES_TYPES, text: 'text collate "C"' };
    return [
      `create table ${quote(name)} (${columnsDdl(table, types)})`,
      ...(isTenantTable(table) ? rowSecurity(name) : []),
      `grant ${rights} on ${quote(name)} to ${quote(role)}`,
    ];
  });

export const postgresIndexes = (migration: Migration, role: string): string[] => [
  ...Object.entries(migration.creates).flatMap(([name, table]) => indexesDdl(name, table.indexes)),
  ...furtherIndexes(migration),
  ...(migration.statements?.postgres(quote(role)) ?? []),
];

const furtherIndexes = (migration: Migration): string[] =>
  Object.entries(migration.indexes ?? {}).flatMap(([name, indexes]) => indexesDdl(name, indexes));

function columnsDdl(table: Table, types: Readonly<Record<ColumnType, string>>): string {
  const columns = Object.entries(table.columns).map(([name, column]) => columnDdl(name, column, types));
  return [...columns, `primary key (${table.key.map(quote).join(', ')})`].join(', ');
}

const columnDdl = (name: string, column: Column, types: Readonly<Record<ColumnType, string>>): string =>
  `${quote(name)} ${types[column.type]}${column.nullable ? '' : ' not null'}`;

const indexesDdl = (name: string, indexes: readonly Index[] = []): string[] =>
  indexes.map(({ columns, unique }) => {
    const index = quote([name, ...columns].join('_'));
    return `create ${unique ? 'unique ' : ''}index ${index} on ${quote(name)} (${columns.map(quote).join(', ')})`;
  });

const refusal = (name: string, verb: string): string =>
  `create trigger ${quote(`${name}_no_${verb}`)} before ${verb} on ${quote(name)} ` +
  `begin select raise(abort, '${name} is append-only'); end`;

function rowSecurity(name: string): string[] {
  // As a sub-select the setting is read once per statement, not once per row.
  const setting = `(select current_setting('${SCOPE_SETTING}', true))`;
  const own = `${quote(TENANT_COLUMN)} = ${setting} or ${setting} = '${SYSTEM_SETTING}'`;
  return [
    `alter table ${quote(name)} enable row level security`,
    `alter table ${quote(name)} force row level security`,
    `create policy organization on ${quote(name)} using (${own}) with check (${own})`,
  ];
}
