/** The steps of the schema in order. The schema's version is the number of steps taken. */
import { foundation } from './migrations/0001-foundation.ts';
import { retention } from './migrations/0002-retention.ts';
import { backups } from './migrations/0003-backups.ts';
import { rotation } from './migrations/0004-rotation.ts';
import { vaultSearch } from './migrations/0005-vault-search.ts';
import { recovery } from './migrations/0006-recovery.ts';
import { erasures } from './migrations/0007-erasures.ts';
import { changesOfAVault } from './migrations/0008-changes-of-a-vault.ts';
import { slotsOfArchivedVersions } from './migrations/0009-slots-of-archived-versions.ts';
import { exports } from './migrations/0010-exports.ts';
import type { TableName } from './schema.ts';
import { isTenantTable, type Migration, type Table, type Tables } from './table.ts';

export const MIGRATIONS: readonly Migration[] = [
  foundation,
  retention,
  backups,
  rotation,
  vaultSearch,
  recovery,
  erasures,
  changesOfAVault,
  slotsOfArchivedVersions,
  exports,
];

/** Every table as it stands after all steps. */
export const TABLES: Tables = Object.assign({}, ...MIGRATIONS.map(({ creates }) => creates)) as Tables;

export function tableOf(name: TableName): Table {
  const table = TABLES[name];
  if (table === undefined) throw new RangeError(`no such table: ${name}`);
  return table;
}

export const TENANT_TABLES: ReadonlySet<string> = new Set(
  Object.entries(TABLES)
    .filter(([, table]) => isTenantTable(table))
    .map(([name]) => name),
);
