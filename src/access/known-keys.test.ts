import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../bytes/secret.ts';
import type { Slot } from '../keys/slot.ts';
import type { Principal } from './context.ts';
import { KnownKeys, type KnownKey } from './known-keys.ts';
import type { Organization } from './organizations.ts';

const TOKEN = new Secret('sr_production_one');
const organization: Organization = {
  id: 'org_1',
  slot: 7 as Slot,
  name: 'One',
  isClosing: false,
};
const principal: Principal = {
  id: 'key_1',
  organization: organization.id,
  environment: 'production',
  scope: [],
  grants: [],
  networks: [],
  expiresAt: null,
};

/** What is known, beside what it is judged by, in the test's hands. */
function world() {
  const state = { lastWrite: 3, erased: new Set<Slot>(), now: 1_000 };
  const keys = new KnownKeys({
    lastWrite: () => state.lastWrite,
    isErased: (slot) => state.erased.has(slot),
    now: () => state.now,
  });
  const known: KnownKey = {
    principal,
    organization,
    slots: [1, 2, 3] as Slot[],
    lastWrite: 3,
    provedAtMs: 1_000,
  };
  keys.add(TOKEN, known);
  return { state, keys, known };
}

test('a key that has proved itself is known, and no other is', () => {
  const { keys, known } = world();
  assert.equal(keys.find(new Secret(TOKEN.reveal())), known);
  assert.equal(keys.find(new Secret('sr_production_two')), null);
});

test('a key is known no longer once anything was written to the table of keys', () => {
  const { keys, state } = world();
  state.lastWrite = 4;
  assert.equal(keys.find(TOKEN), null);
});

test('what was read before a commit that came meanwhile is not taken for what came after', () => {
  const { keys, state, known } = world();
  state.lastWrite = 4;
  keys.add(TOKEN, known);
  assert.equal(keys.find(TOKEN), null);
});

test('a key is known no longer once any slot of it, or its organization, is dead', () => {
  for (const slot of [1, 2, 3, 7] as Slot[]) {
    const { keys, state } = world();
    state.erased.add(slot);
    assert.equal(keys.find(TOKEN), null, String(slot));
  }
});

test('a key has to prove itself again after a second, and after the clock went back', () => {
  for (const [now, isKnown] of [
    [1_999, true],
    [2_000, false],
    [999, false],
  ] as const) {
    const { keys, state } = world();
    state.now = now;
    assert.equal(keys.find(TOKEN) !== null, isKnown, String(now));
  }
});
