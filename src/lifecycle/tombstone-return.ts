/**
 * Digests of what was erased after a backup, put back into what was restored from it. Their slots were handed out after the
 * backup's moment too, and a restore ends every such slot; so those of digests are spared, as are those under which names of
 * legal holds lie (hold-notes.ts), and what else was handed out in their leaves since is asked to die by name.
 */
import type { NewId } from '../ids.ts';
import type { Keyring } from '../keys/keyring.ts';
import { encodeSlots, indexOf, LEAF_SLOTS, leafOf, slotOf, type Slot } from '../keys/slot.ts';
import { insertRows, SYSTEM, type Store, type Tx } from '../store/store.ts';
import type { Buried } from '../vaults/tombstones.ts';
import { buriedIn } from './erasure-notes.ts';
import { slotsOfHolds } from './hold-notes.ts';

export interface TombstoneReturnParts {
  readonly store: Store;
  readonly keyring: Pick<Keyring, 'notes' | 'isErased'>;
  readonly newId: NewId;
  readonly now: number;
}

/** Before the epoch that commits a restore. Can be done again. */
export async function returnTombstones({ store, keyring, newId, now }: TombstoneReturnParts): Promise<void> {
  const vaults = new Set(
    (await store.read(SYSTEM, (db) => db.selectFrom('vaults').select('id').execute())).map(({ id }) => id),
  );
  const buried = buriedIn(keyring.notes).filter(
    ({ set }) => set.ends_at > now && vaults.has(set.vault) && !keyring.isErased(set.slot as Slot),
  );
  const organizations = new Set(
    (await store.read(SYSTEM, (db) => db.selectFrom('organizations').select('id').execute())).map(
      ({ id }) => id,
    ),
  );
  const holds = slotsOfHolds(keyring.notes).filter(
    ({ slot, organization }) => organizations.has(organization) && !keyring.isErased(slot),
  );
  if (buried.length + holds.length === 0) return;
  await store.write(SYSTEM, async (tx) => {
    for (const one of buried) await putBack(tx, one);
    const owners = new Map<number, string>(buried.map(({ set }) => [set.slot, set.vault]));
    for (const { slot, organization } of holds) owners.set(slot, organization);
    const ended = await closeLeaves(tx, [...owners.keys()] as Slot[], owners);
    if (ended.length === 0) return;
    await insertRows(tx.sql, 'key_requests', [
      {
        id: newId('erasure'),
        slots: encodeSlots(ended),
        reason: 'restore.unused',
        state: 'hidden',
        epoch: 0,
        requested_at: now,
        destroyed_at: null,
        confirmed: '[]',
        missing: '[]',
        change: tx.change,
      },
    ]);
  });
}

async function putBack(tx: Tx, { set, digests }: Buried): Promise<void> {
  const { change } = tx;
  await tx.sql
    .insertInto('tombstone_sets')
    .values({ ...set, change })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute();
  const owner = { tombstone_set: set.id, organization: set.organization, vault: set.vault, change };
  for (const digest of digests)
    await tx.sql
      .insertInto('tombstones')
      .values({ ...owner, digest })
      .onConflict((conflict) => conflict.columns(['tombstone_set', 'digest']).doNothing())
      .execute();
}

/** Leaves with a spared slot that the restored rows have not handed out are used up; answers their other slots. */
async function closeLeaves(
  tx: Tx,
  spared: readonly Slot[],
  owners: ReadonlyMap<number, string>,
): Promise<readonly Slot[]> {
  const ended: Slot[] = [];
  for (const [leaf, own] of Map.groupBy(spared, leafOf)) {
    const row = await tx.sql.selectFrom('leaves').selectAll().where('leaf', '=', leaf).executeTakeFirst();
    const next = row?.next ?? 0;
    const late = new Set(own.filter((slot) => indexOf(slot) >= next));
    if (late.size === 0) continue;
    for (let index = next; index < LEAF_SLOTS; index++) {
      const slot = slotOf(leaf, index);
      if (!late.has(slot)) ended.push(slot);
    }
    const owner = row?.owner ?? owners.get(own[0] ?? 0) ?? '';
    const values = { leaf, owner, node: row?.node ?? 'node-1', next: LEAF_SLOTS, change: tx.change };
    await tx.sql
      .insertInto('leaves')
      .values(values)
      .onConflict((conflict) => conflict.column('leaf').doUpdateSet({ next: LEAF_SLOTS, change: tx.change }))
      .execute();
  }
  return ended;
}
