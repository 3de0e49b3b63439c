/**
 * Brings a database to this version's schema: each migration and the new version number in one transaction.
 *
 * The number stands in `meta` under `schema`, as two u16: an edition, and how many steps of it were taken. A database of a
 * newer version is refused untouched: what its columns mean is not known here. An edition begins where a step that
 * databases had been through was written anew, because what it made cannot be changed into what it makes now: the hashes of API
 * keys of edition 0 have no place under a pepper that rotates. A database of an older edition is refused untouched too.
 */
import type { Kysely } from 'kysely';
import { concat, u16, view, type Bytes } from '../bytes/encoding.ts';
import type { FaultPoint } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { MIGRATIONS } from './migrations.ts';
import type { Database } from './schema.ts';
import type { Migration } from './table.ts';

/** What migrating needs of an engine: DDL, a few rows, and a transaction that excludes every other migration. */
export interface Migrator {
  /** In the SYSTEM scope, as the owner of the tables. */
  readonly sql: Kysely<Database>;
  hasTable(name: string): Promise<boolean>;
  create(migration: Migration): Promise<void>;
  transaction(work: () => Promise<void>): Promise<void>;
}

const SCHEMA = 'schema';
const EDITION = 1;

/** The schema's version: how many migrations the database has been through. */
export async function schemaVersion(migrator: Pick<Migrator, 'sql' | 'hasTable'>): Promise<number> {
  if (!(await migrator.hasTable('meta'))) return 0;
  const row = await migrator.sql
    .selectFrom('meta')
    .select('value')
    .where('name', '=', SCHEMA)
    .executeTakeFirst();
  if (row?.value.length !== 4)
    throw new StrongroomError('schema.newer', 'the database does not say what wrote it');
  const value = view(row.value);
  const edition = value.readUInt16BE();
  if (edition < EDITION)
    throw new StrongroomError(
      'schema.older',
      'the database is of an edition before the first release: export its memories with the version that made it, and import them here',
    );
  if (edition > EDITION) throw new StrongroomError('schema.newer', `the schema is of edition ${edition}`);
  return value.readUInt16BE(2);
}

/** As it stands in `meta`. */
export const schemaNumber = (steps: number, edition = EDITION): Bytes => concat(u16(edition), u16(steps));

export async function migrate(
  migrator: Migrator,
  fault: FaultPoint,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<void> {
  requireKnown(await schemaVersion(migrator), migrations);
  for (const [at, migration] of migrations.entries()) {
    await migrator.transaction(async () => {
      const version = await schemaVersion(migrator);
      requireKnown(version, migrations);
      // Another process may have taken this step while we waited for its transaction.
      if (version > at) return;
      await migrator.create(migration);
      await recordVersion(migrator.sql, at + 1);
      fault('store.migrate');
    });
  }
}

export function requireKnown(version: number, migrations: readonly Migration[] = MIGRATIONS): void {
  if (version <= migrations.length) return;
  throw new StrongroomError(
    'schema.newer',
    `the schema is ${version}; this version knows ${migrations.length}`,
  );
}

async function recordVersion(sql: Kysely<Database>, version: number): Promise<void> {
  if (version === 1) await sql.insertInto('store_head').values({ id: 1, change: 0 }).execute();
  const value = schemaNumber(version);
  await sql
    .insertInto('meta')
    .values({ name: SCHEMA, value, change: 0 })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
    .execute();
}
