import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEPLOYMENT_LOG, type LedgerEntry } from './entry.ts';
import { RefusalCounts } from './refusal-counts.ts';
import { createLedgerWorld, type LedgerWorld } from './testing/ledger-world.ts';

const entriesOf = async ({ ledger }: LedgerWorld): Promise<readonly LedgerEntry[]> =>
  (await ledger.entries(DEPLOYMENT_LOG, { limit: 10_000 })).entries.toReversed();

test('anonymous refusals become one entry per address, route and minute, with the address sealed', async (t) => {
  const world = await createLedgerWorld(t);
  const { ledger, store, environment, advance } = world;
  const counts = new RefusalCounts(ledger, store, environment.clock);
  const [search, keys] = ['POST /v1/vaults/:vault/search', 'GET /v1/keys'];
  for (let at = 0; at < 5; at++) counts.count({ address: '192.0.2.1', route: search });
  counts.count({ address: '192.0.2.1', route: keys });
  counts.count({ address: '2001:db8::1', route: search });
  advance(60_000);
  counts.count({ address: '192.0.2.1', route: search });
  await counts.flush();
  await counts.flush();
  const entries = await entriesOf(world);
  assert.deepEqual(
    entries.map(({ principal, action, count, facts }) => [
      principal,
      action,
      count,
      facts?.['method'],
      facts?.['template'],
    ]),
    [
      ['anonymous', 'refusals.counted', 5, 'POST', '/v1/vaults/:vault/search'],
      ['anonymous', 'refusals.counted', 1, 'GET', '/v1/keys'],
      ['anonymous', 'refusals.counted', 1, 'POST', '/v1/vaults/:vault/search'],
      ['anonymous', 'refusals.counted', 1, 'POST', '/v1/vaults/:vault/search'],
    ],
  );
  assert.equal(Number(entries[3]!.facts?.['minute']) - Number(entries[0]!.facts?.['minute']), 60_000);
  assert.doesNotMatch(JSON.stringify(entries), /192\.0\.2|db8/);
  assert.deepEqual(await ledger.details(entries[2]!), { address: '2001:db8::1' });
});

test('a flood from many addresses is counted whole in a bounded table', async (t) => {
  const world = await createLedgerWorld(t);
  const counts = new RefusalCounts(world.ledger, world.store, world.environment.clock);
  for (let at = 0; at < 3000; at++) counts.count({ address: `192.0.2.${at}`, route: 'GET /v1/keys' });
  await counts.flush();
  const entries = await entriesOf(world);
  assert.equal(entries.length, 1001);
  assert.equal(
    entries.reduce((sum, { count = 0 }) => sum + count, 0),
    3000,
  );
  assert.deepEqual(await world.ledger.details(entries.at(-1)!), { address: 'others' });
  assert.equal(entries.at(-1)!.count, 2000);
});

test('counts that could not be written are written the next time, none twice', async (t) => {
  const world = await createLedgerWorld(t);
  const counts = new RefusalCounts(world.ledger, world.store, world.environment.clock);
  const refusal = { address: '192.0.2.1', route: 'GET /v1/keys' };
  counts.count(refusal);
  world.failAt('ledger.entries');
  const failing = counts.flush();
  counts.count(refusal);
  await assert.rejects(failing, { code: 'ledger.unavailable' });
  world.failAt(null);
  counts.count(refusal);
  await counts.flush();
  assert.deepEqual(
    (await entriesOf(world)).map(({ count }) => count),
    [3],
  );
});
