/**
 * Removes the rows of what was destroyed, a batch in a transaction, so that nobody waits for it long. A row goes only once
 * every replica of the keystore has forgotten its keys: a missing row never causes a puncture. How many memories went is
 * counted in the same transactions, so the count is what really was removed, whatever crash came between.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Environment } from '../environment.ts';
import type { OrganizationId } from '../ids.ts';
import type { Keyring } from '../keys/keyring.ts';
import { decodeSlots, type Slot } from '../keys/slot.ts';
import type { ErasureRow } from '../store/schema.ts';
import type { BlobStore } from '../store/blobs.ts';
import { TABLES } from '../store/migrations.ts';
import { rowsWhere, SYSTEM, type ReadSql, type Store, type Tx } from '../store/store.ts';
import { isTenantTable } from '../store/table.ts';
import { chunks } from '../vaults/derivations.ts';
import type { People } from '../vaults/people.ts';
import type { Segments } from '../vaults/segments.ts';
import { livingOf } from '../vaults/living.ts';
import { decodeScope } from '../vaults/memory-row.ts';
import { memoryPages } from '../vaults/memory-walk.ts';
import { removePieces } from './export-pieces.ts';

export interface PurgeParts {
  readonly store: Store;
  readonly keyring: Keyring;
  readonly segments: Segments;
  readonly blobs: BlobStore;
  readonly people: People;
  readonly environment: Environment;
}

const BATCH_ROWS = 500;
/** Rows of memories looked at in one read, where those to remove have to be looked for. */
const SEARCH_ROWS = 2_000;

/** Thrown between two batches once the process is closing: the next opening goes on. */
class Stopped extends Error {}

export class Purge {
  readonly #parts: PurgeParts;
  #isStopped = false;

  constructor(parts: PurgeParts) {
    this.#parts = parts;
  }

  /** Takes no further batch. */
  stop(): void {
    this.#isStopped = true;
  }

  async run(id: string): Promise<void> {
    try {
      await this.#run(id);
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
    }
  }

