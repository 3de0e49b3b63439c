/**
 * The details of an entry: what a person may have typed (purpose, reason) and where they came from (address), in a sealed
 * box that dies with any slot of its scope while the leaf, which holds only the box's hash, stays.
 *
 * Its record key: own slot that of the ledger's period, scope the principal's and the subjects' slots, id the
 * request's. Entries of one request share the key, not the nonce.
 */
import { decodeUtf8, encodeBase64, encodeUtf8 } from '../bytes/encoding.ts';
import { isEqual } from '../bytes/equal.ts';
import { sha256 } from '../crypto/hash.ts';
import type { SealedBox } from '../crypto/seal.ts';
import { StrongroomError } from '../errors.ts';
import type { RecordBoxes, RecordSealer } from '../keys/record-sealer.ts';
import type { Slot } from '../keys/slot.ts';
import { parseHash } from './checkpoint.ts';
import type { BoxReference, Details, EntryDraft, LedgerEntry, LogId } from './entry.ts';

const COLUMN = 'box';

export interface SealedDetails {
  readonly box: SealedBox;
  readonly reference: BoxReference;
}

/** Null for a draft that has nothing to seal. Throws `erased` if a slot of the scope is dead. */
export function sealDetails(
  draft: EntryDraft,
  log: LogId,
  own: Slot,
  sealer: RecordSealer,
): SealedDetails | null {
  const texts = Object.entries(draft.details ?? {}).filter(([, text]) => text !== null && text !== undefined);
  if (texts.length === 0) return null;
  const { request, scope } = draft;
  const content = encodeUtf8(JSON.stringify(Object.fromEntries(texts)));
  const box = boxesAt(sealer, log, request, { own, scope }).seal(COLUMN, content);
  return { box, reference: { hash: encodeBase64(sha256(box)), own, scope } };
}

/** Throws `erased`, or `ledger.damaged` for a box that is not the one the leaf names. */
export function openDetails(box: Uint8Array, entry: LedgerEntry, sealer: RecordSealer): Details {
  if (entry.box === undefined || !isBoxOf(entry.box, box)) {
    throw new StrongroomError(
      'ledger.damaged',
      `the details of entry ${entry.n} of ${entry.log} are not those it was written with`,
    );
  }
  const content = boxesAt(sealer, entry.log, entry.request, entry.box).open(COLUMN, box);
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
