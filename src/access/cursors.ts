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
  readonly #keys: () => readonly Bytes[];
  readonly #random: Random;

  /** `keys` gives the service key for cursors, and behind it those that it has replaced and that still open. */
  constructor(keys: () => readonly Bytes[], random: Random) {
    this.#keys = keys;
    this.#random = random;
  }

  seal(binding: ListBinding, position: string): string {
    const [key] = this.#keys();
    if (key === undefined) throw new StrongroomError('internal', 'there is no key for cursors');
    return encodeBase64Url(sealBox(key, placeOf(binding), encodeUtf8(position), this.#random));
  }

  /**
   * One page of rows that were read in the list's order, one more than `limit` where there are more, with the cursor of the next:
   * null at the end.
   */
  page<Row extends { readonly id: string }>(
    binding: ListBinding,
    rows: readonly Row[],
    limit: number,
  ): { readonly page: readonly Row[]; readonly next: string | null } {
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : undefined;
    return { page, next: last === undefined ? null : this.seal(binding, last.id) };
  }

  /** The position, or null without a cursor; `cursor.invalid` for anything but a cursor of this very list. */
  open(binding: ListBinding, cursor: string | undefined): string | null {
    if (cursor === undefined) return null;
    const box = decoded(cursor);
    for (const key of this.#keys()) {
      try {
        return decodeUtf8(openBox(key, placeOf(binding), box));
      } catch (error) {
        const isAnother = error instanceof StrongroomError && error.code === 'box.damaged';
        if (!isAnother && !(error instanceof RangeError)) throw error;
      }
    }
    throw new StrongroomError('cursor.invalid');
  }
}

function decoded(cursor: string): Bytes {
  try {
    return decodeBase64Url(cursor);
  } catch (cause) {
    if (cause instanceof RangeError) throw new StrongroomError('cursor.invalid', { cause });
    throw cause;
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
