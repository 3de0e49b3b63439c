/**
 * The archive: memories of a certain age leave the hot tables and the index; their boxes move, as they are, into one sealed
 * blob for many (archive-file.ts). Rows of ids and times stay, so that they are still found in lists, explained and erased.
 *
 * Invariants: an archive has its slot and its row before its first byte; a memory counts as moved in the transaction that
 * takes its boxes out of the tables, and only if nobody changed it since they were read; what a crash left half-made is
 * dropped, its slot destroyed; boxes of what was erased stay in no archive beyond the next run.
 */
import { encodeUtf8 } from '../bytes/encoding.ts';
import type { CobblestoneKey } from '../crypto/cobblestone.ts';
import type { FileCipher } from '../crypto/file-cipher.ts';
import { HOUR_MS } from '../durations.ts';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { Id, NewId } from '../ids.ts';
import { idBefore } from '../ids.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { RecordKeys } from '../keys/record-key.ts';
import type { Slot } from '../keys/slot.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { BlobStore } from '../store/blobs.ts';
import type { Destruction } from '../store/destruction.ts';
import type { MemoryVersionRow } from '../store/schema.ts';
import type { SlotAllocator } from '../store/slots.ts';
import { SYSTEM, type Store, type Tx } from '../store/store.ts';
import { sealKind } from '../vaults/archived-row.ts';
import type { VaultIndexes } from '../vaults/indexes.ts';
import { matchMemory } from '../vaults/memory-row.ts';
import { selectJoined } from '../vaults/memory-store.ts';
import { vaultScope, type Vault } from '../vaults/vault.ts';
import { decodeArchive, encodeArchive, type ArchivedVersion } from './archive-file.ts';
import { allVaults, type DueParts } from './due-memories.ts';
import type { Policies } from './policies.ts';

export interface ArchivesParts extends DueParts {
  readonly store: Store;
  readonly keyring: Keyring;
  readonly keys: RecordKeys;
  readonly cipher: FileCipher;
  readonly blobs: BlobStore;
  readonly destruction: Destruction;
  readonly slots: SlotAllocator;
  readonly indexes: VaultIndexes;
  readonly ledger: Ledger;
  readonly policies: Pick<Policies, 'archiveRules'>;
  readonly newId: NewId;
  readonly environment: Environment;
}

export type ArchiveId = Id<'archive'>;

/** Memories in one archive, and rows in one transaction. */
const ARCHIVE_MEMORIES_MAX = 500;
/** Of boxes in one archive: it is made and opened whole. */
const ARCHIVE_BYTES_MAX = 16 * 1024 * 1024;
const SLACK_MS = HOUR_MS;

/** A memory as it was when its boxes were read. */
interface Aged {
  readonly id: string;
  readonly version: number;
  readonly change: number;
}

interface MadeArchive {
  readonly createdAt: number;
  /** Of the archive it replaces; null: a new one. */
  readonly slot: Slot | null;
}

interface WornArchive {
  readonly id: ArchiveId;
  readonly slot: Slot;
  readonly createdAt: number;
}

export class Archives {
  readonly #parts: ArchivesParts;

  constructor(parts: ArchivesParts) {
    this.#parts = parts;
  }