  /** Does nothing for an erasure that is not destroyed yet, or purged already. */
  async #run(id: string): Promise<void> {
    const row = await this.#parts.store.read(SYSTEM, (db) =>
      db.selectFrom('erasures').selectAll().where('id', '=', id).executeTakeFirst(),
    );
    if (row?.state !== 'destroyed') return;
    if (row.kind === 'memories') await this.#memories(row);
    if (row.kind === 'subject' || row.kind === 'conversation') await this.#scoped(row);
    if (row.kind === 'vault') await this.#vault(row);
    if (row.kind === 'organization') await this.#organization(row);
    await this.#write(row, (tx) =>
      tx.sql
        .updateTable('erasures')
        .set({ state: 'purged', purged_at: this.#parts.environment.clock.now(), change: tx.change })
        .where('id', '=', id)
        .execute(),
    );
  }

  /** By the slots that died. */
  async #memories(row: ErasureRow): Promise<void> {
    const slots = await this.#slotsOf(row);
    for (const part of chunks(slots)) {
      await this.#write(row, async (tx) => {
        const ids: string[] = [];
        for (const table of ['memory_versions', 'archived_versions'] as const)
          ids.push(
            ...(await tx.sql.selectFrom(table).select('memory').where('slot', 'in', part).execute()).map(
              ({ memory }) => memory,
            ),
          );
        await this.#remove(tx, row, ids);
        await tx.sql.deleteFrom('superseded_slots').where('slot', 'in', part).execute();
      });
    }
  }

  /** By the person or the conversation, and whatever else has that slot in its key. */
  async #scoped(row: ErasureRow): Promise<void> {
    const column = row.kind === 'subject' ? 'subject' : 'conversation';
    const organization = row.organization as OrganizationId;
    const slots = await this.#slotsOf(row);
    const dead = new Set(slots);
    for await (const page of this.#pages(row, row.kind === 'subject' ? null : row.vault)) {
      await turn();
      const own = page.filter((memory) => memory[column] === row.target).map(({ id }) => id);
      for (const part of chunks(own)) await this.#write(row, (tx) => this.#remove(tx, row, part));
      const isGone = new Set(own);
      const changed = page.filter(({ id, version }) => version > 1 && !isGone.has(id));
      for (const part of chunks(changed.map(({ id }) => id))) await this.#removeOlder(row, part, dead);
    }
    await this.#removeDerived(row, organization);
    await this.#write(row, async (tx) => {
      await tx.sql.deleteFrom('tied_slots').where('tied_to', 'in', slots.slice(0, 1)).execute();
      const table = row.kind === 'subject' ? 'subjects' : 'conversations';
      await tx.sql.deleteFrom(table).where('id', '=', row.target).execute();
    });
  }

  /** Older versions, kept for a vault's history, of memories that are about somebody or something else by now. */
  async #removeOlder(row: ErasureRow, memories: readonly string[], dead: ReadonlySet<Slot>): Promise<void> {
    const { store } = this.#parts;
    const found = await store.read(row.organization as OrganizationId, (db) =>
      deadVersions(db, memories, dead),
    );
    // Most have none, and no commit is made for them.
    if (found.length === 0) return;
    await this.#write(row, async (tx) => {
      for (const { table, memory, version } of found)
        await tx.sql.deleteFrom(table).where('memory', '=', memory).where('version', '=', version).execute();
    });
  }

  /** Memories that were derived from others and whose keys are gone. */
  async #removeDerived(row: ErasureRow, organization: OrganizationId): Promise<void> {
    const { store, keyring } = this.#parts;
    for (let after: DerivedRow | null = null; ;) {
      const from: DerivedRow | null = after;
      const page: readonly DerivedRow[] = await store.read(organization, (db) =>
        derivedPage(db, from).execute(),
      );
      after = page.at(-1) ?? null;
      if (after === null) return;
      const ids = [...new Set(page.map(({ memory }) => memory))];
      const living = await store.read(organization, (db) => livingOf(db, keyring, ids));
      const isLiving = new Set(living.map(({ id }) => id));
      const gone = ids.filter((id) => !isLiving.has(id));
      for (const part of chunks(gone)) await this.#write(row, (tx) => this.#remove(tx, row, part));
    }
  }

  #pages(row: ErasureRow, vault: string | null) {
    const { store } = this.#parts;
    return memoryPages((work) => store.read(row.organization as OrganizationId, work), {
      vault,
      pageRows: SEARCH_ROWS,
    });
  }

  async #vault(row: ErasureRow): Promise<void> {
    await this.#removeVault(row, row.target);
    await this.#write(row, (tx) => tx.sql.deleteFrom('vaults').where('id', '=', row.target).execute());
  }

  async #removeVault(row: ErasureRow, vault: string): Promise<void> {
    const { segments, people } = this.#parts;
    const organization = row.organization as OrganizationId;
    await segments.discard(vault);
    for await (const page of this.#pages(row, vault))
      for (const part of chunks(page.map(({ id }) => id)))
        await this.#write(row, (tx) => this.#remove(tx, row, part));
    people.drop({ organization, vault });
    await this.#removeBlobs(row, vault);
    await this.#removeTombstones(row, vault);
    // Which tables have the column is only known as data.
    for (const table of VAULT_TABLES as readonly 'conversations'[])
      await this.#write(row, (tx) => tx.sql.deleteFrom(table).where('vault', '=', vault).execute());
  }

  /** By their sets: that is what they are found by. */
  async #removeTombstones(row: ErasureRow, vault: string): Promise<void> {
    const sets = await this.#parts.store.read(row.organization as OrganizationId, (db) =>
      rowsWhere(db, 'tombstone_sets', ['id'], { equal: { vault } }),
    );
    for (const part of chunks(sets.map(({ id }) => id)))
      await this.#write(row, (tx) =>
        tx.sql.deleteFrom('tombstones').where('tombstone_set', 'in', part).execute(),
      );
  }

  /** Archives, copies of them and exports, whose keys were under the vault's. */
  async #removeBlobs(row: ErasureRow, vault: string): Promise<void> {
    const { store, blobs } = this.#parts;
    const organization = row.organization as OrganizationId;
    const requests = await store.read(organization, (db) =>
      db.selectFrom('archive_requests').select('id').where('vault', '=', vault).execute(),
    );
    for (const part of chunks(requests.map(({ id }) => id)))
      await this.#write(row, (tx) =>
        tx.sql.deleteFrom('archive_request_memories').where('request', 'in', part).execute(),
      );
    for (const table of ['archives', 'archive_requests'] as const) {
      const rows = await store.read(organization, (db) =>
        db.selectFrom(table).select('blob').where('vault', '=', vault).execute(),
      );
      for (const { blob } of rows) if (blob !== null) await blobs.delete(blob);
    }
    const exports = await store.read(organization, (db) =>
      db.selectFrom('exports').select('id').where('vault', '=', vault).execute(),
    );
    await removePieces(blobs, new Set(exports.map(({ id }) => id)));
  }

  /** Every table of tenants but those that are kept for years; the annotations of the columns say which. */
  async #organization(row: ErasureRow): Promise<void> {
    const organization = row.organization as OrganizationId;
    const vaults = await this.#parts.store.read(organization, (db) =>
      db.selectFrom('vaults').select('id').execute(),
    );
    for (const { id } of vaults) await this.#removeVault(row, id);
    for (const table of PURGED_TABLES) {
      const [key] = TABLES[table]?.key ?? [];
      if (key === undefined) continue;
      for (let isMore = true; isMore;)
        isMore = await this.#write(row, (tx) => removeSome(tx, table, key, organization));
    }
  }

  async #remove(tx: Tx, row: ErasureRow, ids: readonly string[]): Promise<void> {
    const unique = [...new Set(ids)];
    if (unique.length === 0) return;
    const { sql } = tx;
    // Of `memory_sources` its own only: by those that name it as their source, what was derived from it is still to be found.
    for (const table of MEMORY_TABLES as readonly 'memory_versions'[])
      await sql.deleteFrom(table).where('memory', 'in', unique).execute();
    await sql.deleteFrom('hold_memories').where('memory', 'in', unique).execute();
    const { numDeletedRows } = await sql.deleteFrom('memories').where('id', 'in', unique).executeTakeFirst();
    const removed = Number(numDeletedRows);
    if (removed === 0) return;
    await sql
      .updateTable('erasures')
      .set((set) => ({ removed: set('removed', '+', removed), change: tx.change }))
      .where('id', '=', row.id)
      .execute();
  }

  async #slotsOf(row: ErasureRow): Promise<readonly Slot[]> {
    const request = await this.#parts.store.read(SYSTEM, (db) =>
      db.selectFrom('key_requests').select('slots').where('id', '=', row.id).executeTakeFirst(),
    );
    return request === undefined ? [] : decodeSlots(request.slots);
  }

  async #write<T>(row: ErasureRow, work: (tx: Tx) => Promise<T>): Promise<T> {
    if (this.#isStopped) throw new Stopped();
    this.#parts.environment.fault('erasure.purge');
    return this.#parts.store.write(row.organization as OrganizationId, work);
  }
}

