/**
 * Verifies every log of a store: a stopped data directory, or a running one, of which it then sees the moment at which
 * each log's verification began. Reads pages, so that nobody waits for it.
 */
import type { Bytes } from '../bytes/encoding.ts';
import { HASH_BYTES } from '../crypto/hash.ts';
import { SYSTEM, type ReadSql, type Store } from '../store/store.ts';
import {
  decodeStoredLeaf,
  DEPLOYMENT_LOG,
  entryTargets,
  isLogId,
  parseLeaf,
  type LedgerEntry,
  type LogId,
} from './entry.ts';
import { readRange } from './log-rows.ts';
import type { VerifierKey } from './note.ts';
import { decodeTile, TILE_WIDTH } from './tiles.ts';
import { LogVerifier, type KeptEntry, type LogFault, type LogReport } from './verify.ts';

export interface LedgerReport {
  readonly logs: readonly LogReport[];
  /** Of all logs; empty if everything verifies. */
  readonly faults: readonly LogFault[];
}

type Reads = Pick<Store, 'read'>;

type LogKeys = VerifierKey | readonly VerifierKey[];

/** `keysOf` gives the verifier keys of each log, oldest first; whose keys they are must come from somewhere else than the store. */
export async function verifyStore(store: Reads, keysOf: (log: LogId) => LogKeys): Promise<LedgerReport> {
  const logs: LogReport[] = [];
  for (const log of await logNames(store)) logs.push(await verifyLog(store, log, keysOf(log)));
  const remembered = await compareWithDeployment(store);
  return { logs, faults: [...logs.flatMap(({ faults }) => faults), ...remembered] };
}

async function verifyLog(store: Reads, log: LogId, keys: LogKeys): Promise<LogReport> {
  const verifier = new LogVerifier(log, keys);
  const { head, upperTiles, listings, beyond } = await store.read(SYSTEM, (db) => openingOf(db, log));
  for (let from = 0; from < head.size && !verifier.isDone; from += TILE_WIDTH) {
    const block = await store.read(SYSTEM, (db) =>
      readBlock(db, log, from, Math.min(from + TILE_WIDTH, head.size)),
    );
    feedBlock(verifier, from, Math.min(from + TILE_WIDTH, head.size), block);
  }
  for (const { level, tile, hashes } of upperTiles) verifier.upperTile({ level, tile }, wholeTile(hashes));
  if (beyond.entry !== null) verifier.beyond(beyond.entry);
  if (beyond.checkpoint !== null) verifier.checkpoint(beyond.checkpoint.size, beyond.checkpoint.note);
  const report = verifier.finish(head);
  const faults = [...report.faults];
  if (faults.length === 0 && listings !== verifier.targets) faults.push(await findForeignListing(store, log));
  return { ...report, faults };
}

interface Block {
  readonly tile: Uint8Array | null;
  readonly entries: ReadonlyMap<number, KeptEntry>;
  readonly checkpoints: ReadonlyMap<number, string>;
}

function feedBlock(
  verifier: LogVerifier,
  from: number,
  to: number,
  { tile, entries, checkpoints }: Block,
): void {
  verifier.expectTile(from / TILE_WIDTH, tile === null ? [] : wholeTile(tile));
  for (let n = from; n < to && !verifier.isDone; n++) {
    const kept = entries.get(n);
    if (kept === undefined) verifier.missing();
    else verifier.entry(kept);
    const note = checkpoints.get(n + 1);
    if (note !== undefined) verifier.checkpoint(n + 1, note);
  }
}

/** Bytes that are no whole hashes are no tile. */
const wholeTile = (bytes: Uint8Array): readonly Bytes[] =>
  bytes.length % HASH_BYTES === 0 ? decodeTile(bytes) : [];

async function readBlock(db: ReadSql, log: LogId, from: number, to: number): Promise<Block> {
  const { entries, checkpoints } = await readRange(db, log, from, to);
  const listed = await readListings(
    db,
    { log, from, to },
    entries.flatMap(({ leaf }) => targetsOf(leaf)),
  );
  const kept = entries.map(({ n, leaf, box, at, principal, action }): [number, KeptEntry] => {
    return [n, { n, stored: leaf, box, columns: { at, principal, action }, targets: listed.get(n) ?? [] }];
  });
  const tile = await db
    .selectFrom('ledger_tiles')
    .select('hashes')
    .where('log', '=', log)
    .where('level', '=', 0)
    .where('tile', '=', from / TILE_WIDTH)
    .executeTakeFirst();
  return { tile: tile?.hashes ?? null, entries: new Map(kept), checkpoints };
}

/** Under which targets the entries of a block are listed: looked up target by target, as the index is ordered. */
async function readListings(
  db: ReadSql,
  { log, from, to }: { readonly log: LogId; readonly from: number; readonly to: number },
  targets: readonly string[],
): Promise<ReadonlyMap<number, readonly string[]>> {
  const distinct = [...new Set(targets)];
  const found = new Map<number, string[]>();
  for (let at = 0; at < distinct.length; at += TARGETS_MAX) {
    const rows = await db
      .selectFrom('ledger_targets')
      .select(['n', 'target'])
      .where('log', '=', log)
      .where('target', 'in', distinct.slice(at, at + TARGETS_MAX))
      .where('n', '>=', from)
      .where('n', '<', to)
      .execute();
    for (const { n, target } of rows) found.getOrInsertComputed(n, () => []).push(target);
  }
  return found;
}

const TARGETS_MAX = 1000;

/** Empty for a leaf that is gone or cannot be read: the verifier says so where it is its turn. */
function targetsOf(stored: Uint8Array): readonly string[] {
  const entry = readable(stored);
  return entry === null ? [] : entryTargets(entry);
}

