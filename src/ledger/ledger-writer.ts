/**
 * Writes the entries of a group of jobs, once, just before the group's commit: numbers them, hashes them into the tree,
 * and writes rows, tiles and heads with one statement each.
 *
 * Invariants: a log has no gap and no fork, because the group holds the store's own head, which every writer locks before
 * anything else, from its beginning to the commit; an entry and what it records share that commit.
 */
import type { Kysely } from 'kysely';
import type { Bytes } from '../bytes/encoding.ts';
import type { SealedBox } from '../crypto/seal.ts';
import { Crash, type FaultPoint } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { FatalStoreError } from '../store/connection.ts';
import { insertRows, rowByKey, upsertRows } from '../store/handle.ts';
import type {
  Database,
  LedgerEntryRow,
  LedgerHeadRow,
  LedgerTargetRow,
  LedgerTileRow,
} from '../store/schema.ts';
import type { Deferred, Flusher } from '../store/store.ts';
import { encodeLeaf, encodeStoredLeaf, entryTargets, type EntryBody, type LogId } from './entry.ts';
import { leafHash, Frontier } from './merkle.ts';
import { encodeTile, growTiles } from './tiles.ts';
import { tileLoader } from './tile-rows.ts';

/** An entry that waits for its number. */
export interface PendingEntry {
  readonly log: LogId;
  readonly body: EntryBody;
  readonly box: SealedBox | null;
}

export class LedgerWriter implements Flusher<PendingEntry> {
  readonly #fault: FaultPoint;
  #lastFailure: string | null = null;

  constructor(fault: FaultPoint) {
    this.#fault = fault;
  }

  /** Why the last group could not be written; null if it could. */
  get lastFailure(): string | null {
    return this.#lastFailure;
  }

  async flush(
    sql: Kysely<Database>,
    items: readonly Deferred<PendingEntry>[],
    change: number,
  ): Promise<void> {
    try {
      await this.#write(sql, items, change);
    } catch (cause) {
      // What ends the process must reach the store as it is.
      if (cause instanceof FatalStoreError || cause instanceof Crash) throw cause;
      this.#lastFailure = cause instanceof Error ? cause.message : 'unknown';
      throw new StrongroomError('ledger.unavailable', { cause });
    }
  }

  committed(): void {
    this.#lastFailure = null;
  }

  async #write(
    sql: Kysely<Database>,
    items: readonly Deferred<PendingEntry>[],
    change: number,
  ): Promise<void> {
    const byLog = Map.groupBy(items, ({ item }) => item.log);
    const logs = [...byLog.keys()].toSorted(byName);
    this.#fault('ledger.lock');
    const heads = await readHeads(sql, logs);
    const growth: Growth[] = [];
    for (const log of logs) growth.push(await growLog(sql, log, heads.get(log)!, byLog.get(log)!));
    this.#fault('ledger.entries');
    for (const { entries, targets, tiles } of growth) {
      await insertRows(sql, 'ledger_entries', entries);
      await insertRows(sql, 'ledger_targets', targets);
      await upsertRows(sql, 'ledger_tiles', tiles, ['hashes', 'change']);
    }
    this.#fault('ledger.heads');
    await upsertRows(
      sql,
      'ledger_heads',
      growth.map(({ log, frontier }) => headRow(log, frontier, change)),
      ['size', 'frontier', 'change'],
    );
  }
}

/** The heads as they stand. A log without one has an empty one. */
async function readHeads(sql: Kysely<Database>, logs: readonly LogId[]): Promise<Map<LogId, Frontier>> {
  const heads = new Map<LogId, Frontier>();
  for (const log of logs) {
    const row = await rowByKey(sql, 'ledger_heads', [log]);
    heads.set(log, row === undefined ? Frontier.empty() : Frontier.decode(row.size, row.frontier));
  }
  return heads;
}

const byName = (left: string, right: string): number => (left < right ? -1 : 1);

const headRow = (log: LogId, frontier: Frontier, change: number): LedgerHeadRow => ({
  log,
  organization: log,
  size: frontier.size,
  frontier: frontier.encode(),
  generation: 1,
  change,
});

interface Growth {
  readonly log: LogId;
  readonly frontier: Frontier;
  readonly entries: readonly LedgerEntryRow[];
  readonly targets: readonly LedgerTargetRow[];
  readonly tiles: readonly LedgerTileRow[];
}

async function growLog(
  sql: Kysely<Database>,
  log: LogId,
  frontier: Frontier,
  items: readonly Deferred<PendingEntry>[],
): Promise<Growth> {
  const size = frontier.size;
  const hashes: Bytes[] = [];
  const entries: LedgerEntryRow[] = [];
  const targets: LedgerTargetRow[] = [];
  const place = { log, organization: log };
  for (const { item, change } of items) {
    const { body, box } = item;
    const n = frontier.size;
    const leaf = encodeLeaf(body, log, n);
    const hash = leafHash(leaf);
    frontier.append(hash);
    hashes.push(hash);
    const { at, principal, action } = body;
    entries.push({ ...place, n, leaf: encodeStoredLeaf(leaf, hash), box, at, principal, action, change });
    for (const target of entryTargets(body)) targets.push({ ...place, target, n, change });
  }
  const grown = await growTiles(size, hashes, tileLoader(sql, log));
  const change = items.at(-1)!.change;
  const tiles = grown.map(({ level, tile, hashes }) => ({
    ...place,
    level,
    tile,
    hashes: encodeTile(hashes),
    change,
  }));
  return { log, frontier, entries, targets, tiles };
}
