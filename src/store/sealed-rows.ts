/**
 * Every sealed box of the store with its place, from the columns' annotations: for verification, exports and tests that
 * flip bytes. A new sealed column is found without a change here.
 */
import { sql, type Kysely } from 'kysely';
import { TABLES } from './migrations.ts';
import type { Database, TableName } from './schema.ts';
import type { Store, StoreScope } from './store.ts';
import { isTenantTable, TENANT_COLUMN, type Seal, type Table } from './table.ts';

export interface SealedRow {
  readonly table: string;
  readonly column: string;
  /** The row's primary key, in the order of the table's key. */
  readonly key: readonly (string | number)[];
  readonly organization: string;
  /** Empty for what lies in no vault. */
  readonly vault: string;
  /** The id and version the box is bound to; null where its owner keeps them elsewhere. */
  readonly id: string | null;
  readonly version: number | null;
  /** The box's own slot, and its scope as JSON; null where they follow from another row. */
  readonly slot: number | null;
  readonly scope: string | null;
  readonly box: Uint8Array;
}

const PAGE_ROWS = 200;

type Row = Readonly<Record<string, unknown>>;

/** All boxes in a scope, table by table in key order; each page of rows is a snapshot of its own. */
export async function* sealedRows(store: Pick<Store, 'read'>, scope: StoreScope): AsyncGenerator<SealedRow> {
  for (const [name, table] of Object.entries(TABLES)) {
    const seals = Object.entries(table.columns).flatMap(([column, { seal }]) =>
      seal ? [{ column, seal }] : [],
    );
    if (seals.length === 0) continue;
    for (let after: readonly unknown[] | null = null; ;) {
      const from: readonly unknown[] | null = after;
      const rows: readonly Row[] = await store.read(scope, (db) =>
        pageAfter(db, { name, table, after: from }),
      );
      for (const row of rows) {
        for (const { column, seal } of seals) {
          const box = row[column];
          if (box instanceof Uint8Array) yield sealedRow({ name, table, column, seal }, row, box);
        }
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < PAGE_ROWS) break;
      after = table.key.map((column) => last[column]);
    }
  }
}

interface Page {
  readonly name: string;
  readonly table: Table;
  readonly after: readonly unknown[] | null;
}

async function pageAfter(
  db: Pick<Kysely<Database>, 'selectFrom'>,
  { name, table, after }: Page,
): Promise<readonly Row[]> {
  const key = table.key.map((column) => sql.ref(`${name}.${column}`));
  let query = db
    .selectFrom(name as TableName)
    .selectAll()
    .limit(PAGE_ROWS);
  for (const column of key) query = query.orderBy(column);
  if (after !== null) query = query.where(sql<boolean>`(${sql.join(key)}) > (${sql.join(after)})`);
  return query.execute();
}

interface Sealed {
  readonly name: string;
  readonly table: Table;
  readonly column: string;
  readonly seal: Seal;
}

function sealedRow({ name, table, column, seal }: Sealed, row: Row, box: Uint8Array): SealedRow {
  const text = (from: string | null): string | null => (from === null ? null : String(row[from]));
  const number = (from: string | number | null): number | null =>
    typeof from === 'string' ? Number(row[from]) : from;
  return {
    table: name,
    column,
    key: table.key.map((part) => row[part] as string | number),
    organization: isTenantTable(table) ? String(row[TENANT_COLUMN]) : '',
    vault: text(seal.vault) ?? '',
    id: text(seal.id),
    version: number(seal.version),
    slot: number(seal.slot),
    scope: text(seal.scope),
    box,
  };
}
