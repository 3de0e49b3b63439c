/**
 * Rows of whole numbers in the arena, dense: where one is removed the last one takes its place, so that nothing of it
 * stays. Each knows its score against the vault's middle: a mean of some early rows, from which queries and centroids are seen (memory
 * only; nothing of it is written). Knows which document each row belongs to, and keeps the codes' references to rows right when one moves.
 */
import { view } from '../../bytes/encoding.ts';
import { BLOCK_BYTES_MAX, BLOCK_BYTES_MIN } from '../arena.ts';
import { LAYOUT, BLOCK_LANES } from '../kernel/kernel.ts';
import { withRoom } from './numbers.ts';
import type { VectorRoom } from './room.ts';

/** Up to this length a row keeps 16 bits for each number; where there are more, errors average out and 10 are enough. */
const FINE_PADDED_MAX = 512;
const SLABS_MAX = 2 ** 32 / BLOCK_BYTES_MAX;
const NONE = -1;

/** Length of a rotated vector: the dimensions up to a multiple of 64. */
export const paddedLength = (dimensions: number): number => Math.ceil(dimensions / 64) * 64;

/** Bits of each number beside the high byte. */
export type LowBits = 2 | 8;

/** @param areClose whether the vectors lie so close together that only fine steps tell them apart; asked where it matters. */
export const lowBitsFor = (padded: number, areClose: () => boolean): LowBits =>
  padded <= FINE_PADDED_MAX || areClose() ? 8 : 2;

/** Bytes of a row as it lies in memory. */
export const rowBytesFor = (padded: number, lowBits: LowBits): number =>
  LAYOUT.rowHead + padded + (padded * lowBits) / 8;

export class Rows {
  readonly padded: number;
  readonly lowBits: LowBits;
  readonly rowBytes: number;
  /** Whether the middle has been looked for; until then it is the origin. */
  hasMiddle = false;
  readonly #room: VectorRoom;
  readonly #perSlab: number;
  readonly #isEuclidean: number;
  /** Where the middle lies as float32; 0 before anything is held. */
  #middle = 0;
  #middleSquare = 0;
  readonly #slabs: number[] = [];
  /** Number of each mebibyte's slab, by its place in the memory. */
  readonly #slabAt = new Int32Array(SLABS_MAX);
  #documents = new Int32Array(0);
  #rowOf = new Int32Array(0);
  #count = 0;

  constructor(room: VectorRoom, padded: number, lowBits: LowBits, isEuclidean: boolean) {
    this.#room = room;
    this.#isEuclidean = Number(isEuclidean);
    this.padded = padded;
    this.lowBits = lowBits;
    this.rowBytes = rowBytesFor(padded, lowBits);
    this.#perSlab = Math.floor(BLOCK_BYTES_MAX / this.rowBytes);
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#slabs.length * BLOCK_BYTES_MAX + (this.#middle === 0 ? 0 : this.#middleBytes);
  }

  get isEuclidean(): boolean {
    return this.#isEuclidean === 1;
  }

  get middle(): number {
    return this.#middle;
  }

  /** |x − m|², x being the row's vector and m the middle. */
  squareOf(row: number): number {
    const { floats } = this.#room;
    const base = floats[(row + LAYOUT.rowBase) / 4] as number;
    const length = floats[(row + LAYOUT.rowLength) / 4] as number;
    return this.isEuclidean ? -2 * base : length * length - 2 * base + this.#middleSquare;
  }

