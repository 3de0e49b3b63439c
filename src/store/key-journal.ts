/**
 * The keyring's journal in the database (docs/keyring.md): epochs, the head, leaves, and what is asked to die.
 *
 * Each method that writes is one job of the store, so one durable transaction. All of it is content-free: numbers of
 * keys, our own ids and reasons. `keyring_head` moves under the same lock as every write, so a job that saw epoch e has
 * committed before e + 1 is prepared or sees e + 1 (`tx.epoch`).
 */
import type { Clock } from '../environment.ts';
import type {
  EpochOutcome,
  EpochRow,
  KeyJournal,
  LeafRow,
  LedgerHead,
  PunctureRequest,
} from '../keys/key-journal.ts';
import { decodeSlots, encodeSlots, LEAF_SLOTS, type Slot } from '../keys/slot.ts';
import type { KeyRequestRow } from './schema.ts';
import { insertRows, rowByKey, SYSTEM, upsertRows, type Store, type Tx } from './store.ts';

/** What the journal asks of the ledger, which lies above it. */
export interface LedgerWitness {
  ledgerHead(): Promise<LedgerHead | null>;
  ledgerConsistent(head: LedgerHead): Promise<boolean>;
}

/** What is written of a request that is known already. */
const ASKED_AGAIN = ['slots', 'reason', 'state', 'epoch', 'destroyed_at', 'change'] as const;
/** A request that waits for its epoch. */
const NO_EPOCH = 0;
/** Values in one statement. */
const LIST_MAX = 500;

export class SqlKeyJournal implements KeyJournal {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #witness: LedgerWitness;

  constructor(store: Store, clock: Clock, witness: LedgerWitness) {
    this.#store = store;
    this.#clock = clock;
    this.#witness = witness;
  }

  async epochs(): Promise<readonly EpochRow[]> {
    const rows = await this.#store.read(SYSTEM, (db) =>
      db.selectFrom('epochs').select(['epoch', 'file_id', 'state']).orderBy('epoch').execute(),
    );
    return rows.map(({ epoch, file_id, state }) => ({ epoch, fileId: new Uint8Array(file_id), state }));
  }

  leaves(): Promise<readonly LeafRow[]> {
    return this.#store.read(SYSTEM, (db) => db.selectFrom('leaves').select(['leaf', 'next']).execute());
  }

  async pending(): Promise<readonly PunctureRequest[]> {
    const rows = await this.#store.read(SYSTEM, (db) =>
      db.selectFrom('key_requests').select(REQUEST).where('state', '=', 'hidden').orderBy('id').execute(),
    );
    return rows.map(requestOf);
  }

  async requestsAfter(epoch: number): Promise<readonly PunctureRequest[]> {
    const rows = await this.#store.read(SYSTEM, (db) =>
      db.selectFrom('key_requests').select(REQUEST).where('epoch', '>', epoch).orderBy('id').execute(),
    );
    return rows.map(requestOf);
  }

  /** Asks, in the caller's transaction, for slots to die: hidden from its commit on, dead with the next epoch. */
  async request(tx: Tx, request: PunctureRequest): Promise<void> {
    const row = this.#hidden(tx, request, NO_EPOCH);
    const known = await rowByKey(tx.sql, 'key_requests', [request.id]);
    if (known === undefined) return insertRows(tx.sql, 'key_requests', [row]);
    const { id, requested_at: _, confirmed: __, missing: ___, ...again } = row;
    await tx.sql.updateTable('key_requests').set(again).where('id', '=', id).execute();
  }

  accept(requests: readonly PunctureRequest[]): Promise<void> {
    return this.#store.write(SYSTEM, async (tx) => {
      for (const request of requests) await this.#hide(tx, request, NO_EPOCH);
    });
  }

  prepare(
    row: Pick<EpochRow, 'epoch' | 'fileId'>,
    requests: readonly PunctureRequest[],
    alsoPunctured: readonly Slot[],
    onWritten?: () => void,
  ): Promise<void> {
    const { epoch, fileId: file_id } = row;
    return this.#store.write(SYSTEM, async (tx) => {
      const { change } = tx;
      await insertRows(tx.sql, 'epochs', [
        { epoch, file_id, state: 'prepared', at: this.#clock.now(), change },
      ]);
      const head = { id: 1 as const, epoch, file_id, change };
      await upsertRows(tx.sql, 'keyring_head', [head], ['epoch', 'file_id', 'change']);
      for (const request of requests) await this.#hide(tx, request, epoch);
      // An older keystore that is recovered must be told of these too, and their own rows are gone by then.
      if (alsoPunctured.length > 0)
        await this.#hide(tx, { id: alongId(epoch), slots: alsoPunctured, reason: 'derived' }, epoch);
      for (const slots of chunks(alsoPunctured)) {
        await tx.sql
          .updateTable('segments')
          .set({ state: 'erased', change })
          .where('slot', 'in', slots)
          .execute();
      }
      onWritten?.();
    });
  }

  complete(epoch: number, outcome: EpochOutcome): Promise<void> {
    const { destroyed, restored, isTailDead } = outcome;
    return this.#store.write(SYSTEM, async (tx) => {
      const { sql, change } = tx;
      await sql.updateTable('epochs').set({ state: 'complete', change }).where('epoch', '=', epoch).execute();
      const set = {
        state: 'destroyed' as const,
        destroyed_at: this.#clock.now(),
        confirmed: JSON.stringify(outcome.confirmed),
        missing: JSON.stringify(outcome.missing),
        change,
      };
      const along = outcome.missing.length === 0 ? [alongId(epoch)] : [];
      for (const ids of chunks([...destroyed, ...along]))
        await sql.updateTable('key_requests').set(set).where('id', 'in', ids).execute();
      if (restored !== null)
        await sql.updateTable('ledger_heads').set({ generation: restored, change }).execute();
      // Every slot that the rows had not handed out has been punctured: their leaves are used up.
      if (isTailDead)
        await sql
          .updateTable('leaves')
          .set({ next: LEAF_SLOTS, change })
          .where('next', '<', LEAF_SLOTS)
          .execute();
    });
  }

  ledgerHead(): Promise<LedgerHead | null> {
    return this.#witness.ledgerHead();
  }

  ledgerConsistent(head: LedgerHead): Promise<boolean> {
    return this.#witness.ledgerConsistent(head);
  }

  #hide(tx: Tx, request: PunctureRequest, epoch: number): Promise<void> {
    return upsertRows(tx.sql, 'key_requests', [this.#hidden(tx, request, epoch)], ASKED_AGAIN);
  }

  #hidden({ change }: Tx, { id, slots, reason }: PunctureRequest, epoch: number): KeyRequestRow {
    const outcome = { confirmed: '[]', missing: '[]', destroyed_at: null };
    const requested_at = this.#clock.now();
    return {
      id,
      slots: encodeSlots(slots),
      reason,
      state: 'hidden',
      epoch,
      requested_at,
      ...outcome,
      change,
    };
  }
}

/** Slots of derived state that died in an epoch along with what was asked for. */
const alongId = (epoch: number): string => `along_${epoch}`;

const REQUEST = ['id', 'slots', 'reason'] as const;

const requestOf = ({
  id,
  slots,
  reason,
}: Pick<KeyRequestRow, (typeof REQUEST)[number]>): PunctureRequest => ({
  id,
  slots: decodeSlots(slots),
  reason,
});

function* chunks<T>(values: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < values.length; at += LIST_MAX) yield values.slice(at, at + LIST_MAX);
}
