/** What an epoch is asked to do, in terms of leaves. */
import type { LeafRow, PunctureRequest } from './key-journal.ts';
import type { PunctureOutcome } from './keyring-parts.ts';
import type { DeadIndexes } from './leaf.ts';
import { OWN_LEAF } from './sealed-side.ts';
import { indexOf, leafOf, type Slot } from './slot.ts';
import { livingLeaves, type Tree } from './tree.ts';

/** What one epoch is to do. */
export interface EpochOrder {
  readonly requests: readonly PunctureRequest[];
  readonly isFull?: boolean;
  /** Ends a restore: the ledger's new generation. */
  readonly restore?: { readonly generation: number };
  /** Leaves that the database knows: every slot that it has not handed out dies, and so does every other leaf. */
  readonly unused?: readonly LeafRow[];
  /** The side files get new keys, and those they had die. */
  readonly turnsSides?: boolean;
  /** How many leaves the database has that this keystore never had. */
  readonly lost?: number;
  /** The generation of a restore that was interrupted after its epoch had become the truth. */
  readonly restored?: number | null;
  /** Told as soon as the outcome is durable, before what may follow later. */
  readonly onDone?: (outcome: PunctureOutcome) => void;
}

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
