/**
 * What the keyring needs of the database: a port, implemented by the store.
 *
 * The database never holds key material. It holds which epochs there were, which leaves belong to whom, and which
 * slots are asked to die: enough to tell, after a crash or a restore, which root is the true one and what is left to do.
 * Every method that writes is ONE durable transaction and resolves after its commit is on disk. An error of `prepare`,
 * `accept` or `complete` ends the process, because nobody knows then what is on disk; the next opening decides.
 */
import type { Bytes } from '../bytes/encoding.ts';
import type { Slot } from './slot.ts';

/** Slots that are to die together. The id is ours (`era_…`, `key_…`, …) and the reason content-free. */
export interface PunctureRequest {
  readonly id: string;
  readonly slots: readonly Slot[];
  readonly reason: string;
}

export interface EpochRow {
  readonly epoch: number;
  /** Eight bytes. */
  readonly fileId: Bytes;
  readonly state: 'prepared' | 'complete';
}

/** A leaf that has an owner: slots from `next` up have not been handed out. */
export interface LeafRow {
  readonly leaf: number;
  readonly next: number;
}

/** The head of the deployment's log. Each committed restore starts a new generation of it. */
export interface LedgerHead {
  readonly size: number;
  /** Thirty-two bytes. */
  readonly root: Bytes;
  readonly generation: number;
}

export interface EpochOutcome {
  /** Names of the replicas that hold this epoch and nothing older, as read back. */
  readonly confirmed: readonly string[];
  /** Names of the configured replicas that could not be reached. */
  readonly missing: readonly string[];
  /** Ids of the requests that are destroyed now: all slots dead, and no configured replica holds an older root. */
  readonly destroyed: readonly string[];
  /** Set where this ends a restore: the ledger's new generation. The data directory is writable from here on. */
  readonly restored: number | null;
  /** Whether the slots from `next` up are dead in every leaf that has an owner: none of them may be handed out. */
  readonly isTailDead: boolean;
}

export interface KeyJournal {
  /** Ascending. Old rows may be removed, but never the newest `complete` one nor any above it. */
  epochs(): Promise<readonly EpochRow[]>;

  /** All rows of `leaves`, in any order. */
  leaves(): Promise<readonly LeafRow[]>;

  /** Requests that are not yet `destroyed`. */
  pending(): Promise<readonly PunctureRequest[]>;

  /** Requests recorded for epochs above `epoch`, destroyed ones too: what an older keystore must be told again. */
  requestsAfter(epoch: number): Promise<readonly PunctureRequest[]>;

  /** Too few replicas for an epoch: the requests become `hidden` rows without an epoch (upsert by id). */
  accept(requests: readonly PunctureRequest[]): Promise<void>;

  /**
   * Barrier 1: the requests become `hidden` rows of this epoch (upsert by id: a request may be done again), the epoch's
   * row is inserted as `prepared`, `keyring_head` moves to it. `alsoPunctured` are slots of derived state (segments,
   * snapshots) that die along. A writer that derived keys before this commit must fail after it (`epoch.changed`).
   * `onWritten` may be called once all is said and only the commit is left.
   */
  prepare(
    row: { readonly epoch: number; readonly fileId: Bytes },
    requests: readonly PunctureRequest[],
    alsoPunctured: readonly Slot[],
    onWritten?: () => void,
  ): Promise<void>;

  /** Step 5: the epoch's row turns `complete`, the named requests (and no others) `destroyed`. Other rows stay as they are. */
  complete(epoch: number, outcome: EpochOutcome): Promise<void>;

  /** Null before the first entry. Only what is durable. */
  ledgerHead(): Promise<LedgerHead | null>;

  /** Whether today's log extends that head: same generation, at least as long, same root at that size. */
  ledgerConsistent(head: LedgerHead): Promise<boolean>;
}
