/** A vault as the server knows it, how its row is read and written, and how it is shown. */
import type { Metric, Vault as VaultView } from '@strongroom/client';
import type { KeyEnvironment } from '../access/api-key.ts';
import { organizationScope, type Organization } from '../access/organizations.ts';
import { decodeUtf8, encodeUtf8 } from '../bytes/encoding.ts';
import { DAY_MS } from '../durations.ts';
import { StrongroomError } from '../errors.ts';
import type { ProjectId, VaultId } from '../ids.ts';
import type { Scope } from '../keys/record-key.ts';
import type { RecordBoxes, RecordSealer } from '../keys/record-sealer.ts';
import type { Slot } from '../keys/slot.ts';
import type { VaultRow } from '../store/schema.ts';
import type { ReadSql } from '../store/store.ts';
import { vaultSearchOf, type VaultSearch, type VaultSearchColumns } from './vault-search.ts';

export interface Vault extends VaultSearch {
  readonly id: VaultId;
  readonly organization: Organization;
  readonly project: ProjectId;
  readonly slot: Slot;
  readonly name: string;
  readonly dimensions: number | null;
  readonly metric: Metric;
  readonly deletion: { readonly mode: 'trash' | 'immediate'; readonly days: number };
  readonly history: boolean;
  /** What happens to an addition that was erased before. */
  readonly tombstones: 'off' | 'refuse' | 'review';
  readonly environment: KeyEnvironment;
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Since when it lies in the trash. */
  readonly trashedAt?: number;
}

/** The part of every record key in a vault that dies with the organization or the vault. */
export const vaultScope = (vault: { organization: Organization; slot: Slot }): Scope => [
  ...organizationScope(vault.organization),
  ['vault', vault.slot],
];

/** A vault's row with how it is searched, where that is not the default. */
export type JoinedVaultRow = VaultRow & VaultSearchColumns;

export const selectVaults = (db: ReadSql) =>
  db
    .selectFrom('vaults')
    .leftJoin('vault_search', 'vault_search.vault', 'vaults.id')
    .selectAll('vaults')
    .select(['vault_search.language', 'vault_search.weights', 'vault_search.embedder']);

export function openVaultRow(sealer: RecordSealer, organization: Organization, row: JoinedVaultRow): Vault {
  const vault = { id: row.id as VaultId, organization, slot: row.slot as Slot, version: row.version };
  const name = decodeUtf8(nameBoxes(sealer, vault).open('name_box', row.name_box));
  return {
    ...vault,
    ...vaultSearchOf(row),
    name,
    project: row.project as ProjectId,
    dimensions: row.dimensions,
    metric: row.metric as Metric,
    deletion: { mode: row.deletion_mode as 'trash' | 'immediate', days: row.deletion_days },
    history: row.history === 1,
    tombstones: (row.tombstones ?? 'off') as Vault['tombstones'],
    environment: row.environment as KeyEnvironment,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    ...(row.deleted_at === null ? {} : { trashedAt: row.deleted_at }),
  };
}

/** The same; null where its key is gone. */
export function matchVaultRow(
  sealer: RecordSealer,
  organization: Organization,
  row: JoinedVaultRow,
): Vault | null {
  try {
    return openVaultRow(sealer, organization, row);
  } catch (error) {
    if (error instanceof StrongroomError && error.code === 'erased') return null;
    throw error;
  }
}

/** The row's columns that a change of the vault writes; its name is sealed anew for the version. */
export const vaultColumns = (sealer: RecordSealer, vault: Vault): Omit<VaultRow, 'change'> => ({
  id: vault.id,
  organization: vault.organization.id,
  project: vault.project,
  slot: vault.slot,
  state: 'live',
  dimensions: vault.dimensions,
  metric: vault.metric,
  deletion_mode: vault.deletion.mode,
  deletion_days: vault.deletion.days,
  history: vault.history ? 1 : 0,
  environment: vault.environment,
  tombstones: vault.tombstones === 'off' ? null : vault.tombstones,
  name_box: nameBoxes(sealer, vault).seal('name_box', encodeUtf8(vault.name)),
  version: vault.version,
  created_at: vault.createdAt,
  updated_at: vault.updatedAt,
  deleted_at: null,
});

export const vaultView = (vault: Vault): VaultView => ({
  id: vault.id,
  name: vault.name,
  project: vault.project,
  dimensions: vault.dimensions,
  metric: vault.metric,
  deletion: { ...vault.deletion },
  history: vault.history,
  tombstones: vault.tombstones,
  environment: vault.environment,
  language: vault.language,
  weights: { ...vault.weights },
  embedder: vault.embedder,
  version: vault.version,
  createdAt: new Date(vault.createdAt).toISOString(),
  updatedAt: new Date(vault.updatedAt).toISOString(),
  ...(vault.trashedAt === undefined ? {} : trashTimes(vault.trashedAt, vault.deletion.days)),
});

const trashTimes = (trashedAt: number, days: number) => ({
  trashedAt: new Date(trashedAt).toISOString(),
  endsAt: new Date(trashedAt + days * DAY_MS).toISOString(),
});

const nameBoxes = (
  sealer: RecordSealer,
  { id, organization, slot, version }: Pick<Vault, 'id' | 'organization' | 'slot' | 'version'>,
): RecordBoxes =>
  sealer.at({
    table: 'vaults',
    organization: organization.id,
    vault: id,
    id,
    version,
    own: slot,
    scope: organizationScope(organization),
  });
