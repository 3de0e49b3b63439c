/**
 * The policies of organizations and vaults, held in memory as they stand in the database: read once for an organization,
 * changed in the transaction that changes the row, so that the next question already follows the new rule.
 */
import { organizationScope, type Organization, type Organizations } from '../access/organizations.ts';
import { decodeUtf8, encodeUtf8 } from '../bytes/encoding.ts';
import { HOUR_MS } from '../durations.ts';
import type { Clock } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { NewId, OrganizationId, VaultId } from '../ids.ts';
import type { Scope } from '../keys/record-key.ts';
import type { RecordBoxes, RecordSealer } from '../keys/record-sealer.ts';
import type { Slot } from '../keys/slot.ts';
import type { ExpiryRules } from '../search/expiry.ts';
import type { RetentionPolicyRow } from '../store/schema-retention.ts';
import type { SlotAllocator } from '../store/slots.ts';
import type { Store, Tx } from '../store/store.ts';
import { Directory, type Named, type Names } from '../vaults/directory.ts';
import type { RetentionRules } from '../vaults/retention.ts';
import { onRollback } from '../vaults/rollback.ts';
import { vaultScope, type Vault } from '../vaults/vault.ts';
import {
  ARCHIVE_COPY_HOURS,
  ARCHIVE_WAIT_HOURS,
  inMs,
  NO_POLICY,
  placeRules,
  type KindPolicy,
  type Policy,
  type PolicyId,
  type PolicyRules,
} from './retention-policy.ts';
import type { Minimums, ResolverRules } from './retention-resolver.ts';

export interface PoliciesParts {
  readonly store: Store;
  readonly sealer: RecordSealer;
  readonly slots: SlotAllocator;
  readonly organizations: Organizations;
  readonly newId: NewId;
  readonly clock: Clock;
  /** The plan's own bound; null: none. */
  readonly capDays: number | null;
}

/** Where a policy holds: the organization, or one vault of it. */
export interface PolicyPlace {
  readonly organization: Organization;
  readonly vault: Pick<Vault, 'id' | 'slot' | 'organization'> | null;
}

interface Kept extends Named {
  readonly policy: Policy;
}

/** After how many milliseconds a memory moves to the archive; null: never. */
export interface ArchiveRules {
  readonly memoriesMs: number | null;
  readonly conversationsMs: number | null;
}

const OWN = 'organization';

export class Policies implements RetentionRules {
  readonly #parts: PoliciesParts;
  readonly #directory: Directory<Kept>;
  /** Rules as they were made of a vault's policy and its organization's, or of the latter alone. */
  readonly #rules = new WeakMap<
    Policy,
    { readonly organization: Policy | null; readonly rules: ExpiryRules }
  >();
  readonly #unruled: ExpiryRules;

  constructor(parts: PoliciesParts) {
    this.#parts = parts;
    this.#directory = new Directory((organization) => this.#load(organization as OrganizationId));
    this.#unruled = this.rulesWith(null, null);
  }

  get capDays(): number | null {
    return this.#parts.capDays;
  }

