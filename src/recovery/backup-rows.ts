/** The rows that say which backups there are: begun, complete, and how they follow one another. */
import type { BackupId } from '../ids.ts';
import type { Slot } from '../keys/slot.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Clock } from '../environment.ts';
import type { BackupRow } from '../store/schema.ts';
import { SYSTEM, type Store, type Tx } from '../store/store.ts';
import { BACKUP_KINDS, type ManifestContent } from './manifest.ts';

export interface BackupRowsParts {
  readonly store: Store;
  readonly ledger: Ledger;
  readonly clock: Clock;
}

/** What a backup came to. */
export interface Made {
  readonly body: ManifestContent;
  readonly digest: string;
  readonly bytes: number;
  readonly places: readonly string[];
}

/** More than there can be: one each five minutes for thirty days. */
const LIST_MAX = 50_000;

export interface BackupsPage {
  readonly limit: number;
  readonly before: string | null;
}

export class BackupRows {
  readonly #parts: BackupRowsParts;

  constructor(parts: BackupRowsParts) {
    this.#parts = parts;
  }

  /** All of them, newest first. */
  list(): Promise<readonly BackupRow[]> {
    return this.page({ limit: LIST_MAX, before: null });
  }

  /** Newest first, from the one before that id on. */
  page({ limit, before }: BackupsPage): Promise<readonly BackupRow[]> {
    return this.#parts.store.read(SYSTEM, (db) => {
      const rows = db.selectFrom('backups').selectAll().where('state', '=', 'complete');
      return (before === null ? rows : rows.where('id', '<', before))
        .orderBy('id', 'desc')
        .limit(limit)
        .execute();
    });
  }

  /** Those that were begun and do not say that they are complete; with an id, that one of them. */
  unfinished(id?: string): Promise<readonly BackupRow[]> {
    return this.#parts.store.read(SYSTEM, (db) => {
      const rows = db.selectFrom('backups').selectAll().where('state', '=', 'writing');
      return (id === undefined ? rows : rows.where('id', '=', id)).execute();
    });
  }

  /** Of this generation the first full one and the newest of each kind: what the next one is made from. */
  chain(generation: number): Promise<readonly BackupRow[]> {
    return this.#parts.store.read(SYSTEM, async (db) => {
      const rows: BackupRow[] = [];
      for (const kind of BACKUP_KINDS) {
        for (const order of kind === 'full' ? (['asc', 'desc'] as const) : (['desc'] as const)) {
          const found = await db
            .selectFrom('backups')
            .selectAll()
            .where('state', '=', 'complete')
            .where('generation', '=', generation)
            .where('kind', '=', kind)
            .orderBy('id', order)
            .limit(1)
            .execute();
          rows.push(...found);
        }
      }
      return rows;
    });
  }

  /** It is whole; what only an increment had to carry is carried. */
  record(id: BackupId, made: Made): Promise<BackupRow> {
    const { store, ledger, clock } = this.#parts;
    const { body, digest, bytes, places } = made;
    return store.write(SYSTEM, async (tx) => {
      const { change } = tx;
      const row = {
        state: 'complete' as const,
        to_change: body.to,
        taken_at: body.takenAt,
        finished_at: clock.now(),
        size: bytes,
        row_count: body.pieces.reduce((sum, { rows }) => sum + rows, 0),
        manifest: digest,
        places: JSON.stringify(places),
        change,
      };
      await tx.sql.updateTable('backups').set(row).where('id', '=', id).execute();
      if (body.kind === 'incremental')
        await tx.sql.deleteFrom('removed_rows').where('change', '<=', body.to).execute();
      if (body.kind !== 'log') {
        const entry = { principal: 'system', outcome: 'done', request: '', scope: [] } as const;
        const facts = { kind: body.kind, manifest: digest };
        ledger.append(tx, { ...entry, action: 'backup.create', target: id, facts });
      }
      return tx.sql.selectFrom('backups').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
    });
  }
}

export const insertBackup = (
  tx: Tx,
  row: Pick<BackupRow, 'id' | 'kind' | 'generation' | 'from_change' | 'started_at'> & { readonly slot: Slot },
): Promise<unknown> =>
  tx.sql
    .insertInto('backups')
    .values({
      ...row,
      state: 'writing',
      to_change: row.from_change,
      taken_at: row.started_at,
      finished_at: null,
      size: 0,
      row_count: 0,
      manifest: null,
      places: '[]',
      change: tx.change,
    })
    .execute();
