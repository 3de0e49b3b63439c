/** An erasure of each kind, stopped at every fault point that it passes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crash, KINDS } from '../erasure-crashes.ts';

for (const kind of Object.keys(KINDS) as (keyof typeof KINDS)[])
  test(`an erasure of a ${kind} that a crash stops anywhere is there whole or not at all`, async (t) => {
    const { faults, points } = await crash(t, kind, () => true);
    assert.deepEqual(faults, []);
    assert.ok(points.size > 15, [...points].join());
  });
