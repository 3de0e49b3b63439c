/**
 * Slots: the numbers of erasable keys. A slot is leaf (32 bits) × 4,096 + index, always a safe integer, and is stored
 * in the clear: it says which key, and nothing of what the key opens.
 */
import { concat, view, type Bytes } from '../bytes/encoding.ts';

/** leaf × 4,096 + index. */
export type Slot = number & { readonly brand: 'Slot' };

/** The 32 bytes that belong to a slot. It seals nothing by itself (I3): keys that do are derived from it. */
export type SlotKey = Bytes & { readonly brand: 'SlotKey' };

/** Levels of the tree in a leaf, and the slots it has. */
export const LEAF_DEPTH = 12;
export const LEAF_SLOTS = 4096;
/** Leaves are counted in 32 bits. */
export const LEAVES_MAX = 2 ** 32;

const SLOT_BYTES = 8;
const HALF = 2 ** 32;

export function slotOf(leaf: number, index: number): Slot {
  if (!Number.isInteger(leaf) || leaf < 0 || leaf >= LEAVES_MAX) throw new RangeError(`not a leaf: ${leaf}`);
  if (!Number.isInteger(index) || index < 0 || index >= LEAF_SLOTS)
    throw new RangeError(`not an index: ${index}`);
  return (leaf * LEAF_SLOTS + index) as Slot;
}

/** Throws a RangeError on a number that is no slot. */
export function parseSlot(value: number): Slot {
  return slotOf(Math.floor(value / LEAF_SLOTS), value % LEAF_SLOTS);
}

export const leafOf = (slot: Slot): number => Math.floor(slot / LEAF_SLOTS);
export const indexOf = (slot: Slot): number => slot % LEAF_SLOTS;

/** A list of slots as bytes: u64 each, big-endian, in the order given. */
export function encodeSlots(slots: readonly Slot[]): Bytes {
  const bytes = new Uint8Array(slots.length * SLOT_BYTES);
  const out = view(bytes);
  // As two halves: numbers of 64 bits would be an object each.
  for (let at = 0; at < slots.length; at++) {
    const slot = slots[at] as Slot;
    out.writeUInt32BE(Math.floor(slot / HALF), at * SLOT_BYTES);
    out.writeUInt32BE(slot % HALF, at * SLOT_BYTES + 4);
  }
  return bytes;
}

/** Throws a RangeError on bytes that are no list of slots. */
export function decodeSlots(bytes: Uint8Array): Slot[] {
  if (bytes.length % SLOT_BYTES !== 0) throw new RangeError('not a list of slots');
  const input = view(concat(bytes));
  const slots: Slot[] = [];
  for (let at = 0; at < bytes.length; at += SLOT_BYTES)
    slots.push(parseSlot(input.readUInt32BE(at) * HALF + input.readUInt32BE(at + 4)));
  return slots;
}
