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
import { selectVersions } from '../vaults/memory-store.ts';
import { memoryPages } from '../vaults/memory-walk.ts';
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

  /** Every version that is kept of them: what is fed again may be what they said before. */
  async ofMemories(
    tx: Tx,
    organization: Organization,
    memories: readonly LivingMemory[],
  ): Promise<readonly Buried[]> {
    const buried: Buried[] = [];
    for (const vault of await this.#asking(organization)) {
      const own = memories.filter((memory) => memory.vault === vault.id).map(({ id }) => id);
      for (const part of chunks(own)) {
        const rows = await selectVersions(tx.sql, vault, part).execute();
        buried.push(...(await this.#bury(tx, vault, rows)));
      }
    }
    return buried;
  }

  /** Every version that dies with a person: what lies in the trash with its vault may be taken back, and goes along. */
  async ofPerson(tx: Tx, organization: Organization, slots: ReadonlySet<Slot>): Promise<readonly Buried[]> {
    const thrown = (await this.#parts.vaults.trashed(organization.id)).filter(asks);
    return this.#ofSlots(tx, [...(await this.#asking(organization)), ...thrown], slots);
  }

  /** Every version that dies with a conversation: nothing is derived from another vault's memories. */
  ofConversation(tx: Tx, vault: Vault, slots: ReadonlySet<Slot>): Promise<readonly Buried[]> {
    return this.#ofSlots(tx, [vault].filter(asks), slots);
  }

  /** By one of the slots in its key, or as one of them. */
  async #ofSlots(tx: Tx, vaults: readonly Vault[], slots: ReadonlySet<Slot>): Promise<readonly Buried[]> {
    const buried: Buried[] = [];
    const isDying = ({ slot, scope }: Row): boolean =>
      slots.has(slot as Slot) || decodeScope(scope).some(([, one]) => slots.has(one));
    for (const vault of vaults) {
      const walk = { vault: vault.id, pageRows: PAGE_ROWS };
      for await (const page of memoryPages((work) => work(tx.sql), walk)) {
        const ids = page.map(({ id }) => id);
        const rows = await selectVersions(tx.sql, vault, ids).execute();
        const dying = rows.filter(isDying);
        if (dying.length === 0) continue;
        const staying = rows.filter((row) => row.version === row.newest && !isDying(row));
        buried.push(...(await this.#bury(tx, vault, dying, staying)));
      }
    }
    return buried;
  }

  async #asking({ id }: Organization): Promise<readonly Vault[]> {
    return (await this.#parts.vaults.all(id)).filter(asks);
  }

  /** Not what a memory that stays still says: it could never be changed again. */
  #bury(
    tx: Tx,
    vault: Vault,
    rows: readonly Row[],
    staying: readonly Row[] = [],
  ): Promise<readonly Buried[]> {
    const { sealer, tombstones } = this.#parts;
    const opened = (row: Row) => matchMemory(sealer, vault, row) ?? [];
    const said = new Map(staying.flatMap(opened).map(({ row, body }) => [row.id, body.text]));
    const contents = rows
      .flatMap(opened)
      .filter(({ row, body }) => !said.has(row.id) || said.get(row.id) !== body.text);
    return tombstones.bury(tx, vault, contents);
  }
}

type Row = JoinedRow & { readonly newest: number };

const asks = ({ tombstones }: Vault): boolean => tombstones !== 'off';
