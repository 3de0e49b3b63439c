/**
 * Leaves that are complete in an epoch and not handed out yet (I5: a leaf is used only after its epoch is complete).
 * Handed out in ascending order and never twice, also across restarts: whatever lies below the highest leaf that the
 * database knows counts as handed out.
 */
import { StrongroomError } from '../errors.ts';
import { isWhole } from './leaf.ts';
import type { LeafRow } from './key-journal.ts';
import { OWN_LEAF } from './sealed-side.ts';
import { livingLeaves, type Tree } from './tree.ts';

const SPARE_MIN = 16;
const SPARE = 32;
const PER_EPOCH_MAX = 4096;

export class SpareLeaves {
  readonly #spare: number[] = [];
  #takenSinceAllotment = 0;

  constructor(tree: Tree, known: readonly LeafRow[]) {
    const highest = known.reduce((max, { leaf }) => Math.max(max, leaf), OWN_LEAF);
    for (const { leaf, child } of livingLeaves(tree)) {
      if (leaf > highest && isWhole(child.page)) this.#spare.push(leaf);
    }
  }

  get count(): number {
    return this.#spare.length;
  }

  get isLow(): boolean {
    return this.#spare.length < SPARE_MIN;
  }

  /** Throws `busy` where none is left until the next epoch. */
  take(): number {
    const leaf = this.#spare.shift();
    if (leaf === undefined)
      throw new StrongroomError('busy', { detail: 'no key leaf is ready yet', retryAfterS: 1 });
    this.#takenSinceAllotment++;
    return leaf;
  }

  /** How many leaves the next epoch should add: with demand, more at a time. */
  wanted(): number {
    if (this.#spare.length >= SPARE) return 0;
    return Math.min(PER_EPOCH_MAX, Math.max(SPARE - this.#spare.length, 2 * this.#takenSinceAllotment));
  }

  /** Leaves `first` up to `end` (exclusive) are complete. */
  add(first: number, end: number): void {
    for (let leaf = first; leaf < end; leaf++) this.#spare.push(leaf);
    if (end > first) this.#takenSinceAllotment = 0;
  }

  /** A committed restore punctured what was spare. */
  clear(): void {
    this.#spare.length = 0;
  }
}
