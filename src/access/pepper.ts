/**
 * The pepper of API keys as a key that is replaced: every hash is sealed anew under the next one (key-row.ts). It needs
 * nobody's secret, and once no row lies under the old pepper any more, that one can be destroyed.
 */
import type { Bytes } from '../bytes/encoding.ts';
import { isEqual } from '../bytes/equal.ts';
import { StrongroomError } from '../errors.ts';
import type { OrganizationId } from '../ids.ts';
import type { RecordSealer } from '../keys/record-sealer.ts';
import type { Slot } from '../keys/slot.ts';
import type { ApiKeyRow } from '../store/schema.ts';
import { SYSTEM, type ReadSql, type Store, type Tx } from '../store/store.ts';
import { anchorOf, openHash, sealHash, type KeyAnchor } from './key-row.ts';
import type { Organizations } from './organizations.ts';

export interface PepperParts {
  readonly store: Store;
  readonly sealer: RecordSealer;
  readonly organizations: Organizations;
  /** Told of each hash that does not open. Its key signs nobody in under any pepper, and it holds up no other. */
  readonly onDamage: (key: string) => void;
}

interface OpenHash {
  readonly anchor: KeyAnchor;
  readonly hash: Bytes;
}

/** Hashes sealed anew in one commit. */
const ROWS_MAX = 200;

export class Pepper {
  readonly #parts: PepperParts;

  constructor(parts: PepperParts) {
    this.#parts = parts;
  }

  /**
   * Some of the hashes that lie under `from`, of keys behind the id `after`; answers the last of these, or null where
   * there was none. Whoever was revoked has none.
   */
  async resealSome(from: Slot, to: Slot, after: string): Promise<string | null> {
    const { store, sealer } = this.#parts;
    return store.write(SYSTEM, async (tx) => {
      const rows = await under(tx.sql, from, after);
      for (const row of rows) {
        const opened = await this.#open(row);
        if (opened === null) continue;
        const { anchor, hash } = opened;
        const hash_box = sealHash(sealer, anchor, to, hash);
        if (!isEqual(openHash(sealer, anchor, to, hash_box), hash))
          throw new StrongroomError('internal', `the hash of ${row.id} does not open as it was`);
        await tx.sql
          .updateTable('api_keys')
          .set({ hash_box, pepper_slot: to, change: tx.change })
          .where('id', '=', row.id)
          .execute();
      }
      return rows.at(-1)?.id ?? null;
    });
  }

  /** Whether any key that is in force still needs it. */
  async isNeeded(tx: Tx, pepper: Slot): Promise<boolean> {
    for (let after = ''; ;) {
      const rows = await under(tx.sql, pepper, after);
      for (const row of rows) if ((await this.#open(row)) !== null) return true;
      const last = rows.at(-1);
      if (last === undefined) return false;
      after = last.id;
    }
  }

  /** How many keys in force lie under it and open. */
  async verify(pepper: Slot): Promise<number> {
    const { store } = this.#parts;
    const rows = await store.read(SYSTEM, (db) =>
      db
        .selectFrom('api_keys')
        .selectAll()
        .where('state', '=', 'active')
        .where('pepper_slot', '=', pepper)
        .execute(),
    );
    let count = 0;
    for (const row of rows) if ((await this.#open(row)) !== null) count++;
    return count;
  }

  /** Null where it does not open, and where the organization is erased. */
  async #open(row: ApiKeyRow): Promise<OpenHash | null> {
    const { sealer, organizations } = this.#parts;
    const organization = await organizations.find(row.organization as OrganizationId);
    if (organization === null) return null;
    const anchor = anchorOf(organization, row);
    try {
      return { anchor, hash: openHash(sealer, anchor, row.pepper_slot as Slot, row.hash_box) };
    } catch (error) {
      const isDamaged = error instanceof StrongroomError && error.code === 'box.damaged';
      // Revoked at this very moment: its slot is dead before its row says so.
      const isRevoked = error instanceof StrongroomError && error.code === 'erased';
      if (!isDamaged && !isRevoked) throw error;
      if (isDamaged) this.#parts.onDamage(row.id);
      return null;
    }
  }
}

const under = (sql: ReadSql, pepper: Slot, after: string): Promise<ApiKeyRow[]> =>
  sql
    .selectFrom('api_keys')
    .selectAll()
    .where('state', '=', 'active')
    .where('pepper_slot', '=', pepper)
    .where('id', '>', after)
    .orderBy('id')
    .limit(ROWS_MAX)
    .execute();
