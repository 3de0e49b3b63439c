import assert from 'node:assert/strict';
import { realEnvironment } from '../environment.ts';
import { test } from 'node:test';
import { SYSTEM } from '../store/store.ts';
import { forEachEngine, sqliteEngineFor } from '../store/testing/engines.ts';
import { SlotAllocator } from '../store/slots.ts';
import { LedgerPeriods } from './periods.ts';

const at = (text: string): number => Date.parse(text);

function createSlots(): SlotAllocator {
  let leaf = 0;
  return new SlotAllocator({ takeLeaf: () => leaf++ }, realEnvironment.clock);
}

forEachEngine(
  'each month has a slot of its own, made before it begins and found again',
  async (t, engine) => {
    const store = await engine.open();
    const slots = createSlots();
    const periods = await LedgerPeriods.open(store, slots, at('2026-05-07T10:00:00Z'));
    const may = periods.slotAt(at('2026-05-31T23:59:59.999Z'));
    assert.equal(periods.slotAt(at('2026-05-01T00:00:00Z')), may);
    await periods.ensure(at('2026-05-26T00:00:00Z'));
    const june = periods.slotAt(at('2026-06-01T00:00:00Z'));
    assert.notEqual(june, may);
    assert.equal(periods.slotAt(at('2026-05-07T10:00:00Z')), may);

    const again = await LedgerPeriods.open(store, slots, at('2026-06-02T00:00:00Z'));
    assert.equal(again.slotAt(at('2026-06-02T00:00:00Z')), june);
    assert.equal(again.slotAt(at('2026-05-07T10:00:00Z')), may);
    const rows = await store.read(SYSTEM, (db) =>
      db.selectFrom('service_slots').select('name').orderBy('name').execute(),
    );
    assert.deepEqual(
      rows.map(({ name }) => name),
      ['ledger/2026-05', 'ledger/2026-06'],
    );
  },
);

test('a month that begins without its slot is served by the newest one', async (t) => {
  const store = await (await sqliteEngineFor(t)).open();
  const periods = await LedgerPeriods.open(store, createSlots(), at('2026-05-07T10:00:00Z'));
  assert.equal(periods.slotAt(at('2027-01-01T00:00:00Z')), periods.slotAt(at('2026-05-07T10:00:00Z')));
});
