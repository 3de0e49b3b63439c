/**
 * How a vault ends: into the trash, from which it can be taken back for its number of days, and then by itself for good; at
 * once where the vault asks for that.
 */
import type { Vault as VaultView } from '@strongroom/client';
import type { RequestContext } from '../access/context.ts';
import type { Organizations } from '../access/organizations.ts';
import type { Recorder } from '../access/recorder.ts';
import { DAY_MS } from '../durations.ts';
import { StrongroomError } from '../errors.ts';
import type { OrganizationId, VaultId } from '../ids.ts';
import type { RecordSealer } from '../keys/record-sealer.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { SYSTEM, type Store, type Tx } from '../store/store.ts';
import type { DeletionGuard } from '../vaults/deletion-guard.ts';
import type { Eraser } from '../vaults/eraser.ts';
import type { VaultIndexes } from '../vaults/indexes.ts';
import { requireVersion, type Vaults } from '../vaults/vaults.ts';
import { matchVaultRow, selectVaults, vaultView } from '../vaults/vault.ts';

export interface VaultEndingsParts {
  readonly store: Store;
  readonly sealer: RecordSealer;
  readonly organizations: Organizations;
  readonly vaults: Vaults;
  readonly indexes: VaultIndexes;
  readonly recorder: Recorder;
  readonly ledger: Ledger;
  readonly guard: DeletionGuard;
  readonly eraser: Eraser;
}

export class VaultEndings {
  readonly #parts: VaultEndingsParts;

  constructor(parts: VaultEndingsParts) {
    this.#parts = parts;
  }

  /** `accepted`: hidden, and erased as soon as every replica of the keystore can be reached. */
  async deleteVault(
    context: RequestContext,
    reference: string,
    ifMatch: number | null,
  ): Promise<'done' | 'accepted'> {
    const { vaults, indexes, recorder, guard, eraser } = this.#parts;
    const reached = await vaults.reach(context, 'vault.delete', reference);
    const begun = await recorder.write(context, async (tx) => {
      const vault = await vaults.within(reached);
      requireVersion(vault.version, ifMatch);
      const deed = { action: 'vault.delete', target: vault.id } as const;
      if (vault.deletion.mode === 'trash') {
        await guard.require(tx, { kind: 'vault', vault: vault.id });
        await vaults.trash(tx, vault, ifMatch);
        return { result: null, deed: { ...deed, facts: { mode: 'trash' } } };
      }
      const by = { principal: context.principal.id, cause: 'delete' } as const;
      const begun = await eraser.vault(tx, by, vault);
      return { result: begun, deed: { ...deed, facts: { mode: 'erase', erasure: begun.id } } };
    });
    await indexes.drop(reached);
    return begun === null ? 'done' : begun.finish();
  }

  async restoreVault(context: RequestContext, reference: string): Promise<VaultView> {
    const { vaults, recorder } = this.#parts;
    const trashed = await vaults.reachTrashed(context, 'vault.restore', reference);
    const vault = await recorder.write(context, async (tx) => {
      const vault = await vaults.recover(tx, trashed);
      return { result: vault, deed: { action: 'vault.restore', target: vault.id } };
    });
    return vaultView(vault);
  }

  /** Vaults that lay in the trash for their number of days. What is held waits for its release. */
  async endDue(now: number): Promise<void> {
    const { store, sealer, organizations } = this.#parts;
    const rows = await store.read(SYSTEM, (db) =>
      selectVaults(db).where('vaults.state', '=', 'trashed').execute(),
    );
    for (const row of rows) {
      if (row.deleted_at === null || row.deleted_at + row.deletion_days * DAY_MS > now) continue;
      const organization = await organizations.find(row.organization as OrganizationId);
      const vault = organization === null ? null : matchVaultRow(sealer, organization, row);
      if (vault === null) continue;
      const begun = await store.write(vault.organization.id, async (tx) => {
        // It may have been taken back between the reading and now.
        const held = await tx.sql.selectFrom('vaults').select('state').where('id', '=', vault.id).execute();
        if (held[0]?.state !== 'trashed' || !(await this.#isReleased(tx, vault.id))) return null;
        const begun = await this.#parts.eraser.vault(tx, { principal: 'system', cause: 'trash' }, vault);
        const entry = { principal: 'system', outcome: 'done', request: '', scope: [] } as const;
        const facts = { erasure: begun.id };
        this.#parts.ledger.append(tx, { ...entry, action: 'vault.purge', target: vault.id, facts });
        return begun;
      });
      await begun?.finish();
    }
  }

  async #isReleased(tx: Tx, vault: VaultId): Promise<boolean> {
    try {
      await this.#parts.guard.require(tx, { kind: 'vault', vault });
      return true;
    } catch (error) {
      if (error instanceof StrongroomError && error.code === 'held') return false;
      throw error;
    }
  }
}
