/** What the ledger says of a list of slots: the digest of its ranges, so that a certificate cannot list others. */
import { canonicalBytes } from '../bytes/canonical-json.ts';
import { encodeHex } from '../bytes/encoding.ts';
import { sha256 } from '../crypto/hash.ts';
import { toRanges } from '../vaults/slot-ranges.ts';

/** SHA-256, in hex, of the canonical JSON of the slots as ascending inclusive ranges. */
export const digestOfRanges = (slots: Iterable<number>): string =>
  encodeHex(sha256(canonicalBytes(toRanges(slots))));
