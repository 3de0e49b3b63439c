/** The walk through every fault point again, with other histories; `STRONGROOM_WALK_SEEDS` sets how many. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { Walk } from '../crash-photos.ts';

const SEEDS = Number(process.env['STRONGROOM_WALK_SEEDS'] ?? 4);

for (let at = 0; at < SEEDS; at++) {
  const seed = randomInt(2 ** 31);
  test(`history ${seed} survives a crash at any fault point`, async (t) => {
    const walk = await Walk.run(t, seed, 40);
    assert.ok(walk.photos.size > 20);
    assert.deepEqual(await walk.developAll(), []);
  });
}
