/**
 * A drill: everything is restored from the backups into a place of its own, and held against what was written down.
 *
 * It shows that the newest moment can be reached (how long that takes, how much would be lost), that counts and Merkle
 * roots are those of that moment, that every log verifies from its entries, and that records open with today's keys. It reads
 * keys and writes none: no epoch, no slot.
 */
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { DrillId, NewId } from '../ids.ts';
import type { Scope } from '../keys/record-key.ts';
import type { RecordSealer } from '../keys/record-sealer.ts';
import type { Keyring } from '../keys/keyring.ts';
import { parseSlot } from '../keys/slot.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { verifyStore } from '../ledger/verify-store.ts';
import { openStore } from '../store/open-store.ts';
import type { DrillRow } from '../store/schema.ts';
import { SYSTEM, type Store } from '../store/store.ts';
import type { Backups } from './backups.ts';
import { dropDeadRows } from './dead-rows.ts';
import { layOut } from './lay-out.ts';
import type { LoadProgress } from './load.ts';

export interface DrillsParts {
  readonly store: Store;
  readonly keyring: Keyring;
  readonly sealer: RecordSealer;
  readonly ledger: Ledger;
  readonly backups: Backups;
  /** An empty folder for as long as `work` lasts. */
  readonly scratch: <T>(work: (folder: string) => Promise<T>) => Promise<T>;
  readonly newId: NewId;
  readonly environment: Environment;
}

export interface DrillOptions {
  /** Which of the places is restored from; the first is 0. */
  readonly place?: number;
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Where whoever asked has named it already. */
  readonly id?: DrillId;
}

export interface DrillResult {
  readonly row: DrillRow;
  readonly faults: readonly string[];
}

const SAMPLE_ROWS = 200;
const FAULTS_MAX = 20;

export class Drills {
  readonly #parts: DrillsParts;

  constructor(parts: DrillsParts) {
    this.#parts = parts;
  }

  async run({ place = 0, onProgress = () => undefined, id }: DrillOptions = {}): Promise<DrillResult> {
    const { backups, environment, newId, store, ledger } = this.#parts;
    const { clock } = environment;
    const lostMs = (await backups.lossMs()) ?? 0;
    // What it is compared with is counted at that very moment.
    await backups.create('log', { isCounted: true });
    const startedAt = clock.now();
    const found = await this.#parts.scratch((folder) => this.#restore(folder, place, onProgress));
    const row: DrillRow = {
      id: id ?? newId('drill'),
      backup: found.backup,
      state: found.faults.length === 0 ? 'passed' : 'failed',
      started_at: startedAt,
      duration_ms: clock.now() - startedAt,
      lost_ms: lostMs,
      row_count: found.rows,
      opened: found.opened,
      faults: found.faults.length,
      change: 0,
    };
    await store.write(SYSTEM, async (tx) => {
      await tx.sql
        .insertInto('drills')
        .values({ ...row, change: tx.change })
        .execute();
      const outcome = row.state === 'passed' ? ({ outcome: 'done' } as const) : FAILED;
      const facts = {
        backup: row.backup,
        durationMs: row.duration_ms,
        lostMs,
        rows: row.row_count,
        opened: row.opened,
      };
      const entry = { principal: 'system', request: '', scope: [], ...outcome } as const;
      ledger.append(tx, { ...entry, action: 'backup.drill', target: row.id, facts });
    });
    return { row, faults: found.faults.slice(0, FAULTS_MAX) };
  }

  /** Newest first. */
  list(limit: number): Promise<readonly DrillRow[]> {
    return this.#parts.store.read(SYSTEM, (db) =>
      db.selectFrom('drills').selectAll().orderBy('id', 'desc').limit(limit).execute(),
    );
  }

  async #restore(
    directory: string,
    number: number,
    onProgress: (progress: LoadProgress) => void,
  ): Promise<Found> {
    const { backups, keyring, environment, ledger } = this.#parts;
    const place = backups.places[number];
    if (place === undefined) throw new StrongroomError('not_found', 'there is no such place for backups');
    const target = { engine: 'sqlite', directory } as const;
    const { fault, clock } = environment;
    const order = {
      place: place.blobs,
      keys: keyring,
      target,
      blobs: null,
      at: null,
      skipDamaged: false,
      witnessed: keyring.witnessedBackup,
      replaces: null,
    };
    const laid = await layOut({ ...order, fault, onProgress });
    const faults = laid.differences.concat(laid.damage.map(({ file, what }) => `${file}: ${what}`));
    const restored = await openStore(target, { ...environment, fault: () => undefined }, () => undefined);
    try {
      const report = await verifyStore(restored, (log) => ledger.verifierKeys(log));
      faults.push(...report.faults.map(({ log, n, kind }) => `log ${log}, entry ${n}: ${kind}`));
      await dropDeadRows({ store: restored, keyring, now: clock.now() });
      const { opened, closed } = await this.#sample(restored);
      faults.push(...closed);
      return { backup: laid.goal.id, rows: laid.rows, opened, faults };
    } finally {
      await restored.close();
    }
  }

  /** Opens records from all over the store: whatever is left after the dead rows went must open. */
  async #sample(restored: Store): Promise<{ readonly opened: number; readonly closed: readonly string[] }> {
    const { sealer } = this.#parts;
    const rows = await restored.read(SYSTEM, async (db) => {
      const { n } = await db
        .selectFrom('memory_versions')
        .select((of) => of.fn.countAll<number>().as('n'))
        .executeTakeFirstOrThrow();
      const every = Math.max(1, Math.floor(n / SAMPLE_ROWS));
      const keys = await db
        .selectFrom('memory_versions')
        .select(['memory', 'version'])
        .orderBy('memory')
        .execute();
      const picked = keys.filter((_, at) => at % every === 0).slice(0, SAMPLE_ROWS);
      return Promise.all(
        picked.map(({ memory, version }) =>
          db
            .selectFrom('memory_versions')
            .selectAll()
            .where('memory', '=', memory)
            .where('version', '=', version)
            .executeTakeFirstOrThrow(),
        ),
      );
    });
    const closed: string[] = [];
    for (const { memory, version, slot, scope, organization, vault, body_box, vector_box } of rows) {
      try {
        const of = { id: memory, version, organization, vault, own: parseSlot(slot) };
        const boxes = sealer.at({ table: 'memory_versions', ...of, scope: JSON.parse(scope) as Scope });
        boxes.open('body_box', body_box);
        if (vector_box !== null) boxes.open('vector_box', vector_box);
      } catch (error) {
        if (!(error instanceof StrongroomError)) throw error;
        closed.push(`${memory} version ${version} does not open: ${error.code}`);
      }
    }
    return { opened: rows.length - closed.length, closed };
  }
}

const FAILED = { outcome: 'failed', code: 'box.damaged' } as const;

interface Found {
  readonly backup: string;
  readonly rows: number;
  readonly opened: number;
  readonly faults: readonly string[];
}
