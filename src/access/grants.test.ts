import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { VaultId } from '../ids.ts';
import { decide, includesEnvironment, includesGrant, mayEver, type Holder } from './grants.ts';
import type { Grant } from './context.ts';
import { verifies } from '../assurance/testing/verifies.ts';

const A: VaultId = 'vlt_a';
const B: VaultId = 'vlt_b';
const ACTIONS = ['memory.add', 'memory.get', 'vault.get', 'key.create'];

const holder = (grants: readonly Grant[], environment: Holder['environment'] = 'production'): Holder => ({
  environment,
  grants,
});
const place = (id: VaultId, environment: Holder['environment'] = 'production') => ({ id, environment });

test('a grant allows its actions on its vaults and nothing beside them', () => {
  const reader = holder([{ actions: ['memory.get'], vaults: [A] }]);
  assert.equal(decide(reader, 'memory.get', place(A)), 'allowed');
  assert.equal(decide(reader, 'memory.add', place(A)), 'refused');
  assert.equal(decide(reader, 'memory.get', place(B)), 'hidden');
  assert.equal(decide(reader, 'key.create', null), 'refused');
});

test('a grant of a noun allows its actions and not those of a noun that begins alike', () => {
  const keeper = holder([{ actions: ['memory.*'], vaults: [A] }]);
  assert.equal(decide(keeper, 'memory.add', place(A)), 'allowed');
  assert.equal(decide(keeper, 'memoryx.add', place(A)), 'refused');
  assert.equal(decide(holder([{ actions: ['mem*'], vaults: [A] }]), 'memory.add', place(A)), 'refused');
});

test('what concerns the organization needs a grant that is not confined to vaults', () => {
  assert.equal(decide(holder([{ actions: ['*'], vaults: [A] }]), 'key.create', null), 'refused');
  assert.equal(decide(holder([{ actions: ['*'], vaults: ['*'] }]), 'key.create', null), 'allowed');
});

test('a key reaches no vault of an environment above its own', () => {
  verifies('KEY-04');
  const all = [{ actions: ['*'], vaults: ['*'] }] as const;
  assert.equal(decide(holder(all, 'development'), 'memory.get', place(A)), 'refused');
  assert.equal(decide(holder(all, 'staging'), 'memory.get', place(A, 'development')), 'allowed');
  assert.equal(includesEnvironment(holder(all, 'staging'), 'production'), false);
});

test('no grants allow nothing', () => {
  for (const action of ACTIONS) {
    assert.equal(mayEver(holder([]), action), false);
    assert.equal(decide(holder([]), action, place(A)), 'hidden');
    assert.equal(decide(holder([]), action, null), 'refused');
  }
});

test('a grant that is handed on never allows what the holder may not do', () => {
  const grant = fc.record({
    actions: fc.uniqueArray(fc.constantFrom('*', 'memory.*', ...ACTIONS), { minLength: 1 }),
    vaults: fc.uniqueArray(fc.constantFrom<VaultId | '*'>('*', A, B), { minLength: 1 }),
  });
  fc.assert(
    fc.property(fc.array(grant, { maxLength: 3 }), grant, (own, handedOn) => {
      const giver = holder(own);
      if (!includesGrant(giver, handedOn, ACTIONS)) return;
      for (const action of ACTIONS)
        for (const vault of [place(A), place(B), null])
          if (decide(holder([handedOn]), action, vault) === 'allowed')
            assert.equal(
              decide(giver, action, vault),
              'allowed',
              `${action} on ${vault?.id ?? 'organization'}`,
            );
    }),
    { numRuns: 500 },
  );
});
