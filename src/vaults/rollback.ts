/**
 * What is held in memory follows the transaction: a change that is made inside a job, so that later jobs of the same
 * commit see it, is taken back when the job or its commit fails.
 */
import type { Flusher, Tx } from '../store/store.ts';

const undone: Flusher<() => void> = {
  flush: () => Promise.resolve(),
  failed: (items) => {
    // Last change first, as the rows are taken back.
    for (const { item } of [...items].reverse()) item();
  },
};

/** Calls `undo` if the job of this transaction, or the commit it shares, does not succeed. */
export function onRollback(tx: Tx, undo: () => void): void {
  tx.defer(undone, undo);
}
