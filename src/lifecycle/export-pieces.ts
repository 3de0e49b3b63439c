/**
 * The bytes of kept exports: pieces of bounded size (export-file.ts), so that no export need be in memory as a whole. Each is an
 * encrypted file of its own under the export's slot and the vault's, bound to its number: moved, swapped or lengthened it
 * does not open, and how many there are says the export's row.
 *
 * No backup carries them. A name is the export's id and the number, flat, so that nothing is left of an export that is gone.
 */
import { encodeUtf8 } from '../bytes/encoding.ts';
import type { CobblestoneKey } from '../crypto/cobblestone.ts';
import type { FileCipher } from '../crypto/file-cipher.ts';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { RecordKeys } from '../keys/record-key.ts';
import type { Slot } from '../keys/slot.ts';
import { LIMITS } from '../limits.ts';
import type { BlobStore } from '../store/blobs.ts';
import type { ExportRow } from '../store/schema-exports.ts';
import { vaultScope, type Vault } from '../vaults/vault.ts';
import { decodeExport, encodeExport, type ExportedVersion } from './export-file.ts';

export interface ExportPiecesParts {
  readonly keys: Pick<RecordKeys, 'key'>;
  readonly cipher: FileCipher;
  readonly blobs: BlobStore;
  readonly environment: Environment;
}

/** Under what the pieces of an export lie. */
export type ExportPlace = Pick<ExportRow, 'id' | 'slot'>;

export type WrittenExport = Pick<ExportRow, 'pieces' | 'records' | 'size'>;

/** Bounds of a piece, which is made and opened whole, and of all of them together. */
export interface PieceBounds {
  readonly versions: number;
  readonly bytes: number;
  readonly bytesInAll: number;
}

const BOUNDS: PieceBounds = { versions: 500, bytes: 8 * 1024 * 1024, bytesInAll: LIMITS.exportBytesMax };
const FOLDER = 'exports/';
const ID_CHARACTERS = 30;

export class ExportPieces {
  readonly #parts: ExportPiecesParts;
  readonly #bounds: PieceBounds;

  constructor(parts: ExportPiecesParts, bounds: PieceBounds = BOUNDS) {
    this.#parts = parts;
    this.#bounds = bounds;
  }

  /** Throws `conflict` where they would be more than an export may be. */
  async write(
    vault: Vault,
    place: ExportPlace,
    versions: AsyncIterable<ExportedVersion>,
    onWritten: (records: number) => void = () => undefined,
  ): Promise<WrittenExport> {
    const { bytesInAll } = this.#bounds;
    const written = { pieces: 0, records: 0, size: 0 };
    for await (const held of this.#batches(versions)) {
      const size = await this.#writeOne(vault, place, written.pieces + 1, held);
      written.pieces += 1;
      written.records += held.length;
      written.size += size;
      if (written.size > bytesInAll)
        throw new StrongroomError(
          'conflict',
          `an export holds at most ${bytesInAll} bytes: narrow it by a filter`,
        );
      onWritten(written.records);
    }
    return written;
  }

  /** One piece after the other. Throws `erased` where the keys are gone and `not_found` where the bytes are. */
  async *read(
    vault: Vault,
    place: ExportPlace & Pick<ExportRow, 'pieces'>,
  ): AsyncGenerator<readonly ExportedVersion[]> {
    const { cipher, blobs } = this.#parts;
    for (let number = 1; number <= place.pieces; number++) {
      const key = this.keyOf(vault, place, number);
      yield decodeExport(await cipher.decrypt(key, await blobs.get(nameOf(place.id, number))));
    }
  }

  async areThere({ id, pieces }: Pick<ExportRow, 'id' | 'pieces'>): Promise<boolean> {
    for (let number = 1; number <= pieces; number++)
      if ((await this.#parts.blobs.stat(nameOf(id, number))) === null) return false;
    return true;
  }

  /** The exports of which any piece is there. */
  async list(): Promise<Set<string>> {
    return new Set((await this.#parts.blobs.list(FOLDER)).map(exportIn));
  }

  remove(ids: ReadonlySet<string>): Promise<void> {
    return removePieces(this.#parts.blobs, ids);
  }

  keyOf(vault: Vault, { id, slot }: ExportPlace, number: number): CobblestoneKey {
    const key = this.#parts.keys.key({ id, version: 1, own: slot as Slot, scope: vaultScope(vault) });
    const context = encodeUtf8(`strongroom/export/1 ${vault.organization.id} ${vault.id} ${id} ${number}`);
    return { key, context };
  }

  async #writeOne(
    vault: Vault,
    place: ExportPlace,
    number: number,
    versions: readonly ExportedVersion[],
  ): Promise<number> {
    const { cipher, blobs, environment } = this.#parts;
    environment.fault('export.piece');
    const bytes = await cipher.encrypt(this.keyOf(vault, place, number), encodeExport(versions));
    await blobs.put(nameOf(place.id, number), bytes);
    return bytes.length;
  }

  async *#batches(versions: AsyncIterable<ExportedVersion>): AsyncGenerator<readonly ExportedVersion[]> {
    let held: ExportedVersion[] = [];
    let bytes = 0;
    for await (const each of versions) {
      const size = each.body.length + (each.vector?.length ?? 0);
      if (held.length > 0 && (held.length === this.#bounds.versions || bytes + size > this.#bounds.bytes)) {
        yield held;
        held = [];
        bytes = 0;
      }
      held.push(each);
      bytes += size;
    }
    if (held.length > 0) yield held;
  }
}

/** Removes the bytes of exports, whether or not they have been finished. */
export async function removePieces(
  blobs: Pick<BlobStore, 'list' | 'delete'>,
  ids: ReadonlySet<string>,
): Promise<void> {
  if (ids.size === 0) return;
  for (const name of await blobs.list(FOLDER)) if (ids.has(exportIn(name))) await blobs.delete(name);
}

const exportIn = (name: string): string => name.slice(FOLDER.length, FOLDER.length + ID_CHARACTERS);

const nameOf = (id: string, number: number): string => `${FOLDER}${id}.${String(number).padStart(6, '0')}`;
