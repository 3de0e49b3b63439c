/** What has to hold before PostgreSQL is used: the schema is ours and current, the role is weak, the server durable. */
import { Client } from 'pg';
import type { FaultPoint } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { postgresDdl } from './ddl.ts';
import { openHandle } from './handle.ts';
import { migrate, requireKnown, schemaVersion, type Migrator } from './migrate.ts';
import { MIGRATIONS, TENANT_TABLES } from './migrations.ts';
import { CLIENT_OPTIONS, PostgresConnection } from './postgres-client.ts';
import { postgresError } from './postgres-error.ts';
import { SYSTEM } from './transaction.ts';

/** Any constant: all processes that migrate a database take turns at it. */
const MIGRATION_LOCK = 0x53_54_52_4d;

/** Brings the schema up to date as its owner; without the owner's URL it must be so already. */
export async function migratePostgres(
  { url, ownerUrl }: { readonly url: string; readonly ownerUrl?: string },
  fault: FaultPoint,
): Promise<void> {
  if (ownerUrl !== undefined) {
    await withClient(ownerUrl, (client) => migrate(migratorOn(client, roleOf(url)), fault));
    return;
  }
  await withClient(url, async (client) => {
    const version = await schemaVersion(migratorOn(client, roleOf(url)));
    requireKnown(version);
    if (version < MIGRATIONS.length) {
      throw new StrongroomError(
        'schema.older',
        `schema ${version} of ${MIGRATIONS.length}: give the owner's URL once`,
      );
    }
  });
}

export async function requireSafeServer(url: string): Promise<void> {
  await withClient(url, async (client) => {
    const { rows } = await client.query<{ weakness: string }>(WEAKNESSES, [[...TENANT_TABLES]]);
    const [first] = rows;
    if (first !== undefined) throw new StrongroomError('config.invalid', `PostgreSQL: ${first.weakness}`);
  });
}

/** A row for each thing that would break a promise. */
const WEAKNESSES = `
  select 'the application role is a superuser' as weakness from pg_roles where rolname = current_user and rolsuper
  union all
  select 'the application role bypasses row security' from pg_roles where rolname = current_user and rolbypassrls
  union all
  select 'the application role may act as the owner of ' || relname from pg_class
    where relname = any($1) and relnamespace = current_schema()::regnamespace and pg_has_role(current_user, relowner, 'MEMBER')
  union all
  select 'row security is not forced on ' || relname from pg_class
    where relname = any($1) and relnamespace = current_schema()::regnamespace and not (relrowsecurity and relforcerowsecurity)
  union all
  select name || ' is off: what is acknowledged would not survive a power cut' from pg_settings
    where name in ('fsync', 'full_page_writes') and setting = 'off'`;

function migratorOn(client: Client, role: string): Migrator {
  const connection = new PostgresConnection(client);
  const { sql } = openHandle({ engine: 'postgres', connection, scope: SYSTEM, mode: 'flush' });
  return {
    sql,
    hasTable: async (name) => {
      const { rows } = await connection.execute('select to_regclass($1) is not null as found', [name]);
      return rows[0]?.['found'] === true;
    },
    create: async (migration) => {
      await connection.simple(...postgresDdl(migration, role));
    },
    transaction: async (work) => {
      await connection.simple('begin', `select pg_advisory_xact_lock(${MIGRATION_LOCK})`);
      try {
        await work();
        await connection.simple('commit');
      } catch (error) {
        await connection.simple('rollback');
        throw error;
      }
    },
  };
}

async function withClient(url: string, work: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ ...CLIENT_OPTIONS, connectionString: url });
  // What breaks the connection also fails the query that waits for it.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await work(client);
  } catch (error) {
    throw postgresError(error);
  } finally {
    await client.end();
  }
}

function roleOf(url: string): string {
  const role = URL.canParse(url) ? decodeURIComponent(new URL(url).username) : '';
  if (role === '') throw new StrongroomError('config.invalid', 'the PostgreSQL URL names no role');
  return role;
}
