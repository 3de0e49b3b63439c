/**
 * Carries the rows of a snapshot into encrypted pieces. Rows go as they lie: what is sealed in them stays sealed under its
 * own keys, so what is erased later is dead in every backup that was made before.
 *
 * While one piece is filled, the ones before it are hashed and written; a few are in memory at a time.
 */
import type { Bytes } from '../bytes/encoding.ts';
import { giveBack } from '../bytes/give-back.ts';
import { SALT_BYTES } from '../crypto/cobblestone.ts';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { BlobStore } from '../store/blobs.ts';
import { pieceContext, type Envelope, type ManifestContent } from './manifest.ts';
import { PieceCrypt } from './piece-crypt.ts';
import type { FullPiece } from './piece.ts';
import { pieceName } from './place.ts';
import type { RowReader } from './row-reader.ts';

export interface CollectOrder {
  readonly reader: RowReader;
  readonly envelope: Envelope;
  /** Of the pieces. */
  readonly key: Bytes;
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
    const { counts, logs, missingBlobs } = await order.reader.read({
      add: (piece) => pieces.add(piece),
      spare: () => pieces.spare(),
      blob: (name) => order.blobs.get(name).catch(orNull),
    });
    return { counts, logs, pieces: await pieces.end(), missingBlobs };
  } finally {
    await pieces.close();
  }
}

function orNull(error: unknown): null {
  if (error instanceof StrongroomError && error.code === 'not_found') return null;
  throw error;
}

/** Encrypts pieces in their order and lets them be written behind the back of whoever fills the next. */
class PieceQueue {
  readonly #order: CollectOrder;
  readonly #crypt = new PieceCrypt();
  readonly #written: Promise<ManifestContent['pieces'][number]>[] = [];
  /** Memory of pieces that are written. */
  readonly #spare: ArrayBuffer[] = [];
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

  spare(): ArrayBuffer | null {
    return this.#spare.pop() ?? null;
  }

  end(): Promise<ManifestContent['pieces']> {
    return Promise.all(this.#written);
  }

  /** Lets what is under way come to its end, whatever that is. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#written);
    await this.#crypt.close();
  }

  async #write(number: number, plaintext: Bytes, rows: number): Promise<ManifestContent['pieces'][number]> {
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
    if (this.#spare.length < IN_FLIGHT_MAX) this.#spare.push(answer.bytes.buffer);
    else giveBack(answer.bytes);
    return { size, sha256: answer.sha256, rows };
  }
}
