/**
 * Kysely over a connection of ours, for the length of one job or one read.
 *
 * A handle executes only what its own plugin has seen: a statement compiled elsewhere, by a handle without plugins or by
 * hand is refused, and so is anything after the handle is closed. After a failed statement a handle is done for: the
 * job can only fail, as a transaction of PostgreSQL would.
 */
import {
  ColumnNode,
  DefaultQueryExecutor,
  DeleteQueryNode,
  DeleteResult,
  InsertQueryNode,
  Kysely,
  PostgresAdapter,
  PostgresQueryCompiler,
  ReferenceNode,
  ReturningNode,
  SelectionNode,
  SqliteAdapter,
  SqliteQueryCompiler,
  TableNode,
  UpdateQueryNode,
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type KyselyPlugin,
  type OperationNode,
  type QueryResult,
  type RootOperationNode,
} from 'kysely';
import { StrongroomError } from '../errors.ts';
import type { Connection, Engine, Row, SqlValue } from './connection.ts';
import { rowMatrix } from './insert-rows.ts';
import { tableOf } from './migrations.ts';
import type { Database, TableName } from './schema.ts';
import { encodeKeyValue } from './row-key.ts';
import { isTenantTable, TENANT_COLUMN } from './table.ts';
import { confine, SYSTEM_TABLES } from './tenancy.ts';
import { selectByKey, selectWhere, upsert } from './row-statements.ts';
import { SYSTEM, type ReadSql, type StoreScope } from './transaction.ts';

export interface HandleOptions {
  readonly engine: Engine['name'];
  readonly connection: Connection;
  readonly scope: StoreScope;
  /** `read`: selects only. A number: a job's change number, which every row written must carry. `flush`: any. */
  readonly mode: 'read' | 'flush' | { readonly change: number };
  /** Called once, before the first statement. */
  readonly onFirst?: () => void;
  /** Told of each table that is written to, null: nobody knows which. Also of writes that fail or are undone. */
  readonly onWrite?: (table: TableName | null) => void;
}

export interface Handle {
  readonly sql: Kysely<Database>;
  /** What the first failed statement threw. */
  readonly failure: unknown;
  close(): void;
}

/** What `insertRows` and its like find behind a Kysely object. */
const handles = new WeakMap<ReadSql, HandleConnection>();

export function openHandle(options: HandleOptions): Handle {
  const connection = new HandleConnection(options);
  const { compiler, adapter } = PARTS[options.engine];
  const provider = {
    provideConnection: <T>(work: (c: DatabaseConnection) => Promise<T>) => work(connection),
  };
  const executor = new DefaultQueryExecutor(compiler, adapter, provider, [connection]);
  const sql = new Kysely<Database>({
    config: { dialect: NO_DIALECT },
    driver: NO_DRIVER,
    executor,
    dialect: NO_DIALECT,
  });
  handles.set(sql, connection);
  return {
    sql,
    get failure() {
      return connection.failure;
    },
    close: () => connection.close(),
  };
}

/**
 * Writes many rows with one prepared statement, under the same rules as `insertInto`: for whatever is written often or
 * in bulk. Columns that a row leaves out are null. A key that exists is `conflict`.
 */
export async function insertRows<T extends TableName>(
  sql: Kysely<Database>,
  table: T,
  rows: readonly InsertRow<Database[T]>[],
): Promise<void> {
  const connection = handles.get(sql);
  if (connection === undefined) throw new StrongroomError('internal', 'insertRows needs the handle of a job');
  if (rows.length > 0) await connection.insert(table, rows);
}

/**
 * Writes each row whole, or, where one with its key is there, only these columns of it: for what every group writes. In a flush
 * and in jobs of the system only, because of another it would have to be known whose the row is that is there.
 */
export async function upsertRows<T extends TableName>(
  sql: Kysely<Database>,
  table: T,
  rows: readonly InsertRow<Database[T]>[],
  changed: readonly (keyof Database[T] & string)[],
): Promise<void> {
  const connection = handles.get(sql);
  if (connection === undefined) throw new StrongroomError('internal', 'upsertRows needs the handle of a job');
  await connection.upsert(table, rows, changed);
}

