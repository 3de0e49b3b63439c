/** The kind of a memory whose boxes lie in the archive: kept beside its row, sealed, because a rule may name it. */
import { decodeUtf8, encodeUtf8 } from '../bytes/encoding.ts';
import type { SealedBox } from '../crypto/seal.ts';
import { StrongroomError } from '../errors.ts';
import type { RecordBoxes, RecordSealer } from '../keys/record-sealer.ts';
import type { Slot } from '../keys/slot.ts';
import type { Store } from '../store/store.ts';
import { decodeScope } from '../vaults/memory-row.ts';
import type { Vault } from '../vaults/vault.ts';

interface Anchor {
  readonly memory: string;
  readonly version: number;
  readonly slot: number;
  readonly scope: string;
}

export class ArchivedKinds {
  readonly #store: Pick<Store, 'read'>;
  readonly #sealer: RecordSealer;

  constructor(store: Pick<Store, 'read'>, sealer: RecordSealer) {
    this.#store = store;
    this.#sealer = sealer;
  }

  seal(vault: Pick<Vault, 'id' | 'organization'>, anchor: Anchor, kind: string): SealedBox {
    return this.#boxes(vault, anchor).seal('kind_box', encodeUtf8(kind));
  }

  async of(
    vault: Pick<Vault, 'id' | 'organization'>,
    memory: string,
    version: number,
  ): Promise<string | null> {
    const row = await this.#store.read(vault.organization.id, (db) =>
      db
        .selectFrom('archived_versions')
        .select(['memory', 'version', 'slot', 'scope', 'kind_box'])
        .where('memory', '=', memory)
        .where('version', '=', version)
        .executeTakeFirst(),
    );
    if (row === undefined || row.kind_box === null) return null;
    try {
      return decodeUtf8(this.#boxes(vault, row).open('kind_box', row.kind_box));
    } catch (error) {
      if (error instanceof StrongroomError && (error.code === 'erased' || error.code === 'box.damaged'))
        return null;
      throw error;
    }
  }

  #boxes(vault: Pick<Vault, 'id' | 'organization'>, { memory, version, slot, scope }: Anchor): RecordBoxes {
    return this.#sealer.at({
      table: 'archived_versions',
      organization: vault.organization.id,
      vault: vault.id,
      id: memory,
      version,
      own: slot as Slot,
      scope: decodeScope(scope),
    });
  }
}