  /** Makes the middle another; whatever was computed from the old one has to be computed anew. */
  setMiddle(vector: number): void {
    const { bytes, floats } = this.#room;
    bytes.copyWithin(this.#middle, vector, vector + 4 * this.padded);
    this.#middleSquare = 0;
    for (let i = 0; i < this.padded; i++) this.#middleSquare += (floats[vector / 4 + i] as number) ** 2;
    for (let row = 0; row < this.#count; row++) if (!this.isLoose(row)) this.encodeBase(this.addressOf(row));
  }

  /** Whether the row has no code. */
  isLoose(row: number): boolean {
    return this.#room.words[(this.addressOf(row) + LAYOUT.rowPlace) / 4] === 0;
  }

  /** To be called for each row once its numbers are there. */
  encodeBase(row: number): void {
    this.#room.kernel.encodeBase(row, this.#middle, this.padded, this.lowBits, this.#isEuclidean);
  }

  /** Takes memory for so many more; gives it back if there is not enough. */
  reserve(count: number): void {
    try {
      this.#takeSlabs(count);
    } catch (error) {
      this.#trim(0);
      throw error;
    }
    this.#documents = withRoom(this.#documents, this.#count + count);
  }

  #takeSlabs(count: number): void {
    if (this.#middle === 0) this.#middle = this.#room.arena.take(this.#middleBytes);
    while (this.#slabs.length * this.#perSlab < this.#count + count) {
      const slab = this.#room.arena.take(BLOCK_BYTES_MAX);
      this.#slabAt[slab / BLOCK_BYTES_MAX] = this.#slabs.length;
      this.#slabs.push(slab);
    }
  }

  /** Address of a new row, zeroed. */
  add(document: number): number {
    this.reserve(1);
    const row = this.#count++;
    this.#documents[row] = document;
    const known = this.#rowOf.length;
    this.#rowOf = withRoom(this.#rowOf, document + 1);
    this.#rowOf.fill(NONE, known);
    this.#rowOf[document] = row;
    return this.addressOf(row);
  }

  /** Copies rows, one behind the other, as those of these documents, which ascend; answers the number of the first. */
  addMany(documents: Uint32Array, from: Uint8Array): number {
    const count = documents.length;
    this.reserve(count);
    const first = this.#count;
    const known = this.#rowOf.length;
    this.#rowOf = withRoom(this.#rowOf, (documents.at(-1) ?? 0) + 1);
    this.#rowOf.fill(NONE, known);
    this.#documents.set(documents, first);
    numberRows(this.#rowOf, documents, first);
    const rows = view(from);
    for (let done = 0; done < count;) {
      const row = first + done;
      const here = Math.min(count - done, this.#perSlab - (row % this.#perSlab));
      // Not `set`, which goes word by word where memory is shared.
      rows.copy(this.#room.bytes, this.addressOf(row), done * this.rowBytes, (done + here) * this.rowBytes);
      done += here;
    }
    this.#count += count;
    return first;
  }

  has(document: number): boolean {
    return (this.#rowOf[document] ?? NONE) !== NONE;
  }

  /** Null for a document that has no row. */
  addressOfDocument(document: number): number | null {
    const row = this.#rowOf[document] ?? NONE;
    return row === NONE ? null : this.addressOf(row);
  }

  documentAt(address: number): number {
    const slab = this.#slabAt[Math.floor(address / BLOCK_BYTES_MAX)] as number;
    const row = slab * this.#perSlab + Math.floor((address % BLOCK_BYTES_MAX) / this.rowBytes);
    return this.#documents[row] as number;
  }

  /** Rows do not lie in one piece: shows how many lie from which address on. */
  eachPiece(from: number, to: number, countMax: number, see: (address: number, count: number) => void): void {
    for (let row = from; row < to;) {
      const count = Math.min(to - row, this.#perSlab - (row % this.#perSlab), countMax);
      see(this.addressOf(row), count);
      row += count;
    }
  }

  addressOf(row: number): number {
    const slab = this.#slabs[Math.floor(row / this.#perSlab)] as number;
    return slab + (row % this.#perSlab) * this.rowBytes;
  }

  /** Takes the document's row out; its code must have been taken out before. Answers which row that was. */
  remove(document: number): number {
    const row = this.#rowOf[document] as number;
    const last = this.#count - 1;
    const [address, lastAddress] = [this.addressOf(row), this.addressOf(last)];
    const { bytes } = this.#room;
    if (row !== last) {
      const moved = this.#documents[last] as number;
      bytes.copyWithin(address, lastAddress, lastAddress + this.rowBytes);
      this.#documents[row] = moved;
      this.#rowOf[moved] = row;
      this.#tellCode(address);
    }
    bytes.fill(0, lastAddress, lastAddress + this.rowBytes);
    this.#documents[last] = 0;
    this.#rowOf[document] = NONE;
    this.#count--;
    this.#trim();
    return row;
  }

  close(): void {
    for (const slab of this.#slabs) this.#room.arena.give(slab, BLOCK_BYTES_MAX);
    if (this.#middle !== 0) this.#room.arena.give(this.#middle, this.#middleBytes);
    this.#middle = this.#middleSquare = 0;
    this.hasMiddle = false;
    this.#slabs.length = 0;
    this.#count = 0;
    this.#documents = new Int32Array(0);
    this.#rowOf = new Int32Array(0);
  }

  get #middleBytes(): number {
    return Math.max(BLOCK_BYTES_MIN, 2 ** Math.ceil(Math.log2(4 * this.padded)));
  }

  /** The row's code names the row by its address. */
  #tellCode(address: number): void {
    const { words } = this.#room;
    const place = words[(address + LAYOUT.rowPlace) / 4] as number;
    if (place === 0) return;
    const lane = place % BLOCK_LANES;
    const rows = words[(place - lane + LAYOUT.blockRowsAt) / 4] as number;
    words[rows / 4 + lane] = address;
  }

  /** One slab more than needed is kept, so that a row that comes and goes takes and gives no memory. */
  #trim(spare = 1): void {
    if (this.#count === 0) spare = 0;
    while (this.#slabs.length > 0 && (this.#slabs.length - 1 - spare) * this.#perSlab >= this.#count) {
      const slab = this.#slabs.pop() as number;
      this.#room.arena.give(slab, BLOCK_BYTES_MAX);
    }
  }
}

/** Notes which row each document has. */
function numberRows(rowOf: Int32Array, documents: Uint32Array, first: number): void {
  for (let i = 0; i < documents.length; i++) rowOf[documents[i] as number] = first + i;
}
