/**
 * The side files of a keystore replica, `intents` and `witness`: one sealed box each, replaced as a whole.
 *
 *     "SRKI" ‖ 1 ‖ box     intents        "SRKW" ‖ 1 ‖ box     witness
 *
 *     box            under a key of the keystore's own slots (leaf 0: slot 2g for the witness, slot 2g + 1 for the
 *                    intents), associated data "strongroom/keystore/<name>/1" ‖ deployment; content: canonical JSON
 *
 * These slots are never handed out, so that a keystore explains itself without any database. The generation g is that
 * of the first pair that is alive. When it is replaced, both files are first sealed under the next pair, and the epoch
 * that follows punctures the old one: until then a reader finds the files under either.
 */
import { canonicalBytes, type Json } from '../bytes/canonical-json.ts';
import { concat, decodeUtf8, encodeUtf8, type Bytes } from '../bytes/encoding.ts';
import { isEqual } from '../bytes/equal.ts';
import { openWith, sealWith } from '../crypto/seal.ts';
import type { Random } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { SideFile } from './replica.ts';
import { serviceKeyOf } from './service-key.ts';
import { LEAF_SLOTS, slotOf, type Slot, type SlotKey } from './slot.ts';

/** The keystore's own leaf. */
export const OWN_LEAF = 0;
const FIRST: Readonly<Record<SideFile, number>> = { witness: 0, intents: 1 };
export const SIDE_GENERATIONS = LEAF_SLOTS / 2;

/** The slots of one generation; throws a RangeError past the last one. */
export const sideSlots = (generation: number): Readonly<Record<SideFile, Slot>> => ({
  witness: slotOf(OWN_LEAF, 2 * generation + FIRST.witness),
  intents: slotOf(OWN_LEAF, 2 * generation + FIRST.intents),
});

/** The generation that a keystore is at: the first whose slots are alive. */
export function sideGeneration(keys: Pick<SideKeys, 'key'>): number {
  for (let generation = 0; generation < SIDE_GENERATIONS; generation++) {
    const key = keys.key(sideSlots(generation).witness);
    if (key === null) continue;
    key.fill(0);
    return generation;
  }
  throw new StrongroomError('keyring.damaged', 'no slot of the keystore itself is alive');
}

const MAGIC: Readonly<Record<SideFile, Bytes>> = {
  intents: concat(encodeUtf8('SRKI'), Uint8Array.of(1)),
  witness: concat(encodeUtf8('SRKW'), Uint8Array.of(1)),
};

/** What seals and opens side files: this deployment's keyring. */
export interface SideKeys {
  readonly deployment: Bytes;
  /** Null where the slot is dead. */
  key(slot: Slot): SlotKey | null;
}

export interface SideContent {
  readonly name: SideFile;
  readonly content: Json;
}

export function sealSide(
  { name, content }: SideContent,
  keys: SideKeys,
  random: Random,
  generation = sideGeneration(keys),
): Bytes {
  const key = keyOf(name, keys, generation);
  if (key === null) throw new StrongroomError('keyring.damaged', 'a slot of the keystore itself is dead');
  const box = sealWith(key, contextOf(name, keys.deployment), canonicalBytes(content), random);
  key.fill(0);
  return concat(MAGIC[name], box);
}

/** Null where the bytes are not what was sealed. */
export function matchSide(name: SideFile, keys: SideKeys, bytes: Bytes): unknown {
  const magic = MAGIC[name];
  if (bytes.length < magic.length || !isEqual(bytes.subarray(0, magic.length), magic)) return null;
  const box = bytes.subarray(magic.length);
  const generation = sideGeneration(keys);
  return openSide(name, keys, generation, box) ?? openSide(name, keys, generation + 1, box);
}

function openSide(name: SideFile, keys: SideKeys, generation: number, box: Bytes): unknown {
  const key = generation < SIDE_GENERATIONS ? keyOf(name, keys, generation) : null;
  if (key === null) return null;
  try {
    return JSON.parse(decodeUtf8(openWith(key, contextOf(name, keys.deployment), box)));
  } catch (error) {
    if (error instanceof StrongroomError) return null;
    throw error;
  } finally {
    key.fill(0);
  }
}

function keyOf(name: SideFile, keys: SideKeys, generation: number): Bytes | null {
  const slotKey = keys.key(sideSlots(generation)[name]);
  return slotKey === null ? null : serviceKeyOf(slotKey, name);
}

const contextOf = (name: SideFile, deployment: Bytes): Bytes =>
  concat(encodeUtf8(`strongroom/keystore/${name}/1`), deployment);
