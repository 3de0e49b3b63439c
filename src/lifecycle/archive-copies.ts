/**
 * Copies out of the archive: what a request asked for, in one blob under a slot of its own, made when it is due and opened
 * for whoever may read it. In it are again the records' own boxes, so that an erasure reaches it.
 */
import type { Memory } from '@strongroom/client';
import type { FileCipher } from '../crypto/file-cipher.ts';
import type { Clock } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { RecordSealer } from '../keys/record-sealer.ts';
import type { Slot } from '../keys/slot.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { BlobStore } from '../store/blobs.ts';
import type { ArchiveRequestRow } from '../store/schema-retention.ts';
import type { SlotAllocator } from '../store/slots.ts';
import type { Store, Tx } from '../store/store.ts';
import { selectArchived } from '../vaults/archived-row.ts';
import { memoryView, openMemory, type JoinedRow } from '../vaults/memory-row.ts';
import type { MemoryStore } from '../vaults/memory-store.ts';
import { isOver } from '../vaults/retention.ts';
import type { Vault } from '../vaults/vault.ts';
import { decodeArchive, encodeArchive, type ArchivedVersion } from './archive-file.ts';
import type { Archives } from './archives.ts';
import type { Policies } from './policies.ts';

export interface ArchiveCopiesParts {
  readonly store: Store;
  readonly sealer: RecordSealer;
  readonly slots: SlotAllocator;
  readonly ledger: Ledger;
  readonly rows: MemoryStore;
  readonly policies: Policies;
  readonly archives: Archives;
  readonly cipher: FileCipher;
  readonly blobs: BlobStore;
  readonly clock: Clock;
}

const BY_SYSTEM = { principal: 'system', outcome: 'done', request: '', scope: [] } as const;

export class ArchiveCopies {
  readonly #parts: ArchiveCopiesParts;

  constructor(parts: ArchiveCopiesParts) {
    this.#parts = parts;
  }

  /** Takes the boxes of what was asked for into one blob under the copy's own slot. Doing it again replaces it. */
  async make(vault: Vault, row: ArchiveRequestRow): Promise<ArchiveRequestRow> {
    const { store, slots, archives, cipher, blobs, ledger, clock } = this.#parts;
    const blob = `copies/${row.id}`;
    const slot = await store.write(vault.organization.id, async (tx) => {
      const { copy_slot } = await requireState(tx, row.id, ['approved', 'ready']);
      if (copy_slot !== null) return copy_slot as Slot;
      const slot = await slots.takeOne(tx, vault.id);
      const change = { copy_slot: slot, blob, change: tx.change };
      await tx.sql.updateTable('archive_requests').set(change).where('id', '=', row.id).execute();
      return slot;
    });
    const versions = await this.#versionsFor(vault, row.id);
    await blobs.put(blob, await cipher.encrypt(archives.keyOf(vault, row.id, slot), encodeArchive(versions)));
    return store.write(vault.organization.id, async (tx) => {
      const current = await requireState(tx, row.id, ['approved', 'ready']);
      const ready = { state: 'ready', copied_at: clock.now(), change: tx.change } as const;
      await tx.sql.updateTable('archive_requests').set(ready).where('id', '=', row.id).execute();
      if (current.state === 'approved')
        ledger.append(tx, { ...BY_SYSTEM, action: 'archive.copy', target: row.id });
      return { ...current, ...ready };
    });
  }

  /** Newest first; what was erased or has expired since is not in it. */
  async open(vault: Vault, row: ArchiveRequestRow): Promise<readonly Memory[]> {
    const { store, rows, sealer, archives, cipher, blobs, policies, clock } = this.#parts;
    if (row.copy_slot === null || row.blob === null)
      throw new StrongroomError('internal', 'a copy without bytes');
    const key = archives.keyOf(vault, row.id, row.copy_slot as Slot);
    const versions = decodeArchive(await cipher.decrypt(key, await blobs.get(row.blob)));
    const current = await store.read(vault.organization.id, (db) =>
      selectArchived(db, vault)
        .where('memories.id', 'in', ['', ...versions.map(({ memory }) => memory)])
        .execute(),
    );
    const byId = new Map(current.map((one) => [one.id, one]));
    const names = await rows.names(vault);
    const rules = await policies.of(vault);
    const views = versions.flatMap((version) => {
      const found = byId.get(version.memory);
      if (found === undefined || found.version !== version.version) return [];
      const { kind_box: _, archived_at: archivedAt, ...rest } = found;
      const joined: JoinedRow = { ...rest, body_box: version.body, vector_box: version.vector };
      const opened = openMemory(sealer, vault, joined);
      if (isOver(rules, opened, clock.now())) return [];
      return [{ ...memoryView(opened, names, true), archivedAt: new Date(archivedAt).toISOString() }];
    });
    return views.sort((left, right) => (left.id < right.id ? 1 : -1));
  }

  /** The current versions of what was asked for, as far as it is still there. */
  async #versionsFor(vault: Vault, request: string): Promise<readonly ArchivedVersion[]> {
    const wanted = await this.#wanted(vault, request);
    try {
      return await this.#versionsIn(vault, wanted);
    } catch (error) {
      // An archive that was written anew meanwhile is gone; what was in it lies in the new one.
      const now = await this.#wanted(vault, request);
      if (archivesOf(now) === archivesOf(wanted)) throw error;
      return this.#versionsIn(vault, now);
    }
  }

  #wanted(vault: Vault, request: string): Promise<readonly Wanted[]> {
    return this.#parts.store.read(vault.organization.id, (db) =>
      db
        .selectFrom('archive_request_memories')
        .innerJoin('memories', (join) => join.onRef('memories.id', '=', 'archive_request_memories.memory'))
        .innerJoin('archived_versions', (join) =>
          join
            .onRef('archived_versions.memory', '=', 'memories.id')
            .onRef('archived_versions.version', '=', 'memories.version'),
        )
        .select(['memories.id', 'memories.version', 'archived_versions.archive'])
        .where('archive_request_memories.request', '=', request)
        .where('memories.state', '=', 'archived')
        .execute(),
    );
  }

  async #versionsIn(vault: Vault, wanted: readonly Wanted[]): Promise<readonly ArchivedVersion[]> {
    const found: ArchivedVersion[] = [];
    for (const [archive, rows] of Map.groupBy(wanted, (row) => row.archive)) {
      const names = new Set(rows.map(({ id, version }) => `${id} ${version}`));
      for (const each of await this.#parts.archives.open(vault, archive))
        if (names.has(`${each.memory} ${each.version}`)) found.push(each);
    }
    return found;
  }
}

/** A version, and the archive that its boxes lie in. */
interface Wanted {
  readonly id: string;
  readonly version: number;
  readonly archive: string;
}

const archivesOf = (wanted: readonly Wanted[]): string =>
  [...new Set(wanted.map(({ archive }) => archive))].sort().join();

/** The row as it is in this transaction; `conflict` unless it is in one of the states. */
export async function requireState(
  tx: Tx,
  id: string,
  states: readonly ArchiveRequestRow['state'][],
): Promise<ArchiveRequestRow> {
  const row = await tx.sql.selectFrom('archive_requests').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined) throw new StrongroomError('not_found');
  if (!states.includes(row.state)) throw new StrongroomError('conflict', `the request is ${row.state}`);
  return row;
}
