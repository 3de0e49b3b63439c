/** The same bytes but for one bit: what must not open, whatever the bytes are. */
export function turnedBit(bytes: Uint8Array, at: number = bytes.length >> 1): Uint8Array {
  const copy = new Uint8Array(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}
