import assert from 'node:assert/strict';
import { realEnvironment } from '../environment.ts';
import { LEAF_SLOTS, leafOf, slotOf, type Slot } from '../keys/slot.ts';
import { serviceSlot, serviceSlots, SlotAllocator } from './slots.ts';
import { SYSTEM, type Store } from './store.ts';
import { forEachEngine } from './testing/engines.ts';
import { ANN, BEN } from './testing/rows.ts';

/** Leaves one after the other, as the keyring hands them out. */
const leavesFrom = (first: number): { takeLeaf(): number } => {
  let next = first;
  return { takeLeaf: () => next++ };
};

const take = (store: Store, slots: SlotAllocator, owner: string, count: number): Promise<readonly Slot[]> =>
  store.write(SYSTEM, (tx) => slots.take(tx, owner, count));

const leafRows = (store: Store) =>
  store.read(SYSTEM, (db) =>
    db.selectFrom('leaves').select(['leaf', 'owner', 'node', 'next']).orderBy('leaf').execute(),
  );

forEachEngine('no slot is handed out twice, across jobs, leaves and a reopening', async (_t, engine) => {
  const store = await engine.open();
  const slots = new SlotAllocator(leavesFrom(1), realEnvironment.clock);
  const taken = [
    ...(await take(store, slots, ANN, 3)),
    ...(await take(store, slots, ANN, LEAF_SLOTS)),
    ...(await take(store, slots, ANN, 2 * LEAF_SLOTS)),
  ];
  await store.close();
  const reopened = await engine.open();
  taken.push(...(await take(reopened, new SlotAllocator(leavesFrom(5), realEnvironment.clock), ANN, 10)));
  assert.equal(new Set(taken).size, 3 + 3 * LEAF_SLOTS + 10);
  assert.deepEqual(await leafRows(reopened), [
    ...[1, 2, 3].map((leaf) => ({ leaf, owner: ANN, node: 'node-1', next: LEAF_SLOTS })),
    { leaf: 4, owner: ANN, node: 'node-1', next: 13 },
  ]);
});

forEachEngine(
  'slots of a failed job are not handed out again, and its leaf is written with the next job',
  async (_t, engine) => {
    const store = await engine.open();
    const slots = new SlotAllocator(leavesFrom(1), realEnvironment.clock);
    let lost: readonly Slot[] = [];
    const failing = store.write(SYSTEM, async (tx) => {
      lost = await slots.take(tx, ANN, 5);
      throw new RangeError('no');
    });
    await assert.rejects(failing, RangeError);
    assert.deepEqual(await leafRows(store), []);
    assert.deepEqual(await take(store, slots, ANN, 1), [slotOf(1, 5)]);
    assert.equal(lost.length, 5);
    assert.equal((await leafRows(store))[0]?.next, 6);
  },
);

forEachEngine('every owner and every node has leaves of its own', async (_t, engine) => {
  const store = await engine.open();
  const leaves = leavesFrom(1);
  const [first, second] = [
    new SlotAllocator(leaves, realEnvironment.clock, 'node-1'),
    new SlotAllocator(leaves, realEnvironment.clock, 'node-2'),
  ];
  const taken = await Promise.all([
    take(store, first, ANN, 2),
    take(store, first, BEN, 2),
    take(store, second, ANN, 2),
    take(store, first, ANN, 2),
  ]);
  assert.deepEqual(
    taken.map((slots) => [...new Set(slots.map(leafOf))]),
    [[1], [2], [3], [1]],
  );
  assert.deepEqual(
    (await leafRows(store)).map(({ owner, node, next }) => [owner, node, next]),
    [
      [ANN, 'node-1', 4],
      [BEN, 'node-1', 2],
      [ANN, 'node-2', 2],
    ],
  );
});

forEachEngine('a service key has one slot for ever', async (_t, engine) => {
  const store = await engine.open();
  const slots = new SlotAllocator(leavesFrom(1), realEnvironment.clock);
  const slotOfPepper = () => store.write(SYSTEM, (tx) => serviceSlot(tx, slots, 'pepper', 1));
  const pepper = await slotOfPepper();
  const signer = await store.write(SYSTEM, (tx) => serviceSlot(tx, slots, 'signer', 1));
  assert.equal(await slotOfPepper(), pepper);
  assert.notEqual(signer, pepper);
  const all = await store.read(SYSTEM, serviceSlots);
  assert.deepEqual(Object.fromEntries(all), { pepper, signer });
});
