/** What an epoch is asked to do, in terms of leaves. */
import type { LeafRow } from './key-journal.ts';
import type { DeadIndexes } from './leaf.ts';
import { OWN_LEAF } from './sealed-side.ts';
import { indexOf, leafOf, type Slot } from './slot.ts';
import { livingLeaves, type Tree } from './tree.ts';

/** Slots by their leaves. */
export function punctureOf(slots: Iterable<Slot>): Map<number, DeadIndexes> {
  const byLeaf = new Map<number, number[]>();
  for (const slot of slots) {
    const indexes = byLeaf.get(leafOf(slot));
    if (indexes === undefined) byLeaf.set(leafOf(slot), [indexOf(slot)]);
    else indexes.push(indexOf(slot));
  }
  return new Map([...byLeaf].map(([leaf, indexes]) => [leaf, { indexes }]));
}

/**
 * Everything that a restored database cannot know: in each leaf the slots that were handed out after its moment, and
 * the leaves that it does not have at all. Content under them has no row any more and could never be erased. The
 * keystore's own leaf stays.
 */
export function punctureUnknown(
  tree: Tree,
  known: readonly LeafRow[],
  also: ReadonlyMap<number, DeadIndexes>,
): Map<number, DeadIndexes> {
  const next = new Map(known.map((row) => [row.leaf, row.next]));
  const puncture = new Map<number, DeadIndexes>();
  for (const { leaf } of livingLeaves(tree)) {
    if (leaf === OWN_LEAF) continue;
    puncture.set(leaf, { indexes: also.get(leaf)?.indexes ?? [], from: next.get(leaf) ?? 0 });
  }
  return puncture;
}
