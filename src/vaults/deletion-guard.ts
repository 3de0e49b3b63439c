/**
 * Asked before anything that people put in is trashed or erased, in the very transaction that would do it: whoever must
 * keep it says no here. Every path that ends content asks, so that a new one cannot forget whom to ask.
 */
import type { VaultId } from '../ids.ts';
import type { Tx } from '../store/store.ts';

/** What is about to end. A vault or a subject stands for all that is in it or about it. */
export type Ending =
  | { readonly kind: 'memories'; readonly vault: VaultId; readonly memories: readonly string[] }
  | { readonly kind: 'conversation'; readonly vault: VaultId; readonly conversation: string }
  | { readonly kind: 'vault'; readonly vault: VaultId }
  | { readonly kind: 'subject'; readonly subject: string }
  | { readonly kind: 'organization' };

export interface DeletionGuard {
  /** Throws `held` where any part of it must be kept; nothing of it may end then. */
  require(tx: Tx, ending: Ending): Promise<void>;
  /** Those of the memories that may end: for chores, which leave the others for later. */
  released(tx: Tx, vault: VaultId, memories: readonly string[]): Promise<readonly string[]>;
}

/** Where nothing has to be kept. */
export const NO_GUARD: DeletionGuard = {
  require: () => Promise.resolve(),
  released: (_tx, _vault, memories) => Promise.resolve(memories),
};
