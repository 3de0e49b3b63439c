import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forEachEngine } from '../store/testing/engines.ts';
import { CheckpointClock } from './checkpoint-clock.ts';
import { DEPLOYMENT_LOG } from './entry.ts';
import { createLedgerWorld } from './testing/ledger-world.ts';

forEachEngine(
  'a tick signs every log that has grown, the deployment’s last, and then rests',
  async (t, engine) => {
    const { store, ledger, organization, newId, draft, append } = await createLedgerWorld(t, engine);
    const clock = new CheckpointClock(ledger);
    assert.deepEqual(await clock.tick(), [], 'nothing there yet');
    await append(2);
    const second = newId('organization');
    await store.write(second, (tx) => {
      ledger.append(tx, draft());
      return Promise.resolve();
    });
    const signed = await clock.tick();
    assert.deepEqual(
      signed.map(({ log, size }) => [log, size]),
      [
        [organization, 2],
        [second, 1],
        [DEPLOYMENT_LOG, 2],
      ],
    );
    assert.deepEqual(await clock.tick(), [], 'a tick alone makes nothing grow');
    await append(1);
    assert.deepEqual(
      (await clock.tick()).map(({ log, size }) => [log, size]),
      [
        [organization, 3],
        [DEPLOYMENT_LOG, 3],
      ],
    );
  },
);

test('ticks that come while one is at work share it', async (t) => {
  const { ledger, append } = await createLedgerWorld(t);
  await append(1);
  const clock = new CheckpointClock(ledger);
  const [one, other] = await Promise.all([clock.tick(), clock.tick()]);
  assert.equal(one, other);
  assert.equal(one.length, 2);
});

test('a tick finds out that entries can be kept again', async (t) => {
  const { ledger, append, failAt } = await createLedgerWorld(t);
  const clock = new CheckpointClock(ledger);
  failAt('ledger.heads');
  await assert.rejects(append(1));
  await assert.rejects(clock.tick(), { code: 'ledger.unavailable' });
  assert.equal(ledger.health.ok, false);
  failAt(null);
  await clock.tick();
  assert.equal(ledger.health.ok, true);
});
