/**
 * The file `root` of a keystore replica: four blocks of 4,096 bytes that are only ever overwritten in place.
 *
 *     block 0      header: "SRKH" ‖ 1 ‖ deployment 16 ‖ SHA-256 of these, rest zero
 *     blocks 1–3   cells 0–2: "SRKC" ‖ 1 ‖ deployment 16 ‖ epoch u64 ‖ R 32 ‖ SHA-256 of these, rest zero
 *
 * In place, because a file system keeps what a rename replaces: of 50 roots written by rename all 50 can be read from
 * the disk image afterwards, of 50 written in place one. A block is what a disk writes whole or not, and a cell whose
 * sum is wrong is empty: an epoch writes a cell that is empty and only later wipes the older ones, so a torn write
 * leaves the older cell whole.
 */
import { concat, encodeUtf8, u64, view, type Bytes } from '../bytes/encoding.ts';
import { isEqual } from '../bytes/equal.ts';
import { sha256 } from '../crypto/hash.ts';
import { ROOT_BYTES } from './epoch-file.ts';
import { DEPLOYMENT_BYTES } from './page.ts';

export const BLOCK_BYTES = 4096;
export const CELLS = 3;
export const ROOT_FILE_BYTES = BLOCK_BYTES * (1 + CELLS);
const HEADER_MAGIC = concat(encodeUtf8('SRKH'), Uint8Array.of(1));
const CELL_MAGIC = concat(encodeUtf8('SRKC'), Uint8Array.of(1));
const MAGIC_BYTES = 5;
const SUM_BYTES = 32;
const HEADER_BYTES = MAGIC_BYTES + DEPLOYMENT_BYTES;
const CELL_BYTES = HEADER_BYTES + 8 + ROOT_BYTES;

export interface RootCell {
  /** 0–2. */
  readonly cell: number;
  readonly deployment: Bytes;
  readonly epoch: number;
  readonly root: Bytes;
}

export interface RootFile {
  /** Null where the header is damaged. */
  readonly deployment: Bytes | null;
  readonly cells: readonly RootCell[];
  /** Cells that hold only zeros. */
  readonly empty: readonly number[];
  /** What is neither whole nor zero, in words: a torn write or damage. */
  readonly damage: readonly string[];
}

export const cellOffset = (cell: number): number => BLOCK_BYTES * (1 + cell);

export const encodeHeader = (deployment: Bytes): Bytes => block(concat(HEADER_MAGIC, deployment));

export const encodeCell = (deployment: Bytes, epoch: number, root: Bytes): Bytes =>
  block(concat(CELL_MAGIC, deployment, u64(epoch), root));

export const emptyBlock = (): Bytes => new Uint8Array(BLOCK_BYTES);

/** A block: the content, its sum, zeros. */
function block(content: Bytes): Bytes {
  const out = emptyBlock();
  out.set(content);
  out.set(sha256(content), content.length);
  content.fill(0);
  return out;
}

export function decodeRootFile(bytes: Bytes): RootFile {
  const damage: string[] = [];
  const cells: RootCell[] = [];
  const empty: number[] = [];
  if (bytes.length !== ROOT_FILE_BYTES) damage.push('root has a wrong length');
  const blockAt = (at: number): Bytes => bytes.slice(at * BLOCK_BYTES, (at + 1) * BLOCK_BYTES);
  const header = blockAt(0);
  const headed = hasContent(header, HEADER_MAGIC, HEADER_BYTES);
  if (!headed || !isPadded(header, HEADER_BYTES)) damage.push('the header of root is damaged');
  for (let cell = 0; cell < CELLS; cell++) {
    const at = blockAt(1 + cell);
    if (at.length === BLOCK_BYTES && isZero(at)) empty.push(cell);
    else if (!hasContent(at, CELL_MAGIC, CELL_BYTES)) damage.push(`cell ${cell} of root is torn or damaged`);
    else {
      cells.push(decodeCell(at, cell));
      // The sum vouches for the content; only the unused rest is wrong, and the cell counts.
      if (!isPadded(at, CELL_BYTES)) damage.push(`the rest of cell ${cell} of root is damaged`);
    }
    at.fill(0);
  }
  return { deployment: headed ? header.slice(MAGIC_BYTES, HEADER_BYTES) : null, cells, empty, damage };
}

const decodeCell = (at: Bytes, cell: number): RootCell => ({
  cell,
  deployment: at.slice(MAGIC_BYTES, HEADER_BYTES),
  epoch: Number(view(at).readBigUInt64BE(HEADER_BYTES)),
  root: at.slice(HEADER_BYTES + 8, CELL_BYTES),
});

const hasContent = (at: Bytes, magic: Bytes, length: number): boolean =>
  at.length >= length + SUM_BYTES &&
  isEqual(at.subarray(0, MAGIC_BYTES), magic) &&
  isEqual(at.subarray(length, length + SUM_BYTES), sha256(at.subarray(0, length)));

const isPadded = (at: Bytes, length: number): boolean =>
  at.length === BLOCK_BYTES && isZero(at.subarray(length + SUM_BYTES));

const ZEROS = Buffer.alloc(BLOCK_BYTES);

/** For at most a block. */
const isZero = (bytes: Uint8Array): boolean => ZEROS.subarray(0, bytes.length).equals(bytes);