function readable(stored: Uint8Array): LedgerEntry | null {
  try {
    const { leaf } = decodeStoredLeaf(stored);
    return leaf === null ? null : parseLeaf(leaf);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** The first listing that no entry asks for. */
async function findForeignListing(store: Reads, log: LogId): Promise<LogFault> {
  const listed = await store.read(SYSTEM, (db) =>
    db
      .selectFrom('ledger_targets as listed')
      .leftJoin('ledger_entries as e', (join) =>
        join.onRef('e.log', '=', 'listed.log').onRef('e.n', '=', 'listed.n'),
      )
      .select(['listed.n', 'listed.target', 'e.leaf'])
      .where('listed.log', '=', log)
      .orderBy('listed.n')
      .execute(),
  );
  const foreign = listed.find(({ target, leaf }) => leaf === null || !targetsOf(leaf).includes(target));
  const n = foreign?.n ?? 0;
  return { log, n, kind: 'index-altered', detail: 'the entry is listed under a target that is not its own' };
}

interface Opening {
  readonly head: { readonly size: number; readonly frontier: Uint8Array };
  readonly upperTiles: readonly {
    readonly level: number;
    readonly tile: number;
    readonly hashes: Uint8Array;
  }[];
  /** Rows in the index of targets. */
  readonly listings: number;
  /** What there is after the head, where nothing may be. */
  readonly beyond: {
    readonly entry: number | null;
    readonly checkpoint: { size: number; note: string } | null;
  };
}

async function openingOf(db: ReadSql, log: LogId): Promise<Opening> {
  const head = await db
    .selectFrom('ledger_heads')
    .select(['size', 'frontier'])
    .where('log', '=', log)
    .executeTakeFirst();
  const size = head?.size ?? 0;
  const upperTiles = await db
    .selectFrom('ledger_tiles')
    .select(['level', 'tile', 'hashes'])
    .where('log', '=', log)
    .where('level', '>', 0)
    .orderBy('level')
    .orderBy('tile')
    .execute();
  const listings = await db
    .selectFrom('ledger_targets')
    .select((select) => select.fn.countAll<number | bigint>().as('rows'))
    .where('log', '=', log)
    .executeTakeFirstOrThrow();
  const entry = await db
    .selectFrom('ledger_entries')
    .select('n')
    .where('log', '=', log)
    .where('n', '>=', size)
    .orderBy('n')
    .limit(1)
    .executeTakeFirst();
  const checkpoint = await db
    .selectFrom('ledger_checkpoints')
    .select(['size', 'note'])
    .where('log', '=', log)
    .where('size', '>', size)
    .orderBy('size', 'desc')
    .limit(1)
    .executeTakeFirst();
  return {
    head: { size, frontier: head?.frontier ?? new Uint8Array(0) },
    upperTiles,
    listings: Number(listings.rows),
    beyond: { entry: entry?.n ?? null, checkpoint: checkpoint ?? null },
  };
}

/** Every log of which anything is kept, found by steps through the ordered keys. */
async function logNames(store: Reads): Promise<readonly LogId[]> {
  const names = new Set<string>();
  for (const table of ['ledger_heads', 'ledger_entries', 'ledger_checkpoints'] as const) {
    for (let last = '' as LogId; ;) {
      const row = await store.read(SYSTEM, (db) =>
        db.selectFrom(table).select('log').where('log', '>', last).orderBy('log').limit(1).executeTakeFirst(),
      );
      if (row === undefined) break;
      last = row.log;
      names.add(last);
    }
  }
  return [...names].toSorted().filter(isLogId);
}

/** The deployment's log remembers the others' checkpoints: each must still be kept, with the same root. */
async function compareWithDeployment(store: Reads): Promise<readonly LogFault[]> {
  const faults: LogFault[] = [];
  for (let after = -1; ;) {
    const { remembered, last } = await store.read(SYSTEM, (db) => rememberedAfter(db, after));
    for (const { log, size, root, note } of remembered) {
      if (note?.includes(`\n${size}\n${root}\n`) === true) continue;
      const detail = `a checkpoint of ${size} entries was signed and is not kept`;
      faults.push({ log, n: Math.max(size - 1, 0), kind: 'checkpoint-missing', detail });
    }
    if (last === null) return faults;
    after = last;
  }
}

interface Remembered {
  readonly log: LogId;
  readonly size: number;
  readonly root: string;
  readonly note: string | null;
}

async function rememberedAfter(
  db: ReadSql,
  after: number,
): Promise<{ readonly remembered: readonly Remembered[]; readonly last: number | null }> {
  const rows = await db
    .selectFrom('ledger_entries')
    .select(['n', 'leaf'])
    .where('log', '=', DEPLOYMENT_LOG)
    .where('action', '=', 'log.checkpoint')
    .where('n', '>', after)
    .orderBy('n')
    .limit(REMEMBERED_MAX)
    .execute();
  const remembered: Remembered[] = [];
  for (const { leaf } of rows) {
    const { target, facts } = readable(leaf) ?? { target: '' };
    const { size, root } = facts ?? {};
    if (!isLogId(target) || typeof size !== 'number' || typeof root !== 'string') continue;
    const row = await db
      .selectFrom('ledger_checkpoints')
      .select('note')
      .where('log', '=', target)
      .where('size', '=', size)
      .executeTakeFirst();
    remembered.push({ log: target, size, root, note: row?.note ?? null });
  }
  return { remembered, last: rows.at(-1)?.n ?? null };
}

const REMEMBERED_MAX = 500;
