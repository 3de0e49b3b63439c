import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkOf } from './address.ts';

test('an address is public, private, or nothing that may be connected to', () => {
  const addresses: Record<string, 'public' | 'private' | null> = {
    '1.1.1.1': 'public',
    '2606:4700:4700::1111': 'public',
    '127.0.0.1': 'private',
    '127.255.255.254': 'private',
    '::1': 'private',
    '10.1.2.3': 'private',
    '172.16.0.1': 'private',
    '172.32.0.1': 'public',
    '192.168.1.1': 'private',
    '100.64.0.1': 'private',
    'fd12:3456::1': 'private',
    '0.0.0.0': null,
    '::': null,
    '169.254.1.1': null,
    'fe80::1': null,
    '224.0.0.1': null,
    '255.255.255.255': null,
    'ff02::1': null,
    '192.0.2.1': null,
    '2001:db8::1': null,
    '64:ff9b::a00:1': null,
    '2002:a00:1::': null,
    '::127.0.0.1': null,
    '::ffff:0:127.0.0.1': null,
    'fe80::1%eth0': null,
    '::1%lo': null,
    '::ffff:169.254.169.254%eth0': null,
    localhost: null,
    '': null,
    '127.1': null,
  };
  for (const [address, network] of Object.entries(addresses))
    assert.equal(networkOf(address), network, address);
});

test('where clouds answer about themselves nothing connects, whatever is allowed', () => {
  for (const address of [
    '169.254.169.254',
    '169.254.170.2',
    '100.100.100.200',
    '168.63.129.16',
    'fd00:ec2::254',
    'fd20:ce::254',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
  ])
    assert.equal(networkOf(address), null, address);
});

test('an IPv4 address written as IPv6 counts as what it is', () => {
  assert.equal(networkOf('::ffff:127.0.0.1'), 'private');
  assert.equal(networkOf('::ffff:7f00:1'), 'private');
  assert.equal(networkOf('0:0:0:0:0:ffff:10.0.0.1'), 'private');
  assert.equal(networkOf('::ffff:1.1.1.1'), 'public');
});
