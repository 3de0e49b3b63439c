/**
 * The vectors of one vault.
 *
 * A small vault keeps float32 rows and compares them all; a large one codes its vectors (coded-vectors.ts). Beyond the
 * border rows move over a few at a time, and a search asks both. Vectors whose lengths would overflow float32 when multiplied
 * (or vanish) stay exact for good. A vault that has been large stays coded: what codes left out does not come back.
 */
import { firstNotFinite } from '../../bytes/floats.ts';
import type { Fault } from '../../errors.ts';
import { LIMITS } from '../../limits.ts';
import { bestOf, type Scored } from '../top.ts';
import type { Metric } from '../types.ts';
import { CodedVectors } from './coded-vectors.ts';
import { ExactVectors } from './exact-vectors.ts';
import type { Neighbours } from './neighbours.ts';
import { unit } from './numbers.ts';
import type { VectorRoom } from './room.ts';
import type { SegmentPart } from '../segment-part.ts';
import { lowBitsFor, paddedLength, type LowBits } from './rows.ts';

/** A vector as an index gives it away and takes it back: float32 numbers, or a coded row (docs/format.md). */
export type StoredVector =
  | { readonly form: 'numbers'; readonly numbers: Float32Array }
  | { readonly form: 'row'; readonly bytes: Uint8Array };

/** Rows that move over to the codes in one step, and with each addition. */
const STEP_ROWS = 32;
const ADDITION_ROWS = 4;
/** What may be missed is divided by this while a vault that was opened gets its lists: forecasts from half-made ones promise too much. */
const OPENING_CARE = 4;
/** Lengths that codes are for. Zero is one as well. */
const LENGTH_MIN = 1e-12;
const LENGTH_MAX = 1e12;

export class VectorIndex {
  readonly #room: VectorRoom;
  readonly #metric: Metric;
  #dimensions: number | null;
  #exact: ExactVectors | null = null;
  #coded: CodedVectors | null = null;
  /** Too long or too short for codes. */
  #wild: ExactVectors | null = null;
  /** Rows came from a segment, and there is work left since. */
  #isOpening = false;

  constructor(room: VectorRoom, metric: Metric, dimensions: number | null) {
    this.#room = room;
    this.#metric = metric;
    this.#dimensions = dimensions;
  }

  get dimensions(): number | null {
    return this.#dimensions;
  }

  get size(): number {
    return this.#parts().reduce((sum, part) => sum + part.size, 0);
  }

  get bytes(): number {
    return this.#parts().reduce((sum, part) => sum + part.bytes, 0);
  }

