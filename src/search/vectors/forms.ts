/**
 * The forms in which an index may hold a vector, as bytes: for those who look for it where it must not be. Codes of residuals, and short ones, are
 * not among them: they depend on what else a vault holds, and are in memory only.
 */
import { Arena } from '../arena.ts';
import { LAYOUT, openKernel } from '../kernel/kernel.ts';
import { CodedVectors } from './coded-vectors.ts';
import { openRoom } from './room.ts';
import { paddedLength } from './rows.ts';

export interface VectorForm {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Groups of four numbers in a one-bit code, as a block with nothing else in it has them. */
const LANE_STRIDE = 16;
const GROUPS = 8;

/** @param vector float32 numbers, as they are compared: under cosine of length 1. */
export function heldForms(vector: Float32Array): readonly VectorForm[] {
  if (vector.length === 0) return [];
  const arena = new Arena();
  const room = openRoom(arena, openKernel(arena.memory));
  const padded = paddedLength(vector.length);
  return ([2, 8] as const).flatMap((lowBits) => {
    const vectors = new CodedVectors(room, 'dot', padded, lowBits);
    vectors.add(0, vector);
    const row = vectors.rowOf(0) ?? new Uint8Array();
    vectors.close();
    const high = row.subarray(LAYOUT.rowHead, LAYOUT.rowHead + padded);
    const low = row.subarray(LAYOUT.rowHead + padded);
    const bits = Array.from(high, (byte): number => (byte < 128 ? 1 : 0));
    return [
      { name: `row of ${8 + lowBits} bits`, bytes: high },
      { name: `low bits of a row of ${8 + lowBits}`, bytes: low },
      { name: `one-bit code, lowest first, of ${8 + lowBits}`, bytes: packed(bits) },
      { name: `one-bit code, highest first, of ${8 + lowBits}`, bytes: packed(bits, true) },
      { name: `one-bit code in a block, of ${8 + lowBits}`, bytes: inBlock(bits) },
    ];
  });
}

function packed(bits: readonly number[], isHighestFirst = false): Uint8Array {
  return Uint8Array.from({ length: bits.length / 8 }, (_, at) => {
    const eight = bits.slice(8 * at, 8 * at + 8);
    return (isHighestFirst ? eight.toReversed() : eight).reduce((byte, bit, i) => byte | (bit << i), 0);
  });
}

function inBlock(bits: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(GROUPS * LANE_STRIDE);
  for (let group = 0; group < GROUPS; group++)
    bytes[group * LANE_STRIDE] = bits
      .slice(4 * group, 4 * group + 4)
      .reduce((byte, bit, i) => byte | (bit << i), 0);
  return bytes;
}