interface DeadVersion {
  readonly table: 'memory_versions' | 'archived_versions';
  readonly memory: string;
  readonly version: number;
}

/** Of some memories the versions that have one of the slots in their keys. */
async function deadVersions(
  sql: ReadSql,
  memories: readonly string[],
  dead: ReadonlySet<Slot>,
): Promise<readonly DeadVersion[]> {
  const found: DeadVersion[] = [];
  for (const table of ['memory_versions', 'archived_versions'] as const) {
    const rows = await rowsWhere(sql, table, ['memory', 'version', 'slot', 'scope'], {
      among: { column: 'memory', values: memories },
    });
    for (const { memory, version, slot: own, scope } of rows)
      if (dead.has(own as Slot) || decodeScope(scope).some(([, slot]) => dead.has(slot)))
        found.push({ table, memory, version });
  }
  return found;
}

interface DerivedRow {
  readonly memory: string;
  readonly source: string;
}

/** What was derived, in the order of what it was derived from, which an index has. */
export function derivedPage(sql: ReadSql, after: DerivedRow | null) {
  const ordered = sql
    .selectFrom('memory_sources')
    .select(['memory', 'source'])
    .orderBy('source')
    .orderBy('memory')
    .limit(BATCH_ROWS);
  if (after === null) return ordered;
  return ordered.where(({ eb, refTuple, tuple }) =>
    eb(refTuple('source', 'memory'), '>', tuple(after.source, after.memory)),
  );
}

/** What goes with an organization: all of its tables but the ledger and the record of its erasures. */
export const PURGED_TABLES: readonly string[] = Object.entries(TABLES).flatMap(([name, table]) => {
  const isKept = Object.values(table.columns).some(({ retention }) => retention === 'ledger');
  return isTenantTable(table) && !isKept ? [name] : [];
});

/** What says in which vault it lies; memories go before, one by one, because they are counted. */
const IN_VAULTS = PURGED_TABLES.filter(
  (name) => 'vault' in (TABLES[name]?.columns ?? {}) && name !== 'memories' && name !== 'tombstones',
);

/** What says of which memory it is goes with it: to look for more by the vault would read what there is of every other one. */
const MEMORY_TABLES = IN_VAULTS.filter((name) => 'memory' in (TABLES[name]?.columns ?? {}));

const VAULT_TABLES = IN_VAULTS.filter((name) => !MEMORY_TABLES.includes(name));

/** Whether there may be more. */
async function removeSome(
  tx: Tx,
  table: string,
  key: string,
  organization: OrganizationId,
): Promise<boolean> {
  // Every table here has the columns `organization` and its key; which they are is only known as data.
  const name = table as 'memories';
  const column = key as 'id';
  const rows = await tx.sql
    .selectFrom(name)
    .select(column)
    .where('organization', '=', organization)
    .limit(BATCH_ROWS)
    .execute();
  if (rows.length === 0) return false;
  await tx.sql
    .deleteFrom(name)
    .where('organization', '=', organization)
    .where(
      column,
      'in',
      rows.map((row) => row[column]),
    )
    .execute();
  return true;
}