  async get(organization: OrganizationId, vault: VaultId | null): Promise<Policy | null> {
    return policyIn(await this.#directory.of(organization), vault);
  }

  async withId(organization: OrganizationId, id: string): Promise<Policy | null> {
    return (await this.#directory.of(organization)).withId(id)?.policy ?? null;
  }

  async of(vault: Pick<Vault, 'id' | 'organization'>): Promise<ExpiryRules> {
    const names = await this.#directory.of(vault.organization.id);
    const [own, organization] = [policyIn(names, vault.id), policyIn(names, null)];
    const key = own ?? organization;
    if (key === null) return this.#unruled;
    const known = this.#rules.get(key);
    if (known?.organization === organization) return known.rules;
    const rules = this.rulesWith(own, organization);
    this.#rules.set(key, { organization, rules });
    return rules;
  }

  /** The rules that these two policies would make: for the simulator, which asks what if. */
  rulesWith(vault: PolicyRules | null, organization: PolicyRules | null): ExpiryRules {
    return {
      vault: vault === null ? null : placeRules(vault),
      organization: organization === null ? null : placeRules(organization),
      capMs: inMs(this.#parts.capDays),
    };
  }

  async minimums(organization: OrganizationId): Promise<Minimums> {
    return minimumsOf(await this.get(organization, null));
  }

  async resolverRules(vault: Pick<Vault, 'id' | 'organization'>): Promise<ResolverRules> {
    return { expiry: await this.of(vault), minimums: await this.minimums(vault.organization.id) };
  }

  async archiveRules(vault: Pick<Vault, 'id' | 'organization'>): Promise<ArchiveRules> {
    const names = await this.#directory.of(vault.organization.id);
    return archiveTimes([policyIn(names, vault.id), policyIn(names, null)]);
  }

  /** How long an approved request waits, and how long its copy lasts. */
  async archiveTimes(
    organization: OrganizationId,
  ): Promise<{ readonly waitMs: number; readonly copyMs: number }> {
    const { archive } = (await this.get(organization, null)) ?? NO_POLICY;
    return {
      waitMs: (archive.waitHours ?? ARCHIVE_WAIT_HOURS) * HOUR_MS,
      copyMs: (archive.copyHours ?? ARCHIVE_COPY_HOURS) * HOUR_MS,
    };
  }

  /** Puts the rules in force with the commit. Throws `version.mismatch`. */
  async write(
    tx: Tx,
    place: PolicyPlace,
    rules: PolicyRules,
    check: (version: number) => void,
  ): Promise<Policy> {
    const { slots, newId, clock } = this.#parts;
    const { organization, vault } = place;
    const names = await this.#directory.of(organization.id);
    const before = policyIn(names, vault?.id ?? null);
    check(before?.version ?? 0);
    const policy: Policy = {
      ...rules,
      id: before?.id ?? newId('policy'),
      organization: organization.id,
      vault: vault?.id ?? null,
      slot: before?.slot ?? (await slots.takeOne(tx, vault?.id ?? organization.id)),
      version: (before?.version ?? 0) + 1,
      updatedAt: clock.now(),
    };
    const row = this.#row(tx, scopeOf(place), policy);
    if (before === null) await tx.sql.insertInto('retention_policies').values(row).execute();
    else {
      const { id, organization: _organization, vault: _vault, ...columns } = row;
      await tx.sql.updateTable('retention_policies').set(columns).where('id', '=', id).execute();
    }
    names.put(keptOf(policy));
    onRollback(tx, () => (before === null ? names.remove(policy.id) : names.put(keptOf(before))));
    return policy;
  }

  async #load(id: OrganizationId): Promise<readonly Kept[]> {
    const { store, organizations } = this.#parts;
    const organization = await organizations.find(id);
    // One that was erased has no rules any more.
    if (organization === null) return [];
    const rows = await store.read(id, (db) =>
      db
        .selectFrom('retention_policies')
        .leftJoin('vaults', (join) => join.onRef('vaults.id', '=', 'retention_policies.vault'))
        .selectAll('retention_policies')
        .select('vaults.slot as vault_slot')
        .execute(),
    );
    return rows.flatMap(({ vault_slot, ...row }) => {
      const vault =
        row.vault === null || vault_slot === null
          ? null
          : { id: row.vault as VaultId, slot: vault_slot as Slot, organization };
      // A vault that is gone takes its policy along.
      if (row.vault !== null && vault === null) return [];
      const policy = this.#open(scopeOf({ organization, vault }), row);
      return policy === null ? [] : [keptOf(policy)];
    });
  }

  #open(scope: Scope, row: RetentionPolicyRow): Policy | null {
    try {
      const kinds =
        row.kinds_box === null
          ? []
          : (JSON.parse(
              decodeUtf8(this.#boxes(scope, row).open('kinds_box', row.kinds_box)),
            ) as readonly (readonly [string, number])[]);
      return policyOf(
        row,
        kinds.map(([kind, days]) => ({ kind, days })),
      );
    } catch (error) {
      // An erased vault has no rules any more; damage is another thing and must be seen.
      if (error instanceof StrongroomError && error.code === 'erased') return null;
      throw error;
    }
  }

  #row(tx: Tx, scope: Scope, policy: Policy): RetentionPolicyRow {
    const { id, organization, vault, slot, memories, conversations, kinds, archive, version } = policy;
    const anchor = { id, organization, vault, slot, version };
    const list = encodeUtf8(JSON.stringify(kinds.map(({ kind, days }) => [kind, days])));
    return {
      ...anchor,
      memories_days: memories.days,
      memories_archive_days: memories.archiveAfterDays,
      memories_minimum_days: memories.minimumDays,
      conversations_days: conversations.days,
      conversations_archive_days: conversations.archiveAfterDays,
      conversations_minimum_days: conversations.minimumDays,
      archive_wait_hours: archive.waitHours,
      archive_copy_hours: archive.copyHours,
      kinds_box: kinds.length === 0 ? null : this.#boxes(scope, anchor).seal('kinds_box', list),
      updated_at: policy.updatedAt,
      change: tx.change,
    };
  }

  #boxes(
    scope: Scope,
    { id, organization, slot, version }: Pick<RetentionPolicyRow, 'id' | 'organization' | 'slot' | 'version'>,
  ): RecordBoxes {
    const own = slot as Slot;
    return this.#parts.sealer.at({
      table: 'retention_policies',
      organization,
      vault: '',
      id,
      version,
      own,
      scope,
    });
  }
}

const policyIn = (names: Names<Kept>, vault: VaultId | null): Policy | null =>
  names.withName(vault ?? OWN)?.policy ?? null;

const keptOf = (policy: Policy): Kept => ({ id: policy.id, name: policy.vault ?? OWN, policy });

const scopeOf = ({ organization, vault }: PolicyPlace): Scope =>
  vault === null ? organizationScope(organization) : vaultScope(vault);

/** When things move to the archive by these policies, the more particular first. */
export function archiveTimes(places: readonly (PolicyRules | null)[]): ArchiveRules {
  const said = places.filter((place) => place !== null);
  const first = (days: readonly (number | null)[]): number | null =>
    inMs(days.find((one) => one !== null) ?? null);
  return {
    memoriesMs: first(said.map(({ memories }) => memories.archiveAfterDays)),
    conversationsMs: first(
      said.flatMap(({ conversations, memories }) => [
        conversations.archiveAfterDays,
        memories.archiveAfterDays,
      ]),
    ),
  };
}

export const minimumsOf = (policy: PolicyRules | null): Minimums => ({
  memoriesMs: inMs(policy?.memories.minimumDays ?? null),
  conversationsMs: inMs(policy?.conversations.minimumDays ?? null),
});

const policyOf = (row: RetentionPolicyRow, kinds: readonly KindPolicy[]): Policy => ({
  id: row.id as PolicyId,
  organization: row.organization as OrganizationId,
  vault: row.vault as VaultId | null,
  slot: row.slot as Slot,
  memories: {
    days: row.memories_days,
    archiveAfterDays: row.memories_archive_days,
    minimumDays: row.memories_minimum_days,
  },
  conversations: {
    days: row.conversations_days,
    archiveAfterDays: row.conversations_archive_days,
    minimumDays: row.conversations_minimum_days,
  },
  kinds,
  archive: { waitHours: row.archive_wait_hours, copyHours: row.archive_copy_hours },
  version: row.version,
  updatedAt: row.updated_at,
});
