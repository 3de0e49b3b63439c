import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { DAY_MS } from '../durations.ts';
import { openStore } from '../store/open-store.ts';
import { temporaryFolder } from '../store/testing/engines.ts';
import { realEnvironment } from '../environment.ts';
import { PlausibleTime } from './plausible-time.ts';

const START = Date.UTC(2026, 4, 7);

/** A clock that can be set, beside what really passes. */
class SetClock {
  wall = START;
  passed = 0;

  now(): number {
    return this.wall;
  }

  elapsed(): number {
    return this.passed;
  }

  pass(ms: number): void {
    this.wall += ms;
    this.passed += ms;
  }
}

async function worldOf(t: TestContext) {
  const directory = await temporaryFolder(t);
  const store = await openStore({ engine: 'sqlite', directory }, realEnvironment, () => undefined);
  t.after(() => store.close());
  const clock = new SetClock();
  return { clock, open: () => PlausibleTime.open(store, clock) };
}

test('what this process saw pass is trusted, however long it is', async (t) => {
  const { clock, open } = await worldOf(t);
  const time = await open();
  for (const days of [1, 40, 400]) {
    clock.pass(days * DAY_MS);
    assert.equal(time.now(), clock.wall);
  }
});

test('a step of more than a week is not trusted, and trusted time goes on at the pace of what passes', async (t) => {
  const { clock, open } = await worldOf(t);
  const time = await open();
  clock.wall += 365 * DAY_MS;
  assert.equal(time.now(), START);
  clock.pass(DAY_MS);
  assert.equal(time.now(), START + DAY_MS);
  assert.equal(time.aheadMs, 365 * DAY_MS);
  clock.wall -= 365 * DAY_MS;
  assert.equal(time.now(), clock.wall, 'set right again');
  assert.equal(time.aheadMs, 0);
});

test('a clock that stands by its word for three days is believed', async (t) => {
  const { clock, open } = await worldOf(t);
  const time = await open();
  clock.wall += 30 * DAY_MS;
  for (let hours = 0; hours < 71; hours++) {
    assert.ok(time.now() < clock.wall, `after ${hours} hours`);
    clock.pass(DAY_MS / 24);
  }
  clock.pass(DAY_MS / 12);
  assert.equal(time.now(), clock.wall);
});

test('steps up to a week are taken as they come, and a clock set back is followed at once', async (t) => {
  const { clock, open } = await worldOf(t);
  const time = await open();
  clock.wall += 7 * DAY_MS;
  assert.equal(time.now(), clock.wall);
  clock.wall -= 30 * DAY_MS;
  assert.equal(time.now(), clock.wall);
});

test('after a restart the last time that was trusted counts, until somebody says that the clock is right', async (t) => {
  const { clock, open } = await worldOf(t);
  await (await open()).keep();
  clock.wall += 8 * DAY_MS;
  const doubted = await open();
  assert.equal(doubted.now(), START);
  await doubted.keep();
  assert.equal((await open()).now(), START, 'a doubted time is not kept');
  await doubted.confirm();
  assert.equal(doubted.now(), clock.wall);
  clock.wall += 7 * DAY_MS;
  assert.equal((await open()).now(), clock.wall);
});