  /**
   * Moves what has come of age, and lets go of what archives hold and nothing opens any more. What is damaged keeps nothing
   * else from its turn; throws what went wrong.
   */
  async tend(now: number): Promise<void> {
    const errors: unknown[] = [];
    await this.#dropUnfinished();
    const archiving = await this.#vaultsWithArchives();
    for await (const vault of allVaults(this.#parts)) {
      if (archiving.has(vault.id)) errors.push(...(await this.#renewWorn(vault)));
      await this.#moveAged(vault, now).catch((error: unknown) => errors.push(error));
    }
    await this.#dropEmpty();
    if (errors.length > 0) throw new AggregateError(errors, 'not every archive could be tended');
  }

  /** The versions in an archive. Throws `erased` where its keys are gone. */
  async open(vault: Vault, id: string): Promise<readonly ArchivedVersion[]> {
    const { store, blobs, cipher } = this.#parts;
    const row = await store.read(vault.organization.id, (db) =>
      db.selectFrom('archives').selectAll().where('id', '=', id).executeTakeFirst(),
    );
    if (row === undefined) throw new StrongroomError('not_found');
    const key = this.keyOf(vault, row.id, row.slot as Slot);
    return decodeArchive(await cipher.decrypt(key, await blobs.get(row.blob)));
  }

  /** Under what an archive, or a copy out of one, is encrypted: its own slot and the vault's. */
  keyOf(vault: Vault, id: string, own: Slot): CobblestoneKey {
    const key = this.#parts.keys.key({ id, version: 1, own, scope: vaultScope(vault) });
    const context = encodeUtf8(`strongroom/archive/1 ${vault.organization.id} ${vault.id} ${id}`);
    return { key, context };
  }

  async #moveAged(vault: Vault, now: number): Promise<void> {
    let after = '';
    for (;;) {
      const aged = await this.#aged(vault, now, after);
      if (aged.length === 0) break;
      after = await this.#move(vault, aged);
    }
  }

  async #aged(vault: Vault, now: number, after: string): Promise<readonly Aged[]> {
    const { memoriesMs, conversationsMs } = await this.#parts.policies.archiveRules(vault);
    const shortest = Math.min(memoriesMs ?? Infinity, conversationsMs ?? Infinity);
    if (shortest === Infinity || now < shortest) return [];
    return this.#parts.store.read(vault.organization.id, (db) =>
      db
        .selectFrom('memories')
        .select(['id', 'version', 'change'])
        .where('vault', '=', vault.id)
        .where('state', '=', 'live')
        .where('id', '<', idBefore('memory', now - shortest + SLACK_MS))
        .where((where) =>
          where.or([
            ...(memoriesMs === null
              ? []
              : [
                  where.and([where('conversation', 'is', null), where('created_at', '<=', now - memoriesMs)]),
                ]),
            ...(conversationsMs === null
              ? []
              : [
                  where.and([
                    where('conversation', 'is not', null),
                    where('created_at', '<=', now - conversationsMs),
                  ]),
                ]),
          ]),
        )
        .where('id', '>', after)
        .orderBy('id')
        .limit(ARCHIVE_MEMORIES_MAX)
        .execute(),
    );
  }

