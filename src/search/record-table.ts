/**
 * The records of one vault under document numbers, and which leaf page each belongs to.
 *
 * What a segment brought is read record by record when it is asked for, or between calls, so that a vault opens without
 * making an object of each of its records; their ids are looked at when one is asked for. Until then one that two segments hold is
 * held twice: whoever lays segments in takes out what changed since the oldest of them was written, and with it every such id. A number is given again once its record is gone, and nothing of that stays.
 */
import { StrongroomError } from '../errors.ts';
import { LEAF_SLOTS } from '../keys/slot.ts';
import type { SegmentPart } from './segment-part.ts';
import type { HeldRecord } from './types.ts';
import { withRoom } from './vectors/numbers.ts';

/** Records read in one step of the work between calls. */
const STEP_RECORDS = 256;
const NO_SLOT = -1;

interface Loaded {
  readonly part: SegmentPart;
  /** The number of its first record; the others follow. */
  readonly first: number;
  /** Whether a record of it could not be read: whoever asks for that one is told. */
  isDamaged: boolean;
}

interface Leaf {
  records: number;
  /** Whether it is another than that of the segment it was loaded from or written to. */
  isChanged: boolean;
}

export class RecordTable {
  /** Undefined where there is none, and where it was not read yet. */
  readonly #records: (HeldRecord | undefined)[] = [];
  #slots = new Float64Array(0);
  readonly #free: number[] = [];
  readonly #documents = new Map<string, number>();
  readonly #leaves = new Map<number, Leaf>();
  /** Ascending by first number. */
  #loaded: Loaded[] = [];
  /** Those whose ids are not among `#documents` yet, in the order in which they were loaded. */
  readonly #unclaimed: Loaded[] = [];
  readonly #onReplaced: (document: number) => void;
  /** How far the work between calls has come. */
  #read = 0;
  #textLength = 0;

  /** @param onReplaced told of a record whose id came again with a later segment; it has to take it out. */
  constructor(onReplaced: (document: number) => void) {
    this.#onReplaced = onReplaced;
  }

  get size(): number {
    this.#claimAll();
    return this.#documents.size;
  }

  /** Numbers in use: the records, without looking at ids that came twice. */
  get inUse(): number {
    return this.#records.length - this.#free.length;
  }

  /** Every document's number is below. */
  get end(): number {
    return this.#records.length;
  }

  /** Characters of the texts that were read, about. */
  get textLength(): number {
    return this.#textLength;
  }

  documentOf(id: string): number | undefined {
    this.#claimAll();
    return this.#documents.get(id);
  }

  /** @param record one whose id is not held. */
  enter(slot: number, record: HeldRecord): number {
    const document = this.#free.pop() ?? this.#records.length;
    this.#records[document] = record;
    this.#textLength += record.text.length;
    this.#slots = withRoom(this.#slots, document + 1);
    this.#slots[document] = slot;
    this.#documents.set(record.id, document);
    const leaf = this.#leafOf(slot);
    leaf.records++;
    leaf.isChanged = true;
    return document;
  }

  /**
   * Takes numbers for the records of a segment, one after the other. Answers the first.
   * @param isCurrent whether it need not be written anew.
   */
  load(part: SegmentPart, isCurrent: boolean): number {
    const first = this.#records.length;
    if (part.count === 0) return first;
    const loaded = { part, first, isDamaged: false };
    this.#loaded.push(loaded);
    this.#unclaimed.push(loaded);
    this.#records.length += part.count;
    this.#slots = withRoom(this.#slots, first + part.count);
    this.#slots.set(part.slots, first);
    const leaf = this.#leafOf(part.slots[0] as number);
    leaf.records += part.count;
    if (!isCurrent) leaf.isChanged = true;
    return first;
  }

  /** @param document one that was found by its id. */
  leave(document: number): void {
    const id = this.idOf(document);
    const slot = this.#slots[document] as number;
    const leaf = this.#leafOf(slot);
    leaf.isChanged = true;
    if (--leaf.records === 0) this.#leaves.delete(Math.floor(slot / LEAF_SLOTS));
    const record = this.#records[document];
    if (record !== undefined) this.#textLength -= record.text.length;
    const loaded = this.#loadedAt(document);
    if (loaded !== null) loaded.part.wipe(document - loaded.first);
    this.#records[document] = undefined;
    this.#slots[document] = NO_SLOT;
    this.#documents.delete(id);
    this.#free.push(document);
  }

