/**
 * The details of an entry: what a person may have typed (purpose, reason) and where they came from (address), in a sealed
 * box that dies with any slot of its scope while the leaf, which holds only the box's hash, stays.
 *
 * Its record key: own slot that of the ledger's period, scope the principal's and the subjects' slots, id the
 * request's. Where the same principal has the same details again within a second, the box of a moment before serves anew, and the leaf
 * says whose request it was sealed for.
 */
import { decodeUtf8, encodeBase64, encodeUtf8 } from '../bytes/encoding.ts';
import { isEqual } from '../bytes/equal.ts';
import { makeRoom } from '../bytes/make-room.ts';
import { sha256 } from '../crypto/hash.ts';
import type { SealedBox } from '../crypto/seal.ts';
import type { Clock } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { ScopeKeyring } from '../keys/record-key.ts';
import type { RecordBoxes, RecordSealer } from '../keys/record-sealer.ts';
import type { Slot } from '../keys/slot.ts';
import { parseHash } from './checkpoint.ts';
import type { BoxReference, Details, EntryDraft, LedgerEntry, LogId } from './entry.ts';

const COLUMN = 'box';

export interface SealedDetails {
  readonly box: SealedBox;
  readonly reference: BoxReference;
}

/** How long, in milliseconds, and how many boxes are remembered for those who ask again. */
const KNOWN_MS = 1_000;
const KNOWN_MAX = 1_000;

interface Known {
  readonly sealed: SealedDetails;
  readonly request: string;
  readonly atMs: number;
}

export interface DetailsSealerParts {
  readonly sealer: RecordSealer;
  readonly clock: Clock;
  /** Tells when none may be remembered any more. */
  readonly keyring: Pick<ScopeKeyring, 'holdCache'>;
}

export class DetailsSealer {
  readonly #parts: DetailsSealerParts;
  /** In the order in which they were sealed. Named by what they hold, so none stays longer than it may. */
  readonly #known = new Map<string, Known>();

  constructor(parts: DetailsSealerParts) {
    this.#parts = parts;
    // No box may serve anew of which a slot is dead, and its name is plain details, which must not wait for the next entry.
    parts.keyring.holdCache(() => this.#known.clear());
  }

  /** Null for a draft that has nothing to seal. Throws `erased` if a slot of the scope is dead. */
  seal(draft: EntryDraft, log: LogId, own: Slot): SealedDetails | null {
    const texts = Object.entries(draft.details ?? {}).filter(
      ([, text]) => text !== null && text !== undefined,
    );
    if (texts.length === 0) return null;
    const { request, scope } = draft;
    const content = JSON.stringify(Object.fromEntries(texts));
    const atMs = this.#parts.clock.now();
    this.#forget(atMs);
    const name = JSON.stringify([log, own, scope, content]);
    const known = this.#known.get(name);
    if (known !== undefined) {
      const { box, reference } = known.sealed;
      return known.request === request
        ? known.sealed
        : { box, reference: { ...reference, of: known.request } };
    }
    const box = boxesAt(this.#parts.sealer, log, request, { own, scope }).seal(COLUMN, encodeUtf8(content));
    const sealed = { box, reference: { hash: encodeBase64(sha256(box)), own, scope } };
    // What the system does of itself has no request to be named by.
    if (request !== '') {
      makeRoom(this.#known, KNOWN_MAX);
      this.#known.set(name, { sealed, request, atMs });
    }
    return sealed;
  }

  #forget(nowMs: number): void {
    for (const [name, { atMs }] of this.#known) {
      const age = nowMs - atMs;
      if (age >= 0 && age < KNOWN_MS) return;
      this.#known.delete(name);
    }
  }
}

/** Throws `erased`, or `ledger.damaged` for a box that is not the one the leaf names. */
export function openDetails(box: Uint8Array, entry: LedgerEntry, sealer: RecordSealer): Details {
  if (entry.box === undefined || !isBoxOf(entry.box, box)) {
    throw new StrongroomError(
      'ledger.damaged',
      `the details of entry ${entry.n} of ${entry.log} are not those it was written with`,
    );
  }
  const content = boxesAt(sealer, entry.log, entry.box.of ?? entry.request, entry.box).open(COLUMN, box);
  // Sealed by us and authenticated: the form is ours.
  return JSON.parse(decodeUtf8(content)) as Details;
}

export const isBoxOf = (reference: BoxReference, box: Uint8Array): boolean =>
  isEqual(sha256(box), parseHash(reference.hash));

const boxesAt = (
  sealer: RecordSealer,
  log: LogId,
  request: string,
  { own, scope }: Pick<BoxReference, 'own' | 'scope'>,
): RecordBoxes =>
  sealer.at({ table: 'ledger_entries', organization: log, vault: '', id: request, version: 1, own, scope });