  /** Answers the last memory it looked at. */
  async #move(vault: Vault, aged: readonly Aged[]): Promise<string> {
    const { store, environment } = this.#parts;
    const { rows, whole } = await this.#versionsOf(vault, aged);
    const last = whole.at(-1)?.id ?? '';
    const made = { createdAt: environment.clock.now(), slot: null };
    const { id, slot } = await this.#write(vault, rows.map(archivedVersion), made);
    const moved = await store.write(vault.organization.id, (tx) =>
      this.#settle(tx, vault, id, { rows, whole }),
    );
    environment.fault('archive.moved');
    if (moved === 0) await this.#drop([{ id, slot }]);
    return last;
  }

  /** As many of the memories as an archive holds, with all their versions. */
  async #versionsOf(
    vault: Vault,
    aged: readonly Aged[],
  ): Promise<{ readonly rows: readonly MemoryVersionRow[]; readonly whole: readonly Aged[] }> {
    const all = await this.#parts.store.read(vault.organization.id, (db) =>
      db
        .selectFrom('memory_versions')
        .selectAll()
        .where(
          'memory',
          'in',
          aged.map(({ id }) => id),
        )
        .orderBy('memory')
        .orderBy('version')
        .execute(),
    );
    const versions = Map.groupBy(all, ({ memory }) => memory);
    const rows: MemoryVersionRow[] = [];
    const whole: Aged[] = [];
    let bytes = 0;
    for (const one of aged) {
      const own = versions.get(one.id) ?? [];
      bytes += own.reduce(
        (sum, { body_box, vector_box }) => sum + body_box.length + (vector_box?.length ?? 0),
        0,
      );
      // What does not fit goes into the next one.
      if (whole.length > 0 && bytes > ARCHIVE_BYTES_MAX) break;
      rows.push(...own);
      whole.push(one);
    }
    return { rows, whole };
  }

  /** Most have none, and need not be asked one by one. */
  async #vaultsWithArchives(): Promise<ReadonlySet<string>> {
    const rows = await this.#parts.store.read(SYSTEM, (db) =>
      db.selectFrom('archives').select('vault').where('state', '=', 'live').distinct().execute(),
    );
    return new Set(rows.map(({ vault }) => vault));
  }

  /**
   * Archives that hold boxes of what has ended are written anew without them: they are kept for years, and a certificate
   * names the day on which the last ciphertext goes.
   */
  async #renewWorn(vault: Vault): Promise<readonly unknown[]> {
    const archives = await this.#parts.store.read(vault.organization.id, (db) =>
      db
        .selectFrom('archives')
        .innerJoin('archived_versions', (join) => join.onRef('archived_versions.archive', '=', 'archives.id'))
        .select(['archives.id', 'archives.slot', 'archives.records', 'archives.created_at'])
        .select((of) => of.fn.countAll<number | bigint>().as('left'))
        .where('archives.vault', '=', vault.id)
        .where('archives.state', '=', 'live')
        .groupBy(['archives.id', 'archives.slot', 'archives.records', 'archives.created_at'])
        .execute(),
    );
    const errors: unknown[] = [];
    for (const { records, left, ...row } of archives) {
      if (Number(left) >= records) continue;
      const old = { id: row.id as ArchiveId, slot: row.slot as Slot, createdAt: row.created_at };
      const done = this.#renew(vault, old).then(() => this.#drop([old]));
      await done.catch((error: unknown) => errors.push(error));
    }
    return errors;
  }

  /**
   * What is left of an archive moves to a new one; the old one is as if it had never been finished. Both have the one slot, each its
   * own key from it: a backup from before holds the old one, and what is left in it must come back from there.
   */
  async #renew(vault: Vault, { id: old, slot, createdAt }: WornArchive): Promise<void> {
    const { store, environment } = this.#parts;
    const rows = await store.read(vault.organization.id, (db) =>
      db.selectFrom('archived_versions').select(['memory', 'version']).where('archive', '=', old).execute(),
    );
    const names = new Set(rows.map(({ memory, version }) => `${memory} ${version}`));
    const versions = (await this.open(vault, old)).filter(({ memory, version }) =>
      names.has(`${memory} ${version}`),
    );
    if (versions.length !== rows.length)
      throw new StrongroomError('box.damaged', `${old} lacks ${rows.length - versions.length} versions`);
    const { id } = await this.#write(vault, versions, { createdAt, slot });
    await store.write(vault.organization.id, async (tx) => {
      const { change } = tx;
      await tx.sql
        .updateTable('archived_versions')
        .set({ archive: id, change })
        .where('archive', '=', old)
        .execute();
      const live = { state: 'live', records: versions.length, change } as const;
      await tx.sql.updateTable('archives').set(live).where('id', '=', id).execute();
      await tx.sql.updateTable('archives').set({ state: 'building', change }).where('id', '=', old).execute();
    });
    environment.fault('archive.moved');
  }

  /** An archive with its row and its bytes, which nothing refers to yet. */
  async #write(
    vault: Vault,
    versions: readonly ArchivedVersion[],
    made: MadeArchive,
  ): Promise<{ readonly id: ArchiveId; readonly slot: Slot }> {
    const { blobs, cipher, environment } = this.#parts;
    const { id, slot } = await this.#register(vault, made);
    environment.fault('archive.registered');
    const plaintext = encodeArchive(versions);
    await blobs.put(blobName(id), await cipher.encrypt(this.keyOf(vault, id, slot), plaintext));
    environment.fault('archive.written');
    return { id, slot };
  }

  async #register(
    vault: Vault,
    { createdAt, slot: given }: MadeArchive,
  ): Promise<{ readonly id: ArchiveId; readonly slot: Slot }> {
    const { store, slots, newId } = this.#parts;
    const id = newId('archive');
    const slot = await store.write(vault.organization.id, async (tx) => {
      const slot = given ?? (await slots.takeOne(tx, vault.id));
      await tx.sql
        .insertInto('archives')
        .values({
          id,
          organization: vault.organization.id,
          vault: vault.id,
          slot,
          state: 'building',
          blob: blobName(id),
          records: 0,
          created_at: createdAt,
          change: tx.change,
        })
        .execute();
      return slot;
    });
    return { id, slot };
  }

  /** Takes the boxes out of the tables; answers how many memories have moved. */
  async #settle(
    tx: Tx,
    vault: Vault,
    archive: ArchiveId,
    { rows, whole }: { readonly rows: readonly MemoryVersionRow[]; readonly whole: readonly Aged[] },
  ): Promise<number> {
    const { indexes, ledger } = this.#parts;
    const now = await tx.sql
      .selectFrom('memories')
      .select(['id', 'change'])
      .where(
        'id',
        'in',
        whole.map(({ id }) => id),
      )
      .where('state', '=', 'live')
      .execute();
    const changes = new Map(now.map(({ id, change }) => [id, change]));
    const unchanged = whole.filter(({ id, change }) => changes.get(id) === change).map(({ id }) => id);
    const kinds = await this.#kindsOf(tx, vault, unchanged);
    // What is erased stays where it is: its rows are about to go.
    const moving = unchanged.filter((id) => kinds.has(id));
    if (moving.length === 0) return 0;
    const isMoving = new Set(moving);
    for (const row of rows) {
      if (!isMoving.has(row.memory)) continue;
      const { memory, version, organization, slot, scope, author, created_at } = row;
      const current = kinds.get(memory);
      const kind = current?.version === version ? current.kind : undefined;
      const kind_box = kind === undefined ? null : sealKind(this.#parts.sealer, vault, row, kind);
      const place = { memory, version, organization, vault: vault.id, archive };
      await tx.sql
        .insertInto('archived_versions')
        .values({ ...place, slot, scope, author, kind_box, created_at, change: tx.change })
        .execute();
    }
    await tx.sql.deleteFrom('memory_versions').where('memory', 'in', moving).execute();
    await tx.sql
      .updateTable('memories')
      .set({ state: 'archived', change: tx.change })
      .where('id', 'in', moving)
      .execute();
    await tx.sql
      .updateTable('archives')
      .set({ state: 'live', records: rows.length, change: tx.change })
      .where('id', '=', archive)
      .execute();
    indexes.change(tx, vault, { removed: moving });
    const entry = { principal: 'system', outcome: 'done', request: '', scope: [] } as const;
    ledger.append(tx, {
      ...entry,
      action: 'memory.archive',
      target: archive,
      targets: [vault.id, ...moving],
    });
    return moving.length;
  }

  /** The current version of each memory that opens, and its kind. */
  async #kindsOf(
    tx: Tx,
    vault: Vault,
    ids: readonly string[],
  ): Promise<ReadonlyMap<string, { readonly version: number; readonly kind: string | undefined }>> {
    if (ids.length === 0) return new Map();
    const rows = await selectJoined(tx.sql, vault)
      .where('memories.id', 'in', [...ids])
      .execute();
    return new Map(
      rows.flatMap((row) => {
        const opened = matchMemory(this.#parts.sealer, vault, row);
        return opened === null ? [] : [[row.id, { version: row.version, kind: opened.body.kind }] as const];
      }),
    );
  }

  async #dropUnfinished(): Promise<void> {
    const rows = await this.#parts.store.read(SYSTEM, (db) =>
      db.selectFrom('archives').select(['id', 'slot']).where('state', '=', 'building').execute(),
    );
    await this.#drop(rows.map(({ id, slot }) => ({ id: id as ArchiveId, slot: slot as Slot })));
  }

  async #dropEmpty(): Promise<void> {
    const rows = await this.#parts.store.read(SYSTEM, (db) =>
      db
        .selectFrom('archives')
        .leftJoin('archived_versions', (join) => join.onRef('archived_versions.archive', '=', 'archives.id'))
        .select(['archives.id', 'archives.slot'])
        .where('archives.state', '=', 'live')
        .where('archived_versions.memory', 'is', null)
        .execute(),
    );
    await this.#drop(rows.map(({ id, slot }) => ({ id: id as ArchiveId, slot: slot as Slot })));
  }

  /** Destroys the slots that are no other archive's, then removes bytes and rows. */
  async #drop(archives: readonly { readonly id: ArchiveId; readonly slot: Slot }[]): Promise<void> {
    if (archives.length === 0) return;
    const { store, keyring, destruction, blobs } = this.#parts;
    const ids = archives.map(({ id }) => id);
    const slots = archives.map(({ slot }) => slot);
    const others = await store.read(SYSTEM, (db) =>
      db
        .selectFrom('archives')
        .select('slot')
        .where('slot', 'in', slots)
        .where('id', 'not in', ids)
        .execute(),
    );
    const shared = new Set(others.map(({ slot }) => slot));
    const alive = slots.filter((slot) => !shared.has(slot) && !keyring.isErased(slot));
    if (alive.length > 0) await destruction.now([...new Set(alive)], 'archive');
    for (const id of ids) await blobs.delete(blobName(id));
    await store.write(SYSTEM, (tx) => tx.sql.deleteFrom('archives').where('id', 'in', ids).execute());
  }
}

const blobName = (id: ArchiveId): string => `archives/${id}`;

const archivedVersion = (row: MemoryVersionRow): ArchivedVersion => ({
  memory: row.memory,
  version: row.version,
  slot: row.slot,
  scope: row.scope,
  author: row.author,
  createdAt: row.created_at,
  body: row.body_box,
  vector: row.vector_box,
});
