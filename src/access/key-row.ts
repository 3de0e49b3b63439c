/**
 * API keys as rows. A key has two slots: the credential's, which revocation destroys and without which the stored
 * hash can be compared with nothing, and the principal's, which lives on so that the ledger still says who it was.
 *
 *     hash         = HMAC-SHA-256(HKDF-Expand(K_credential, "strongroom/api-key/hash/1"), secret)
 *     settings_box = JSON {name, grants, networks} sealed under K_principal
 *
 * K_credential is the record key over the credential's slot, the organization's and the deployment's pepper; so a
 * copy of the database alone tests no guess, and after a revocation neither does one with today's keystore.
 */
import { decodeUtf8, encodeUtf8, type Bytes } from '../bytes/encoding.ts';
import { hkdfExpand, hmacSha256 } from '../crypto/hkdf.ts';
import type { SealedBox } from '../crypto/seal.ts';
import type { KeyId } from '../ids.ts';
import type { RecordKeys } from '../keys/record-key.ts';
import type { RecordBoxes, RecordSealer } from '../keys/record-sealer.ts';
import type { Slot } from '../keys/slot.ts';
import type { Grant } from './context.ts';
import { organizationScope, type Organization } from './organizations.ts';

export interface KeySettings {
  readonly name: string;
  readonly grants: readonly Grant[];
  readonly networks: readonly string[];
}

const HASH_INFO = encodeUtf8('strongroom/api-key/hash/1');

/** The slots and ids that the keys of one API key hang on. */
export interface KeyAnchor {
  readonly id: KeyId;
  readonly organization: Organization;
  readonly credential: Slot;
  readonly principal: Slot;
}

/** The keyed hash of a secret; throws `erased` once the credential is revoked. */
export function hashSecret(keys: RecordKeys, anchor: KeyAnchor, pepper: Slot, secret: Bytes): Bytes {
  const credential = keys.key({
    id: anchor.id,
    version: 1,
    own: anchor.credential,
    scope: [...organizationScope(anchor.organization), ['service', pepper]],
  });
  return hmacSha256(hkdfExpand(credential, HASH_INFO), secret);
}

export const sealSettings = (sealer: RecordSealer, anchor: KeyAnchor, settings: KeySettings): SealedBox =>
  settingsBoxes(sealer, anchor).seal('settings_box', encodeUtf8(JSON.stringify(settings)));

export const openSettings = (sealer: RecordSealer, anchor: KeyAnchor, box: Uint8Array): KeySettings =>
  JSON.parse(decodeUtf8(settingsBoxes(sealer, anchor).open('settings_box', box))) as KeySettings;

const settingsBoxes = (sealer: RecordSealer, { id, organization, principal }: KeyAnchor): RecordBoxes =>
  sealer.at({
    table: 'api_keys',
    organization: organization.id,
    vault: '',
    id,
    version: 1,
    own: principal,
    scope: organizationScope(organization),
  });
