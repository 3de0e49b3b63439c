/**
 * An epoch's file: the pages that changed in it, each a sealed box, written once (docs/format.md).
 *
 *     "SRKR" ‖ 1 ‖ epoch u64 ‖ top offset u32 ‖ boxes ‖ zeros ‖ box of the top page, which ends the file
 *
 * The zeros make the file as long as the one that was prepared for it: overwriting a file that is there is made durable
 * by one call to the disk, making one by several.
 *
 *     topKey = HKDF(R, info "strongroom/keyring/top/1" ‖ deployment)
 *     fileId = HKDF(R, info "strongroom/keyring/file/1", 8 bytes)
 *
 * I2: nothing else is sealed under the root R or derived from it.
 */
import { concat, encodeHex, encodeUtf8, u32, u64, view, type Bytes } from '../bytes/encoding.ts';
import { hkdf } from '../crypto/hkdf.ts';
import { StrongroomError } from '../errors.ts';
import { FILE_ID_BYTES } from './page.ts';

export const ROOT_BYTES = 32;
const MAGIC = concat(encodeUtf8('SRKR'), Uint8Array.of(1));
export const FILE_HEAD_BYTES = MAGIC.length + 8 + 4;
const FILE_BYTES_MAX = 2 ** 32 - 1;
const NO_SALT = new Uint8Array(0);
const TOP_INFO = encodeUtf8('strongroom/keyring/top/1');
const FILE_INFO = encodeUtf8('strongroom/keyring/file/1');
const FILE_NAME = /^[0-9a-f]{16}$/;

export const topKeyOf = (root: Bytes, deployment: Bytes): Bytes =>
  hkdf(root, NO_SALT, concat(TOP_INFO, deployment));

export const fileIdOf = (root: Bytes): Bytes => hkdf(root, NO_SALT, FILE_INFO, FILE_ID_BYTES);

/** The name of the file under `pages/`: its id in hexadecimal. */
export const fileNameOf = (root: Bytes): string => encodeHex(fileIdOf(root));

export const isFileName = (name: string): boolean => FILE_NAME.test(name);

/** Gathers boxes and says where each will lie. */
export class EpochFileDraft {
  readonly #boxes: Bytes[] = [];
  readonly #bytesMin: number;
  #length = FILE_HEAD_BYTES;
  #topOffset = 0;

  /** The file will have so many bytes, or more. */
  constructor(bytesMin = 0) {
    this.#bytesMin = bytesMin;
  }

  /** How long the file is without what fills it up. */
  get length(): number {
    return this.#length;
  }

  /** The offset of the box in the file. */
  add(box: Bytes): number {
    const offset = this.#length;
    this.#boxes.push(box);
    this.#length += box.length;
    // Offsets are 32 bits wide: some 120 million separate live slots fit.
    if (this.#length > FILE_BYTES_MAX)
      throw new StrongroomError('internal', 'an epoch file of more than 4 GiB');
    return offset;
  }

  addTop(box: Bytes): void {
    this.#topOffset = this.add(box);
    const missing = this.#bytesMin - this.#length;
    if (missing <= 0) return;
    this.#boxes.splice(-1, 0, new Uint8Array(missing));
    this.#topOffset += missing;
  }

  encode(epoch: number): Bytes {
    return concat(MAGIC, u64(epoch), u32(this.#topOffset), ...this.#boxes);
  }
}

export interface EpochFileHead {
  readonly epoch: number;
  readonly topOffset: number;
}

/** Null where the bytes are no epoch file. */
export function matchFileHead(file: Uint8Array): EpochFileHead | null {
  if (file.length < FILE_HEAD_BYTES || !view(file).subarray(0, MAGIC.length).equals(MAGIC)) return null;
  const epoch = Number(view(file).readBigUInt64BE(MAGIC.length));
  const topOffset = view(file).readUInt32BE(MAGIC.length + 8);
  return Number.isSafeInteger(epoch) && topOffset >= FILE_HEAD_BYTES && topOffset < file.length
    ? { epoch, topOffset }
    : null;
}