  has(document: number): boolean {
    return (this.#slots[document] ?? NO_SLOT) !== NO_SLOT;
  }

  slotOf(document: number): number {
    return this.#slots[document] as number;
  }

  idOf(document: number): string {
    const record = this.#records[document];
    if (record !== undefined) return record.id;
    const loaded = this.#loadedAt(document);
    if (loaded === null) throw new RangeError(`document ${document} is not held`);
    return loaded.part.idOf(document - loaded.first);
  }

  recordOf(document: number): HeldRecord {
    return this.#records[document] ?? this.#readRecord(document);
  }

  /** Leaf pages that hold a record, ascending. */
  leaves(): readonly number[] {
    return [...this.#leaves.keys()].sort((a, b) => a - b);
  }

  /** Those among them that changed since they were loaded or `settle`d, or never were. */
  changedLeaves(): readonly number[] {
    return this.leaves().filter((leaf) => this.#leaves.get(leaf)?.isChanged === true);
  }

  /** Whether a segment was made of the leaf page as it is now. */
  settle(leaf: number, isSettled = true): void {
    const known = this.#leaves.get(leaf);
    if (known !== undefined) known.isChanged = !isSettled;
  }

  /** Documents of a leaf page, ascending by slot. */
  documentsOf(leaf: number): readonly number[] {
    const documents: number[] = [];
    for (let document = 0; document < this.end; document++)
      if (Math.floor((this.#slots[document] as number) / LEAF_SLOTS) === leaf) documents.push(document);
    return documents.sort((a, b) => this.slotOf(a) - this.slotOf(b));
  }

  /** Reads some of the records that segments brought; false when all are read. Then nothing of the segments is kept. */
  work(): boolean {
    if (this.#claimOne()) return true;
    const last = this.#loaded.at(-1);
    const all = last === undefined ? 0 : last.first + last.part.count;
    if (this.#read >= all) return false;
    const end = Math.min(this.#read + STEP_RECORDS, all);
    for (; this.#read < end; this.#read++)
      if (this.has(this.#read) && this.#records[this.#read] === undefined) this.#readAhead(this.#read);
    this.#loaded = this.#loaded.filter(
      ({ part, first, isDamaged }) => isDamaged || first + part.count > this.#read,
    );
    return true;
  }

  #claimAll(): void {
    while (this.#claimOne());
  }

  /** Lets the ids of a segment mean its records; false when there is none to do. */
  #claimOne(): boolean {
    const loaded = this.#unclaimed.shift();
    if (loaded === undefined) return false;
    const { part, first } = loaded;
    for (let row = 0; row < part.count; row++) {
      const id = part.idOf(row);
      const old = this.#documents.get(id);
      if (old !== undefined) this.#onReplaced(old);
      this.#documents.set(id, first + row);
    }
    return true;
  }

  #readAhead(document: number): void {
    try {
      this.#readRecord(document);
    } catch (error) {
      const loaded = this.#loadedAt(document);
      if (!(error instanceof StrongroomError) || loaded === null) throw error;
      loaded.isDamaged = true;
    }
  }

  #readRecord(document: number): HeldRecord {
    const loaded = this.has(document) ? this.#loadedAt(document) : null;
    if (loaded === null) throw new RangeError(`document ${document} is not held`);
    const record = loaded.part.record(document - loaded.first);
    this.#records[document] = record;
    this.#textLength += record.text.length;
    return record;
  }

  #loadedAt(document: number): Loaded | null {
    let low = 0;
    let high = this.#loaded.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#loaded[middle] as Loaded).first <= document) low = middle;
      else high = middle - 1;
    }
    const loaded = this.#loaded[low];
    const row = loaded === undefined ? -1 : document - loaded.first;
    return loaded !== undefined && row >= 0 && row < loaded.part.count ? loaded : null;
  }

  #leafOf(slot: number): Leaf {
    const number = Math.floor(slot / LEAF_SLOTS);
    const known = this.#leaves.get(number) ?? { records: 0, isChanged: false };
    this.#leaves.set(number, known);
    return known;
  }
}