/** The row with that key, under the same rules as a select: for what every request asks. */
export async function rowByKey<T extends TableName>(
  sql: ReadSql,
  table: T,
  key: readonly SqlValue[],
): Promise<Database[T] | undefined> {
  const connection = handles.get(sql);
  if (connection === undefined) throw new StrongroomError('internal', 'rowByKey needs a handle of the store');
  return (await connection.rowByKey(table, key)) as Database[T] | undefined;
}

/**
 * Rows with these values, of which one may be a list of texts however long, in no order; under the same rules as a select. For
 * what is asked of many rows at once, where building a statement for each part of the list costs more than it does.
 */
export async function rowsWhere<T extends TableName, C extends keyof Database[T] & string>(
  sql: ReadSql,
  table: T,
  columns: readonly C[],
  where: RowsWhere<Database[T]>,
): Promise<readonly Pick<Database[T], C>[]> {
  const connection = handles.get(sql);
  if (connection === undefined)
    throw new StrongroomError('internal', 'rowsWhere needs a handle of the store');
  return (await connection.rowsWhere(table, columns, where)) as unknown as readonly Pick<Database[T], C>[];
}

export interface RowsWhere<R> {
  readonly equal?: { readonly [K in keyof R]?: R[K] };
  readonly among?: { readonly column: keyof R & string; readonly values: readonly string[] };
}

/** A row whose nullable columns may be left out. */
export type InsertRow<R> = { readonly [K in keyof R as null extends R[K] ? never : K]: R[K] } & {
  readonly [K in keyof R as null extends R[K] ? K : never]?: R[K];
};

class HandleConnection implements DatabaseConnection, KyselyPlugin {
  readonly #options: HandleOptions;
  /** Statements this handle has seen and confined, by the node they are compiled from. */
  readonly #seen = new WeakSet<OperationNode>();
  #open = true;
  #isFirst = true;
  failure: unknown;

  constructor(options: HandleOptions) {
    this.#options = options;
  }

  transformQuery({ node }: { readonly node: RootOperationNode }): RootOperationNode {
    const { scope, mode } = this.#options;
    if (mode === 'read' && node.kind !== 'SelectQueryNode') throw misuse('a read that writes');
    if (!PERMITTED.has(node.kind)) throw misuse(`${node.kind} through a handle of the store`);
    if (typeof mode === 'object') requireChange(node, mode.change);
    const confined = scope === SYSTEM ? { ...node } : confine(node, scope);
    const kept = DeleteQueryNode.is(confined) ? returningKeys(confined) : confined;
    if (node.kind !== 'SelectQueryNode') this.#options.onWrite?.(writtenTable(node));
    this.#seen.add(kept);
    return kept;
  }

