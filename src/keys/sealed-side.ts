/**
 * The side files of a keystore replica, `intents` and `witness`: one sealed box each, replaced as a whole.
 *
 *     "SRKI" ‖ 1 ‖ box     intents        "SRKW" ‖ 1 ‖ box     witness
 *
 *     box            under a key of the keystore's own slots (leaf 0: slot 0 for the witness, slot 1 for the intents),
 *                    associated data "strongroom/keystore/<name>/1" ‖ deployment; content: canonical JSON
 *
 * These two slots are never handed out nor punctured, so that a keystore explains itself without any database.
 */
import { canonicalBytes, type Json } from '../bytes/canonical-json.ts';
import { concat, decodeUtf8, encodeUtf8, type Bytes } from '../bytes/encoding.ts';
import { isEqual } from '../bytes/equal.ts';
import { openWith, sealWith } from '../crypto/seal.ts';
import type { Random } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { SideFile } from './replica.ts';
import { serviceKeyOf } from './service-key.ts';
import { slotOf, type Slot, type SlotKey } from './slot.ts';

/** The keystore's own leaf. */
export const OWN_LEAF = 0;
export const SIDE_SLOTS: Readonly<Record<SideFile, Slot>> = {
  witness: slotOf(OWN_LEAF, 0),
  intents: slotOf(OWN_LEAF, 1),
};

const MAGIC: Readonly<Record<SideFile, Bytes>> = {
  intents: concat(encodeUtf8('SRKI'), Uint8Array.of(1)),
  witness: concat(encodeUtf8('SRKW'), Uint8Array.of(1)),
};

/** What seals and opens side files: this deployment's keyring. */
export interface SideKeys {
  readonly deployment: Bytes;
  derive(slot: Slot): SlotKey;
}

export function sealSide(name: SideFile, keys: SideKeys, content: Json, random: Random): Bytes {
  const key = serviceKeyOf(keys.derive(SIDE_SLOTS[name]), name);
  const box = sealWith(key, contextOf(name, keys.deployment), canonicalBytes(content), random);
  key.fill(0);
  return concat(MAGIC[name], box);
}

/** Null where the bytes are not what was sealed. */
export function matchSide(name: SideFile, keys: SideKeys, bytes: Bytes): unknown {
  const magic = MAGIC[name];
  if (bytes.length < magic.length || !isEqual(bytes.subarray(0, magic.length), magic)) return null;
  const key = serviceKeyOf(keys.derive(SIDE_SLOTS[name]), name);
  try {
    return JSON.parse(
      decodeUtf8(openWith(key, contextOf(name, keys.deployment), bytes.subarray(magic.length))),
    );
  } catch (error) {
    if (error instanceof StrongroomError) return null;
    throw error;
  } finally {
    key.fill(0);
  }
}

const contextOf = (name: SideFile, deployment: Bytes): Bytes =>
  concat(encodeUtf8(`strongroom/keystore/${name}/1`), deployment);
