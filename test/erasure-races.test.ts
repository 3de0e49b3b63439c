/** Erasures against writers, and against crashes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Keyring } from '../src/keys/keyring.ts';
import { TestDeployment } from './deployment.ts';
import { crash, KINDS } from './erasure-crashes.ts';
import { race } from './erasure-races.ts';

test('a write against the erasure of its person is refused, came before it, or can be read', async (t) => {
  const deployment = await TestDeployment.make(t);
  await deployment.opened(async (open) => {
    const { faults, acknowledged, refused } = await race(open, 200, 1);
    assert.deepEqual(faults, []);
    assert.ok(acknowledged > 50 && refused > 50, `${acknowledged} acknowledged, ${refused} refused`);
  });
});

test('were slots refused only once their epoch begins, a write that is acknowledged and dead would be found', async (t) => {
  const deployment = await TestDeployment.make(t);
  const { refuse } = Keyring.prototype;
  Keyring.prototype.refuse = () => () => undefined;
  try {
    await deployment.opened(async (open) => {
      const { faults } = await race(open, 60, 1);
      assert.ok(faults.length > 0);
    });
  } finally {
    Keyring.prototype.refuse = refuse;
  }
});

/** Those of the erasure itself, and the two moments of an epoch between which the old root goes; the slow tests have all. */
const POINTS = new Set([
  'erasure.hidden',
  'erasure.destroyed',
  'erasure.complete',
  'erasure.purge',
  'epoch.wipe',
  'epoch.complete',
]);

for (const kind of Object.keys(KINDS) as (keyof typeof KINDS)[])
  test(`an erasure of a ${kind} that a crash stops at its own steps is there whole or not at all`, async (t) => {
    const { faults, points } = await crash(t, kind, (point) => POINTS.has(point));
    assert.deepEqual(faults, []);
    assert.deepEqual(points, POINTS);
  });