  /** Notes what is wrong with the vector; `dimensions` are those a vector before it in the same batch has set. */
  check(vector: Float32Array, path: string, dimensions = this.#dimensions): Fault | null {
    const length = vector.length;
    if (dimensions !== null && length !== dimensions)
      return { path, message: `has ${length} numbers, the vault's vectors have ${dimensions}` };
    if (length < LIMITS.dimensionsMin || length > LIMITS.dimensionsMax)
      return { path, message: `must have ${LIMITS.dimensionsMin} to ${LIMITS.dimensionsMax} numbers` };
    const bad = firstNotFinite(vector);
    if (bad >= 0) return { path: `${path}/${bad}`, message: 'is not finite as float32' };
    if (this.#metric === 'cosine' && vector.every((value) => value === 0))
      return { path, message: 'is zero, which has no direction for the cosine' };
    return null;
  }

  /**
   * Takes the memory for these, so that adding them cannot fail half-way. Throws `search.unavailable` if there is not enough, and then
   * nothing has been added.
   */
  reserve(vectors: readonly Float32Array[]): void {
    if (vectors[0] !== undefined) this.#reserve(vectors.length, vectors[0].length, vectors);
  }

  /** Adds a vector that `check` found nothing wrong with. */
  add(document: number, vector: Float32Array): void {
    this.#dimensions ??= vector.length;
    this.#addCompared(document, this.#compared(vector));
  }

  reserveSegment({ dimensions, rows, numbers }: SegmentPart): void {
    const count = rows.reduce((sum, { records }) => sum + records.length, numbers.records.length);
    if (dimensions !== null && count > 0) this.#reserve(count, dimensions, numbers.vectors, rows[0]?.lowBits);
  }

  /** Takes the vectors of a segment as they are; its records have numbers from `first` on. */
  load(
    first: number,
    { dimensions, rows, numbers }: Pick<SegmentPart, 'dimensions' | 'rows' | 'numbers'>,
  ): void {
    for (const { records, bytes, lowBits } of rows) {
      const documents = records.map((record) => first + record);
      this.#isOpening = true;
      this.#codedPart(lowBits).addRows(documents, bytes, lowBits);
    }
    if (numbers.records.length > 0) this.#dimensions ??= dimensions;
    numbers.records.forEach((record, at) =>
      this.#addCompared(first + record, numbers.vectors[at] as Float32Array),
    );
  }

  remove(document: number): void {
    for (const part of this.#parts()) part.remove(document);
    this.#forgetEmpty();
  }

  /** The vector as it is compared. Null for a document without one. */
  stored(document: number): StoredVector | null {
    const bytes = this.#coded?.rowOf(document) ?? null;
    if (bytes !== null) return { form: 'row', bytes };
    const numbers = this.#exact?.vectorOf(document) ?? this.#wild?.vectorOf(document) ?? null;
    return numbers === null ? null : { form: 'numbers', numbers };
  }

  /** @param vector one that `check` found nothing wrong with. */
  search(vector: Float32Array, wanted: Neighbours): readonly Scored[] {
    const query = this.#compared(vector);
    const asked = this.#isOpening ? { ...wanted, recall: 1 - (1 - wanted.recall) / OPENING_CARE } : wanted;
    const lists = this.#parts()
      .filter(({ size }) => size > 0)
      .map((part) => part.search(query, asked));
    const [only = []] = lists;
    return lists.length < 2 ? only : bestOf(lists, wanted);
  }

  /** Does a bounded part of the work that keeps searches fast; false when there is none. */
  work(): boolean {
    const isLeft = this.#coded !== null && (this.#moveOver(STEP_ROWS) || this.#coded.work());
    if (!isLeft) this.#isOpening = false;
    return isLeft;
  }

  close(): void {
    for (const part of this.#parts()) part.close();
    this.#exact = this.#coded = this.#wild = null;
  }

  #reserve(count: number, dimensions: number, coming: readonly Float32Array[], lowBits?: LowBits): void {
    const had = this.#dimensions;
    this.#dimensions ??= dimensions;
    try {
      if (lowBits === undefined && this.#staysSmall(count)) this.#exactPart().reserve(count);
      else this.#codedPart(lowBits, coming).reserve(count + (this.#exact?.size ?? 0));
    } catch (error) {
      this.#dimensions = had;
      this.#forgetEmpty();
      throw error;
    }
  }

  /** As it is compared: at length 1 under cosine. */
  #compared(vector: Float32Array): Float32Array {
    return this.#metric === 'cosine' ? unit(vector) : vector;
  }

  #addCompared(document: number, vector: Float32Array): void {
    if (this.#isWild(vector)) this.#wildPart().add(document, vector);
    else if (this.#staysSmall(1)) this.#exactPart().add(document, vector);
    else {
      this.#codedPart().add(document, vector);
      this.#moveOver(ADDITION_ROWS);
    }
  }

  #parts(): readonly (ExactVectors | CodedVectors)[] {
    return [this.#exact, this.#coded, this.#wild].filter((part) => part !== null);
  }

  /** A vault that lost its last vector begins anew, and small. */
  #forgetEmpty(): void {
    if (this.#coded?.size !== 0) return;
    this.#coded.close();
    this.#coded = null;
  }

  /** Whether so many more leave the vault small. */
  #staysSmall(count: number): boolean {
    if (this.#coded !== null) return false;
    const bytes = ((this.#exact?.size ?? 0) + count) * (this.#dimensions ?? 0) * 4;
    return bytes <= this.#room.exactBytesMax;
  }

  #isWild(vector: Float32Array): boolean {
    if (this.#metric === 'cosine') return false;
    let sum = 0;
    for (let i = 0; i < vector.length; i++) sum += (vector[i] as number) ** 2;
    return sum !== 0 && !(sum >= LENGTH_MIN ** 2 && sum <= LENGTH_MAX ** 2);
  }

  /** Codes some of the rows that are still exact; false when none was left. */
  #moveOver(count: number): boolean {
    if (this.#exact === null || this.#exact.size === 0) return false;
    for (let left = count; left > 0; left--) {
      const popped = this.#exact.pop();
      if (popped !== null) this.#codedPart().add(popped.document, popped.vector);
    }
    return true;
  }

  #exactPart(): ExactVectors {
    this.#exact ??= new ExactVectors(this.#room, this.#metric, this.#known());
    return this.#exact;
  }

  /** Its steps are those of the first rows it is given, or such as the vectors held so far and those that come need. */
  #codedPart(given?: LowBits, coming: readonly Float32Array[] = []): CodedVectors {
    const padded = paddedLength(this.#known());
    const bits = (): LowBits => given ?? lowBitsFor(padded, () => this.#areClose(coming));
    this.#coded ??= new CodedVectors(this.#room, this.#metric, padded, bits());
    return this.#coded;
  }

  /** Of those that come it looks at no more than a small vault would hold. */
  #areClose(coming: readonly Float32Array[]): boolean {
    if (this.#exact?.areClose() === true) return true;
    if (coming.length === 0) return false;
    const most = Math.floor(this.#room.exactBytesMax / (4 * this.#known()));
    const sample = new ExactVectors(this.#room, this.#metric, this.#known());
    try {
      for (const [at, vector] of coming.slice(0, most).entries())
        if (!this.#isWild(vector)) sample.add(at, this.#compared(vector));
      return sample.areClose();
    } finally {
      sample.close();
    }
  }

  #wildPart(): ExactVectors {
    this.#wild ??= new ExactVectors(this.#room, this.#metric, this.#known());
    return this.#wild;
  }

  #known(): number {
    if (this.#dimensions === null) throw new RangeError('the dimensions are not known yet');
    return this.#dimensions;
  }
}
