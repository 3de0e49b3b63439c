/**
 * Carries the rows of a snapshot into encrypted pieces. Rows go as they lie: what is sealed in them stays sealed under its
 * own keys, so what is erased later is dead in every backup that was made before.
 *
 * While one piece is filled, the ones before it are hashed and written; a few are in memory at a time.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { encodeBase64, type Bytes } from '../bytes/encoding.ts';
import { giveBack } from '../bytes/give-back.ts';
import { SALT_BYTES } from '../crypto/cobblestone.ts';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { Frontier } from '../ledger/merkle.ts';
import type { BlobStore } from '../store/blobs.ts';
import type { RowsQuery, Snapshot } from '../store/snapshot.ts';
import type { Table } from '../store/table.ts';
import { decodeKeyValue, type KeyValue } from '../store/row-key.ts';
import {
  blobColumns,
  carriedTables,
  columnsOf,
  grownLogs,
  headOf,
  queriesOf,
  type Growth,
} from './carried.ts';
import { pieceContext, type Envelope, type ManifestContent } from './manifest.ts';
import { PieceCrypt } from './piece-crypt.ts';
import { PieceWriter, type FullPiece } from './piece.ts';
import { pieceName } from './place.ts';

export interface CollectOrder {
  readonly snapshot: Snapshot;
  readonly envelope: Envelope;
  /** Of the pieces. */
  readonly key: Bytes;
  /** Rows that changed after this; 0: all. */
  readonly from: number;
  /** Whether all rows of all tables are counted where only some are carried. */
  readonly isCounted: boolean;
  /** The deployment's own blobs. */
  readonly blobs: BlobStore;
  /** Writes a piece wherever it has to be. */
  readonly put: (name: string, bytes: Bytes) => Promise<void>;
  readonly environment: Environment;
  readonly onProgress: (progress: { readonly rows: number; readonly bytes: number }) => void;
}

export type Collected = Pick<ManifestContent, 'counts' | 'logs' | 'pieces' | 'missingBlobs'>;

/** Pieces that are being written at a time, beside the one that is filled. */
const IN_FLIGHT_MAX = 3;

export async function collect(order: CollectOrder): Promise<Collected> {
  const pieces = new PieceQueue(order);
  try {
    return await collectInto(order, pieces);
  } finally {
    await pieces.close();
  }
}

async function collectInto(order: CollectOrder, pieces: PieceQueue): Promise<Collected> {
  const { snapshot, from } = order;
  const writer = new PieceWriter();
  const counts: Record<string, number> = {};
  const missingBlobs: string[] = [];
  const grown = await grownLogs(snapshot, from);
  if (from > 0) for (const full of await removedRows(snapshot, from, writer)) await pieces.add(full);
  for (const [name, table] of carriedTables()) {
    const queries = queriesOf(name, table, from, grown);
    const rows = await carryRows(order, { name, table, queries, writer, pieces });
    missingBlobs.push(...(await carryBlobs(order, { name, table, queries, writer, pieces })));
    if (from === 0) counts[name] = rows;
    else if (order.isCounted) counts[name] = await snapshot.count(name);
  }
  await pieces.add(writer.end());
  return {
    counts: from === 0 || order.isCounted ? counts : null,
    logs: grown.map(logHead),
    pieces: await pieces.end(),
    missingBlobs,
  };
}

const logHead = ({ log, size, frontier }: Growth): { log: string; size: number; root: string } => ({
  log,
  size,
  root: encodeBase64(Frontier.decode(size, frontier).root()),
});

interface Carriage {
  readonly name: string;
  readonly table: Table;
  readonly queries: readonly RowsQuery[];
  readonly writer: PieceWriter;
  readonly pieces: PieceQueue;
}

async function carryRows({ snapshot }: CollectOrder, carriage: Carriage): Promise<number> {
  const { name, table, queries, writer, pieces } = carriage;
  let count = 0;
  for (const query of queries) {
    for await (const rows of snapshot.rows(query)) {
      if (count === 0) for (const full of writer.table(headOf(name, table))) await pieces.add(full);
      count += rows.count;
      for (const full of writer.rows(rows)) await pieces.add(full);
      giveBack(rows.bytes);
      await turn();
    }
  }
  return count;
}

/** Bytes that rows name and that nothing else could give back. Answers the names of those that are gone by now. */
async function carryBlobs({ snapshot, blobs }: CollectOrder, carriage: Carriage): Promise<string[]> {
  const { name, table, queries, writer, pieces } = carriage;
  const columns = columnsOf(name, blobColumns(table));
  const missing: string[] = [];
  if (Object.keys(columns).length === 0) return missing;
  for (const query of queries) {
    for (const row of await snapshot.values({ ...query, columns })) {
      for (const blob of row.filter((value) => typeof value === 'string')) {
        const bytes = await blobs.get(blob).catch(orNull);
        if (bytes === null) missing.push(blob);
        else for (const full of writer.blob(blob, bytes)) await pieces.add(full);
      }
    }
  }
  return missing;
}

function orNull(error: unknown): null {
  if (error instanceof StrongroomError && error.code === 'not_found') return null;
  throw error;
}

/** Which rows are gone since; a restore takes them away before it lays in what came. */
async function removedRows(snapshot: Snapshot, from: number, writer: PieceWriter): Promise<FullPiece[]> {
  const rows = await snapshot.values({
    table: 'removed_rows',
    columns: columnsOf('removed_rows', ['relation', 'row_key']),
    where: [{ column: 'change', is: '>', value: from }],
  });
  const byTable = Map.groupBy(rows as readonly [string, string][], ([relation]) => relation);
  return [...byTable].flatMap(([relation, removed]) =>
    writer.removed(
      relation,
      removed.map(([, key]) => (JSON.parse(key) as KeyValue[]).map(decodeKeyValue)),
    ),
  );
}

/** Encrypts pieces in their order and lets them be written behind the back of whoever fills the next. */
class PieceQueue {
  readonly #order: CollectOrder;
  readonly #crypt = new PieceCrypt();
  readonly #written: Promise<ManifestContent['pieces'][number]>[] = [];
  #rows = 0;
  #bytes = 0;

  constructor(order: CollectOrder) {
    this.#order = order;
  }

  async add({ bytes, rows }: FullPiece): Promise<void> {
    const { environment, onProgress } = this.#order;
    environment.fault('backup.piece');
    this.#rows += rows;
    this.#bytes += bytes.length;
    onProgress({ rows: this.#rows, bytes: this.#bytes });
    const written = this.#write(this.#written.length + 1, bytes, rows);
    // Whoever waits for it first is told; until then it must not count as unheard.
    written.catch(() => undefined);
    this.#written.push(written);
    await this.#written[this.#written.length - 1 - IN_FLIGHT_MAX];
  }

  end(): Promise<ManifestContent['pieces']> {
    return Promise.all(this.#written);
  }

  /** Lets what is under way come to its end, whatever that is. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#written);
    await this.#crypt.close();
  }

  async #write(
    number: number,
    plaintext: Uint8Array,
    rows: number,
  ): Promise<ManifestContent['pieces'][number]> {
    const { envelope, key, environment, put } = this.#order;
    const to = { key, context: pieceContext(envelope, number) };
    const answer = await this.#crypt.run({
      kind: 'seal',
      to,
      salt: environment.random(SALT_BYTES),
      plaintext,
    });
    if ('fault' in answer) throw new StrongroomError('internal', answer.fault);
    const size = answer.bytes.length;
    await put(pieceName(envelope.id, number), answer.bytes);
    giveBack(answer.bytes);
    return { size, sha256: answer.sha256, rows };
  }
}
