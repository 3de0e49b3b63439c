import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { soundSteps } from './epoch.ts';
import type { Keyring } from './keyring.ts';
import { slotOf, type Slot } from './slot.ts';
import { World } from './testing/world.ts';

const request = (...slots: Slot[]): { id: string; slots: Slot[]; reason: string } => ({
  id: `era_${slots.join('_')}`,
  slots,
  reason: 'test',
});

const TURNS = 12;

/** A keyring, and for how many slots it has made a plan, in order. */
async function counted(): Promise<{ world: World; keyring: Keyring; planned: number[] }> {
  const world = await World.create();
  const planned: number[] = [];
  world.steps = {
    check: (before, plan) => {
      planned.push([...plan.order.puncture.values()].reduce((sum, { indexes }) => sum + indexes.length, 0));
      return soundSteps.check(before, plan);
    },
  };
  const keyring = await world.open();
  planned.length = 0;
  return { world, keyring, planned };
}

async function told(keyring: Keyring, ...slots: Slot[]): Promise<void> {
  // Not while what follows an answer is still being done.
  await keyring.withEpochs(() => Promise.resolve());
  keyring.lookAhead(slots);
  // A plan gives way to others where it takes long, once for each of its few steps.
  for (let turn = 0; turn < TURNS; turn++) await nextTurn();
}

test('what was planned while its request became durable is what the epoch writes, and is planned once', async () => {
  const { keyring, planned } = await counted();
  await told(keyring, slotOf(1, 7));
  assert.deepEqual([planned, keyring.isErased(slotOf(1, 7))], [[1], false]);
  assert.equal((await keyring.puncture(request(slotOf(1, 7)))).state, 'destroyed');
  assert.deepEqual(planned, [1]);
  assert.ok(keyring.isErased(slotOf(1, 7)) && !keyring.isErased(slotOf(1, 8)));
});

test('several jobs of one commit are planned together', async () => {
  const { keyring, planned } = await counted();
  keyring.lookAhead([slotOf(1, 7)]);
  keyring.lookAhead([slotOf(2, 9)]);
  await nextTurn();
  await Promise.all([slotOf(1, 7), slotOf(2, 9)].map((slot) => keyring.puncture(request(slot))));
  assert.deepEqual(planned, [2]);
  assert.ok(keyring.isErased(slotOf(1, 7)) && keyring.isErased(slotOf(2, 9)));
});

test('nothing dies that was planned and not asked for', async () => {
  const { keyring, planned } = await counted();
  await told(keyring, slotOf(1, 7));
  await keyring.puncture(request(slotOf(1, 8)));
  assert.ok(!keyring.isErased(slotOf(1, 7)) && keyring.isErased(slotOf(1, 8)));
  await told(keyring, slotOf(1, 9), slotOf(1, 10));
  await keyring.puncture(request(slotOf(1, 9)));
  assert.ok(keyring.isErased(slotOf(1, 9)) && !keyring.isErased(slotOf(1, 10)));
  assert.deepEqual(planned, [1, 1, 2, 1]);
});

test('what runs in between, or takes long, makes the plan worthless', async () => {
  const { world, keyring, planned } = await counted();
  await told(keyring, slotOf(1, 7));
  await keyring.turn({ sides: true });
  await keyring.puncture(request(slotOf(1, 7)));
  await told(keyring, slotOf(1, 8));
  world.nowMs += 60_000;
  await keyring.puncture(request(slotOf(1, 8)));
  assert.ok(keyring.isErased(slotOf(1, 7)) && keyring.isErased(slotOf(1, 8)));
  assert.equal(planned.length, 5);
});

test('derived state that came after the plan dies along', async () => {
  const { keyring } = await counted();
  await told(keyring, slotOf(1, 7));
  keyring.holdDerived((dead) => (dead.has(slotOf(1, 7)) ? [slotOf(3, 1)] : []));
  await keyring.puncture(request(slotOf(1, 7)));
  assert.ok(keyring.isErased(slotOf(1, 7)) && keyring.isErased(slotOf(3, 1)));
});
