/** Ten thousand orders of writers and an erasure: none leaves a write that is acknowledged and dead. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestDeployment } from '../deployment.ts';
import { race } from '../erasure-races.ts';

for (let seed = 1; seed <= 20; seed++)
  test(`500 orders of seed ${seed}`, async (t) => {
    const deployment = await TestDeployment.make(t);
    await deployment.opened(async (open) => {
      assert.deepEqual((await race(open, 500, seed)).faults, []);
    });
  });
