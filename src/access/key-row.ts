/**
 * API keys as rows. A key has two slots: the credential's, which revocation destroys and without which the stored
 * hash can be compared with nothing, and the principal's, which lives on so that the ledger still says who it was.
 *
 *     hash         = HMAC-SHA-256(HKDF-Expand(K_credential, "strongroom/api-key/hash/1"), secret)
 *     hash_box     = hash sealed under K_pepper
 *     settings_box = JSON {name, grants, networks} sealed under K_principal
 *
 * K_credential is the record key over the slots of the credential and the organization; K_pepper has the deployment's
 * pepper in its scope as well. So a copy of the database alone tests no guess, and after a revocation neither does one
 * with today's keystore. Because the pepper seals and does not hash, it can be replaced without anybody's secret: the
 * hash is sealed anew, and what lies under the old pepper dies with it.
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
export function hashSecret(keys: RecordKeys, anchor: KeyAnchor, secret: Bytes): Bytes {
  const { id, credential, organization } = anchor;
  const key = keys.key({ id, version: 1, own: credential, scope: organizationScope(organization) });
  return hmacSha256(hkdfExpand(key, HASH_INFO), secret);
}

export const sealHash = (sealer: RecordSealer, anchor: KeyAnchor, pepper: Slot, hash: Bytes): SealedBox =>
  hashBoxes(sealer, anchor, pepper).seal('hash_box', hash);

/** Throws `erased` once the credential is revoked, or the pepper destroyed. */
export const openHash = (sealer: RecordSealer, anchor: KeyAnchor, pepper: Slot, box: Uint8Array): Bytes =>
  hashBoxes(sealer, anchor, pepper).open('hash_box', box);

const hashBoxes = (sealer: RecordSealer, anchor: KeyAnchor, pepper: Slot): RecordBoxes => {
  const { id, organization, credential } = anchor;
  return sealer.at({
    table: 'api_keys',
    organization: organization.id,
    vault: '',
    id,
    version: 1,
    own: credential,
    scope: [...organizationScope(organization), ['service', pepper]],
  });
};

/** The slots of a key that stands in a row. */
export const anchorOf = (
  organization: Organization,
  row: { readonly id: string; readonly slot: number; readonly principal_slot: number },
): KeyAnchor => ({
  id: row.id as KeyId,
  organization,
  credential: row.slot as Slot,
  principal: row.principal_slot as Slot,
});

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
