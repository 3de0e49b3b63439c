/**
 * Sealing a row's columns under its record key: the one way in which content gets into the store.
 *
 * It is a port so that a benchmark can measure what protection costs and a test can prove that the search for plain
 * bytes finds them when nothing is sealed. Only the composition root chooses; no setting does.
 */
import type { Bytes } from '../bytes/encoding.ts';
import { openBox, openBoxInPlace, sealBox, type Place, type SealedBox } from '../crypto/seal.ts';
import type { Random } from '../environment.ts';
import type { RecordKeys, Scope } from './record-key.ts';
import type { Slot } from './slot.ts';

/** What decides a record's key, and the place its boxes are bound to. */
export interface SealedRecord {
  readonly table: string;
  readonly organization: string;
  /** Empty for what lies in no vault. */
  readonly vault: string;
  readonly id: string;
  readonly version: number;
  readonly own: Slot;
  readonly scope: Scope;
}

export interface RecordBoxes {
  seal(column: string, content: Uint8Array): SealedBox;
  /** `box.damaged` unless it is the very box that was sealed for this column of this record. */
  open(column: string, box: Uint8Array): Bytes;
  /** The same in the memory of the box, which is no box any more, whatever comes of it. */
  openInPlace(column: string, box: Uint8Array): Uint8Array;
}

export interface RecordSealer {
  /** Derives the record's key once for all its columns; `erased` if any of its slots is. */
  at(record: SealedRecord): RecordBoxes;
}

export class KeyedSealer implements RecordSealer {
  readonly #keys: RecordKeys;
  readonly #random: Random;

  constructor(keys: RecordKeys, random: Random) {
    this.#keys = keys;
    this.#random = random;
  }

  at(record: SealedRecord): RecordBoxes {
    const key = this.#keys.key(record);
    return {
      seal: (column, content) => sealBox(key, placeOf(record, column), content, this.#random),
      open: (column, box) => openBox(key, placeOf(record, column), box),
      openInPlace: (column, box) => openBoxInPlace(key, placeOf(record, column), box),
    };
  }
}

const placeOf = ({ table, organization, vault, id, version }: SealedRecord, column: string): Place => ({
  purpose: 'record',
  table,
  column,
  organization,
  vault,
  id,
  version,
});
