/**
 * Hands out slots: numbers of keys that have sealed nothing yet.
 *
 * A leaf belongs to one owner on one node, so that its slots die in as few pages as possible and no two processes count
 * in the same leaf. `leaves.next` is written in the transaction that uses the slots. In memory the count only goes up.
 * What a job sealed before it failed may lie in the engine's log for ever, so its slots are asked to die with the next
 * commit; those of a process that ended are above `leaves.next`, and die when the keyring is opened.
 */
import type { Clock } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { Keyring } from '../keys/keyring.ts';
import { encodeSlots, LEAF_SLOTS, parseSlot, slotOf, type Slot } from '../keys/slot.ts';
import { insertRows } from './handle.ts';
import type { Deferred, Flusher, Store, Tx } from './store.ts';

/** The owner of slots that belong to no tenant: service keys. */
export const DEPLOYMENT = 'deployment';

interface Cursor {
  leaf: number;
  next: number;
}

interface Taken extends Cursor {
  readonly owner: string;
  /** The first index of this taking; `next` is the one behind its last. */
  readonly from: number;
}

export class SlotAllocator {
  readonly #keyring: Pick<Keyring, 'takeLeaf'> | null;
  readonly #clock: Clock;
  readonly #node: string;
  readonly #cursors = new Map<string, Cursor>();
  /** Slots of jobs that failed: asked to die in the next commit, since what they sealed may lie in the engine's log. */
  #burnt: Slot[] = [];
  readonly #flusher: Flusher<Taken> = {
    flush: (sql, taken, change) => this.#persist(sql, taken, change),
    committed: () => {
      this.#burnt = this.#burnt.slice(this.#asked);
      this.#asked = 0;
    },
    failed: (taken) => {
      this.#asked = 0;
      for (const { item } of taken)
        for (let index = item.from; index < item.next; index++) this.#burnt.push(slotOf(item.leaf, index));
    },
  };
  /** How many of the burnt slots the commit under way asks for. */
  #asked = 0;

  /** Without a keyring none is handed out: nothing new is sealed in a store that can only be read. */
  constructor(keyring: Pick<Keyring, 'takeLeaf'> | null, clock: Clock, node = 'node-1') {
    this.#keyring = keyring;
    this.#clock = clock;
    this.#node = node;
  }

  get isReadOnly(): boolean {
    return this.#keyring === null;
  }

  /** `count` fresh slots for a vault, an organization or the deployment, in ascending order within a leaf. */
  async take(tx: Tx, owner: string, count: number): Promise<readonly Slot[]> {
    if (!Number.isInteger(count) || count < 0) throw new RangeError(`not a number of slots: ${count}`);
    const keyring = this.#keyring;
    if (keyring === null) throw new StrongroomError('store.restoring');
    const taken: Slot[] = [];
    let cursor = this.#cursors.get(owner) ?? (await this.#resume(tx, owner));
    while (taken.length < count) {
      if (cursor === null || cursor.next >= LEAF_SLOTS) cursor = { leaf: keyring.takeLeaf(), next: 0 };
      const until = Math.min(LEAF_SLOTS, cursor.next + count - taken.length);
      const from = cursor.next;
      for (let index = from; index < until; index++) taken.push(slotOf(cursor.leaf, index));
      cursor.next = until;
      this.#cursors.set(owner, cursor);
      tx.defer(this.#flusher, { owner, leaf: cursor.leaf, from, next: until });
    }
    return taken;
  }

  /** One fresh slot. */
  async takeOne(tx: Tx, owner: string): Promise<Slot> {
    const [slot] = await this.take(tx, owner, 1);
    if (slot === undefined) throw new StrongroomError('internal', 'no slot was handed out');
    return slot;
  }

  /** Where this node stopped in the owner's newest leaf. */
  async #resume(tx: Tx, owner: string): Promise<Cursor | null> {
    const row = await tx.sql
      .selectFrom('leaves')
      .select(['leaf', 'next'])
      .where('owner', '=', owner)
      .where('node', '=', this.#node)
      .orderBy('leaf', 'desc')
      .limit(1)
      .executeTakeFirst();
    return row ?? null;
  }

  /** One row per leaf and group, with the highest count: jobs of a group may have taken from the same leaf. */
  async #persist(sql: Tx['sql'], taken: readonly Deferred<Taken>[], change: number): Promise<void> {
    await this.#requestBurnt(sql, change);
    const leaves = new Map(
      taken.map(({ item: { owner, leaf, next }, change }) => [leaf, { owner, leaf, next, change }]),
    );
    const rows = [...leaves.values()].map((row) => ({ ...row, node: this.#node }));
    await sql
      .insertInto('leaves')
      .values(rows)
      .onConflict((conflict) =>
        conflict
          .column('leaf')
          .doUpdateSet((row) => ({ next: row.ref('excluded.next'), change: row.ref('excluded.change') })),
      )
      .execute();
  }

  /** The keyring does what stands in `key_requests` with its next tending, or when it is opened. */
  async #requestBurnt(sql: Tx['sql'], change: number): Promise<void> {
    this.#asked = this.#burnt.length;
    const [first] = this.#burnt;
    if (first === undefined) return;
    await insertRows(sql, 'key_requests', [
      {
        id: `burnt_${first}`,
        slots: encodeSlots(this.#burnt),
        reason: 'slots.burnt',
        state: 'hidden',
        epoch: 0,
        requested_at: this.#clock.now(),
        destroyed_at: null,
        confirmed: '[]',
        missing: '[]',
        change,
      },
    ]);
  }
}

/** The slot of a service key, made at its first use. */
export async function serviceSlot(tx: Tx, slots: SlotAllocator, name: string, now: number): Promise<Slot> {
  const row = await tx.sql
    .selectFrom('service_slots')
    .select('slot')
    .where('name', '=', name)
    .executeTakeFirst();
  if (row !== undefined) return parseSlot(row.slot);
  const slot = await slots.takeOne(tx, DEPLOYMENT);
  await insertRows(tx.sql, 'service_slots', [{ name, slot, created_at: now, change: tx.change }]);
  return slot;
}

/** All service slots there are, by name. */
export async function serviceSlots(
  db: Parameters<Parameters<Store['read']>[1]>[0],
): Promise<ReadonlyMap<string, Slot>> {
  const rows = await db.selectFrom('service_slots').select(['name', 'slot']).execute();
  return new Map(rows.map(({ name, slot }) => [name, parseSlot(slot)]));
}
