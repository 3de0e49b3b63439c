/** A log as the store holds it: its head, and proofs made from its tiles. Each function reads within one snapshot. */
import type { Bytes } from '../bytes/encoding.ts';
import { StrongroomError } from '../errors.ts';
import type { LedgerEntryRow } from '../store/schema.ts';
import type { ReadSql } from '../store/store.ts';
import { readStoredLeaf, type LogId } from './entry.ts';
import {
  consistencyPath,
  EMPTY_ROOT,
  Frontier,
  frontierBytes,
  inclusionPath,
  treeRoot,
  type Inclusion,
} from './merkle.ts';
import { tileLoader } from './tile-rows.ts';
import { withTiles } from './tiles.ts';

export interface LogHead {
  readonly log: LogId;
  readonly size: number;
  readonly root: Bytes;
  /** Raised by each restore that was committed. */
  readonly generation: number;
}

/** The head of a log without entries if it has none yet. */
export async function readHead(db: ReadSql, log: LogId): Promise<LogHead> {
  const row = await db
    .selectFrom('ledger_heads')
    .select(['size', 'frontier', 'generation'])
    .where('log', '=', log)
    .executeTakeFirst();
  if (row === undefined) return { log, size: 0, root: EMPTY_ROOT, generation: 1 };
  const { size, frontier, generation } = row;
  return { log, size, root: intact(() => Frontier.decode(size, frontier).root()), generation };
}

/** The root the log had at `size`. */
export async function readRoot(db: ReadSql, log: LogId, size: number): Promise<Bytes> {
  const head = await readHead(db, log);
  if (!Number.isSafeInteger(size) || size < 0 || size > head.size) throw new StrongroomError('not_found');
  if (size === head.size) return head.root;
  return withTiles(tileLoader(db, log), (hashOf) => treeRoot(size, hashOf));
}

export async function readInclusion(
  db: ReadSql,
  log: LogId,
  n: number,
  size: number,
): Promise<Inclusion & { readonly root: Bytes }> {
  const root = await readRoot(db, log, size);
  if (!Number.isSafeInteger(n) || n < 0 || n >= size) throw new StrongroomError('not_found');
  const [leafHash, path] = await withTiles(
    tileLoader(db, log),
    (hashOf) => [hashOf(0, n), inclusionPath(n, size, hashOf)] as const,
  );
  return { n, size, leafHash, path, root };
}

export async function readConsistency(
  db: ReadSql,
  log: LogId,
  from: number,
  to: number,
): Promise<readonly Bytes[]> {
  const { size } = await readHead(db, log);
  if (!(0 <= from && from <= to && to <= size)) throw new StrongroomError('not_found');
  return withTiles(tileLoader(db, log), (hashOf) => consistencyPath(from, to, hashOf));
}

/** The peaks of the tree that the log was at `size`. */
export async function readFrontier(db: ReadSql, log: LogId, size: number): Promise<Bytes> {
  if (size > (await readHead(db, log)).size) throw new StrongroomError('not_found');
  return withTiles(tileLoader(db, log), (hashOf) => frontierBytes(size, hashOf));
}

const LOGS_MAX = 50;

/** Some logs that have a head, by name, after the one given. */
export async function logsAfter(db: ReadSql, after: string): Promise<readonly LogId[]> {
  const rows = await db
    .selectFrom('ledger_heads')
    .select('log')
    .where('log', '>', after as LogId)
    .orderBy('log')
    .limit(LOGS_MAX)
    .execute();
  return rows.map(({ log }) => log);
}

/** The generation of the key that the log last said it is signed by; 1 if it never did. */
export async function announcedIn(db: ReadSql, log: LogId): Promise<number> {
  const row = await db
    .selectFrom('ledger_entries')
    .select('leaf')
    .where('log', '=', log)
    .where('action', '=', 'ledger.rekey')
    .orderBy('n', 'desc')
    .limit(1)
    .executeTakeFirst();
  const entry = row === undefined ? null : intact(() => readStoredLeaf(row.leaf));
  const generation = entry?.facts?.['generation'];
  return typeof generation === 'number' ? generation : 1;
}

export interface LogRange {
  readonly entries: readonly LedgerEntryRow[];
  /** By size: those that end with an entry of the range. */
  readonly checkpoints: ReadonlyMap<number, string>;
}

/** Entries `from` up to, not including, `to`, ascending. */
export async function readRange(db: ReadSql, log: LogId, from: number, to: number): Promise<LogRange> {
  const entries = await db
    .selectFrom('ledger_entries')
    .selectAll()
    .where('log', '=', log)
    .where('n', '>=', from)
    .where('n', '<', to)
    .orderBy('n')
    .execute();
  const checkpoints = await db
    .selectFrom('ledger_checkpoints')
    .select(['size', 'note'])
    .where('log', '=', log)
    .where('size', '>', from)
    .where('size', '<=', to)
    .execute();
  return { entries, checkpoints: new Map(checkpoints.map(({ size, note }) => [size, note])) };
}

/** What was read must have its form; if it has not, somebody else wrote it. */
export function intact<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof RangeError) throw new StrongroomError('ledger.damaged', { cause });
    throw cause;
  }
}
