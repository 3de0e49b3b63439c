/**
 * A vault as it was at a moment, read from the backups: its rows are laid into a database of their own, which lies in a
 * scratch folder for as long as it is looked at. Boxes stay sealed as they were; what died since does not open.
 */
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { Slot, SlotKey } from '../keys/slot.ts';
import { openStore } from '../store/open-store.ts';
import type {
  ConversationRow,
  MemoryRow,
  MemoryVersionRow,
  SubjectRow,
  TiedSlotRow,
} from '../store/schema.ts';
import type { ReadSql, Store } from '../store/store.ts';
import type { JoinedRow } from '../vaults/memory-row.ts';
import { selectWithVector } from '../vaults/memory-store.ts';
import type { Vault } from '../vaults/vault.ts';
import { layOut } from './lay-out.ts';
import type { BackupPlace } from './place.ts';

export interface PastOrder {
  readonly vault: Vault;
  /** The newest moment up to this; null: the newest there is. */
  readonly at: number | null;
  readonly place: BackupPlace;
  readonly keys: { derive(slot: Slot): SlotKey };
  /** The newest backup that the keystore has seen. */
  readonly witnessed: string | null;
  readonly folder: string;
  readonly environment: Environment;
}

/** What is known of a memory that has no row today. */
export interface PastRows {
  readonly memory: MemoryRow;
  readonly versions: readonly MemoryVersionRow[];
  readonly tied: readonly TiedSlotRow[];
}

const TABLES = new Set(['vaults', 'subjects', 'conversations', 'memories', 'memory_versions', 'tied_slots']);

export class PastVault {
  readonly backup: string;
  readonly takenAt: number;
  readonly #store: Store;
  readonly #vault: Vault;

  private constructor(store: Store, vault: Vault, goal: { readonly id: string; readonly takenAt: number }) {
    this.#store = store;
    this.#vault = vault;
    this.backup = goal.id;
    this.takenAt = goal.takenAt;
  }

  /** Throws `not_found` where no backup leads there, `box.damaged` naming what is broken. */
  static async open(order: PastOrder): Promise<PastVault> {
    const { vault, at, place, keys, witnessed, folder, environment } = order;
    const target = { engine: 'sqlite', directory: folder } as const;
    const laid = await layOut({
      place: place.blobs,
      keys,
      target,
      replaces: null,
      blobs: null,
      witnessed,
      at,
      skipDamaged: false,
      only: { tables: TABLES, vault: vault.id },
      fault: () => undefined,
      onProgress: () => undefined,
    });
    const store = await openStore(target, { ...environment, fault: () => undefined }, () => undefined);
    const past = new PastVault(store, vault, laid.goal);
    if (await past.#isThere()) return past;
    await store.close();
    throw new StrongroomError(
      'not_found',
      `the vault did not exist at ${new Date(laid.goal.takenAt).toISOString()}`,
    );
  }

  /** Its live memories in the order of their ids. */
  page(after: string, limit: number): Promise<readonly JoinedRow[]> {
    return this.#read((db) =>
      selectWithVector(db, this.#vault)
        .where('memories.state', '=', 'live')
        .where('memories.id', '>', after)
        .orderBy('memories.id')
        .limit(limit)
        .execute(),
    );
  }

  /** Those of the memories that were live or in the archive. */
  async had(ids: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.#read((db) =>
      db
        .selectFrom('memories')
        .select('id')
        .where('id', 'in', [...ids])
        .where('state', 'in', ['live', 'archived'])
        .execute(),
    );
    return new Set(rows.map(({ id }) => id));
  }

  async rowsOf(id: string): Promise<PastRows> {
    return this.#read(async (db) => ({
      memory: await db.selectFrom('memories').selectAll().where('id', '=', id).executeTakeFirstOrThrow(),
      versions: await db.selectFrom('memory_versions').selectAll().where('memory', '=', id).execute(),
      tied: await db.selectFrom('tied_slots').selectAll().where('memory', '=', id).execute(),
    }));
  }

  subject(id: string): Promise<SubjectRow | undefined> {
    return this.#read((db) => db.selectFrom('subjects').selectAll().where('id', '=', id).executeTakeFirst());
  }

  conversation(id: string): Promise<ConversationRow | undefined> {
    return this.#read((db) =>
      db.selectFrom('conversations').selectAll().where('id', '=', id).executeTakeFirst(),
    );
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #isThere(): Promise<boolean> {
    const { id } = this.#vault;
    const row = await this.#read((db) =>
      db
        .selectFrom('vaults')
        .select('id')
        .where('id', '=', id)
        .where('state', '=', 'live')
        .executeTakeFirst(),
    );
    return row !== undefined;
  }

  #read<T>(work: (db: ReadSql) => Promise<T>): Promise<T> {
    return this.#store.read(this.#vault.organization.id, work);
  }
}
