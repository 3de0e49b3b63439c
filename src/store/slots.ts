/**
 * Hands out slots: numbers of keys that have sealed nothing yet.
 *
 * A leaf belongs to one owner on one node, so that its slots die in as few pages as possible and no two processes count
 * in the same leaf. `leaves.next` is written in the transaction that uses the slots. In memory the count only goes up:
 * slots of a job that failed are not handed out again before the process ends, and nothing durable was sealed under them.
 */
import { StrongroomError } from '../errors.ts';
import type { Keyring } from '../keys/keyring.ts';
import { LEAF_SLOTS, parseSlot, slotOf, type Slot } from '../keys/slot.ts';
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
}

export class SlotAllocator {
  readonly #keyring: Pick<Keyring, 'takeLeaf'>;
  readonly #node: string;
  readonly #cursors = new Map<string, Cursor>();
  readonly #flusher: Flusher<Taken> = { flush: (sql, taken) => this.#persist(sql, taken) };

  constructor(keyring: Pick<Keyring, 'takeLeaf'>, node = 'node-1') {
    this.#keyring = keyring;
    this.#node = node;
  }

  /** `count` fresh slots for a vault, an organization or the deployment, in ascending order within a leaf. */
  async take(tx: Tx, owner: string, count: number): Promise<readonly Slot[]> {
    if (!Number.isInteger(count) || count < 0) throw new RangeError(`not a number of slots: ${count}`);
    const taken: Slot[] = [];
    let cursor = this.#cursors.get(owner) ?? (await this.#resume(tx, owner));
    while (taken.length < count) {
      if (cursor === null || cursor.next >= LEAF_SLOTS) cursor = { leaf: this.#keyring.takeLeaf(), next: 0 };
      const until = Math.min(LEAF_SLOTS, cursor.next + count - taken.length);
      for (let index = cursor.next; index < until; index++) taken.push(slotOf(cursor.leaf, index));
      cursor.next = until;
      this.#cursors.set(owner, cursor);
      tx.defer(this.#flusher, { owner, leaf: cursor.leaf, next: until });
    }
    return taken;
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
  async #persist(sql: Tx['sql'], taken: readonly Deferred<Taken>[]): Promise<void> {
    const leaves = new Map(taken.map(({ item, change }) => [item.leaf, { ...item, change }]));
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
}

/** The slot of a service key, made at its first use. */
export async function serviceSlot(tx: Tx, slots: SlotAllocator, name: string, now: number): Promise<Slot> {
  const row = await tx.sql
    .selectFrom('service_slots')
    .select('slot')
    .where('name', '=', name)
    .executeTakeFirst();
  if (row !== undefined) return parseSlot(row.slot);
  const [slot] = await slots.take(tx, DEPLOYMENT, 1);
  if (slot === undefined) throw new StrongroomError('internal', 'no slot was handed out');
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