  transformResult({ result }: { readonly result: QueryResult<Record<string, unknown>> }) {
    return Promise.resolve(result);
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    if (!this.#seen.has(query.query)) throw misuse('a statement that was not compiled by this handle');
    const removal = removalIn(query.query);
    if (removal !== null) {
      const { rows } = await this.#attempt((connection) =>
        connection.execute(query.sql, query.parameters as readonly SqlValue[]),
      );
      await this.#keepRemoved(removal, rows);
      // The keys are ours alone. Kysely hands on what a returning removal answers, so that has to be what any removal answers.
      const numAffectedRows = BigInt(rows.length);
      return { rows: [new DeleteResult(numAffectedRows)] as R[], numAffectedRows };
    }
    const { rows, affected } = await this.#attempt((connection) =>
      connection.execute(query.sql, query.parameters as readonly SqlValue[]),
    );
    return { rows: rows as R[], numAffectedRows: BigInt(affected) };
  }

  // oxlint-disable-next-line require-yield -- Kysely asks for a generator; nothing is streamed from inside a job.
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw misuse('streaming');
  }

  insert(table: TableName, rows: readonly Readonly<Record<string, SqlValue>>[]): Promise<void> {
    const { scope, mode } = this.#options;
    const definition = tableOf(table);
    if (mode === 'read') throw misuse('a read that writes');
    if (scope !== SYSTEM && SYSTEM_TABLES.has(table)) throw misuse(`a write to ${table}`);
    if (typeof mode === 'object') requireChanges(table, rows, mode.change);
    for (const row of rows) {
      if (scope !== SYSTEM && isTenantTable(definition) && row[TENANT_COLUMN] !== scope) {
        throw misuse(`an insert into ${table} for another organization`);
      }
    }
    const columns = Object.keys(definition.columns);
    const matrix = rowMatrix(table, definition, rows);
    this.#options.onWrite?.(table);
    return this.#attempt((connection) => connection.insert(table, columns, matrix));
  }

  async upsert(
    table: TableName,
    rows: readonly Readonly<Record<string, SqlValue>>[],
    changed: readonly string[],
  ): Promise<void> {
    const { engine, mode, scope } = this.#options;
    if (mode === 'read' || scope !== SYSTEM) throw misuse('an upsert in a job that is not the system’s');
    if (typeof mode === 'object') requireChanges(table, rows, mode.change);
    this.#options.onWrite?.(table);
    const statement = upsert(engine, table, changed);
    for (const values of rowMatrix(table, tableOf(table), rows))
      await this.#attempt((connection) => connection.execute(statement, values));
  }

  async rowByKey(table: TableName, key: readonly SqlValue[]): Promise<Row | undefined> {
    const { engine, scope } = this.#options;
    const { rows } = await this.#attempt((connection) => connection.execute(selectByKey(engine, table), key));
    const [row] = rows;
    const isForeign = scope !== SYSTEM && isTenantTable(tableOf(table)) && row?.[TENANT_COLUMN] !== scope;
    return isForeign ? undefined : row;
  }

  async rowsWhere(
    table: TableName,
    columns: readonly string[],
    { equal = {}, among }: RowsWhere<Row>,
  ): Promise<readonly Row[]> {
    const { engine, scope } = this.#options;
    const isTenant = isTenantTable(tableOf(table));
    if (scope !== SYSTEM && !isTenant) throw misuse(`a list of ${table} in the scope of an organization`);
    // Another organization's rows are asked for: there are none here.
    if (scope !== SYSTEM && (equal[TENANT_COLUMN] ?? scope) !== scope) return [];
    const own = scope === SYSTEM ? equal : { ...equal, [TENANT_COLUMN]: scope };
    const statement = selectWhere(engine, table, columns, {
      equal: Object.keys(own),
      among: among?.column ?? null,
    });
    const values = Object.values(own) as SqlValue[];
    if (among !== undefined) values.push(JSON.stringify(among.values));
    const { rows } = await this.#attempt((connection) => connection.execute(statement, values));
    return rows;
  }

  close(): void {
    this.#open = false;
  }

  /** In the same transaction, so that no backup of changes can miss that they are gone. */
  async #keepRemoved(relation: string, rows: readonly Row[]): Promise<void> {
    const { mode } = this.#options;
    if (rows.length === 0) return;
    if (typeof mode !== 'object') throw misuse(`a removal from ${relation} outside of a job`);
    const { key } = tableOf(relation as TableName);
    const removed = rows.map((row) => [
      mode.change,
      relation,
      JSON.stringify(key.map((column) => encodeKeyValue(row[column]))),
    ]);
    await this.#attempt((connection) =>
      connection.insert('removed_rows', ['change', 'relation', 'row_key'], removed),
    );
  }

  async #attempt<T>(work: (connection: Connection) => T | Promise<T>): Promise<T> {
    if (!this.#open) throw misuse('a statement after the end of its job');
    if (this.failure !== undefined) {
      throw new StrongroomError('internal', {
        detail: 'a statement of this job has failed already',
        cause: this.failure,
      });
    }
    try {
      if (this.#isFirst) {
        this.#isFirst = false;
        this.#options.onFirst?.();
      }
      return await work(this.#options.connection);
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }
}

/** The table that a statement writes to; null where that is not one table with a name. */
function writtenTable(node: RootOperationNode): TableName | null {
  const target = InsertQueryNode.is(node)
    ? node.into
    : UpdateQueryNode.is(node)
      ? node.table
      : DeleteQueryNode.is(node) && node.from.froms.length === 1
        ? node.from.froms[0]
        : undefined;
  return target !== undefined && TableNode.is(target) ? (target.table.identifier.name as TableName) : null;
}

function requireChanges(
  table: TableName,
  rows: readonly Readonly<Record<string, SqlValue>>[],
  change: number,
): void {
  if (rows.some((row) => row['change'] !== change)) throw misuse(`a row of ${table} without its change`);
}

/** The table that a statement removes rows from, if a backup carries it. */
function removalIn(node: RootOperationNode): string | null {
  if (!DeleteQueryNode.is(node) || node.returning === undefined) return null;
  return removedFrom(node);
}

/** Makes a removal answer the keys of what it removes, where a backup carries the table. */
function returningKeys(node: DeleteQueryNode): DeleteQueryNode {
  const relation = removedFrom(node);
  if (relation === null) return node;
  if (node.returning !== undefined) throw misuse('a removal that answers rows');
  const columns = tableOf(relation as TableName).key.map((column) =>
    SelectionNode.create(ReferenceNode.create(ColumnNode.create(column))),
  );
  return { ...node, returning: ReturningNode.create(columns) };
}

function removedFrom({ from, using }: DeleteQueryNode): string | null {
  const [table, ...more] = from.froms;
  if (table === undefined || !TableNode.is(table) || more.length > 0 || using !== undefined)
    throw misuse('a removal from anything but one table');
  const name = table.table.identifier.name;
  return tableOf(name as TableName).unbacked === undefined ? name : null;
}

const PERMITTED: ReadonlySet<string> = new Set([
  'SelectQueryNode',
  'InsertQueryNode',
  'UpdateQueryNode',
  'DeleteQueryNode',
  'RawNode',
]);

/** A job's inserts and updates carry its change number, or a backup, an index or a second server would miss them. */
function requireChange(node: RootOperationNode, change: number): void {
  if (node.kind === 'UpdateQueryNode') {
    const update = (node.updates ?? []).find(
      ({ column }) => 'column' in column && columnName(column) === 'change',
    );
    const value = update?.value as { readonly value?: unknown } | undefined;
    if (value?.value !== change) throw misuse('an update without its change');
  }
  if (node.kind === 'InsertQueryNode') {
    const at = (node.columns ?? []).findIndex(({ column }) => column.name === 'change');
    const rows = (node.values as { readonly values?: readonly OperationNode[] } | undefined)?.values ?? [];
    const carried = rows.every((row) => {
      const value = (row as { readonly values?: readonly unknown[] }).values?.[at];
      return value === change || (value as { readonly value?: unknown } | undefined)?.value === change;
    });
    if (at < 0 || !carried) throw misuse('an insert without its change');
  }
}

const columnName = (node: OperationNode): string =>
  (node as { readonly column?: { readonly name?: string } }).column?.name ?? '';

const misuse = (what: string): StrongroomError =>
  new StrongroomError('internal', `refused by the store: ${what}`);

const never = (): never => {
  throw misuse('a transaction, a schema change or an introspection through a handle');
};

/** Jobs are begun and committed by the store alone. */
const NO_DIALECT: Dialect = {
  createDriver: never,
  createQueryCompiler: never,
  createAdapter: never,
  createIntrospector: never,
};
const NO_DRIVER: Driver = {
  init: never,
  acquireConnection: never,
  beginTransaction: never,
  commitTransaction: never,
  rollbackTransaction: never,
  releaseConnection: never,
  destroy: never,
};

// Compilers keep no state between two statements, and a statement is compiled in one go: one of each serves every handle.
const PARTS = {
  sqlite: { compiler: new SqliteQueryCompiler(), adapter: new SqliteAdapter() },
  postgres: { compiler: new PostgresQueryCompiler(), adapter: new PostgresAdapter() },
} as const;
