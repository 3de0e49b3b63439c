/**
 * Who ends content for good: every path on which a memory or a vault is erased goes through this one door, so that each
 * erasure has its record, takes along what was derived, and can be certified. `lifecycle/` implements it.
 */
import type { ErasureId } from '../ids.ts';
import type { ErasureRow } from '../store/schema.ts';
import type { Tx } from '../store/store.ts';
import type { Vault } from './vault.ts';

/** Who wants it, and what brought it about. */
export interface ErasedBy {
  readonly principal: string;
  readonly cause: ErasureRow['cause'];
}

/** An erasure that stands in its transaction: refused to everybody from now on, durable with the commit. */
export interface Begun {
  readonly id: ErasureId;
  /** Of memories that go, those derived from them included; null where they are counted as they are removed. */
  readonly count: number | null;
  /** After the commit. `accepted`: a replica of the keystore is away and has yet to forget. */
  finish(): Promise<'done' | 'accepted'>;
}

export interface Eraser {
  /** Memories of one vault with all that was derived from them. Throws `held`. */
  memories(
    tx: Tx,
    by: ErasedBy,
    vault: Pick<Vault, 'id' | 'organization'>,
    ids: readonly string[],
  ): Promise<Begun>;
  /** A vault with everything in it. Throws `held`. */
  vault(tx: Tx, by: ErasedBy, vault: Vault): Promise<Begun>;
}
