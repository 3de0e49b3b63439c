/**
 * Which digests an erasure leaves behind, where a vault asks for tombstones. This is the one thing that is done memory by
 * memory before keys are destroyed, because afterwards nobody can say any more what it was; other vaults pay nothing.
 */
import type { Organization } from '../access/organizations.ts';
import type { RecordSealer } from '../keys/record-sealer.ts';
import type { Slot } from '../keys/slot.ts';
import type { Tx } from '../store/store.ts';
import { chunks } from '../vaults/derivations.ts';
import { decodeScope, matchMemory, type JoinedRow } from '../vaults/memory-row.ts';
import { selectWithVector } from '../vaults/memory-store.ts';
import type { Buried, Tombstones } from '../vaults/tombstones.ts';
import type { Vaults } from '../vaults/vaults.ts';
import type { Vault } from '../vaults/vault.ts';
import type { LivingMemory } from '../vaults/living.ts';

export interface BurialsParts {
  readonly sealer: RecordSealer;
  readonly vaults: Vaults;
  readonly tombstones: Tombstones;
}

const PAGE_ROWS = 500;

export class Burials {
  readonly #parts: BurialsParts;

  constructor(parts: BurialsParts) {
    this.#parts = parts;
  }

  async ofMemories(
    tx: Tx,
    organization: Organization,
    memories: readonly LivingMemory[],
  ): Promise<readonly Buried[]> {
    const buried: Buried[] = [];
    for (const vault of await this.#asking(organization)) {
      const own = memories.filter((memory) => memory.vault === vault.id).map(({ id }) => id);
      for (const part of chunks(own)) {
        const rows = await selectWithVector(tx.sql, vault).where('memories.id', 'in', part).execute();
        buried.push(...(await this.#bury(tx, vault, rows)));
      }
    }
    return buried;
  }

  /** Everything that dies with a person or a conversation. */
  async ofSlot(tx: Tx, organization: Organization, slot: Slot): Promise<readonly Buried[]> {
    const buried: Buried[] = [];
    for (const vault of await this.#asking(organization)) {
      for (let after = ''; ;) {
        const rows = await selectWithVector(tx.sql, vault)
          .where('memories.id', '>', after)
          .orderBy('memories.id')
          .limit(PAGE_ROWS)
          .execute();
        const last = rows.at(-1);
        if (last === undefined) break;
        after = last.id;
        const dying = rows.filter(({ scope }) => decodeScope(scope).some(([, own]) => own === slot));
        buried.push(...(await this.#bury(tx, vault, dying)));
      }
    }
    return buried;
  }

  async #asking({ id }: Organization): Promise<readonly Vault[]> {
    return (await this.#parts.vaults.all(id)).filter(({ tombstones }) => tombstones !== 'off');
  }

  #bury(tx: Tx, vault: Vault, rows: readonly JoinedRow[]): Promise<readonly Buried[]> {
    const { sealer, tombstones } = this.#parts;
    const opened = rows.flatMap((row) => matchMemory(sealer, vault, row) ?? []);
    return tombstones.bury(tx, vault, opened);
  }
}
