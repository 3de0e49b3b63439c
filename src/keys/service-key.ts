/**
 * Keys of the service itself (the pepper of API keys, ledger signing, cursors, TLS, side files of the keystore): each
 * is derived from a slot of its own, so that it survives epochs and can be destroyed like any other.
 *
 *     K = HKDF-SHA-256(salt "strongroom/service/1", ikm slot key, info name)
 */
import { encodeUtf8, type Bytes } from '../bytes/encoding.ts';
import { hkdf } from '../crypto/hkdf.ts';
import type { Slot, SlotKey } from './slot.ts';

const SALT = encodeUtf8('strongroom/service/1');

/** Thirty-two bytes. Throws `erased` where the slot is dead. */
export function serviceKey(keyring: { derive(slot: Slot): SlotKey }, slot: Slot, name: string): Bytes {
  return serviceKeyOf(keyring.derive(slot), name);
}

/** Takes the slot key over and zeroes it: I3, a slot key seals nothing by itself. */
export function serviceKeyOf(slotKey: SlotKey, name: string): Bytes {
  const key = hkdf(slotKey, SALT, encodeUtf8(name));
  slotKey.fill(0);
  return key;
}
