/** Sets of slots as ranges: what a segment covers is mostly one run after another. */

/** Ascending, inclusive, not touching one another. */
export type SlotRanges = readonly (readonly [number, number])[];

export function toRanges(slots: Iterable<number>): SlotRanges {
  const ranges: [number, number][] = [];
  for (const slot of [...new Set(slots)].sort((left, right) => left - right)) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] + 1 === slot) last[1] = slot;
    else ranges.push([slot, slot]);
  }
  return ranges;
}

export function hasSlot(ranges: SlotRanges, slot: number): boolean {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const range = ranges[middle];
    if (range === undefined) return false;
    if (slot < range[0]) high = middle;
    else if (slot > range[1]) low = middle + 1;
    else return true;
  }
  return false;
}
