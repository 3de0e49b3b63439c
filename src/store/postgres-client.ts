/** How connections to PostgreSQL are made, and how its values become ours: the same as SQLite's. */
import { types as pgTypes, type ClientBase, type ClientConfig, type QueryResult } from 'pg';
import type { Connection, Row, SqlResult, SqlValue } from './connection.ts';
import { quote } from './ddl.ts';
import { postgresError } from './postgres-error.ts';

const STATEMENTS_MAX = 500;
/** Rows in one statement: few sizes, so that each is prepared once. */
const INSERT_SIZES = [256, 64, 16, 4, 1] as const;

/** Oids of pg_type: bytea and int8. Values travel as text: pg decodes binary ones as UTF-8 and so destroys them. */
const BYTEA = 17;
const INT8 = 20;

const HEX_MARK = '\\x';

function bytesOf(text: string): Uint8Array {
  if (!text.startsWith(HEX_MARK)) throw new RangeError('bytea_output is not hex');
  return new Uint8Array(Buffer.from(text.slice(HEX_MARK.length), 'hex'));
}

function integerOf(text: string): number {
  const integer = Number(text);
  if (!Number.isSafeInteger(integer)) throw new RangeError(`not a safe integer: ${text}`);
  return integer;
}

const types: NonNullable<ClientConfig['types']> = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') => {
    if (oid === BYTEA) return bytesOf;
    if (oid === INT8) return integerOf;
    return pgTypes.getTypeParser(oid, format);
  },
};

export const CLIENT_OPTIONS: ClientConfig = {
  types,
  application_name: 'strongroom',
  keepAlive: true,
  // Statements are sent without waiting for the answer to the one before; the server keeps their order.
  pipeline: true,
  connectionTimeoutMillis: 10_000,
  statement_timeout: 60_000,
  lock_timeout: 30_000,
  idle_in_transaction_session_timeout: 60_000,
};

export class PostgresConnection implements Connection {
  readonly #client: ClientBase;

  constructor(client: ClientBase) {
    this.#client = client;
  }

  async execute(sql: string, parameters: readonly SqlValue[]): Promise<SqlResult> {
    try {
      const name = statementName(sql);
      const config = { text: sql, values: [...parameters], ...(name === null ? {} : { name }) };
      const { rows, rowCount } = await this.#client.query<Row>(config);
      return { rows, affected: rowCount ?? 0 };
    } catch (error) {
      throw postgresError(error);
    }
  }

  async insert(
    table: string,
    columns: readonly string[],
    rows: readonly (readonly SqlValue[])[],
  ): Promise<void> {
    const sent: Promise<SqlResult>[] = [];
    for (let at = 0; at < rows.length;) {
      const size = INSERT_SIZES.find((candidate) => candidate <= rows.length - at) ?? 1;
      // Sent one behind the other without waiting; the first that fails spoils the rest.
      sent.push(this.execute(insertStatement(table, columns, size), rows.slice(at, at + size).flat()));
      at += size;
    }
    const failed = (await Promise.allSettled(sent)).find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** Several statements in one message, without parameters; answers the result of each. */
  async simple(...statements: readonly string[]): Promise<readonly QueryResult[]> {
    try {
      const results: unknown = await this.#client.query(statements.join('; '));
      return (Array.isArray(results) ? results : [results]) as readonly QueryResult[];
    } catch (error) {
      throw postgresError(error);
    }
  }
}

const names = new Map<string, string>();

/** The name under which a statement is prepared; null once there are so many that a server should not keep them. */
function statementName(sql: string): string | null {
  const known = names.get(sql);
  if (known !== undefined || names.size >= STATEMENTS_MAX) return known ?? null;
  const name = `s${names.size}`;
  names.set(sql, name);
  return name;
}

function insertStatement(table: string, columns: readonly string[], rows: number): string {
  const row = (at: number): string =>
    `(${columns.map((_, column) => `$${at * columns.length + column + 1}`).join(', ')})`;
  const values = Array.from({ length: rows }, (_, at) => row(at)).join(', ');
  return `insert into ${quote(table)} (${columns.map(quote).join(', ')}) values ${values}`;
}
