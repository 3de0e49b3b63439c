/**
 * Cursors: where a list goes on, sealed and bound to the list they came from (organization, vault, filter, order), so
 * that a caller can neither read, nor make up, nor carry one over to another list.
 */
import { decodeBase64Url, decodeUtf8, encodeBase64Url, encodeUtf8, type Bytes } from '../bytes/encoding.ts';
import { canonicalJson, type Json } from '../bytes/canonical-json.ts';
import { openBox, sealBox, type Place } from '../crypto/seal.ts';
import type { Random } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { OrganizationId } from '../ids.ts';

/** What a cursor belongs to. */
export interface ListBinding {
  readonly organization: OrganizationId;
  /** What is listed: `memories`, `keys`… */
  readonly list: string;
  readonly vault?: string;
  /** Filter and whatever else decides which rows are listed. */
  readonly query?: Json;
}

export class Cursors {
  readonly #key: () => Bytes;
  readonly #random: Random;

  /** `key` gives the service key for cursors. */
  constructor(key: () => Bytes, random: Random) {
    this.#key = key;
    this.#random = random;
  }

  seal(binding: ListBinding, position: string): string {
    return encodeBase64Url(sealBox(this.#key(), placeOf(binding), encodeUtf8(position), this.#random));
  }

  /** The position, or null without a cursor; `cursor.invalid` for anything but a cursor of this very list. */
  open(binding: ListBinding, cursor: string | undefined): string | null {
    if (cursor === undefined) return null;
    try {
      return decodeUtf8(openBox(this.#key(), placeOf(binding), decodeBase64Url(cursor)));
    } catch (error) {
      if (error instanceof RangeError || (error instanceof StrongroomError && error.code === 'box.damaged'))
        throw new StrongroomError('cursor.invalid');
      throw error;
    }
  }
}

const placeOf = ({ organization, list, vault = '', query = null }: ListBinding): Place => ({
  purpose: 'cursor',
  table: list,
  column: canonicalJson(query),
  organization,
  vault,
  id: '',
  version: 1,
});
