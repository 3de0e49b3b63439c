import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isInNetworks, isNetwork } from './networks.ts';

test('only addresses and CIDR ranges are networks', () => {
  for (const good of ['10.0.0.0/8', '192.0.2.7', '2001:db8::/32', '::1', '0.0.0.0/0'])
    assert.equal(isNetwork(good), true, good);
  for (const bad of [
    '',
    '10.0.0.0/33',
    '10.0.0/8',
    '::/129',
    'localhost',
    '10.0.0.0/8/8',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.0/08x',
  ])
    assert.equal(isNetwork(bad), false, bad);
});

test('an address outside the networks of a key is refused, and so is an unknown one', () => {
  assert.equal(isInNetworks('10.1.2.3', ['10.0.0.0/8']), true);
  assert.equal(isInNetworks('11.1.2.3', ['10.0.0.0/8']), false);
  assert.equal(isInNetworks('2001:db8::1', ['10.0.0.0/8', '2001:db8::/32']), true);
  assert.equal(isInNetworks(null, ['0.0.0.0/0']), false);
  assert.equal(isInNetworks('nonsense', ['0.0.0.0/0', '::/0']), false);
});

test('an IPv4 address in IPv6 form is the same address', () => {
  assert.equal(isInNetworks('::ffff:10.1.2.3', ['10.0.0.0/8']), true);
});

test('no networks mean no rule', () => {
  assert.equal(isInNetworks('203.0.113.9', []), true);
});
